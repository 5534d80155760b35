//! What is counted and asked about a running store from beside its calls: how it does, how much waits, how large its
//! files are, and whether it can be read and written at all. Changes nothing that anybody reads.

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
}

impl Default for Figures {
    fn default() -> Figures {
        Figures { groups: Histogram::new(SIZES), commits: Histogram::new(TIMES) }
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
        let read = self.read(schema::touch_read).await;
        let tried = match read {
            Ok(()) | Err(Error::Busy) => self.write(schema::touch_write).await,
            failed => failed,
        };
        match tried {
            Ok(()) | Err(Error::Busy) => Ok(()),
            Err(Error::Unavailable(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
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
