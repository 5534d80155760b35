//! The thread beside a server that deletes what has ended, in small steps: sessions a day after their end, browsers
//! that nobody uses any more, one-time secrets, what clients logged long ago. Not a command.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, Steady};
use crate::config::Config;
use crate::domain::{browser, session};
use crate::metrics::Metrics;
use crate::model::time::Time;
use crate::store::{self, Store, Tx, logs, one_time_secrets, sessions};

/// How often it looks when there is nothing to do, and how long it rests between two steps when there is.
const IDLE: Duration = Duration::from_secs(30);
const REST: Duration = Duration::from_millis(100);

/// How many rows of each one step deletes, and how many of them one write does: whoever waits for the writer meanwhile
/// waits for no more than these.
const STEP: u64 = 500;
const PIECE: u64 = 100;

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
                    // Who stops us closes the store, too.
                    Err(_) if stopped.try_recv() != Err(TryRecvError::Empty) => break,
                    Err(error) => {
                        tracing::warn!(%error, "what has ended could not be deleted; trying again later");
                        IDLE
                    }
                };
            }
        })?;
        Ok(CleanUp { stop: Some(stop), thread: Some(thread) })
    }

    /// Tells it to end; dropping it waits for that.
    pub(super) fn stop(&mut self) {
        self.stop = None;
    }
}

/// Deletes a little of everything. Answers how much.
fn step(store: &Store, now: Time, kept: Kept) -> store::Result<u64> {
    let (ended, old) = (now + -session::KEPT_SECONDS, now + -kept.seconds);
    let mut deleted = in_pieces(store, STEP, move |tx, limit| sessions::clean(tx, ended, limit))?;
    deleted += store.write(move |tx| browser::clean(tx, now)).wait()?;
    deleted += in_pieces(store, STEP, move |tx, limit| one_time_secrets::clean(tx, now, limit))?;
    deleted += in_pieces(store, STEP, move |tx, limit| logs::clean(tx, old, limit))?;
    // Counting is a reader's work: the writer has others to serve.
    for (app, last) in store.read(move |tx| logs::too_many(tx, kept.lines)).wait()? {
        deleted += in_pieces(store, STEP, move |tx, limit| logs::trim(tx, app, last, limit))?;
    }
    Ok(deleted)
}

/// Deletes at most so many rows by several writes, until one finds fewer than it may delete. Answers how many.
fn in_pieces(
    store: &Store,
    most: u64,
    delete: impl Fn(&mut Tx<'_>, i64) -> store::Result<u64> + Copy + Send + 'static,
) -> store::Result<u64> {
    let mut deleted = 0;
    while deleted < most {
        let limit = PIECE.min(most - deleted);
        let done = store.write(move |tx| delete(tx, limit.cast_signed())).wait()?;
        deleted += done;
        if done < limit {
            break;
        }
    }
    Ok(deleted)
}

impl Drop for CleanUp {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{app, owner};
    use crate::model::ids::AppId;
    use crate::model::log::LogLine;
    use crate::store::Options;

    const NOW: Time = Time(1_000_000);

    /// A store with an app that logged so many lines, one a second, up to now.
    fn logged(folder: &std::path::Path, lines: i64) -> (Store, AppId) {
        let store = Store::open(&Options::small(folder.join("keystead.db"))).unwrap();
        let app = store.write(move |tx| -> store::Result<AppId> {
            let rng = &mut rand::rng();
            let owner = owner::create(tx, "acme", None, NOW, rng).unwrap();
            let app = app::create(tx, &owner, "demo", &app::Credentials::default(), NOW, rng).unwrap().id;
            for age in (0..lines).rev() {
                let line = LogLine {
                    logged_at: NOW + -age,
                    message: age.to_string(),
                    credential: None,
                    pc_user: None,
                    ip: "127.0.0.1".to_owned(),
                };
                logs::insert(tx, app, &line)?;
            }
            Ok(app)
        });
        let app = app.wait().unwrap();
        (store, app)
    }

    fn left(store: &Store, app: AppId) -> Vec<String> {
        let lines = store.read(move |tx| logs::newest(tx, app, None, 10_000)).wait().unwrap();
        lines.into_iter().map(|line| line.message).collect()
    }

    #[test]
    fn a_step_deletes_as_much_as_it_may_and_no_more_than_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let (store, app) = logged(dir.path(), 770);
        let kept = Kept { seconds: 49, lines: 1_000 };
        let steps = [(); 3].map(|()| step(&store, NOW, kept).unwrap());
        assert_eq!(steps, [500, 220, 0]);
        assert_eq!(left(&store, app).len(), 50);
    }

    #[test]
    fn what_is_too_much_of_a_log_goes_and_the_newest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (store, app) = logged(dir.path(), 770);
        let kept = Kept { seconds: 10_000, lines: 37 };
        let steps = [(); 3].map(|()| step(&store, NOW, kept).unwrap());
        assert_eq!(steps, [500, 233, 0]);
        assert_eq!(left(&store, app), (0..37).map(|age| age.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn who_clears_a_log_between_two_pieces_loses_no_line_more() {
        let dir = tempfile::tempdir().unwrap();
        let (store, app) = logged(dir.path(), 770);
        let too_many = store.read(|tx| logs::too_many(tx, 37)).wait().unwrap();
        let last = too_many[0].1;
        let clear = |kept: i64| store.write(move |tx| logs::clear(tx, app, NOW + 1 + -kept, 10_000)).wait().unwrap();
        let trim = || store.write(move |tx| logs::trim(tx, app, last, 100)).wait().unwrap();
        assert_eq!((too_many.len(), trim()), (1, 100), "the first piece");
        assert_eq!((clear(50), trim(), trim()), (620, 13, 0), "only what was too much and is left");
        assert_eq!(left(&store, app), (0..37).map(|age| age.to_string()).collect::<Vec<_>>());

        let last = store.read(|tx| logs::too_many(tx, 30)).wait().unwrap()[0].1;
        let trim = || store.write(move |tx| logs::trim(tx, app, last, 100)).wait().unwrap();
        assert_eq!((clear(20), trim()), (17, 0), "nothing is too much any more");
        assert_eq!(left(&store, app).len(), 20);

        // Rows of a table that was emptied are numbered from the start again.
        let last = store.read(|tx| logs::too_many(tx, 10)).wait().unwrap()[0].1;
        assert_eq!(clear(0), 20);
        let line = LogLine {
            logged_at: NOW,
            message: "new".to_owned(),
            credential: None,
            pc_user: None,
            ip: "127.0.0.1".to_owned(),
        };
        store.write(move |tx| logs::insert(tx, app, &line)).wait().unwrap();
        assert_eq!(store.write(move |tx| logs::trim(tx, app, last, 100)).wait().unwrap(), 0);
        assert_eq!(left(&store, app), ["new"]);
    }

    #[test]
    fn a_step_on_a_store_that_is_closed_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = logged(dir.path(), 200);
        store.close();
        step(&store, NOW, Kept { seconds: 0, lines: 0 }).unwrap_err();
    }
}
