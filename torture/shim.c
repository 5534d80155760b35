/* Stands between the server and the system (LD_PRELOAD): notes what is written to one folder and what is synced, and
 * fails, fills or slows that folder's disk, and moves the clock, as the harness asks. It is C because that is what the
 * system's functions are (`open` takes what it likes), and so that no Rust here needs `unsafe`. It decides nothing: what
 * a power cut takes away is computed by the harness from the notes (src/disk.rs).
 *
 * TORTURE_DIR      the folder, absolute
 * TORTURE_LOG      the notes: records as below, appended; none if it is not set
 * TORTURE_CONTROL  a file of one page, mapped: `struct control`, changed by the harness at any time
 *
 * A record is noted before a write is made and after a sync has come back, so that the notes never claim more to be on
 * disk than is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The same in src/shim.rs. */
struct control {
	_Atomic int64_t clock;	      /* seconds that the clock is ahead */
	_Atomic int64_t limited;      /* 1: `budget` counts */
	_Atomic int64_t budget;	      /* bytes by which files may still grow */
	_Atomic int64_t write_errno;  /* writes, truncations, renames and removals fail so; 0: they do not */
	_Atomic int64_t sync_errno;   /* this is how syncs fail, */
	_Atomic int64_t sync_fails;   /* so many of them */
	_Atomic int64_t sync_ms;      /* how long a sync takes longer */
	_Atomic int64_t open_errno;   /* opening for writing fails so */
	_Atomic int64_t stderr_errno; /* writing to stderr fails so */
	_Atomic int64_t refused;      /* how often any of these was done */
	_Atomic int64_t syncing;      /* how many syncs are being made now */
	_Atomic int64_t syncs;	      /* how many have been made */
};

struct record {
	uint8_t type;
	uint8_t pad[3];
	uint32_t length; /* of what follows: a name, or bytes written */
	uint64_t file;	 /* the inode */
	uint64_t offset; /* where it was written; the new size; for syncs, how long the notes were when it began */
};

enum { MOST = 65536 };

static struct control nothing;
static struct control *control = &nothing;
static char folder[4096];
static size_t folder_length;
static int notes = -1;
/* Which file a descriptor is: its inode; 0 is another place, and */
enum { FOLDER = 1, SHARED = 2 };
static _Atomic uint64_t files[MOST];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_linkat)(int, const char *, int, const char *, int);
static int (*real_unlink)(const char *);
static int (*real_close)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void)
{
	real_open = dlsym(RTLD_NEXT, "open");
	real_openat = dlsym(RTLD_NEXT, "openat");
	real_write = dlsym(RTLD_NEXT, "write");
	real_writev = dlsym(RTLD_NEXT, "writev");
	real_pwrite = dlsym(RTLD_NEXT, "pwrite");
	real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
	real_fsync = dlsym(RTLD_NEXT, "fsync");
	real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	real_rename = dlsym(RTLD_NEXT, "rename");
	real_linkat = dlsym(RTLD_NEXT, "linkat");
	real_unlink = dlsym(RTLD_NEXT, "unlink");
	real_close = dlsym(RTLD_NEXT, "close");
	real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	const char *text = getenv("TORTURE_DIR");
	if (text && strlen(text) < sizeof folder) {
		strcpy(folder, text);
		folder_length = strlen(folder);
	}
	text = getenv("TORTURE_LOG");
	if (text)
		notes = real_open(text, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	text = getenv("TORTURE_CONTROL");
	if (text) {
		int fd = real_open(text, O_RDWR | O_CLOEXEC);
		void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (page == MAP_FAILED)
			abort();
		control = page;
		real_close(fd);
	}
}

/* ---- notes */

static void note(char type, uint64_t file, uint64_t offset, const void *bytes, size_t length)
{
	/* What processes share in memory no power cut leaves behind. */
	if (notes < 0 || file == SHARED)
		return;
	struct record record = {.type = (uint8_t)type, .length = (uint32_t)length, .file = file, .offset = offset};
	struct iovec parts[2] = {{&record, sizeof record}, {(void *)bytes, length}};
	/* One call, appending: whole beside those of other processes. */
	if (real_writev(notes, parts, 2) != (ssize_t)(sizeof record + length))
		abort();
}

static uint64_t notes_length(void)
{
	struct stat stat;
	return notes >= 0 && !fstat(notes, &stat) ? (uint64_t)stat.st_size : 0;
}

/* The name of a file in the folder; "" is the folder; NULL is elsewhere. */
static const char *name(const char *path)
{
	if (!folder_length || strncmp(path, folder, folder_length))
		return NULL;
	path += folder_length;
	if (!*path)
		return path;
	return *path == '/' ? path + 1 : NULL;
}

/* Whether it is SQLite's memory that processes share. */
static int shared(const char *name)
{
	size_t length = strlen(name);
	return length > 4 && !strcmp(name + length - 4, "-shm");
}

static uint64_t file_of(int fd)
{
	return fd >= 0 && fd < MOST ? atomic_load(&files[fd]) : 0;
}

static int refuse(int64_t error)
{
	atomic_fetch_add(&control->refused, 1);
	errno = (int)error;
	return -1;
}

/* ---- opening */

static int opened(int at, const char *path, int flags, mode_t mode)
{
	const char *found = at == AT_FDCWD || *path == '/' ? name(path) : NULL;
	if (!found)
		return real_openat(at, path, flags, mode);
	int64_t error = atomic_load(&control->open_errno);
	if (error && *found && (flags & O_ACCMODE) != O_RDONLY)
		return refuse(error);
	pthread_mutex_lock(&turn);
	int existed = access(path, F_OK) == 0;
	int fd = real_openat(at, path, flags, mode);
	int saved = errno;
	struct stat stat;
	if (fd >= 0 && fd < MOST && !fstat(fd, &stat)) {
		uint64_t file = !*found ? FOLDER : shared(found) ? SHARED : (uint64_t)stat.st_ino;
		atomic_store(&files[fd], file);
		if (*found && S_ISREG(stat.st_mode)) {
			note(existed ? 'O' : 'C', file, 0, found, strlen(found));
			if (existed && (flags & O_TRUNC))
				note('T', file, 0, NULL, 0);
		}
	}
	pthread_mutex_unlock(&turn);
	errno = saved;
	return fd;
}

#define MODE(flags, last) \
	mode_t mode = 0; \
	if ((flags) & (O_CREAT | O_TMPFILE)) { \
		va_list rest; \
		va_start(rest, last); \
		mode = va_arg(rest, mode_t); \
		va_end(rest); \
	}

int open(const char *path, int flags, ...)
{
	MODE(flags, flags)
	return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	MODE(flags, flags)
	return opened(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
	MODE(flags, flags)
	return opened(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
	MODE(flags, flags)
	return opened(at, path, flags, mode);
}

int close(int fd)
{
	if (fd >= 0 && fd < MOST)
		atomic_store(&files[fd], 0);
	return real_close(fd);
}

/* ---- writing */

/* How much of this may be written. Only what makes a file longer needs space. */
static ssize_t granted(int fd, size_t length, off_t offset)
{
	if (!atomic_load(&control->limited))
		return (ssize_t)length;
	struct stat stat;
	if (fstat(fd, &stat))
		return -1;
	int64_t growth = (int64_t)(offset + (off_t)length) - (int64_t)stat.st_size;
	if (growth <= 0)
		return (ssize_t)length;
	int64_t left = atomic_load(&control->budget);
	if (growth <= left) {
		atomic_fetch_sub(&control->budget, growth);
		return (ssize_t)length;
	}
	/* As a disk does it: what still fits is written. */
	int64_t fits = (int64_t)length - growth + (left > 0 ? left : 0);
	if (fits <= 0)
		return refuse(ENOSPC);
	atomic_store(&control->budget, 0);
	atomic_fetch_add(&control->refused, 1);
	return (ssize_t)fits;
}

static ssize_t written(int fd, const void *bytes, size_t length, off_t offset, int moves)
{
	uint64_t file = file_of(fd);
	int64_t error = atomic_load(&control->write_errno);
	if (error)
		return refuse(error);
	pthread_mutex_lock(&turn);
	ssize_t done = -1;
	if (moves) {
		offset = lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
	}
	ssize_t some = granted(fd, length, offset);
	if (some >= 0) {
		note('W', file, (uint64_t)offset, bytes, (size_t)some);
		done = moves ? real_write(fd, bytes, (size_t)some) : real_pwrite(fd, bytes, (size_t)some, offset);
	}
	int saved = errno;
	pthread_mutex_unlock(&turn);
	errno = saved;
	return done;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
	if (fd == 2 && atomic_load(&control->stderr_errno))
		return refuse(atomic_load(&control->stderr_errno));
	return file_of(fd) > FOLDER ? written(fd, bytes, length, 0, 1) : real_write(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	return file_of(fd) > FOLDER ? written(fd, bytes, length, offset, 0) : real_pwrite(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset)
{
	return pwrite(fd, bytes, length, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (fd == 2 && atomic_load(&control->stderr_errno))
		return refuse(atomic_load(&control->stderr_errno));
	if (file_of(fd) <= FOLDER || count < 1)
		return real_writev(fd, parts, count);
	/* The first part: fewer bytes than asked for is a legal answer. */
	int first = 0;
	while (first < count - 1 && !parts[first].iov_len)
		first++;
	return written(fd, parts[first].iov_base, parts[first].iov_len, 0, 1);
}

int ftruncate(int fd, off_t size)
{
	uint64_t file = file_of(fd);
	if (file <= FOLDER)
		return real_ftruncate(fd, size);
	int64_t error = atomic_load(&control->write_errno);
	if (error)
		return refuse(error);
	pthread_mutex_lock(&turn);
	struct stat stat;
	if (atomic_load(&control->limited) && !fstat(fd, &stat) && stat.st_size > size)
		atomic_fetch_add(&control->budget, stat.st_size - size);
	note('T', file, (uint64_t)size, NULL, 0);
	int done = real_ftruncate(fd, size);
	int saved = errno;
	pthread_mutex_unlock(&turn);
	errno = saved;
	return done;
}

int ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

/* ---- syncing */

static int synced(int fd, int (*sync)(int))
{
	uint64_t file = file_of(fd);
	if (!file)
		return sync(fd);
	uint64_t began = notes_length();
	atomic_fetch_add(&control->syncing, 1);
	/* As long as it is asked for, and no longer. */
	for (int64_t waited = 0; waited < atomic_load(&control->sync_ms); waited += 2) {
		struct timespec rest = {0, 2000000};
		nanosleep(&rest, NULL);
	}
	atomic_fetch_sub(&control->syncing, 1);
	atomic_fetch_add(&control->syncs, 1);
	if (atomic_load(&control->sync_fails) > 0 && atomic_fetch_sub(&control->sync_fails, 1) > 0) {
		/* The system forgets that the pages were never written: the next sync comes back well without them. */
		note('F', file, began, NULL, 0);
		return refuse(atomic_load(&control->sync_errno));
	}
	int done = sync(fd);
	if (!done)
		note(file == FOLDER ? 'D' : 'S', file, began, NULL, 0);
	return done;
}

int fsync(int fd)
{
	return synced(fd, real_fsync);
}

int fdatasync(int fd)
{
	return synced(fd, real_fdatasync);
}

/* ---- names */

/* One more name, or another one. */
static int named(char type, const char *from, const char *to)
{
	const char *old = name(from), *new = name(to);
	if (!old || !new)
		return type == 'R' ? real_rename(from, to) : real_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
	int64_t error = atomic_load(&control->write_errno);
	if (error)
		return refuse(error);
	char both[8192];
	int length = snprintf(both, sizeof both, "%s/%s", old, new);
	pthread_mutex_lock(&turn);
	note(type, 0, 0, both, (size_t)length);
	int done = type == 'R' ? real_rename(from, to) : real_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
	int saved = errno;
	pthread_mutex_unlock(&turn);
	errno = saved;
	return done;
}

int rename(const char *from, const char *to)
{
	return named('R', from, to);
}

int link(const char *from, const char *to)
{
	return named('L', from, to);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
	if (from_at != AT_FDCWD || to_at != AT_FDCWD || flags)
		return real_linkat(from_at, from, to_at, to, flags);
	return named('L', from, to);
}

int unlink(const char *path)
{
	const char *found = name(path);
	if (!found)
		return real_unlink(path);
	int64_t error = atomic_load(&control->write_errno);
	if (error)
		return refuse(error);
	pthread_mutex_lock(&turn);
	struct stat stat;
	if (atomic_load(&control->limited) && !lstat(path, &stat))
		atomic_fetch_add(&control->budget, stat.st_size);
	if (!shared(found))
		note('U', 0, 0, found, strlen(found));
	int done = real_unlink(path);
	int saved = errno;
	pthread_mutex_unlock(&turn);
	errno = saved;
	return done;
}

/* ---- the clock */

int clock_gettime(clockid_t clock, struct timespec *time)
{
	/* Somebody may ask before we have started. */
	if (!real_clock_gettime)
		real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	int done = real_clock_gettime(clock, time);
	if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		time->tv_sec += atomic_load(&control->clock);
	return done;
}

int gettimeofday(struct timeval *time, void *zone)
{
	(void)zone;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	time->tv_sec = now.tv_sec;
	time->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *result)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}
