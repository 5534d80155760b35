//! The database's files as the system sees them: making the one, what stands beside it, and telling them from others of
//! their names. Knows no SQL.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::lock::{self, Guard, Lock};
use super::{Error, Result};

/// Makes an empty file if there is none, for its owner only: the database holds secrets. SQLite gives the files beside
/// it the same rights. Its name is on the disk before anything is written to it.
pub(super) fn create(path: &Path) -> Result<()> {
    let made = create_new(path).and_then(|made| {
        hand_over(&made, folder(path));
        sync_folder(path)
    });
    match made {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(Error::Unavailable(format!("cannot make {}: {e}", path.display()))),
    }
}

/// Makes a file that is not there yet, for its owner only.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What root makes among the files of a server's user would keep that user out: it belongs to whom `like` does, or its
/// folder, where there is no such file yet. Nobody but
/// root can give a file away, and nobody else has to. Only for a file that was just made: by a name that leads elsewhere, that
/// user could get any file.
#[cfg(unix)]
pub(super) fn hand_over(made: &File, like: &Path) {
    use std::os::unix::fs::{MetadataExt, fchown};

    let like = std::fs::metadata(like).or_else(|_| std::fs::metadata(folder(like)));
    if let (Ok(ours), Ok(like)) = (made.metadata(), like)
        && ours.uid() != like.uid()
    {
        let _ = fchown(made, Some(like.uid()), Some(like.gid()));
    }
}

#[cfg(not(unix))]
pub(super) fn hand_over(_: &File, _: &Path) {}

/// A name beside a file: its own with this ending.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The folder that a file is in.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Brings the names in a file's folder to the disk: without it, a power cut may take a name back. A folder that may be
/// written to and not read, or whose file system knows no such sync, is left to the system, as SQLite leaves it.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};

    let synced = if cfg!(unix) { File::open(folder(path)).and_then(|folder| folder.sync_all()) } else { Ok(()) };
    synced.or_else(|e| if matches!(e.kind(), InvalidInput | PermissionDenied | Unsupported) { Ok(()) } else { Err(e) })
}

/// What some calls of clients take on the disk.
const ROOM: usize = 256 << 10;

/// Whether there is room beside the database for what some calls write: takes it for a moment, in a file without a name.
pub(super) fn room(database: &Path) -> io::Result<()> {
    let path = beside(database, ".room");
    // Of one who was killed at this point.
    let _ = std::fs::remove_file(&path);
    let mut file = create_new(&path)?;
    std::fs::remove_file(&path)?;
    file.write_all(&vec![0xA5; ROOM])?;
    file.sync_data()
}

/// With less room than this the log is folded into the database after every commit: what it holds must always fit, and
/// what one transaction writes comes on top.
pub const SCARCE: u64 = 16 << 20;

/// Bytes that are free where a folder is; none where nobody can tell.
#[cfg(unix)]
pub fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Bytes that are free where a folder is; none where nobody can tell.
#[cfg(not(unix))]
pub fn free(_: &Path) -> Option<u64> {
    None
}

/// Whether this process lives. Where nobody can tell, it does.
#[cfg(unix)]
pub(super) fn is_running(process: u32) -> bool {
    let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    process.is_some_and(|process| rustix::process::test_kill_process(process) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
pub(super) fn is_running(_: u32) -> bool {
    true
}

/// How many bytes the file has, and the log of writes beside it; none where the system does not tell.
pub(super) fn sizes(path: &Path) -> Option<[u64; 2]> {
    // Without a log nothing was written.
    Some([std::fs::metadata(path).ok()?.len(), std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len())])
}

/// Which file stands at a path, where the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> Result<Option<FileId>> {
        use std::os::unix::fs::MetadataExt;
        match std::fs::metadata(path) {
            Ok(file) => Ok(Some(FileId(file.dev(), file.ino()))),
            Err(e) => Err(Error::Unavailable(format!("{}: {e}", path.display()))),
        }
    }

    /// Of one that is open, whatever became of its name.
    #[cfg(unix)]
    pub(super) fn of_open(file: &File) -> Result<Option<FileId>> {
        use std::os::unix::fs::MetadataExt;
        let file = file.metadata().map_err(|e| Error::Unavailable(e.to_string()))?;
        Ok(Some(FileId(file.dev(), file.ino())))
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> Result<Option<FileId>> {
        Ok(None)
    }

    #[cfg(not(unix))]
    pub(super) fn of_open(_: &File) -> Result<Option<FileId>> {
        Ok(None)
    }
}

/// How often everything is looked at even if nothing seems to have changed.
const LOOK: Duration = Duration::from_millis(50);

/// The database and SQLite's files beside it, as they were when they were opened: SQLite goes on with files that are there
/// no more, and what it writes is lost with the next start.
pub(super) struct Opened {
    database: PathBuf,
    database_id: Option<FileId>,
    /// Where SQLite's files are.
    folder: PathBuf,
    log: PathBuf,
    /// None where the log cannot be watched.
    log_id: Option<FileId>,
    /// In it are the locks by which processes keep out of each other's way.
    shared: PathBuf,
    shared_id: Option<FileId>,
    /// Another process has made itself one: whatever comes back, it may have written.
    shared_is_another: bool,
    /// How long the log was at the last look at everything, and how much room there was.
    log_length: u64,
    free: Option<u64>,
    looked: Option<Instant>,
    /// When the folder last changed, as seen then; and if that was so at the look before it, too: a change in the same
    /// tick of the file system's clock would not show.
    seen: Option<(i64, i64)>,
    settled: Option<(i64, i64)>,
    /// Of a server, whose lock has to be one still.
    guard: Option<Guard>,
}

/// What is not where it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The database itself. It may be put back.
    Database,
    /// The log, but not the locks: others can still be kept from writing.
    Log,
    /// The locks, and perhaps the log: nobody can be kept from anything.
    Shared,
}

impl Opened {
    /// Those of an open database.
    pub(super) fn of(database: &Path, lock: Option<&Lock>) -> Result<Opened> {
        // SQLite's files are beside the file itself, wherever a link to it lies.
        let real = database.canonicalize().map_err(|e| Error::Unavailable(format!("{}: {e}", database.display())))?;
        let (log, shared) = (beside(&real, "-wal"), beside(&real, "-shm"));
        Ok(Opened {
            database: database.to_owned(),
            database_id: FileId::of(database)?,
            folder: folder(&real).to_owned(),
            log_id: FileId::of(&log).unwrap_or_default(),
            log,
            shared_id: FileId::of(&shared).unwrap_or_default(),
            shared,
            shared_is_another: false,
            log_length: 0,
            free: None,
            looked: None,
            seen: None,
            settled: None,
            guard: lock.map(Guard::of),
        })
    }

    /// Whether a server uses them, and this process is not it.
    pub(super) fn are_a_servers(&self) -> bool {
        self.guard.is_none() && lock::holder(&self.database).is_some()
    }

    /// Whether all still stand where they were opened. Asked before each commit, so it asks the system only when the
    /// folder last changed, unless it has or the last look at everything was a while ago.
    pub(super) fn are_there(&mut self) -> Result<(), Missing> {
        let changed = changed(&self.folder);
        let due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if !due && changed.is_some() && changed == self.settled {
            return Ok(());
        }
        if due {
            self.settled = changed.filter(|_| changed == self.seen);
            self.seen = changed;
            self.looked = Some(Instant::now());
        }
        let found = self.look();
        if found.is_err() {
            (self.seen, self.settled) = (None, None);
        }
        found
    }

    /// Whether the log is longer than `bound`, or than what the disk surely takes when it is folded.
    pub(super) fn log_is_beyond(&mut self, bound: u64) -> bool {
        let most = most(bound, self.free);
        if most == 0 {
            self.measure();
        }
        self.log_length > most
    }

    /// Looks how long the log is and how much room is left.
    pub(super) fn measure(&mut self) {
        self.log_length = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        self.free = free(&self.folder);
    }

    fn look(&mut self) -> Result<(), Missing> {
        self.measure();
        if FileId::of(&self.database).ok() != Some(self.database_id) {
            return Err(Missing::Database);
        }
        if self.shared_id.is_some() {
            let now = FileId::of(&self.shared).unwrap_or_default();
            self.shared_is_another |= now.is_some() && now != self.shared_id;
            if self.shared_is_another || now.is_none() {
                return Err(Missing::Shared);
            }
        }
        if self.log_is_there() { Ok(()) } else { Err(Missing::Log) }
    }

    /// Whether no other server may write to them.
    pub(super) fn are_ours(&mut self) -> Result<()> {
        self.guard.as_mut().map_or(Ok(()), Guard::look)
    }

    /// Whether the log still stands where it was opened.
    pub(super) fn log_is_there(&self) -> bool {
        self.log_id.is_none() || FileId::of(&self.log).is_ok_and(|id| id == self.log_id)
    }

    /// Whether another process has written to a log of its own in the place of ours.
    pub(super) fn log_is_anothers(&self) -> bool {
        !self.log_is_there() && std::fs::metadata(&self.log).is_ok_and(|log| log.len() > 0)
    }

    /// What to say of it.
    pub(super) fn error(&self, missing: Missing) -> Error {
        let text = match missing {
            Missing::Database => format!(
                "{} is another file than the one that was opened, or none; put that one back, or stop and start again",
                self.database.display()
            ),
            Missing::Log => format!(
                "{}, which belongs to the database, was removed or replaced; what it held is kept, and nothing more is \
                 written: stop and start again",
                self.log.display()
            ),
            Missing::Shared => format!(
                "{}, by which processes keep out of each other's way, was removed or replaced; nothing more is read or \
                 written: stop and start again",
                self.shared.display()
            ),
        };
        Error::Unavailable(text)
    }
}

/// How long the log may be where so much is free beside it: at most so long that all it holds fits into the database.
fn most(bound: u64, free: Option<u64>) -> u64 {
    match free {
        Some(free) if free < SCARCE => 0,
        Some(free) => bound.min(free / 2),
        None => bound,
    }
}

/// When a folder last got, lost or renamed something, where the system tells.
#[cfg(unix)]
fn changed(folder: &Path) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).ok().map(|folder| (folder.ctime(), folder.ctime_nsec()))
}

#[cfg(not(unix))]
fn changed(_: &Path) -> Option<(i64, i64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_leaves_the_room_that_folding_needs() {
        const MIB: u64 = 1 << 20;
        for (free, longest) in [
            (Some(0), 0),
            (Some(16 * MIB - 1), 0),
            (Some(16 * MIB), 8 * MIB),
            (Some(63 * MIB), 63 * MIB / 2),
            (Some(65 * MIB), 32 * MIB),
            (None, 32 * MIB),
        ] {
            assert_eq!(most(32 * MIB, free), longest, "{free:?}");
        }
    }
}
