//! So many at once, then one now and then: the generic cell rate algorithm. Knows
//! neither who guesses nor what.

use std::time::Duration;

/// How many wrong guesses are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The time in which the room for one grows back.
    pub interval: Duration,
    /// How many may come at once.
    pub burst: u32,
}

impl Allowance {
    /// How long until there is room again, for who has used it up to `used`.
    pub(super) fn wait(self, used: Option<Duration>, now: Duration) -> Option<Duration> {
        let room = self.interval.saturating_mul(self.burst.saturating_sub(1));
        let wait = used?.saturating_sub(now).saturating_sub(room);
        (!wait.is_zero()).then_some(wait)
    }

    /// Up to when it is used after one more. What comes at one moment with others may be counted beyond all of it, and is
    /// forgiven.
    pub(super) fn add(self, used: Option<Duration>, now: Duration) -> Duration {
        let ahead = used.unwrap_or_default().saturating_sub(now).saturating_add(self.interval);
        now.saturating_add(ahead.min(self.interval.saturating_mul(self.burst)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let at = Duration::from_secs;
        let rate = Allowance { interval: Duration::from_millis(2_500), burst: 3 };
        let mut used = None;
        for _ in 0..3 {
            assert_eq!(rate.wait(used, at(100)), None);
            used = Some(rate.add(used, at(100)));
        }
        assert_eq!(rate.wait(used, at(100)), Some(Duration::from_millis(2_500)));
        assert_eq!(rate.wait(used, at(102)), Some(Duration::from_millis(500)));
        assert_eq!(rate.wait(used, at(103)), None);
        used = Some(rate.add(Some(rate.add(used, at(100))), at(100)));
        assert_eq!(rate.wait(used, at(103)), None);
    }
}
