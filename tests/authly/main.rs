//! Authly's format against the real binary: each test is named by the rules of the contract that it shows. Speaks no other
//! format, but where a rule is about two of them.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod calls;
mod errors;
mod init;
mod login;
mod race;
mod register;
mod session;
mod signed;

use serde_json::{Value, json};
use support::{Fixture, OWNERID, Reply, SECRET, Server};

/// A client of the app "demo".
struct Client<'a> {
    server: &'a Server,
    session: String,
}

/// What `init` is sent.
fn hello() -> Value {
    json!({"owner_id": OWNERID, "app_name": "demo", "secret": SECRET, "version": "1.0"})
}

/// The same body with other fields; `null` takes one away.
fn with(mut body: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().expect("an object") {
        match value {
            Value::Null => body.as_object_mut().expect("an object").remove(name),
            value => body.as_object_mut().expect("an object").insert(name.clone(), value.clone()),
        };
    }
    body
}

/// Posts this at a path of version 2.
#[track_caller]
fn post(server: &Server, path: &str, body: &Value) -> Reply {
    let reply = server.post_json(&format!("/api/v2/{path}"), &[], body);
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"), "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{reply:?}");
    reply
}

/// That it is a success with this message.
#[track_caller]
fn granted(reply: &Reply, message: &str) -> Value {
    let body = reply.json();
    assert_eq!((reply.status, &body["success"], &body["message"]), (200, &json!(true), &json!(message)), "{reply:?}");
    body
}

/// That it is a refusal with this status, this code and this message, and nothing else.
#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str, message: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.json(), json!({"success": false, "code": code, "message": message}), "{reply:?}");
}

/// That it is a refusal with this status and this code, in the usual shape.
#[track_caller]
fn refused_as(reply: &Reply, status: u16, code: &str) -> String {
    let message = reply.json()["message"].as_str().expect("a message").to_owned();
    assert!(!message.is_empty() && !message.contains(['<', '>', '&', '\'', '=']), "{reply:?}");
    refused(reply, status, code, &message);
    message
}

impl<'a> Client<'a> {
    /// One with a session.
    #[track_caller]
    fn open(server: &'a Server) -> Client<'a> {
        let body = granted(&post(server, "init", &hello()), "Init success");
        Client { server, session: body["session_id"].as_str().expect("a session").to_owned() }
    }

    /// A call on its session.
    #[track_caller]
    fn call(&self, path: &str, body: &Value) -> Reply {
        post(self.server, path, &with(json!({"session_id": self.session}), body))
    }

    /// Whether somebody is logged in on a session: only such a one reads "secret".
    fn is_in(&self, session: &str) -> bool {
        let reply = post(self.server, "variables", &json!({"session_id": session, "var_key": "secret"}));
        match reply.status {
            200 => true,
            _ => {
                refused_as(&reply, 403, "USERNAME_NOT_LINKED");
                false
            }
        }
    }
}

/// A registration of "alice7" with the license "KEY-1".
fn alice() -> Value {
    json!({"username": "alice7", "password": "s3cret-pw", "key": "KEY-1"})
}

/// A login as "mia", whom [`shop`] has.
fn mia() -> Value {
    json!({"username": "mia", "password": "secret", "sid": "machine-1"})
}

/// An app with a license, a user, a variable for users who are logged in, and a chat channel.
fn shop() -> Fixture {
    let db = Fixture::new();
    db.license("KEY-1");
    db.user("mia");
    db.variable("secret", "for users", true);
    db.channel("lobby", 0);
    db
}

/// Everything that a call could have written, as one text. Sessions that nobody is logged in on do not count: `init` of
/// other tests makes them.
fn written(db: &Fixture) -> String {
    db.sql_text(
        "SELECT (SELECT group_concat(name || login || coalesce(email, '') || banned || last_login_at, ' ') FROM users) \
         || '|' || (SELECT group_concat(key || coalesce(used_by, '-') || coalesce(used_at, '-'), ' ') FROM licenses) \
         || '|' || (SELECT count(*) || total(expires_at) FROM subscriptions) \
         || '|' || (SELECT count(*) FROM devices) || '|' || (SELECT count(*) FROM sessions WHERE user_id IS NOT NULL) \
         || '|' || (SELECT group_concat(name || value, ' ') FROM variables) \
         || '|' || (SELECT count(*) FROM chat_messages) || '|' || (SELECT count(*) FROM logs)",
    )
}
