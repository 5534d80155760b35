//! Printing: a line, lines, a table, a JSON document, a note beside the output. What clients named themselves cannot
//! steer the terminal, and a reader that went away is no panic. Decides nothing.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::model::time::Time;

use super::{Exit, Global};

/// Says what came of a command: the document to programs, the sentence to people.
pub(crate) fn say(global: &Global, document: &impl Serialize, sentence: &str) -> Result<(), Exit> {
    if global.json { print_json(document) } else { print_line(sentence) }
}

/// Prints a value as JSON, on one line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Exit> {
    let text = serde_json::to_string(value).map_err(|e| Exit::failure(e.to_string()))?;
    writeln!(io::stdout().lock(), "{text}").map_err(Exit::from)
}

/// Prints a line.
pub(crate) fn print_line(text: &str) -> Result<(), Exit> {
    print_lines([text])
}

/// Prints bytes as they are.
pub(crate) fn print_raw(bytes: &[u8]) -> Result<(), Exit> {
    io::stdout().lock().write_all(bytes).map_err(Exit::from)
}

/// Prints lines, many at a time.
pub(crate) fn print_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<(), Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in lines {
        writeln!(out, "{}", harmless(line))?;
    }
    out.flush().map_err(Exit::from)
}

/// Tells people something beside the output. Nobody there to read it is no error.
pub(crate) fn note(text: &str) {
    let mut err = io::stderr().lock();
    for line in text.lines() {
        let _ = writeln!(err, "{}", harmless(line));
    }
}

/// Prints rows under their headings, in columns as wide as they need to be.
pub(crate) fn print_table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Exit> {
    let rows: Vec<Vec<Cow<'_, str>>> = rows.iter().map(|row| row.iter().map(|c| harmless(c)).collect()).collect();
    let mut widths: Vec<usize> = headings.iter().map(|h| h.len()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut headings.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(AsRef::as_ref))));
    print_lines(lines.iter().map(String::as_str))
}

/// A time for people: UTC, to the second.
pub(crate) fn print_time(time: Time) -> String {
    chrono::DateTime::from_timestamp(time.0, 0)
        .map_or_else(|| time.0.to_string(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string())
}

/// Where a URL leads, without what may be secret in it.
pub(super) fn origin(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}

/// The text with its control characters written out: clients choose usernames, and a terminal obeys what it is shown.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(harmless("mia"), "mia");
        assert_eq!(harmless("a\u{1b}[2Jb\n\u{9b}é"), "a\\u{1b}[2Jb\\n\\u{9b}é");
    }
}
