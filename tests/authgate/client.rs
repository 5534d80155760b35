//! A client of Authgate's format for the tests: knows its headers, and checks what all answers have in common. What the
//! right answer is, the tests say.

use serde_json::{Value, json};

use crate::support::{Fixture, Reply, Server};

/// The application "demo", as its clients name it.
pub struct Client<'a> {
    /// Its server.
    pub server: &'a Server,
    key: String,
    secret: String,
}

impl<'a> Client<'a> {
    /// A client of "demo".
    pub fn new(server: &'a Server) -> Client<'a> {
        let app = server.db.app();
        Client { server, key: app.api_key.to_string(), secret: app.api_secret.clone() }
    }

    /// A client of the application "other".
    pub fn of_other(server: &'a Server) -> Client<'a> {
        let of = "FROM app_names n JOIN apps a ON a.id = n.app_id WHERE a.name = 'other'";
        let text = |column: &str| server.db.sql_text(&format!("SELECT {column} {of}"));
        Client { server, key: text("api_key"), secret: text("api_secret") }
    }

    /// The two headers that every call has.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        vec![("x-api-key", &self.key), ("x-api-secret", &self.secret)]
    }

    /// A request with these headers more.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Reply {
        let headers = [&self.headers()[..], more].concat();
        let reply = self.server.ask(method, &format!("/api/integration{path}"), &headers, body);
        assert_usual(&reply);
        reply
    }

    /// Posts a body.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Asks for something with these headers more.
    #[track_caller]
    pub fn get(&self, path: &str, more: &[(&str, &str)]) -> Reply {
        self.ask("GET", path, more, b"")
    }

    /// The same as the user of a session token.
    #[track_caller]
    pub fn get_as(&self, token: &str, path: &str) -> Reply {
        self.get(path, &[("authorization", &format!("Bearer {token}"))])
    }

    /// Signs up by name and password, from the device "hw-01".
    #[track_caller]
    pub fn sign_up(&self, username: &str, password: &str) -> Reply {
        self.post("/sign_up", &json!({"username": username, "password": password, "hardware_id": "hw-01"}))
    }

    /// Signs up by a license, from the device "hw-01".
    #[track_caller]
    pub fn sign_up_by(&self, code: &str) -> Reply {
        self.post("/sign_up_with_license_code", &json!({"code": code, "hardware_id": "hw-01"}))
    }

    /// Logs in with these credentials from this device.
    #[track_caller]
    pub fn login(&self, credentials: &Value, hwid: &str) -> Reply {
        self.post("/auth/login", &json!({"credentials": credentials, "hardware_id": hwid}))
    }

    /// The session token of a login that must succeed.
    #[track_caller]
    pub fn token(&self, credentials: &Value, hwid: &str) -> String {
        let reply = self.login(credentials, hwid);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json().as_object().map(serde_json::Map::len), Some(1), "{reply:?}");
        reply.json()["session_token"].as_str().expect("a token").to_owned()
    }
}

/// The credentials of the fixture's users.
pub fn password_of(name: &str) -> Value {
    json!({"username": name, "password": "secret"})
}

/// A user made here has no device limit to run into unless a test wants one.
pub fn without_devices(db: &Fixture) {
    db.setting("hwidcheck", "0");
}

/// What every answer of this format has in common.
#[track_caller]
pub fn assert_usual(reply: &Reply) {
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
    let is_file = reply.header("content-type") == Some("application/octet-stream");
    if reply.status == 200 && is_file {
        return;
    }
    assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
    if reply.status != 200 && !reply.body.is_empty() {
        let json = reply.json();
        let only = json.as_object().expect("an object");
        assert!(only.len() == 1 && only["detail"].is_string(), "{reply:?}");
    }
}

/// That it is an error with this status and this text, in exactly these bytes.
#[track_caller]
pub fn assert_denied(reply: &Reply, status: u16, detail: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.text(), json!({"detail": detail}).to_string(), "{reply:?}");
    assert_usual(reply);
}

/// How much there is of what a call could have written: users, used licenses, sessions, devices, subscriptions.
pub fn written(db: &Fixture) -> [i64; 5] {
    [
        "SELECT count(*) FROM users",
        "SELECT count(*) FROM licenses WHERE used_at IS NOT NULL",
        "SELECT count(*) FROM sessions WHERE kind = 'token'",
        "SELECT count(*) FROM devices",
        "SELECT count(*) FROM subscriptions",
    ]
    .map(|sql| db.count(sql))
}
