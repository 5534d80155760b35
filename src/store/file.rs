//! The database's files as the system sees them: making the one, what stands beside it, and telling them from others of
//! their names. Knows no SQL.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::{Guard, Lock};
use super::{Error, Result};

/// Makes an empty file if there is none, for its owner only: the database holds secrets. SQLite gives the files beside
/// it the same rights.
pub(super) fn create(path: &Path) -> Result<()> {
    match create_new(path) {
        Ok(_) => Ok(()),
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

/// Brings the names in a file's folder to the disk: without it, a power cut may take a name back.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
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

/// The database and SQLite's log beside it, as they were when they were opened: SQLite goes on writing to files that are
/// there no more, and what it writes is lost with the next start.
pub(super) struct Opened {
    database: PathBuf,
    database_id: Option<FileId>,
    log: PathBuf,
    /// None where the log cannot be watched.
    log_id: Option<FileId>,
    /// Of a server, whose lock has to be one still.
    guard: Option<Guard>,
}

impl Opened {
    /// Those of an open database.
    pub(super) fn of(database: &Path, lock: Option<&Lock>) -> Result<Opened> {
        // SQLite's log is beside the file itself, wherever a link to it lies.
        let real = database.canonicalize().map_err(|e| Error::Unavailable(format!("{}: {e}", database.display())))?;
        let log = beside(&real, "-wal");
        let log_id = FileId::of(&log).unwrap_or_default();
        let (database_id, guard) = (FileId::of(database)?, lock.map(Guard::of));
        Ok(Opened { database: database.to_owned(), database_id, log, log_id, guard })
    }

    /// Whether both still stand where they were opened, and no other server writes to them.
    pub(super) fn are_there(&mut self) -> Result<()> {
        if FileId::of(&self.database)? != self.database_id {
            return Err(Error::Unavailable(format!(
                "{} is another file than the one that was opened; put that one back, or stop and start again",
                self.database.display()
            )));
        }
        if self.log_is_there() {
            return self.guard.as_mut().map_or(Ok(()), Guard::look);
        }
        Err(Error::Unavailable(format!(
            "{}, which belongs to the database, was removed or replaced; what it held is kept, and nothing more is \
             written: stop and start again",
            self.log.display()
        )))
    }

    /// Whether the log still stands where it was opened.
    pub(super) fn log_is_there(&self) -> bool {
        self.log_id.is_none() || FileId::of(&self.log).is_ok_and(|id| id == self.log_id)
    }
}
