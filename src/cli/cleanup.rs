//! The thread beside a server that deletes what has ended, in small steps: sessions a day after their end, browsers
//! that nobody uses any more, one-time secrets, what clients logged long ago. Not a command.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, Steady};
use crate::config::Config;
use crate::domain::{browser, session};
use crate::metrics::Metrics;
use crate::model::time::Time;
use crate::store::{self, Store, logs, one_time_secrets, sessions};

/// How often it looks when there is nothing to do, and how long it rests between two steps when there is.
const IDLE: Duration = Duration::from_secs(30);
const REST: Duration = Duration::from_millis(100);

/// How much one step deletes of each: a step is one short write.
const STEP: i64 = session::CLEAN_STEP;

/// Runs until it is dropped.
pub(super) struct CleanUp {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What may be kept of the logs.
#[derive(Clone, Copy)]
struct Kept {
    seconds: i64,
    lines: i64,
}

impl CleanUp {
    /// Starts it.
    pub(super) fn start(
        store: Store,
        clock: Clock,
        config: &Config,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<CleanUp> {
        let kept = Kept {
            seconds: i64::try_from(config.log_retention.as_secs()).unwrap_or(i64::MAX),
            lines: i64::try_from(config.log_limit).unwrap_or(i64::MAX),
        };
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("clean-up".to_owned()).spawn(move || {
            // A clock that is wrong for an hour must not cost what does not come back.
            let clock = Steady::new(clock);
            let mut wait = REST;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = match step(&store, clock.now(), kept) {
                    Ok(deleted) if deleted > 0 => {
                        metrics.cleaned.add(deleted);
                        REST
                    }
                    Ok(_) => IDLE,
                    Err(error) => {
                        tracing::warn!(%error, "what has ended could not be deleted; trying again later");
                        IDLE
                    }
                };
            }
        })?;
        Ok(CleanUp { stop: Some(stop), thread: Some(thread) })
    }
}

/// Deletes a little of everything. Answers how much.
fn step(store: &Store, now: Time, kept: Kept) -> store::Result<u64> {
    let ended = now + -session::KEPT_SECONDS;
    let mut deleted = store.write(move |tx| sessions::clean(tx, ended, STEP)).wait()?;
    deleted += store.write(move |tx| browser::clean(tx, now)).wait()?;
    deleted += store.write(move |tx| one_time_secrets::clean(tx, now, STEP)).wait()?;
    let old = now + -kept.seconds;
    deleted += store.write(move |tx| logs::clean(tx, old, STEP)).wait()?;
    // Counting is a reader's work: the writer has others to serve.
    for (app, more) in store.read(move |tx| logs::too_many(tx, kept.lines)).wait()? {
        deleted += store.write(move |tx| logs::trim(tx, app, more.min(STEP))).wait()?;
    }
    Ok(deleted)
}

impl Drop for CleanUp {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
