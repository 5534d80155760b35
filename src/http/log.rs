//! The log: one line per request and whatever else is worth telling, as text or JSON on stderr, written by a thread of
//! its own so that nobody who answers waits for a terminal or a disk. Never a query, a body or a header.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::{self, BufWriter, IsTerminal, Stderr, Write};
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;
use crate::config::{Config, Level, LogFormat};
use crate::model::exchange::Response;

/// How long the writing thread waits after a batch: lines that come meanwhile are written together, and nobody has to
/// wake it for each.
const PAUSE: Duration = Duration::from_millis(10);

/// Lines that may wait. If stderr is stuck, the rest is lost; the server is not.
const WAITING: usize = 16 << 10;

/// Counts the lines that found no place; the log is the process's, and so is this.
static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Writes what is left when it is dropped.
pub struct Guard(#[expect(dead_code, reason = "held for its drop")] WorkerGuard);

/// Starts the log for the whole process. A second start changes nothing.
pub fn start(config: &Config) -> Guard {
    let json = match config.log_format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let level = match config.log_level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let out = Batched(BufWriter::with_capacity(64 << 10, io::stderr()));
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(WAITING).lossy(true).finish(out);
    let _ = LOST.set(writer.error_counter());
    let log = tracing_subscriber::fmt().event_format(Lines { json }).with_writer(writer).with_max_level(level).finish();
    let _ = tracing::subscriber::set_global_default(log);
    std::panic::set_hook(Box::new(|panic| {
        // The message may hold what a customer sent: the place is enough to find the bug.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a bug: the code panicked");
    }));
    Guard(guard)
}

/// How many lines were lost because stderr did not take them in time.
pub(super) fn lost() -> u64 {
    LOST.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

/// The line of one request. `took` is asked only if the line is written.
pub(super) fn request(id: u64, family: &'static str, peer: IpAddr, response: &Response, took: impl Fn() -> Duration) {
    let note = &response.note;
    tracing::info!(
        target: "request",
        id,
        app = note.app.as_deref().unwrap_or_default(),
        family,
        "type" = note.call,
        outcome = note.outcome,
        status = response.status,
        took_us = u64::try_from(took().as_micros()).unwrap_or(u64::MAX),
        peer = %peer,
    );
}

/// Stderr in batches.
struct Batched(BufWriter<Stderr>);

impl Write for Batched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Called by the writing thread when no line is left.
    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.0.flush();
        std::thread::sleep(PAUSE);
        flushed
    }
}

/// One event, one line. By hand, because a line is written for every request.
struct Lines {
    json: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let meta = event.metadata();
        if self.json {
            out.write_str("{\"time\":\"")?;
            now(&mut out)?;
            out.write_str("\",\"level\":\"")?;
            out.write_str(meta.level().as_str())?;
            out.write_str("\",\"target\":\"")?;
            out.write_str(meta.target())?;
            out.write_char('"')?;
        } else {
            now(&mut out)?;
            write!(out, " {:5} {}", meta.level().as_str(), meta.target())?;
        }
        let mut fields = Fields { json: self.json, out: &mut out, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        out.write_str(if self.json { "}\n" } else { "\n" })
    }
}

/// The time of the line, to the second.
fn now(out: &mut Writer<'_>) -> fmt::Result {
    thread_local! {
        /// The second last written on this thread, spelled out.
        static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let now = Clock::System.now().0;
    LAST.with_borrow_mut(|(second, text)| {
        if *second != now {
            *second = now;
            text.clear();
            let time = chrono::DateTime::from_timestamp(now, 0).unwrap_or_default();
            write!(text, "{}", time.format("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        out.write_str(text)
    })
}

struct Fields<'a, 'w> {
    json: bool,
    out: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn field(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>, bool) -> fmt::Result) {
        if self.result.is_err() {
            return;
        }
        self.result = (|| {
            if self.json {
                self.out.write_str(",\"")?;
                self.out.write_str(field.name())?;
                self.out.write_str("\":")?;
            } else {
                self.out.write_char(' ')?;
                if field.name() != "message" {
                    self.out.write_str(field.name())?;
                    self.out.write_char('=')?;
                }
            }
            write(self.out, self.json)
        })();
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |out, _| quoted(out, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |out, _| write!(out, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |out, _| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |out, _| write!(out, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |out, json| {
            let plain = !json && field.name() == "message";
            if !plain {
                out.write_char('"')?;
            }
            write!(Escaped(out), "{value:?}")?;
            if plain { Ok(()) } else { out.write_char('"') }
        });
    }
}

fn quoted(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    Escaped(out).write_str(text)?;
    out.write_char('"')
}

/// Writes a text so that it can stand between quotes in JSON, and cannot steer a terminal.
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let special = |c: char| c == '"' || c == '\\' || c.is_control();
        let mut rest = text;
        while let Some(at) = rest.find(special) {
            self.0.write_str(&rest[..at])?;
            let mut after = rest[at..].chars();
            match after.next() {
                Some(c @ ('"' | '\\')) => write!(self.0, "\\{c}")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(c) => write!(self.0, "\\u{:04x}", u32::from(c))?,
                None => {}
            }
            rest = after.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_stay_valid_json() {
        for text in ["", "plain", "a\"b\\c\nd\u{1}e\u{7f}\u{9b}f", "ü\u{1F600}", "\"", "\n"] {
            let mut out = String::new();
            quoted(&mut Writer::new(&mut out), text).expect("writes");
            assert_eq!(serde_json::from_str::<String>(&out).expect(&out), text);
            assert!(!out.chars().any(char::is_control), "{out:?}");
        }
    }
}
