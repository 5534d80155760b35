//! One call's view of the database: values in, rows out, and the cache changes that its commit brings. The SQL comes
//! from the table files beside this one; nothing outside `store` can pass any.

use std::sync::Arc;

use crate::model::ids::{AppId, SessionId};
use crate::model::session::Session;
use crate::pending::Deliver;

use super::waiting::AllWaiting;
use super::{Error, Result, sqlite};

/// A bound value.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Value::Int(flag.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Blob(bytes)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// One row of an answer, read by column number from 0.
pub(in crate::store) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
}

impl Row<'_> {
    pub(in crate::store) fn int(&self, column: usize) -> Result<i64> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(sqlite::error),
        }
    }

    pub(in crate::store) fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(sqlite::error),
        }
    }

    pub(in crate::store) fn flag(&self, column: usize) -> Result<bool> {
        self.int(column).map(|n| n != 0)
    }

    pub(in crate::store) fn text(&self, column: usize) -> Result<String> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(sqlite::error),
        }
    }

    pub(in crate::store) fn blob(&self, column: usize) -> Result<Vec<u8>> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(sqlite::error),
        }
    }

    pub(in crate::store) fn opt_text(&self, column: usize) -> Result<Option<String>> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(sqlite::error),
        }
    }
}

/// What a commit changes in the cache.
#[derive(Debug)]
pub(in crate::store) enum Change {
    /// This session is now so.
    Session(Arc<Session>),
    /// This session has to be asked for again.
    ForgetSession(SessionId),
    /// This variable has to be asked for again.
    ForgetVariable(AppId, String),
    /// Apps or their settings changed.
    Apps,
    /// Too much changed to name it.
    Everything,
}

/// An open transaction (or a savepoint of one) as a call sees it.
pub struct Tx<'a> {
    pub(in crate::store) engine: TxEngine<'a>,
    pub(in crate::store) changes: Vec<Change>,
    /// The number of the transaction that it shares with others.
    pub(in crate::store) number: u16,
}

pub(in crate::store) enum TxEngine<'a> {
    Sqlite(&'a mut sqlite::Connection),
}

impl<'a> Tx<'a> {
    pub(in crate::store) fn new(engine: TxEngine<'a>) -> Tx<'a> {
        Tx { engine, changes: Vec::new(), number: 0 }
    }

    /// The same for those whose writes are committed together, another one for those before and after them: what begins
    /// with it is written at one place of an index. No secret.
    pub fn near(&self) -> u16 {
        self.number
    }

    /// All rows of a query.
    pub(in crate::store) fn rows<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(sql, values, |row| {
            all.push(read(row)?);
            Ok(true)
        })?;
        Ok(all)
    }

    /// The first row of a query, if there is one.
    pub(in crate::store) fn row<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut first = None;
        self.each(sql, values, |row| {
            first = Some(read(row)?);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Hands over each row until `read` answers false.
    pub(in crate::store) fn each(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        match &mut self.engine {
            TxEngine::Sqlite(connection) => connection.each(sql, values, read),
        }
    }

    /// Runs a statement; answers how many rows it changed.
    pub(in crate::store) fn exec(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        match &mut self.engine {
            TxEngine::Sqlite(connection) => connection.exec(sql, values),
        }
    }

    /// What the engine itself finds wrong with the file.
    pub(in crate::store) fn integrity(&mut self) -> Result<Vec<String>> {
        match &mut self.engine {
            TxEngine::Sqlite(connection) => connection.integrity(),
        }
    }

    /// Rows that wait to be made something of. What a call that is undone changed here stays: at worst a row is not
    /// counted, and ends when its time is over.
    pub(in crate::store) fn waiting(&mut self) -> &mut AllWaiting {
        match &mut self.engine {
            TxEngine::Sqlite(connection) => &mut connection.waiting,
        }
    }

    pub(in crate::store) fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// A read as the engine's threads see it.
pub(in crate::store) trait ReadJob: Send {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
    /// Runs it and delivers the answer.
    fn run(self: Box<Self>, tx: &mut Tx<'_>);
    /// Delivers an error instead.
    fn fail(self: Box<Self>, error: Error);
}

pub(in crate::store) struct ReadCall<W, T, E> {
    pub(in crate::store) work: W,
    pub(in crate::store) deliver: Deliver<std::result::Result<T, E>>,
}

impl<W, T, E> ReadJob for ReadCall<W, T, E>
where
    T: Send,
    E: From<Error> + Send,
    W: FnOnce(&mut Tx<'_>) -> std::result::Result<T, E> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.deliver.is_abandoned()
    }

    fn run(self: Box<Self>, tx: &mut Tx<'_>) {
        let Self { work, deliver } = *self;
        // A panic unwinds past `deliver`, whose end is then gone: the caller is answered, the thread goes on.
        deliver.deliver(work(tx));
    }

    fn fail(self: Box<Self>, error: Error) {
        self.deliver.deliver(Err(error.into()));
    }
}

/// A write as the writer sees it.
pub(in crate::store) trait WriteJob: Send {
    /// Runs it (again). True: keep what it wrote.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Delivers its own outcome; the commit is on disk, or there is nothing to commit.
    fn finish(self: Box<Self>);
    /// Delivers an error instead.
    fn fail(self: Box<Self>, error: Error);
}

pub(in crate::store) struct WriteCall<W, T, E> {
    pub(in crate::store) work: W,
    pub(in crate::store) outcome: Option<std::result::Result<T, E>>,
    pub(in crate::store) deliver: Deliver<std::result::Result<T, E>>,
}

impl<W, T, E> WriteJob for WriteCall<W, T, E>
where
    T: Send,
    E: From<Error> + Send,
    W: FnMut(&mut Tx<'_>) -> std::result::Result<T, E> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        // An earlier outcome belongs to a run that was undone.
        self.outcome = None;
        let outcome = (self.work)(tx);
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn finish(self: Box<Self>) {
        let Self { outcome, deliver, .. } = *self;
        deliver.deliver(outcome.unwrap_or_else(|| Err(Error::Bug("the call panicked".to_owned()).into())));
    }

    fn fail(self: Box<Self>, error: Error) {
        self.deliver.deliver(Err(error.into()));
    }
}
