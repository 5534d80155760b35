//! The database: the only room that knows SQL and engines. Engines are matched in this file only; queries have one
//! text for all of them. Decides no rule.
//!
//! [`Store::read`] runs a closure on a reader thread in a read transaction. [`Store::write`] runs it on the one writer
//! thread, in a savepoint of a transaction that it shares with whatever else is waiting; the answer is delivered only
//! after that transaction is on disk. A write closure may run more than once and must keep no state from a run that
//! was undone.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::pending::{Pending, pending};

pub mod apps;
pub mod backup;
pub mod bans;
pub mod browsers;
mod cache;
pub mod chats;
pub mod devices;
#[cfg(feature = "faults")]
pub mod fault;
pub mod figures;
mod file;
pub mod files;
pub mod licenses;
pub mod lock;
pub mod logs;
pub mod one_time_secrets;
pub mod outbox;
pub mod owners;
pub mod plans;
mod queue;
pub mod relays;
pub mod schema;
pub mod sealed;
pub mod server_keys;
pub mod sessions;
mod sqlite;
pub mod subscriptions;
pub mod tokens;
pub mod two_factor;
mod tx;
pub mod user_variables;
pub mod users;
pub mod variables;
pub mod verify;
mod waiting;

pub use cache::{Cache, Kept, Loading};
pub use file::{SCARCE, free};
pub use tx::Tx;
pub(in crate::store) use tx::{Change, Row, Value};
pub use waiting::Most;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file; made if there is none.
    pub path: PathBuf,
    /// Of a server: nothing is written while another one has it.
    pub lock: Option<lock::Lock>,
    /// Reader threads, with a connection each.
    pub readers: usize,
    /// Reads that may wait for a reader; more are answered [`Error::Busy`].
    pub reader_queue: usize,
    /// Writes that may wait for the writer; more are answered [`Error::Busy`].
    pub writer_queue: usize,
    /// How long to wait for another process that holds the write lock.
    pub busy_timeout: Duration,
    /// Sessions kept in memory.
    pub session_cache: usize,
    /// Apps kept in memory.
    pub app_cache: usize,
    /// App variables kept in memory.
    pub variable_cache: usize,
    /// How many sessions on which nobody has logged in, and browsers on which nobody has signed in, are kept; none: all.
    pub unvalidated: Option<Most>,
}

impl Options {
    /// Small figures, for commands that come and go.
    pub fn small(path: impl Into<PathBuf>) -> Options {
        Options {
            path: path.into(),
            lock: None,
            readers: 1,
            reader_queue: 16,
            writer_queue: 16,
            busy_timeout: Duration::from_secs(10),
            session_cache: 16,
            app_cache: 16,
            variable_cache: 16,
            unvalidated: None,
        }
    }
}

/// Why the store did not do it. The text is for the log and the terminal, never for a client.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Too much is waiting already.
    #[error("the store's queue is full; more of them may wait with --reader-queue and --writer-queue")]
    Busy,
    /// Another process has held the write lock for longer than the bound.
    #[error("another process is writing to the database and did not finish in time; see --busy-timeout")]
    Locked,
    /// The file cannot be read or written: disk full, gone, read-only, damaged.
    #[error("the database cannot be used now: {0}")]
    Unavailable(String),
    /// The file is not one that this version can open.
    #[error("{0}")]
    Unfit(String),
    /// A bug on our side: a statement or a value that does not fit the schema.
    #[error("internal error in the store: {0}")]
    Bug(String),
}

/// Results of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

enum Engine {
    Sqlite(sqlite::Sqlite),
}

/// An open database. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Engine,
    cache: Arc<Cache>,
    path: PathBuf,
}

impl Store {
    /// Opens the database, makes or upgrades it, and starts its threads.
    pub fn open(options: &Options) -> Result<Store> {
        let cache = Arc::new(Cache::new(options));
        let engine = Engine::Sqlite(sqlite::Sqlite::open(options, Arc::clone(&cache))?);
        Ok(Store(Arc::new(Inner { engine, cache, path: options.path.clone() })))
    }

    /// Apps and live sessions that are known without asking the database.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// Runs `work` on a reader thread, in one read transaction: it sees the database as it was at one instant.
    pub fn read<T, E, W>(&self, work: W) -> Asked<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        W: FnOnce(&mut Tx<'_>) -> std::result::Result<T, E> + Send + 'static,
    {
        let (deliver, promise) = pending();
        let job = Box::new(tx::ReadCall { work, deliver });
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.read(job),
        }
        Asked(promise)
    }

    /// Runs `work` on the writer. An `Err` undoes what it wrote and nothing else. The result is delivered after the
    /// commit is on disk; if the commit fails, an error is delivered instead.
    pub fn write<T, E, W>(&self, work: W) -> Asked<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        W: FnMut(&mut Tx<'_>) -> std::result::Result<T, E> + Send + 'static,
    {
        let (deliver, promise) = pending();
        let job = Box::new(tx::WriteCall { work, outcome: None, deliver });
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.write(job),
        }
        Asked(promise)
    }

    /// What was counted since it was opened.
    pub fn figures(&self) -> &figures::Figures {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => &sqlite.figures,
        }
    }

    /// The queues before its threads.
    pub fn lines(&self) -> [figures::Line; 2] {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.lines(),
        }
    }

    /// What opening it has upgraded, if anything.
    pub fn upgraded(&self) -> Option<&schema::Upgraded> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.upgraded.as_ref(),
        }
    }

    /// Finishes what is queued and closes the file. Later calls are answered [`Error::Unavailable`].
    pub fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.close(),
        }
    }

    /// The fault plan of this store: which call is to fail.
    #[cfg(feature = "faults")]
    pub fn faults(&self) -> &fault::Plan {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.faults(),
        }
    }
}

/// What a [`Store::read`] or [`Store::write`] will answer.
#[must_use]
pub struct Asked<T, E>(Pending<std::result::Result<T, E>>);

impl<T, E: From<Error>> Asked<T, E> {
    /// Waits on this thread. Not for async code.
    pub fn wait(self) -> std::result::Result<T, E> {
        self.0.wait().unwrap_or_else(|gone| Err(Error::Unavailable(gone.to_string()).into()))
    }
}

impl<T, E: From<Error>> Future for Asked<T, E> {
    type Output = std::result::Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|got| got.unwrap_or_else(|gone| Err(Error::Unavailable(gone.to_string()).into())))
    }
}
