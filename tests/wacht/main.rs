//! Wacht's frontend API against the real server, one file per subject. The rules' numbers are in the tests' names.

#[path = "../support/mod.rs"]
mod support;

mod address;
mod bad_input;
mod browser;
mod envelope;
mod origins;
mod races;
mod renewed;
mod sessions;
mod sign_in;
mod sign_up;
mod table;

use std::cell::RefCell;

use serde_json::Value;

use support::{Fixture, Reply, Server};

/// A server whose app "demo" is the one that is meant where nothing names another.
fn demo(prepare: impl FnOnce(&Fixture)) -> Server {
    demo_with(&[], prepare)
}

/// The same with these flags.
fn demo_with(flags: &[&str], prepare: impl FnOnce(&Fixture)) -> Server {
    let db = Fixture::new();
    db.setting("wachtDefault", "1");
    prepare(&db);
    db.serve(flags)
}

/// A browser: it keeps its cookie.
struct Browser<'a> {
    server: &'a Server,
    cookie: RefCell<Option<String>>,
}

impl<'a> Browser<'a> {
    /// One that was never here.
    fn new(server: &'a Server) -> Browser<'a> {
        Browser { server, cookie: RefCell::new(None) }
    }

    /// One with this token.
    fn with(server: &'a Server, token: &str) -> Browser<'a> {
        Browser { server, cookie: RefCell::new(Some(token.to_owned())) }
    }

    /// Its token.
    fn token(&self) -> String {
        self.cookie.borrow().clone().expect("a cookie")
    }

    #[track_caller]
    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let cookie = self.cookie.borrow().as_ref().map(|token| format!("other=1; __session={token}"));
        let mut headers = headers.to_vec();
        headers.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
        let reply = self.server.ask(method, target, &headers, body);
        if let Some(set) = reply.header("set-cookie") {
            let token = set.strip_prefix("__session=").and_then(|rest| rest.split(';').next()).expect("its cookie");
            *self.cookie.borrow_mut() = Some(token.to_owned());
        }
        check_envelope(&reply);
        reply
    }

    #[track_caller]
    fn post(&self, target: &str, pairs: &[(&str, &str)]) -> Reply {
        let body = serde_urlencoded::to_string(pairs).expect("pairs");
        self.ask("POST", target, &[("content-type", "application/x-www-form-urlencoded")], body.as_bytes())
    }

    #[track_caller]
    fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, &[], b"")
    }

    #[track_caller]
    fn sign_up(&self, pairs: &[(&str, &str)]) -> Reply {
        self.post("/auth/signup", pairs)
    }

    /// Signs a user in by name and password; it must go through.
    #[track_caller]
    fn sign_in(&self, name: &str, password: &str) -> Value {
        let pairs = [("strategy", "plain_username"), ("username", name), ("password", password)];
        data(&self.post("/auth/signin", &pairs))
    }

    /// What `GET /session` shows.
    #[track_caller]
    fn session(&self) -> Value {
        data(&self.get("/session"))
    }

    /// The names of those who are signed in.
    #[track_caller]
    fn names(&self) -> Vec<String> {
        let session = self.session();
        let signed_in = session["signins"].as_array().expect("a list");
        signed_in.iter().map(|s| s["user"]["username"].as_str().expect("a name").to_owned()).collect()
    }
}

/// W20 to W22 and W28: what holds for every answer but the one for an unknown app.
#[track_caller]
fn check_envelope(reply: &Reply) {
    let json = reply.json();
    let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["data", "errors", "message", "session", "status"], "{reply:?}");
    assert_eq!(json["status"], reply.status, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"), "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
    assert!(!reply.head.contains("access-control-allow-origin: *"), "{reply:?}");
    check_stamped(&json["session"]);
    if reply.status == 200 {
        assert_eq!((&json["message"], &json["errors"]), (&Value::from(""), &Value::Null), "{reply:?}");
    } else {
        assert_eq!(json["data"], Value::Null, "{reply:?}");
        assert!(json["message"].as_str().is_some_and(|text| !text.is_empty()), "{reply:?}");
        for error in json["errors"].as_array().expect("a list") {
            let keys: Vec<&String> = error.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["code", "message"], "{reply:?}");
            assert!(error["code"].as_str().is_some_and(|code| !code.is_empty()), "{reply:?}");
        }
    }
}

/// W23 and W24: an object with an id and two times, and nothing else.
#[track_caller]
fn check_stamped(object: &Value) {
    let keys: Vec<&String> = object.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["created_at", "id", "updated_at"], "{object}");
    let id: i64 = object["id"].as_str().expect("a text").parse().expect("digits");
    assert!(id > 0, "{object}");
    assert_eq!(object["id"], id.to_string());
    for name in ["created_at", "updated_at"] {
        let text = object[name].as_str().expect("a text");
        let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").expect(text);
        assert!((time.and_utc().timestamp() - support::now().0).abs() < 40 * 86_400, "{object}");
    }
}

/// The `data` of a success.
#[track_caller]
fn data(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["data"].clone()
}

/// Status, message, and the codes of the errors.
#[track_caller]
fn check_refused(reply: &Reply, status: u16, message: &str, codes: &[&str]) {
    let json = reply.json();
    assert_eq!((reply.status, json["message"].as_str()), (status, Some(message)), "{reply:?}");
    let errors = json["errors"].as_array().expect("a list");
    let got: Vec<&str> = errors.iter().map(|error| error["code"].as_str().expect("a text")).collect();
    assert_eq!(got, codes, "{reply:?}");
}

/// The ids in a list of objects.
fn ids(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}
