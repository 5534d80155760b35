//! `POST /auth/signin` (2.1): by address or by name, with a password; what is told to whom is not let in.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use keystead::domain::browser::{self, At, By, NewBrowser};
use keystead::domain::guesses::Guesses;
use keystead::domain::secret::{Work, new_long_session_id, new_uuid};
use keystead::domain::two_factor::Factor;
use keystead::domain::user::Claim;
use keystead::domain::vault::Vault;
use keystead::domain::{Stop, secret};
use keystead::model::browser::NewSignIn;
use keystead::model::ids::{BrowserId, SignInId};
use keystead::model::user::Credential;

use crate::support::totp::{WRONG, code};
use crate::support::{Fixture, Reply, Server, now};
use crate::{Browser, check_refused, data, demo, ids};

fn by_name(server: &Server, name: &str, password: &str) -> Reply {
    let pairs = [("strategy", "plain_username"), ("username", name), ("password", password)];
    Browser::new(server).post("/auth/signin", &pairs)
}

#[test]
fn by_address_or_by_name() {
    let server = demo(|db| {
        db.setting("forceHwid", "1");
        db.setting("minHwid", "20");
    });
    let pairs = [("email", "Mia@example.com"), ("username", "mia"), ("password", "hunter22")];
    data(&Browser::new(&server).sign_up(&pairs));
    for (strategy, name, value) in [("plain_email", "email", "MIA@Example.com"), ("plain_username", "username", "MIA")]
    {
        let browser = Browser::new(&server);
        let pairs = [("strategy", strategy), (name, value), ("password", "hunter22")];
        let session = data(&browser.post("/auth/signin", &pairs));
        assert_eq!(session["active_signin"]["user"]["username"], "mia", "no subscription, no device");
        assert_eq!((ids(&session["signin_attempts"]).len(), ids(&session["signup_attempts"]).len()), (1, 0));
        assert_eq!(browser.names(), ["mia"]);
        let again = browser.post("/auth/signin", &pairs);
        check_refused(&again, 400, "Already signed in", &["USER_ALREADY_SIGNED_IN"]);
        assert_eq!(again.json()["errors"][0]["message"], "You are already signed in.");
        assert_eq!(browser.names(), ["mia"]);
    }
}

#[test]
fn users_of_the_other_formats_come_in_too() {
    let server = demo(|db| {
        db.license("KEY-1");
        db.license("KEY-2");
        db.license("KEY-3");
        db.bare_user("new", Credential::Claimable, |_| {});
    });
    let session = server.init();
    assert!(
        session
            .call("register", &[("username", "mia"), ("pass", "x"), ("key", "KEY-1"), ("email", "mia@example.com")])
            .success()
    );
    assert!(server.init().call("license", &[("key", "KEY-2")]).success());
    for (strategy, name, value, password) in [
        ("plain_username", "username", "mia", "x"),
        ("plain_email", "email", "mia@example.com", "x"),
        ("plain_username", "username", "KEY-2", "key-2"),
        ("plain_username", "username", "new", "first"),
        ("plain_username", "username", "new", "first"),
    ] {
        let pairs = [("strategy", strategy), (name, value), ("password", password)];
        data(&Browser::new(&server).post("/auth/signin", &pairs));
    }
    check_refused(&by_name(&server, "new", "other"), 401, "Invalid credentials", &["INVALID_CREDENTIALS"]);
    check_refused(&by_name(&server, "KEY-2", "KEY-3"), 401, "Invalid credentials", &["INVALID_CREDENTIALS"]);
}

#[test]
fn what_is_missing_is_named() {
    let server = demo(|_| {});
    let sign_in = |pairs: &[(&str, &str)]| Browser::new(&server).post("/auth/signin", pairs);
    for strategy in ["", "x", "email_otp", "phone_otp", "magic_link", "PLAIN_EMAIL"] {
        let reply = sign_in(&[("strategy", strategy), ("email", "mia@example.com"), ("password", "x")]);
        check_refused(&reply, 400, "Invalid or missing strategy", &["BAD_REQUEST_BODY"]);
    }
    let reply = sign_in(&[("strategy", "plain_email"), ("username", "mia"), ("password", "x")]);
    check_refused(&reply, 400, "Email is required", &["BAD_REQUEST_BODY"]);
    let reply = sign_in(&[("strategy", "plain_username"), ("email", "mia@example.com"), ("password", "x")]);
    check_refused(&reply, 400, "Username is required", &["BAD_REQUEST_BODY"]);
    let reply = sign_in(&[("strategy", "plain_email"), ("email", "mia@example.com")]);
    check_refused(&reply, 400, "Password is required", &["BAD_REQUEST_BODY"]);
}

#[test]
fn nobody_is_told_which_of_the_two_is_wrong() {
    let server = demo(|db| {
        db.user("mia");
        db.bare_user("locked", Credential::Locked, |_| {});
    });
    let wrong = by_name(&server, "mia", "wrong");
    check_refused(&wrong, 401, "Invalid credentials", &["INVALID_CREDENTIALS"]);
    let text = "Invalid credentials. Please try again.";
    assert_eq!(wrong.json()["errors"][0]["message"], text);
    let without_session = |reply: &Reply| {
        let mut json = reply.json();
        json["session"] = serde_json::Value::Null;
        json
    };
    for (name, password) in [("nobody", "secret"), ("locked", "secret"), ("mia", &"x".repeat(5_000)), ("locked", "x")] {
        assert_eq!(without_session(&by_name(&server, name, password)), without_session(&wrong), "{name}");
    }
}

#[test]
fn banned_users_are_told() {
    let server = demo(|db| {
        db.user("mia");
        db.sql("UPDATE users SET banned = 1");
        db.license("KEY-1");
    });
    check_refused(&by_name(&server, "mia", "x"), 401, "Invalid credentials", &["INVALID_CREDENTIALS"]);
    let reply = by_name(&server, "mia", "secret");
    check_refused(&reply, 403, "User account is disabled", &["USER_DISABLED"]);
    assert!(server.init().call("license", &[("key", "KEY-1")]).success());
    server.change(|db| db.sql("UPDATE licenses SET paused = 1"));
    check_refused(&by_name(&server, "KEY-1", "KEY-1"), 403, "User account is disabled", &["USER_DISABLED"]);
    server.change(|db| db.ban_network("127.0.0.0/8"));
    server.change(|db| db.sql("UPDATE licenses SET paused = 0"));
    check_refused(&by_name(&server, "KEY-1", "KEY-1"), 403, "Access is restricted", &["ACCESS_RESTRICTED"]);
}

#[test]
fn a_second_factor_is_asked_for() {
    let server = demo(|db| {
        db.user("mia");
    });
    let session = server.init();
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    let begun = session.call("2faenable", &[]).json();
    let factor = begun["2fa"]["secret_code"].as_str().expect("a secret").to_owned();
    assert!(session.call("2faenable", &[("code", &code(&factor, -1))]).success());
    check_refused(&by_name(&server, "mia", "secret"), 403, "Second factor is required", &["TWO_FACTOR_REQUIRED"]);
    check_refused(&by_name(&server, "mia", "wrong"), 401, "Invalid credentials", &["INVALID_CREDENTIALS"]);
    let browser = Browser::new(&server);
    let with = |code: &str| {
        let pairs =
            [("strategy", "plain_username"), ("username", "mia"), ("password", "secret"), ("two_factor_code", code)];
        browser.post("/auth/signin", &pairs)
    };
    check_refused(&with(WRONG), 403, "Second factor is required", &["TWO_FACTOR_INVALID"]);
    assert_eq!(browser.names(), [""; 0]);
    data(&with(&code(&factor, 0)));
    assert_eq!(browser.names(), ["mia"]);
    let other = Browser::new(&server);
    for _ in 0..5 {
        let pairs =
            [("strategy", "plain_username"), ("username", "mia"), ("password", "secret"), ("two_factor_code", WRONG)];
        assert_eq!(other.post("/auth/signin", &pairs).status, 403);
    }
    let blocked = with(&code(&factor, 1));
    check_refused(&blocked, 403, "Second factor is required", &["TWO_FACTOR_BLOCKED"]);
    assert!(blocked.header("retry-after").is_some());
}

/// Whatever there is to find, a password is hashed or verified once before anything is told.
#[test]
fn every_sign_in_costs_a_hash() {
    let db = Fixture::new();
    db.user("mia");
    db.bare_user("locked", Credential::Locked, |_| {});
    db.bare_user("claimable", Credential::Claimable, |_| {});
    db.license("KEY-1");
    db.bare_user("KEY-1", Credential::License, |_| {});
    let app = db.app().clone();
    for (by, name) in [
        (By::Username, "mia"),
        (By::Username, "nobody"),
        (By::Username, "locked"),
        (By::Username, "claimable"),
        (By::Username, "KEY-1"),
        (By::Email, "nobody@example.com"),
    ] {
        let app = app.clone();
        let stop = db.write(move |tx| {
            let (guesses, vault, guessed) = (Guesses::default(), Vault::default(), AtomicBool::new(false));
            let ip = "127.0.0.1".parse().unwrap();
            let rng = &mut rand::rng();
            let id = secret::new_number(rng);
            let new = NewBrowser { id: BrowserId(id), token: &secret::new_token(rng), ip };
            let browser = browser::open(tx, &app, None, new, now()).unwrap();
            let claim = Claim {
                username: (by == By::Username).then_some(name),
                email: (by == By::Email).then_some(name),
                password: Some("hunter22"),
                token: None,
                key: None,
                hwid: None,
                ip,
                now: now(),
                uuid: new_uuid(rng),
                factor: Factor {
                    code: None,
                    ip,
                    now: now(),
                    vault: &vault,
                    guess: guesses.guess(&guessed, ip, Duration::ZERO),
                },
            };
            let sign_in =
                NewSignIn { id: SignInId(id), attempt: id, session: new_long_session_id(rng), ip, now: now() };
            browser::sign_in(tx, &app, At { browser: &browser, fresh: new }, by, &claim, &sign_in, None).map(|_| ())
        });
        let is_hash = matches!(&stop, Err(Stop::Prove(Work::Hash { .. } | Work::Verify { .. })));
        assert!(is_hash, "{name}: {stop:?}");
    }
}
