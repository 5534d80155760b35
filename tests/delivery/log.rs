//! What clients log: kept in the database, posted to where the app wants to read it, forgotten in time.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use keystead::domain::outbox::{self, Post};
use keystead::domain::secret::token_hash;
use keystead::domain::vault::Vault;
use keystead::model::log::LogLine;
use keystead::store::{apps, logs, one_time_secrets};
use serde_json::{Value, json};

use super::support::web::{Answered, Asked, Web, answer};
use super::support::{Fixture, OWNERID, Server, now, until};

const OPENED: &[&str] = &["--allow-target", "127.0.0.0/8"];

/// A database whose app "demo" posts to this path of a web server.
fn db(web: &Web, path: &str) -> Fixture {
    let db = Fixture::new();
    db.setting("webhook", &web.url(path));
    db
}

#[track_caller]
fn log(server: &Server, message: &str) {
    let reply = server.init().call("log", &[("message", message), ("pcuser", "Mia's PC")]);
    assert_eq!(reply.message(), "Successfully logged", "{reply:?}");
}

fn waiting(db: &Fixture) -> i64 {
    db.count("SELECT count(*) FROM outbox")
}

fn lines(db: &Fixture) -> Vec<LogLine> {
    let app = db.app().id;
    db.write(move |tx| logs::newest(tx, app, None, 1_000_000).unwrap())
}

fn titles(asked: &[Asked]) -> Vec<String> {
    let title = |asked: &Asked| {
        let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
        body["embeds"][0]["title"].as_str().expect("a title").to_owned()
    };
    asked.iter().map(title).collect()
}

#[test]
fn a_line_is_kept_and_posted() {
    let web = Web::start(|_| answer(204, &[], b""));
    let db = db(&web, "/hook/secret-path");
    db.user("mia");
    let server = db.serve(OPENED);
    let session = server.init();
    assert!(session.call("login", &[("username", "Mia"), ("pass", "secret")]).success());
    let long = format!("{}ü", "x".repeat(31));
    assert!(session.call("log", &[("message", "ünd ` \"so\""), ("pcuser", &long)]).success());
    until("it is posted", || web.asked().len() == 1);
    until("what was sent is deleted", || waiting(&server.db) == 0);
    let kept = lines(&server.db);
    let [line] = &kept[..] else { panic!("one line: {kept:?}") };
    assert_eq!((line.message.as_str(), line.credential.as_deref()), ("ünd ` \"so\"", Some("Mia")));
    assert_eq!(line.pc_user.as_deref(), Some(&long[..31]), "cut between characters");
    assert_eq!(line.ip, "127.0.0.1");
    let asked = web.asked().remove(0);
    assert_eq!(asked.line(), "POST /hook/secret-path");
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(
        serde_json::from_slice::<Value>(&asked.body).expect("JSON"),
        json!({ "embeds": [{
            "title": "📜 Log: ünd ` \"so\"",
            "color": 65505,
            "fields": [
                { "name": "🔐 Credential:", "value": "```Mia```", "inline": false },
                { "name": "💻 PC Name:", "value": format!("```{}```", &long[..31]), "inline": true },
                { "name": "🌎 Client IP:", "value": "```127.0.0.1```", "inline": true },
            ],
        }]})
    );
}

#[test]
fn without_a_webhook_or_a_right_line_nothing_is_posted() {
    let server = Fixture::new().serve(OPENED);
    log(&server, "kept");
    let session = server.init();
    session.call("log", &[]).assert_refused("LOG_MESSAGE_MISSING", "No log message provided");
    let long = "x".repeat(276);
    let refused = session.call("log", &[("message", &long)]);
    refused.assert_refused("LOG_MESSAGE_TOO_LONG", "Log message must be 275 characters or less");
    assert_eq!(lines(&server.db).iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["kept"]);
    assert_eq!(waiting(&server.db), 0);
}

#[test]
fn posts_wait_for_their_target_and_for_a_killed_server() {
    let status = Arc::new(Mutex::new(500));
    let told = Arc::clone(&status);
    let web = Web::start(move |_| answer(*told.lock().unwrap(), &[], b"no"));
    let mut server = db(&web, "/hook").serve(OPENED);
    log(&server, "one");
    until("it is tried", || server.db.count("SELECT max(tries) FROM outbox") >= 1);
    server.kill();
    *status.lock().unwrap() = 204;
    server.start_again(OPENED);
    log(&server, "two");
    server.db.sql("UPDATE outbox SET due_at = 0");
    until("all is sent", || waiting(&server.db) == 0);
    let mut sent = titles(&web.asked());
    assert!(sent.len() >= 3, "one of them was a try in vain: {sent:?}");
    sent.sort();
    sent.dedup();
    assert_eq!(sent, ["📜 Log: one", "📜 Log: two"]);
}

#[test]
fn a_target_that_asks_for_patience_is_left_alone() {
    let web = Web::start(|asked| {
        // The first one only.
        let first = String::from_utf8_lossy(&asked.body).contains("one");
        if first { answer(429, &[("retry-after", "1800.5")], b"") } else { answer(204, &[], b"") }
    });
    let db = db(&web, "/hook");
    let app = db.app().id.0;
    // Another post of the app, due a little later.
    let later = now().0 + 600;
    let row =
        format!("INSERT INTO outbox (app_id, kind, payload, created_at, due_at) VALUES ({app}, 'post', 'open:', 1, ");
    db.sql(&format!("{row}{later})"));
    let server = db.serve(OPENED);
    log(&server, "one");
    until("it is tried", || server.db.count("SELECT max(tries) FROM outbox") >= 1);
    let earliest = server.db.count("SELECT min(due_at) FROM outbox");
    assert!(earliest >= later + 600, "also for what else goes there: {earliest}, not {later}");
}

/// Nothing is put off for longer than an hour, but by a clock that was ahead and has been put right.
#[test]
fn what_is_due_in_ten_years_is_due_now() {
    let web = Web::start(|_| answer(204, &[], b""));
    let db = Fixture::new();
    let app = db.app().id;
    let post = Post { url: web.url("/"), content_type: "text/plain".to_owned(), body: String::new() };
    db.write(move |tx| {
        outbox::queue(tx, &Vault::default(), &mut rand::rng(), Some(app), &post, now() + 315_569_260).unwrap();
    });
    let _server = db.serve(OPENED);
    until("it is posted", || web.asked().len() == 1);
}

#[test]
fn a_slow_target_does_not_hold_up_another_app() {
    let slow = Web::start(|_| Answered::ThenSilence(Vec::new()));
    let quick = Web::start(|_| answer(204, &[], b""));
    let db = Fixture::new();
    let demo = db.app().id;
    let post = |web: &Web| Post { url: web.url("/"), content_type: "text/plain".to_owned(), body: String::new() };
    let (to_slow, to_quick) = (post(&slow), post(&quick));
    db.write(move |tx| {
        let other = apps::find(tx, OWNERID, "other").unwrap().unwrap().id;
        let (vault, rng) = (Vault::default(), &mut rand::rng());
        for _ in 0..40 {
            outbox::queue(tx, &vault, rng, Some(demo), &to_slow, now() + -1).unwrap();
        }
        outbox::queue(tx, &vault, rng, Some(other), &to_quick, now()).unwrap();
    });
    let server = db.serve(&[OPENED, &["--fetch-timeout", "9s"]].concat());
    until("the other app's post arrives", || quick.asked().len() == 1);
    assert_eq!(server.db.count("SELECT max(tries) FROM outbox"), 0, "before the slow target was given up");
    assert!(slow.asked().len() <= 1, "one of an app's at a time");
}

#[test]
fn an_app_with_a_thousand_waiting_queues_no_more() {
    let web = Web::start(|_| answer(204, &[], b""));
    let db = db(&web, "/hook");
    let (app, later) = (db.app().id.0, now().0 + 3_600);
    db.sql(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 999) \
         INSERT INTO outbox (app_id, kind, payload, created_at, due_at) SELECT {app}, 'post', '', 1, {later} FROM n"
    ));
    let server = db.serve(OPENED);
    log(&server, "the last one");
    until("it is posted", || web.asked().len() == 1);
    until("it is deleted", || waiting(&server.db) == 999);
    server.db.sql(&format!(
        "INSERT INTO outbox (app_id, kind, payload, created_at, due_at) VALUES ({app}, 'post', '', 1, {later})"
    ));
    log(&server, "one too many");
    assert_eq!((waiting(&server.db), lines(&server.db).len()), (1_000, 2), "the line is kept all the same");
    assert_eq!(web.asked().len(), 1);
}

#[test]
fn what_can_never_arrive_is_given_up_and_no_url_told() {
    let web = Web::start(|_| answer(404, &[], b"unknown webhook"));
    for flags in [OPENED, &[]] {
        let server = db(&web, "/hook/secret-path").serve(flags);
        log(&server, "in vain");
        until("it is given up", || waiting(&server.db) == 0);
        assert_eq!(lines(&server.db).len(), 1);
        let (_, told) = server.stop();
        assert!(told.iter().any(|line| line.contains("gave up sending")), "{told:?}");
        assert!(told.iter().all(|line| !line.contains("secret-path") && !line.contains("in vain")), "{told:?}");
    }
    assert_eq!(web.asked().len(), 1, "a private address is not asked unless it is allowed");
}

#[test]
fn what_is_being_sent_is_finished_when_the_server_stops() {
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let web = Web::start(move |_| {
        let _ = released.lock().unwrap().recv();
        answer(204, &[], b"")
    });
    let mut server = db(&web, "/hook").serve(&[OPENED, &["--fetch-timeout", "9s", "--drain-timeout", "60s"]].concat());
    log(&server, "the last words");
    until("it is on its way", || web.asked().len() == 1);
    let address = server.address;
    let releasing = thread::spawn(move || {
        until("the server stops", || std::net::TcpStream::connect(address).is_err());
        // A server that would not wait would be gone by now, or later: nothing to be seen says when.
        thread::sleep(Duration::from_millis(300));
        release.send(()).unwrap();
    });
    assert!(server.terminate().success());
    releasing.join().unwrap();
    assert_eq!(waiting(&server.db), 0, "noted as sent");
}

#[test]
fn old_lines_too_many_lines_and_expired_secrets_go() {
    let db = Fixture::new();
    let mia = db.user("mia");
    let app = db.app().id;
    db.write(move |tx| {
        let kind = one_time_secrets::Kind::Login;
        one_time_secrets::replace(tx, mia, kind, &token_hash("old"), now(), now() + -1).unwrap();
        let kind = one_time_secrets::Kind::Reset;
        one_time_secrets::replace(tx, mia, kind, &token_hash("new"), now(), now() + 600).unwrap();
        for n in 0..1_200 {
            let age = if n < 600 { 7_200 } else { 60 };
            let line = LogLine {
                logged_at: now() + -age,
                message: n.to_string(),
                credential: None,
                pc_user: None,
                ip: "203.0.113.9".to_owned(),
            };
            logs::insert(tx, app, &line).unwrap();
        }
    });
    let other = db.write(|tx| apps::find(tx, OWNERID, "other").unwrap().unwrap().id);
    db.sql(&format!("INSERT INTO logs (app_id, logged_at, message, ip) VALUES ({}, {}, 'x', 'y')", other.0, now().0));
    let server = db.serve(&["--log-retention", "1h", "--log-limit", "5"]);
    until("what is too much is deleted", || server.db.count("SELECT count(*) FROM logs") == 6);
    let left: Vec<_> = lines(&server.db).into_iter().map(|line| line.message).collect();
    assert_eq!(left, ["1199", "1198", "1197", "1196", "1195"], "the newest are left");
    until("the expired secret is deleted", || server.db.count("SELECT count(*) FROM one_time_secrets") == 1);
    assert_eq!(server.db.count("SELECT count(*) FROM one_time_secrets WHERE kind = 'reset'"), 1);
}
