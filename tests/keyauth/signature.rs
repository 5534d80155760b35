//! What signs an answer, situation by situation (contract 3.1, E.1 and the table in `src/wire/keyauth/README.md`).
//! Every answer that a [`Session`] gets is verified as well.

use crate::support::{Fixture, OWNERID, Seal, Server, Session};

fn server() -> Server {
    let db = Fixture::new();
    db.license("KEY-1");
    db.user("mia");
    db.serve(&[])
}

/// Calls with every kind of outcome on one session; [`Session::call`] verifies each.
fn use_it(session: &Session<'_>) {
    session.call("check", &[]);
    session.call("var", &[("varid", "none")]);
    session.call("checkblacklist", &[]);
    session.call("upgrade", &[("username", "mia"), ("key", "none")]);
    session.call("upgrade", &[("username", "none"), ("key", "KEY-1")]);
    session.call("register", &[("username", "mia"), ("pass", "x"), ("key", "KEY-1")]);
    session.call("login", &[("username", "mia"), ("pass", "wrong")]);
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    session.call("license", &[("key", &"x".repeat(71))]);
    assert!(session.call("check", &[]).success());
    session.call("nonsense", &[]);
}

#[test]
fn a_session_with_an_enckey_is_signed_by_enckey_and_secret() {
    let server = server();
    for enckey in ["k", "0f1e2d3c-4b5a-69", "0123456789abcdef0123456789abcdef", "a b+c/d=&%", "ü"] {
        let session = server.init_with("1.2", &[("enckey", enckey)]);
        assert_eq!(session.seal, Seal::session(enckey));
        use_it(&session);
    }
}

#[test]
fn a_session_without_an_enckey_gets_the_literal() {
    let server = server();
    let session = server.init_with("1.2", &[]);
    assert_eq!(session.seal, Seal::Literal);
    use_it(&session);
    assert!(session.call("logout", &[]).success());
    session.call("check", &[]);
}

#[test]
fn an_empty_enckey_counts_as_given() {
    let server = server();
    for enckey in ["", " ", "\n"] {
        let session = server.init_with("1.2", &[("enckey", enckey)]);
        assert_eq!(session.seal, Seal::session(""), "the key is -<secret>");
        session.call("check", &[]);
    }
}

#[test]
fn version_1_1_signs_nothing() {
    let server = server();
    let session = server.init_with("1.1", &[("enckey", "k")]);
    use_it(&session);
    server.call_by("1.1", "nonsense", &[]).assert_sealed(&Seal::None);
}

#[test]
fn init_is_signed_by_the_secret_whether_it_succeeds_or_not() {
    let server = server();
    for (setting, off, on) in
        [("enabled", "1", "0"), ("paused", "0", "1"), ("hashcheck", "0", "1"), ("banned", "0", "1")]
    {
        server.change(|db| db.setting(setting, on));
        let reply = server.call("init", &[("enckey", "k")]);
        assert!(!reply.success(), "{setting}");
        reply.assert_sealed(&Seal::secret());
        server.change(|db| db.setting(setting, off));
    }
    server.call("init", &[("enckey", "k"), ("ver", "9")]).assert_sealed(&Seal::secret());
    server.call("init", &[("enckey", &"x".repeat(37))]).assert_sealed(&Seal::secret());
    server.call("init", &[("ver", "9")]).assert_sealed(&Seal::Literal);
    server.call("init", &[("enckey", "k")]).assert_sealed(&Seal::secret());
}

#[test]
fn without_a_session_in_play_the_apps_secret_signs() {
    let server = server();
    server.call("nonsense", &[]).assert_sealed(&Seal::secret());
    server.call("check", &[("pass", "a\0b")]).assert_sealed(&Seal::secret());
    let session = server.init();
    session.call("nonsense", &[]);
    session.call("check", &[("pass", "a\0b")]);
    server.change(|db| db.setting("banned", "1"));
    server.call("nonsense", &[]).assert_sealed(&Seal::secret());
    let reply = session.call("check", &[]);
    assert_eq!(reply.error(), "APP_BANNED", "signed by the session's key where there is one");
}

#[test]
fn where_no_key_is_known_nothing_signs() {
    let server = server();
    for pairs in [
        &[("type", "init")][..],
        &[("type", "init"), ("ownerid", OWNERID)],
        &[("type", "init"), ("ownerid", "x"), ("name", "demo")],
        &[("type", "init"), ("ownerid", OWNERID), ("name", "none")],
    ] {
        server.post("1.2", pairs).assert_sealed(&Seal::None);
    }
    for id in ["", "x", "00000000000000000000000000000000"] {
        let reply = server.call("check", &[("sessionid", id)]);
        assert_eq!(reply.error(), "SESSION_NOT_FOUND");
        reply.assert_sealed(&Seal::None);
    }
    let upper = server.init().id.to_uppercase();
    assert_eq!(server.call("check", &[("sessionid", &upper)]).error(), "SESSION_NOT_FOUND", "ids are exact: {upper}");
}

#[test]
fn what_has_ended_is_signed_as_when_it_lived() {
    let server = server();
    let session = server.init();
    assert!(session.call("logout", &[]).success());
    assert_eq!(session.call("check", &[]).error(), "SESSION_NOT_FOUND");
    assert_eq!(session.call("login", &[("username", "mia"), ("pass", "secret")]).error(), "SESSION_NOT_FOUND");
    let session = server.init();
    server.change(|db| db.expire_session(&session.id));
    for call in ["check", "var", "login", "license", "logout"] {
        assert_eq!(session.call(call, &[]).error(), "SESSION_EXPIRED", "{call}");
    }
}

#[test]
fn a_session_is_the_same_in_all_versions() {
    let server = server();
    let session = server.init();
    let by_1_1 = Session { server: &server, version: "1.1", id: session.id.clone(), seal: Seal::None };
    assert!(by_1_1.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    assert!(session.call("check", &[]).success());
    let from_1_1 = server.init_with("1.1", &[("enckey", "k")]);
    let by_1_2 = Session { server: &server, version: "1.2", id: from_1_1.id.clone(), seal: Seal::Literal };
    assert_eq!(by_1_2.call("check", &[]).error(), "SESSION_NOT_VALIDATED");
}
