//! Wrong guesses in a row, and the wait that grows with each. Knows neither who guesses nor what.

use std::time::Duration;

use crate::model::time::Time;

/// How waits grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// So many wrong guesses in a row cost no wait.
    pub(super) free: u32,
    /// A record without another wrong guess for so many seconds is none any more.
    pub(super) kept: i64,
}

/// The first wait and the longest one, in seconds; each wrong guess after a wait doubles it.
const FIRST: i64 = 30;
pub(super) const LONGEST: i64 = 900;

/// The wrong guesses since the last right one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wrong {
    count: u32,
    last: Time,
}

impl Waits {
    /// How long nothing is looked at.
    pub(super) fn wait(self, wrong: Option<Wrong>, now: Time) -> Option<Duration> {
        let wrong = wrong.filter(|wrong| !self.is_over(*wrong, now))?;
        let wait = grown(wrong.count.checked_sub(self.free)?);
        // A clock that was set back makes nobody wait longer than that.
        let left = (wrong.last + wait - now).min(wait);
        (left > 0).then(|| Duration::from_secs(left.unsigned_abs()))
    }

    /// One more wrong guess.
    pub(super) fn add(self, wrong: Option<Wrong>, now: Time) -> Wrong {
        let wrong = wrong.filter(|wrong| !self.is_over(*wrong, now)).unwrap_or_default();
        Wrong { count: wrong.count.saturating_add(1), last: now }
    }

    fn is_over(self, wrong: Wrong, now: Time) -> bool {
        now - wrong.last > self.kept
    }
}

/// The wait after so many wrong guesses more than are free.
fn grown(more: u32) -> i64 {
    FIRST.saturating_mul(1_i64.checked_shl(more).filter(|n| *n > 0).unwrap_or(i64::MAX)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_quarter_of_an_hour_whatever_the_count() {
        assert_eq!([0, 1, 2, 3, 4, 5, 40, 63, 64, u32::MAX].map(grown)[..6], [30, 60, 120, 240, 480, 900]);
        assert!([5, 31, 32, 40, 58, 59, 60, 62, 63, 64, u32::MAX].iter().all(|more| grown(*more) == LONGEST));
    }

    #[test]
    fn a_record_is_over_after_its_time_and_a_clock_set_back_makes_nobody_wait_longer() {
        let waits = Waits { free: 2, kept: 1_000 };
        let wrong = (0..4).fold(None, |wrong, _| Some(waits.add(wrong, Time(5_000))));
        assert_eq!(waits.wait(wrong, Time(5_000)), Some(Duration::from_secs(120)));
        assert_eq!(waits.wait(wrong, Time(10)), Some(Duration::from_secs(120)));
        assert_eq!(waits.wait(wrong, Time(5_120)), None);
        assert_eq!(waits.add(wrong, Time(6_001)).count, 1, "over: it begins anew");
    }
}
