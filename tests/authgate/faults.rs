//! Every call to the engine fails once: whichever it is, the client is told so in this format's shape, nothing is half
//! done, and the next try goes through. In process, so that the faults can be placed.

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
use keystead::model::exchange::{Method, Request};
use keystead::outside::fetch::Fetcher;
use keystead::store::{Options, Store, verify};
use keystead::wire::authgate::{BASE, FAMILY};
use keystead::wire::limits::Limits;
use keystead::wire::{Answer, Ctx};
use serde_json::{Value, json};

use crate::client::written;
use crate::support::{Fixture, now};

struct Server {
    ctx: Arc<Ctx>,
    runtime: tokio::runtime::Runtime,
    headers: Vec<(&'static str, Box<str>)>,
}

impl Server {
    fn open(path: &Path, headers: &[(&'static str, &str)]) -> Server {
        let ctx = Arc::new(Ctx {
            store: Store::open(&Options::small(path)).unwrap(),
            hashing: Hashing::start(1, 4).unwrap(),
            guesses: Default::default(),
            own_shares: Default::default(),
            clock: Clock::test(now()),
            vault: Arc::default(),
            server_key: Default::default(),
            fetcher: Fetcher::new(Targets::default(), Duration::from_secs(1)),
            limits: Limits::new(1 << 20, 1 << 20),
            mail: false,
            serves_1_0: false,
            lists: Lists::default(),
            public_url: String::new(),
            ascii_only: true,
        });
        let headers = headers.iter().map(|(name, value)| (*name, Box::from(*value))).collect();
        Server { ctx, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(), headers }
    }

    /// Status and body.
    fn ask(&self, path: &str, place: &str, token: Option<&str>, body: Option<&Value>) -> (u16, Value) {
        let bearer = token.map(|token| ("authorization", format!("Bearer {token}").into()));
        let request = Request {
            id: 1,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            now: now(),
            method: if body.is_some() { Method::Post } else { Method::Get },
            place: place.into(),
            headers: self.headers.iter().cloned().chain(bearer).collect(),
            query: Bytes::new(),
            content_type: None,
            body: body.map(|body| body.to_string().into()).unwrap_or_default(),
            since_start: Duration::ZERO,
            limited: None,
        };
        let path = format!("{BASE}{path}");
        let door = FAMILY.paths.iter().find(|(known, _)| *known == path).expect("a path").1;
        let response = match (door.answer)(&self.ctx, request) {
            Answer::Now(response) => response,
            Answer::Later(future) => self.runtime.block_on(future),
        };
        (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
    }
}

/// What the client does; a step that fails with 503 is tried again, once. Answers the steps that had to be.
fn story(server: &Server) -> Vec<&'static str> {
    let mut again = Vec::new();
    let mut step = |name, path: &str, token: Option<&str>, body: Option<Value>| -> Value {
        let ask = || server.ask(path, "123456", token, body.as_ref());
        let (status, answer) = ask();
        if status == 200 {
            return answer;
        }
        let detail = "The server cannot reach its database now. Try again in a moment.";
        assert_eq!((status, &answer), (503, &json!({"detail": detail})), "{name}");
        again.push(name);
        let (status, second) = ask();
        assert_eq!(status, 200, "{name}, second try: {second}");
        second
    };
    let mia = json!({"username": "mia", "password": "secret", "hardware_id": "one"});
    step("sign_up", "/sign_up", None, Some(mia));
    let code = json!({"code": "KEY-1", "hardware_id": "two"});
    step("by license", "/sign_up_with_license_code", None, Some(code));
    let more = json!({"code": "KEY-2", "username": "mia", "password": "secret"});
    step("activate_license", "/activate_license", None, Some(more));
    let credentials = json!({"credentials": {"username": "mia", "password": "secret"}, "hardware_id": "one"});
    step("login", "/auth/login", None, Some(credentials));
    let credentials = json!({"credentials": {"code": "KEY-1"}, "hardware_id": "two"});
    let token = step("login, code", "/auth/login", None, Some(credentials))["session_token"].clone();
    step("app_context", "/app_context", token.as_str(), None);
    step("download", "/files/{}/download", token.as_str(), None);
    again
}

#[test]
fn whichever_engine_call_fails_nothing_is_half_done() {
    let mut failed = BTreeMap::new();
    for n in 1.. {
        let db = Fixture::new();
        db.license("KEY-1");
        db.license("KEY-2");
        db.kept_file("123456", b"x", true);
        let app = db.app();
        let headers = [("x-api-key", &*app.api_key), ("x-api-secret", app.api_secret.as_str())];
        let server = Server::open(&db.path(), &headers);
        server.ctx.store.faults().fail_nth(n);
        for name in story(&server) {
            *failed.entry(name).or_insert(0) += 1;
        }
        let hit = server.ctx.store.faults().hits() > 0;
        server.ctx.store.faults().clear();
        drop(server);
        assert_eq!(written(&db), [2, 2, 2, 2, 2], "fault {n}");
        assert_eq!(db.write(|tx| verify::problems(tx).unwrap()), Vec::<String>::new(), "fault {n}");
        if !hit {
            break;
        }
    }
    for step in ["sign_up", "by license", "activate_license", "login", "login, code", "app_context", "download"] {
        assert!(failed.contains_key(step), "no fault ever fell into {step}: {failed:?}");
    }
}
