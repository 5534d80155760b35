//! `POST /auth/login` (contract 2.1) and what its token is good for.

use std::thread;

use keystead::model::session::SessionKind;
use keystead::model::user::Credential;
use serde_json::json;

use crate::client::{Client, assert_denied, password_of, without_devices, written};
use crate::support::totp::{WRONG, code};
use crate::support::{Fixture, Reply, Server, now};

const WRONG_CREDENTIALS: &str = "Invalid credentials";

fn server(prepare: impl FnOnce(&Fixture)) -> Server {
    let db = Fixture::new();
    db.user("mia");
    prepare(&db);
    db.serve(&["--trusted-proxy", "127.0.0.1"])
}

#[test]
fn a_password_gives_a_token_for_five_minutes() {
    let server = server(|_| ());
    let client = Client::new(&server);
    let token = client.token(&password_of("MIA"), "hw-01");
    assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
    let session = server.db.session_now(&token).expect("a session");
    let mia = server.db.user_now("mia").unwrap();
    assert_eq!((session.kind, session.expires_at - session.created_at), (SessionKind::Token, 300));
    assert_eq!(session.user.map(|user| user.id), Some(mia.id));
    assert_eq!(session.hwid.as_deref(), Some("hw-01"));
    assert_eq!(mia.ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(client.get_as(&token, "/app_context").status, 200);
    server.change(|db| db.expire_session(&token));
    let late = client.get_as(&token, "/app_context");
    assert_denied(&late, 401, "Session token is invalid or expired");
    assert_eq!(client.login(&password_of("mia"), "hw-01").status, 200, "and so it goes on");
}

#[test]
fn a_code_opens_the_user_that_it_made() {
    let server = server(|db| {
        db.license("KEY-1");
        db.license("UNUSED");
        db.license_with("BANNED", |license| license.banned = true);
    });
    let client = Client::new(&server);
    let name = client.sign_up_by("KEY-1").json()["username"].clone();
    let token = client.token(&json!({"code": "key-1"}), "hw-01");
    assert_eq!(client.get_as(&token, "/app_context").json()["user"]["username"], name);
    let before = written(&server.db);
    for code in ["UNUSED", "NOBODYS", "BANNED", "mia", &"x".repeat(500)] {
        assert_denied(&client.login(&json!({"code": code}), "hw-02"), 401, WRONG_CREDENTIALS);
    }
    assert_eq!(written(&server.db), before, "logging in redeems nothing");
    server.change(|db| db.sql("UPDATE licenses SET paused = 1 WHERE key = 'KEY-1'"));
    assert_denied(&client.login(&json!({"code": "KEY-1"}), "hw-01"), 403, "License is paused");
    server.change(|db| db.sql("UPDATE licenses SET banned = 1 WHERE key = 'KEY-1'"));
    assert_denied(&client.login(&json!({"code": "KEY-1"}), "hw-01"), 403, "Banned");
}

#[test]
fn a_code_that_only_gave_more_time_opens_nobody() {
    let server = server(|db| {
        db.license("MORE");
    });
    let client = Client::new(&server);
    let body = json!({"code": "MORE", "username": "mia", "password": "secret"});
    assert_eq!(client.post("/activate_license", &body).status, 200);
    assert_denied(&client.login(&json!({"code": "MORE"}), "hw-01"), 401, WRONG_CREDENTIALS);
}

#[test]
fn wrong_credentials_are_401() {
    let server = server(|db| {
        db.bare_user("locked", Credential::Locked, |_| {});
    });
    let client = Client::new(&server);
    let before = written(&server.db);
    for credentials in [
        json!({"username": "mia", "password": "wrong"}),
        json!({"username": "nobody", "password": "secret"}),
        json!({"username": "locked", "password": "secret"}),
        json!({"username": "mia", "password": "x".repeat(2_000)}),
        json!({"username": "m".repeat(2_000), "password": "secret"}),
    ] {
        assert_denied(&client.login(&credentials, "hw-01"), 401, WRONG_CREDENTIALS);
    }
    assert_denied(&Client::of_other(&server).login(&password_of("mia"), "hw-01"), 401, WRONG_CREDENTIALS);
    assert_eq!(written(&server.db), before);
}

#[test]
fn what_is_missing_is_422() {
    let server = server(|_| ());
    let client = Client::new(&server);
    for (body, field) in [
        (json!({}), "credentials"),
        (json!({"credentials": "mia"}), "credentials"),
        (json!({"credentials": null}), "credentials"),
        (json!({"username": "mia", "password": "secret"}), "credentials"),
        (json!({"credentials": {}}), "username"),
        (json!({"credentials": {"password": "secret"}}), "username"),
        (json!({"credentials": {"username": "mia"}}), "password"),
        (json!({"credentials": {"code": null, "username": "mia"}}), "password"),
    ] {
        assert_denied(&client.post("/auth/login", &body), 422, &format!("Field required: {field}"));
    }
    let nul = json!({"credentials": {"username": "mia\0x", "password": "secret"}, "hardware_id": "hw"});
    assert_denied(&client.post("/auth/login", &nul), 422, "Invalid value: username");
}

#[test]
fn bans_and_memberships_that_do_not_run_are_403() {
    let server = server(|db| {
        db.bare_user("new", Credential::Password(crate::support::password_hash("secret")), |_| {});
        let over = db.bare_user("over", Credential::Password(crate::support::password_hash("secret")), |_| {});
        db.subscription(over, |held| held.expires_at = Some(now() + -1));
        let paused = db.bare_user("paused", Credential::Password(crate::support::password_hash("secret")), |_| {});
        db.subscription(paused, |held| held.paused_at = Some(held.granted_at));
        db.user("banned");
        db.sql("UPDATE users SET banned = 1 WHERE name = 'banned'");
        db.ban_hwid("bad");
        db.ban_network("203.0.113.7");
    });
    let client = Client::new(&server);
    let before = written(&server.db);
    for name in ["new", "over", "paused"] {
        assert_denied(&client.login(&password_of(name), "hw-01"), 403, "Membership is not active");
    }
    assert_denied(&client.login(&password_of("banned"), "hw-01"), 403, "Banned");
    assert_denied(&client.login(&password_of("mia"), "bad"), 403, "Banned");
    let body = json!({"credentials": password_of("mia"), "hardware_id": "hw-01"}).to_string();
    let there = client.ask("POST", "/auth/login", &[("x-forwarded-for", "203.0.113.7")], body.as_bytes());
    assert_denied(&there, 403, "Banned");
    assert_eq!(written(&server.db), before, "not even a device is bound");
}

#[test]
fn a_second_factor_is_asked_for() {
    let server = server(without_devices);
    let client = Client::new(&server);
    let session = server.init();
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    let secret = session.call("2faenable", &[]).json()["2fa"]["secret_code"].as_str().unwrap().to_owned();
    assert!(session.call("2faenable", &[("code", &code(&secret, 0))]).success());

    let login = |code: &str| {
        let body = json!({"credentials": password_of("mia"), "two_factor_code": code});
        client.post("/auth/login", &body)
    };
    let required = "Two-factor code is required: send it as two_factor_code";
    assert_denied(&login(""), 401, required);
    assert_denied(&client.login(&password_of("mia"), "hw-01"), 401, required);
    let activate = json!({"code": "KEY-1", "username": "mia", "password": "secret"});
    assert_denied(&client.post("/activate_license", &activate), 401, required);
    server.change(|db| {
        db.setting("authgateLegacy", "1");
        db.license("KEY-1");
    });
    let headers = [("x-api-username", "mia"), ("x-api-password", "secret")];
    assert_denied(&client.get("/app_context", &headers), 401, required);
    assert_denied(&login(WRONG), 401, "Two-factor code is wrong");
    assert_eq!(login(&code(&secret, 1)).status, 200);
    assert!(server.db.license_now("KEY-1").used_at.is_none());
    for _ in 0..5 {
        login(WRONG);
    }
    let blocked = login(WRONG);
    assert_denied(&blocked, 429, "Too many wrong two-factor codes");
    assert!(blocked.header("retry-after").is_some());
}

#[test]
fn tokens_can_be_switched_off() {
    let server = server(|_| ());
    let client = Client::new(&server);
    let token = client.token(&password_of("mia"), "hw-01");
    server.change(|db| db.setting("authgateTokens", "0"));
    let off = "Session tokens are switched off for this application";
    assert_denied(&client.login(&password_of("mia"), "hw-01"), 403, off);
    assert_denied(&client.get_as(&token, "/app_context"), 403, off);
}

/// Whoever is named: a password is verified once before anything is told, so that nothing is told by how soon it is. Seen
/// by the queue for hashing, which takes only so many at once.
#[test]
fn a_wrong_name_costs_what_a_wrong_password_costs() {
    let db = Fixture::new();
    db.user("mia");
    db.bare_user("locked", Credential::Locked, |_| {});
    db.license("KEY-1");
    db.bare_user("KEY-1", Credential::License, |_| {});
    db.setting("authgateLegacy", "1");
    let server = db.serve(&["--hash-threads", "1", "--hash-queue", "1", "--rate-limit", "off"]);
    let client = Client::new(&server);
    for name in ["mia", "nobody", "locked", "KEY-1"] {
        let wrong = json!({"username": name, "password": "wrong"});
        let activation = json!({"username": name, "password": "wrong", "code": "KEY-1"});
        let headers = [("x-api-username", name), ("x-api-password", "wrong"), ("x-hardware-id", "hw-01")];
        let ways: [&(dyn Fn() -> Reply + Sync); 3] =
            [&|| client.login(&wrong, "hw-01"), &|| client.post("/activate_license", &activation), &|| {
                client.get("/app_context", &headers)
            }];
        for (way, ask) in ways.into_iter().enumerate() {
            assert_denied(&ask(), 401, WRONG_CREDENTIALS);
            // Twelve at once against room for two; a round in which none was busy is possible, ten are not.
            let is_busy = (0..10).any(|_| {
                let replies: Vec<Reply> = thread::scope(|scope| {
                    let asked: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
                    asked.into_iter().map(|one| one.join().expect("answered")).collect()
                });
                replies.iter().any(|reply| reply.status == 503)
            });
            assert!(is_busy, "{name}, way {way}: no hash was waited for");
        }
    }
}
