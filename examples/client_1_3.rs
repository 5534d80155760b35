//! A client of the 1.3 API that believes nothing unsigned: HTTP over a plain socket, Ed25519 over the time and the body's
//! bytes. Shows the protocol; a real program speaks TLS through an HTTP library, and does the rest as it is done here.
//!
//! ```sh
//! cargo run --example client_1_3 -- URL NAME OWNERID PUBLIC_KEY KEY1 KEY2 VARIABLE CHANNEL FILEID
//! cargo run --example client_1_3 -- --self-test
//! ```
//!
//! The first runs a customer's visit with two unused licenses and fails if an answer is not the expected one; PUBLIC_KEY
//! is what `keystead config public-key` prints, and the last three name a variable, a chat and a file that the operator
//! has made. The second asks nobody: it signs answers with a key of its own and shows which are not believed.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde_json::Value;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const TIMEOUT: Duration = Duration::from_secs(10);
/// How far the server's clock and ours may be apart, in seconds. An older answer may be a recorded one.
const FRESH: u64 = 25;
/// What `code` is in every answer that says yes.
const CODE_OF_SUCCESS: u64 = 68;

/// One session of one app.
struct Client {
    url: String,
    name: String,
    ownerid: String,
    server: VerifyingKey,
    sessionid: String,
}

/// Why there is nothing to work with.
#[derive(Debug, PartialEq)]
enum No {
    /// The server said no: a message for the customer, a stable code for programs.
    Refused { message: String, code: String },
    /// The answer is not from the server, not for this app, or not of now.
    Tampered(&'static str),
    /// The server has no app of this name and ownerid.
    UnknownApp,
}

impl std::fmt::Display for No {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            No::Refused { message, code } => write!(f, "{message} ({code})"),
            No::Tampered(what) => f.write_str(what),
            No::UnknownApp => f.write_str("there is no such app: look at its name and ownerid"),
        }
    }
}

impl Error for No {}

/// An answer as it came.
#[derive(Clone)]
struct Answer {
    timestamp: String,
    signature: String,
    body: Vec<u8>,
}

impl Client {
    /// Opens a session.
    fn init(url: &str, name: &str, ownerid: &str, server: VerifyingKey, version: &str) -> Result<Client> {
        let own = str::to_owned;
        let mut client = Client { url: own(url), name: own(name), ownerid: own(ownerid), server, sessionid: own("") };
        let answer = client.call("init", &[("ver", version)])?;
        client.sessionid = answer["sessionid"].as_str().ok_or("no sessionid")?.to_owned();
        Ok(client)
    }

    /// One call. What the server says no to is an error.
    fn call(&self, name: &str, fields: &[(&str, &str)]) -> Result<Value> {
        let common = [("type", name), ("name", &self.name), ("ownerid", &self.ownerid), ("sessionid", &self.sessionid)];
        let form = serde_urlencoded::to_string([&common, fields].concat())?;
        let answer = post(&self.url, &form)?;
        let answer = self.believe(&answer, seconds_since_1970()?)?;
        if answer["success"] == true {
            return Ok(answer);
        }
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        Err(No::Refused { message: text("message"), code: text("error") }.into())
    }

    /// The answer as JSON, once everything about it is right.
    fn believe(&self, answer: &Answer, now: u64) -> Result<Value> {
        // Over the bytes as they came. `verify_strict` also refuses keys that would accept more than one message.
        let signed = [answer.timestamp.as_bytes(), &answer.body].concat();
        let signature = hex::decode(&answer.signature).unwrap_or_default();
        Signature::from_slice(&signature)
            .and_then(|signature| self.server.verify_strict(&signed, &signature))
            .map_err(|_| No::Tampered("the signature is not the server's"))?;
        // Only now: an unsigned time would be worth nothing.
        if now.abs_diff(answer.timestamp.parse()?) > FRESH {
            return Err(No::Tampered("the answer is old, or a clock is wrong").into());
        }
        if answer.body == b"KeyAuth_Invalid" {
            return Err(No::UnknownApp.into());
        }
        let answer: Value = serde_json::from_slice(&answer.body)?;
        // The key is the whole server's: without this, an answer about somebody else's app would do.
        if answer["ownerid"] != self.ownerid {
            return Err(No::Tampered("the answer is for another owner").into());
        }
        if (answer["code"] == CODE_OF_SUCCESS) != (answer["success"] == true) {
            return Err(No::Tampered("the answer says yes and no").into());
        }
        Ok(answer)
    }
}

/// The answer to this form.
fn post(url: &str, form: &str) -> Result<Answer> {
    let address = url.strip_prefix("http://").ok_or("this example speaks http:// only")?;
    let (host, path) = address.split_once('/').ok_or("the URL ends in a path like /api/1.3/")?;
    let mut socket = TcpStream::connect(host)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    write!(
        socket,
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("half an answer")?;
    let body = answer.split_off(end + 4);
    let head = std::str::from_utf8(&answer[..end])?;
    if head.split(' ').nth(1) != Some("200") {
        // Refusals are 200 too. Anything else is the server's trouble.
        return Err(format!("the server answered {head}").into());
    }
    let header = |name: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    Ok(Answer { timestamp: header("x-signature-timestamp"), signature: header("x-signature-ed25519"), body })
}

#[expect(clippy::disallowed_methods, reason = "a client is not part of the server, which has one reader of the time")]
fn seconds_since_1970() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Why a call did not work that must not.
fn no<T>(result: Result<T>) -> Result<No> {
    match result {
        Ok(_) => Err("this should have failed".into()),
        Err(error) => Ok(*error.downcast::<No>()?),
    }
}

/// The code of a refusal that must be one.
fn refusal(answer: Result<Value>) -> Result<String> {
    match no(answer)? {
        No::Refused { code, .. } => Ok(code),
        other => Err(other.into()),
    }
}

fn public_key(hex_text: &str) -> Result<VerifyingKey> {
    let bytes: [u8; 32] = hex::decode(hex_text)?.try_into().map_err(|_| "a public key has 64 hex characters")?;
    Ok(VerifyingKey::from_bytes(&bytes)?)
}

/// Which answers are believed.
fn self_test() -> Result<()> {
    let (server, now) = (SigningKey::from_bytes(&[1; 32]), 1_700_000_000);
    let sign = |time: u64, body: &str| {
        let signature = server.sign(format!("{time}{body}").as_bytes());
        let signature = hex::encode(signature.to_bytes());
        Answer { timestamp: time.to_string(), signature, body: body.as_bytes().to_vec() }
    };
    let client = |ownerid: &str, key: &SigningKey| Client {
        url: String::new(),
        name: "demo".to_owned(),
        ownerid: ownerid.to_owned(),
        server: key.verifying_key(),
        sessionid: String::new(),
    };
    let ours = client("OwnerId123", &server);
    let body = r#"{"success":true,"code":68,"message":"Session is validated.","ownerid":"OwnerId123"}"#;
    let good = sign(now, body);
    for moment in [now - FRESH, now, now + FRESH] {
        assert_eq!(ours.believe(&good, moment)?["success"], true);
    }
    assert_eq!(no(ours.believe(&sign(now, "KeyAuth_Invalid"), now))?, No::UnknownApp);

    let changed = |change: &dyn Fn(&mut Answer)| {
        let mut answer = good.clone();
        change(&mut answer);
        ours.believe(&answer, now)
    };
    for (what, result) in [
        ("a changed body", changed(&|a| a.body[12] ^= 1)),
        ("a body with more behind it", changed(&|a| a.body.push(b'\n'))),
        ("a changed time", changed(&|a| a.timestamp = (now + 1).to_string())),
        ("a changed signature", changed(&|a| a.signature.replace_range(..2, "00"))),
        ("a signature of something else", changed(&|a| a.signature = sign(now, "KeyAuth_Invalid").signature)),
        ("half a signature", changed(&|a| a.signature.truncate(64))),
        ("no headers at all", changed(&|a| (a.timestamp, a.signature) = Default::default())),
        ("another key", client("OwnerId123", &SigningKey::from_bytes(&[2; 32])).believe(&good, now)),
        ("another owner", client("OwnerId456", &server).believe(&good, now)),
        ("a success without its code", ours.believe(&sign(now, &body.replace("68", "0")), now)),
        ("an old answer", ours.believe(&good, now + FRESH + 1)),
        ("an answer from the future", ours.believe(&good, now - FRESH - 1)),
    ] {
        match no(result)? {
            No::Tampered(why) => println!("{what}: {why}"),
            other => return Err(format!("{what}: {other}").into()),
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [url, name, ownerid, key, license1, license2, variable, channel, fileid] = arguments[..] else {
        if arguments == ["--self-test"] {
            return self_test();
        }
        let usage = "URL NAME OWNERID PUBLIC_KEY KEY1 KEY2 VARIABLE CHANNEL FILEID";
        return Err(format!("usage: client_1_3 {usage}, or client_1_3 --self-test").into());
    };
    let server = public_key(key)?;

    let client = Client::init(url, name, ownerid, server, "1.0")?;
    println!("init: session {}…", &client.sessionid[..8]);
    assert_eq!(refusal(client.call("check", &[]))?, "SESSION_NOT_VALIDATED", "nobody has logged in yet");

    let user = format!("rust-{}", &client.sessionid[..8]);
    let (who, pass, hwid) = (("username", user.as_str()), ("pass", "correct horse"), ("hwid", "laptop"));
    let made = client.call("register", &[who, pass, hwid, ("key", license1)])?;
    println!("register: {} holds {}", made["info"]["username"], made["info"]["subscriptions"][0]["subscription"]);
    println!("check: {}", client.call("check", &[])?["message"]);
    let again = client.call("register", &[("username", "another"), pass, hwid, ("key", license1)]);
    assert_eq!(refusal(again)?, "LICENSE_IN_USE");
    println!("register with the same license again: refused");

    let client = Client::init(url, name, ownerid, server, "1.0")?;
    assert_eq!(refusal(client.call("login", &[who, ("pass", "wrong"), hwid]))?, "INVALID_PASSWORD");
    println!("login: {}", client.call("login", &[who, pass, hwid])?["message"]);
    println!("var: {}", client.call("var", &[("varid", variable)])?["message"]);
    client.call("log", &[("message", "the example was here"), ("pcuser", "laptop")])?;
    println!("fetchStats: {} users", client.call("fetchStats", &[])?["appinfo"]["numUsers"]);
    client.call("chatsend", &[("channel", channel), ("message", "hello")])?;
    let said = client.call("chatget", &[("channel", channel)])?;
    let last = said["messages"].as_array().and_then(|all| all.last()).ok_or("an empty chat")?;
    assert_eq!((&last["author"], &last["message"]), (&Value::from(user.as_str()), &Value::from("hello")));
    println!("chat: {} said {}", last["author"], last["message"]);
    let file = client.call("file", &[("fileid", fileid)])?;
    println!("file: {} bytes", hex::decode(file["contents"].as_str().ok_or("no contents")?)?.len());

    let client = Client::init(url, name, ownerid, server, "1.0")?;
    println!("license: {} is logged in", client.call("license", &[("key", license2)])?["info"]["username"]);

    let forger = SigningKey::from_bytes(&[2; 32]).verifying_key();
    println!("with another key: {}", no(Client::init(url, name, ownerid, forger, "1.0"))?);
    println!("with another app: {}", no(Client::init(url, "none", ownerid, server, "1.0"))?);
    Ok(())
}
