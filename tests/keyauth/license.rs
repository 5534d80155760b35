//! `license`: one call that registers or logs in (contract 4.4, E.2).

use keystead::domain::license;
use keystead::model::license::License;
use keystead::model::user::{Credential, User};

use crate::support::{Fixture, Reply, Session, now};

fn license(session: &Session<'_>, key: &str) -> Reply {
    session.call("license", &[("key", key)])
}

fn ban(db: &Fixture, key: &str, reason: Option<&'static str>) {
    let (app, license) = (db.app().clone(), db.license_now(key));
    db.write(move |tx| license::ban(tx, &app, &license, reason).map_err(|_| ()).expect("bans"));
}

/// Answers who is locked by it.
fn delete(db: &Fixture, key: &str) -> Option<User> {
    let (app, license) = (db.app().id, db.license_now(key));
    db.write(move |tx| license::delete(tx, app, &license).expect("deletes"))
}

#[test]
fn the_first_use_redeems_and_later_ones_log_in() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let first = server.init();
    let reply = first.call("license", &[("key", "KEY-1"), ("hwid", "PC-1"), ("email", "a@b.c")]);
    assert_eq!((reply.message().as_str(), &reply.json()["info"]["username"]), ("Logged in!", &"KEY-1".into()));
    assert!(first.is_validated());
    let user = server.db.user_now("KEY-1").unwrap();
    assert_eq!(user.credential, Credential::License, "no password, no hash");
    assert_eq!(user.email_sha1, None, "an e-mail is no part of this call");
    assert_eq!(server.db.devices_of(user.id), ["PC-1"]);
    assert_eq!(server.db.license_now("KEY-1").used_by, Some(user.id));
    let second = server.init();
    let reply = second.call("license", &[("key", "KEY-1"), ("hwid", "PC-1")]);
    assert_eq!(reply.message(), "Logged in!");
    assert_eq!(reply.json()["info"]["subscriptions"][0]["key"], "KEY-1");
    assert!(first.is_validated() && second.is_validated());
    assert_eq!(second.call("license", &[("key", "KEY-1"), ("hwid", "PC-2")]).error(), "HWID_MISMATCH");
    assert_eq!(license(&second, "KEY-1").error(), "HWID_MISMATCH");
    assert_eq!(server.db.users(), 1);
}

#[test]
fn another_letter_case_is_the_same_license() {
    let db = Fixture::new();
    db.license("Key-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert_eq!(license(&session, "KEY-1").json()["info"]["username"], "KEY-1", "as typed");
    let again = license(&session, "key-1");
    assert_eq!(again.json()["info"]["username"], "key-1");
    assert_eq!(again.json()["info"]["subscriptions"][0]["key"], "Key-1", "the license as it was made");
    assert_eq!(server.db.users(), 1);
}

#[test]
fn checks_are_made_in_their_order() {
    let db = Fixture::new();
    db.setting("minHwid", "5");
    db.setting("forceHwid", "1");
    db.setting("minUsernameLength", "4");
    let server = db.serve(&[]);
    let session = server.init();
    let code = |key: &str, hwid: &str| session.call("license", &[("key", key), ("hwid", hwid)]).error();
    assert_eq!(code(&"x".repeat(71), "pc"), "KEY_TOO_LONG");
    assert_eq!(code("abc", "pc"), "HWID_TOO_SHORT");
    assert_eq!(code("abc", ""), "HWID_MISSING");
    assert_eq!(code("abc", "pc-123"), "USERNAME_TOO_SHORT");
    assert_eq!(code(&"x".repeat(70), "pc-123"), "LICENSE_NOT_FOUND");
    let reply = session.call("license", &[("hwid", "pc-123")]);
    reply.assert_refused("USERNAME_TOO_SHORT", "Username too short, try longer one.");
    server.change(|db| db.setting("minUsernameLength", "0"));
    assert_eq!(session.call("license", &[("hwid", "pc-123")]).error(), "USERNAME_TOO_SHORT", "no key at all");
}

#[test]
fn a_license_of_a_named_user_is_used() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license("KEY-2");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(session.call("register", &[("username", "mia"), ("pass", "secret"), ("key", "KEY-1")]).success());
    license(&server.init(), "KEY-1").assert_refused("LICENSE_IN_USE", "Key Already Used.");
    license(&session, "mia").assert_refused("INVALID_PASSWORD", "Password does not match.");
    let taken = session.call("register", &[("username", "KEY-2"), ("pass", "other"), ("key", "KEY-1")]);
    assert_eq!(taken.error(), "LICENSE_IN_USE");
    assert!(license(&session, "KEY-2").success());
}

#[test]
fn registering_with_name_and_password_equal_to_the_key_is_the_same() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(session.call("register", &[("username", "KEY-1"), ("pass", "KEY-1"), ("key", "KEY-1")]).success());
    assert_eq!(server.db.user_now("KEY-1").unwrap().credential, Credential::License);
    assert!(license(&server.init(), "KEY-1").success());
    assert!(session.call("login", &[("username", "KEY-1"), ("pass", "KEY-1")]).success());
    assert_eq!(session.call("login", &[("username", "KEY-1"), ("pass", "KEY-2")]).error(), "INVALID_PASSWORD");
}

#[test]
fn a_ban_after_use_closes_the_door() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(license(&session, "KEY-1").success());
    server.change(|db| {
        ban(db, "KEY-1", Some("refund"));
    });
    assert!(!session.is_validated(), "its user is logged out");
    license(&session, "KEY-1").assert_refused("LICENSE_BANNED", "Your license is banned.");
    let login = session.call("login", &[("username", "KEY-1"), ("pass", "KEY-1")]);
    login.assert_refused("LICENSE_BANNED", "Your license is banned.");
    server.db.sql("UPDATE licenses SET banned = 0, ban_reason = NULL");
    assert!(license(&session, "KEY-1").success(), "unbanned, it is what it was");
}

/// Whoever came from elsewhere, and however: by a hash of its key, or with an upgrade that is told like the key itself.
#[test]
fn an_upgrade_does_not_inherit_who_was_imported_and_is_named_like_its_key() {
    let db = Fixture::new();
    let hash = |key: &str| Credential::Password(bcrypt::hash(key, 4).unwrap().replace("$2b$", "$2y$"));
    for (name, credential) in [("HASH-1", hash("HASH-1")), ("HASH-2", hash("HASH-2")), ("BOTH", Credential::License)] {
        let id = db.bare_user(name, credential, |_| {});
        let own = db.license_with(name, |license| (license.used_at, license.used_by) = (Some(now()), Some(id)));
        db.subscription(id, |held| held.license = Some(own));
        if name == "BOTH" {
            let used = |license: &mut License| (license.used_at, license.used_by) = (Some(now()), Some(id));
            let came_by = db.license_with("UP-BOTH", used);
            db.subscription(id, |held| held.license = Some(came_by));
        } else {
            db.license(&format!("UP-{name}"));
        }
    }
    let server = db.serve(&[]);
    let session = server.init();
    let upgrade = |name: &str| session.call("upgrade", &[("username", name), ("key", &format!("UP-{name}"))]);
    let delete = |key: &str| server.change(|db| assert!(delete(db, key).is_none(), "it comes in by its name"));
    assert_eq!(license(&session, "UP-BOTH").error(), "LICENSE_IN_USE");
    assert!(upgrade("HASH-1").success());
    delete("HASH-1");
    delete("HASH-2");
    delete("BOTH");
    assert!(upgrade("HASH-2").success());
    for name in ["HASH-1", "HASH-2", "BOTH"] {
        for time in ["first", "second"] {
            let reply = license(&session, name);
            assert!(reply.success(), "{name}, the {time} time: {reply:?}");
            assert!(!license(&session, &format!("UP-{name}")).success(), "{name}, after the {time} time");
        }
    }
}

#[test]
fn an_upgrade_opens_nobody_and_its_ban_ends_nothing() {
    let db = Fixture::new();
    for key in ["KEY-1", "UP-1", "UP-2"] {
        db.license(key);
    }
    let server = db.serve(&[]);
    let upgrade = |name: &str, key: &str| server.init().call("upgrade", &[("username", name), ("key", key)]);
    let session = server.init();
    assert!(license(&session, "KEY-1").success());
    assert!(upgrade("KEY-1", "UP-1").success());
    server.change(|db| {
        ban(db, "UP-1", None);
    });
    assert!(session.is_validated(), "it came in by another license");
    // Not even if its user is called like it.
    assert!(session.call("changeUsername", &[("newUsername", "UP-2")]).success());
    assert!(upgrade("UP-2", "UP-2").success());
    assert!(!license(&server.init(), "UP-2").success(), "that made nobody");
    assert!(license(&server.init(), "KEY-1").success(), "and this one still opens its user");
}

#[test]
fn a_license_made_again_and_banned_logs_out_who_is_named_like_it() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(license(&session, "KEY-1").success());
    server.change(|db| {
        delete(db, "KEY-1");
        db.license("KEY-1");
        ban(db, "KEY-1", None);
    });
    assert!(!session.is_validated(), "as with any ban");
    assert_eq!(license(&server.init(), "KEY-1").error(), "LICENSE_BANNED");
    // A login token names no license, and opens what the license opens.
    let token = "a-login-token-of-KEY-1";
    server.change(|db| db.login_token("KEY-1", token, now() + 300));
    let reply = server.init().call("login", &[("username", "KEY-1"), ("token", token)]);
    assert_eq!(reply.error(), "LICENSE_BANNED");
}

#[test]
fn an_imported_user_whose_password_is_its_key_becomes_license_only() {
    let db = Fixture::new();
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap().replace("$2b$", "$2y$");
    for (name, password) in [("KEY-1", "KEY-1"), ("KEY-2", "something else"), ("KEY-3", "KEY-3")] {
        let id = db.bare_user(name, Credential::Password(hash(password)), |_| {});
        db.subscription(id, |_| {});
        db.license_with(name, |license| (license.used_at, license.used_by) = (Some(now()), Some(id)));
    }
    let server = db.serve(&[]);
    let session = server.init();
    let credential = |name: &str| server.db.user_now(name).unwrap().credential;
    assert!(license(&session, "KEY-1").success());
    assert_eq!(credential("KEY-1"), Credential::License);
    assert!(license(&session, "key-1").success());
    assert_eq!(license(&session, "KEY-2").error(), "INVALID_PASSWORD", "one that chose a password keeps it");
    server.db.sql("UPDATE licenses SET banned = 1 WHERE key = 'KEY-3'");
    assert_eq!(license(&session, "KEY-3").error(), "LICENSE_BANNED", "from the first time on");
    assert!(matches!(credential("KEY-2"), Credential::Password(_)));
    assert!(session.call("login", &[("username", "KEY-2"), ("pass", "something else")]).success());
}

#[test]
fn what_does_not_open_by_license() {
    let db = Fixture::new();
    for (name, credential) in [("claim", Credential::Claimable), ("lock", Credential::Locked)] {
        let id = db.bare_user(name, credential, |_| {});
        db.subscription(id, |_| {});
    }
    let server = db.serve(&[]);
    let session = server.init();
    for name in ["claim", "lock"] {
        license(&session, name).assert_refused("INVALID_PASSWORD", "Password does not match.");
    }
    assert_eq!(server.db.user_now("claim").unwrap().credential, Credential::Claimable);
}

#[test]
fn what_came_as_an_upgrade_opens_nobody() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license("KEY-2");
    let moved_in = db.license("KEY-3");
    db.license("KEY-4");
    // A license-only user from elsewhere: its name is not its license, and nothing links the two.
    let leo = db.bare_user("leo", Credential::License, |_| ());
    db.subscription(leo, |_| ());
    db.write(move |tx| keystead::store::licenses::redeem(tx, moved_in, leo, now() + -100).unwrap());
    let server = db.serve(&[]);
    let session = server.init();
    assert!(license(&session, "KEY-1").success() && license(&session, "KEY-3").success());
    for (username, key) in [("KEY-1", "KEY-2"), ("leo", "KEY-4")] {
        assert!(session.call("upgrade", &[("username", username), ("key", key)]).success());
        assert_eq!(license(&server.init(), key).error(), "LICENSE_IN_USE", "{key}");
        let login = server.init().call("login", &[("username", username), ("pass", key)]);
        assert_eq!(login.error(), "INVALID_PASSWORD", "{key}");
    }
    assert!(license(&session, "KEY-1").success() && license(&session, "KEY-3").success(), "their own still does");
    server.change(|db| db.sql("UPDATE licenses SET banned = 1 WHERE key = 'KEY-1'"));
    for pass in ["KEY-1", "KEY-2"] {
        assert!(!session.call("login", &[("username", "KEY-1"), ("pass", pass)]).success(), "{pass}");
    }
}

#[test]
fn who_is_named_like_a_key_is_told_nothing_of_the_license() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license_with("KEY-2", |license| license.banned = true);
    db.license_with("KEY-3", |license| license.paused = true);
    db.license_with("KEY-4", |license| license.expires_at = Some(now() + -1));
    for name in ["KEY-1", "key-2", "KEY-3", "key-4"] {
        db.user(name);
    }
    let server = db.serve(&[]);
    let session = server.init();
    for key in ["KEY-1", "KEY-2", "key-3", "KEY-4"] {
        license(&session, key).assert_refused("INVALID_PASSWORD", "Password does not match.");
        let login = session.call("login", &[("username", key), ("pass", "secret")]);
        assert!(login.success(), "{key}: {login:?}");
    }
    assert!(server.db.license_now("KEY-1").used_at.is_none());
}

#[test]
fn the_user_of_a_keys_name_comes_before_whom_its_license_made() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(session.call("license", &[("key", "KEY-1"), ("hwid", "PC-1")]).success());
    assert!(session.call("changeUsername", &[("newUsername", "mia")]).success());
    server.change(|db| {
        let id = db.bare_user("key-1", Credential::License, |_| {});
        db.subscription(id, |_| {});
    });
    // It has no license: its name opens it. What is wrong with the license of that key keeps it out.
    let session = server.init();
    for key in ["KEY-1", "key-1"] {
        assert!(session.call("license", &[("key", key), ("hwid", "PC-2")]).success(), "{key}");
    }
    let devices = |name: &str| server.db.devices_of(server.db.user_now(name).unwrap().id);
    assert_eq!([devices("mia"), devices("key-1")], [["PC-1"], ["PC-2"]]);
    for (state, code) in [("banned", "LICENSE_BANNED"), ("paused", "LICENSE_PAUSED")] {
        server.change(|db| db.sql(&format!("UPDATE licenses SET {state} = 1")));
        assert_eq!(license(&session, "KEY-1").error(), code);
        server.change(|db| db.sql(&format!("UPDATE licenses SET {state} = 0")));
    }
    server.change(|db| db.sql("UPDATE users SET banned = 1 WHERE name = 'key-1'"));
    assert_eq!(license(&session, "KEY-1").error(), "USER_BANNED");
    server.change(|db| db.sql("UPDATE users SET banned = 0, login = 'locked' WHERE name = 'key-1'"));
    assert_eq!(license(&session, "KEY-1").error(), "INVALID_PASSWORD", "it does not open mia instead");
    assert!(session.call("login", &[("username", "mia"), ("pass", "KEY-1"), ("hwid", "PC-1")]).success());
}

#[test]
fn a_user_or_a_license_that_is_gone_opens_nothing_to_the_other() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license("KEY-2");
    let server = db.serve(&[]);
    for (key, name) in [("KEY-1", "leo"), ("KEY-2", "mia")] {
        let session = server.init();
        assert!(license(&session, key).success());
        assert!(session.call("changeUsername", &[("newUsername", name)]).success());
    }
    server.change(|db| {
        db.sql("PRAGMA foreign_keys = 1; DELETE FROM users WHERE name = 'leo'");
        let (app, gone) = (db.app().id, db.license_now("KEY-2"));
        db.write(move |tx| keystead::domain::license::delete(tx, app, &gone).unwrap());
    });
    let session = server.init();
    assert_eq!(license(&session, "KEY-1").error(), "LICENSE_IN_USE", "used up, although nobody has it");
    assert_eq!(license(&session, "KEY-2").error(), "LICENSE_NOT_FOUND");
    assert_eq!(license(&session, "mia").error(), "INVALID_PASSWORD");
    server.change(|db| db.sql("UPDATE licenses SET banned = 1"));
    assert_eq!(license(&session, "KEY-1").error(), "LICENSE_BANNED");
    assert_eq!(server.db.users(), 1);
}
