//! `register`: its checks in their order, and what it leaves (contract 4.2).

use keystead::model::time::{LIFETIME_SECONDS, Span};
use keystead::model::user::Credential;

use crate::support::{Fixture, Reply, Server, Session, now};

fn register(session: &Session<'_>, username: &str, pass: &str, key: &str) -> Reply {
    session.call("register", &[("username", username), ("pass", pass), ("key", key)])
}

/// That nothing was written: no user, the license unused, the session as it was.
fn assert_nothing_written(server: &Server, session: &Session<'_>, key: &str) {
    assert_eq!(server.db.users(), 0);
    assert_eq!(server.db.license_now(key).used_at, None);
    assert!(!session.is_validated());
}

#[test]
fn checks_are_made_in_their_order() {
    let db = Fixture::new();
    let long = "x".repeat(71);
    // Every fault at once; then one after the other is put right.
    db.setting("minUsernameLength", "4");
    db.setting("blockLeakedPasswords", "1");
    db.plan("unused", "2");
    db.license_with("KEY-1", |license| {
        (license.level, license.banned) = ("7".into(), true);
    });
    db.ban_hwid("PC-1");
    let taken = db.user("taken");
    db.license_with("KEY-USED", |license| (license.used_at, license.used_by) = (Some(now()), Some(taken)));
    let leaked = db.file("leaked.txt", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3\n");
    let server = db.serve(&["--leaked-passwords", &leaked]);
    let session = server.init();
    let code = |username: &str, pass: &str, key: &str| {
        session.call("register", &[("username", username), ("pass", pass), ("key", key), ("hwid", "PC-1")]).error()
    };
    assert_eq!(code(&long, "", &long), "USERNAME_TOO_LONG");
    assert_eq!(code("abc", "", &long), "KEY_TOO_LONG");
    assert_eq!(code("abc", "", "none"), "USERNAME_TOO_SHORT");
    assert_eq!(code("Taken", "", "none"), "INVALID_PASSWORD");
    assert_eq!(code("Taken", &"x".repeat(1025), "none"), "PASSWORD_TOO_LONG");
    assert_eq!(code("Taken", "password", "none"), "PASSWORD_LEAKED");
    assert_eq!(code("Taken", "secret", "none"), "USERNAME_TAKEN");
    assert_eq!(code("mimi", "secret", "none"), "LICENSE_NOT_FOUND");
    assert_eq!(code("mimi", "secret", "KEY-USED"), "LICENSE_IN_USE");
    assert_eq!(code("mimi", "secret", "KEY-1"), "LICENSE_BANNED");
    server.db.sql("UPDATE licenses SET banned = 0 WHERE key = 'KEY-1'");
    assert_eq!(code("mimi", "secret", "KEY-1"), "SID_BLOCKED");
    server.db.sql("DELETE FROM bans");
    assert_eq!(code("mimi", "secret", "KEY-1"), "LICENSE_NOT_ELIGIBLE");
    server.db.sql("UPDATE licenses SET level = '2' WHERE key = 'KEY-1'");
    assert_eq!(code("mimi", "secret", "KEY-1"), "");
}

#[test]
fn names_and_keys_have_at_most_70_bytes() {
    let db = Fixture::new();
    let (key, name) = ("k".repeat(70), "n".repeat(70));
    db.license(&key);
    db.license("KEY-2");
    let server = db.serve(&[]);
    let session = server.init();
    let reply = register(&session, &"n".repeat(71), "secret", &key);
    assert_eq!(reply.message(), "Username must be shorter than 70 characters");
    let umlauts = "ü".repeat(35);
    assert_eq!(
        register(&session, &format!("{umlauts}n"), "secret", &key).error(),
        "USERNAME_TOO_LONG",
        "bytes, not letters"
    );
    assert_eq!(
        register(&session, &name, "secret", &"k".repeat(71)).message(),
        "Key must be shorter than 70 characters"
    );
    assert_nothing_written(&server, &session, &key);
    assert!(register(&session, &name, "secret", &key).success());
    assert!(register(&session, &umlauts, "secret", "KEY-2").success());
}

#[test]
fn a_password_may_have_1024_bytes() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    let (fits, too_long) = ("p".repeat(1024), "p".repeat(1025));
    assert_eq!(register(&session, "mia", &too_long, "KEY-1").error(), "PASSWORD_TOO_LONG");
    assert!(register(&session, "mia", &fits, "KEY-1").success());
    let login = |pass: &str| session.call("login", &[("username", "mia"), ("pass", pass)]).error();
    assert_eq!(
        (login(&fits), login(&fits[1..]), login(&too_long)),
        ("".into(), "INVALID_PASSWORD".into(), "INVALID_PASSWORD".into())
    );
}

#[test]
fn what_a_registration_leaves() {
    let db = Fixture::new();
    db.license("Key-1");
    let server = db.serve(&[]);
    let session = server.init();
    let before = now();
    let reply = session.call(
        "register",
        &[("username", "Mia"), ("pass", "secret"), ("key", "kEY-1"), ("hwid", "PC-1"), ("email", "Mia@Example.TEST")],
    );
    let user = server.db.user_now("mia").expect("made");
    let created = user.created_at.0;
    assert!((before..=now()).contains(&user.created_at));
    let body = format!(
        "{{\"success\":true,\"message\":\"Logged in!\",\"info\":{{\"username\":\"Mia\",\"subscriptions\":[{{\
         \"subscription\":\"default\",\"key\":\"Key-1\",\"expiry\":\"{}\",\"timeleft\":86400,\"level\":\"1\"}}],\
         \"ip\":\"127.0.0.1\",\"hwid\":\"PC-1\",\"createdate\":\"{created}\",\"lastlogin\":\"{created}\"}},\"nonce\":\"",
        created + 86_400
    );
    assert!(reply.text().starts_with(&body), "{reply:?}");

    assert_eq!(user.name, "Mia", "as first written");
    assert_eq!((user.last_login_at, user.ip.as_deref(), user.banned), (user.created_at, Some("127.0.0.1"), false));
    assert_eq!(
        user.email_sha1.as_deref(),
        Some("4446e4d034fb357994af8696f699554d6c091e5f"),
        "SHA-1 of the lower-cased address"
    );
    let Credential::Password(hash) = &user.credential else { panic!("{:?}", user.credential) };
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(server.db.devices_of(user.id), ["PC-1"]);
    let license = server.db.license_now("KEY-1");
    assert_eq!((license.used_at, license.used_by), (Some(user.created_at), Some(user.id)));
    let held = server.db.held_by(user.id);
    assert_eq!(
        (held.len(), held[0].expires_at, held[0].license),
        (1, Some(user.created_at + 86_400), Some(license.id))
    );
    let stored = server.db.session_now(&session.id).unwrap();
    assert_eq!(stored.user.map(|user| user.credential.to_string()).as_deref(), Some("Mia"));
    assert!(session.is_validated(), "at once");
}

#[test]
fn every_plan_of_the_level_is_granted() {
    let db = Fixture::new();
    for (name, level) in [("extra", "2"), ("gold", "2"), ("silver", "3")] {
        db.plan(name, level);
    }
    db.license_with("KEY-1", |license| license.level = "2".into());
    let server = db.serve(&[]);
    let reply = register(&server.init(), "mia", "secret", "KEY-1");
    let json = reply.json();
    let all = json["info"]["subscriptions"].as_array().unwrap();
    let names: Vec<_> =
        all.iter().map(|s| (s["subscription"].as_str().unwrap(), s["level"].as_str().unwrap())).collect();
    assert_eq!(names, [("extra", "2"), ("gold", "2")]);
    assert_eq!(server.db.held_by(server.db.user_now("mia").unwrap().id).len(), 2);
}

#[test]
fn lifetime_and_no_duration_are_told_as_dates() {
    let db = Fixture::new();
    for (key, duration) in [
        ("KEY-L", Span::Lifetime),
        ("KEY-0", Span::Seconds(0)),
        ("KEY-N", Span::Seconds(-60)),
        ("KEY-1", Span::Seconds(1 << 33)),
    ] {
        db.license_with(key, |license| license.duration = duration);
    }
    let server = db.serve(&[]);
    for (name, key, seconds) in
        [("leo", "KEY-L", LIFETIME_SECONDS), ("zoe", "KEY-0", 0), ("ned", "KEY-N", -60), ("tom", "KEY-1", 1 << 33)]
    {
        let text = register(&server.init(), name, "secret", key).text();
        let expiry = server.db.user_now(name).unwrap().created_at.0 + seconds;
        let entry = format!(
            "[{{\"subscription\":\"default\",\"key\":\"{key}\",\"expiry\":\"{expiry}\",\"timeleft\":{seconds},\"level\":\"1\"}}]"
        );
        assert!(text.contains(&entry), "{text}");
    }
    assert_eq!(server.db.held_by(server.db.user_now("leo").unwrap().id)[0].expires_at, None);
    let login = server.init().call("login", &[("username", "leo"), ("pass", "secret")]);
    assert_eq!(login.json()["info"]["subscriptions"][0]["timeleft"], LIFETIME_SECONDS, "ever as far away");
}

#[test]
fn a_banned_address_or_device_does_not_register() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.ban_hwid("PC-1");
    db.ban_network("203.0.113.0/24");
    let server = db.serve(&["--trusted-proxy", "127.0.0.1"]);
    let session = server.init();
    let reply = session.call("register", &[("username", "mia"), ("pass", "p"), ("key", "KEY-1"), ("hwid", "PC-1")]);
    reply.assert_refused("SID_BLOCKED", "You've been blacklisted from our application");
    let query =
        format!("type=register&username=mia&pass=p&key=KEY-1&name=demo&ownerid=AbCdEfGh12&sessionid={}", session.id);
    let from = |address: &str| {
        server
            .raw(format!("GET /api/1.2/?{query} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {address}\r\n\r\n").as_bytes())
    };
    from("203.0.113.255").assert_refused("IP_BLOCKED", "You've been blacklisted from our application");
    assert_nothing_written(&server, &session, "KEY-1");
    assert_eq!(from("203.0.114.0").json()["info"]["ip"], "203.0.114.0");
}

#[test]
fn the_device_is_neither_demanded_nor_measured() {
    let db = Fixture::new();
    db.setting("forceHwid", "1");
    db.setting("minHwid", "20");
    db.license("KEY-1");
    db.license("KEY-2");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(register(&session, "mia", "secret", "KEY-1").success());
    let reply = session.call("register", &[("username", "tom"), ("pass", "p"), ("key", "KEY-2"), ("hwid", "short")]);
    assert!(reply.success(), "{reply:?}");
}

#[test]
fn a_license_is_redeemed_once_and_a_name_taken_once() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license("KEY-2");
    let server = db.serve(&[]);
    let (one, two) = (server.init(), server.init());
    assert!(register(&one, "mia", "secret", "KEY-1").success());
    assert_eq!(register(&two, "tom", "secret", "key-1").message(), "Key Already Used.");
    assert_eq!(register(&two, "MIA", "secret", "KEY-2").message(), "Username Already Exists.");
    assert!(!two.is_validated());
    assert_eq!(server.db.license_now("KEY-2").used_at, None);
    assert!(register(&two, "tom", "secret", "KEY-2").success());
}

#[test]
fn leaked_passwords_are_refused_only_if_the_app_says_so() {
    let db = Fixture::new();
    db.license("KEY-1");
    let leaked = db.file("leaked.txt", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3\n");
    let server = db.serve(&["--leaked-passwords", &leaked]);
    let session = server.init();
    server.change(|db| db.setting("blockLeakedPasswords", "1"));
    assert_eq!(register(&session, "mia", "password", "KEY-1").error(), "PASSWORD_LEAKED");
    server.change(|db| db.setting("blockLeakedPasswords", "0"));
    assert!(register(&session, "mia", "password", "KEY-1").success());
}
