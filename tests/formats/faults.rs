//! Every call to the engine fails once, whatever format is spoken: the client is told "unavailable" in its product's
//! shape, never that something is not there, nothing is half done, and the next try goes through. In process, so that
//! the faults can be placed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keystead::clock::Clock;
use keystead::domain::hashing::Hashing;
use keystead::domain::lists::Lists;
use keystead::domain::target::Targets;
use keystead::model::exchange::{HeaderValue, Method, Request};
use keystead::model::time::Time;
use keystead::outside::fetch::Fetcher;
use keystead::store::{self, Options, Store, verify};
use keystead::wire::limits::Limits;
use keystead::wire::{Answer, Ctx, FAMILIES};
use serde_json::{Value, json};

use crate::doors::{DEVICE, Door, is_success};
use crate::hostile::assert_shape;
use crate::support::{Fixture, OWNERID, Reply, SECRET, now};

/// The server without its sockets, on a copy of a database.
struct Inner {
    ctx: Arc<Ctx>,
    runtime: tokio::runtime::Runtime,
    now: Time,
    names: [String; 3],
}

impl Inner {
    fn open(path: &Path, names: &[String; 3], now: Time) -> Inner {
        let ctx = Arc::new(Ctx {
            store: Store::open(&Options::small(path)).expect("opens"),
            hashing: Hashing::start(1, 4).expect("starts"),
            guesses: Default::default(),
            own_shares: Default::default(),
            clock: Clock::test(now),
            vault: Arc::default(),
            server_key: Default::default(),
            fetcher: Fetcher::new(Targets::default(), Duration::from_secs(1)),
            limits: Limits::new(1 << 20, 1 << 20),
            mail: true,
            serves_1_0: true,
            lists: Lists::default(),
            public_url: "http://127.0.0.1".into(),
            ascii_only: true,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Inner { ctx, runtime, now, names: names.clone() }
    }

    /// One request to the door at this path of the family's table; `place` stands where it has `{}`.
    fn ask(&self, door: Door, method: Method, path: &str, place: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let family = FAMILIES.iter().find(|family| family.name == door.name()).expect("a family");
        let (_, entry) = family.paths.iter().find(|(known, _)| *known == path).unwrap_or_else(|| panic!("no {path}"));
        let given = |name: &&'static str| {
            let (_, value) = headers.iter().find(|(given, _)| given == name)?;
            Some((*name, Box::from(*value)))
        };
        let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let request = Request {
            id: 1,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            now: self.now,
            method,
            place: place.into(),
            headers: entry.headers.iter().filter_map(given).collect(),
            query: Bytes::new(),
            content_type: Some(kind.into()),
            body: Bytes::from(body.to_owned()),
            since_start: Duration::ZERO,
            limited: None,
        };
        let response = match (entry.answer)(&self.ctx, request) {
            Answer::Now(response) => response,
            Answer::Later(future) => self.runtime.block_on(future),
        };
        let lines = response.headers.iter().map(|(name, value)| match value {
            HeaderValue::Fixed(text) => format!("\r\n{name}: {text}"),
            HeaderValue::Made(text) => format!("\r\n{name}: {text}"),
        });
        Reply { head: lines.collect(), status: response.status, body: response.body.to_vec() }
    }

    fn authgate(&self, method: Method, call: &str, place: &str, bearer: Option<&str>, body: &Value) -> Reply {
        let bearer = bearer.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("x-api-key", self.names[1].as_str()), ("x-api-secret", &self.names[2])];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let body = if method == Method::Post { body.to_string() } else { String::new() };
        self.ask(Door::Authgate, method, &format!("/api/integration{call}"), place, &headers, &body)
    }

    fn authly(&self, call: &str, body: &Value) -> Reply {
        self.ask(Door::Authly, Method::Post, &format!("/api/v2{call}"), "", &[], &body.to_string())
    }

    fn wacht(&self, method: Method, call: &str, cookie: &str, pairs: &[(&str, &str)]) -> Reply {
        let body = serde_urlencoded::to_string(pairs).expect("pairs");
        let cookie = format!("__session={cookie}");
        let headers = if cookie.ends_with('=') { vec![] } else { vec![("cookie", cookie.as_str())] };
        self.ask(Door::Wacht, method, &format!("/wacht/{{}}{call}"), &self.names[0], &headers, &body)
    }
}

/// A customer's way through one format. `step` tries each call, and once more what was refused as unavailable.
type Story = fn(&Inner, &mut dyn FnMut(&'static str, &dyn Fn() -> Reply) -> Reply);

fn authgate(server: &Inner, step: &mut dyn FnMut(&'static str, &dyn Fn() -> Reply) -> Reply) {
    let post = |call: &'static str, body: Value| move || server.authgate(Method::Post, call, "", None, &body);
    let leo = json!({"username": "leo", "password": "secret", "hardware_id": DEVICE});
    step("sign up", &post("/sign_up", leo));
    step("activate", &post("/activate_license", json!({"username": "leo", "password": "secret", "code": "KEY-1"})));
    let login = |credentials: Value| json!({"credentials": credentials, "hardware_id": DEVICE});
    let by_name = login(json!({"username": "leo", "password": "secret"}));
    let token =
        step("login", &post("/auth/login", by_name)).json()["session_token"].as_str().expect("a token").to_owned();
    step("context", &|| server.authgate(Method::Get, "/app_context", "", Some(&token), &Value::Null));
    step("sign up by code", &post("/sign_up_with_license_code", json!({"code": "KEY-2", "hardware_id": DEVICE})));
    step("login by code", &post("/auth/login", login(json!({"code": "KEY-2"}))));
}

fn authly(server: &Inner, step: &mut dyn FnMut(&'static str, &dyn Fn() -> Reply) -> Reply) {
    let init = json!({"owner_id": OWNERID, "app_name": "demo", "secret": SECRET, "version": "1.0"});
    let session = |reply: Reply| reply.json()["session_id"].as_str().expect("a session").to_owned();
    let opened = session(step("init", &|| server.authly("/init", &init)));
    let on = |call: &'static str, session: &str, mut body: Value| {
        body["session_id"] = session.into();
        move || server.authly(call, &body)
    };
    let leo = json!({"username": "leo", "password": "secret", "key": "KEY-1", "sid": DEVICE});
    let mine = session(step("register", &on("/register", &opened, leo)));
    step("extend", &on("/extend", &opened, json!({"username": "leo", "license_key": "KEY-3", "sid": DEVICE})));
    step("variable", &on("/variables", &mine, json!({"var_key": "motd"})));
    step("chat", &on("/chats/send", &mine, json!({"channel_name": "lobby", "message": "hello"})));
    step("chats", &on("/chats/get", &mine, json!({"channel_name": "lobby"})));
    step("log", &on("/logs", &mine, json!({"message": "hello"})));
    step("validate", &on("/validate-session", &mine, json!({})));
    step("licenses", &on("/licenses", &opened, json!({"license_key": "KEY-2", "sid": DEVICE})));
    step("licenses, again", &on("/licenses", &opened, json!({"license_key": "KEY-2", "sid": DEVICE})));
    step("login", &on("/login", &opened, json!({"username": "leo", "password": "secret", "sid": DEVICE})));
}

fn wacht(server: &Inner, step: &mut dyn FnMut(&'static str, &dyn Fn() -> Reply) -> Reply) {
    let leo = [("email", "leo@example.com"), ("username", "leo"), ("password", "a good password")];
    let made = step("sign up", &|| server.wacht(Method::Post, "/auth/signup", "", &leo));
    let cookie = crate::doors::cookie(&made).expect("a cookie");
    step("session", &|| server.wacht(Method::Get, "/session", &cookie, &[]));
    step("sign out", &|| server.wacht(Method::Post, "/session/sign-out", &cookie, &[]));
    let who = [("strategy", "plain_email"), ("email", "leo@example.com"), ("password", "a good password")];
    step("sign in", &|| server.wacht(Method::Post, "/auth/signin", &cookie, &who));
}

/// Runs the story once for each call to the engine that it makes, and lets that one fail.
fn whichever_fails(door: Door, story: Story, steps: &[&str], users: i64, used: i64) {
    let db = Fixture::new();
    for key in ["KEY-1", "KEY-2", "KEY-3"] {
        db.license(key);
    }
    db.variable("motd", "hello", false);
    db.channel("lobby", 0);
    let names = ["uuid", "api_key", "api_secret"].map(|column| {
        db.sql_text(&format!("SELECT n.{column} FROM app_names n JOIN apps a ON a.id = n.app_id WHERE a.name = 'demo'"))
    });
    let template = db.folder().join("template.db");
    db.sql(&format!("VACUUM INTO '{}'", template.display()));
    let start = now();
    let mut failed = BTreeMap::new();
    for n in 1.. {
        let path = db.folder().join(format!("run-{n}.db"));
        std::fs::copy(&template, &path).expect("copies");
        let server = Inner::open(&path, &names, start);
        server.ctx.store.faults().fail_nth(n);
        story(&server, &mut |name, call| {
            let reply = call();
            if is_success(&reply) {
                return reply;
            }
            assert_eq!(reply.status, 503, "{name}, call {n}: {reply:?}");
            assert_shape(door, name, &reply);
            *failed.entry(name).or_insert(0) += 1;
            let again = call();
            assert!(is_success(&again), "{name}, second try after call {n}: {again:?}");
            again
        });
        let hit = server.ctx.store.faults().hits() > 0;
        server.ctx.store.faults().clear();
        let problems = server.ctx.store.read(|tx| -> Result<_, store::Error> { verify::problems(tx) });
        assert_eq!(problems.wait().expect("reads"), Vec::<String>::new());
        drop(server);
        let left = rusqlite::Connection::open(&path).expect("opens");
        let count = |sql: &str| left.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("SQL");
        let found = (count("SELECT count(*) FROM users"), count("SELECT count(*) FROM licenses WHERE used_at > 0"));
        assert_eq!(found, (users, used), "whatever failed on the way: call {n}");
        assert!(count("SELECT count(*) FROM chat_messages") <= 1);
        std::fs::remove_file(&path).expect("removes");
        if !hit {
            break;
        }
    }
    for step in steps {
        assert!(failed.contains_key(step), "no fault ever fell into {step}: {failed:?}");
    }
}

#[test]
fn whichever_engine_call_fails_authgate_says_unavailable() {
    let steps = ["sign up", "activate", "login", "sign up by code", "login by code"];
    whichever_fails(Door::Authgate, authgate, &steps, 2, 2);
}

#[test]
fn whichever_engine_call_fails_authly_says_unavailable() {
    let steps =
        ["init", "register", "extend", "variable", "chat", "chats", "log", "licenses", "licenses, again", "login"];
    whichever_fails(Door::Authly, authly, &steps, 2, 3);
}

#[test]
fn whichever_engine_call_fails_wacht_says_unavailable() {
    whichever_fails(Door::Wacht, wacht, &["sign up", "session", "sign out", "sign in"], 1, 0);
}
