//! JSON bodies, read strictly in shape and leniently in content: one object, no name twice; what a field must be is
//! asked field by field. Knows no field by name and refuses nothing: what is wrong is a [`JsonFault`], which each format
//! puts in its own words.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::form::trim;

/// More fields than this in one object are [`JsonFault::TooManyFields`]. Real clients send about a dozen.
pub const MAX_FIELDS: usize = 200;

/// The fields of one JSON object, in the order of arrival.
pub struct Object(Vec<(String, Value)>);

enum Value {
    /// A string.
    Text(String),
    /// A whole number that fits.
    Int(i64),
    /// An object within.
    Object(Object),
    /// `null`.
    Null,
    /// Anything else: no field of ours has such a value.
    Other,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// The `Content-Type` says that it is something else.
    ContentType,
    /// It is no JSON, not one object, or an object has a name twice.
    Unreadable,
    /// An object has more than [`MAX_FIELDS`] fields.
    TooManyFields,
}

/// Reads a body. An empty one is unreadable; a missing `Content-Type` says nothing.
pub fn read(content_type: Option<&str>, body: &[u8]) -> Result<Object, JsonFault> {
    if let Some(content_type) = content_type {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_json = media_type.eq_ignore_ascii_case("application/json")
            || media_type.to_ascii_lowercase().strip_prefix("application/").is_some_and(|kind| kind.ends_with("+json"));
        if !is_json {
            return Err(JsonFault::ContentType);
        }
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Err(error) if error.to_string().starts_with(TOO_MANY) => Err(JsonFault::TooManyFields),
        _ => Err(JsonFault::Unreadable),
    }
}

const TOO_MANY: &str = "too many fields";

impl Object {
    /// The text of a field without the blanks around it, as forms are read. Missing, `null`, empty, and of another type
    /// are all none.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(trim(text)).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The whole number of a field.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The object in a field.
    pub fn object(&self, name: &str) -> Option<&Object> {
        match self.value(name) {
            Some(Value::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// The first of these fields whose text has a NUL byte inside: no text of ours may.
    pub fn nul<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().copied().find(|name| self.text(name).is_some_and(|text| text.contains('\0')))
    }

    /// The first of these fields that is there and neither text nor `null`.
    pub fn not_text<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        let is_text = |name: &str| matches!(self.value(name), None | Some(Value::Text(_) | Value::Null));
        names.iter().copied().find(|name| !is_text(name))
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value)
    }
}

/// The number of fields only: the values may be secrets.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("fields", &self.0.len()).finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Other, Value::Int))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<Value>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Vec::<(String, Value)>::new();
        while let Some(name) = map.next_key::<String>()? {
            if fields.len() == MAX_FIELDS {
                return Err(de::Error::custom(TOO_MANY));
            }
            // Two of a name: another reader may take the other one.
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(de::Error::custom("a name twice"));
            }
            fields.push((name, map.next_value()?));
        }
        Ok(Value::Object(Object(fields)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(body: &str) -> Object {
        read(Some("application/json"), body.as_bytes()).expect(body)
    }

    #[test]
    fn a_field_is_what_it_must_be_or_it_is_missing() {
        let object = object(
            r#"{"a":" x\n","b":"","c":null,"d":7,"e":{"f":"y"},"g":[{"h":1e3}],"i":18446744073709551615,"j":"0","k":"a\u0000b"}"#,
        );
        assert_eq!(object.text("a"), Some("x"));
        for name in ["b", "c", "d", "e", "g", "i", "missing"] {
            assert_eq!(object.text(name), None, "{name}");
        }
        assert_eq!(object.text("j"), Some("0"));
        assert_eq!((object.int("d"), object.int("i"), object.int("a")), (Some(7), None, None));
        assert_eq!(object.object("e").and_then(|e| e.text("f")), Some("y"));
        assert_eq!(object.nul(&["a", "k"]), Some("k"));
        assert_eq!(object.not_text(&["a", "b", "c", "missing"]), None);
        for name in ["d", "e", "g", "i"] {
            assert_eq!(object.not_text(&["a", name]), Some(name));
        }
        assert!(!format!("{object:?}").contains('x'));
    }

    #[test]
    fn what_is_no_object_is_unreadable() {
        for body in ["", "null", "[]", "\"x\"", "7", "{", "{}{}", r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#, "{'a':1}"] {
            assert_eq!(read(None, body.as_bytes()).err(), Some(JsonFault::Unreadable), "{body}");
        }
        assert_eq!(read(None, b"{\"a\":\"\xff\"}").err(), Some(JsonFault::Unreadable));
        for body in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":[{"b":1,"b":2}]}"#, r#"{"a":1,"\u0061":1}"#]
        {
            assert_eq!(read(None, body.as_bytes()).err(), Some(JsonFault::Unreadable), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(None, format!("{{\"a\":{deep}}}").as_bytes()).err(), Some(JsonFault::Unreadable));
        let fields: Vec<_> = (0..=MAX_FIELDS).map(|n| format!("\"{n}\":{n}")).collect();
        let many = format!("{{{}}}", fields.join(","));
        assert_eq!(read(None, many.as_bytes()).err(), Some(JsonFault::TooManyFields));
    }

    #[test]
    fn the_content_type_must_not_say_otherwise() {
        for (content_type, is_taken) in [
            (None, true),
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("application/problem+json"), true),
            (Some("application/x-www-form-urlencoded"), false),
            (Some("text/plain"), false),
            (Some(""), false),
        ] {
            assert_eq!(read(content_type, b"{}").is_ok(), is_taken, "{content_type:?}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, name: String) {
            if let Ok(object) = read(None, &body) {
                let _ = (object.text(&name), object.int(&name), object.object(&name));
            }
        }

        #[test]
        fn what_was_written_is_read(text in "[^\0]*") {
            let body = serde_json::json!({ "a": text }).to_string();
            let read = read(None, body.as_bytes()).expect("JSON");
            prop_assert_eq!(read.text("a").unwrap_or_default(), trim(&text));
        }
    }
}
