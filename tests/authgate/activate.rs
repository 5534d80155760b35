//! `POST /activate_license` (contract 2.4).

use keystead::model::time::Span;
use serde_json::{Value, json};

use crate::client::{Client, assert_denied, written};
use crate::support::{Fixture, Reply, Server, now};

const UNKNOWN: &str = "Invalid or already used license code";

fn server(prepare: impl FnOnce(&Fixture)) -> Server {
    let db = Fixture::new();
    db.user("mia");
    db.license_with("KEY-1", |license| license.duration = Span::Seconds(90 * 60 + 59));
    db.license("KEY-2");
    prepare(&db);
    db.serve(&[])
}

fn activate(client: &Client<'_>, code: &str, username: &str, password: &str) -> Reply {
    client.post("/activate_license", &json!({"code": code, "username": username, "password": password}))
}

#[test]
fn the_answer_is_an_adjustment_and_its_ids_are_stable() {
    let server = server(|db| {
        db.license_with("FOREVER", |license| license.duration = Span::Lifetime);
    });
    let client = Client::new(&server);
    let mia = server.db.user_now("mia").unwrap().id;
    let before = server.db.held_by(mia)[0].expires_at.unwrap();
    let reply = activate(&client, "key-1", "MIA", "secret");
    let got = reply.json();
    assert_eq!(reply.status, 200, "{reply:?}");
    let keys =
        ["id", "occurred_at", "minutes", "grants_lifetime_access", "revokes_lifetime_access", "license_id", "type"];
    let places: Vec<_> = keys.iter().map(|key| reply.text().find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted() && got.as_object().unwrap().len() == keys.len(), "{reply:?}");
    assert_eq!((&got["minutes"], &got["type"]), (&json!(90), &json!("license")));
    assert_eq!((&got["grants_lifetime_access"], &got["revokes_lifetime_access"]), (&json!(false), &json!(false)));
    let occurred = chrono::DateTime::parse_from_rfc3339(got["occurred_at"].as_str().unwrap()).unwrap().timestamp();
    assert!((now().0 - occurred).abs() <= 60);
    assert_eq!(server.db.held_by(mia)[0].expires_at, Some(before + (90 * 60 + 59)), "added to what is left");
    assert_eq!(server.db.license_now("KEY-1").used_by, Some(mia));

    // Made of the application's id and the key, by SHA-256, as version 8.
    let app = server.db.app();
    let id_of = |of: &str, key: &str| {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(format!("{of}\n{}\n{key}", app.uuid));
        let mut bytes: [u8; 16] = digest[..16].try_into().unwrap();
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Value::from(uuid::Uuid::from_bytes(bytes).to_string())
    };
    assert_eq!(got["license_id"], id_of("license", "key-1"));
    assert_eq!(got["id"], id_of("adjustment", "key-1"));

    let forever = activate(&client, "FOREVER", "mia", "secret").json();
    assert_eq!((&forever["minutes"], &forever["grants_lifetime_access"]), (&json!(null), &json!(true)));
    assert_eq!(forever["license_id"], id_of("license", "forever"));
    assert_eq!(server.db.held_by(mia)[0].expires_at, None);
}

#[test]
fn a_new_user_has_a_membership_after_it() {
    let server = server(|_| ());
    let client = Client::new(&server);
    assert_eq!(client.sign_up("leo", "secret").status, 200);
    let credentials = json!({"username": "leo", "password": "secret"});
    assert_denied(&client.login(&credentials, "hw-01"), 403, "Membership is not active");
    assert_eq!(activate(&client, "KEY-1", "leo", "secret").status, 200);
    client.token(&credentials, "hw-01");
}

#[test]
fn wrong_names_passwords_and_codes_are_401_and_write_nothing() {
    let server = server(|db| {
        db.license_with("NO-PLAN", |license| license.level = "9".to_owned());
        db.license_with("NOTHING", |license| license.duration = Span::Seconds(0));
        db.license_with("OVER", |license| license.expires_at = Some(now() + -1));
        db.license_with("BANNED", |license| license.banned = true);
        db.license_with("PAUSED", |license| license.paused = true);
        db.user("banned");
        db.sql("UPDATE users SET banned = 1 WHERE name = 'banned'");
    });
    let client = Client::new(&server);
    let by_license = client.sign_up_by("KEY-1").json()["username"].as_str().unwrap().to_owned();
    let before = written(&server.db);
    for (code, name, password, status, detail) in [
        ("KEY-2", "nobody", "secret", 401, "Invalid credentials"),
        ("KEY-2", "mia", "wrong", 401, "Invalid credentials"),
        // A license-only user has no password, not even its license.
        ("KEY-2", &by_license, "secret", 401, "Invalid credentials"),
        ("KEY-2", &by_license, "KEY-1", 401, "Invalid credentials"),
        // Who does not know the password is told nothing about a code.
        ("NOBODYS", "mia", "wrong", 401, "Invalid credentials"),
        ("NOBODYS", "mia", "secret", 401, UNKNOWN),
        ("KEY-1", "mia", "secret", 401, UNKNOWN),
        ("NO-PLAN", "mia", "secret", 401, UNKNOWN),
        ("NOTHING", "mia", "secret", 401, UNKNOWN),
        ("OVER", "mia", "secret", 401, "License code has expired"),
        ("BANNED", "mia", "secret", 403, "Banned"),
        ("PAUSED", "mia", "secret", 403, "License is paused"),
        ("KEY-2", "banned", "secret", 403, "Banned"),
    ] {
        assert_denied(&activate(&client, code, name, password), status, detail);
    }
    assert_denied(&activate(&client, &"x".repeat(71), "mia", "secret"), 401, UNKNOWN);
    for (body, field) in [
        (json!({"username": "mia", "password": "secret"}), "code"),
        (json!({"code": "KEY-2", "password": "secret"}), "username"),
        (json!({"code": "KEY-2", "username": "mia", "password": null}), "password"),
    ] {
        assert_denied(&client.post("/activate_license", &body), 422, &format!("Field required: {field}"));
    }
    server.change(|db| db.ban_network("127.0.0.1"));
    assert_denied(&activate(&client, "KEY-2", "mia", "secret"), 403, "Banned");
    assert_eq!(written(&server.db), before);
    assert!(server.db.license_now("KEY-2").used_at.is_none());
}
