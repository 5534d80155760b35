//! Why there is no copy of a database, in words for people.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::super::{Error, sqlite};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// What would be overwritten.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// A file cannot take its own place.
    #[error("{} is the database itself", .0.display())]
    Same(PathBuf),
    /// What is written beside a database is no place for a copy of it.
    #[error("{} is a name of the database's own files", .0.display())]
    Own(PathBuf),
    /// Somebody uses what would be overwritten or set aside.
    #[error("{} is in use by another process; end that first", .0.display())]
    InUse(PathBuf),
    /// The file that was copied is damaged; so would be its copy.
    #[error("{} is not sound: {}", file.display(), problems.join("; "))]
    Unsound {
        /// What was copied.
        file: PathBuf,
        /// A sentence each.
        problems: Vec<String>,
    },
    /// The copy does not hold what it was made of.
    #[error(
        "the copy does not hold what {} holds ({what}): look at the disk it was written to, and at this machine's memory",
        file.display()
    )]
    Differs {
        /// What was copied.
        file: PathBuf,
        /// In which tables the counts of rows differ, if they do.
        what: String,
    },
    /// There is no room for it.
    #[error("there is no room for {}: it takes about {} MiB", path.display(), bytes.div_ceil(1 << 20))]
    Full {
        /// The copy.
        path: PathBuf,
        /// How large it would be.
        bytes: u64,
    },
    /// A file or a folder cannot be used.
    #[error("cannot write {}: {error}", path.display())]
    File {
        /// It.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The process is to end.
    #[error("stopped before it was done")]
    Stopped,
    /// The database cannot be read, or is none of ours.
    #[error(transparent)]
    Store(#[from] Error),
}

impl BackupError {
    /// What an error means that came while reading rows: the end that was asked for, damage, or something else.
    pub(super) fn unsound(file: &Path, e: rusqlite::Error) -> BackupError {
        match e.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => BackupError::Stopped,
            Some(ErrorCode::DatabaseCorrupt) => {
                BackupError::Unsound { file: file.to_owned(), problems: vec![e.to_string()] }
            }
            _ => sqlite::error(e).into(),
        }
    }
}
