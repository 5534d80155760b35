//! Version 1.3: every answer is signed over its time and its body, and says `code` and `ownerid` (contract 3.2, rules 6
//! and 7). Single answers are in `tests/vectors`; here is what holds for all of them.

use keystead::domain::server_key;
use keystead::domain::vault::Vault;
use serde_json::Value;

use crate::support::{Fixture, OWNERID, PUBLIC_KEY, Reply, Seal, Server, Session, now, post_bytes};

const FORM: &str = "application/x-www-form-urlencoded";

fn server() -> Server {
    let db = Fixture::new();
    db.license("KEY-1");
    db.user("mia");
    db.variable("open", "1", false);
    db.serve(&["--body-limit", "1KiB"])
}

/// That an answer is signed and has what clients end their program without; gives it back.
#[track_caller]
fn proper(reply: Reply, ownerid: &str) -> Reply {
    reply.assert_sealed(&Seal::Server);
    assert!(reply.body.is_ascii(), "{reply:?}");
    let Value::Object(fields) = reply.json() else { panic!("{reply:?}") };
    let success = fields["success"].as_bool().unwrap();
    assert_eq!(fields["code"], if success { 68 } else { 0 }, "{reply:?}");
    assert!(reply.text().starts_with(&format!(r#"{{"success":{success},"code":"#)), "{reply:?}");
    let last = format!(r#","ownerid":{}}}"#, serde_json::to_string(ownerid).unwrap());
    assert!(reply.text().ends_with(&last), "{reply:?}");
    assert_ne!(fields["message"], "", "{reply:?}");
    reply
}

#[test]
fn every_answer_on_a_session_is_signed_and_says_code_and_ownerid() {
    let server = server();
    let session = server.init_with("1.3", &[("ver", "1.0"), ("enckey", "k")]);
    let call = |name: &str, pairs: &[(&str, &str)]| proper(session.call(name, pairs), OWNERID);
    assert_eq!(call("check", &[]).error(), "SESSION_NOT_VALIDATED");
    assert_eq!(call("login", &[("username", "mia"), ("pass", "wrong")]).error(), "INVALID_PASSWORD");
    assert!(call("license", &[("key", "KEY-1"), ("hwid", "PC-1")]).success());
    assert!(call("check", &[]).success());
    assert!(call("var", &[("varid", "open")]).success());
    assert_eq!(call("checkblacklist", &[]).error(), "NOT_BANNED");
    assert_eq!(call("checkBlack", &[]).error(), "NOT_BANNED", "as PHP spells it");
    assert_eq!(call("var", &[("varid", "a\0b")]).error(), "INVALID_REQUEST");
    assert_eq!(call("nonsense", &[]).error(), "UNKNOWN_TYPE");
    assert!(call("logout", &[]).success());
    assert_eq!(call("check", &[]).error(), "SESSION_NOT_FOUND", "also when it is over");
    assert_eq!(call("logout", &[("sessionid", "none")]).error(), "SESSION_NOT_FOUND", "also when it never was");
}

#[test]
fn an_enckey_is_nothing_to_it() {
    let server = server();
    server.change(|db| db.setting("forceEncryption", "1"));
    let long = "x".repeat(200);
    assert_eq!(
        proper(server.call_by("1.3", "init", &[("enckey", &long)]), OWNERID).error(),
        "",
        "1.3 has none, so it cannot be too long"
    );
    assert!(proper(server.call_by("1.3", "init", &[]), OWNERID).success(), "nor can one be demanded");
}

#[test]
fn what_is_refused_before_the_app_is_found_is_signed_too() {
    let server = server();
    for (pairs, code, ownerid) in [
        (&[][..], "OWNERID_MISSING", ""),
        (&[("ownerid", "0")], "OWNERID_MISSING", "0"),
        (&[("ownerid", OWNERID)], "APP_NAME_MISSING", OWNERID),
        (&[("ownerid", " x "), ("name", "demo")], "OWNERID_LENGTH", "x"),
        (&[("ownerid", "\"ü/\u{1}"), ("name", "demo")], "OWNERID_LENGTH", "\"ü/\u{1}"),
    ] {
        let reply = server.post("1.3", pairs);
        reply.assert_sealed(&Seal::Server);
        assert_eq!(reply.error(), code);
        assert_eq!(reply.json()["ownerid"], ownerid, "as it was sent, without the blanks around it");
        assert_eq!(reply.json()["code"], 0);
    }
    let nothing = server.post("1.3", &[("ownerid", OWNERID), ("name", "none"), ("type", "init")]);
    nothing.assert_sealed(&Seal::Server);
    assert_eq!(nothing.text(), "KeyAuth_Invalid", "the bare text, signed: else no client shows it");
}

#[test]
fn what_is_no_request_is_signed_too_even_if_it_is_the_first_of_all() {
    let server = server();
    let large = server.raw(&post_bytes("/api/1.3/", FORM, &[b'x'; 2_000]));
    assert_eq!(large.status, 413);
    assert_eq!(proper(large, "").error(), "BODY_TOO_LARGE");
    let broken = post_bytes("/api/1.3/", "multipart/form-data; boundary=b", b"--b\r\nbroken");
    assert_eq!(proper(server.raw(&broken), "").error(), "OWNERID_MISSING");
    let query = format!("/api/1.3/?type=init&name=demo&ownerid={OWNERID}");
    for method in ["PUT", "DELETE", "PATCH", "QUERY"] {
        let reply = server.raw(format!("{method} {query} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        assert!(proper(reply, OWNERID).success(), "{method} is answered like GET");
    }
    let head = server.raw(format!("HEAD {query} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    for name in ["x-signature-timestamp", "x-signature-ed25519"] {
        assert!(head.header(name).is_some(), "as GET, but for the body: {head:?}");
    }
}

#[test]
fn the_rate_limit_is_signed_with_or_without_an_app() {
    let server = Fixture::new().serve(&["--rate-limit", "1/h burst 1"]);
    let session = server.init_with("1.3", &[]);
    assert_eq!(proper(session.call("check", &[]), OWNERID).error(), "RATE_LIMITED");
    let init = proper(server.call_by("1.3", "init", &[]), OWNERID);
    assert_eq!((init.status, init.error().as_str()), (200, "RATE_LIMITED"));
    assert!(init.header("retry-after").is_some(), "{init:?}");
    let nobody = server.post("1.3", &[("ownerid", OWNERID), ("name", "none")]);
    assert_eq!(proper(nobody, OWNERID).error(), "RATE_LIMITED");
}

#[test]
fn the_ownerid_is_the_one_that_counted() {
    let server = server();
    let target = "/api/1.3/?type=init&name=demo&ownerid=0000000000";
    let reply = server.raw(&post_bytes(target, FORM, format!("ownerid={OWNERID}").as_bytes()));
    assert!(proper(reply, OWNERID).success(), "the body's");
    let padded = format!("type=init&name=demo&ownerid=+{OWNERID}%0A");
    assert!(proper(server.raw(&post_bytes("/api/1.3/", FORM, padded.as_bytes())), OWNERID).success());
}

#[test]
fn non_ascii_is_signed_as_it_is_sent() {
    for (ascii_only, spelled) in [("true", r"gr\u00fc\u00df dich"), ("false", "grüß dich")] {
        let db = Fixture::new();
        db.variable("open", "grüß dich", false);
        let server = db.serve(&["--ascii-only", ascii_only]);
        let id = server.post("1.3", &[("type", "init"), ("name", "demo"), ("ownerid", OWNERID)]).json();
        let id = id["sessionid"].as_str().unwrap();
        let pairs = [("type", "var"), ("name", "demo"), ("ownerid", OWNERID), ("sessionid", id), ("varid", "open")];
        let reply = server.post("1.3", &pairs);
        reply.assert_sealed(&Seal::Server);
        assert!(reply.text().contains(spelled), "{reply:?}");
    }
}

#[test]
fn the_time_is_that_of_sending() {
    let db = Fixture::new();
    let server = db.serve(&["--busy-timeout", "60s"]);
    let other = rusqlite::Connection::open(server.db.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.call_by("1.3", "init", &[]));
        // Until the request has been on its way for a whole second of the clock at least.
        let began = now();
        while now() - began < 2 {
            std::thread::yield_now();
        }
        let freed = now();
        other.execute_batch("COMMIT").unwrap();
        let reply = proper(waiting.join().expect("answered"), OWNERID);
        let made: i64 = reply.header("x-signature-timestamp").unwrap().parse().unwrap();
        assert!(made >= freed.0, "signed when it was asked, not when it was answered: {made} < {}", freed.0);
    });
}

#[test]
fn a_new_key_signs_as_soon_as_another_process_has_made_it() {
    let server = server();
    let session = server.init_with("1.3", &[]);
    session.call("check", &[]);
    let public = server.change(|db| {
        db.write(|tx| {
            server_key::rotate(tx, &Vault::default(), &mut rand::rng(), now()).unwrap().public_key().to_owned()
        })
    });
    assert_ne!(public, PUBLIC_KEY);
    for _ in 0..3 {
        let pairs = [("type", "check"), ("name", "demo"), ("ownerid", OWNERID), ("sessionid", session.id.as_str())];
        let reply = server.post("1.3", &pairs);
        reply.assert_signed_by(&public);
        assert_eq!(reply.error(), "SESSION_NOT_VALIDATED", "sessions live on");
    }
    let large = server.raw(&post_bytes("/api/1.3/", FORM, &[b'x'; 2_000]));
    large.assert_signed_by(&public);
}

#[test]
fn a_session_of_1_3_is_one_of_the_others() {
    let server = server();
    let by_1_3 = server.init_with("1.3", &[]);
    assert!(by_1_3.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    let by_1_2 = Session { server: &server, version: "1.2", id: by_1_3.id.clone(), seal: Seal::Literal };
    assert!(by_1_2.call("check", &[]).success(), "without an enckey: 1.3 has none");
    let by_1_1 = Session { server: &server, version: "1.1", id: by_1_3.id.clone(), seal: Seal::None };
    assert_eq!(by_1_1.call("logout", &[]).error(), "UNKNOWN_TYPE", "1.1 still has no logout");
    assert!(by_1_2.call("logout", &[]).success());
    assert_eq!(by_1_3.call("check", &[]).error(), "SESSION_NOT_FOUND");
}
