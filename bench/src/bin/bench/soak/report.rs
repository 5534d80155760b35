//! What a long load says at its end: who asked how much, and each measure at the start and at the end. Asks nobody.

use std::sync::atomic::{AtomicU64, Ordering};

use super::customer::{ADDRESSES, CUSTOMERS, FORMATS};
use super::{OLD_SESSIONS_A_SECOND, Shared};

/// What one look found.
pub(super) struct Look {
    pub(super) minute: f64,
    pub(super) values: [f64; MEASURES.len()],
}

/// What is looked at.
pub(super) const MEASURES: [&str; 6] =
    ["memory, MiB", "open files", "write-ahead log, MiB", "check p50, ms", "check p99, ms", "write p99, ms"];

impl Shared<'_> {
    pub(super) fn report(&self, minutes: u32, looks: &[Look]) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut report = format!(
            "- {minutes} minutes, {CUSTOMERS} customers' programs at {ADDRESSES} addresses, {} requests, none refused; \
             {} commands, {} backups; the clean-up found {OLD_SESSIONS_A_SECOND} old sessions a second\n\
             - beside them, each from an address of its own: {} wrong guesses, {} of them not looked at because of the \
             limits; a flood of {} requests, {} of them refused by the limits\n\n",
            self.requests.iter().map(count).sum::<u64>(),
            count(&self.commands),
            count(&self.backups),
            count(&self.guesses.asked),
            count(&self.guesses.limited),
            count(&self.flood.asked),
            count(&self.flood.limited),
        );
        report += "| format | programs | requests |\n|---|---:|---:|\n";
        for (format, requests) in FORMATS.iter().zip(&self.requests) {
            report += &format!("| {} | {} | {} |\n", format.name, format.programs, count(requests));
        }
        report += "\n| | at the start | at the end | least | most |\n|---|---:|---:|---:|---:|\n";
        // The first tenth warms up; then a fifth is the start, and the last fifth the end.
        let part = |from: usize, to: usize| &looks[looks.len() * from / 10..looks.len() * to / 10];
        for (n, name) in MEASURES.iter().enumerate() {
            let of = |part: &[Look]| percentile(&mut part.iter().map(|look| look.values[n]).collect::<Vec<_>>(), 0.5);
            let all = looks.iter().map(|look| look.values[n]);
            let (least, most) = (all.clone().fold(f64::NAN, f64::min), all.fold(f64::NAN, f64::max));
            let (start, end) = (of(part(1, 3)), of(part(8, 10)));
            report += &format!("| {name} | {start:.2} | {end:.2} | {least:.2} | {most:.2} |\n");
        }
        report
    }
}

/// NaN if there is nothing.
pub(super) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
