//! What `register` refuses, in which words and in which order (contract 1.4), and that a refusal writes nothing.

use std::time::Duration;

use keystead::model::ban::{BanTarget, parse_network};
use serde_json::{Value, json};

use super::support::now;
use super::{Client, alice, granted, post, refused, refused_as, shop, with, written};

const MISSING: &str = "Required fields are missing";

#[test]
fn l11_a_required_field_must_be_a_text_that_is_not_empty() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let before = written(&server.db);
    let good = with(alice(), &json!({"session_id": client.session}));
    for field in ["session_id", "username", "password", "key"] {
        for value in [json!(""), json!(" \t"), json!(7), json!(true), json!(["x"]), json!({"a": "x"}), json!(1.5)] {
            let mut body = good.clone();
            body[field] = value;
            refused(&post(&server, "register", &body), 400, "MISSING_FIELDS", MISSING);
        }
        let mut body = good.clone();
        body[field] = Value::Null;
        refused(&post(&server, "register", &body), 400, "MISSING_FIELDS", MISSING);
        body.as_object_mut().unwrap().remove(field);
        refused(&post(&server, "register", &body), 400, "MISSING_FIELDS", MISSING);
    }
    for body in ["", "null", "[]", "7", "\"x\"", "{", "{\"session_id\":"] {
        let reply = server.ask("POST", "/api/v2/register", &[("content-type", "application/json")], body.as_bytes());
        refused(&reply, 400, "MISSING_FIELDS", MISSING);
    }
    assert_eq!(written(&server.db), before);
}

#[test]
fn l15_a_failure_leaves_license_username_and_session_as_they_were() {
    let db = shop();
    db.license_with("BANNED", |license| license.banned = true);
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let before = written(&server.db);
    for change in [
        json!({"username": "MIA"}),
        json!({"key": "BANNED"}),
        json!({"key": "none"}),
        json!({"username": "x".repeat(71)}),
        json!({"password": "x".repeat(1_025)}),
        json!({"sid": "x".repeat(2_001)}),
        json!({"email": "x".repeat(321)}),
    ] {
        assert!(!client.call("register", &with(alice(), &change)).success(), "{change}");
    }
    assert_eq!(written(&server.db), before);
    assert!(!client.is_in(&client.session));
    granted(&client.call("register", &alice()), "User registered successfully");
}

#[test]
fn l30_invalid_and_expired_sessions_are_told_apart() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let register = |session: &str| post(&server, "register", &with(alice(), &json!({"session_id": session})));
    let unknown = "0".repeat(64);
    for session in
        [unknown.as_str(), "nonsense", &"é".repeat(32), &client.session.to_uppercase(), &client.session[..63]]
    {
        refused(&register(session), 401, "INVALID_SESSION", "Invalid session");
    }
    server.change(|db| db.expire_session(&client.session));
    refused(&register(&client.session), 401, "SESSION_EXPIRED", "Session has expired");
    // One that was ended is not one that ran out.
    let ended = Client::open(&server);
    server.change(|db| {
        db.sql(&format!(
            "UPDATE sessions SET ended_at = {0}, expires_at = {0} WHERE id = '{1}'",
            now().0,
            ended.session
        ));
    });
    refused(&register(&ended.session), 401, "INVALID_SESSION", "Invalid session");
    assert!(server.db.user_now("alice7").is_none());
}

#[test]
fn l32_a_license_whose_absolute_end_has_passed_has_expired() {
    let db = shop();
    db.license_with("OVER", |license| license.expires_at = Some(now() + -1));
    // A duration alone cannot run out unused, however old the license is.
    db.license_with("OLD", |license| license.created_at = now() + -900_000_000);
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let over = client.call("register", &with(alice(), &json!({"key": "OVER"})));
    refused(&over, 403, "LICENSE_EXPIRED", "This license key has expired");
    granted(&client.call("register", &with(alice(), &json!({"key": "OLD"}))), "User registered successfully");
}

#[test]
fn l33_paused_banned_used_and_what_counts_first() {
    let db = shop();
    let mia = db.user_now("mia").unwrap().id;
    db.license_with("PAUSED", |license| license.paused = true);
    db.license_with("PAUSED-OVER", |license| {
        license.paused = true;
        license.expires_at = Some(now() + -1);
    });
    db.license_with("BANNED", |license| license.banned = true);
    db.license_with("BANNED-PAUSED", |license| (license.banned, license.paused) = (true, true));
    db.license_with("BANNED-USED", |license| {
        license.banned = true;
        (license.used_at, license.used_by) = (Some(now()), Some(mia));
    });
    db.license_with("USED-PAUSED", |license| {
        license.paused = true;
        (license.used_at, license.used_by) = (Some(now()), Some(mia));
    });
    let server = db.serve(&[]);
    let client = Client::open(&server);
    for (key, code, message) in [
        ("PAUSED", "LICENSE_PAUSED", "This license key is paused"),
        ("PAUSED-OVER", "LICENSE_PAUSED", "This license key is paused"),
        ("BANNED", "LICENSE_BANNED", "This license key is banned"),
        ("BANNED-PAUSED", "LICENSE_BANNED", "This license key is banned"),
        ("BANNED-USED", "LICENSE_BANNED", "This license key is banned"),
        ("USED-PAUSED", "LICENSE_IN_USE", "This license key is already in use"),
    ] {
        refused(&client.call("register", &with(alice(), &json!({"key": key}))), 403, code, message);
    }
}

#[test]
fn l34_an_app_that_is_not_open_is_app_disabled() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let before = written(&server.db);
    for (setting, off, on) in [("enabled", "0", "1"), ("paused", "1", "0"), ("banned", "1", "0"), ("authly", "0", "1")]
    {
        server.change(|db| db.setting(setting, off));
        refused_as(&client.call("register", &alice()), 403, "APP_DISABLED");
        refused_as(&post(&server, "init", &super::hello()), 403, "APP_DISABLED");
        server.change(|db| db.setting(setting, on));
    }
    assert_eq!(written(&server.db), before);
}

#[test]
fn l35_banned_addresses_and_devices() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let ban = |target: BanTarget| {
        server.change(|db| {
            let app = db.app().id;
            db.write(move |tx| {
                let new = keystead::store::bans::Ban { target: target.clone(), note: None, created_at: now() };
                keystead::store::bans::insert(tx, app, &new).unwrap();
            });
        });
    };
    ban(BanTarget::Hwid("bad".to_owned()));
    for name in ["sid", "hwid"] {
        refused_as(&client.call("register", &with(alice(), &json!({name: "bad"}))), 403, "SID_BLOCKED");
    }
    ban(BanTarget::Network(parse_network("127.0.0.0/8").unwrap()));
    refused_as(&client.call("register", &alice()), 403, "IP_BLOCKED");
    refused_as(&post(&server, "init", &super::hello()), 403, "IP_BLOCKED");
    // What a client says of its address changes nothing.
    let elsewhere = json!({"ip": "198.51.100.7", "ip_address": "198.51.100.7"});
    refused_as(&client.call("register", &with(alice(), &elsewhere)), 403, "IP_BLOCKED");
    assert!(server.db.user_now("alice7").is_none());
    assert!(server.db.license_now("KEY-1").used_at.is_none());
}

#[test]
fn l36_limits_name_the_field() {
    let db = shop();
    db.setting("minUsernameLength", "5");
    db.setting("blockLeakedPasswords", "1");
    // SHA-1 of "leaked".
    let leaked = db.file("leaked.txt", "d14babe099a92466c4efa49400806772a6c097cd\n");
    let server = db.serve(&["--leaked-passwords", &leaked]);
    let client = Client::open(&server);
    for (field, value) in [
        ("username", "x".repeat(71)),
        ("username", "abcd".to_owned()),
        ("username", "a\nbcdef".to_owned()),
        ("password", "x".repeat(1_025)),
        ("password", "leaked".to_owned()),
        ("key", "x".repeat(71)),
        ("sid", "x".repeat(2_001)),
        ("email", "x".repeat(321)),
    ] {
        let message =
            refused_as(&client.call("register", &with(alice(), &json!({field: value}))), 400, "MISSING_FIELDS");
        assert!(message.starts_with(field), "{field}: {message}");
    }
    granted(&client.call("register", &alice()), "User registered successfully");
}

#[test]
fn l37_too_many_requests() {
    let server = shop().serve(&["--rate-limit", "1/h burst 3"]);
    let client = Client::open(&server);
    let replies: Vec<_> = (0..4).map(|_| client.call("register", &json!({"username": ""}))).collect();
    let limited = replies.last().expect("some");
    refused(limited, 429, "RATE_LIMITED", "Too many requests");
    let wait: u64 = limited.header("retry-after").expect("how long").parse().expect("seconds");
    assert!(Duration::from_secs(wait) <= Duration::from_secs(3_601));
}

#[test]
fn l38_a_level_without_a_plan_is_not_eligible() {
    let db = shop();
    db.license_with("LOST", |license| license.level = "9".to_owned());
    let server = db.serve(&[]);
    let reply = Client::open(&server).call("register", &with(alice(), &json!({"key": "LOST"})));
    refused(&reply, 403, "LICENSE_NOT_ELIGIBLE", "This license key is not eligible");
}

/// Each step's fault is told although the later ones are there too.
#[test]
fn l34_l35_l36_the_order_of_the_checks() {
    let db = shop();
    db.license_with("BANNED", |license| license.banned = true);
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let app = server.db.app().id;
    let ban = move |db: &super::Fixture| {
        db.write(move |tx| {
            let target = BanTarget::Hwid("bad".to_owned());
            let new = keystead::store::bans::Ban { target, note: None, created_at: now() };
            keystead::store::bans::insert(tx, app, &new).unwrap();
        });
    };
    server.change(ban);
    server.change(|db| db.setting("enabled", "0"));
    let all = json!({
        "session_id": "0".repeat(64), "username": "", "password": "x".repeat(2_000), "key": "none", "sid": "bad",
    });
    let mut body = all;
    let mut code = |field: &str, value: &str| {
        body[field] = value.into();
        post(&server, "register", &body).json()["code"].as_str().unwrap_or("OK").to_owned()
    };
    assert_eq!(code("username", ""), "MISSING_FIELDS", "a field");
    assert_eq!(code("username", "mia"), "MISSING_FIELDS", "a limit");
    assert_eq!(code("password", "s3cret-pw"), "INVALID_SESSION", "the session");
    assert_eq!(code("session_id", &client.session), "APP_DISABLED", "the app");
    server.change(|db| db.setting("enabled", "1"));
    assert_eq!(code("sid", "bad"), "SID_BLOCKED", "the bans");
    assert_eq!(code("sid", "good"), "USERNAME_TAKEN", "the username");
    assert_eq!(code("username", "alice7"), "LICENSE_NOT_FOUND", "the license");
    assert_eq!(code("key", "BANNED"), "LICENSE_BANNED");
    assert_eq!(code("key", "KEY-1"), "OK");
}
