//! `webhook`: what the other side is asked, what the client gets, and where nobody is asked.

use super::support::web::{Answered, Web, answer, nobody, silent, was_asked};
use super::support::{Fixture, Server, Session};

const FAILED: (&str, &str) = ("WEBHOOK_FAILED", "Webhook request failed, please notify the application developer.");

/// A server with the relay "hook" that leads to this URL, and may ask this machine.
fn server(url: &str, flags: &[&str]) -> Server {
    let db = Fixture::new();
    db.relay("hook", url, false);
    db.serve(&[&["--allow-target", "127.0.0.1"], flags].concat())
}

fn ask(session: &Session<'_>, pairs: &[(&str, &str)]) -> super::support::Reply {
    session.call("webhook", &[&[("webid", "hook")], pairs].concat())
}

#[track_caller]
fn assert_failed(session: &Session<'_>, pairs: &[(&str, &str)]) {
    ask(session, pairs).assert_refused(FAILED.0, FAILED.1);
}

#[test]
fn what_is_asked_in_every_version() {
    let web = Web::start(|asked| answer(200, &[], format!("{}|{}", asked.line(), asked.body.len()).as_bytes()));
    let server = server(&web.url("/hook?key=SECRET"), &[]);
    for version in ["1.1", "1.2", "1.3"] {
        let session = server.init_with(version, &[("enckey", "k")][..usize::from(version == "1.2")]);
        let reply = ask(&session, &[("params", "&a=b%20c+d&e=%2526"), ("body", ""), ("conttype", "")]);
        let json = reply.json();
        assert_eq!((reply.success(), reply.message().as_str()), (true, "Webhook request successful"), "{reply:?}");
        assert_eq!(json["response"], "GET /hook?key=SECRET&a=b%20c%20d&e=%26|0");
        let asked = web.asked().pop().unwrap();
        assert_eq!((asked.header("user-agent"), asked.header("content-type")), (Some("KeyAuth"), None));
        let reply = ask(&session, &[("body", " {\"a\": 1}\n"), ("conttype", "application/json")]);
        assert_eq!(reply.json()["response"], "POST /hook?key=SECRET|10");
        let asked = web.asked().pop().unwrap();
        assert_eq!((asked.header("content-type"), &asked.body[..]), (Some("application/json"), &b" {\"a\": 1}\n"[..]));
    }
    let (_, log) = server.stop();
    assert!(!log.join("\n").contains("SECRET"), "{log:?}");
}

#[test]
fn the_relays_own_user_agent() {
    let web = Web::start(|_| answer(200, &[], b"ok"));
    let server = server(&web.url("/"), &[]);
    server.change(|db| db.sql("UPDATE relays SET user_agent = 'Demo/1 (x)'"));
    assert!(ask(&server.init(), &[]).success());
    assert_eq!(web.asked()[0].header("user-agent"), Some("Demo/1 (x)"));
}

#[test]
fn whatever_comes_back_is_a_success_and_valid_json() {
    let web = Web::start(|asked| match asked.line() {
        "GET /404" => answer(404, &[], b"no \"such\" thing"),
        "GET /500" => answer(500, &[], b"oh"),
        "GET /empty" => answer(204, &[], b""),
        "GET /binary" => answer(200, &[], b"a\xff\xfe\0\xc3\xbc"),
        "GET /to/elsewhere" => answer(302, &[("location", "/404")], b""),
        line => panic!("{line}"),
    });
    let server = server(&web.url("/"), &[]);
    let session = server.init();
    for (params, want) in [
        ("404", "no \"such\" thing"),
        ("500", "oh"),
        ("empty", ""),
        ("binary", "a\u{fffd}\u{fffd}\0ü"),
        ("to/elsewhere", "no \"such\" thing"),
    ] {
        let reply = ask(&session, &[("params", params)]);
        assert!(reply.success(), "{reply:?}");
        assert_eq!(reply.json()["response"], want, "{params}");
    }
}

#[test]
fn only_who_logged_in_uses_one_that_wants_that() {
    let web = Web::start(|_| answer(200, &[], b"ok"));
    let db = Fixture::new();
    db.relay("hook", &web.url("/"), true);
    db.user("mia");
    let server = db.serve(&["--allow-target", "127.0.0.1"]);
    let session = server.init();
    ask(&session, &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    assert!(web.asked().is_empty());
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    assert_eq!(ask(&session, &[]).json()["response"], "ok");
}

#[test]
fn nobody_private_is_asked() {
    let web = Web::start(|_| answer(200, &[], b"inside"));
    let port = web.address.port();
    let db = Fixture::new();
    let hosts =
        ["127.0.0.1", "localhost", "a.localhost", "2130706433", "0x7f.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]"];
    let more = ["10.1.2.3", "169.254.169.254", "192.168.0.1", "[fd00::1]", "[::ffff:a01:203]"];
    for (i, host) in hosts.iter().chain(&more).enumerate() {
        db.relay(&format!("r{i}"), &format!("http://{host}:{port}/"), false);
    }
    let server = db.serve(&[]);
    let session = server.init();
    for i in 0..hosts.len() + more.len() {
        session.call("webhook", &[("webid", &format!("r{i}"))]).assert_refused(FAILED.0, FAILED.1);
    }
    assert!(web.asked().is_empty(), "{:?}", web.asked());
    let (_, log) = server.stop();
    assert!(log.iter().any(|line| line.contains("--allow-target 10.1.2.3/32")), "the operator is told: {log:?}");
}

#[test]
fn a_name_is_judged_by_what_it_resolves_to() {
    // The name passes, because another of this machine's addresses is allowed; the one it resolves to is not.
    let (listener, address) = silent();
    let db = Fixture::new();
    db.relay("hook", &format!("http://localhost:{}/", address.port()), false);
    let server = db.serve(&["--allow-target", "::1,127.9.9.9"]);
    assert_failed(&server.init(), &[]);
    assert!(!was_asked(&listener));
}

#[test]
fn params_and_redirects_lead_nowhere_else() {
    let (listener, elsewhere) = silent();
    let web = Web::start(move |asked| match asked.line() {
        "GET /away" => answer(302, &[("location", &format!("http://{elsewhere}/"))], b""),
        "GET /metadata" => answer(302, &[("location", "http://169.254.169.254/latest")], b""),
        line => answer(200, &[], line.as_bytes()),
    });
    let server = server(&format!("http://{}", web.address), &["--allow-target", "127.0.0.0/8"]);
    let session = server.init();
    let port = elsewhere.port();
    for params in [
        ".evil.test/".to_owned(),
        "@evil.test/".to_owned(),
        format!("@127.0.0.1:{port}/"),
        format!("%40127.0.0.1:{port}/"),
        format!("%2540127.0.0.1:{port}/"),
        format!(":x@127.0.0.1:{port}/"),
        "0/".to_owned(),
        ":81/".to_owned(),
        "/away".to_owned(),
        "/metadata".to_owned(),
        format!("/{}", "x".repeat(4096)),
    ] {
        assert_failed(&session, &[("params", &params)]);
    }
    assert!(!was_asked(&listener));
    assert_eq!(ask(&session, &[("params", "\\@evil.test")]).json()["response"], "GET /@evil.test", "a path after all");
    assert_eq!(ask(&session, &[("params", "/x")]).json()["response"], "GET /x");
}

#[test]
fn headers_cannot_be_smuggled() {
    let web = Web::start(|_| answer(200, &[], b"ok"));
    let server = server(&web.url("/"), &[]);
    let session = server.init();
    assert_failed(&session, &[("body", "x"), ("conttype", "text/plain\r\nx-injected: 1")]);
    assert!(web.asked().is_empty());
}

#[test]
fn slow_broken_and_endless_answers_are_failures() {
    let web = Web::start(|asked| match asked.line() {
        "GET /exact" => answer(200, &[], &[b'x'; 1024]),
        "GET /longer" => answer(200, &[], &[b'x'; 1025]),
        "GET /half" => Answered::ThenSilence(b"HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nhalf".to_vec()),
        _ => Answered::With(b"no HTTP\r\n\r\n".to_vec()),
    });
    let server = server(&web.url("/"), &["--relay-limit", "1KiB", "--fetch-timeout", "300ms"]);
    server.change(|db| db.relay("gone", &format!("http://{}/", nobody()), false));
    let session = server.init();
    assert_failed(&session, &[("params", "longer")]);
    assert_failed(&session, &[("params", "half")]);
    assert_failed(&session, &[("params", "broken")]);
    session.call("webhook", &[("webid", "gone")]).assert_refused(FAILED.0, FAILED.1);
    // A full kibibyte may take a while on a slow machine, but it comes.
    assert!((0..100).any(|_| ask(&session, &[("params", "exact")]).success()));
}

#[test]
fn what_was_not_there_is_there_at_once() {
    let web = Web::start(|_| answer(200, &[], b"ok"));
    let server = Fixture::new().serve(&["--allow-target", "127.0.0.1"]);
    let session = server.init();
    ask(&session, &[]).assert_refused("WEBHOOK_NOT_FOUND", "Webhook Not Found.");
    server.change(|db| db.relay("hook", &web.url("/"), false));
    assert!(ask(&session, &[]).success());
}
