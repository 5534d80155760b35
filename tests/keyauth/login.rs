//! `login`: its checks in their order, devices, and who may come in how (contract 4.3, E.2).

use keystead::model::user::Credential;

use crate::support::{Fixture, Reply, Session, now};

fn login(session: &Session<'_>, username: &str, pass: &str) -> Reply {
    session.call("login", &[("username", username), ("pass", pass)])
}

fn login_from(session: &Session<'_>, hwid: &str) -> Reply {
    session.call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", hwid)])
}

#[test]
fn checks_are_made_in_their_order() {
    let db = Fixture::new();
    db.setting("minHwid", "5");
    db.setting("forceHwid", "1");
    let mia =
        db.bare_user("mia", Credential::Password(crate::support::password_hash("secret")), |user| user.banned = true);
    db.device(mia, "other-pc");
    db.ban_hwid("pc-123");
    let server = db.serve(&[]);
    let session = server.init();
    let code = |name: &str, pass: &str, hwid: &str| {
        session.call("login", &[("username", name), ("pass", pass), ("hwid", hwid)]).error()
    };
    assert_eq!(code("none", "", "pc"), "HWID_TOO_SHORT");
    assert_eq!(code("none", "", ""), "HWID_MISSING");
    assert_eq!(code("none", "", "pc-123"), "USER_NOT_FOUND");
    assert_eq!(code("", "", "pc-123"), "USER_NOT_FOUND", "no name");
    assert_eq!(code("mia", "wrong", "pc-123"), "USER_BANNED");
    server.db.sql("UPDATE users SET banned = 0");
    assert_eq!(code("mia", "wrong", "pc-123"), "SID_BLOCKED");
    server.db.sql("DELETE FROM bans");
    assert_eq!(code("mia", "wrong", "pc-123"), "INVALID_PASSWORD");
    assert_eq!(code("mia", "secret", "pc-123"), "HWID_MISMATCH");
    server.db.sql("DELETE FROM devices");
    assert_eq!(code("mia", "secret", "pc-123"), "USER_EXPIRED");
    assert_eq!(server.db.devices_of(mia), Vec::<String>::new(), "a refused login binds nothing");
    server.db.subscription(mia, |_| {});
    assert_eq!(code("mia", "secret", "pc-123"), "");
}

#[test]
fn a_success_shows_the_user_as_it_is_now() {
    let db = Fixture::new();
    let mia = db.user("Mia");
    db.subscription(mia, |new| (new.plan, new.level, new.expires_at) = ("gold".into(), Some("3".into()), None));
    db.subscription(mia, |new| (new.plan, new.expires_at) = ("over".into(), Some(now())));
    db.subscription(mia, |new| (new.plan, new.paused_at) = ("paused".into(), Some(now())));
    let server = db.serve(&[]);
    let session = server.init();
    let reply = session.call("login", &[("username", "mIA"), ("pass", "secret"), ("hwid", "PC-1")]);
    let user = server.db.user_now("mia").unwrap();
    let (held, last) = (server.db.held_by(mia), user.last_login_at);
    let ends = held[0].expires_at.unwrap();
    let body = format!(
        "{{\"success\":true,\"message\":\"Logged in!\",\"info\":{{\"username\":\"mIA\",\"subscriptions\":[{{\
         \"subscription\":\"default\",\"key\":null,\"expiry\":\"{}\",\"timeleft\":{},\"level\":\"1\"}},{{\
         \"subscription\":\"gold\",\"key\":null,\"expiry\":\"{}\",\"timeleft\":315569260,\"level\":\"3\"}}],\
         \"ip\":\"127.0.0.1\",\"hwid\":\"PC-1\",\"createdate\":\"{}\",\"lastlogin\":\"{}\"}},\"nonce\":\"",
        ends.0,
        ends - last,
        last.0 + 315_569_260,
        user.created_at.0,
        last.0
    );
    assert!(reply.text().starts_with(&body), "what runs, as typed, with the device just bound: {reply:?}\nwant {body}");
    assert!((0..60).contains(&(now() - last)), "the current login, not the one before");
    assert_eq!(user.ip.as_deref(), Some("127.0.0.1"));
    assert!(session.is_validated());
}

#[test]
fn the_first_device_is_bound_and_then_compared_exactly() {
    let db = Fixture::new();
    let mia = db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(login(&session, "mia", "secret").json()["info"]["hwid"].is_null(), "none sent, none bound");
    assert_eq!(login_from(&session, "PC-1").json()["info"]["hwid"], "PC-1");
    assert_eq!(server.db.devices_of(mia), ["PC-1"]);
    for other in ["PC-2", "pc-1", "PC", "PC-11", "C-1"] {
        login_from(&session, other).assert_refused("HWID_MISMATCH", "HWID doesn't match. Ask for a HWID reset");
    }
    assert_eq!(login(&session, "mia", "secret").error(), "HWID_MISMATCH", "leaving it out does not open the lock");
    assert!(login_from(&session, "PC-1").success());
    server.db.device(mia, "PC-2");
    assert_eq!(login_from(&session, "PC-2").json()["info"]["hwid"], "PC-2", "any of the bound ones");
}

#[test]
fn without_hwidcheck_any_device_will_do_and_none_is_bound() {
    let db = Fixture::new();
    let (mia, tom) = (db.user("mia"), db.user("tom"));
    db.device(mia, "PC-1");
    db.setting("hwidcheck", "0");
    let server = db.serve(&[]);
    let session = server.init();
    for hwid in ["PC-1", "PC-2", ""] {
        assert!(login_from(&session, hwid).success(), "{hwid}");
    }
    assert_eq!(server.db.devices_of(mia), ["PC-1"]);
    assert!(session.call("login", &[("username", "tom"), ("pass", "secret"), ("hwid", "X")]).success());
    assert_eq!(server.db.devices_of(tom), Vec::<String>::new());
}

#[test]
fn a_device_may_be_demanded_and_measured() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    server.change(|db| db.setting("forceHwid", "1"));
    login_from(&session, "").assert_refused(
        "HWID_MISSING",
        "Force HWID is enabled, disable in app settings if you want to use blank HWIDs",
    );
    server.change(|db| db.setting("minHwid", "20"));
    login_from(&session, "none")
        .assert_refused("HWID_TOO_SHORT", "HWID must be 20 or more characters, change this in app settings.");
    assert_eq!(login_from(&session, &"x".repeat(19)).error(), "HWID_TOO_SHORT");
    assert_eq!(login_from(&session, &"ü".repeat(10)).error(), "", "bytes");
}

#[test]
fn a_failed_login_leaves_the_session_validated() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(!session.is_validated());
    assert!(login(&session, "mia", "secret").success());
    for pass in ["wrong", "", "SECRET"] {
        login(&session, "mia", pass).assert_refused("INVALID_PASSWORD", "Password does not match.");
    }
    login(&session, "none", "secret").assert_refused("USER_NOT_FOUND", "Username not found.");
    assert!(session.is_validated());
}

#[test]
fn bans_end_a_login_and_say_why() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.user("tom");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(login(&session, "mia", "secret").success());
    server.change(|db| db.write(move |tx| keystead::domain::user::ban_user(tx, mia, Some("sold")).unwrap()));
    assert!(!session.is_validated(), "and nobody is logged in as the banned user any more");
    login(&session, "mia", "secret").assert_refused("USER_BANNED", "The user is banned");
    server.change(|db| db.setting("userbanned", "Banned ({reason}), sorry: {reason}"));
    login(&session, "mia", "wrong").assert_refused("USER_BANNED", "Banned (sold), sorry: sold");
    server.db.sql("UPDATE users SET ban_reason = NULL");
    login(&session, "mia", "secret").assert_refused("USER_BANNED", "Banned (), sorry: ");
    server.db.ban_network("127.0.0.1");
    login(&session, "tom", "secret").assert_refused("IP_BLOCKED", "You've been blacklisted from our application");
}

#[test]
fn only_a_claimable_user_takes_its_password_from_the_first_login() {
    let db = Fixture::new();
    for (name, credential) in
        [("new", Credential::Claimable), ("locked", Credential::Locked), ("KEY-1", Credential::License)]
    {
        let id = db.bare_user(name, credential, |_| {});
        db.subscription(id, |_| {});
    }
    let poor = db.bare_user("poor", Credential::Claimable, |_| {});
    let server = db.serve(&[]);
    let session = server.init();
    assert_eq!(login(&session, "new", "").error(), "INVALID_PASSWORD", "nothing is no password");
    assert!(login(&session, "new", "mine").success());
    assert_eq!(login(&session, "new", "other").error(), "INVALID_PASSWORD");
    assert!(login(&session, "NEW", "mine").success());
    assert_eq!(login(&session, "locked", "any").error(), "INVALID_PASSWORD");
    assert_eq!(login(&session, "KEY-1", "any").error(), "INVALID_PASSWORD");
    assert!(login(&session, "KEY-1", "key-1").success(), "its key is its password");
    assert_eq!(login(&session, "poor", "mine").error(), "USER_EXPIRED");
    assert_eq!(server.db.user_now("poor").unwrap().credential, Credential::Claimable, "a refused login sets nothing");
    server.db.subscription(poor, |_| {});
    assert!(login(&session, "poor", "another").success());
}

#[test]
fn an_imported_bcrypt_hash_is_verified_and_renewed() {
    let db = Fixture::new();
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap().replace("$2b$", "$2y$");
    for (name, password) in [("mia", "secret"), ("tag", "ac")] {
        let id = db.bare_user(name, Credential::Password(hash(password)), |_| {});
        db.subscription(id, |_| {});
    }
    let server = db.serve(&[]);
    let session = server.init();
    let stored = |name: &str| match server.db.user_now(name).unwrap().credential {
        Credential::Password(hash) => hash,
        other => panic!("{other:?}"),
    };
    assert_eq!(login(&session, "mia", "wrong").error(), "INVALID_PASSWORD");
    assert!(stored("mia").starts_with("$2y$"), "a wrong password renews nothing");
    assert!(login(&session, "mia", "secret").success());
    let renewed = stored("mia");
    assert!(renewed.starts_with("$argon2id$"), "{renewed}");
    assert!(login(&session, "mia", "secret").success());
    assert_eq!(stored("mia"), renewed, "once");
    assert!(login(&session, "tag", "a<b>c").success(), "the reference cut tags out of passwords");
    assert_eq!(login(&session, "tag", "ac").error(), "INVALID_PASSWORD", "and now it is the whole one");
    assert!(login(&session, "tag", "a<b>c").success());
}

#[test]
fn subscriptions_that_do_not_run_keep_the_user_out() {
    let db = Fixture::new();
    let mia = db.bare_user("mia", Credential::Password(crate::support::password_hash("secret")), |_| {});
    let server = db.serve(&[]);
    let session = server.init();
    login(&session, "mia", "secret").assert_refused("USER_EXPIRED", "No active subscriptions found.");
    server.db.subscription(mia, |new| new.expires_at = Some(now()));
    assert_eq!(login(&session, "mia", "secret").error(), "USER_EXPIRED", "it ended this second");
    server.db.subscription(mia, |new| new.paused_at = Some(now()));
    login(&session, "mia", "secret")
        .assert_refused("USER_SUSPENDED", "Your subscription is paused and can't be used right now");
    server.db.subscription(mia, |_| {});
    assert!(login(&session, "mia", "secret").success());
}

#[test]
fn a_paused_app_pauses_what_its_users_hold() {
    let db = Fixture::new();
    let mia = db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    server.change(|db| db.setting("paused", "1"));
    assert_eq!(login(&session, "mia", "secret").error(), "USER_SUSPENDED");
    let before = server.db.held_by(mia)[0].expires_at.unwrap();
    server.db.sql("UPDATE apps SET paused_at = paused_at - 500, created_at = created_at - 900; UPDATE subscriptions SET granted_at = granted_at - 900");
    server.change(|db| db.setting("paused", "0"));
    let after = server.db.held_by(mia)[0].expires_at.unwrap();
    assert!((500..560).contains(&(after - before)), "what stood still ends so much later: {}", after - before);
    assert!(login(&session, "mia", "secret").success());
}

#[test]
fn kill_other_sessions_logs_the_others_out() {
    let db = Fixture::new();
    db.user("mia");
    db.user("tom");
    let server = db.serve(&[]);
    let (one, two, toms) = (server.init(), server.init(), server.init());
    assert!(login(&toms, "tom", "secret").success());
    assert!(login(&one, "mia", "secret").success() && login(&two, "mia", "secret").success());
    assert!(one.is_validated() && two.is_validated(), "both, unless the app says otherwise");
    server.change(|db| db.setting("killOtherSessions", "1"));
    assert!(login(&two, "mia", "secret").success());
    assert!(!one.is_validated() && two.is_validated() && toms.is_validated());
}

#[test]
fn accents_make_another_name() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license("KEY-2");
    let server = db.serve(&[]);
    let session = server.init();
    for (name, key) in [("J\u{fc}rgen", "KEY-1"), ("Jurgen", "KEY-2")] {
        assert_eq!(login(&session, name, "secret").error(), "USER_NOT_FOUND", "{name}");
        let made = session.call("register", &[("username", name), ("pass", "secret"), ("key", key)]);
        assert_eq!(made.message(), "Logged in!", "{name}");
    }
    assert_eq!(login(&session, "J\u{fc}RGEN", "secret").message(), "Logged in!", "only ASCII case is no difference");
    assert_eq!(login(&session, "J\u{dc}RGEN", "secret").error(), "USER_NOT_FOUND");
}
