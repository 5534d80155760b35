//! The threads that hash passwords: a bounded number with a bounded queue, at a lower priority than answering. A full
//! queue is answered at once. Decides nothing.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::pending::{Deliver, Pending, pending};

use super::Refusal;
use super::secret::{Hasher, Proof, Work};

/// How much nicer than the answering threads the hashing threads are.
const NICENESS: i32 = 10;

type Job = (Work, Deliver<Proof>);

/// The hashing threads. They end when the last clone is dropped.
#[derive(Clone)]
pub struct Hashing {
    queue: Sender<Job>,
}

impl Hashing {
    /// Starts `threads` threads (at least one), before which at most `queue` pieces of work may wait.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Hashing> {
        let (sender, receiver) = bounded(queue.max(1));
        for _ in 0..threads.max(1) {
            let receiver = receiver.clone();
            std::thread::Builder::new().name("hashing".to_owned()).spawn(move || work_off(&receiver))?;
        }
        Ok(Hashing { queue: sender })
    }

    /// Queues a piece of work. Refused as [`Refusal::Busy`] when the queue is full.
    pub fn submit(&self, work: Work) -> Result<Pending<Proof>, Refusal> {
        let (deliver, promise) = pending();
        match self.queue.try_send((work, deliver)) {
            Ok(()) => Ok(promise),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Refusal::Busy),
        }
    }
}

fn work_off(queue: &Receiver<Job>) {
    // On Linux niceness belongs to the thread. Where it cannot be set, hashing still works.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    let mut hasher = Hasher::default();
    while let Ok((work, deliver)) = queue.recv() {
        // Whoever hung up does not cost 20 ms.
        if !deliver.is_abandoned() {
            deliver.deliver(hasher.run(&work, &mut rand::rng()));
        }
    }
}
