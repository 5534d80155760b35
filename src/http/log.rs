//! The log: one line per request (of refused ones, so many a second) and whatever else is worth telling, as text or JSON
//! on stderr, written by a thread of its own so that nobody who answers waits for a terminal or a disk. Never a query, a
//! body or a header.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::log_out::{self, LogOut};
use crate::clock::Clock;
use crate::config::{Config, Level, LogFormat};
use crate::model::exchange::Response;

/// Lines a second for requests that no app has answered with success. There is no other limit for them: who floods with
/// those must not fill a disk.
const REFUSALS: u64 = 500;

/// How many of them came in this second.
struct Refusals {
    second: i64,
    count: u64,
}

static REFUSED: Mutex<Refusals> = Mutex::new(Refusals { second: 0, count: 0 });

/// Writes what is left when it is dropped.
pub struct Guard(#[expect(dead_code, reason = "held for its drop")] log_out::Guard);

/// Where all lines go: the log is the process's, and so is this.
static OUT: OnceLock<Arc<LogOut>> = OnceLock::new();

/// Where the lines of requests go, if they are wanted. They do not go through `tracing`: there are many.
static REQUESTS: OnceLock<(Arc<LogOut>, Lines)> = OnceLock::new();

/// Starts the log for the whole process. A second start changes nothing.
pub fn start(config: &Config) -> io::Result<Guard> {
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
    let lines = Lines { json };
    let (out, guard) = LogOut::start(io::stderr())?;
    let _ = OUT.set(Arc::clone(&out));
    if level >= LevelFilter::INFO {
        let _ = REQUESTS.set((Arc::clone(&out), lines));
    }
    let log = tracing_subscriber::fmt().event_format(lines).with_writer(out).with_max_level(level).finish();
    let _ = tracing::subscriber::set_global_default(log);
    std::panic::set_hook(Box::new(|panic| {
        // The message may hold what a customer sent: the place is enough to find the bug.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a bug: the code panicked");
    }));
    Ok(Guard(guard))
}

/// How many lines were lost because stderr did not take them in time.
pub(super) fn lost() -> u64 {
    OUT.get().map_or(0, |out| out.lost_in_all())
}

/// The line of one request.
pub(super) fn request(id: u64, family: &'static str, peer: IpAddr, response: &Response, took: Duration) {
    thread_local! {
        /// The line that is being made; its room is used again.
        static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    }
    let Some((out, lines)) = REQUESTS.get() else { return };
    let note = &response.note;
    if (note.app.is_none() || note.outcome != "OK") && !has_line() {
        return;
    }
    LINE.with_borrow_mut(|line| {
        line.clear();
        // Text takes whatever is written to it.
        let _ = lines.begin(line, "INFO", "request");
        let mut fields = Fields::of(lines.json, line);
        fields.number("id", id);
        fields.text("app", note.app.as_deref().map_or("", |app| &app.name));
        fields.text("family", family);
        fields.text("type", note.call);
        fields.text("outcome", note.outcome);
        fields.number("status", response.status);
        fields.number("took_us", took.as_micros());
        fields.field("peer", |out, _| address(out, peer));
        line.push_str(lines.end());
        out.push(line.as_bytes());
    });
}

/// Whether one more request that was not answered with success has a line. How many had none is told with the next of
/// them.
fn has_line() -> bool {
    let (has_line, without) =
        REFUSED.lock().unwrap_or_else(PoisonError::into_inner).one_more(Clock::System.now().0, REFUSALS);
    if without > 0 {
        tracing::warn!(without, "more than {REFUSALS} refused requests in one second: these have no line");
    }
    has_line
}

impl Refusals {
    /// Whether it is among the first `most` of its second, and how many were not in the second before.
    fn one_more(&mut self, second: i64, most: u64) -> (bool, u64) {
        let without = if second == self.second { 0 } else { self.count.saturating_sub(most) };
        if second != self.second {
            *self = Refusals { second, count: 0 };
        }
        self.count += 1;
        (self.count <= most, without)
    }
}

/// One event, one line. By hand, because a line is written for every request.
#[derive(Clone, Copy)]
struct Lines {
    json: bool,
}

impl Lines {
    fn begin(self, out: &mut impl Write, level: &str, target: &str) -> fmt::Result {
        if !self.json {
            now(out)?;
            return write!(out, " {level:5} {target}");
        }
        out.write_str("{\"time\":\"")?;
        now(out)?;
        for part in ["\",\"level\":\"", level, "\",\"target\":\"", target, "\""] {
            out.write_str(part)?;
        }
        Ok(())
    }

    fn end(self) -> &'static str {
        if self.json { "}\n" } else { "\n" }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let meta = event.metadata();
        self.begin(&mut out, meta.level().as_str(), meta.target())?;
        let mut fields = Fields::of(self.json, &mut out);
        event.record(&mut fields);
        fields.result?;
        out.write_str(self.end())
    }
}

/// The time of the line, to the second.
fn now(out: &mut impl Write) -> fmt::Result {
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

struct Fields<'a, W> {
    json: bool,
    out: &'a mut W,
    result: fmt::Result,
}

impl<'a, W: Write> Fields<'a, W> {
    fn of(json: bool, out: &'a mut W) -> Fields<'a, W> {
        Fields { json, out, result: Ok(()) }
    }

    fn field(&mut self, name: &str, write: impl FnOnce(&mut W, bool) -> fmt::Result) {
        if self.result.is_err() {
            return;
        }
        self.result = (|| {
            if self.json {
                self.out.write_str(",\"")?;
                self.out.write_str(name)?;
                self.out.write_str("\":")?;
            } else {
                self.out.write_char(' ')?;
                if name != "message" {
                    self.out.write_str(name)?;
                    self.out.write_char('=')?;
                }
            }
            write(self.out, self.json)
        })();
    }

    fn text(&mut self, name: &str, value: &str) {
        self.field(name, |out, _| quoted(out, value));
    }

    fn number(&mut self, name: &str, value: impl itoa::Integer) {
        self.field(name, |out, _| out.write_str(itoa::Buffer::new().format(value)));
    }
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), |out, _| write!(out, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field.name(), |out, json| {
            let plain = !json && field.name() == "message";
            if !plain {
                out.write_char('"')?;
            }
            write!(Escaped(out), "{value:?}")?;
            if plain { Ok(()) } else { out.write_char('"') }
        });
    }
}

/// An address, quoted. By hand for the usual ones: the standard library pads before it writes.
fn address(out: &mut impl Write, address: IpAddr) -> fmt::Result {
    let IpAddr::V4(v4) = address else { return write!(out, "\"{address}\"") };
    let mut before = '"';
    for octet in v4.octets() {
        out.write_char(before)?;
        out.write_str(itoa::Buffer::new().format(octet))?;
        before = '.';
    }
    out.write_char('"')
}

fn quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    Escaped(out).write_str(text)?;
    out.write_char('"')
}

/// Writes a text so that it can stand between quotes in JSON, and cannot steer a terminal.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly all of it is plain, and one look at bytes is cheaper than one at characters.
        let plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
        if text.bytes().fold(true, |all, byte| all & plain(byte)) {
            return self.0.write_str(text);
        }
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
    fn what_is_beyond_a_seconds_lines_is_told_in_another() {
        let mut refusals = Refusals { second: 0, count: 0 };
        let seen: Vec<_> = [7, 7, 7, 7, 9, 9, 8].map(|second| refusals.one_more(second, 2)).into();
        let expected = [(true, 0), (true, 0), (false, 0), (false, 0), (true, 2), (true, 0), (true, 0)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn addresses_are_as_the_standard_library_writes_them() {
        for text in ["0.0.0.0", "127.0.0.1", "192.168.10.255", "::1", "2001:db8::7"] {
            let mut out = String::new();
            address(&mut out, text.parse().expect("an address")).expect("writes");
            assert_eq!(out, format!("\"{text}\""));
        }
    }

    #[test]
    fn strings_stay_valid_json() {
        for text in ["", "plain", "a\"b\\c\nd\u{1}e\u{7f}\u{9b}f", "ü\u{1F600}", "\"", "\n"] {
            let mut out = String::new();
            quoted(&mut out, text).expect("writes");
            assert_eq!(serde_json::from_str::<String>(&out).expect(&out), text);
            assert!(!out.chars().any(char::is_control), "{out:?}");
        }
    }
}
