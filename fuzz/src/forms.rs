//! Forms, from bodies and queries: nothing is refused by panicking, limits hold, and what was read reads the same again.

use std::borrow::Cow;

use bytes::Bytes;
use keystead::model::exchange::Method;
use keystead::wire::form::{self, Form, FormFault, MAX_FIELDS};

const URLENCODED: &str = "application/x-www-form-urlencoded";

/// Names and values in the order of arrival.
fn pairs(form: &Form) -> Vec<(String, String)> {
    let mut found = Vec::new();
    form.map(|name, value| {
        found.push((name.to_owned(), value.to_owned()));
        Cow::Borrowed(value)
    });
    found
}

/// What must hold for any form.
fn sound(form: &Form, places: usize) -> Vec<(String, String)> {
    let pairs = pairs(form);
    assert!(pairs.len() <= MAX_FIELDS * places, "{} parameters", pairs.len());
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\0' | '\x0B');
    for (name, _) in pairs.iter().take(50) {
        let last = pairs.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        assert_eq!(form.raw(name), last, "the last of a name counts");
        let text = form.text(name);
        assert!(text.is_none_or(|text| !text.is_empty() && !text.starts_with(blank) && !text.ends_with(blank)));
        assert_eq!(form.text_not_zero(name), text.filter(|text| *text != "0"));
    }
    match form.fault() {
        None => {
            assert!(pairs.len() <= MAX_FIELDS);
            let inner = |value: &str| value.trim_matches(blank).contains('\0');
            assert!(!pairs.iter().any(|(_, value)| inner(value)), "a NUL byte went through");
        }
        Some(fault) => assert!(fault.to_string().len() < 600, "a fault shows little of what was sent"),
    }
    pairs
}

fn written(pairs: &[(String, String)]) -> Bytes {
    serde_urlencoded::to_string(pairs).expect("pairs of texts").into()
}

/// A urlencoded body.
pub(crate) fn form(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let read = form::read(Method::Post, b"", Some(URLENCODED), &body);
    let found = sound(&read, 1);
    let again = form::read(Method::Post, b"", Some(URLENCODED), &written(&found));
    assert_eq!(pairs(&again), found, "what was read is written and read again");
    if read.fault() != Some(FormFault::TooManyFields) {
        assert_eq!(again.fault(), read.fault());
    }
    assert_eq!(pairs(&form::read(Method::Get, b"", Some(URLENCODED), &body)), [], "only a POST has a body");
}

/// A query, and after a line feed a body beside it.
pub(crate) fn query(data: &[u8]) {
    let (query, body) =
        data.iter().position(|b| *b == b'\n').map_or((data, &b""[..]), |at| (&data[..at], &data[at + 1..]));
    let body = Bytes::copy_from_slice(body);
    let both = form::read(Method::Post, query, Some(URLENCODED), &body);
    let alone = form::read(Method::Get, query, None, &Bytes::new());
    let inside = form::read(Method::Post, b"", Some(URLENCODED), &body);
    sound(&alone, 1);
    for (name, _) in sound(&both, 2).iter().take(50) {
        assert_eq!(both.raw(name), inside.raw(name).or(alone.raw(name)), "the body hides the query");
    }
    assert_eq!(pairs(&both).len(), pairs(&alone).len() + pairs(&inside).len());
}

/// A content type in the first line, and the body.
pub(crate) fn multipart(data: &[u8]) {
    let at = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let content_type = String::from_utf8_lossy(&data[..at]);
    let body = Bytes::copy_from_slice(data.get(at + 1..).unwrap_or_default());
    let read = form::read(Method::Post, b"", Some(&content_type), &body);
    let found = sound(&read, 1);
    if !form::is_form(&content_type) {
        assert!(found.is_empty());
        return;
    }
    // Written with names that need no quoting, it is the same again.
    let (mut text, mut want) = (Vec::new(), Vec::new());
    for (n, (_, value)) in found.into_iter().enumerate() {
        text.extend_from_slice(
            format!("--7f1c\r\nContent-Disposition: form-data; name=\"p{n}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
        want.push((format!("p{n}"), value));
    }
    text.extend_from_slice(b"--7f1c--\r\n");
    if want.is_empty() || want.iter().any(|(_, value)| value.contains("--7f1c")) {
        return;
    }
    let again = form::read(Method::Post, b"", Some("multipart/form-data; boundary=7f1c"), &Bytes::from(text));
    assert_eq!(pairs(&again), want);
}
