//! JSON bodies: as strict as a second reader, no name twice, and every field what it was sent as.

use keystead::wire::json::{self, JsonFault, MAX_FIELDS};
use serde_json::Value;

/// The most fields of any object within.
fn widest(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.values().map(widest).max().unwrap_or(0).max(object.len()),
        Value::Array(list) => list.iter().map(widest).max().unwrap_or(0),
        _ => 0,
    }
}

/// A body.
pub(crate) fn json(data: &[u8]) {
    let read = json::read(None, data);
    let second: Result<Value, _> = serde_json::from_slice(data);
    match (&read, &second) {
        (Ok(object), Ok(Value::Object(fields))) => {
            for (name, value) in fields {
                let text = value.as_str().map(|text| text.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0B']));
                assert_eq!(object.text(name), text.filter(|text| !text.is_empty()), "a text is what was sent");
                assert_eq!(object.int(name), value.as_i64(), "a number is what was sent");
                assert_eq!(object.object(name).is_some(), value.is_object());
                let is_text = value.is_string() || value.is_null();
                assert_eq!(object.not_text(&[name]), if is_text { None } else { Some(name.as_str()) });
            }
            assert!(widest(&Value::Object(fields.clone())) <= MAX_FIELDS);
        }
        (Ok(_), _) => panic!("read what is no object to a second reader"),
        // Written again it has no name twice, so it is taken.
        (Err(JsonFault::Unreadable), Ok(second @ Value::Object(_))) if widest(second) <= MAX_FIELDS => {
            let written = second.to_string();
            assert!(json::read(None, written.as_bytes()).is_ok(), "refused though nothing is there twice");
            assert!(written.len() < data.len(), "refused, but what was dropped?");
        }
        (Err(fault), _) => assert_ne!(*fault, JsonFault::ContentType),
    }
    // The same name again, however it is spelled, is refused.
    if let (Ok(_), Ok(Value::Object(fields))) = (&read, &second)
        && let Some(name) = fields.keys().next()
    {
        let inside = String::from_utf8_lossy(data);
        let inside = inside.trim_ascii().strip_suffix('}').expect("an object").to_owned();
        let spelled: String = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let twice = format!("{inside},\"{spelled}\":1}}");
        assert!(json::read(None, twice.as_bytes()).is_err(), "a name twice");
    }
    // What a content type says has nothing to do with the rest.
    let typed = json::read(Some("application/json; charset=utf-8"), data);
    assert_eq!(typed.err(), read.err());
    assert_eq!(json::read(Some("text/plain"), data).err(), Some(JsonFault::ContentType));
}
