//! A client that hides nothing: bytes out, bytes in, every signature computed again. Follows no redirect, keeps no
//! connection, adds no header that a test did not ask for, except where a function says so.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{Envelope, OWNERID, PATIENCE, PUBLIC_KEY, SECRET, Server, now};

/// What clients without an enckey get in place of a signature.
pub const LITERAL: &str = "No encryption key supplied";

/// The `init_iv` of calls by 1.0.
pub const INIT_IV: &str = "init-iv-example";

/// How many seconds an answer's time may be off from the test's.
const LATE: i64 = 60;

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
    /// Ed25519 over the time and the body, by the server's key.
    Server,
    /// No header; the body is enciphered with this text.
    Envelope(String),
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
            Seal::None | Seal::Server | Seal::Envelope(_) => None,
            Seal::Literal => Some(LITERAL.to_owned()),
            Seal::Key(key) => Some(hmac_hex(key, &self.body)),
        };
        assert_eq!(self.header("signature"), want.as_deref(), "want {seal:?}: {self:?}");
        let spelled = self.head.to_ascii_lowercase().matches("\r\nsignature").count();
        assert_eq!(spelled, usize::from(want.is_some()), "one header, in lower case: {self:?}");
        if *seal == Seal::Server {
            self.assert_signed_by(PUBLIC_KEY);
        } else {
            assert!(!self.head.to_ascii_lowercase().contains("\r\nx-signature"), "{self:?}");
        }
    }

    /// That the server whose public key this is signed it, at about this time, as contract 3.2 says. Verified by
    /// another implementation than the server's.
    #[track_caller]
    pub fn assert_signed_by(&self, public_key: &str) {
        let value = |name| self.header(name).unwrap_or_else(|| panic!("no {name}, in lower case: {self:?}"));
        let (timestamp, signature) = (value("x-signature-timestamp"), value("x-signature-ed25519"));
        assert_eq!(self.head.to_ascii_lowercase().matches("\r\nx-signature").count(), 2, "{self:?}");
        let made: i64 = timestamp.parse().expect("seconds");
        assert!(timestamp.len() == 10 && (now().0 - made).abs() <= LATE, "{self:?}");
        assert!(signature.len() == 128 && !signature.contains(|c: char| c.is_ascii_uppercase()), "{self:?}");
        let key = hex::decode(public_key).unwrap();
        ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key)
            .verify(&[timestamp.as_bytes(), &self.body].concat(), &hex::decode(signature).expect("hex"))
            .unwrap_or_else(|_| panic!("not signed by {public_key}: {self:?}"));
    }

    /// The same with its body deciphered: it must be nothing but lower-case hex that opens with this text.
    #[track_caller]
    pub fn opened(mut self, text: &str, init_iv: &str) -> Reply {
        let opened = Envelope::new(text, init_iv).open(&self.body);
        self.body = opened.unwrap_or_else(|| panic!("does not open with {text:?}: {self:?}"));
        self
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

    /// The same by 1.0, with everything enciphered as it should be. The answer as it came.
    pub fn call_1_0(&self, text: &str, name: &str, pairs: &[(&str, &str)]) -> Reply {
        let usual = [("type", name), ("name", "demo"), ("ownerid", OWNERID), ("init_iv", INIT_IV)];
        let form = Envelope::new(text, INIT_IV).form([&usual, pairs].concat());
        let reply = self.raw(&post_bytes("/api/1.0/", "application/x-www-form-urlencoded", form.as_bytes()));
        reply.assert_usual();
        reply
    }

    /// The same by a version of choice, which is not 1.0.
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
        let reply = match version {
            "1.0" => self.call_1_0(SECRET, "init", pairs).opened(SECRET, INIT_IV),
            _ => self.call_by(version, "init", pairs),
        };
        assert!(reply.success(), "{reply:?}");
        let enckey = pairs.iter().find(|(name, _)| *name == "enckey").map(|(_, enckey)| enckey.trim());
        let (init, later) = match (version, enckey) {
            ("1.2", Some(enckey)) => (Seal::secret(), Seal::session(enckey)),
            ("1.2", None) => (Seal::Literal, Seal::Literal),
            ("1.3", _) => (Seal::Server, Seal::Server),
            ("1.0", Some(enckey)) => (Seal::Envelope(SECRET.to_owned()), Seal::Envelope(enckey.to_owned())),
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
        let pairs = [&[("sessionid", self.id.as_str())], pairs].concat();
        let reply = match &self.seal {
            Seal::Envelope(text) => self.server.call_1_0(text, name, &pairs).opened(text, INIT_IV),
            _ => self.server.call_by(self.version, name, &pairs),
        };
        reply.assert_sealed(&self.seal);
        reply
    }

    /// Whether somebody is logged in on it.
    pub fn is_validated(&self) -> bool {
        self.call("check", &[]).success()
    }
}
