//! What is counted while the server runs: plain atomics, added to by whichever room does the work. Knows no name under
//! which anything is shown, no format and no clock; `http/exposition.rs` reads all of it when somebody asks.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::model::time::Time;

/// Counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// How many since the process began.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How often values fell into which range, and their sum. Values are whole numbers in the histogram's own unit.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than there are bounds: what is above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// The upper end of each range, that value included.
    pub bounds: &'static [u64],
    /// How many values fell into it; the last is above all bounds.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

/// Microseconds: from 100 µs to 10 s.
pub const TIMES: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// Calls that one commit carries.
pub const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

impl Histogram {
    /// An empty one; `bounds` ascend.
    pub fn new(bounds: &'static [u64]) -> Histogram {
        Histogram { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Notes a value.
    pub fn note(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// What was noted so far.
    pub fn read(&self) -> Ranges {
        let counts = self.counts.iter().map(|count| count.load(Relaxed)).collect();
        Ranges { bounds: self.bounds, counts, sum: self.sum.load(Relaxed) }
    }
}

impl Ranges {
    /// Nothing noted.
    pub fn empty(bounds: &'static [u64]) -> Ranges {
        Ranges { bounds, counts: vec![0; bounds.len() + 1], sum: 0 }
    }

    /// Adds another with the same bounds.
    pub fn add(&mut self, other: &Ranges) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }
}

/// A moment that somebody else knows, and is asked for whenever the figures are shown.
#[derive(Default)]
pub struct Moment(OnceLock<Box<dyn Fn() -> Option<Time> + Send + Sync>>);

impl Moment {
    /// Whom to ask; the first one counts.
    pub fn ask(&self, source: impl Fn() -> Option<Time> + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(source));
    }

    /// When; none if nobody knows.
    pub fn value(&self) -> Option<Time> {
        self.0.get()?()
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Moment").field(&self.value()).finish()
    }
}

/// What became of mails, or of posts.
#[derive(Debug, Default)]
pub struct Sendings {
    /// Taken by the other side.
    pub sent: Counter,
    /// Not taken now; tried again later.
    pub put_off: Counter,
    /// Never to be taken.
    pub given_up: Counter,
}

/// What is counted beside the parts that count for themselves (the store, the hashing threads, the fetcher). One for
/// each server.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections that were accepted.
    pub accepted: Counter,
    /// Those of them that have ended.
    pub ended: Counter,
    /// Connections beyond the limit, sent away.
    pub turned_away: Counter,
    /// Mails.
    pub mails: Sendings,
    /// Posts of log lines.
    pub posts: Sendings,
    /// Rows that the clean-up has deleted.
    pub cleaned: Counter,
    /// When the newest backup was made that is known to be good.
    pub last_backup: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_range() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 1_000] {
            histogram.note(value);
        }
        let mut read = histogram.read();
        assert_eq!(read, Ranges { bounds: &[10, 20], counts: vec![2, 2, 2], sum: 1_062 });
        read.add(&histogram.read());
        assert_eq!((read.counts, read.sum), (vec![4, 4, 4], 2_124));
        for bounds in [TIMES, SIZES] {
            assert!(bounds.is_sorted());
        }
    }

    #[test]
    fn a_moment_is_asked_for_each_time() {
        let moment = Moment::default();
        assert_eq!(moment.value(), None);
        let now = AtomicU64::new(6);
        moment.ask(move || Some(Time(now.fetch_add(1, Relaxed) as i64)).filter(|time| time.0 > 6));
        assert_eq!((moment.value(), moment.value()), (None, Some(Time(7))));
    }
}
