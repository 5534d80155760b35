//! What is counted and asked about a running store from beside its calls: how it does, how much waits, how large its
//! files are, and whether it can be read and written at all. Changes nothing that anybody reads.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::metrics::{Histogram, SIZES, TIMES};

use super::outbox::Kind;
use super::{Asked, Error, Result, Store, Tx, file, schema};

/// What the writer and the queues count.
#[derive(Debug)]
pub struct Figures {
    /// Calls per commit.
    pub groups: Histogram,
    /// How long the commits took, in microseconds.
    pub commits: Histogram,
    /// The disk had no room for the last commit.
    pub no_room: AtomicBool,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures { groups: Histogram::new(SIZES), commits: Histogram::new(TIMES), no_room: AtomicBool::new(false) }
    }
}

/// A queue before the threads.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// What it leads to.
    pub to: &'static str,
    /// How many calls wait.
    pub waiting: usize,
    /// How many found it full since the store was opened.
    pub refused: u64,
}

/// What waits in the outbox.
#[derive(Clone, Copy, Debug)]
pub struct Outbox {
    /// Mails.
    pub mails: i64,
    /// Posts.
    pub posts: i64,
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The database file.
    pub database: u64,
    /// What was written since it was last folded into the file.
    pub log: u64,
}

/// The outbox is counted no further: counting must stay cheap.
pub const COUNTED: i64 = 10_000;

impl Store {
    /// How large its files are; none where the system does not tell.
    pub fn sizes(&self) -> Option<Sizes> {
        file::sizes(&self.0.path).map(|[database, log]| Sizes { database, log })
    }

    /// Whether it can be read and written: something goes to the disk and is synced, and nothing is different
    /// afterwards. If not, why. A full queue is no fault of the database: it works, and is worked off.
    pub async fn try_out(&self) -> std::result::Result<(), String> {
        // Asked before the try, whose own commit is small enough for a disk on which no client's is.
        let was_full = self.figures().no_room.load(Ordering::Relaxed);
        let read = self.read(schema::touch_read).await;
        let tried = match read {
            Ok(()) | Err(Error::Busy) => self.write(schema::touch_write).await,
            failed => failed,
        };
        match tried {
            Ok(()) if was_full => self.has_room().await,
            Ok(()) | Err(Error::Busy) => Ok(()),
            Err(Error::Unavailable(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn has_room(&self) -> std::result::Result<(), String> {
        let path = self.0.path.clone();
        let asked = self.read(move |_: &mut Tx<'_>| -> Result<_> { Ok(file::room(&path)) }).await;
        let Ok(Err(error)) = asked else { return Ok(()) };
        self.figures().no_room.store(true, Ordering::Relaxed);
        Err(format!("there is no room for what clients write ({error}): make room on the disk"))
    }

    /// What waits to be sent, counted up to [`COUNTED`] of each kind.
    pub fn outbox(&self) -> Asked<Outbox, Error> {
        self.read(|tx: &mut Tx<'_>| -> Result<Outbox> {
            let mails = super::outbox::count(tx, Kind::Mail, COUNTED)?;
            let posts = super::outbox::count(tx, Kind::Post, COUNTED)?;
            Ok(Outbox { mails, posts })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;

    #[test]
    fn where_a_commit_had_no_room_a_small_one_does_not_mean_that_there_is_room_again() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("k.db");
        let store = Store::open(&Options::small(&path)).expect("opens");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("starts");
        let tried = || runtime.block_on(store.try_out());
        // Something stands where room is looked for.
        let taken = file::beside(&path, ".room");
        std::fs::create_dir(&taken).expect("makes");
        assert_eq!(tried(), Ok(()), "nothing had failed");
        store.figures().no_room.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            assert!(tried().is_err_and(|why| why.contains("make room")));
        }
        std::fs::remove_dir(&taken).expect("removes");
        assert_eq!(tried(), Ok(()));
        assert!(!store.figures().no_room.load(Ordering::Relaxed) && !taken.exists());
    }
}
