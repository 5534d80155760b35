//! So many at once, then one now and then: the generic cell rate algorithm, on the seconds in which requests come. Knows
//! neither who guesses nor what.

use std::time::Duration;

use crate::model::time::Time;

/// How many wrong guesses are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The time in which the room for one grows back.
    pub interval: Duration,
    /// How many may come at once.
    pub burst: u32,
}

impl Allowance {
    /// How long until there is room again, for who has used it up to `used` (milliseconds since 1970).
    pub(super) fn wait(self, used: Option<i64>, now: Time) -> Option<Duration> {
        let ahead = self.ahead(used?, now);
        let wait = ahead - self.interval().saturating_mul(i64::from(self.burst) - 1);
        (wait > 0).then(|| Duration::from_millis(wait.unsigned_abs()))
    }

    /// Up to when it is used after one more.
    pub(super) fn add(self, used: Option<i64>, now: Time) -> i64 {
        let ahead = used.map_or(0, |used| self.ahead(used, now)).saturating_add(self.interval());
        millis(now).saturating_add(ahead.min(self.full()))
    }

    /// Never more than all of it: also if the clock was set back.
    fn ahead(self, used: i64, now: Time) -> i64 {
        used.saturating_sub(millis(now)).clamp(0, self.full())
    }

    fn interval(self) -> i64 {
        i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX).max(1)
    }

    fn full(self) -> i64 {
        self.interval().saturating_mul(i64::from(self.burst))
    }
}

fn millis(now: Time) -> i64 {
    now.0.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Allowance { interval: Duration::from_millis(2_500), burst: 3 };
        let mut used = None;
        for _ in 0..3 {
            assert_eq!(rate.wait(used, Time(100)), None);
            used = Some(rate.add(used, Time(100)));
        }
        assert_eq!(rate.wait(used, Time(100)), Some(Duration::from_millis(2_500)));
        assert_eq!(rate.wait(used, Time(102)), Some(Duration::from_millis(500)));
        assert_eq!(rate.wait(used, Time(103)), None);
        // What comes at one moment with others may be counted beyond it; it is forgiven as if it were not.
        used = Some(rate.add(Some(rate.add(used, Time(100))), Time(100)));
        assert_eq!(rate.wait(used, Time(103)), None);
        assert_eq!(rate.wait(used, Time(1)), Some(Duration::from_millis(2_500)), "the clock was set back");
    }
}
