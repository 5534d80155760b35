//! Wrong guesses in a row, and the wait that grows with each. Knows neither who guesses nor what.

use std::time::Duration;

/// How waits grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// So many wrong guesses in a row cost no wait.
    pub(super) free: u32,
    /// A record without another wrong guess for so long is none any more.
    pub(super) kept: Duration,
}

/// The first wait and the longest one; each wrong guess after a wait doubles it.
const FIRST: Duration = Duration::from_secs(30);
pub(super) const LONGEST: Duration = Duration::from_secs(900);

/// The wrong guesses since the last right one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wrong {
    count: u32,
    last: Duration,
}

impl Waits {
    /// How long nothing is looked at.
    pub(super) fn wait(self, wrong: Option<Wrong>, now: Duration) -> Option<Duration> {
        let wrong = wrong.filter(|wrong| !self.is_over(*wrong, now))?;
        let wait = grown(wrong.count.checked_sub(self.free)?);
        Some((wrong.last + wait).saturating_sub(now)).filter(|left| !left.is_zero())
    }

    /// One more wrong guess.
    pub(super) fn add(self, wrong: Option<Wrong>, now: Duration) -> Wrong {
        let wrong = wrong.filter(|wrong| !self.is_over(*wrong, now)).unwrap_or_default();
        Wrong { count: wrong.count.saturating_add(1), last: now }
    }

    fn is_over(self, wrong: Wrong, now: Duration) -> bool {
        now.saturating_sub(wrong.last) > self.kept
    }
}

/// The wait after so many wrong guesses more than are free.
fn grown(more: u32) -> Duration {
    FIRST.saturating_mul(1_u32.checked_shl(more).unwrap_or(u32::MAX)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_quarter_of_an_hour_whatever_the_count() {
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 40, 63, 64, u32::MAX].map(|more| grown(more).as_secs())[..6],
            [30, 60, 120, 240, 480, 900]
        );
        assert!([5, 31, 32, 40, 58, 59, 60, 62, 63, 64, u32::MAX].iter().all(|more| grown(*more) == LONGEST));
    }

    #[test]
    fn a_record_is_over_after_its_time() {
        let at = Duration::from_secs;
        let waits = Waits { free: 2, kept: at(1_000) };
        let wrong = (0..4).fold(None, |wrong, _| Some(waits.add(wrong, at(5_000))));
        assert_eq!(waits.wait(wrong, at(5_000)), Some(at(120)));
        assert_eq!(waits.wait(wrong, at(5_120)), None);
        assert_eq!(waits.add(wrong, at(6_001)).count, 1, "over: it begins anew");
    }
}
