//! Folds the log into the database beside the writer. SQLite would do it inside a commit, every 1,000 pages; where
//! calls change pages far apart, that is every few commits, and all who wait for those wait for the disk. Begins the log
//! anew never: only the writer may hold everybody up.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;

use super::{Connection, ConnectionSettings, error, spawn};
use crate::store::Result;

/// So many pages in the log that are not in the database yet are folded into it.
const PAGES: i32 = 1_000;

/// The thread that folds.
pub(super) struct Folding {
    asked: Sender<Ask>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Ask {
    Fold,
    Stop,
}

/// Nobody folds while another does: SQLite would turn the second one away.
#[derive(Clone, Default)]
pub(super) struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// Waits for whoever folds.
    pub(super) fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folding {
    /// Starts the thread, and has the writer's commits tell it how long the log is. `lost`: the locks are gone, and the
    /// database may be somebody else's.
    pub(super) fn start(
        settings: &ConnectionSettings,
        writer: &mut Connection,
        turn: Turn,
        lost: Arc<AtomicBool>,
    ) -> Result<Folding> {
        let connection = settings.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.db.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -256;").map_err(error)?;
        connection.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(error)?;
        // Pages of the log that are in the database.
        let folded = Arc::new(AtomicI32::new(0));
        let (asked, queue) = bounded(1);
        let (ask, known) = (asked.clone(), Arc::clone(&folded));
        let told = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            if pages < known.load(Ordering::Relaxed) {
                // The log has begun anew.
                known.store(0, Ordering::Relaxed);
            }
            if pages - known.load(Ordering::Relaxed) >= PAGES {
                let _ = ask.try_send(Ask::Fold);
            }
            Ok(())
        };
        writer.db.wal_hook(Some(told)).map_err(error)?;
        let thread = spawn("store-folding", move || run(&connection, &queue, &folded, &turn, &lost))?;
        Ok(Folding { asked, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread, before the writer's connection closes: SQLite folds the rest when the last one does.
    pub(super) fn stop(&self) {
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = self.asked.send(Ask::Stop);
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, queue: &Receiver<Ask>, folded: &AtomicI32, turn: &Turn, lost: &AtomicBool) {
    while let Ok(Ask::Fold) = queue.recv() {
        let _turn = turn.take();
        if lost.load(Ordering::Relaxed) {
            continue;
        }
        // What cannot be folded now stays in the log, and is tried again with the next commit.
        if let Ok(pages) = connection.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2)) {
            folded.store(pages, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, Store, Tx};
    use super::*;

    /// The writer itself would begin only where the log is much longer than this.
    #[test]
    fn what_is_committed_gets_into_the_database_while_calls_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.db");
        let store = Store::open(&Options::small(&path)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let length = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let before = length(&path);
        let mut writes = 0;
        while length(&path) < before + (PAGES as u64 * 4096) / 2 {
            let write = |tx: &mut Tx<'_>| -> Result<()> {
                tx.exec("CREATE TABLE IF NOT EXISTS filling (bytes BLOB)", &[])?;
                tx.exec("INSERT INTO filling VALUES (zeroblob(100000))", &[]).map(drop)
            };
            runtime.block_on(store.write(write)).unwrap();
            writes += 1;
            let log = length(&super::super::file::beside(&path, "-wal"));
            assert!(writes < 10_000 && log < super::super::LOG_BOUND, "{writes} writes, {log} bytes in the log");
        }
        // The rest is folded when it closes.
        store.close();
        assert!(!super::super::file::beside(&path, "-wal").exists());
    }
}
