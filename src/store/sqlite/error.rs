//! What SQLite's errors mean to us, and what an operator can do about them. Knows no table and no connection.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::store::Error;

/// A file that is no SQLite database gets a sentence of its own.
pub(in crate::store) fn unfit(path: &Path, e: rusqlite::Error) -> Error {
    if e.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        Error::Unfit(format!("{} is not a Keystead database; name one that is", path.display()))
    } else {
        error(e)
    }
}

/// What an error of SQLite means to us.
pub(in crate::store) fn error(e: rusqlite::Error) -> Error {
    match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked,
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::PermissionDenied
            | ErrorCode::NoLargeFileSupport,
        ) => Error::Unavailable(format!("{e}{}", advice(&e))),
        _ => Error::Bug(e.to_string()),
    }
}

/// The file for the memory that connections share could not be made as long as it has to be.
const SHARED_MEMORY: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// Whether space was missing.
pub(super) fn is_full(e: &rusqlite::Error) -> bool {
    e.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || e.sqlite_error().is_some_and(|error| error.extended_code == SHARED_MEMORY)
}

/// What an operator can do about it.
pub(super) fn advice(e: &rusqlite::Error) -> &'static str {
    match (e.sqlite_error_code(), e.sqlite_error().map(|error| error.extended_code)) {
        (Some(ErrorCode::DiskFull), _) => ": make room on it",
        (_, Some(SHARED_MEMORY)) => ": the disk is full, or cannot be written; make room on it",
        (Some(ErrorCode::SystemIoFailure), _) => ": the disk does not work as it should; the system's log says more",
        (Some(ErrorCode::ReadOnly), _) => ": the file, its folder or its disk is read-only",
        (Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied), _) => {
            ": this process needs the right to read and write it, and to make files beside it"
        }
        (Some(ErrorCode::DatabaseCorrupt), _) => ": it is damaged; `keystead check` says more",
        _ => "",
    }
}
