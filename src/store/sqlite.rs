//! SQLite: the pool of reading connections and its threads, how the one writer is opened and ended, the pragmas. Knows no
//! table.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Receiver;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OpenFlags, ToSql};

use super::figures::{Figures, Line};
use super::queue::{Message, Queue, spawn};
use super::tx::{ReadJob, TxEngine, WriteJob};
use super::waiting::AllWaiting;
use super::{Cache, Error, Options, Result, Row, Tx, Value, file, schema};

use self::error::{advice, is_full};
pub(super) use self::error::{error, unfit};
use self::writer::{Cutting, FOLD_AT, LOG_BOUND, Writer};

mod error;
#[cfg(test)]
mod tests;
mod writer;

/// How often a writer that is idle, or waits for its turn, looks whether another process has written. The promise is
/// 100 ms.
const WATCH: Duration = Duration::from_millis(50);

/// Statements kept ready on each connection; there are fewer in the whole project.
const STATEMENTS: usize = 256;

pub(super) struct Sqlite {
    reads: Queue<Box<dyn ReadJob>>,
    writes: Arc<Queue<Box<dyn WriteJob>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    pub(super) figures: Arc<Figures>,
    pub(super) upgraded: Option<schema::Upgraded>,
    #[cfg(feature = "faults")]
    faults: Arc<super::fault::Plan>,
}

impl Sqlite {
    pub(super) fn open(options: &Options, cache: Arc<Cache>) -> Result<Sqlite> {
        #[cfg(feature = "faults")]
        let faults = Arc::new(super::fault::Plan::default());
        let settings = ConnectionSettings {
            path: options.path.clone(),
            busy_timeout: options.busy_timeout,
            #[cfg(feature = "faults")]
            faults: Arc::clone(&faults),
        };

        let mut connection = settings.open_writer()?;
        let upgraded = schema::prepare(&mut connection.db, &options.path)?;
        connection.waiting.most = options.unvalidated;
        let data_version = connection.data_version()?;
        // From here on `begin` counts the time, and looks around between two waits.
        connection.db.busy_timeout(options.busy_timeout.min(WATCH)).map_err(error)?;
        let writes = Queue::<Box<dyn WriteJob>>::new(options.writer_queue, |job, error| job.fail(error));
        let writes = Arc::new(writes);
        let (queue, end) = (writes.receiver(), Arc::clone(&writes).closed_on_drop());
        let (files, busy_timeout) = (file::Opened::of(&options.path, options.lock.as_ref())?, options.busy_timeout);
        let closing = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&closing);
        let lost = Arc::new(Lost { now: Arc::default(), error: files.error(file::Missing::Shared) });
        let figures = Arc::new(Figures::default());
        let counted = Arc::clone(&figures);
        let writer = Writer {
            connection,
            queue,
            cache,
            data_version,
            busy_timeout,
            files,
            held: false,
            cutting: Cutting::beyond(LOG_BOUND),
            missing: None,
            lost: Arc::clone(&lost.now),
            committed: None,
            transactions: 0,
            closing: told,
            figures: counted,
        };
        let writer = spawn("store-writer", move || {
            // However it ends: there is no other writer.
            let _end = end;
            writer.run();
        })?;

        let pool = r2d2::Pool::builder()
            .max_size(u32::try_from(options.readers.max(1)).unwrap_or(u32::MAX))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(5))
            .build(Readers(settings))
            .map_err(|e| Error::Unavailable(e.to_string()))?;
        let reads: Queue<Box<dyn ReadJob>> = Queue::new(options.reader_queue, |job, error| job.fail(error));
        let readers = (0..options.readers.max(1))
            .map(|_| {
                let (pool, queue, lost) = (pool.clone(), reads.receiver(), Arc::clone(&lost));
                spawn("store-reader", move || read_loop(&pool, &queue, &lost))
            })
            .collect::<Result<_>>()?;

        Ok(Sqlite {
            reads,
            writes,
            readers: Mutex::new(readers),
            writer: Mutex::new(Some(writer)),
            closing,
            figures,
            upgraded,
            #[cfg(feature = "faults")]
            faults,
        })
    }

    pub(super) fn read(&self, job: Box<dyn ReadJob>) {
        self.reads.push(job);
    }

    pub(super) fn write(&self, job: Box<dyn WriteJob>) {
        self.writes.push(job);
    }

    pub(super) fn lines(&self) -> [Line; 2] {
        [
            Line { to: "readers", waiting: self.reads.len(), refused: self.reads.refused.value() },
            Line { to: "writer", waiting: self.writes.len(), refused: self.writes.refused.value() },
        ]
    }

    /// The readers go first: SQLite folds the log into the file when the last connection that may write closes.
    pub(super) fn close(&self) {
        // What is queued is still written, but not waited for: another process may hold the lock for longer than we may
        // take to stop.
        self.closing.store(true, Ordering::Relaxed);
        let readers = std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        self.reads.stop(readers.len());
        readers.into_iter().for_each(join);
        self.reads.close();
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.writes.stop(1);
            join(writer);
        }
    }

    #[cfg(feature = "faults")]
    pub(super) fn faults(&self) -> &super::fault::Plan {
        &self.faults
    }
}

/// Waits for a thread to end; not for this one, which ends by itself: a call may hold the last of the store.
fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != std::thread::current().id() {
        let _ = thread.join();
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

/// How connections are opened.
#[derive(Debug)]
struct ConnectionSettings {
    path: PathBuf,
    busy_timeout: Duration,
    #[cfg(feature = "faults")]
    faults: Arc<super::fault::Plan>,
}

impl ConnectionSettings {
    fn open(&self, flags: OpenFlags) -> Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = rusqlite::Connection::open_with_flags(&self.path, flags)
            .map_err(|e| Error::Unavailable(format!("{}: {e}{}", self.path.display(), advice(&e))))?;
        db.busy_timeout(self.busy_timeout).map_err(error)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        // Plans do not depend on bound values. Else SQLite prepares a statement again for each new set of them, wherever a
        // value might have made another plan better; none does, and preparing costs more than most of our calls.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error)?;
        Ok(Connection {
            db,
            texts: HashMap::new(),
            waiting: AllWaiting::default(),
            #[cfg(feature = "faults")]
            faults: Arc::clone(&self.faults),
        })
    }

    fn open_writer(&self) -> Result<Connection> {
        file::create(&self.path)?;
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Before anything is changed: a file that is not ours is left as it is.
        schema::version(&connection.db, &self.path)?;
        // FULL: a commit is on disk before it is answered. The log is cut back after it has grown in a long job.
        connection
            .db
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = {LOG_BOUND}; \
                 PRAGMA wal_autocheckpoint = {FOLD_AT};",
            ))
            .map_err(|e| unfit(&self.path, e))?;
        Ok(connection)
    }
}

/// A connection beside the pool and the writer, to a file that is there: for who copies it or looks into it.
pub(super) fn open_alone(path: &Path, busy_timeout: Duration) -> Result<Connection> {
    let settings = ConnectionSettings {
        path: path.to_owned(),
        busy_timeout,
        #[cfg(feature = "faults")]
        faults: Arc::default(),
    };
    settings.open(OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Makes reading connections for the pool.
#[derive(Debug)]
struct Readers(ConnectionSettings);

impl r2d2::ManageConnection for Readers {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection> {
        let connection = self.0.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection
            .db
            .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;")
            .map_err(error)?;
        Ok(connection)
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<()> {
        connection.db.execute_batch("SELECT 1").map_err(error)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        // A transaction that could not even be ended.
        !connection.db.is_autocommit()
    }
}

/// One connection with its statements.
pub(in crate::store) struct Connection {
    pub(super) db: rusqlite::Connection,
    /// `$n` as SQLite needs it, by the address of the query's text: SQLite numbers a bare `$n` by its first
    /// appearance, `?n` by n.
    texts: HashMap<(usize, usize), Box<str>>,
    /// Counted on the writer's only.
    pub(in crate::store) waiting: AllWaiting,
    #[cfg(feature = "faults")]
    faults: Arc<super::fault::Plan>,
}

impl Connection {
    fn point(&self) -> Result<()> {
        #[cfg(feature = "faults")]
        self.faults.point()?;
        Ok(())
    }

    fn statement(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<rusqlite::CachedStatement<'_>> {
        self.point()?;
        let text = self
            .texts
            .entry((sql.as_ptr() as usize, sql.len()))
            .or_insert_with(|| sql.replace('$', "?").into_boxed_str());
        let mut statement = self.db.prepare_cached(text).map_err(error)?;
        if statement.parameter_count() != values.len() {
            return Err(Error::Bug(format!("{} values for: {sql}", values.len())));
        }
        for (i, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(i + 1, value).map_err(error)?;
        }
        Ok(statement)
    }

    pub(super) fn each(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let mut statement = self.statement(sql, values)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(error)? {
            if !read(&Row::Sqlite(row))? {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn exec(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        self.statement(sql, values)?.raw_execute().map(|n| n as u64).map_err(error)
    }

    fn control(&mut self, sql: &'static str) -> Result<()> {
        self.exec(sql, &[]).map(|_| ())
    }

    /// Ends the open transaction; an error comes with whether space was missing.
    fn commit(&mut self) -> Result<(), (Error, bool)> {
        self.point().map_err(|e| (e, false))?;
        let done = self.db.prepare_cached("COMMIT").and_then(|mut statement| statement.execute([]));
        done.map(|_| ()).map_err(|e| {
            let full = is_full(&e);
            (error(e), full)
        })
    }

    /// Undoes the open transaction, if there is one. No fault point: whoever comes here has failed already, or has
    /// nothing to lose.
    fn rollback(&mut self) {
        if !self.db.is_autocommit() {
            let _ = self.db.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]));
        }
    }

    /// What SQLite finds wrong with the file, and rows that point to nothing. A file that is too damaged to answer
    /// that is a finding, too.
    pub(super) fn integrity(&mut self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let asked = self.each("PRAGMA integrity_check(100)", &[], |row| {
            let line = row.text(0)?;
            if line != "ok" {
                found.push(line);
            }
            Ok(true)
        });
        finding(asked, &mut found)?;
        let mut dangling = Vec::new();
        let asked = self.each("PRAGMA foreign_key_check", &[], |row| {
            let at = row.opt_int(1)?.map_or("?".to_owned(), |id| id.to_string());
            dangling.push(format!("table {}: row {at} points to nothing in {}", row.text(0)?, row.text(2)?));
            Ok(true)
        });
        found.append(&mut dangling);
        finding(asked, &mut found)?;
        Ok(found)
    }

    /// Changes when another connection has committed. Asked at any moment by an idle writer, so it is no fault point:
    /// tests count on the others coming in the order of the calls.
    fn data_version(&self) -> Result<i64> {
        let mut statement = self.db.prepare_cached("PRAGMA data_version").map_err(error)?;
        statement.query_row([], |row| row.get(0)).map_err(error)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(n),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// That the file cannot be read is among the problems found with it.
fn finding(asked: Result<()>, found: &mut Vec<String>) -> Result<()> {
    match asked {
        Err(Error::Unavailable(text)) => {
            if !found.contains(&text) {
                found.push(text);
            }
            Ok(())
        }
        other => other,
    }
}

/// Whether the locks between processes are gone, and what to say then: what is read beside somebody who folds the log
/// could be of no instant at all.
struct Lost {
    now: Arc<AtomicBool>,
    error: Error,
}

fn read_loop(pool: &r2d2::Pool<Readers>, queue: &Receiver<Message<Box<dyn ReadJob>>>, lost: &Lost) {
    while let Ok(Message::Job(job)) = queue.recv() {
        if job.is_abandoned() {
            continue;
        }
        if lost.now.load(Ordering::Relaxed) {
            job.fail(lost.error.clone());
            continue;
        }
        let mut connection = match pool.get() {
            Ok(connection) => connection,
            Err(e) => {
                job.fail(Error::Unavailable(e.to_string()));
                continue;
            }
        };
        if let Err(e) = connection.control("BEGIN") {
            job.fail(e);
            continue;
        }
        let mut tx = Tx::new(TxEngine::Sqlite(&mut connection));
        // The panic was reported by the panic hook; the caller sees that its end of the channel is gone.
        let _ = catch_unwind(AssertUnwindSafe(|| job.run(&mut tx)));
        connection.rollback();
    }
}
