//! What a program does to its own user: `ban`, `changeUsername` (contract 4.18, 4.20; faults 9 and 25, E.3 1 and 12).

use crate::support::{Fixture, Session};

const NOT_FOUND: &str =
    "Session not found. If you get this frequently, ask the developer to use the latest example code";

fn login<'a>(session: Session<'a>, name: &str) -> Session<'a> {
    let reply = session.call("login", &[("username", name), ("pass", "secret")]);
    assert!(reply.success(), "{reply:?}");
    session
}

#[test]
fn a_ban_bites_at_once_and_everywhere() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.setting("userbanned", "Out: {reason}");
    db.sql(&format!("INSERT INTO devices (user_id, hwid, bound_at) VALUES ({}, 'PC-1', 0)", mia.0));
    let server = db.serve(&["--trusted-proxy", "127.0.0.1"]);
    let enter = |hwid: &str| {
        let session = server.init();
        assert!(session.call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", hwid)]).success());
        session
    };
    let (one, other) = (enter("PC-1"), enter("PC-1"));
    let done = one.call("ban", &[("reason", "debugger found"), ("hwid", "PC-1")]);
    assert_eq!((done.success(), done.message().as_str()), (true, "Successfully Banned User"));
    for session in [&one, &other] {
        session.call("check", &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
        session.call("ban", &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    }
    let reply = server.init().call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", "PC-1")]);
    reply.assert_refused("USER_BANNED", "Out: debugger found");
    let session = server.init();
    assert!(session.call("checkblacklist", &[("hwid", "PC-9")]).success(), "the address");
    server.db.sql("DELETE FROM bans WHERE kind = 'ip'");
    assert!(session.call("checkblacklist", &[("hwid", "PC-1")]).success(), "the device");
    assert!(!session.call("checkblacklist", &[("hwid", "PC-9")]).success());
    assert_eq!(server.db.sql_text("SELECT note FROM bans WHERE value = 'PC-1'"), "debugger found");
}

#[test]
fn a_ban_is_for_the_users_own_device() {
    let db = Fixture::new();
    let (mia, tom, zoe) = (db.user("mia"), db.user("tom"), db.user("zoe"));
    db.device(mia, "PC-1");
    db.device(tom, "PC-2");
    let server = db.serve(&[]);
    let enter = |name: &str, hwid: &[(&str, &str)]| {
        let session = server.init();
        assert!(session.call("login", &[&[("username", name), ("pass", "secret")], hwid].concat()).success());
        session
    };
    let banned = || server.db.sql_text("SELECT group_concat(value) FROM bans WHERE kind = 'hwid'");
    let (toms, zoes, again) = (enter("tom", &[("hwid", "PC-2")]), enter("zoe", &[]), enter("zoe", &[]));
    // Whoever it belongs to: that is not told either.
    for (session, hwid) in [(&toms, "PC-1"), (&zoes, "PC-1")] {
        assert!(session.call("ban", &[("hwid", hwid)]).success(), "the user, and its address");
    }
    assert_eq!(server.db.sql_text("SELECT count(*) FROM bans WHERE kind = 'hwid'"), "0");
    assert!(!again.is_validated());
    for user in [tom, zoe] {
        server.db.sql(&format!("UPDATE users SET banned = 0 WHERE id = {}", user.0));
    }
    server.db.sql("DELETE FROM bans");
    assert!(enter("tom", &[("hwid", "PC-2")]).call("ban", &[("hwid", "PC-2")]).success());
    assert_eq!(banned(), "PC-2");
}

#[test]
fn a_ban_has_limits_a_reason_of_its_own_and_may_come_twice() {
    let db = Fixture::new();
    for name in ["mia", "tom", "zoe"] {
        db.user(name);
    }
    db.setting("hwidcheck", "0");
    let server = db.serve(&[]);
    let [mias, toms, zoes] = ["mia", "tom", "zoe"].map(|name| login(server.init(), name));
    let long = "ä".repeat(50);
    mias.call("ban", &[("reason", &long)])
        .assert_refused("BAN_REASON_TOO_LONG", "Reason must be 99 characters or less");
    assert_eq!(mias.call("ban", &[("hwid", &"x".repeat(2001))]).error(), "HWID_TOO_LONG");
    assert!(mias.is_validated() && server.db.sql_text("SELECT count(*) FROM bans") == "0", "nothing was done");
    assert!(mias.call("ban", &[("reason", &long[..99 - 1]), ("hwid", "0")]).success());
    assert!(toms.call("ban", &[("hwid", "PC-1"), ("reason", "a\u{1b}[2J\u{9b}b")]).success());
    assert!(zoes.call("ban", &[("hwid", "PC-1")]).success(), "banned already, and well");
    let reason = |name: &str| server.db.user_now(name).unwrap().ban_reason.unwrap();
    assert_eq!(reason("mia").len(), 98);
    assert_eq!(reason("tom"), "a [2J b", "an operator's terminal shows it");
    assert_eq!(reason("zoe"), "User banned from triggering ban function in the client");
    assert_eq!(
        server.db.sql_text("SELECT group_concat(value) FROM (SELECT value FROM bans ORDER BY id)"),
        "127.0.0.1,PC-1"
    );
}

#[test]
fn another_name_ends_every_session_of_the_old_one() {
    let db = Fixture::new();
    let mia = db.user("Mia");
    db.user("tom");
    let server = db.serve(&[]);
    let (one, other, toms) = (login(server.init(), "mia"), login(server.init(), "MIA"), login(server.init(), "tom"));
    server.db.sql(&format!(
        "INSERT INTO chat_channels (id, app_id, name) SELECT 1, id, 'all' FROM apps WHERE name = 'demo'; \
         INSERT INTO chat_messages (channel_id, user_id, author, text, sent_at) \
         VALUES (1, {0}, 'mia', 'x', 1), (1, {0}, 'KEY-ABCDEF***', 'x', 1), (1, NULL, 'mia', 'x', 1)",
        mia.0
    ));
    let done = one.call("changeUsername", &[("newUsername", " Ann ")]);
    assert_eq!((done.success(), done.message().as_str()), (true, "Successfully changed username, user logged out."));
    for session in [&one, &other] {
        session.call("check", &[]).assert_refused("SESSION_NOT_FOUND", NOT_FOUND);
    }
    assert!(toms.is_validated());
    assert_eq!(server.init().call("login", &[("username", "mia"), ("pass", "secret")]).error(), "USER_NOT_FOUND");
    let ann = login(server.init(), "ann");
    assert_eq!(server.db.user_now("ann").unwrap().id, mia, "the same user, with all it holds");
    assert_eq!(server.db.sql_text("SELECT group_concat(author) FROM chat_messages"), "Ann,Ann,mia");
    assert!(ann.call("changeUsername", &[("newUsername", "ANN")]).success(), "its own name in another case");
    assert_eq!(server.db.user_now("ann").unwrap().name, "ANN");
}

#[test]
fn a_name_has_the_limits_of_a_registration() {
    let db = Fixture::new();
    db.setting("minUsernameLength", "3");
    db.user("mia");
    db.user("Tom");
    let server = db.serve(&[]);
    let session = server.init();
    session.call("changeUsername", &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    let session = login(session, "mia");
    let (short, long) = ("Username too short, try longer one.", "Username must be shorter than 70 characters");
    for (name, code, message) in [
        ("", "USERNAME_TOO_SHORT", short),
        ("  \t", "USERNAME_TOO_SHORT", short),
        ("xy", "USERNAME_TOO_SHORT", short),
        (&"x".repeat(71), "USERNAME_TOO_LONG", long),
        ("tOM", "USERNAME_TAKEN", "Username already used!"),
    ] {
        session.call("changeUsername", &[("newUsername", name)]).assert_refused(code, message);
    }
    assert!(session.is_validated(), "a refusal ends nothing");
    assert!(session.call("changeUsername", &[("newUsername", &"x".repeat(70))]).success());
}

#[test]
fn a_license_only_user_with_another_name_is_still_opened_by_its_license_and_by_nothing_else() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(session.call("license", &[("key", "KEY-1")]).success());
    assert!(session.call("changeUsername", &[("newUsername", "mia")]).success());
    let session = server.init();
    // A name is known to everybody; a license is a secret.
    session.call("license", &[("key", "mia")]).assert_refused("INVALID_PASSWORD", "Password does not match.");
    let login = |name: &str, pass: &str| session.call("login", &[("username", name), ("pass", pass)]);
    assert_eq!(login("mia", "mia").error(), "INVALID_PASSWORD");
    assert_eq!(login("KEY-1", "KEY-1").error(), "USER_NOT_FOUND");
    assert!(!session.is_validated());
    assert!(login("mia", "key-1").success());
    let reply = server.init().call("license", &[("key", "KEY-1")]);
    assert_eq!(reply.json()["info"]["username"], "KEY-1", "{reply:?}");
    assert_eq!(server.db.users(), 1);
    server.db.sql("UPDATE licenses SET banned = 1");
    assert_eq!(session.call("license", &[("key", "KEY-1")]).error(), "LICENSE_BANNED");
    assert_eq!(login("mia", "KEY-1").error(), "LICENSE_BANNED");
}

#[test]
fn who_has_nothing_but_its_name_keeps_it() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(session.call("license", &[("key", "KEY-1")]).success());
    server.db.sql("DELETE FROM licenses");
    let reply = session.call("changeUsername", &[("newUsername", "mia")]);
    reply.assert_refused("RENAME_FAILED", "Failed to change username!");
    assert!(server.init().call("license", &[("key", "KEY-1")]).success(), "its name is what is left of its license");
}
