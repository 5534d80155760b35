//! Where log lines wait for the thread that writes them. Whoever logs copies a line under a lock and goes on: one wake-up
//! for a batch of lines, none for each. Bounded: what comes while too much waits is counted and told, not kept. Knows
//! nothing of what a line says.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the thread waits after a batch. The first line after a silence is written at once.
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes that may wait. If stderr is stuck, the rest is lost; the server is not.
const WAITING: usize = 4 << 20;

/// Room that is kept between batches.
const USUAL: usize = 64 << 10;

/// How long the end waits for the last lines: stderr may be stuck.
const LAST: Duration = Duration::from_secs(1);

/// The lines that wait.
pub(super) struct LogOut {
    state: Mutex<State>,
    came: Condvar,
    done: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Lost and not yet told.
    lost: u64,
    lost_in_all: u64,
    /// The thread waits without a time: the next line wakes it.
    asleep: bool,
    ending: bool,
    ended: bool,
}

/// Ends the log when it is dropped: what waits is written first.
pub(super) struct Guard(Arc<LogOut>);

impl LogOut {
    /// Starts the thread that writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Arc<LogOut>, Guard)> {
        let log = Arc::new(LogOut { state: Mutex::default(), came: Condvar::new(), done: Condvar::new() });
        let there = Arc::clone(&log);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || there.run(out))?;
        Ok((Arc::clone(&log), Guard(log)))
    }

    /// Takes whole lines.
    pub(super) fn push(&self, lines: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() + lines.len() > WAITING {
            state.lost += 1;
            state.lost_in_all += 1;
            return;
        }
        state.lines.extend_from_slice(lines);
        if std::mem::take(&mut state.asleep) {
            drop(state);
            self.came.notify_one();
        }
    }

    /// How many were lost since the start.
    pub(super) fn lost_in_all(&self) -> u64 {
        self.lock().lost_in_all
    }

    fn run(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.lock();
            while state.lines.is_empty() && !state.ending {
                state.asleep = true;
                state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.asleep = false;
            if state.lines.is_empty() {
                state.ended = true;
                self.done.notify_all();
                return;
            }
            std::mem::swap(&mut state.lines, &mut batch);
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            // There is nobody left to tell.
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
            batch.shrink_to(USUAL);
            if lost > 0 {
                tracing::warn!(lost, "log lines were lost: they came faster than stderr takes them");
            }
            let state = self.lock();
            let _ = self.came.wait_timeout_while(state, PAUSE, |state| !state.ending);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole whatever a panicking holder did: lines are added in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For `tracing`, which writes whole lines.
impl Write for &LogOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ending = true;
        self.0.came.notify_one();
        let _ = self.0.done.wait_timeout_while(state, LAST, |state| !state.ended);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Gives out what is written, and takes nothing before it is told to.
    struct Stuck {
        go: mpsc::Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv();
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_waits_is_bounded_and_what_was_taken_is_written_before_the_end() {
        let (go, stuck) = mpsc::channel();
        let (written, got) = mpsc::channel();
        let (log, guard) = LogOut::start(Stuck { go: stuck, written }).expect("a thread");
        log.push(b"first\n");
        // Until the thread has it, and is stuck with it.
        while !log.lock().lines.is_empty() {
            std::thread::yield_now();
        }
        let line = [b'x'; 1 << 10];
        for _ in 0..WAITING / line.len() + 7 {
            log.push(&line);
        }
        let (waiting, lost) = {
            let state = log.lock();
            (state.lines.len(), state.lost)
        };
        assert_eq!((waiting, lost), (WAITING, 7));
        drop(go);
        drop(guard);
        let got: Vec<_> = got.try_iter().flatten().collect();
        assert!(got.starts_with(b"first\nxxx"));
        assert_eq!(got.len(), 6 + WAITING);
    }
}
