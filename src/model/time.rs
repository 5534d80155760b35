//! Points in time and lengths of time, in whole seconds. Does not read the clock: `clock.rs` does.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// A point in time: whole seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Add<i64> for Time {
    type Output = Time;

    fn add(self, seconds: i64) -> Time {
        Time(self.0.saturating_add(seconds))
    }
}

impl Sub<Time> for Time {
    type Output = i64;

    /// Seconds from `earlier` to `self`.
    fn sub(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What "lifetime" is in KeyAuth's seconds (contract section 6). Shown to clients that must be given a date.
pub const LIFETIME_SECONDS: i64 = 315_569_260;

/// The longest finite length we take: 1,000 years. Keeps every sum of times far from overflow.
pub const MAX_SPAN_SECONDS: i64 = 31_556_926_000;

/// How long something lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// So many seconds. Imported licenses may hold zero or less; new ones hold more.
    Seconds(i64),
    /// Without end.
    Lifetime,
}

/// The units of contract section 6 and how many seconds each has.
const UNITS: &[(&[&str], i64)] = &[
    (&["s", "sec", "second", "seconds"], 1),
    (&["m", "min", "minute", "minutes"], 60),
    (&["h", "hour", "hours"], 3_600),
    (&["d", "day", "days"], 86_400),
    (&["w", "week", "weeks"], 604_800),
    (&["mo", "month", "months"], 2_629_743),
    (&["y", "year", "years"], 31_556_926),
];

/// Why a text is no span.
#[derive(Debug, thiserror::Error)]
#[error("expected a number and a unit like 30d, 12h, 2w, 1mo or 1y, or the word lifetime")]
pub struct SpanError;

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Span, SpanError> {
        let text = text.trim().to_ascii_lowercase();
        if text == "lifetime" {
            return Ok(Span::Lifetime);
        }
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: i64 = number.parse().map_err(|_| SpanError)?;
        let unit = unit.trim();
        let seconds = UNITS.iter().find(|(names, _)| names.contains(&unit)).ok_or(SpanError)?.1;
        let total = number.checked_mul(seconds).ok_or(SpanError)?;
        if total > MAX_SPAN_SECONDS { Err(SpanError) } else { Ok(Span::Seconds(total)) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Span::Lifetime => f.write_str("lifetime"),
            Span::Seconds(0) => f.write_str("0s"),
            Span::Seconds(total) => {
                let (names, seconds) = [6, 5, 4, 3, 2, 1, 0]
                    .into_iter()
                    .map(|i| UNITS[i])
                    .find(|(_, seconds)| total % seconds == 0)
                    .unwrap_or(UNITS[0]);
                write!(f, "{}{}", total / seconds, names[0])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        for (text, seconds, printed) in [
            ("30d", 2_592_000, "30d"),
            ("90 minutes", 5_400, "90m"),
            ("60s", 60, "1m"),
            ("2mo", 5_259_486, "2mo"),
            ("2W", 1_209_600, "2w"),
            ("1y", 31_556_926, "1y"),
            ("0d", 0, "0s"),
        ] {
            let span: Span = text.parse().expect(text);
            assert_eq!(span, Span::Seconds(seconds));
            assert_eq!(span.to_string(), printed);
        }
        assert_eq!("Lifetime".parse::<Span>().expect("lifetime"), Span::Lifetime);
        for text in ["", "d", "60", "-1d", "1.5d", "9999999999y", "5 lightyears"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
