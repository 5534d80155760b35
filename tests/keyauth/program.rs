//! A program that speaks 1.3, as strict as the strictest of those there are (contract section 7): what one of them reads in
//! an answer, this one wants. Knows four ways to ask. What is to be asked, the tests say.

use ed25519_dalek::{Signature, VerifyingKey};
use keystead::store::server_keys;
use serde_json::Value;

use crate::support::{OWNERID, Reply, Server, now, post_bytes};

/// How a program puts its parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// Python, C#, C++, Go, React: all in the body.
    Form,
    /// PHP.
    Multipart,
    /// C++ for `file`, Node.
    Get,
    /// FiveM: a POST with everything in the query, to a path without its slash.
    PostQuery,
}

pub(crate) const WAYS: [Way; 4] = [Way::Form, Way::Multipart, Way::Get, Way::PostQuery];

/// A program that speaks 1.3 and ends when an answer lacks what one of its kind reads.
pub(crate) struct Program<'a> {
    server: &'a Server,
    way: Way,
    key: VerifyingKey,
    pub(crate) sessionid: String,
}

impl<'a> Program<'a> {
    pub(crate) fn new(server: &'a Server, way: Way) -> Program<'a> {
        let stored = server.db.write(|tx| server_keys::signing(tx).unwrap().expect("a key")).public_key;
        let bytes: [u8; 32] = hex::decode(stored).unwrap().try_into().unwrap();
        Program { server, way, key: VerifyingKey::from_bytes(&bytes).unwrap(), sessionid: String::new() }
    }

    /// With a session.
    pub(crate) fn opened(server: &'a Server, way: Way) -> Program<'a> {
        let mut program = Program::new(server, way);
        let answer = program.ask("init", &[("ver", "1.0")]);
        program.sessionid = answer["sessionid"].as_str().expect("a session id").to_owned();
        program
    }

    /// One call; its answer, once everything about it is as the strictest program wants it.
    #[track_caller]
    pub(crate) fn ask(&self, name: &str, pairs: &[(&str, &str)]) -> Value {
        let before = now().0;
        let reply = self.send(&[&self.common(name)[..], pairs].concat());
        self.believe(name, &reply, before)
    }

    pub(crate) fn common<'p>(&'p self, name: &'p str) -> [(&'p str, &'p str); 4] {
        [("type", name), ("name", "demo"), ("ownerid", OWNERID), ("sessionid", &self.sessionid)]
    }

    pub(crate) fn send(&self, pairs: &[(&str, &str)]) -> Reply {
        let form = serde_urlencoded::to_string(pairs).unwrap();
        match self.way {
            Way::Form => {
                self.server.raw(&post_bytes("/api/1.3/", "application/x-www-form-urlencoded", form.as_bytes()))
            }
            Way::Multipart => {
                let part = |(name, value): &(&str, &str)| {
                    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                };
                let body: String = pairs.iter().map(part).chain(["--x--\r\n".to_owned()]).collect();
                self.server.raw(&post_bytes("/api/1.3/", "multipart/form-data; boundary=x", body.as_bytes()))
            }
            Way::Get => self.server.get(&format!("/api/1.3/?{form}")),
            Way::PostQuery => {
                let head = format!("POST /api/1.3?{form} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
                self.server.raw(head.as_bytes())
            }
        }
    }

    #[track_caller]
    pub(crate) fn believe(&self, name: &str, reply: &Reply, before: i64) -> Value {
        reply.assert_usual();
        self.verify(reply, before);
        let text = reply.text();
        assert!((32..=2 << 20).contains(&text.len()), "an early C++ library refuses other sizes: {text}");
        assert_as_javascript_writes_it(&text);
        let answer = reply.json();
        let success = answer["success"].as_bool().expect("success is a boolean");
        let code = answer["code"].as_i64().expect("code is an integer, also of a failure");
        assert_eq!(code == 68, success, "{text}");
        let message = answer["message"].as_str().expect("a message, also where there is nothing to say");
        assert!(!message.is_empty(), "C# and C++ end: {text}");
        assert_eq!(message == "Initialized", success && name == "init", "{text}");
        assert_eq!(answer["ownerid"], OWNERID, "{text}");
        let begin = format!(r#"{{"success":{success},"code":{code},"message":""#);
        assert!(text.starts_with(&begin) && text.ends_with(&format!(r#","ownerid":"{OWNERID}"}}"#)), "{text}");
        answer
    }

    /// As C++ does it: the headers are found by their lower-case names, a colon and one space, and read to a fixed length.
    #[track_caller]
    pub(crate) fn verify(&self, reply: &Reply, before: i64) {
        let after_name = |name: &str| {
            let (_, rest) = reply.head.split_once(name).unwrap_or_else(|| panic!("no {name:?} in {reply:?}"));
            rest.split_once("\r\n").map_or(rest, |(value, _)| value)
        };
        let timestamp = after_name("\r\nx-signature-timestamp: ");
        let signature = after_name("\r\nx-signature-ed25519: ");
        assert!(timestamp.len() == 10 && (before..=now().0).contains(&timestamp.parse().unwrap()), "{timestamp}");
        assert!(signature.len() == 128 && signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        let signature = Signature::from_slice(&hex::decode(signature).unwrap()).unwrap();
        self.key.verify_strict(&[timestamp.as_bytes(), &reply.body].concat(), &signature).expect("the server's");
    }
}

/// Some programs verify what `JSON.stringify` makes of the parsed answer: no blank outside of texts, no needless escape,
/// no key that is a number (those would move to the front).
#[track_caller]
fn assert_as_javascript_writes_it(text: &str) {
    let (mut inside, mut escaped, mut start) = (false, false, 0);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => {
                inside = !inside;
                if inside {
                    start = at + 1;
                } else if text[at..].starts_with("\":") {
                    assert!(text[start..at].parse::<u64>().is_err(), "a key that is a number: {text}");
                }
            }
            ' ' | '\t' | '\n' | '\r' if !inside => panic!("a blank at {at}: {text}"),
            '/' if escaped => panic!("an escaped slash: {text}"),
            _ => {}
        }
        escaped = inside && c == '\\' && !escaped;
    }
}

/// What a program has of whoever entered, read as strictly as C++, Go and Rust do.
#[track_caller]
pub(crate) fn assert_info(answer: &Value, username: &str, hwid: Option<&str>) {
    let info = &answer["info"];
    assert_eq!(info["username"], username);
    assert_eq!(info["ip"], "127.0.0.1");
    assert_eq!(info["hwid"].as_str(), hwid, "{info}");
    let seconds = |value: &Value| value.as_str().expect("a text").parse::<i64>().expect("whole seconds");
    assert!(seconds(&info["createdate"]) <= seconds(&info["lastlogin"]));
    let held = info["subscriptions"].as_array().expect("an array");
    let first = held.first().expect("index 0 is read unconditionally");
    assert_eq!(first["subscription"], "default");
    assert!(seconds(&first["expiry"]) > now().0, "Go ends when it is in the past");
    assert!(first["timeleft"].is_i64(), "{first}");
    assert!(first["key"].is_string(), "C# reads it: {first}");
}
