//! `POST /sign_up_with_license_code` (contract 1.3).

use keystead::model::time::Span;
use keystead::model::user::Credential;
use serde_json::json;

use crate::client::{Client, assert_denied, password_of, without_devices, written};
use crate::support::{Fixture, Reply, Server, now};

const UNKNOWN: &str = "Invalid or already used license code";

fn server(prepare: impl FnOnce(&Fixture)) -> Server {
    let db = Fixture::new();
    prepare(&db);
    db.serve(&[])
}

/// The name that a sign-up drew.
fn name(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["username"].as_str().expect("a name").to_owned()
}

#[test]
fn g30_the_name_is_drawn() {
    let server = server(|db| {
        db.license("KEY-1");
        db.license("KEY-2");
    });
    let client = Client::new(&server);
    let names = ["KEY-1", "KEY-2"].map(|code| name(&client.sign_up_by(code)));
    assert_ne!(names[0], names[1]);
    for name in names {
        let drawn = name.strip_prefix("user_").expect("a prefix");
        let base32 = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
        assert!(drawn.len() == 12 && drawn.chars().all(base32), "{name}");
    }
}

#[test]
fn g31_the_license_is_used_up_and_the_membership_runs() {
    let server = server(|db| {
        db.license("ABCDEF-123456");
    });
    let reply = Client::new(&server).sign_up_by(" abcdef-123456 ");
    let user = server.db.user_now(&name(&reply)).expect("a user");
    let expected = format!(r#"{{"id":"{}","username":"{}","membership":{{"is_active":true}}}}"#, user.uuid, user.name);
    assert_eq!(reply.text(), expected);
    let license = server.db.license_now("ABCDEF-123456");
    assert_eq!(license.used_by, Some(user.id));
    let held = server.db.held_by(user.id);
    assert_eq!((held.len(), held[0].license), (1, Some(license.id)));
    let left = held[0].expires_at.unwrap() - now();
    assert!((86_400 - 60..=86_400).contains(&left), "{left}");
    assert_eq!(written(&server.db), [1, 1, 0, 1, 1]);
}

#[test]
fn g32_unknown_and_used_codes_are_422_with_one_text() {
    let server = server(|db| {
        db.license("KEY-1");
        db.license_with("NO-PLAN", |license| license.level = "9".to_owned());
    });
    let client = Client::new(&server);
    name(&client.sign_up_by("KEY-1"));
    let before = written(&server.db);
    for code in ["KEY-1", "key-1", "NOBODYS", "NO-PLAN"] {
        assert_denied(&client.sign_up_by(code), 422, UNKNOWN);
    }
    assert_denied(&client.sign_up_by(&"x".repeat(71)), 422, "Invalid value: code");
    let other = Client::of_other(&server);
    assert_denied(&other.sign_up_by("NO-PLAN"), 422, UNKNOWN);
    assert_eq!(written(&server.db), before);
    assert!(server.db.license_now("NO-PLAN").used_at.is_none());
}

#[test]
fn g33_banned_licenses_are_403_also_when_they_were_used() {
    let server = server(|db| {
        db.license("KEY-1");
        db.license_with("BANNED", |license| license.banned = true);
    });
    let client = Client::new(&server);
    name(&client.sign_up_by("KEY-1"));
    server.change(|db| db.sql("UPDATE licenses SET banned = 1"));
    let before = written(&server.db);
    for code in ["BANNED", "KEY-1"] {
        assert_denied(&client.sign_up_by(code), 403, "Banned");
    }
    assert_eq!(written(&server.db), before);
}

#[test]
fn paused_and_expired_licenses_make_nobody() {
    let server = server(|db| {
        db.license_with("PAUSED", |license| license.paused = true);
        db.license_with("OVER", |license| license.expires_at = Some(now() + -1));
    });
    let client = Client::new(&server);
    assert_denied(&client.sign_up_by("PAUSED"), 403, "License is paused");
    assert_denied(&client.sign_up_by("OVER"), 422, "License code has expired");
    assert_eq!(written(&server.db), [0; 5]);
}

#[test]
fn g34_banned_addresses_and_devices_are_403_and_the_license_stays_unused() {
    let by_device = server(|db| db.ban_hwid("hw-01"));
    let by_address = server(|db| db.ban_network("127.0.0.1"));
    for server in [&by_device, &by_address] {
        server.change(|db| db.license("KEY-1"));
        let client = Client::new(server);
        assert_denied(&client.sign_up_by("KEY-1"), 403, "Banned");
        assert_denied(&client.sign_up_by("NOBODYS"), 403, "Banned");
        assert_eq!(written(&server.db), [0; 5]);
        assert!(server.db.license_now("KEY-1").used_at.is_none());
    }
}

#[test]
fn g35_fields_devices_and_addresses_are_as_in_the_other_sign_up() {
    let server = server(|db| {
        db.license("KEY-1");
        db.license("KEY-2");
    });
    let client = Client::new(&server);
    let path = "/sign_up_with_license_code";
    for nothing in [json!(null), json!(""), json!(5), json!(["KEY-1"]), json!({"code": "KEY-1"})] {
        let body = json!({"code": nothing, "hardware_id": "hw-01"});
        assert_denied(&client.post(path, &body), 422, "Field required: code");
        let body = json!({"code": "KEY-1", "hardware_id": nothing});
        assert_denied(&client.post(path, &body), 422, "Device authentication is required");
    }
    assert_denied(&client.post(path, &json!(["KEY-1"])), 422, "Request body must be a JSON object");
    assert_denied(&client.post(path, &json!({"code": "KEY\0-1", "hardware_id": "hw"})), 422, "Invalid value: code");
    assert_eq!(written(&server.db), [0; 5]);
    let body = json!({"code": "KEY-1", "hardware_id": "hw-01", "username": "mia", "more": {}});
    let user = server.db.user_now(&name(&client.post(path, &body))).unwrap();
    assert_ne!(user.name, "mia", "an unknown field is nothing");
    assert_eq!(server.db.devices_of(user.id), ["hw-01"]);
    assert_eq!(user.ip.as_deref(), Some("127.0.0.1"));
    server.change(without_devices);
    let user = server.db.user_now(&name(&client.post(path, &json!({"code": "KEY-2"})))).unwrap();
    assert_eq!(server.db.devices_of(user.id), [""; 0]);
}

#[test]
fn g37_a_license_without_end_gives_a_membership_without_end() {
    let server = server(|db| {
        db.license_with("KEY-1", |license| license.duration = Span::Lifetime);
    });
    let client = Client::new(&server);
    let reply = client.sign_up_by("KEY-1");
    assert_eq!(reply.json()["membership"], json!({"is_active": true}));
    let user = server.db.user_now(&name(&reply)).unwrap();
    assert_eq!(server.db.held_by(user.id)[0].expires_at, None);
    let token = client.token(&json!({"code": "KEY-1"}), "hw-01");
    let context = client.get_as(&token, "/app_context").json();
    let lifetime = json!({"is_active": true, "is_lifetime": true, "active_until": null});
    assert_eq!(context["user"]["membership"], lifetime);
}

#[test]
fn g38_it_logs_in_with_its_code_only_and_cannot_be_claimed() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license("KEY-2");
    // More wrong passwords than cost no wait.
    let server = db.serve(&["--rate-limit", "off"]);
    let client = Client::new(&server);
    let name = name(&client.sign_up_by("KEY-1"));
    assert_eq!(server.db.user_now(&name).unwrap().credential, Credential::License);
    let before = written(&server.db);
    for password in ["secret", "KEY-2", &name, "", "KEY-1 KEY-1"] {
        let credentials = json!({"username": name, "password": password});
        assert_ne!(client.login(&credentials, "hw-01").status, 200, "{password:?}");
        let claimed = server.init().call("login", &[("username", &name), ("pass", password), ("hwid", "hw-01")]);
        assert!(!claimed.success(), "{password:?}: {claimed:?}");
        let registered = server.init().call("register", &[("username", &name), ("pass", password), ("key", "KEY-2")]);
        assert!(!registered.success(), "{password:?}: {registered:?}");
    }
    assert_denied(&client.sign_up(&name, "secret"), 422, "Username is already taken");
    assert_denied(&client.login(&password_of(&name), "hw-01"), 401, "Invalid credentials");
    assert_eq!(written(&server.db), before);
    assert_eq!(server.db.user_now(&name).unwrap().credential, Credential::License, "nobody has claimed it");
    client.token(&json!({"code": "KEY-1"}), "hw-01");
    // The same user comes in by the same license through KeyAuth's door.
    let entered = server.init().call("license", &[("key", "key-1"), ("hwid", "hw-01")]);
    assert!(entered.success(), "{entered:?}");
    assert_eq!(server.db.users(), 1);
}
