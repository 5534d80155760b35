//! Each message that an app can reword is reworded (contract section 4, "Wording of the defaults", and section 5).

use keystead::model::settings::{Kind, TABLE};

use crate::support::{Fixture, Session, now};

/// Messages of calls that this version does not serve.
const NOT_SERVED: &[&str] = &["tokeninvalid", "chatHitDelay"];

fn ask(session: &Session<'_>, call: &str, pairs: &[(&str, &str)]) -> String {
    session.call(call, pairs).message()
}

#[test]
fn every_message_is_the_apps_own() {
    let db = Fixture::new();
    let own = |name: &str| format!("Own text: {name} ü");
    let names: Vec<&str> = TABLE
        .iter()
        .filter(|s| matches!(s.kind, Kind::Message(_)))
        .map(|s| s.name)
        .filter(|n| !NOT_SERVED.contains(n))
        .collect();
    for name in &names {
        db.setting(name, &own(name));
    }
    let mia = db.user("mia");
    db.device(mia, "PC-1");
    let banned = db.user("banned");
    db.sql(&format!("UPDATE users SET banned = 1 WHERE id = {}", banned.0));
    let paused = db.bare_user("paused", keystead::model::user::Credential::License, |_| {});
    db.subscription(paused, |new| new.paused_at = Some(now()));
    db.bare_user("poor", keystead::model::user::Credential::License, |_| {});
    db.license("KEY-1");
    db.license("KEY-2");
    db.license_with("USED", |license| (license.used_at, license.used_by) = (Some(now()), Some(mia)));
    db.license_with("BANNED", |license| license.banned = true);
    db.license_with("LEVEL", |license| license.level = "7".into());
    db.ban_hwid("BAD-PC");
    db.setting("minUsernameLength", "3");
    let leaked = db.file("leaked.txt", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8\n");
    let list = db.file("vpn.txt", "127.0.0.1\n");
    let server = db.serve(&["--leaked-passwords", &leaked, "--vpn-list", &list]);
    let session = server.init();
    let mut seen = Vec::new();
    let mut expect = |name: &'static str, got: String| {
        assert_eq!(got, own(name), "{name}");
        seen.push(name);
    };
    expect("sessionunauthed", ask(&session, "check", &[]));
    let register = |name: &str, pass: &str, key: &str| {
        ask(&session, "register", &[("username", name), ("pass", pass), ("key", key)])
    };
    expect("unTooShort", register("ab", "p", "KEY-1"));
    expect("usernametaken", register("mia", "p", "KEY-1"));
    expect("keynotfound", register("tom", "p", "none"));
    expect("keyused", register("tom", "p", "USED"));
    expect("keybanned", register("tom", "p", "BANNED"));
    expect("nosublevel", register("tom", "p", "LEVEL"));
    expect("hwidblacked", ask(&session, "license", &[("key", "KEY-1"), ("hwid", "BAD-PC")]));
    expect("usernamenotfound", ask(&session, "login", &[("username", "none"), ("pass", "p")]));
    expect("passmismatch", ask(&session, "login", &[("username", "mia"), ("pass", "p")]));
    expect("userbanned", ask(&session, "login", &[("username", "banned"), ("pass", "p")]));
    expect("hwidmismatch", ask(&session, "login", &[("username", "mia"), ("pass", "secret")]));
    expect("pausedsub", ask(&session, "license", &[("key", "paused")]));
    expect("noactivesubs", ask(&session, "license", &[("key", "poor")]));
    expect("loggedInMsg", register("tom", "p", "KEY-1"));
    assert_eq!(ask(&session, "license", &[("key", "KEY-2")]), own("loggedInMsg"));
    server.change(|db| db.setting("blockLeakedPasswords", "1"));
    expect("pwLeaked", register("tim", "password", "KEY-1"));
    for (setting, value, name) in [
        ("hashcheck", "1", "hashcheckfail"),
        ("paused", "1", "pausedApp"),
        ("enabled", "0", "appdisabled"),
        ("vpnblock", "1", "vpnblocked"),
    ] {
        server.change(|db| db.setting(setting, value));
        expect(name, server.call("init", &[]).message());
    }
    for name in names {
        assert!(seen.contains(&name), "{name} was never shown");
    }
}

#[test]
fn a_reason_is_put_where_the_text_asks_for_it() {
    let db = Fixture::new();
    db.setting("keybanned", "No: {reason}. Really: {reason}.");
    db.license_with("BANNED", |license| (license.banned, license.ban_reason) = (true, Some("\"{reason}\" ü".into())));
    db.license_with("BARE", |license| license.banned = true);
    let server = db.serve(&[]);
    let session = server.init();
    assert_eq!(ask(&session, "license", &[("key", "BANNED")]), "No: \"{reason}\" ü. Really: \"{reason}\" ü.");
    assert_eq!(ask(&session, "license", &[("key", "BARE")]), "No: . Really: .");
}
