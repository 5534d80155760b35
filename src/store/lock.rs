//! The locks between processes: one server at a time uses a database (`<database>.lock`), one import at a time fills
//! it (`<database>.import.lock`). They are operating-system locks: the files stay where they are, only the lock counts,
//! and it goes with the process, however that ends. Who did nothing may take those away that it made (`undo`): a lock is
//! only taken on the file that has the name. A server whose file is taken away makes it again, and writes nothing
//! while another server has the new one. What a file says is for people. Knows no SQL.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::model::time::Time;

use super::Error;
use super::file::{self, FileId};

/// The right to serve a database, until it and its clones are dropped.
#[derive(Clone, Debug)]
pub struct Lock(Arc<Mutex<Held>>);

/// The file that is locked.
#[derive(Debug)]
struct Held {
    file: File,
    path: PathBuf,
    /// Whether there was none before.
    is_new: bool,
    /// What it says.
    text: Vec<u8>,
}

/// The right to be the one import into a database, and with it to remove what interrupted ones left, until it is
/// dropped.
#[derive(Debug)]
pub struct ImportLock(Held);

/// Who serves a database, as they wrote it down themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The address it answers on.
    pub listen: String,
    /// The address of its probes and metrics, if it has one.
    #[serde(default)]
    pub probes: Option<String>,
    /// When it started: seconds since 1970 UTC.
    pub since: i64,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it. It says who, unless it has not written that down yet.
    #[error("another process holds this lock")]
    Held(Option<Holder>),
    /// The lock file cannot be used.
    #[error("cannot use the lock file {}: {error}; it stands beside the database, in a folder that must exist and be writable, and must not be another user's", path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
}

/// A command that asks who holds the lock has it for a moment itself; a server waits that out.
const GLANCE: Duration = Duration::from_millis(5);
const GLANCES: usize = 10;

/// How often a server looks whether its lock file is still there.
const LOOK: Duration = Duration::from_millis(50);

/// Takes the lock, or says who has it.
pub fn hold(database: &Path) -> Result<Lock, LockError> {
    take(database, path(database, ".lock")).map(|held| Lock(Arc::new(Mutex::new(held))))
}

/// Takes the import lock. Whoever has it may take every hidden app for a leftover.
pub fn hold_import(database: &Path) -> Result<ImportLock, LockError> {
    take(database, path(database, ".import.lock")).map(ImportLock)
}

fn take(database: &Path, path: PathBuf) -> Result<Held, LockError> {
    let failed = |error| LockError::File { path: path.clone(), error };
    let (mut file, mut is_new) = open(database, &path).map_err(failed)?;
    for _ in 0..GLANCES {
        match file.try_lock() {
            Ok(()) if has_name(&file, &path) => return Ok(Held { file, path, is_new, text: Vec::new() }),
            // Who had it has taken it away.
            Ok(()) => (file, is_new) = open(database, &path).map_err(failed)?,
            Err(TryLockError::WouldBlock) => std::thread::sleep(GLANCE),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(LockError::Held(read(&mut file)))
}

/// The lock file, and whether there was none.
fn open(database: &Path, path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.clone().create_new(true).open(path) {
        Ok(made) => {
            file::hand_over(&made, database);
            Ok((made, true))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create(true).truncate(false).open(path).map(|file| (file, false))
        }
        Err(error) => Err(error),
    }
}

/// Whether it is the file that others would lock.
fn has_name(file: &File, path: &Path) -> bool {
    matches!((FileId::of(path), FileId::of_open(file)), (Ok(there), Ok(ours)) if there == ours)
}

/// Takes the lock, and waits at most so long for whoever has it.
pub fn hold_within(database: &Path, patience: Duration) -> Result<Lock, LockError> {
    let end = Instant::now() + patience;
    loop {
        match hold(database) {
            Err(LockError::Held(_)) if Instant::now() < end => std::thread::sleep(GLANCE),
            done => return done,
        }
    }
}

/// Who serves this database now; `None` if nobody does, or if the holder has not written itself down yet.
pub fn holder(database: &Path) -> Option<Holder> {
    let mut file = File::open(path(database, ".lock")).ok()?;
    // A shared lock, so that two commands that ask at the same moment do not take each other for a server.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read(&mut file),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

impl Lock {
    /// Writes down who holds it, for whoever is refused.
    pub fn describe(&self, listen: SocketAddr, probes: Option<SocketAddr>, since: Time) -> io::Result<()> {
        let (listen, probes) = (listen.to_string(), probes.map(|address| address.to_string()));
        let holder = Holder { pid: std::process::id(), listen, probes, since: since.0 };
        let mut text = serde_json::to_vec(&holder)?;
        text.push(b'\n');
        let mut held = self.held();
        held.text = text;
        held.write()
    }

    /// Gives it up for one who did nothing with it: its file goes, if there was none before.
    pub fn undo(self) {
        self.held().undo();
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ImportLock {
    /// As [`Lock::undo`].
    pub fn undo(self) {
        self.0.undo();
    }
}

impl Held {
    /// While it is locked: who has opened it meanwhile sees that it lost its name.
    fn undo(&self) {
        if self.is_new && has_name(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(&self.text)
    }

    /// Whether it is still the file that others would lock. Whoever removes it (it looks like a leftover) takes nothing
    /// from us yet, but the next server would lock another file of that name: so that one is locked at once.
    fn keep(&mut self) -> Result<(), Error> {
        if has_name(&self.file, &self.path) {
            return Ok(());
        }
        // The name without `.lock`.
        match take(&self.path.with_extension(""), self.path.clone()) {
            Ok(held) => {
                self.file = held.file;
                let written = self.write();
                tracing::warn!(file = %self.path.display(), ?written, "the lock file was removed; it was made again");
                Ok(())
            }
            Err(LockError::Held(_)) => Err(Error::Unavailable(format!(
                "{} was removed or replaced, and another server has taken the new one: stop one of the two",
                self.path.display()
            ))),
            // Where we cannot make it, no other server can.
            Err(LockError::File { .. }) => Ok(()),
        }
    }
}

/// Looks from time to time whether a lock is one still.
pub(super) struct Guard {
    lock: Lock,
    looked: Instant,
    found: Result<(), Error>,
}

impl Guard {
    pub(super) fn of(lock: &Lock) -> Guard {
        Guard { lock: lock.clone(), looked: Instant::now(), found: Ok(()) }
    }

    /// What the last look found, which is not older than `LOOK`.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        if self.looked.elapsed() >= LOOK {
            let found = self.lock.held().keep();
            if let (Ok(()), Err(error)) = (&self.found, &found) {
                tracing::error!(%error, "nothing is written any more");
            }
            (self.found, self.looked) = (found, Instant::now());
        }
        self.found.clone()
    }
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Beside the file itself, wherever a link to it lies: two names of one database have one lock.
fn path(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_database_has_the_same_lock() {
        let dir = tempfile::tempdir().expect("folder");
        let (database, link) = (dir.path().join("a.db"), dir.path().join("elsewhere.db"));
        let lock = hold(&database).expect("free, and there is no file yet");
        std::fs::write(&database, "").expect("writes");
        std::os::unix::fs::symlink(&database, &link).expect("links");
        assert!(matches!(hold(&link), Err(LockError::Held(None))));
        drop(lock);
        hold(&link).expect("free again");
    }

    #[cfg(unix)]
    #[test]
    fn the_lock_belongs_to_whom_the_database_does() {
        use std::os::unix::fs::{MetadataExt, chown};

        let dir = tempfile::tempdir().expect("folder");
        let database = dir.path().join("a.db");
        std::fs::write(&database, "").expect("writes");
        // Only root can find itself in another's folder.
        if chown(&database, Some(65534), Some(65534)).is_err() {
            return;
        }
        let _lock = hold(&database).expect("free");
        let _import = hold_import(&database).expect("free");
        // A server takes its lock before there is a database.
        chown(dir.path(), Some(65534), Some(65534)).expect("root may");
        let _new = hold(&dir.path().join("b.db")).expect("free");
        for name in ["a.db.lock", "a.db.import.lock", "b.db.lock"] {
            let of = std::fs::metadata(dir.path().join(name)).expect("is there");
            assert_eq!((of.uid(), of.gid()), (65534, 65534), "{name}");
        }
    }

    #[test]
    fn one_holder_at_a_time_and_the_file_stays() {
        let dir = tempfile::tempdir().expect("folder");
        let database = dir.path().join("a.db");
        assert_eq!(holder(&database), None, "no file, no holder");
        let lock = hold(&database).expect("free");
        assert!(matches!(hold(&database), Err(LockError::Held(None))), "held, not described yet");
        let at = |text: &str| text.parse().expect("an address");
        lock.describe(at("127.0.0.1:1"), Some(at("127.0.0.1:3")), Time(7)).expect("writes");
        lock.describe(at("[::1]:2"), None, Time(7)).expect("writes again");
        let expected = Holder { pid: std::process::id(), listen: "[::1]:2".to_owned(), probes: None, since: 7 };
        assert!(matches!(hold(&database), Err(LockError::Held(Some(holder))) if holder == expected));
        assert_eq!(holder(&database), Some(expected));
        drop(lock);
        assert!(dir.path().join("a.db.lock").exists());
        assert_eq!(holder(&database), None, "what an old holder wrote does not count");
        hold(&database).expect("free again");

        let import = hold_import(&database).expect("another lock than the server's");
        assert!(matches!(hold_import(&database), Err(LockError::Held(None))));
        drop(import);
        hold_import(&database).expect("free again");
    }

    #[test]
    fn who_did_nothing_takes_away_what_it_made_and_nobody_is_left_with_a_file_without_a_name() {
        let dir = tempfile::tempdir().expect("folder");
        let database = dir.path().join("a.db");
        let path = dir.path().join("a.db.lock");
        let first = hold(&database).expect("free");
        let (waits, _) = open(&database, &path).expect("opens");
        first.undo();
        assert!(!path.exists());
        waits.try_lock().expect("free");
        assert!(!has_name(&waits, &path), "no lock for anybody");
        let second = hold(&database).expect("free");
        assert!(matches!(hold(&database), Err(LockError::Held(None))));
        drop(second);
        hold(&database).expect("free").undo();
        assert!(path.exists(), "it was there before");
    }
}
