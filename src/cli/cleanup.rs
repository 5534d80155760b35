//! The thread beside a server that deletes what has ended: sessions, a day after their end, in small steps. Not a
//! command.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::session;
use crate::store::{self, Store, sessions};

/// How often it looks when there is nothing to do, and how long it rests between two steps when there is.
const IDLE: Duration = Duration::from_secs(30);
const REST: Duration = Duration::from_millis(100);

/// Runs until it is dropped.
pub(super) struct CleanUp {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CleanUp {
    /// Starts it.
    pub(super) fn start(store: Store, clock: Clock) -> std::io::Result<CleanUp> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("clean-up".to_owned()).spawn(move || {
            let mut wait = REST;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let before = clock.now() + -session::KEPT_SECONDS;
                let step = store.write(move |tx| sessions::clean(tx, before, session::CLEAN_STEP)).wait();
                wait = match step {
                    Ok(deleted) if deleted > 0 => REST,
                    Ok(_) => IDLE,
                    Err(error) => {
                        log(&error);
                        IDLE
                    }
                };
            }
        })?;
        Ok(CleanUp { stop: Some(stop), thread: Some(thread) })
    }
}

fn log(error: &store::Error) {
    tracing::warn!(%error, "ended sessions could not be deleted; trying again later");
}

impl Drop for CleanUp {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
