//! The queues before the engine's threads: bounded, closed once, and nothing is lost in them: who waits for what was
//! queued at the moment of closing is told so. Runs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::metrics::Counter;

use super::{Error, Result};

/// What a thread takes out.
pub(super) enum Message<T> {
    /// Something to do.
    Job(T),
    /// The thread is to end.
    Stop,
}

/// One queue. It keeps a receiver of its own: a channel whose receivers are gone keeps what was sent last, and whoever
/// waits for that would wait for ever.
pub(super) struct Queue<T> {
    sender: Sender<Message<T>>,
    receiver: Receiver<Message<T>>,
    /// How a job is told that it will not be done.
    fail: fn(T, Error),
    /// No thread takes anything out any more.
    over: AtomicBool,
    /// Jobs that found it full.
    pub(super) refused: Counter,
}

impl<T> Queue<T> {
    pub(super) fn new(size: usize, fail: fn(T, Error)) -> Queue<T> {
        let (sender, receiver) = bounded(size.max(1));
        Queue { sender, receiver, fail, over: AtomicBool::new(false), refused: Counter::default() }
    }

    /// For a thread that takes out.
    pub(super) fn receiver(&self) -> Receiver<Message<T>> {
        self.receiver.clone()
    }

    /// How much waits in it.
    pub(super) fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Queues a job, or fails it.
    pub(super) fn push(&self, job: T) {
        match self.sender.try_send(Message::Job(job)) {
            Ok(()) => {}
            Err(TrySendError::Full(Message::Job(job)) | TrySendError::Disconnected(Message::Job(job))) => {
                self.refused.one();
                (self.fail)(job, Error::Busy);
            }
            Err(_) => {}
        }
        // After sending: if the threads are gone by now, nobody else may have seen the job.
        if self.over.load(Ordering::SeqCst) {
            self.drain();
        }
    }

    /// Ends the threads that take out, when they have done what is queued.
    pub(super) fn stop(&self, threads: usize) {
        for _ in 0..threads {
            let _ = self.sender.send(Message::Stop);
        }
    }

    /// The threads have ended: what is left, and what comes, is failed.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.drain();
    }

    /// Closes it when the result is dropped: when its only thread ends, however it ends.
    pub(super) fn closed_on_drop(self: Arc<Self>) -> impl Drop {
        struct Guard<T>(Arc<Queue<T>>);
        impl<T> Drop for Guard<T> {
            fn drop(&mut self) {
                self.0.close();
            }
        }
        Guard(self)
    }

    fn drain(&self) {
        while let Ok(message) = self.receiver.try_recv() {
            if let Message::Job(job) = message {
                (self.fail)(job, closed());
            }
        }
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}

/// Starts a thread.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|e| Error::Unavailable(format!("cannot start a thread: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pending::{Deliver, Pending, pending};

    type Job = Deliver<Option<String>>;

    fn job() -> (Job, Pending<Option<String>>) {
        pending()
    }

    fn fail(job: Job, error: Error) {
        job.deliver(Some(error.to_string()));
    }

    #[test]
    fn whoever_comes_too_late_is_told() {
        let queue = Queue::new(4, fail);
        let (before, answer_before) = job();
        queue.push(before);
        queue.close();
        let (after, answer_after) = job();
        queue.push(after);
        for answer in [answer_before, answer_after] {
            assert!(answer.wait().unwrap().is_some_and(|text| text.contains("closed")));
        }
    }

    #[test]
    fn whoever_comes_at_the_moment_of_closing_is_told_too() {
        for _ in 0..200 {
            let queue = Arc::new(Queue::new(64, fail));
            let taken = queue.receiver();
            let taker = std::thread::spawn(move || {
                while let Ok(Message::Job(job)) = taken.recv() {
                    job.deliver(None);
                }
            });
            let pushing = Arc::clone(&queue);
            let pusher = std::thread::spawn(move || {
                for _ in 0..50 {
                    let (job, answer) = job();
                    pushing.push(job);
                    // Done, or told: anything but silence.
                    answer.wait().unwrap();
                }
            });
            queue.stop(1);
            taker.join().unwrap();
            queue.close();
            pusher.join().unwrap();
        }
    }

    #[test]
    fn a_full_queue_is_busy() {
        let queue = Queue::new(1, fail);
        let (first, _kept) = job();
        queue.push(first);
        let (second, answer) = job();
        queue.push(second);
        assert!(answer.wait().unwrap().is_some_and(|text| text.contains("queue is full")));
    }
}
