//! Ordered fields to JSON bytes: compact, in the order given, `/` plain. Chooses no field and no word; draws no nonce
//! and signs nothing. (Contract 1.7: clients verify these bytes, and some rebuild them with `JSON.stringify`.)

use std::borrow::Cow;

use bytes::Bytes;

/// A JSON value. No floats: no format that is served has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A string.
    Text(Cow<'static, str>),
    /// A string: the lower-case hex of these bytes.
    Hex(Bytes),
    /// An array.
    List(Vec<Json>),
    /// An object, its keys in this order.
    Object(Fields),
}

/// The fields of an object, in the order in which they are sent. Their names need no escapes.
pub type Fields = Vec<(&'static str, Json)>;

/// Writes an object. `ascii_only` spells every other character as `\uXXXX`, else it goes out as UTF-8.
pub fn encode(fields: &Fields, ascii_only: bool) -> Vec<u8> {
    let mut out = Writer { out: Vec::with_capacity(object_len(fields)), ascii_only };
    out.object(fields);
    out.out
}

/// JSON as it grows. By hand, because every answer is written by it, and most have nothing that needs more than copying.
struct Writer {
    out: Vec<u8>,
    ascii_only: bool,
}

impl Writer {
    fn object(&mut self, fields: &Fields) {
        self.out.push(b'{');
        for (n, (key, value)) in fields.iter().enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            // Ours, and a field's name: nothing in it is ever escaped.
            self.out.push(b'"');
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(b"\":");
            self.value(value);
        }
        self.out.push(b'}');
    }

    fn value(&mut self, value: &Json) {
        match value {
            Json::Null => self.out.extend_from_slice(b"null"),
            Json::Bool(value) => self.out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Json::Int(value) => self.out.extend_from_slice(value.to_string().as_bytes()),
            Json::Text(value) => self.text(value),
            Json::Hex(bytes) => self.hex(bytes),
            Json::List(values) => {
                self.out.push(b'[');
                for (n, value) in values.iter().enumerate() {
                    if n > 0 {
                        self.out.push(b',');
                    }
                    self.value(value);
                }
                self.out.push(b']');
            }
            Json::Object(fields) => self.object(fields),
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        // Without a way out before the end: many bytes are looked at in one step.
        let most = if self.ascii_only { 0x7F } else { 0xFF };
        let plain = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\') & (byte <= most);
        if text.bytes().fold(true, |all, byte| all & plain(byte)) {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            text.chars().for_each(|character| self.character(character));
        }
        self.out.push(b'"');
    }

    fn character(&mut self, character: char) {
        let short = match character {
            '"' | '\\' => character as u8,
            '\x08' => b'b',
            '\t' => b't',
            '\n' => b'n',
            '\x0C' => b'f',
            '\r' => b'r',
            '\0'..='\x1F' => return self.escape(character),
            _ if self.ascii_only && !character.is_ascii() => return self.escape(character),
            _ => return self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        };
        self.out.extend_from_slice(&[b'\\', short]);
    }

    fn escape(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            self.out.extend_from_slice(b"\\u");
            self.digits(&unit.to_be_bytes());
        }
    }

    fn hex(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        self.digits(bytes);
        self.out.push(b'"');
    }

    fn digits(&mut self, bytes: &[u8]) {
        let start = self.out.len();
        self.out.resize(start + bytes.len() * 2, 0);
        // Twice as many digits as bytes: the only error there could be is another number of them.
        let _ = hex::encode_to_slice(bytes, &mut self.out[start..]);
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Json {
        Json::Int(value)
    }
}

impl From<&'static str> for Json {
    fn from(value: &'static str) -> Json {
        Json::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Json {
    fn from(value: String) -> Json {
        Json::Text(Cow::Owned(value))
    }
}

impl From<Cow<'static, str>> for Json {
    fn from(value: Cow<'static, str>) -> Json {
        Json::Text(value)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

impl From<Vec<Json>> for Json {
    fn from(value: Vec<Json>) -> Json {
        Json::List(value)
    }
}

/// How long the JSON will be: exact if nothing has to be escaped, so that a usual answer is allocated once and becomes
/// `Bytes` as it is.
fn len(value: &Json) -> usize {
    match value {
        Json::Null => 4,
        Json::Bool(value) => 5 - usize::from(*value),
        Json::Int(value) => {
            value.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1) + usize::from(*value < 0)
        }
        Json::Text(value) => value.len() + 2,
        Json::Hex(bytes) => bytes.len() * 2 + 2,
        // A comma after each value but the last, and two brackets.
        Json::List(values) => values.iter().map(|value| len(value) + 1).sum::<usize>().max(1) + 1,
        Json::Object(fields) => object_len(fields),
    }
}

fn object_len(fields: &[(&'static str, Json)]) -> usize {
    // A colon and two quotes, else as for a list.
    fields.iter().map(|(key, value)| key.len() + 3 + len(value) + 1).sum::<usize>().max(1) + 1
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn text(fields: &Fields, ascii_only: bool) -> String {
        String::from_utf8(encode(fields, ascii_only)).expect("JSON is UTF-8")
    }

    fn check(value: impl Into<Json>, ascii: &str, utf8: &str) {
        let fields = vec![("k", value.into())];
        assert_eq!(text(&fields, true), format!("{{\"k\":{ascii}}}"));
        assert_eq!(text(&fields, false), format!("{{\"k\":{utf8}}}"));
    }

    const NONCE: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn the_contracts_bodies_byte_for_byte() {
        let init = vec![
            ("success", true.into()),
            ("message", "Initialized".into()),
            ("sessionid", "Ab3dE5gH1j".into()),
            (
                "appinfo",
                Json::Object(vec![
                    ("numUsers", "2".into()),
                    ("numOnlineUsers", "1".into()),
                    ("numKeys", "5".into()),
                    ("version", "1.0".into()),
                    ("customerPanelLink", "https://auth.example.test/panel/acme/demo/".into()),
                ]),
            ),
            ("newSession", true.into()),
            ("nonce", NONCE.into()),
        ];
        let init_body = concat!(
            r#"{"success":true,"message":"Initialized","sessionid":"Ab3dE5gH1j","appinfo":{"numUsers":"2","#,
            r#""numOnlineUsers":"1","numKeys":"5","version":"1.0","#,
            r#""customerPanelLink":"https://auth.example.test/panel/acme/demo/"},"newSession":true,"#,
            r#""nonce":"00112233445566778899aabbccddeeff"}"#
        );
        let check =
            vec![("success", true.into()), ("message", "Session is validated.".into()), ("nonce", NONCE.into())];
        let check_body =
            r#"{"success":true,"message":"Session is validated.","nonce":"00112233445566778899aabbccddeeff"}"#;
        for (fields, body, bytes) in [(&init, init_body, 269), (&check, check_body, 93)] {
            for ascii_only in [true, false] {
                assert_eq!(text(fields, ascii_only), body);
            }
            assert_eq!(body.len(), bytes);
        }
    }

    #[test]
    fn values() {
        check(Json::Null, "null", "null");
        check(false, "false", "false");
        check(i64::MIN, "-9223372036854775808", "-9223372036854775808");
        check(None::<&'static str>, "null", "null");
        check(Some(7), "7", "7");
        check(String::from("s"), r#""s""#, r#""s""#);
        check(Cow::Borrowed("s"), r#""s""#, r#""s""#);
        check(vec![], "[]", "[]");
        check(
            vec![1.into(), Json::Null, Json::Object(vec![("a", "b".into())])],
            r#"[1,null,{"a":"b"}]"#,
            r#"[1,null,{"a":"b"}]"#,
        );
        check(Json::Hex(Bytes::from_static(b"\x00/\xff")), r#""002fff""#, r#""002fff""#);
        let long = Bytes::from_iter((0..5000u16).map(|n| n as u8));
        check(Json::Hex(long.clone()), &format!("{:?}", hex::encode(&long)), &format!("{:?}", hex::encode(&long)));
        assert_eq!(text(&vec![], true), "{}");
        let twice = vec![("b", 1.into()), ("a", 2.into()), ("b", 3.into())];
        assert_eq!(text(&twice, true), r#"{"b":1,"a":2,"b":3}"#, "the order is the caller's");
    }

    #[test]
    fn escapes() {
        check("\"\\/<>&'", r#""\"\\/<>&'""#, r#""\"\\/<>&'""#);
        check(
            "\x08\t\n\x0C\r\0\x1F\x7F",
            "\"\\b\\t\\n\\f\\r\\u0000\\u001f\x7F\"",
            "\"\\b\\t\\n\\f\\r\\u0000\\u001f\x7F\"",
        );
        check("aüb\n€😀", r#""a\u00fcb\n\u20ac\ud83d\ude00""#, "\"aüb\\n€😀\"");
        check("\u{80}\u{2028}\u{FFFD}", r#""\u0080\u2028\ufffd""#, "\"\u{80}\u{2028}\u{FFFD}\"");
    }

    #[test]
    fn the_room_is_exact_without_escapes() {
        let list = vec![Json::Null, true.into(), false.into(), vec![].into(), Json::Object(vec![])];
        let ints = [0, 9, 10, -1, -10, i64::MAX, i64::MIN].map(Json::Int).to_vec();
        for fields in [
            vec![],
            vec![("a", "text".into())],
            vec![("a", Json::Hex(Bytes::from_static(b"hex")))],
            vec![("a", list.into()), ("bc", ints.into())],
        ] {
            assert_eq!(encode(&fields, true).len(), object_len(&fields));
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(a in any::<String>(), b in any::<String>(), ascii_only in any::<bool>()) {
            let body = encode(&vec![("a", a.clone().into()), ("b", vec![b.clone().into()].into())], ascii_only);
            prop_assert!(body.iter().all(|byte| *byte >= b' '), "a raw control character");
            prop_assert!(!ascii_only || body.is_ascii());
            let back: HashMap<String, serde_json::Value> = serde_json::from_slice(&body)?;
            prop_assert_eq!(back["a"].as_str(), Some(a.as_str()));
            prop_assert_eq!(back["b"][0].as_str(), Some(b.as_str()));
        }

        #[test]
        fn every_number_comes_back(number in any::<i64>()) {
            let fields = vec![("n", number.into())];
            let body = encode(&fields, true);
            prop_assert_eq!(body.len(), object_len(&fields));
            let back: HashMap<String, i64> = serde_json::from_slice(&body)?;
            prop_assert_eq!(back["n"], number);
        }
    }
}
