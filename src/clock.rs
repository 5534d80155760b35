//! The only reader of the time. Everything else is told what time it is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::time::Time;

/// Where "now" comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that a test moves by hand.
    Test(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn test(start: Time) -> Clock {
        Clock::Test(Arc::new(AtomicI64::new(start.0)))
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn now(&self) -> Time {
        match self {
            // Before 1970 is 1970: nothing of ours happened then.
            Clock::System => Time(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)),
            Clock::Test(seconds) => Time(seconds.load(Ordering::Relaxed)),
        }
    }

    /// Moves a test clock; the machine's clock is left alone.
    pub fn advance(&self, seconds: i64) {
        if let Clock::Test(now) = self {
            now.fetch_add(seconds, Ordering::Relaxed);
        }
    }
}

/// How far the clock may go ahead between two looks, in seconds, beyond the time that passed: it is being adjusted.
const ADJUSTED: i64 = 60;

/// How long a clock must have stood where it jumped to before anything is deleted by it: long enough for an operator, or
/// for the network's time, to put it right.
const BELIEVED_AFTER: Duration = Duration::from_secs(86_400);

/// The time for whoever deletes: the machine's, but a jump ahead counts only after a day. What was deleted by a clock that
/// was wrong does not come back with the right one.
#[derive(Debug)]
pub struct Steady {
    clock: Clock,
    start: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// What the clock said at the start, if it has not jumped since.
    origin: Time,
    /// When a jump was first seen, in time since the start.
    jumped: Option<Duration>,
}

impl Steady {
    /// Believes the clock as it is now.
    pub fn new(clock: Clock) -> Steady {
        let seen = Mutex::new(Seen { origin: clock.now(), jumped: None });
        Steady { clock, start: Instant::now(), seen }
    }

    /// The time now.
    pub fn now(&self) -> Time {
        self.after(self.start.elapsed())
    }

    fn after(&self, passed: Duration) -> Time {
        let seconds = i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, steady) = (self.clock.now(), seen.origin + seconds);
        if now - steady > ADJUSTED && passed.saturating_sub(*seen.jumped.get_or_insert(passed)) < BELIEVED_AFTER {
            return steady;
        }
        *seen = Seen { origin: now + -seconds, jumped: None };
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_ahead_counts_after_a_day_and_a_jump_back_at_once() {
        const HOUR: Duration = Duration::from_secs(3600);
        const YEAR: i64 = 365 * 86_400;
        let clock = Clock::test(Time(1_000_000));
        let steady = Steady::new(clock.clone());
        let at = |passed: Duration| steady.after(passed).0;
        clock.advance(3600);
        assert_eq!(at(HOUR), 1_003_600);
        // Adjusted a little, it is followed.
        clock.advance(30);
        assert_eq!(at(HOUR), 1_003_630);
        clock.advance(YEAR);
        assert_eq!(at(HOUR), 1_003_630);
        clock.advance(23 * 3600);
        assert_eq!(at(24 * HOUR), 1_003_630 + 23 * 3600, "not a day yet");
        // Put right: as if nothing had been.
        clock.advance(-YEAR);
        assert_eq!(at(24 * HOUR), 1_003_630 + 23 * 3600);
        // A jump that stays is the truth.
        clock.advance(YEAR);
        assert_eq!(at(24 * HOUR), 1_003_630 + 23 * 3600);
        clock.advance(86_400);
        assert_eq!(at(48 * HOUR), 1_003_630 + 47 * 3600 + YEAR);
        // Back: what was not due is not deleted.
        clock.advance(-2 * YEAR);
        assert_eq!(at(48 * HOUR), 1_003_630 + 47 * 3600 - YEAR);
    }
}
