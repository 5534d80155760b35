//! What is counted of every request: by family, call and outcome, how long it took, how many are under way. On the way
//! of every answer, so it costs a few additions: nothing is hashed, locked or allocated, and threads that answer at the
//! same time add in different places. Knows no format.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::metrics::{Histogram, Ranges, TIMES};
use crate::model::exchange::Note;
use crate::wire::Family;

/// What stands for a family where none answers: the front door, paths that are not there.
const NO_FAMILY: &str = "none";

/// What became of a request, as far as figures tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It went well.
    Success,
    /// A rule said no, or the request could not be read.
    Refused,
    /// Its sender asks too often.
    Limited,
    /// Too much was waiting.
    Busy,
    /// The database could not be used.
    Unavailable,
    /// A bug.
    Internal,
}

impl Outcome {
    pub(super) const ALL: [(Outcome, &str); 6] = [
        (Outcome::Success, "success"),
        (Outcome::Refused, "refused"),
        (Outcome::Limited, "limited"),
        (Outcome::Busy, "busy"),
        (Outcome::Unavailable, "unavailable"),
        (Outcome::Internal, "internal"),
    ];

    /// By the stable code of the log line.
    fn of(code: &str) -> Outcome {
        match code {
            "OK" | "HELLO" | "PREFLIGHT" => Outcome::Success,
            "RATE_LIMITED" | "TOO_MANY_REQUESTS" => Outcome::Limited,
            "BUSY" => Outcome::Busy,
            "UNAVAILABLE" => Outcome::Unavailable,
            "INTERNAL" => Outcome::Internal,
            _ => Outcome::Refused,
        }
    }
}

/// Requests of one server.
pub(super) struct Counts {
    /// By place in this list; the last is what no family answers.
    families: Vec<Names>,
    shards: Box<[Shard]>,
}

/// The calls of one family.
struct Names {
    family: &'static str,
    /// Sorted. The empty name, which is first, is for requests whose call is not known.
    calls: Vec<&'static str>,
}

/// One thread's own part. Several threads may share one.
struct Shard {
    families: Vec<Part>,
    /// One thread may begin what another ends, so a single shard can be below zero.
    under_way: AtomicI64,
}

/// One family's part of a shard.
struct Part {
    calls: Vec<[AtomicU64; Outcome::ALL.len()]>,
    took: Histogram,
}

/// A request under way, until it is dropped.
pub(super) struct UnderWay<'a>(&'a Counts);

/// One line of the figures: family, call, outcome, how often.
pub(super) type Line = (&'static str, &'static str, &'static str, u64);

impl Counts {
    /// Nothing counted yet, for these families; `threads` is how many answer.
    pub(super) fn new(families: &[&'static Family], threads: usize) -> Counts {
        let names = |family: &&'static Family| {
            let mut calls = (family.calls)();
            calls.push("");
            calls.sort_unstable();
            Names { family: family.name, calls }
        };
        let mut families: Vec<Names> = families.iter().map(names).collect();
        families.push(Names { family: NO_FAMILY, calls: vec![""] });
        let part = |names: &Names| Part {
            calls: names.calls.iter().map(|_| Default::default()).collect(),
            took: Histogram::new(TIMES),
        };
        let shard = |_| Shard { families: families.iter().map(part).collect(), under_way: AtomicI64::new(0) };
        let shards = (0..threads.max(1)).map(shard).collect();
        Counts { families, shards }
    }

    /// A request begins.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.shard().under_way.fetch_add(1, Relaxed);
        UnderWay(self)
    }

    /// A request was answered.
    pub(super) fn answered(&self, family: &'static str, note: &Note, took: Duration) {
        let at = self.families.iter().position(|names| names.family == family);
        let at = at.unwrap_or(self.families.len() - 1);
        // A call that its family's table does not name counts as unknown, so that nobody can make names up.
        let call = self.families[at].calls.binary_search(&note.call).unwrap_or(0);
        let part = &self.shard().families[at];
        part.calls[call][Outcome::of(note.outcome) as usize].fetch_add(1, Relaxed);
        part.took.note(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many are being answered now.
    pub(super) fn under_way(&self) -> u64 {
        let sum: i64 = self.shards.iter().map(|shard| shard.under_way.load(Relaxed)).sum();
        u64::try_from(sum).unwrap_or(0)
    }

    /// How often each call came to each outcome; what never happened is left out.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (f, names) in self.families.iter().enumerate() {
            for (c, call) in names.calls.iter().enumerate() {
                for (outcome, word) in Outcome::ALL {
                    let count = |shard: &Shard| shard.families[f].calls[c][outcome as usize].load(Relaxed);
                    let sum = self.shards.iter().map(count).sum();
                    if sum > 0 {
                        lines.push((names.family, *call, word, sum));
                    }
                }
            }
        }
        lines
    }

    /// How long the answers of each family took, in microseconds.
    pub(super) fn took(&self) -> Vec<(&'static str, Ranges)> {
        let of = |(f, names): (usize, &Names)| {
            let mut sum = Ranges::empty(TIMES);
            self.shards.iter().for_each(|shard| sum.add(&shard.families[f].took.read()));
            (names.family, sum)
        };
        self.families.iter().enumerate().map(of).collect()
    }

    /// This thread's.
    fn shard(&self) -> &Shard {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        let mut own = OWN.get();
        if own == usize::MAX {
            own = NEXT.fetch_add(1, Relaxed);
            OWN.set(own);
        }
        &self.shards[own % self.shards.len()]
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.shard().under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FAMILIES;

    fn note(call: &'static str, outcome: &'static str) -> Note {
        Note { app: None, call, outcome }
    }

    #[test]
    fn outcomes_stand_in_their_own_order() {
        for (at, (outcome, _)) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, at);
        }
    }

    #[test]
    fn what_several_threads_count_is_one_sum() {
        let counts = Counts::new(FAMILIES, 3);
        let begun = counts.begin();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _under_way = counts.begin();
                    for _ in 0..100 {
                        counts.answered("keyauth", &note("check", "OK"), Duration::from_micros(100));
                    }
                    counts.answered("keyauth", &note("check", "SESSION_NOT_FOUND"), Duration::from_secs(20));
                    counts.answered("keyauth", &note("made up", "RATE_LIMITED"), Duration::ZERO);
                    counts.answered("no such family", &note("check", "INTERNAL"), Duration::ZERO);
                });
            }
        });
        assert_eq!(
            counts.lines(),
            [
                ("keyauth", "", "limited", 8),
                ("keyauth", "check", "success", 800),
                ("keyauth", "check", "refused", 8),
                (NO_FAMILY, "", "internal", 8),
            ]
        );
        let took = counts.took();
        let (family, ranges) = &took[0];
        assert_eq!((*family, ranges.counts[0], ranges.counts[TIMES.len()]), ("keyauth", 808, 8));
        assert_eq!(ranges.sum, 800 * 100 + 8 * 20_000_000);
        assert_eq!(counts.under_way(), 1);
        drop(begun);
        assert_eq!(counts.under_way(), 0);
    }
}
