//! The formats as their clients speak them: where a call goes, how it names the app, and whether an answer says yes, "not
//! now", or no. Remembers nothing.

use std::io;

use serde_json::{Value, json};

use crate::http::{Client, Reply, header};

/// The app that every torture is about, with credentials that every format's clients know.
pub const APP: &str = "demo";
pub const OWNERID: &str = "AbCdEfGh12";
const SECRET: &str = "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225";
const ID: &str = "6f1c0a52-6b1e-4c7e-9a43-0c1f6f0f7a11";
const API_KEY: &str = "00112233445566778899aabbccddeeff";
const API_SECRET: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// Every user's.
pub const PASSWORD: &str = "a good password";

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// Yes.
    Done(Reply),
    /// The server cannot do it now, and says so in the format's own way.
    NotNow,
    /// A rule says no.
    Refused(Reply),
    /// No answer, or half of one.
    Silence,
}

/// What somebody holds who was let in.
#[derive(Clone, Debug, PartialEq)]
pub enum Ticket {
    /// A session of KeyAuth's, or of Authly's, which are the same thing.
    Session(String),
    /// A token of Authgate's.
    Token(String),
    /// The cookie of a browser at Wacht.
    Cookie(String),
}

/// The document that makes the app, with these keys of one day each.
pub fn document(keys: &[String]) -> String {
    json!({
        "owner": {"name": "acme", "ownerid": OWNERID}, "name": APP, "secret": SECRET, "id": ID, "api_key": API_KEY,
        "api_secret": API_SECRET, "settings": {"session": 86_400_i64},
        "licenses": keys.iter().map(|key| json!({"key": key, "duration": 86_400})).collect::<Vec<_>>(),
    })
    .to_string()
}

/// A device that is long enough for every format.
pub fn device(user: &str) -> String {
    format!("the-device-of-{user}")
}

fn outcome(answer: io::Result<Reply>) -> Outcome {
    let Ok(reply) = answer else { return Outcome::Silence };
    let said = |name| reply.json.get(name).cloned().unwrap_or_default();
    match (reply.status, said("success"), said("error")) {
        (200, Value::Bool(true) | Value::Null, _) => Outcome::Done(reply),
        (200, _, error) if error == "UNAVAILABLE" => Outcome::NotNow,
        (503, ..) => Outcome::NotNow,
        _ => Outcome::Refused(reply),
    }
}

/// A call of KeyAuth's.
pub fn keyauth(client: &mut Client, version: &str, call: &str, pairs: &[(&str, &str)]) -> Outcome {
    outcome(send_keyauth(client, version, call, pairs).and_then(|()| client.receive()))
}

/// Its first half.
pub fn send_keyauth(client: &mut Client, version: &str, call: &str, pairs: &[(&str, &str)]) -> io::Result<()> {
    let form = [&[("type", call), ("name", APP), ("ownerid", OWNERID)], pairs].concat();
    let form = serde_urlencoded::to_string(form).expect("pairs");
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    client.send("POST", &format!("/api/{version}/"), &kind, &form)
}

/// Its second half.
pub fn receive(client: &mut Client) -> Outcome {
    outcome(client.receive())
}

/// A session of KeyAuth's.
pub fn init(client: &mut Client, version: &str) -> Result<String, Outcome> {
    match keyauth(client, version, "init", &[("ver", "1.0")]) {
        Outcome::Done(reply) => Ok(text(&reply, "sessionid")),
        other => Err(other),
    }
}

/// A call of Authgate's.
pub fn authgate(client: &mut Client, call: &str, body: &Value) -> Outcome {
    let headers = [("x-api-key", API_KEY), ("x-api-secret", API_SECRET), ("content-type", "application/json")];
    outcome(client.call("POST", &format!("/api/integration{call}"), &headers, &body.to_string()))
}

/// A call of Authly's.
pub fn authly(client: &mut Client, call: &str, body: &Value) -> Outcome {
    let headers = [("content-type", "application/json")];
    outcome(client.call("POST", &format!("/api/v2{call}"), &headers, &body.to_string()))
}

/// A session of Authly's.
pub fn authly_init(client: &mut Client) -> Result<String, Outcome> {
    let body = json!({"owner_id": OWNERID, "app_name": APP, "secret": SECRET, "version": "1.0"});
    match authly(client, "/init", &body) {
        Outcome::Done(reply) => Ok(text(&reply, "session_id")),
        other => Err(other),
    }
}

/// A form of Wacht's.
pub fn wacht(client: &mut Client, call: &str, cookie: Option<&str>, pairs: &[(&str, &str)]) -> Outcome {
    let form = serde_urlencoded::to_string(pairs).expect("pairs");
    let cookie = cookie.map(|cookie| format!("__session={cookie}"));
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
    outcome(client.call("POST", &format!("/wacht/{ID}{call}"), &headers, &form))
}

/// The cookie that an answer of Wacht's sets.
pub fn cookie(reply: &Reply) -> String {
    let value = header(&reply.head, "set-cookie").and_then(|value| value.strip_prefix("__session="));
    value.and_then(|value| value.split(';').next()).unwrap_or_default().to_owned()
}

/// A text in an answer.
pub fn text(reply: &Reply, name: &str) -> String {
    reply.json[name].as_str().unwrap_or_default().to_owned()
}

/// Whether whoever holds this is still in.
pub fn is_in(client: &mut Client, ticket: &Ticket) -> bool {
    match ticket {
        Ticket::Session(id) => matches!(keyauth(client, "1.2", "check", &[("sessionid", id)]), Outcome::Done(_)),
        Ticket::Token(token) => {
            let bearer = format!("Bearer {token}");
            let headers = [("x-api-key", API_KEY), ("x-api-secret", API_SECRET), ("authorization", &*bearer)];
            let reply = client.call("GET", "/api/integration/app_context", &headers, "");
            reply.is_ok_and(|reply| reply.status == 200 && !reply.json["user"].is_null())
        }
        Ticket::Cookie(value) => {
            let cookie = format!("__session={value}");
            let reply = client.call("GET", &format!("/wacht/{ID}/session"), &[("cookie", &cookie)], "");
            reply.is_ok_and(|reply| {
                reply.json["data"]["signins"].as_array().is_some_and(|signed_in| !signed_in.is_empty())
            })
        }
    }
}
