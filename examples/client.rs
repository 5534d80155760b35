//! A client of the 1.2 API that believes nothing unsigned: HTTP over a plain socket, HMAC-SHA256 over the body's bytes.
//! Shows the protocol; a real program speaks TLS through an HTTP library, and does the rest as it is done here.
//!
//! ```sh
//! cargo run --example client -- URL NAME OWNERID SECRET KEY1 KEY2
//! ```
//!
//! runs a customer's visit with two unused licenses and fails if an answer is not the expected one.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use serde_json::Value;
use sha2::Sha256;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const TIMEOUT: Duration = Duration::from_secs(10);

/// One session of one app.
struct Client {
    host: String,
    path: String,
    name: String,
    ownerid: String,
    secret: String,
    enckey: String,
    sessionid: String,
}

/// The server said no: a message for the customer, a stable code for programs.
#[derive(Debug)]
struct Refused {
    message: String,
    code: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl Error for Refused {}

impl Client {
    /// Opens a session. The key drawn here signs all later answers of it, so that none can be replayed in another.
    fn init(url: &str, name: &str, ownerid: &str, secret: &str, version: &str) -> Result<Client> {
        let address = url.strip_prefix("http://").ok_or("this example speaks http:// only")?;
        let (host, path) = address.split_once('/').ok_or("the URL ends in a path like /api/1.2/")?;
        let mut client = Client {
            host: host.to_owned(),
            path: format!("/{path}"),
            name: name.to_owned(),
            ownerid: ownerid.to_owned(),
            secret: secret.to_owned(),
            enckey: hex::encode(rand::rng().random::<[u8; 16]>()),
            sessionid: String::new(),
        };
        let enckey = client.enckey.clone();
        // The answer to `init` is signed with the secret alone.
        let answer = client.call(secret, &[("type", "init"), ("ver", version), ("enckey", &enckey)])?;
        client.sessionid = answer["sessionid"].as_str().ok_or("no sessionid")?.to_owned();
        Ok(client)
    }

    fn register(&self, username: &str, password: &str, key: &str, hwid: &str) -> Result<Value> {
        let form = [("type", "register"), ("username", username), ("pass", password), ("key", key), ("hwid", hwid)];
        self.on_session(&form)
    }

    fn login(&self, username: &str, password: &str, hwid: &str) -> Result<Value> {
        self.on_session(&[("type", "login"), ("username", username), ("pass", password), ("hwid", hwid)])
    }

    fn license(&self, key: &str) -> Result<Value> {
        self.on_session(&[("type", "license"), ("key", key)])
    }

    fn check(&self) -> Result<Value> {
        self.on_session(&[("type", "check")])
    }

    fn on_session(&self, form: &[(&str, &str)]) -> Result<Value> {
        let form = [form, &[("sessionid", &self.sessionid)]].concat();
        self.call(&format!("{}-{}", self.enckey, self.secret), &form)
    }

    /// One call, whose answer is signed with `key`.
    fn call(&self, key: &str, form: &[(&str, &str)]) -> Result<Value> {
        let form = [form, &[("name", &self.name), ("ownerid", &self.ownerid)]].concat();
        let (signature, body) = self.post(&serde_urlencoded::to_string(form)?)?;
        if body == b"KeyAuth_Invalid" {
            return Err("there is no such app: look at its name and ownerid".into());
        }
        // Over the bytes as they came, and compared in constant time.
        Hmac::<Sha256>::new_from_slice(key.as_bytes())?
            .chain_update(&body)
            .verify_slice(&hex::decode(signature).unwrap_or_default())
            .map_err(|_| "the answer has a wrong signature")?;
        let answer: Value = serde_json::from_slice(&body)?;
        if answer["success"] == true {
            return Ok(answer);
        }
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        Err(Refused { message: text("message"), code: text("error") }.into())
    }

    /// The `signature` header and the body of the answer to this form.
    fn post(&self, form: &str) -> Result<(String, Vec<u8>)> {
        let mut socket = TcpStream::connect(&self.host)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        write!(
            socket,
            "POST {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.path,
            self.host,
            form.len()
        )?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("half an answer")?;
        let head = std::str::from_utf8(&answer[..end])?;
        let mut lines = head.split("\r\n");
        if lines.next().and_then(|line| line.split(' ').nth(1)) != Some("200") {
            // Refusals are 200 too. Anything else is the server's trouble.
            return Err(format!("the server answered {head}").into());
        }
        let signature = lines.find_map(|line| line.strip_prefix("signature: ")).unwrap_or_default().to_owned();
        Ok((signature, answer.split_off(end + 4)))
    }
}

/// The code of a refusal that must be one.
fn refusal(answer: Result<Value>) -> Result<String> {
    match answer {
        Ok(answer) => Err(format!("this should have been refused: {answer}").into()),
        Err(error) => Ok(error.downcast::<Refused>().map(|refused| refused.code)?),
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, ownerid, secret, key1, key2] = arguments.as_slice() else {
        return Err("usage: client URL NAME OWNERID SECRET KEY1 KEY2".into());
    };

    let client = Client::init(url, name, ownerid, secret, "1.0")?;
    println!("init: session {}…", &client.sessionid[..8]);
    assert_eq!(refusal(client.check())?, "SESSION_NOT_VALIDATED", "nobody has logged in yet");

    let user = format!("rust-{}", &client.sessionid[..8]);
    let made = client.register(&user, "correct horse", key1, "laptop")?;
    let held = &made["info"]["subscriptions"][0];
    println!("register: {} holds {}", made["info"]["username"], held["subscription"]);
    println!("check: {}", client.check()?["message"]);
    assert_eq!(refusal(client.register("another", "secret", key1, "laptop"))?, "LICENSE_IN_USE");
    println!("register with the same license again: refused");

    let client = Client::init(url, name, ownerid, secret, "1.0")?;
    assert_eq!(refusal(client.login(&user, "wrong", "laptop"))?, "INVALID_PASSWORD");
    println!("login: {}", client.login(&user, "correct horse", "laptop")?["message"]);

    println!("license: {} is logged in", client.license(key2)?["info"]["username"]);
    println!("license again: {} is logged in", client.license(key2)?["info"]["username"]);

    match Client::init(url, name, ownerid, &"0".repeat(64), "1.0") {
        Ok(_) => return Err("an answer with a wrong signature was believed".into()),
        Err(error) => println!("with a wrong secret: {error}"),
    }
    Ok(())
}
