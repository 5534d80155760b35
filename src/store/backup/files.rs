//! The files of a copy: the one that is being made, what lies beside a database, and how an old one steps aside. Knows
//! no SQL but how a log is folded in.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::OpenFlags;

use super::super::{Error, file, sqlite};
use super::{BackupError, PATIENCE, failed};

/// What stands beside a database while it is open, or after a crash.
const LOG: &str = "-wal";
const JOURNAL: &str = "-journal";
const INDEX: &str = "-shm";

/// What stands between the name of a database that was set aside and the time.
const ASIDE: &str = ".before-restore-";

/// A file that is being made: beside the one it will be, for its owner only, and gone again if it comes to nothing.
pub(super) struct Part {
    /// Its name until then.
    pub(super) path: PathBuf,
    /// The name it will have.
    pub(super) to: PathBuf,
    pub(super) file: File,
    placed: bool,
}

impl Part {
    pub(super) fn create(to: &Path) -> Result<Part, BackupError> {
        sweep(to);
        let path = file::beside(to, &format!(".{}.part", std::process::id()));
        let file = file::create_new(&path).map_err(|error| failed(to, error))?;
        Ok(Part { path, to: to.to_owned(), file, placed: false })
    }

    pub(super) fn open(&self) -> rusqlite::Result<rusqlite::Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        rusqlite::Connection::open_with_flags(&self.path, flags)
    }

    /// Gives it its name; what had that name is gone.
    pub(super) fn place(mut self) -> Result<(), BackupError> {
        std::fs::rename(&self.path, &self.to).map_err(|error| failed(&self.to, error))?;
        self.placed = true;
        file::sync_folder(&self.to).map_err(|error| failed(&self.to, error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_file(&self.path);
            let _ = remove_beside(&self.path);
        }
    }
}

/// Removes the parts of this name that processes left behind which are no more.
fn sweep(to: &Path) {
    let Some(name) = to.file_name().map(|name| name.to_string_lossy().into_owned()) else { return };
    let Ok(entries) = std::fs::read_dir(file::folder(to)) else { return };
    for entry in entries.flatten() {
        let left = entry.file_name().to_string_lossy().into_owned();
        let process = left.strip_prefix(&name).and_then(|rest| {
            let rest = [LOG, JOURNAL, INDEX].iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest);
            rest.strip_prefix('.')?.strip_suffix(".part")?.parse::<u32>().ok()
        });
        if process.is_some_and(|process| process == std::process::id() || !file::is_running(process)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A restore that died at the wrong instant has left the database a second name, by which nobody should ever open it.
fn forget_second_names(database: &Path) {
    let Ok(Some(id)) = file::FileId::of(database) else { return };
    let Some(start) = database.file_name().map(|name| format!("{}{ASIDE}", name.to_string_lossy())) else { return };
    let Ok(entries) = std::fs::read_dir(file::folder(database)) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&start)) {
        if matches!(file::FileId::of(&entry.path()), Ok(Some(other)) if other == id) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a copy of this name, or what would be taken for a part of that copy, is one of the database's own files. Those
/// of a server that runs would be replaced under it.
pub(super) fn belongs(database: &Path, copy: &Path) -> bool {
    let real = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    let folder = file::folder(copy).canonicalize().unwrap_or_else(|_| file::folder(copy).to_owned());
    let Some(copy) = copy.file_name().map(|name| folder.join(name)) else { return false };
    let own = ["", LOG, JOURNAL, INDEX, ".lock", ".import.lock"].map(|ending| file::beside(&real, ending));
    ["", LOG, JOURNAL, INDEX].iter().any(|ending| own.contains(&file::beside(&copy, ending)))
}

/// What stands where a file of this name is to be: itself, or a log with something in it.
pub(super) fn taken(path: &Path) -> Option<PathBuf> {
    if path.symlink_metadata().is_ok() {
        return Some(path.to_owned());
    }
    let full = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    [LOG, JOURNAL].iter().map(|ending| file::beside(path, ending)).find(full)
}

pub(super) fn remove_beside(path: &Path) -> io::Result<()> {
    for ending in [LOG, JOURNAL, INDEX] {
        match std::fs::remove_file(file::beside(path, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Gives the database that stands there another name, and takes away what lies beside it. Answers that name. One whose
/// log is folded in keeps its own name, too, until the backup takes it. One whose log is not loses it here: a file and
/// its log cannot be replaced in one step, and without the log it must never be opened.
pub(super) fn set_aside(database: &Path, stamp: &str) -> Result<Option<PathBuf>, BackupError> {
    if taken(database).is_none() {
        remove_beside(database).map_err(|error| failed(database, error))?;
        return Ok(None);
    }
    if database.exists() {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let folded = rusqlite::Connection::open_with_flags(database, flags).and_then(|db| {
            db.busy_timeout(PATIENCE)?;
            single_file(&db)
        });
        // One that is damaged, or none at all, is kept as it is, with its log.
        if let Err(e) = folded
            && matches!(sqlite::error(e), Error::Locked)
        {
            return Err(BackupError::InUse(database.to_owned()));
        }
    }
    forget_second_names(database);
    let name = |n: u32| {
        let again = if n > 1 { format!("-{n}") } else { String::new() };
        file::beside(database, &format!("{ASIDE}{stamp}{again}"))
    };
    let kept = (1..).map(name).find(|kept| taken(kept).is_none()).unwrap_or_else(|| name(0));
    let mut alone = true;
    for ending in [LOG, JOURNAL] {
        let from = file::beside(database, ending);
        if from.exists() {
            alone = false;
            second_name(&from, &file::beside(&kept, ending))?;
        }
    }
    if database.exists() {
        if alone {
            second_name(database, &kept)?;
        } else {
            // What it needs is there under its new name already, and under its old one still.
            file::sync_folder(database).map_err(|error| failed(database, error))?;
            std::fs::rename(database, &kept).map_err(|error| failed(&kept, error))?;
        }
    }
    file::sync_folder(database).map_err(|error| failed(database, error))?;
    remove_beside(database).map_err(|error| failed(database, error))?;
    Ok(Some(kept))
}

/// A second name costs nothing and is there at once; not every file system has them.
fn second_name(from: &Path, to: &Path) -> Result<(), BackupError> {
    let linked = std::fs::hard_link(from, to);
    let there = linked.or_else(|_| std::fs::copy(from, to).and_then(|_| File::open(to)?.sync_all()));
    there.map_err(|error| failed(to, error))
}

/// Folds in the log beside a database that nobody else has open, and lets it have none.
pub(super) fn single_file(db: &rusqlite::Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_no_instant_a_database_stands_there_without_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("a.db");
        let log = file::beside(&database, LOG);
        let db = rusqlite::Connection::open(&database).unwrap();
        db.execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE songs (a); INSERT INTO songs VALUES (zeroblob(500000)); \
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
        // Of a few pages only: most of what they belong to is gone below, so the engine refuses to fold them in.
        db.execute_batch("INSERT INTO songs VALUES ('a')").unwrap();
        let written = std::fs::read(&log).unwrap();
        drop(db);
        std::fs::write(&database, "this is no database any more, but long enough to be one").unwrap();
        std::fs::write(&log, &written).unwrap();
        // What a crash leaves now, before the backup is placed: one whole database, under one name.
        let kept = set_aside(&database, "now").unwrap().unwrap();
        assert!(!database.exists() && !log.exists());
        assert!(std::fs::read(&kept).unwrap().starts_with(b"this is no database"));
        assert!(!written.is_empty() && std::fs::read(file::beside(&kept, LOG)).unwrap() == written);

        // The rule: a log that can be folded in is, and the old one stays there until then.
        let db = rusqlite::Connection::open(&database).unwrap();
        db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE songs (a)").unwrap();
        drop(db);
        let kept = set_aside(&database, "now").unwrap().unwrap();
        assert!(kept.ends_with("a.db.before-restore-now-2") && database.exists() && !log.exists());
        assert_eq!(std::fs::read(&kept).unwrap(), std::fs::read(&database).unwrap());
    }
}
