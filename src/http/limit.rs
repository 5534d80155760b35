//! Rate limit per client address. Only measures: what is said to a client that asks too often is its family's matter.
//!
//! Each address has one number: the moment up to which it has used its share (the generic cell rate algorithm). A
//! number in the past says nothing, so it is dropped; what is kept is bounded by what the server can answer within
//! one address's share.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::Rate;
use crate::model::exchange::subscriber;

/// Separate locks, so that addresses seldom wait for each other.
const SHARDS: usize = 16;

/// A shard is not swept below this size.
const SWEEP_FLOOR: usize = 1024;

/// Who has used how much.
pub(super) struct Limit {
    interval: u64,
    /// How far ahead of now an address may be.
    ahead: u64,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// Used up to this many nanoseconds after the server's start.
    used: HashMap<IpAddr, u64>,
    sweep_at: usize,
}

impl Limit {
    pub(super) fn new(rate: Rate) -> Limit {
        let interval = u64::try_from(rate.interval.as_nanos()).unwrap_or(u64::MAX);
        Limit {
            interval,
            ahead: interval.saturating_mul(u64::from(rate.burst.saturating_sub(1))),
            hasher: RandomState::new(),
            shards: Default::default(),
        }
    }

    /// Counts one request at `now` (since the server's start). `Some` says how long until the address may ask again.
    pub(super) fn ask(&self, address: IpAddr, now: Duration) -> Option<Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let key = subscriber(address);
        let shard = &self.shards[self.hasher.hash_one(key) as usize % SHARDS];
        // The map is whole whatever a panicking holder did: each change of it is one step.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.used.len() >= shard.sweep_at {
            shard.used.retain(|_, used| *used > now);
            shard.sweep_at = (2 * shard.used.len()).max(SWEEP_FLOOR);
        }
        let used = shard.used.entry(key).or_insert(now);
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

    fn limit(interval_ms: u64, burst: u32) -> Limit {
        Limit::new(Rate { interval: Duration::from_millis(interval_ms), burst })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn a_burst_then_the_rate() {
        let limit = limit(100, 3);
        let at = |ms| Duration::from_millis(ms);
        let a = ip("1.1.1.1");
        for _ in 0..3 {
            assert_eq!(limit.ask(a, at(0)), None);
        }
        assert_eq!(limit.ask(a, at(0)), Some(at(100)));
        assert_eq!(limit.ask(a, at(60)), Some(at(40)), "a refused request costs nothing");
        assert_eq!(limit.ask(ip("1.1.1.2"), at(60)), None, "neighbours do not pay");
        assert_eq!(limit.ask(a, at(100)), None);
        assert_eq!(limit.ask(a, at(100)), Some(at(100)));
        for _ in 0..3 {
            assert_eq!(limit.ask(a, at(10_000)), None, "the burst grows back");
        }
        assert!(limit.ask(a, at(10_000)).is_some(), "and no further");
    }

    #[test]
    fn ipv6_counts_by_64() {
        let limit = limit(1000, 1);
        assert_eq!(limit.ask(ip("2001:db8:1:2::1"), Duration::ZERO), None);
        assert!(limit.ask(ip("2001:db8:1:2:ffff::1"), Duration::ZERO).is_some());
        assert_eq!(limit.ask(ip("2001:db8:1:3::1"), Duration::ZERO), None);
    }

    #[test]
    fn what_says_nothing_any_more_is_dropped() {
        let limit = limit(1, 10);
        for n in 0..200_000u32 {
            limit.ask(IpAddr::V4(n.into()), Duration::from_millis(u64::from(n / 100)));
        }
        let kept: usize = limit.shards.iter().map(|s| s.lock().expect("lock").used.len()).sum();
        assert!(kept <= SHARDS * 2 * SWEEP_FLOOR, "{kept}");
    }
}
