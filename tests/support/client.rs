//! A client that hides nothing: bytes out, bytes in, every signature computed again. Follows no redirect, keeps no
//! connection, adds no header that a test did not ask for, except where a function says so.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{OWNERID, PATIENCE, SECRET, Server};

/// What clients without an enckey get in place of a signature.
pub const LITERAL: &str = "No encryption key supplied";

/// The lower-case hex HMAC-SHA256 of a body.
pub fn hmac_hex(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    hex::encode(mac.chain_update(body).finalize().into_bytes())
}

/// How an answer must be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seal {
    /// No `signature` header.
    None,
    /// The literal text.
    Literal,
    /// HMAC-SHA256 with this key.
    Key(String),
}

impl Seal {
    /// By the app's secret.
    pub fn secret() -> Seal {
        Seal::Key(SECRET.to_owned())
    }

    /// As on a session whose `init` sent this enckey.
    pub fn session(enckey: &str) -> Seal {
        Seal::Key(format!("{enckey}-{SECRET}"))
    }
}

/// One answer, byte for byte.
pub struct Reply {
    /// The status line and the headers, as they came, without the blank line.
    pub head: String,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n\n{}", self.head, self.text())
    }
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// A header by its exact spelling: `name`, a colon, one space.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Whether the call succeeded.
    pub fn success(&self) -> bool {
        self.json()["success"] == true
    }

    /// The text for the customer.
    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The stable code of a refusal; empty on success.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// That it is a refusal with this code and this message, in exactly these bytes.
    #[track_caller]
    pub fn assert_refused(&self, code: &str, message: &str) {
        let message = serde_json::to_string(message).unwrap();
        assert_eq!(self.text(), format!(r#"{{"success":false,"message":{message},"error":"{code}"}}"#));
    }

    /// That it is signed so.
    #[track_caller]
    pub fn assert_sealed(&self, seal: &Seal) {
        let want = match seal {
            Seal::None => None,
            Seal::Literal => Some(LITERAL.to_owned()),
            Seal::Key(key) => Some(hmac_hex(key, &self.body)),
        };
        assert_eq!(self.header("signature"), want.as_deref(), "want {seal:?}: {self:?}");
        let spelled = self.head.to_ascii_lowercase().matches("\r\nsignature").count();
        assert_eq!(spelled, usize::from(want.is_some()), "one header, in lower case: {self:?}");
    }

    /// What every answer of this API has in common.
    #[track_caller]
    pub fn assert_usual(&self) {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"), "{self:?}");
        assert_eq!(self.header("access-control-allow-origin"), Some("*"), "{self:?}");
        assert_eq!(self.header("location"), None, "never a redirect");
        assert!(self.body.is_ascii(), "{self:?}");
    }
}

/// Sends these bytes on a connection of their own and reads one answer.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Reply {
    let mut socket = TcpStream::connect(address).expect("connects");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request).expect("sends");
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
    let mut read = |bytes: &mut Vec<u8>| {
        let count = socket.read(&mut space).unwrap_or_else(|e| panic!("no answer: {e}"));
        bytes.extend_from_slice(&space[..count]);
        assert!(count > 0, "the connection ended early: {:?}", String::from_utf8_lossy(bytes));
    };
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            if !bytes.starts_with(b"HTTP/1.1 100 ") {
                break end;
            }
            // "Go on" is no answer; the answer may be here already or still to come.
            bytes.drain(..end + 4);
            continue;
        }
        read(&mut bytes);
    };
    let mut reply = Reply { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), status: 0, body: Vec::new() };
    reply.status = reply.head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    let bodiless = request.starts_with(b"HEAD ") || reply.status == 204;
    let announced = reply.header("content-length").map_or(0, |text| text.parse().expect("a length"));
    let length: usize = if bodiless { 0 } else { announced };
    while bytes.len() < end + 4 + length {
        read(&mut bytes);
    }
    reply.body = bytes.split_off(end + 4);
    assert_eq!(reply.body.len(), length, "more than was announced: {reply:?}");
    reply
}

/// The bytes of a POST with this content type and body.
pub fn post_bytes(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

impl Server {
    /// Sends these bytes and reads one answer.
    pub fn raw(&self, request: &[u8]) -> Reply {
        exchange(self.address, request)
    }

    /// GET of this path with its query.
    pub fn get(&self, target: &str) -> Reply {
        self.raw(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
    }

    /// POST of these pairs, urlencoded, and nothing else, to this version.
    pub fn post(&self, version: &str, pairs: &[(&str, &str)]) -> Reply {
        let body = serde_urlencoded::to_string(pairs).unwrap();
        self.raw(&post_bytes(&format!("/api/{version}/"), "application/x-www-form-urlencoded", body.as_bytes()))
    }

    /// A call to "demo" by 1.2: the pairs, and `type`, `name`, `ownerid`. Where a name is given twice, the pairs count.
    pub fn call(&self, name: &str, pairs: &[(&str, &str)]) -> Reply {
        self.call_by("1.2", name, pairs)
    }

    /// The same by a version of choice.
    pub fn call_by(&self, version: &str, name: &str, pairs: &[(&str, &str)]) -> Reply {
        let reply = self.post(version, &[&[("type", name), ("name", "demo"), ("ownerid", OWNERID)], pairs].concat());
        reply.assert_usual();
        reply
    }

    /// A session by 1.2 with the enckey "k".
    pub fn init(&self) -> Session<'_> {
        self.init_with("1.2", &[("enckey", "k")])
    }

    /// A session by this version, with these pairs more. The answer must be a success, and signed as it should.
    #[track_caller]
    pub fn init_with(&self, version: &'static str, pairs: &[(&str, &str)]) -> Session<'_> {
        let reply = self.call_by(version, "init", pairs);
        assert!(reply.success(), "{reply:?}");
        let enckey = pairs.iter().find(|(name, _)| *name == "enckey").map(|(_, enckey)| enckey.trim());
        let (init, later) = match (version, enckey) {
            ("1.2", Some(enckey)) => (Seal::secret(), Seal::session(enckey)),
            ("1.2", None) => (Seal::Literal, Seal::Literal),
            _ => (Seal::None, Seal::None),
        };
        reply.assert_sealed(&init);
        let id = reply.json()["sessionid"].as_str().expect("a session id").to_owned();
        Session { server: self, version, id, seal: later }
    }
}

/// An open session. Every answer on it is checked for its headers and its signature.
pub struct Session<'a> {
    /// Its server.
    pub server: &'a Server,
    /// The version it speaks.
    pub version: &'static str,
    /// Its id.
    pub id: String,
    /// How its answers must be signed.
    pub seal: Seal,
}

impl Session<'_> {
    /// A call on this session.
    #[track_caller]
    pub fn call(&self, name: &str, pairs: &[(&str, &str)]) -> Reply {
        let reply = self.server.call_by(self.version, name, &[&[("sessionid", self.id.as_str())], pairs].concat());
        reply.assert_sealed(&self.seal);
        reply
    }

    /// Whether somebody is logged in on it.
    pub fn is_validated(&self) -> bool {
        self.call("check", &[]).success()
    }
}
