//! The threads that hash passwords: a bounded number with a bounded queue, at a lower priority than answering. A full
//! queue is answered at once, and nobody can fill it alone. Decides nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::metrics::Counter;
use crate::pending::{Deliver, Pending, pending};

use super::Refusal;
use super::secret::{Hasher, Proof, Work};

/// How much nicer than the answering threads the hashing threads are.
const NICENESS: i32 = 10;

/// Work, whose it is, and who waits for it.
type Job = (Work, Option<IpAddr>, Deliver<Proof>);

/// The hashing threads. They end when the last clone is dropped.
#[derive(Clone)]
pub struct Hashing {
    queue: Sender<Job>,
    waiting: Waiting,
    figures: Arc<Figures>,
}

/// What is counted here.
#[derive(Debug, Default)]
pub struct Figures {
    /// Pieces of work that were done.
    pub done: Counter,
    /// Those that found no place.
    pub refused: Counter,
}

/// How much of what waits in the queue came from which address.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Hashing {
    /// Starts `threads` threads (at least one), before which at most `queue` pieces of work may wait.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Hashing> {
        let (sender, receiver) = bounded(queue.max(1));
        let waiting = Waiting::default();
        let figures = Arc::<Figures>::default();
        for _ in 0..threads.max(1) {
            let (receiver, waiting, figures) = (receiver.clone(), waiting.clone(), Arc::clone(&figures));
            std::thread::Builder::new()
                .name("hashing".to_owned())
                .spawn(move || work_off(&receiver, &waiting, &figures))?;
        }
        Ok(Hashing { queue: sender, waiting, figures })
    }

    /// How many pieces of work wait for a thread.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What was counted since the threads were started.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Queues a piece of work of our own. Refused as [`Refusal::Busy`] when the queue is full.
    pub fn submit(&self, work: Work) -> Result<Pending<Proof>, Refusal> {
        self.send(work, None)
    }

    /// Queues a piece of work for a client at this address. Refused as [`Refusal::Busy`] when the queue is full, or
    /// when as much waits for this address as there are places left: one address gets half of the queue, two get a
    /// third each, and always somebody else still gets in.
    pub fn submit_for(&self, address: IpAddr, work: Work) -> Result<Pending<Proof>, Refusal> {
        let places = self.queue.capacity().unwrap_or(usize::MAX).saturating_sub(self.queue.len());
        if !self.waiting.enter(address, places) {
            self.figures.refused.one();
            return Err(Refusal::Busy);
        }
        let sent = self.send(work, Some(address));
        if sent.is_err() {
            self.waiting.leave(address);
        }
        sent
    }

    fn send(&self, work: Work, address: Option<IpAddr>) -> Result<Pending<Proof>, Refusal> {
        let (deliver, promise) = pending();
        match self.queue.try_send((work, address, deliver)) {
            Ok(()) => Ok(promise),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.figures.refused.one();
                Err(Refusal::Busy)
            }
        }
    }
}

impl Waiting {
    /// Counts one more, unless so many wait already.
    fn enter(&self, address: IpAddr, most: usize) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count > 0 && *count >= most {
            return false;
        }
        *count += 1;
        true
    }

    fn leave(&self, address: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

fn work_off(queue: &Receiver<Job>, waiting: &Waiting, figures: &Figures) {
    // On Linux niceness belongs to the thread. Where it cannot be set, hashing still works.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    let mut hasher = Hasher::default();
    while let Ok((work, address, deliver)) = queue.recv() {
        if let Some(address) = address {
            waiting.leave(address);
        }
        // Whoever hung up does not cost 20 ms.
        if deliver.is_abandoned() {
            continue;
        }
        // A bug costs one request, not the thread: the caller sees that its end of the channel is gone.
        match catch_unwind(AssertUnwindSafe(|| hasher.run(&work, &mut rand::rng()))) {
            Ok(proof) => {
                figures.done.one();
                deliver.deliver(proof);
            }
            Err(_) => hasher = Hasher::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_fills_the_queue_alone() {
        // Nobody works it off.
        let (queue, _receiver) = bounded(16);
        let hashing = Hashing { queue, waiting: Waiting::default(), figures: Arc::default() };
        let take = |address: &str| {
            let address: IpAddr = address.parse().unwrap();
            (0..99).take_while(|_| hashing.submit_for(address, Work::Nothing).is_ok()).count()
        };
        assert_eq!(take("1.1.1.1"), 8);
        assert_eq!(take("1.1.1.1"), 0);
        assert_eq!(take("2.2.2.2"), 4);
        assert_eq!((take("3.3.3.3"), take("4.4.4.4"), take("5.5.5.5"), take("6.6.6.6")), (2, 1, 1, 0));
    }

    #[test]
    fn what_is_taken_up_does_not_wait_any_more() {
        let hashing = Hashing::start(1, 4).unwrap();
        let address = IpAddr::from([1, 1, 1, 1]);
        for _ in 0..20 {
            assert!(hashing.submit_for(address, Work::Nothing).unwrap().wait().is_ok());
        }
        assert!(hashing.waiting.0.lock().unwrap().is_empty());
    }
}
