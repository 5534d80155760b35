//! The only reader of the time. Everything else is told what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

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
            Clock::System => Time(chrono::Utc::now().timestamp()),
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
