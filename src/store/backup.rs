//! Copies of a whole database: making one while it is in use, comparing it with what it was made of, putting one in the
//! place of another, and looking into a file without changing it. Knows the engine and files, but no table.
//!
//! A copy is made by the engine's own copying, page by page, from a connection that holds one read transaction from the
//! first page to the last row of the checksum: what is copied, counted and summed is the database of one instant. The
//! writer is not held up; only the log beside the database grows by what is written meanwhile. (`VACUUM INTO` would
//! give a smaller copy, but cannot run inside a transaction: nobody could say what it is to be compared with.)

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::backup::StepResult;
use rusqlite::config::DbConfig;
use rusqlite::{ErrorCode, ffi};

pub use self::contents::Contents;
use self::contents::contents;
pub use self::error::BackupError;
use self::files::{Part, belongs, remove_beside, set_aside, single_file, taken};
use crate::model::time::Time;

use super::lock::{self, Lock};
use super::tx::TxEngine;
use super::{Error, Result, Tx, file, schema, sqlite};

mod contents;
mod error;
mod files;

/// Pages copied at a time, and after how many of those the copy is brought to the disk: a few seconds' worth at the end
/// would hold up those who wait for the same disk.
const PAGES: i32 = 256;
const STEPS_PER_SYNC: u32 = 64;

/// How many operations of the engine lie between two looks at whether to stop: some milliseconds.
const OPERATIONS: i32 = 20_000;

/// How long a file that is being copied or set aside may be locked by somebody else.
const PATIENCE: Duration = Duration::from_secs(5);

/// A copy that is verified and on disk.
#[derive(Clone, Debug)]
pub struct Copied {
    /// What it holds.
    pub contents: Contents,
    /// How large its file is.
    pub bytes: u64,
    /// Where the database is now in whose place it was put, if there was one.
    pub kept: Option<PathBuf>,
}

/// Where a copying tells how far it is, and asks whether to go on.
pub struct Watch<'a> {
    /// Set by another thread when it is to stop.
    pub stop: Arc<AtomicBool>,
    /// Is told hundredths of the pages that are copied.
    pub copied: &'a mut dyn FnMut(u64),
}

/// How the backups of a running server go, for whoever asks: it makes them on a thread of its own.
#[derive(Debug, Default)]
pub struct Status(Mutex<Last>);

/// What came of the backups so far.
#[derive(Clone, Debug, Default)]
pub struct Last {
    /// When the newest good one was made, also by an earlier server.
    pub success: Option<Time>,
    /// Why there has been no good one since, if one was tried.
    pub error: Option<String>,
}

impl Status {
    /// What is known now.
    pub fn last(&self) -> Last {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what came of one.
    pub fn set(&self, last: Last) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

/// Copies a database, which may be in use, into a new file: whole and verified, or not at all. `replace`: an existing
/// file is overwritten.
pub fn make(database: &Path, to: &Path, replace: bool, watch: &mut Watch<'_>) -> Result<Copied, BackupError> {
    if is_same(database, to) {
        return Err(BackupError::Same(to.to_owned()));
    }
    if belongs(database, to) {
        return Err(BackupError::Own(to.to_owned()));
    }
    if replace && lock::holder(to).is_some() {
        return Err(BackupError::InUse(to.to_owned()));
    }
    let refused = || (!replace).then(|| taken(to)).flatten();
    if let Some(taken) = refused() {
        return Err(BackupError::Exists(taken));
    }
    let part = Part::create(to)?;
    let (contents, bytes) = fill(&part, database, watch)?;
    if let Some(taken) = refused() {
        return Err(BackupError::Exists(taken));
    }
    // What an earlier file of that name left beside it would be read as a part of this one.
    remove_beside(to).map_err(|error| failed(to, error))?;
    part.place()?;
    Ok(Copied { contents, bytes, kept: None })
}

/// Puts a copy of a backup in the place of a database that nobody serves. `replace`: one that exists is kept beside it,
/// under a name that ends with `stamp`. At every instant the old one or the new one stands there, whole; but an old one
/// whose log cannot be folded in has only the other name for the instant before the new one comes.
pub fn restore(
    _held: &Lock,
    from: &Path,
    database: &Path,
    replace: bool,
    stamp: &str,
    watch: &mut Watch<'_>,
) -> Result<Copied, BackupError> {
    // A link stays a link: the file it leads to is replaced.
    let database = &database.canonicalize().unwrap_or_else(|_| database.to_owned());
    if is_same(from, database) {
        return Err(BackupError::Same(from.to_owned()));
    }
    if let Some(taken) = taken(database).filter(|_| !replace) {
        return Err(BackupError::Exists(taken));
    }
    let part = Part::create(database)?;
    let (contents, bytes) = fill(&part, from, watch)?;
    file::hand_over(&part.file, database);
    let kept = set_aside(database, stamp)?;
    part.place()?;
    Ok(Copied { contents, bytes, kept })
}

/// Reads a file as it is: it is neither made nor upgraded.
pub fn look<T, E: From<Error>>(path: &Path, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
    let mut connection = open(path)?;
    connection.db.execute_batch("BEGIN").map_err(sqlite::error)?;
    work(&mut Tx::new(TxEngine::Sqlite(&mut connection)))
}

/// The version of the schema of a database of ours, newer ones too.
pub fn version(path: &Path) -> Result<i64> {
    version_in(&open(path)?.db, path)
}

/// What a quick look finds wrong with a file: all but whether indexes and tables agree. A sentence each.
pub fn quick_check(path: &Path) -> Result<Vec<String>> {
    let connection = open(path)?;
    let asked = connection.db.prepare("PRAGMA quick_check(10)").and_then(|mut statement| {
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        lines.collect::<rusqlite::Result<Vec<_>>>()
    });
    match asked.map_err(sqlite::error) {
        Ok(mut lines) => {
            lines.retain(|line| line != "ok");
            Ok(lines)
        }
        Err(Error::Unavailable(text)) => Ok(vec![text]),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> Result<sqlite::Connection> {
    let connection = sqlite::open_alone(path, PATIENCE)?;
    connection
        .db
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;")
        .map_err(|e| sqlite::unfit(path, e))?;
    // Who is the last to close folds the log in, and takes it away. One that a crash has left stays for who serves the file.
    let log = std::fs::canonicalize(path).map(|path| file::beside(&path, "-wal"));
    let has_log = log.and_then(std::fs::metadata).is_ok_and(|log| log.len() > 0);
    let kept = connection.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log);
    kept.map_err(|e| sqlite::unfit(path, e))?;
    Ok(connection)
}

fn version_in(db: &rusqlite::Connection, path: &Path) -> Result<i64> {
    schema::version(db, path)?
        .ok_or_else(|| Error::Unfit(format!("{} is an empty database, not one of Keystead's", path.display())))
}

/// Copies into the part and compares. Answers what it holds, and its size.
fn fill(part: &Part, from: &Path, watch: &mut Watch<'_>) -> Result<(Contents, u64), BackupError> {
    if !from.exists() {
        return Err(BackupError::Missing(from.to_owned()));
    }
    let mut source = open(from)?;
    // From here on it is the database of one instant. A file with both is read as the engine would go on with it.
    source.db.execute_batch("BEGIN").map_err(|e| sqlite::unfit(from, e))?;
    let found = version_in(&source.db, from)?;
    if found > schema::VERSION {
        return Err(Error::Unfit(format!(
            "{} was written by a newer Keystead (schema {found}, this program knows {}); use that version",
            from.display(),
            schema::VERSION
        ))
        .into());
    }
    copy_pages(&source.db, part, watch)?;
    stop_when_told(&mut source.db, watch)?;
    let expected = contents(&source.db, found);
    let expected = expected.map_err(|error| BackupError::unsound(from, error))?;
    // The log beside the database may be cut back again.
    drop(source);

    let mut copy = open(&part.path)?;
    stop_when_told(&mut copy.db, watch)?;
    let problems = copy.integrity();
    interrupted(watch)?;
    let problems = problems?;
    if !problems.is_empty() {
        return Err(BackupError::Unsound { file: from.to_owned(), problems });
    }
    let held = version_in(&copy.db, &part.path)
        .map(|found| contents(&copy.db, found))?
        .map_err(|error| BackupError::unsound(from, error))?;
    if held != expected {
        return Err(BackupError::Differs { file: from.to_owned(), what: difference(&expected, &held) });
    }
    drop(copy);
    part.file.sync_all().map_err(|error| failed(&part.to, error))?;
    let bytes = part.file.metadata().map_err(|error| failed(&part.to, error))?.len();
    Ok((held, bytes))
}

fn difference(expected: &Contents, held: &Contents) -> String {
    let pairs = expected.tables.iter().zip(&held.tables);
    let counts: Vec<String> = pairs
        .filter(|((name, rows), (other, held))| name == other && rows != held)
        .map(|((name, rows), (_, held))| format!("{name} has {held} rows, not {rows}"))
        .collect();
    if counts.is_empty() { "its checksum is another".to_owned() } else { counts.join(", ") }
}

fn copy_pages(source: &rusqlite::Connection, part: &Part, watch: &mut Watch<'_>) -> Result<(), BackupError> {
    let mut bytes = 0;
    let broken = |e: rusqlite::Error, bytes: u64| match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => BackupError::Full { path: part.to.clone(), bytes },
        // Only the copy is written to.
        Some(ErrorCode::SystemIoFailure) if is_write(&e) => failed(&part.to, io::Error::other(e)),
        _ => sqlite::error(e).into(),
    };
    let page: u32 = source.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(|e| broken(e, 0))?;
    let mut target = part.open().map_err(|e| broken(e, 0))?;
    // What a crash leaves is thrown away, so nothing of it has to be kept in order.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;").map_err(|e| broken(e, 0))?;
    let copying = rusqlite::backup::Backup::new(source, &mut target).map_err(|e| broken(e, 0))?;
    let mut steps = 0;
    loop {
        interrupted(watch)?;
        let step = copying.step(PAGES).map_err(|e| broken(e, bytes))?;
        let progress = copying.progress();
        let (all, left) = (progress.pagecount.unsigned_abs().into(), progress.remaining.unsigned_abs().into());
        bytes = u64::from(page) * all;
        (watch.copied)((all - u64::min(left, all)) * 100 / u64::max(all, 1));
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            // Our transaction holds what is needed of the source, and nobody knows the copy.
            _ => return Err(Error::Locked.into()),
        }
        steps += 1;
        if steps % STEPS_PER_SYNC == 0 {
            part.file.sync_data().map_err(|error| failed(&part.to, error))?;
        }
    }
    drop(copying);
    drop(target);
    // One file, without a log: it can be moved as it is, and read from a medium that cannot be written to.
    let target = part.open().map_err(|e| broken(e, bytes))?;
    single_file(&target).map_err(|e| broken(e, bytes))
}

fn is_write(e: &rusqlite::Error) -> bool {
    let code = e.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_TRUNCATE))
}

/// From now on long statements end when the process is to end.
fn stop_when_told(db: &mut rusqlite::Connection, watch: &Watch<'_>) -> Result<()> {
    let stop = Arc::clone(&watch.stop);
    db.progress_handler(OPERATIONS, Some(move || stop.load(Ordering::Relaxed))).map_err(sqlite::error)
}

fn interrupted(watch: &Watch<'_>) -> Result<(), BackupError> {
    if watch.stop.load(Ordering::Relaxed) { Err(BackupError::Stopped) } else { Ok(()) }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn failed(path: &Path, error: io::Error) -> BackupError {
    BackupError::File { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Store};
    use super::*;

    /// Sound in itself, and not what it was made of: a disk that gives back other bytes than it was given.
    #[test]
    fn a_copy_that_holds_something_else_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let (database, to) = (dir.path().join("k.db"), dir.path().join("copy.db"));
        Store::open(&Options::small(&database)).unwrap().close();
        let db = rusqlite::Connection::open(&database).unwrap();
        db.execute_batch("INSERT INTO owners VALUES (1, 'o', 'AbCdEfGh12', 0)").unwrap();
        let part = super::super::file::beside(&to, &format!(".{}.part", std::process::id()));
        for (change, told) in [
            ("DELETE FROM owners", "owners has 0 rows, not 1"),
            ("UPDATE owners SET name = 'p'", "its checksum is another"),
            ("CREATE TABLE more (a)", "its checksum is another"),
        ] {
            let mut copied = |percent| {
                if percent == 100 {
                    rusqlite::Connection::open(&part).unwrap().execute_batch(change).unwrap();
                }
            };
            let mut watch = Watch { stop: Arc::default(), copied: &mut copied };
            let error = make(&database, &to, false, &mut watch).unwrap_err();
            assert!(matches!(&error, BackupError::Differs { what, .. } if what.contains(told)), "{error}");
            assert!(!to.exists() && !part.exists());
        }
        make(&database, &to, false, &mut Watch { stop: Arc::default(), copied: &mut |_| {} }).unwrap();
    }
}
