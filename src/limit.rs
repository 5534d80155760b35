//! How much somebody may ask: an address, a user. Only measures: what is said to who asks too often is its family's
//! matter. Knows no clock.
//!
//! Each has one number: the moment up to which it has used its share (the generic cell rate algorithm). A number in the
//! past says nothing, so it is dropped; what is kept is bounded by what the server can answer within one share.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::Rate;

/// Separate locks, so that clients seldom wait for each other.
const SHARDS: usize = 16;

/// A shard is not swept below this size.
const SWEEP_FLOOR: usize = 1024;

/// Who has used how much.
pub struct Limit<Who> {
    interval: u64,
    /// How far ahead of now anybody may be.
    ahead: u64,
    hasher: RandomState,
    shards: [Mutex<Shard<Who>>; SHARDS],
}

struct Shard<Who> {
    /// Used up to this many nanoseconds after the server's start.
    used: HashMap<Who, u64>,
    sweep_at: usize,
}

impl<Who: Copy + Eq + Hash> Limit<Who> {
    /// This much for everybody.
    pub fn new(rate: Rate) -> Limit<Who> {
        let interval = u64::try_from(rate.interval.as_nanos()).unwrap_or(u64::MAX);
        Limit {
            interval,
            ahead: interval.saturating_mul(u64::from(rate.burst.saturating_sub(1))),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(Shard { used: HashMap::new(), sweep_at: 0 })),
        }
    }

    /// Counts one request at `now` (since the server's start). `Some` says how long until there is room for the next one.
    pub fn ask(&self, who: Who, now: Duration) -> Option<Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let shard = &self.shards[self.hasher.hash_one(who) as usize % SHARDS];
        // The map is whole whatever a panicking holder did: each change of it is one step.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.used.len() >= shard.sweep_at {
            shard.used.retain(|_, used| *used > now);
            shard.sweep_at = (2 * shard.used.len()).max(SWEEP_FLOOR);
        }
        let used = shard.used.entry(who).or_insert(now);
        let ahead = used.saturating_sub(now);
        if ahead > self.ahead {
            return Some(Duration::from_nanos(ahead - self.ahead));
        }
        *used = (*used).max(now).saturating_add(self.interval);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(interval_ms: u64, burst: u32) -> Limit<u32> {
        Limit::new(Rate { interval: Duration::from_millis(interval_ms), burst })
    }

    #[test]
    fn a_burst_then_the_rate() {
        let limit = limit(100, 3);
        let at = |ms| Duration::from_millis(ms);
        let a = 1;
        for _ in 0..3 {
            assert_eq!(limit.ask(a, at(0)), None);
        }
        assert_eq!(limit.ask(a, at(0)), Some(at(100)));
        assert_eq!(limit.ask(a, at(60)), Some(at(40)), "a refused request costs nothing");
        assert_eq!(limit.ask(2, at(60)), None, "neighbours do not pay");
        assert_eq!(limit.ask(a, at(100)), None);
        assert_eq!(limit.ask(a, at(100)), Some(at(100)));
        for _ in 0..3 {
            assert_eq!(limit.ask(a, at(10_000)), None, "the burst grows back");
        }
        assert!(limit.ask(a, at(10_000)).is_some(), "and no further");
    }

    #[test]
    fn what_says_nothing_any_more_is_dropped() {
        let limit = limit(1, 10);
        for n in 0..200_000u32 {
            limit.ask(n, Duration::from_millis(u64::from(n / 100)));
        }
        let kept: usize = limit.shards.iter().map(|s| s.lock().expect("lock").used.len()).sum();
        assert!(kept <= SHARDS * 2 * SWEEP_FLOOR, "{kept}");
    }
}
