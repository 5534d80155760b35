//! What KeyAuth's clients see of what the core has for all formats: licenses that pause and end, several devices, ids of
//! another length, hashes of another kind, formats that are switched off.

use keystead::domain::license as rules;
use keystead::domain::user::set_limits;
use keystead::model::ids::SessionId;
use keystead::model::session::{Session as Stored, SessionKind, SessionUser};
use keystead::model::time::{Span, Time};
use keystead::store::{apps, licenses, sessions};

use crate::support::{Fixture, Reply, Server, Session, now};

fn register(session: &Session<'_>, name: &str, key: &str) -> Reply {
    session.call("register", &[("username", name), ("pass", "secret"), ("key", key)])
}

fn license(session: &Session<'_>, key: &str) -> Reply {
    session.call("license", &[("key", key)])
}

fn upgrade(session: &Session<'_>, name: &str, key: &str) -> Reply {
    session.call("upgrade", &[("username", name), ("key", key)])
}

/// Pauses or resumes a license as the operator does.
fn pause(server: &Server, key: &'static str, paused: bool) {
    server.change(|db| {
        let app = db.app().clone();
        db.write(move |tx| {
            let found = licenses::by_key(tx, app.id, key).unwrap().expect("a license");
            assert!(rules::set_paused(tx, &app, &found, paused).unwrap(), "it was not so before");
        });
    });
}

/// The end of what a user holds of the plan that it holds first.
fn end(server: &Server, name: &str) -> Time {
    let user = server.db.user_now(name).expect("a user").id;
    server.db.held_by(user)[0].expires_at.expect("an end")
}

#[test]
fn a_paused_license_does_nothing_until_it_is_resumed() {
    let db = Fixture::new();
    db.user("ann");
    db.license_with("KEY-1", |license| license.paused = true);
    let server = db.serve(&[]);
    let session = server.init();
    for refused in [register(&session, "mia", "KEY-1"), license(&session, "KEY-1"), upgrade(&session, "ann", "KEY-1")] {
        refused.assert_refused("LICENSE_PAUSED", "Your license is paused.");
    }
    assert_eq!((server.db.users(), server.db.license_now("KEY-1").used_at), (1, None), "nothing was written");
    pause(&server, "KEY-1", false);
    assert!(register(&session, "mia", "KEY-1").success());
}

#[test]
fn pausing_a_used_license_keeps_out_only_who_comes_in_by_it() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license("KEY-2");
    let server = db.serve(&[]);
    let (by_license, by_name) = (server.init(), server.init());
    assert!(license(&by_license, "KEY-1").success());
    assert!(register(&by_name, "mia", "KEY-2").success());
    pause(&server, "KEY-1", true);
    pause(&server, "KEY-2", true);

    assert!(!by_license.is_validated(), "it is logged out");
    license(&by_license, "KEY-1").assert_refused("LICENSE_PAUSED", "Your license is paused.");
    let login = by_license.call("login", &[("username", "KEY-1"), ("pass", "KEY-1")]);
    login.assert_refused("LICENSE_PAUSED", "Your license is paused.");
    assert!(by_name.is_validated(), "what mia got from it stays with her");
    assert!(server.init().call("login", &[("username", "mia"), ("pass", "secret")]).success());
    // Who asks for a used license is told that first, as with any other.
    register(&by_name, "ann", "KEY-2").assert_refused("LICENSE_IN_USE", "Key Already Used.");

    pause(&server, "KEY-1", false);
    assert!(license(&by_license, "KEY-1").success());
}

#[test]
fn a_license_is_no_good_from_its_end_on() {
    let db = Fixture::new();
    db.user("ann");
    db.license_with("OVER", |license| license.expires_at = Some(now()));
    // Banned counts before its end.
    db.license_with("BANNED", |license| (license.expires_at, license.banned) = (Some(now()), true));
    let server = db.serve(&[]);
    let session = server.init();
    for refused in [register(&session, "mia", "OVER"), license(&session, "OVER"), upgrade(&session, "ann", "OVER")] {
        refused.assert_refused("LICENSE_EXPIRED", "Your license has expired.");
    }
    assert_eq!(license(&session, "BANNED").error(), "LICENSE_BANNED");
    assert_eq!((server.db.users(), server.db.license_now("OVER").used_at), (1, None), "nothing was written");
}

#[test]
fn what_a_license_gives_ends_with_it() {
    let db = Fixture::new();
    let until = now() + 3_600;
    for (key, duration) in [("LONG", Span::Seconds(86_400)), ("LIFETIME", Span::Lifetime), ("UPGRADE", Span::Lifetime)]
    {
        db.license_with(key, |license| (license.duration, license.expires_at) = (duration, Some(until)));
    }
    db.license_with("SHORT", |license| (license.duration, license.expires_at) = (Span::Seconds(60), Some(until)));
    db.bare_user("bob", keystead::model::user::Credential::Locked, |_| {});
    let server = db.serve(&[]);
    let session = server.init();
    assert!(register(&session, "mia", "LONG").success());
    assert!(license(&session, "LIFETIME").success());
    assert!(upgrade(&session, "bob", "UPGRADE").success());
    for name in ["mia", "LIFETIME", "bob"] {
        assert_eq!(end(&server, name), until, "{name}");
    }
    assert!(register(&session, "leo", "SHORT").success());
    assert!(end(&server, "leo") < until, "its own duration is over before");
}

#[test]
fn a_user_may_have_several_devices() {
    let db = Fixture::new();
    db.setting("deviceLimit", "2");
    let (mia, ann) = (db.user("mia"), db.user("ann"));
    let server = db.serve(&[]);
    let session = server.init();
    let login =
        |name: &str, hwid: &str| session.call("login", &[("username", name), ("pass", "secret"), ("hwid", hwid)]);
    for hwid in ["one", "two", "one"] {
        let reply = login("mia", hwid);
        assert_eq!(reply.json()["info"]["hwid"], hwid, "{reply:?}");
    }
    assert_eq!(login("mia", "three").error(), "HWID_MISMATCH");
    assert_eq!(login("mia", "").error(), "HWID_MISMATCH", "leaving it out opens nothing");
    assert_eq!(server.db.devices_of(mia), ["one", "two"]);

    // One user may have more than the others, or fewer; what is bound already stays.
    server.change(|db| {
        db.write(move |tx| {
            set_limits(tx, mia, Some(3), None).unwrap();
            set_limits(tx, ann, Some(1), None).unwrap();
        });
    });
    assert!(login("mia", "three").success() && login("ann", "one").success());
    assert_eq!(
        (login("mia", "four").error(), login("ann", "two").error()),
        ("HWID_MISMATCH".into(), "HWID_MISMATCH".into())
    );
    server.change(|db| db.setting("hwidcheck", "0"));
    assert!(login("ann", "any").success());
    assert_eq!(server.db.devices_of(ann), ["one"], "nobody is held to devices, so none is bound");
}

/// A session as another format opens it, on which mia is logged in.
fn other_session(db: &Fixture, id: SessionId, kind: SessionKind) {
    let app = db.app().id;
    let user = db.user_now("mia").expect("a user").id;
    db.write(move |tx| {
        let session = Stored {
            id,
            app,
            sign_key: None,
            ip: "127.0.0.1".to_owned(),
            created_at: now(),
            expires_at: now() + 600,
            ended_at: None,
            user: Some(SessionUser { id: user, credential: "mia@example.com".into() }),
            kind,
            hwid: None,
        };
        sessions::insert(tx, session).unwrap();
    });
}

#[test]
fn a_program_of_another_format_may_go_on_here_with_its_longer_id() {
    let db = Fixture::new();
    db.user("mia");
    let long = SessionId::long_from_random([7, 7]);
    other_session(&db, long, SessionKind::Init);
    let server = db.serve(&[]);
    let check = |id: &str| server.call("check", &[("sessionid", id)]);
    assert!(check(&long.to_string()).success());
    let unknown = SessionId::long_from_random([7, 8]).to_string();
    for id in [unknown.as_str(), &long.to_string()[..32], &long.to_string()[1..], &format!("{long}0")] {
        assert_eq!(check(id).error(), "SESSION_NOT_FOUND", "{id}");
    }
    assert!(server.call("logout", &[("sessionid", &long.to_string())]).success());
    assert_eq!(check(&long.to_string()).error(), "SESSION_NOT_FOUND");
}

#[test]
fn tokens_and_browsers_of_other_formats_are_no_sessions_here() {
    let db = Fixture::new();
    db.user("mia");
    for (n, kind) in [(1, SessionKind::Token), (2, SessionKind::SignIn)] {
        other_session(&db, SessionId::from_random(n), kind);
        other_session(&db, SessionId::long_from_random([n, n]), kind);
    }
    let server = db.serve(&[]);
    for n in [1, 2] {
        for id in [SessionId::from_random(n), SessionId::long_from_random([n, n])] {
            let id = id.to_string();
            for call in ["check", "var", "logout", "setvar", "ban"] {
                let pairs = [("sessionid", id.as_str()), ("varid", "x"), ("var", "x"), ("data", "x")];
                assert_eq!(server.call(call, &pairs).error(), "SESSION_NOT_FOUND", "{call}");
            }
        }
    }
    assert!(!server.db.user_now("mia").expect("a user").banned);
}

#[test]
fn who_is_signed_in_on_a_browser_only_is_not_online() {
    let db = Fixture::new();
    db.user("mia");
    other_session(&db, SessionId::from_random(2), SessionKind::SignIn);
    let server = db.serve(&[]);
    let session = server.init();
    assert_eq!(session.call("fetchOnline", &[]).error(), "NOBODY_ONLINE");
    assert_eq!(session.call("fetchStats", &[]).json()["appinfo"]["numOnlineUsers"], "0");
    let app = server.db.app().id;
    assert_eq!(server.db.write(move |tx| apps::counts(tx, app, now()).unwrap()).online, 0);
    // A token stands for a program, if only for minutes.
    server.change(|db| other_session(db, SessionId::from_random(1), SessionKind::Token));
    assert!(session.call("fetchOnline", &[]).success());
}

#[test]
fn no_hash_is_learned_beside_hashes_of_the_other_kind() {
    let db = Fixture::new();
    db.setting("hashcheck", "1");
    db.setting("hashSha256", &"ab".repeat(32));
    let server = db.serve(&[]);
    let hash = "0123456789abcdef0123456789abcdef";
    for hash in [hash, &"ab".repeat(32), &"ab".repeat(16)] {
        assert_eq!(server.call("init", &[("hash", hash)]).error(), "INVALID_HASH", "{hash}");
    }
    assert_eq!(server.db.stored_setting("hash"), None, "nothing was learned");
    server.change(|db| db.setting("hash", ""));
    assert_eq!(server.call("init", &[("hash", hash)]).error(), "INVALID_HASH", "emptied is not learned either");
    server.change(|db| db.setting("hash", hash));
    assert!(server.call("init", &[("hash", hash)]).success(), "each kind has its own list");
    server.change(|db| {
        db.setting("hash", "");
        db.setting("hashSha256", "");
    });
    assert!(server.call("init", &[("hash", hash)]).success(), "the first one seen, as ever");
    assert_eq!(server.db.stored_setting("hash").as_deref(), Some(hash));
}

#[test]
fn an_app_may_answer_in_other_formats_only() {
    const WORDS: &str = "This API is switched off for this application. Ask the developer for the current program.";
    let db = Fixture::new();
    db.user("mia");
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    server.change(|db| db.setting("keyauth", "0"));
    for (call, pairs) in [
        ("check", &[][..]),
        ("login", &[("username", "mia"), ("pass", "secret")]),
        ("register", &[("username", "leo"), ("pass", "secret"), ("key", "KEY-1")]),
        ("license", &[("key", "KEY-1")]),
        ("nonsense", &[]),
    ] {
        session.call(call, pairs).assert_refused("FORMAT_OFF", WORDS);
    }
    server.call("init", &[]).assert_refused("FORMAT_OFF", WORDS);
    assert_eq!((server.db.users(), server.db.license_now("KEY-1").used_at), (1, None), "nothing was written");
    server.change(|db| db.setting("keyauth", "1"));
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success(), "the session is still there");
}

#[test]
fn a_server_has_no_paths_of_formats_that_it_leaves_out() {
    let status = |server: &Server, path: &str| server.get(&format!("{path}?type=init")).status;
    let paths = ["/api/1.2/", "/1.2", "/api/1.3/", "/api/1.1/", "/api/1.0/"];
    let without = Fixture::new().serve(&["--formats", "authgate,wacht"]);
    assert!(paths.iter().all(|path| status(&without, path) == 404));
    assert_eq!(status(&without, "/"), 200, "the front door stays");
    let with = Fixture::new().serve(&["--formats", "wacht,keyauth"]);
    assert!(paths.iter().all(|path| status(&with, path) == 200));
}
