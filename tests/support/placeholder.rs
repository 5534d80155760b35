//! What the runners of vectors share: finding the placeholders in an expected answer, and showing where one differs. Knows
//! no placeholder by name.

/// The beginning of a text, for messages.
pub fn head(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The text before the first `{word}`, the word, and what follows. JSON's braces are followed by a quote.
pub fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let inner = &text[at + 1..];
        let end = inner.find(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '+' | '-'))?;
        (end > 0 && inner[end..].starts_with('}')).then(|| (&text[..at], &inner[..end], &inner[end + 1..]))
    })
}
