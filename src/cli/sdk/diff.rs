//! Shows two versions of a source as a unified diff. Control characters of the source do not reach the terminal.

use similar::{ChangeTag, TextDiff};

use crate::cli::print::harmless;

/// Characters of a line that are shown.
const WIDEST: usize = 200;

/// The difference between two versions of a file; in colours if told so.
pub(super) fn diff(name: &str, old: &[u8], new: &[u8], colours: bool) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let diff = TextDiff::from_lines(&old, &new);
    let paint = |colour: &str, text: String| match colours {
        true => format!("\u{1b}[{colour}m{text}\u{1b}[0m\n"),
        false => format!("{text}\n"),
    };
    let name = harmless(name);
    let mut shown = paint("1", format!("--- {name}")) + &paint("1", format!("+++ {name}"));
    for hunk in diff.unified_diff().context_radius(2).iter_hunks() {
        shown += &paint("36", hunk.header().to_string());
        for change in hunk.iter_changes() {
            let (sign, colour) = match change.tag() {
                ChangeTag::Equal => (' ', "0"),
                ChangeTag::Delete => ('-', "31"),
                ChangeTag::Insert => ('+', "32"),
            };
            shown += &paint(colour, format!("{sign}{}", line(change.value())));
        }
    }
    shown
}

/// A line as it is shown: without its end, not too wide.
fn line(text: &str) -> String {
    let text = text.trim_end_matches(['\r', '\n']);
    let cut: String = text.chars().take(WIDEST).collect();
    let more = if cut.len() < text.len() { " …" } else { "" };
    let pieces: Vec<_> = cut.split('\t').map(harmless).collect();
    pieces.join("\t") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_shown_and_nothing_obeys_it() {
        let shown = diff("a.cs", b"one\r\n\ttwo\x1b[2J\r\nthree\r\n", b"one\r\n\t2\r\nthree\r\n", false);
        assert_eq!(shown, "--- a.cs\n+++ a.cs\n@@ -1,3 +1,3 @@\n one\n-\ttwo\\u{1b}[2J\n+\t2\n three\n");
        let coloured = diff("a.cs", b"a\n", b"b\n", true);
        assert!(coloured.contains("\u{1b}[31m-a\u{1b}[0m\n\u{1b}[32m+b\u{1b}[0m\n"), "{coloured:?}");
        let wide = diff("a", "x".repeat(500).as_bytes(), b"", false);
        assert!(wide.lines().all(|line| line.chars().count() < 210) && wide.contains(" …"));
    }
}
