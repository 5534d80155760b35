//! `register` where it succeeds (contract 1.1 to 1.3).

use keystead::model::license::LicenseState;
use keystead::model::time::{Span, Time};
use keystead::model::user::Credential;
use serde_json::{Value, json};

use super::support::{Fixture, now};
use super::{Client, alice, granted, mia, post, refused, shop, with};

const DONE: &str = "User registered successfully";

fn date(time: Time) -> String {
    chrono::DateTime::from_timestamp(time.0, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[test]
fn l1_l3_l4_l20_register_answers_at_its_path() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let body = granted(&client.call("register", &alice()), DONE);
    let names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["message", "session_id", "success", "user"]);
    // Once more, with a session that is the only thing that stands for the app: no header does.
    let again = client.call("register", &alice());
    refused(&again, 409, "USERNAME_TAKEN", "Username is already taken");
    // With a slash at the end it is the same path.
    let slash = server.post_json("/api/v2/register/", &[], &with(alice(), &json!({"session_id": client.session})));
    refused(&slash, 409, "USERNAME_TAKEN", "Username is already taken");
}

#[test]
fn l4_fields_stand_in_the_order_of_the_documentation() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let text = client.call("register", &alice()).text();
    let session = serde_json::from_str::<Value>(&text).unwrap()["session_id"].as_str().unwrap().to_owned();
    let head = format!(
        r#"{{"success":true,"message":"{DONE}","session_id":"{session}","user":{{"username":"alice7","email":null,"#
    );
    assert!(text.starts_with(&head), "{text}");
    let text = client.call("register", &alice()).text();
    assert_eq!(text, r#"{"success":false,"code":"USERNAME_TAKEN","message":"Username is already taken"}"#);
}

#[test]
fn l2_version_1_is_the_same_handler() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let reply = server.post_json("/api/v1/register", &[], &with(alice(), &json!({"session_id": client.session})));
    granted(&reply, DONE);
    assert!(server.db.user_now("alice7").is_some());
}

#[test]
fn l5_unknown_fields_are_ignored() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let more = json!({
        "request_id": "r", "nonce": "n", "timestamp": 1_700_000_000_000_i64, "ip": "198.51.100.7",
        "ip_address": ["x"], "hash": "h", "owner_id": 7, "app_name": {}, "secret": false, "version": 1.5,
        "two_factor_code": 9, "anything": {"at": ["all"]},
    });
    granted(&client.call("register", &with(alice(), &more)), DONE);
    assert_eq!(server.db.user_now("alice7").unwrap().ip.as_deref(), Some("127.0.0.1"), "the address is the socket's");
}

#[test]
fn l10_the_session_is_the_app() {
    let db = shop();
    // A user and a license of the same names in another app are somebody else's.
    db.sql(
        "INSERT INTO users (app_id, name, login, created_at, last_login_at) \
         SELECT id, 'alice7', 'locked', 0, 0 FROM apps WHERE name = 'other'; \
         INSERT INTO licenses (app_id, key, level, duration, created_at) \
         SELECT id, 'THEIRS', '1', 60, 0 FROM apps WHERE name = 'other'",
    );
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let theirs = client.call("register", &with(alice(), &json!({"key": "THEIRS"})));
    refused(&theirs, 404, "LICENSE_NOT_FOUND", "License key not found");
    granted(&client.call("register", &alice()), DONE);
    assert_eq!(server.db.users(), 2, "mia and alice7");
}

#[test]
fn l12_an_optional_field_that_is_null_or_empty_was_not_sent() {
    let db = shop();
    db.license("KEY-2");
    let server = db.serve(&[]);
    let client = Client::open(&server);
    for (name, key, nothing) in [("ann", "KEY-1", json!("")), ("bob", "KEY-2", json!(null))] {
        let mut body = json!({"session_id": client.session, "username": name, "password": "s3cret-pw", "key": key});
        for field in ["email", "sid", "hwid"] {
            body[field] = nothing.clone();
        }
        let user = granted(&post(&server, "register", &body), DONE)["user"].clone();
        assert_eq!((&user["email"], &user["sid"]), (&json!(null), &json!(null)), "{user}");
        let made = server.db.user_now(name).unwrap();
        assert_eq!((made.email, server.db.devices_of(made.id).len()), (None, 0));
    }
}

#[test]
fn l13_license_key_is_another_name_of_key_and_key_counts() {
    let db = shop();
    db.license("KEY-2");
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let other = json!({"key": null, "license_key": "KEY-1"});
    granted(&client.call("register", &with(alice(), &other)), DONE);
    let both = json!({"username": "bob", "key": "KEY-2", "license_key": "KEY-1"});
    granted(&client.call("register", &with(alice(), &both)), DONE);
    assert_eq!(server.db.license_now("KEY-2").state(), LicenseState::Used);
}

#[test]
fn l14_of_sid_and_hwid_sid_counts() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let both = json!({"sid": "S-1", "hwid": "H-1"});
    let user = granted(&client.call("register", &with(alice(), &both)), DONE)["user"].clone();
    assert_eq!((&user["sid"], &user["hwid"]), (&json!("S-1"), &json!("S-1")));
    assert_eq!(server.db.devices_of(server.db.user_now("alice7").unwrap().id), ["S-1"]);
}

#[test]
fn l15_the_license_is_used_up_on_success() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    granted(&client.call("register", &alice()), DONE);
    let (license, user) = (server.db.license_now("KEY-1"), server.db.user_now("alice7").unwrap());
    assert_eq!((license.state(), license.used_by), (LicenseState::Used, Some(user.id)));
}

#[test]
fn l17_a_device_is_bound_at_once_or_by_the_first_login() {
    let db = shop();
    db.license("KEY-2");
    let server = db.serve(&[]);
    let client = Client::open(&server);
    // No least length here, and compared exactly.
    granted(&client.call("register", &with(alice(), &json!({"hwid": "d"}))), DONE);
    let login = |name: &str, sid: &str| {
        client.call("login", &json!({"username": name, "password": "s3cret-pw", "sid": sid})).json()["code"].clone()
    };
    assert_eq!(login("alice7", "D"), "DEVICE_LIMIT_REACHED");
    assert_eq!(login("alice7", "d"), json!(null));
    granted(&client.call("register", &with(alice(), &json!({"username": "bob", "key": "KEY-2"}))), DONE);
    assert_eq!(server.db.devices_of(server.db.user_now("bob").unwrap().id).len(), 0);
    assert_eq!(login("bob", "first"), json!(null));
    assert_eq!(login("bob", "second"), "DEVICE_LIMIT_REACHED");
}

#[test]
fn l18_the_password_is_kept_as_a_hash_and_never_returned() {
    let server = shop().serve(&["--log-level", "debug"]);
    let client = Client::open(&server);
    let reply = client.call("register", &alice());
    assert!(!reply.text().contains("s3cret-pw"), "{reply:?}");
    let user = server.db.user_now("alice7").unwrap();
    assert!(matches!(&user.credential, Credential::Password(hash) if hash.starts_with("$argon2id$")));
    let (_, log) = server.stop();
    assert!(!log.iter().any(|line| line.contains("s3cret-pw") || line.contains("KEY-1")), "{log:?}");
}

#[test]
fn l19_the_email_comes_back_as_sent() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let email = "Älice+7@Example.test";
    let user = granted(&client.call("register", &with(alice(), &json!({"email": email}))), DONE)["user"].clone();
    assert_eq!(user["email"], email);
    let login = json!({"username": "alice7", "password": "s3cret-pw", "sid": "s"});
    assert_eq!(client.call("login", &login).json()["user"]["email"], email);
}

#[test]
fn l21_l22_both_sessions_are_logged_in() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    assert!(!client.is_in(&client.session));
    let new = granted(&client.call("register", &alice()), DONE)["session_id"].as_str().unwrap().to_owned();
    assert_ne!(new, client.session);
    assert!(new.len() == 64 && new.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{new}");
    assert!(client.is_in(&new) && client.is_in(&client.session));
}

#[test]
fn l22_both_sessions_live_on_where_a_login_ends_the_others() {
    let db = shop();
    db.setting("killOtherSessions", "1");
    let server = db.serve(&[]);
    let (one, two) = (Client::open(&server), Client::open(&server));
    let first = granted(&one.call("login", &mia()), "Login success")["session_id"].as_str().unwrap().to_owned();
    assert!(one.is_in(&first) && one.is_in(&one.session));
    let second = granted(&two.call("login", &mia()), "Login success")["session_id"].as_str().unwrap().to_owned();
    assert!(two.is_in(&second) && two.is_in(&two.session));
    assert!(!two.is_in(&first) && !two.is_in(&one.session), "the old ones are nobody's now");
}

#[test]
fn l23_l24_name_level_and_end_of_what_the_license_gives() {
    let db = shop();
    db.plan("gold", "7");
    db.plan("also gold", "7");
    db.license_with("GOLD", |license| {
        license.level = "7".to_owned();
        license.duration = Span::Seconds(3_600);
    });
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let before = now();
    let user = granted(&client.call("register", &with(alice(), &json!({"key": "GOLD"}))), DONE)["user"].clone();
    assert_eq!(user["subscription"], "also gold", "of two that end together the one whose name comes first");
    assert_eq!(user["subscription_level"], 7);
    let expiry = user["expiry_date"].as_str().unwrap();
    assert!((date(before + 3_600)..=date(now() + 3_600)).contains(&expiry.to_owned()), "{expiry}");
    let stored = server.db.held_by(server.db.user_now("alice7").unwrap().id)[0].expires_at.unwrap();
    assert_eq!(expiry, date(stored));
}

#[test]
fn l23_a_level_that_is_no_number_is_0() {
    let db = shop();
    db.plan("trial", "try");
    db.license_with("TRIAL", |license| license.level = "try".to_owned());
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let user = granted(&client.call("register", &with(alice(), &json!({"key": "TRIAL"}))), DONE)["user"].clone();
    assert_eq!((&user["subscription"], &user["subscription_level"]), (&json!("trial"), &json!(0)));
}

#[test]
fn l24_a_lifetime_has_no_end() {
    let db = Fixture::new();
    db.license_with("KEY-1", |license| license.duration = Span::Lifetime);
    let server = db.serve(&[]);
    let user = granted(&Client::open(&server).call("register", &alice()), DONE)["user"].clone();
    assert_eq!(user["expiry_date"], json!(null));
}

#[test]
fn l24_the_absolute_end_of_a_license_bounds_what_it_gives() {
    let db = Fixture::new();
    let end = now() + 600;
    db.license_with("KEY-1", |license| license.expires_at = Some(end));
    let server = db.serve(&[]);
    let user = granted(&Client::open(&server).call("register", &alice()), DONE)["user"].clone();
    let expiry = user["expiry_date"].as_str().unwrap();
    assert!((date(end)..=date(end)).contains(&expiry.to_owned()), "{expiry} but not past {}", date(end));
}

#[test]
fn l25_l26_l27_seven_fields_with_null_for_what_there_is_not() {
    let db = shop();
    db.license("KEY-2");
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let names = ["email", "expiry_date", "hwid", "sid", "subscription", "subscription_level", "username"];
    let user = granted(&client.call("register", &alice()), DONE)["user"].clone();
    assert_eq!(user.as_object().unwrap().keys().collect::<Vec<_>>(), names);
    assert_eq!((&user["sid"], &user["hwid"], &user["email"]), (&json!(null), &json!(null), &json!(null)));
    let full = json!({"username": "Bob", "key": "KEY-2", "sid": "S-1-5-21-1-2-3", "email": "bob@example.test"});
    let user = granted(&client.call("register", &with(alice(), &full)), DONE)["user"].clone();
    assert_eq!(user.as_object().unwrap().keys().collect::<Vec<_>>(), names);
    assert_eq!((&user["sid"], &user["hwid"]), (&json!("S-1-5-21-1-2-3"), &json!("S-1-5-21-1-2-3")));
    assert_eq!((&user["username"], &user["email"]), (&json!("Bob"), &json!("bob@example.test")));
}
