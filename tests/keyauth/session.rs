//! Calls on a session that need no password, and what ends a session (contract 4.11, 4.12, 4.19, 4.21).

use crate::support::Fixture;

const NOT_FOUND: &str =
    "Session not found. If you get this frequently, ask the developer to use the latest example code";

#[test]
fn var_hands_out_open_variables_and_others_after_a_login() {
    let db = Fixture::new();
    db.user("mia");
    db.variable("open", "for all", false);
    db.variable("closed", &"v".repeat(1000), true);
    let server = db.serve(&[]);
    let session = server.init();
    let text = session.call("var", &[("varid", "open")]).text();
    assert!(text.starts_with(r#"{"success":true,"message":"for all","nonce":""#), "{text}");
    session.call("var", &[("varid", "closed")]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    for pairs in [&[("varid", "none")][..], &[("varid", "Open")], &[("varid", "")], &[]] {
        session.call("var", pairs).assert_refused("VARIABLE_NOT_FOUND", "Variable not found.");
    }
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    assert_eq!(session.call("var", &[("varid", "closed")]).message().len(), 1000);
    assert_eq!(session.call("var", &[("var", "open")]).message(), "for all");
    assert_eq!(session.call("var", &[("var", "open"), ("varid", "closed")]).message().len(), 1000, "varid counts");
    server.db.variable("open", "changed", false);
    // Another process has written: what is in memory is dropped in a moment (ARCHITECTURE.md promises 100 ms).
    crate::support::until("the variable has changed", || {
        session.call("var", &[("varid", "open")]).message() == "changed"
    });
}

#[test]
fn a_variable_of_another_app_is_not_found() {
    let server = Fixture::new().serve(&[]);
    server.db.sql("INSERT INTO variables (app_id, name, value, authenticated) SELECT id, 'motd', 'x', 0 FROM apps WHERE name = 'other'");
    assert_eq!(server.init().call("var", &[("varid", "motd")]).error(), "VARIABLE_NOT_FOUND");
}

#[test]
fn checkblacklist_succeeds_for_the_banned_only() {
    let db = Fixture::new();
    db.ban_hwid("PC-1");
    db.ban_network("203.0.113.7");
    db.ban_network("198.51.100.0/24");
    db.ban_network("2001:db8::/32");
    let server = db.serve(&["--trusted-proxy", "127.0.0.1"]);
    let session = server.init();
    let ask = |hwid: &str, address: &str| {
        let query = format!("type=checkblacklist&hwid={hwid}&name=demo&ownerid=AbCdEfGh12&sessionid={}", session.id);
        let head = format!("GET /api/1.2/?{query} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {address}\r\n\r\n");
        let reply = server.raw(head.as_bytes());
        reply.assert_sealed(&session.seal);
        if reply.success() {
            assert_eq!(reply.message(), "Client is blacklisted");
        } else {
            reply.assert_refused("NOT_BANNED", "Client is not blacklisted");
        }
        reply.success()
    };
    for (hwid, address, banned) in [
        ("PC-1", "192.0.2.1", true),
        ("pc-1", "192.0.2.1", false),
        ("", "192.0.2.1", false),
        ("", "203.0.113.7", true),
        ("PC-2", "203.0.113.7", true),
        ("", "203.0.113.8", false),
        ("", "198.51.100.0", true),
        ("", "198.51.100.255", true),
        ("", "198.51.101.0", false),
        ("", "::ffff:198.51.100.9", true),
        ("", "2001:db8:ffff::1", true),
        ("", "2001:db7:ffff::1", false),
    ] {
        assert_eq!(ask(hwid, address), banned, "{hwid} {address}");
    }
}

#[test]
fn check_tells_whether_somebody_is_logged_in() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    session.call("check", &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    let text = session.call("check", &[]).text();
    let start = r#"{"success":true,"message":"Session is validated.","nonce":""#;
    assert!(text.starts_with(start) && text.len() == start.len() + 32 + 2, "{text}");
    let again = session.call("check", &[]).text();
    assert_ne!(text, again, "a nonce is made for each answer");
}

#[test]
fn logout_ends_the_session_for_good() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&[]);
    let (session, other) = (server.init(), server.init());
    for one in [&session, &other] {
        assert!(one.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    }
    let text = session.call("logout", &[]).text();
    assert!(text.starts_with(r#"{"success":true,"message":"Successfully logged out.","nonce":""#), "{text}");
    for call in ["check", "logout", "var", "login", "license", "upgrade", "register", "checkblacklist"] {
        session.call(call, &[("username", "mia"), ("pass", "secret")]).assert_refused("SESSION_NOT_FOUND", NOT_FOUND);
    }
    assert!(other.is_validated(), "only this one");
    let stored = server.db.session_now(&session.id).expect("the row stays for a day");
    assert!(stored.ended_at.is_some());
}

#[test]
fn sessions_end_at_their_time_whatever_is_done_on_them() {
    let db = Fixture::new();
    db.setting("session", "600");
    db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    let ends = server.db.session_now(&session.id).unwrap().expires_at;
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    assert!(session.is_validated());
    assert_eq!(server.db.session_now(&session.id).unwrap().expires_at, ends, "it does not slide");
    server.change(|db| db.expire_session(&session.id));
    session.call("check", &[]).assert_refused("SESSION_EXPIRED", NOT_FOUND);
    session.call("login", &[("username", "mia"), ("pass", "secret")]).assert_refused("SESSION_EXPIRED", NOT_FOUND);
}

#[test]
fn a_session_of_another_app_is_no_session() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    let reply = server
        .post("1.2", &[("type", "check"), ("name", "other"), ("ownerid", "AbCdEfGh12"), ("sessionid", &session.id)]);
    reply.assert_refused("SESSION_NOT_FOUND", NOT_FOUND);
    session.call("check", &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
}

#[test]
fn two_clients_behind_one_address_do_not_disturb_each_other() {
    let db = Fixture::new();
    db.user("mia");
    db.user("tom");
    let server = db.serve(&[]);
    let mias = server.init_with("1.2", &[("enckey", "mias-key")]);
    assert!(mias.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    let toms = server.init_with("1.2", &[("enckey", "toms-key")]);
    assert!(mias.is_validated(), "a second init resets nobody");
    assert!(!toms.is_validated());
    assert!(toms.call("login", &[("username", "tom"), ("pass", "secret")]).success());
    assert!(mias.is_validated() && toms.is_validated());
    assert!(toms.call("logout", &[]).success());
    assert!(mias.is_validated());
    let whose = |id: &str| server.db.session_now(id).unwrap().user.map(|user| user.credential.to_string());
    assert_eq!(whose(&mias.id).as_deref(), Some("mia"));
}

#[test]
fn a_login_as_somebody_else_takes_the_session_over() {
    let db = Fixture::new();
    db.user("mia");
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    assert!(session.call("license", &[("key", "KEY-1")]).success());
    let user = server.db.session_now(&session.id).unwrap().user.unwrap();
    assert_eq!(&*user.credential, "KEY-1");
}
