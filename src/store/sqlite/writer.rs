//! The one writer: takes every call that waits, runs each in a savepoint of one transaction, commits once, changes the
//! cache, and only then lets the answers go. Watches the files and other processes meanwhile. Knows no table.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rusqlite::config::DbConfig;

use super::{Connection, WATCH};
use crate::store::figures::Figures;
use crate::store::file::{self, Missing};
use crate::store::queue::Message;
use crate::store::tx::{TxEngine, WriteJob};
use crate::store::{Cache, Change, Error, Result, Tx};

/// The most calls that one commit carries. More would only make the first of them wait longer.
pub(super) const MAX_GROUP: usize = 256;

/// With so many pages in it the log is folded into the database and begins anew, all within a commit for which up to
/// [`MAX_GROUP`] callers wait. Seldom and much, or often and little, costs calls about the same; little keeps nobody waiting long.
pub(super) const FOLD_AT: u32 = 200;

/// How long the log may become before the writer waits for readers to let go of it: it never begins anew by itself while
/// there is always somebody reading. What one transaction holds may be longer.
pub(super) const LOG_BOUND: u64 = 32 << 20;

/// How long the writer waits for them, and everybody for the writer: first; and at most, if waiting gets on.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// After a try that did not help, so many times as long nothing is tried: one reader who stays, as a backup does, costs the
/// others little.
const PAUSE: u32 = 10;

/// How long a command that writes step after step leaves the server between two of them. SQLite looks for the write lock every
/// 20 ms at most while it waits.
const GAP: Duration = Duration::from_millis(30);

/// Folding the log and beginning it anew, apart from what SQLite does by itself.
pub(super) struct Cutting {
    bound: u64,
    /// A commit did not find the space it needed, and none has worked since: what the log takes may be all that is missing.
    pub(super) failed: bool,
    wait: Duration,
    next: Option<Instant>,
    /// How many pages of the log were folded when readers were in the way.
    folded: i64,
}

impl Cutting {
    pub(super) fn beyond(bound: u64) -> Cutting {
        Cutting { bound, failed: false, wait: FIRST_WAIT, next: None, folded: 0 }
    }
}

/// Everything that it works with.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) queue: Receiver<Message<Box<dyn WriteJob>>>,
    pub(super) cache: Arc<Cache>,
    pub(super) data_version: i64,
    pub(super) busy_timeout: Duration,
    pub(super) files: file::Opened,
    /// The log's file is gone; what it held is in the database, and we hold the write lock until it is back.
    pub(super) held: bool,
    pub(super) cutting: Cutting,
    /// What is missing now, if anything.
    pub(super) missing: Option<Missing>,
    /// The locks are gone: the readers, too, must leave the files alone.
    pub(super) lost: Arc<AtomicBool>,
    pub(super) closing: Arc<AtomicBool>,
    pub(super) figures: Arc<Figures>,
    /// When the last one was committed.
    pub(super) committed: Option<Instant>,
    /// How many have begun; counts around.
    pub(super) transactions: u16,
}

/// A call that has run in the open transaction.
struct Done {
    job: Box<dyn WriteJob>,
    changes: Vec<Change>,
}

impl Writer {
    pub(super) fn run(mut self) {
        let mut stop = false;
        while !stop {
            let first = match self.queue.recv_timeout(WATCH) {
                Ok(Message::Job(job)) => job,
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if self.look().is_ok() {
                        self.cut_the_log();
                    }
                    self.watch();
                    continue;
                }
            };
            let mut group = vec![first];
            while group.len() < MAX_GROUP {
                match self.queue.try_recv() {
                    Ok(Message::Job(job)) => group.push(job),
                    Ok(Message::Stop) => {
                        stop = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
            // Those have waited as long as the group when the write lock has not come: nobody waits for it twice. Whoever
            // comes later has a wait of his own: what stopped the group need not stop him.
            let behind = self.queue.len();
            match self.answer(group) {
                Some(e) => stop |= self.fail_waiting(behind, &e),
                None => {
                    self.cut_the_log();
                }
            }
        }
        // SQLite folds the log when it is closed, and removes it by its name.
        let _ = self.look();
    }

    /// Whether the files are still those that were opened: what is written to others is lost with the next start.
    fn look(&mut self) -> Result<()> {
        let missing = self.files.are_there().err();
        if missing.is_none() && self.missing.is_none() {
            return self.files.are_ours();
        }
        // What is gone must not be folded or removed by its name when we close: others may have made theirs there.
        let beside = matches!(missing, Some(Missing::Log | Missing::Shared));
        let _ = self.connection.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, beside);
        self.lost.store(missing == Some(Missing::Shared), Ordering::Relaxed);
        if missing.is_none() && self.held {
            self.held = self.connection.db.execute_batch("ROLLBACK").is_err();
        }
        if beside && !self.held && !self.files.log_is_there() {
            self.keep_the_log();
        }
        let told = std::mem::replace(&mut self.missing, missing) == missing;
        let Some(missing) = missing else { return self.files.are_ours() };
        let error = self.files.error(missing);
        if !told && beside {
            tracing::error!("{error}");
        }
        Err(error)
    }

    /// The log's file is gone, but we have it open: what it holds goes into the database, before that can be lost. From
    /// then on nobody may write: others would write to another log, and our readers would look for it in this one. If
    /// the locks are gone, too, others may have written already; then the database is theirs.
    fn keep_the_log(&mut self) {
        if self.files.log_is_anothers() {
            if self.missing.is_none() {
                tracing::error!(
                    "what was written last is lost: another process has begun a new log; compare with a backup"
                );
            }
            return;
        }
        let folded = self.connection.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        // Somebody is reading: at the next look.
        if folded.is_ok_and(|busy| busy == 0) {
            self.held = self.connection.db.execute_batch("BEGIN IMMEDIATE").is_ok();
        }
    }

    /// Folds the log into the database and begins it anew, if it is too long or a commit had no space. SQLite does that by
    /// itself after a commit, but only where nobody is reading at that moment, and never after one that failed. Whether
    /// it was done.
    fn cut_the_log(&mut self) -> bool {
        let wanted = self.cutting.failed || self.files.log_is_beyond(self.cutting.bound);
        let now = Instant::now();
        if !wanted || self.cutting.next.is_some_and(|next| now < next) || self.closing.load(Ordering::Relaxed) {
            return false;
        }
        let db = &self.connection.db;
        let _ = db.busy_timeout(self.cutting.wait);
        let tried = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            Ok((row.get::<_, i64>(0)? == 0, row.get::<_, i64>(2)?))
        });
        let _ = db.busy_timeout(self.busy_timeout.min(WATCH));
        let cutting = &mut self.cutting;
        if let Ok((true, _)) = tried {
            *cutting = Cutting::beyond(cutting.bound);
            self.files.measure();
            return true;
        }
        cutting.next = Some(now + cutting.wait * PAUSE);
        if let Ok((false, folded)) = tried {
            // Other readers than last time: the longest of them is waited for. The same one: waiting does not help.
            let others = folded != cutting.folded;
            cutting.wait = if others { (cutting.wait * 2).min(LONGEST_WAIT) } else { FIRST_WAIT };
            cutting.folded = folded;
        }
        false
    }

    /// Drops the caches if another process has written since the last look.
    fn watch(&mut self) {
        if self.missing == Some(Missing::Shared) {
            // Nobody can tell any more.
            return self.cache.clear();
        }
        match self.connection.data_version() {
            Ok(version) if version == self.data_version => {}
            Ok(version) => {
                self.data_version = version;
                self.cache.clear();
            }
            // It may have written, we cannot tell: better to ask again.
            Err(_) => self.cache.clear(),
        }
    }

    /// Takes the write lock. While another process has it, others may have had it before: what they changed must not be
    /// answered from memory only because we wait.
    fn begin(&mut self) -> Result<()> {
        self.look()?;
        let began = Instant::now();
        loop {
            match self.connection.control("BEGIN IMMEDIATE") {
                Err(Error::Locked) if began.elapsed() < self.busy_timeout && !self.closing.load(Ordering::Relaxed) => {
                    self.watch();
                }
                done => return done,
            }
        }
    }

    /// A command would take the lock back at once, and the server, which waits for it, hardly ever find it free.
    fn step_aside(&self) {
        let soon = self.committed.and_then(|committed| GAP.checked_sub(committed.elapsed()));
        if let Some(left) = soon.filter(|_| self.files.are_a_servers()) {
            std::thread::sleep(left);
        }
    }

    /// Answers this many waiting calls with an error. Whether the stop was among them.
    fn fail_waiting(&self, count: usize, error: &Error) -> bool {
        for _ in 0..count {
            match self.queue.try_recv() {
                Ok(Message::Job(job)) => job.fail(error.clone()),
                Ok(Message::Stop) => return true,
                Err(_) => break,
            }
        }
        false
    }

    /// Runs a group until it is committed or every call of it has been answered. The error, if no transaction began.
    fn answer(&mut self, mut group: Vec<Box<dyn WriteJob>>) -> Option<Error> {
        let mut again = true;
        self.step_aside();
        while !group.is_empty() {
            if let Err(e) = self.begin() {
                group.into_iter().for_each(|job| job.fail(e.clone()));
                return Some(e);
            }
            self.transactions = self.transactions.wrapping_add(1);
            // Now nobody else can write: what we see is what counts.
            self.watch();
            let mut done = Vec::with_capacity(group.len());
            let mut waiting = group.into_iter();
            let mut broken = None;
            for mut job in waiting.by_ref() {
                match self.run_in_savepoint(job.as_mut()) {
                    Ok(changes) => done.push(Done { job, changes }),
                    Err(e) => {
                        broken = Some((job, e));
                        break;
                    }
                }
            }
            let Some((job, e)) = broken else {
                match self.commit(done) {
                    // On a full disk the log may be all the space that there is.
                    Some((done, _)) if again && self.cutting.failed && self.cut_the_log() => {
                        again = false;
                        group = done.into_iter().map(|d| d.job).collect();
                        continue;
                    }
                    Some((done, e)) => done.into_iter().for_each(|d| d.job.fail(e.clone())),
                    None => {}
                }
                return None;
            };
            // The engine gave up the whole transaction under this call. The others did nothing wrong: again, without it.
            self.connection.rollback();
            job.fail(e);
            group = done.into_iter().map(|d| d.job).chain(waiting).collect();
        }
        None
    }

    /// `Err`: the transaction as a whole cannot go on.
    fn run_in_savepoint(&mut self, job: &mut dyn WriteJob) -> Result<Vec<Change>> {
        self.connection.control("SAVEPOINT call")?;
        let mut tx = Tx::new(TxEngine::Sqlite(&mut self.connection));
        tx.number = self.transactions;
        let keep = catch_unwind(AssertUnwindSafe(|| job.run(&mut tx))).unwrap_or(false);
        let changes = if keep { std::mem::take(&mut tx.changes) } else { Vec::new() };
        if self.connection.db.is_autocommit() {
            return Err(Error::Unavailable("the engine rolled the transaction back".to_owned()));
        }
        if !keep {
            self.connection.control("ROLLBACK TO call")?;
        }
        self.connection.control("RELEASE call")?;
        Ok(changes)
    }

    /// Commits and answers; or undoes it all, and gives back who is not answered yet, and why.
    fn commit(&mut self, done: Vec<Done>) -> Option<(Vec<Done>, Error)> {
        let began = Instant::now();
        if let Err((e, full)) = self.connection.commit() {
            self.connection.rollback();
            self.cutting.failed = full;
            if full {
                self.figures.no_room.store(true, Ordering::Relaxed);
            }
            return Some((done, e));
        }
        self.cutting.failed = false;
        self.figures.no_room.store(false, Ordering::Relaxed);
        let took = began.elapsed();
        self.committed = Some(began + took);
        self.figures.groups.note(done.len() as u64);
        self.figures.commits.note(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        for Done { job, changes } in done {
            changes.into_iter().for_each(|change| self.cache.apply(change));
            job.finish();
        }
        None
    }
}
