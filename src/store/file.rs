//! The database's file as the system sees it: making it, and telling it from another of that name. Knows no SQL.

use std::path::Path;

use super::{Error, Result};

/// Makes an empty file if there is none, for its owner only: the database holds secrets. SQLite gives the files beside
/// it the same rights.
pub(super) fn create(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(Error::Unavailable(format!("cannot make {}: {e}", path.display()))),
    }
}

/// Which file stands at a path, where the system tells: SQLite goes on writing to a file that is there no more.
#[derive(Clone, Copy, PartialEq, Eq)]
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

    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> Result<Option<FileId>> {
        Ok(None)
    }
}
