//! Logging in by name and by license, prolonging, and another password (contract 2.1 to 2.5).

use keystead::model::license::LicenseState;
use keystead::model::time::Span;
use keystead::model::user::Credential;
use serde_json::json;

use super::support::{Fixture, now};
use super::{Client, granted, mia, refused, refused_as, shop, with, written};

#[test]
fn l21_login_answers_with_a_new_session_and_twelve_fields() {
    let db = shop();
    db.setting("deviceLimit", "3");
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let body = granted(&client.call("login", &with(mia(), &json!({"username": "MIA"}))), "Login success");
    let new = body["session_id"].as_str().unwrap();
    assert!(new != client.session && client.is_in(new) && client.is_in(&client.session));
    let user = body["user"].as_object().unwrap();
    let names = [
        "current_devices",
        "device_limit",
        "email",
        "expiry_date",
        "hwid",
        "last_login",
        "linked_license_key",
        "registered_at",
        "sid",
        "subscription",
        "subscription_level",
        "username",
    ];
    assert_eq!(user.keys().collect::<Vec<_>>(), names);
    assert_eq!(
        (&user["username"], &user["sid"], &user["hwid"]),
        (&json!("mia"), &json!("machine-1"), &json!("machine-1"))
    );
    assert_eq!((&user["device_limit"], &user["current_devices"]), (&json!(3), &json!(1)));
    assert_eq!((&user["subscription"], &user["subscription_level"]), (&json!("default"), &json!(1)));
    assert_eq!((&user["email"], &user["linked_license_key"]), (&json!(null), &json!(null)));
    for date in ["last_login", "registered_at", "expiry_date"] {
        assert!(user[date].as_str().is_some_and(|text| text.len() == 20 && text.ends_with('Z')), "{user:?}");
    }
    let again = granted(&client.call("login", &with(mia(), &json!({"sid": "machine-2"}))), "Login success");
    assert_eq!((&again["user"]["current_devices"], &again["user"]["sid"]), (&json!(2), &json!("machine-2")));
}

#[test]
fn l11_what_login_refuses() {
    let db = shop();
    let none = |db: &Fixture, name: &str| {
        db.bare_user(name, Credential::Password(super::support::password_hash("secret")), |_| {})
    };
    none(&db, "expired");
    let paused = none(&db, "paused");
    db.subscription(paused, |held| held.paused_at = Some(now()));
    let banned = db.user("banned");
    db.write(move |tx| keystead::domain::user::ban_user(tx, banned, Some("<why>")).unwrap());
    db.bare_user("locked", Credential::Locked, |_| {});
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let before = written(&server.db);
    for (change, status, code) in [
        (json!({"sid": null}), 400, "MISSING_FIELDS"),
        (json!({"username": "nobody"}), 404, "USER_NOT_FOUND"),
        (json!({"password": "wrong"}), 401, "INVALID_PASSWORD"),
        (json!({"password": "x".repeat(5_000)}), 401, "INVALID_PASSWORD"),
        (json!({"username": "locked"}), 401, "INVALID_PASSWORD"),
        (json!({"username": "expired"}), 403, "USER_EXPIRED"),
        (json!({"username": "paused"}), 403, "USER_SUSPENDED"),
        (json!({"username": "banned"}), 403, "USER_BANNED"),
        (json!({"sid": "x".repeat(2_001)}), 400, "MISSING_FIELDS"),
    ] {
        refused_as(&client.call("login", &with(mia(), &change)), status, code);
    }
    assert_eq!(written(&server.db), before.replace("machine", ""), "nothing was written");
    granted(&client.call("login", &mia()), "Login success");
    refused_as(&client.call("login", &with(mia(), &json!({"sid": "machine-2"}))), 403, "DEVICE_LIMIT_REACHED");
}

#[test]
fn l15_a_license_alone_is_redeemed_once_and_opens_its_user_afterwards() {
    let server = shop().serve(&[]);
    for path in ["licenses", "license-login"] {
        let client = Client::open(&server);
        let reply = client.call(path, &json!({"license_key": "KEY-1", "sid": "machine-1", "ip": "x"}));
        let body = granted(&reply, "Login success");
        assert!(client.is_in(body["session_id"].as_str().unwrap()) && client.is_in(&client.session));
        let license = body["license"].as_object().unwrap();
        let names = [
            "days_left",
            "email",
            "expiry_date",
            "hwid",
            "ip_address",
            "last_login",
            "license_key",
            "registered_at",
            "sid",
            "subscription",
            "subscription_level",
        ];
        assert_eq!(license.keys().collect::<Vec<_>>(), names);
        assert_eq!((&license["license_key"], &license["subscription"]), (&json!("KEY-1"), &json!("default")));
        assert_eq!((&license["sid"], &license["ip_address"]), (&json!("machine-1"), &json!("127.0.0.1")));
        assert!([json!(0), json!(1)].contains(&license["days_left"]), "a day less what has passed: {license:?}");
    }
    assert_eq!(server.db.users(), 2);
    assert_eq!(server.db.user_now("key-1").unwrap().credential, Credential::License);
    let client = Client::open(&server);
    let other = client.call("licenses", &json!({"license_key": "KEY-1", "sid": "machine-2"}));
    refused_as(&other, 403, "DEVICE_LIMIT_REACHED");
    let none = client.call("licenses", &json!({"license_key": "none"}));
    refused(&none, 404, "LICENSE_NOT_FOUND", "License key not found");
}

/// Nobody gets into the account of a license with a password, and nobody into an account with a password by its license.
#[test]
fn l18_a_license_only_account_cannot_be_claimed() {
    let db = shop();
    db.license("KEY-2");
    let server = db.serve(&[]);
    let client = Client::open(&server);
    granted(&client.call("licenses", &json!({"license_key": "KEY-1"})), "Login success");
    let as_user = json!({"username": "KEY-1", "password": "guess", "sid": "s"});
    refused_as(&client.call("login", &as_user), 401, "INVALID_PASSWORD");
    let claim = json!({"username": "KEY-1", "password": "s3cret-pw", "key": "KEY-2"});
    refused(&client.call("register", &claim), 409, "USERNAME_TAKEN", "Username is already taken");
    let changed = client.call("change-password", &json!({"old_password": "KEY-1", "new_password": "mine"}));
    refused_as(&changed, 403, "PASSWORD_CHANGE_UNAVAILABLE");
    let made = json!({"username": "bob", "password": "s3cret-pw", "key": "KEY-2"});
    granted(&client.call("register", &made), "User registered successfully");
    refused_as(&client.call("licenses", &json!({"license_key": "KEY-2"})), 403, "LICENSE_IN_USE");
}

#[test]
fn l15_extend_spends_a_license_on_a_user() {
    let db = shop();
    db.license_with("DAY", |license| license.duration = Span::Seconds(86_400));
    db.license_with("EVER", |license| license.duration = Span::Lifetime);
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let held = || server.db.held_by(server.db.user_now("mia").unwrap().id)[0].expires_at;
    let before = held().unwrap();
    let extend = |key: &str| client.call("extend", &json!({"username": "mia", "license_key": key, "sid": "machine-1"}));
    let body = granted(&extend("DAY"), "Account extended successfully.");
    assert_eq!(body["time_added_seconds"], 86_400);
    assert_eq!(held().unwrap() - before, 86_400);
    assert_eq!((&body["user"]["username"], &body["license"]["license_key"]), (&json!("mia"), &json!("DAY")));
    assert_eq!(body["user"]["expiry_date"], body["license"]["expiry_date"]);
    assert_eq!(body["user"].as_object().unwrap().len(), 7);
    refused(&extend("DAY"), 403, "LICENSE_IN_USE", "This license key is already in use");
    let body = granted(&extend("EVER"), "Account extended successfully.");
    assert_eq!((&body["time_added_seconds"], &body["user"]["expiry_date"]), (&json!(null), &json!(null)));
    assert_eq!(held(), None);
    assert!(!client.is_in(&client.session), "nobody was logged in");
    assert!(server.db.devices_of(server.db.user_now("mia").unwrap().id).is_empty(), "no device was bound");
}

/// Nobody learns somebody's address or device by spending a license.
#[test]
fn l26_extend_shows_what_is_private_to_the_user_only() {
    let db = shop();
    let ann = db.bare_user("ann", Credential::Locked, |user| user.email = Some("ann@example.test".to_owned()));
    db.device(ann, "her machine");
    db.license("KEY-2");
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let shown = |key: &str, sid: &str| {
        let reply = client.call("extend", &json!({"username": "ann", "license_key": key, "sid": sid}));
        let body = granted(&reply, "Account extended successfully.");
        assert_eq!(
            (&body["user"]["email"], &body["user"]["sid"]),
            (&body["license"]["email"], &body["license"]["sid"])
        );
        (body["user"]["email"].clone(), body["user"]["sid"].clone())
    };
    assert_eq!(shown("KEY-1", "another machine"), (json!(null), json!(null)));
    assert_eq!(shown("KEY-2", "her machine"), (json!("ann@example.test"), json!("her machine")));
}

#[test]
fn l15_extend_refuses_and_writes_nothing() {
    let db = shop();
    let banned = db.user("banned");
    db.write(move |tx| keystead::domain::user::ban_user(tx, banned, None).unwrap());
    let paused = db.bare_user("paused", Credential::Locked, |_| {});
    db.subscription(paused, |held| held.paused_at = Some(now()));
    db.license_with("NOTHING", |license| license.duration = Span::Seconds(0));
    db.license_with("LESS", |license| license.duration = Span::Seconds(-5));
    db.license_with("PAUSED", |license| license.paused = true);
    db.license_with("BANNED", |license| license.banned = true);
    let server = db.serve(&[]);
    let client = Client::open(&server);
    let before = written(&server.db);
    let good = json!({"username": "mia", "license_key": "KEY-1", "sid": "machine-1"});
    for (change, status, code) in [
        (json!({"sid": null}), 400, "MISSING_FIELDS"),
        (json!({"username": "nobody"}), 404, "USER_NOT_FOUND"),
        (json!({"username": "banned"}), 403, "USER_BANNED"),
        (json!({"username": "paused"}), 403, "USER_SUSPENDED"),
        (json!({"license_key": "none"}), 404, "LICENSE_NOT_FOUND"),
        (json!({"license_key": "PAUSED"}), 403, "LICENSE_PAUSED"),
        (json!({"license_key": "BANNED"}), 403, "LICENSE_BANNED"),
        (json!({"license_key": "NOTHING"}), 400, "INVALID_DURATION"),
        (json!({"license_key": "LESS"}), 400, "INVALID_DURATION"),
    ] {
        refused_as(&client.call("extend", &with(good.clone(), &change)), status, code);
    }
    assert_eq!(written(&server.db), before);
    assert_eq!(server.db.license_now("KEY-1").state(), LicenseState::Unused);
}

#[test]
fn l18_another_password_for_the_one_it_has() {
    let server = shop().serve(&[]);
    let (client, other) = (Client::open(&server), Client::open(&server));
    let change =
        |old: &str, new: &str| client.call("change-password", &json!({"old_password": old, "new_password": new}));
    refused_as(&change("secret", "new one"), 403, "USERNAME_NOT_LINKED");
    granted(&client.call("login", &mia()), "Login success");
    granted(&other.call("login", &mia()), "Login success");
    refused(&change("wrong", "new one"), 401, "INVALID_PASSWORD", "Invalid password");
    refused_as(&change("secret", "secret"), 400, "PASSWORD_REUSED");
    let message = refused_as(&change("secret", &"x".repeat(1_025)), 400, "MISSING_FIELDS");
    assert!(message.starts_with("password"), "{message}");
    refused_as(&change("secret", ""), 400, "MISSING_FIELDS");
    server.change(|db| db.sql("UPDATE subscriptions SET paused_at = granted_at"));
    refused(&change("secret", "new one"), 403, "USER_SUSPENDED", "This user is suspended");
    server.change(|db| db.sql("UPDATE subscriptions SET paused_at = NULL"));
    granted(&change("secret", "new one"), "Password changed successfully");
    assert!(client.is_in(&client.session) && !other.is_in(&other.session), "the others are logged out");
    refused_as(&client.call("login", &mia()), 401, "INVALID_PASSWORD");
    granted(&client.call("login", &with(mia(), &json!({"password": "new one"}))), "Login success");
}

/// A second factor is not got around by a format that has no field for its code: there is one.
#[test]
fn l18_the_second_factor_is_asked_for() {
    use super::support::totp;
    let server = shop().serve(&[]);
    let keyauth = server.init();
    let entered = keyauth.call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", "machine-1")]);
    assert!(entered.success(), "{entered:?}");
    let begun = keyauth.call("2faenable", &[]).json();
    let secret = begun["2fa"]["secret_code"].as_str().expect("a secret").to_owned();
    let on = keyauth.call("2faenable", &[("code", &totp::code(&secret, 0))]);
    assert!(on.success(), "{on:?}");
    let client = Client::open(&server);
    let message = refused_as(&client.call("login", &mia()), 403, "TWO_FACTOR_REQUIRED");
    assert!(message.contains("two_factor_code"), "{message}");
    let login = |code: &str| client.call("login", &with(mia(), &json!({"two_factor_code": code})));
    refused_as(&login(totp::WRONG), 403, "TWO_FACTOR_INVALID");
    assert!(!client.is_in(&client.session));
    granted(&login(&totp::code(&secret, 1)), "Login success");
    // Guessing gets slower.
    let replies: Vec<_> = (0..7).map(|_| login(totp::WRONG)).collect();
    let last = replies.last().expect("some");
    refused_as(last, 429, "RATE_LIMITED");
    assert!(last.header("retry-after").is_some(), "{last:?}");
}
