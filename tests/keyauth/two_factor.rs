//! The second factor: on, asked for, used once, guessed slowly, off (contract 4.22, 4.3 check 9).

use keystead::model::user::Credential;
use serde_json::Value;

use crate::support::totp::{WRONG, code};
use crate::support::{Fixture, Reply, Server, Session, now};

const MIA: [(&str, &str); 2] = [("username", "mia"), ("pass", "secret")];

fn login(session: &Session<'_>, code: &str) -> Reply {
    session.call("login", &[&MIA[..], &[("code", code)]].concat())
}

/// Logs mia in and switches her second factor on. Its secret, in base32.
fn switch_on(session: &Session<'_>) -> String {
    switch_on_with(session).0
}

/// The same; and the code that did it.
fn switch_on_with(session: &Session<'_>) -> (String, String) {
    assert!(session.call("login", &MIA).success());
    let secret = begin(session);
    let code = code(&secret, 0);
    let done = session.call("2faenable", &[("code", &code)]);
    assert_eq!((done.success(), done.message().as_str()), (true, "2fa successfully activated"), "{done:?}");
    (secret, code)
}

fn begin(session: &Session<'_>) -> String {
    session.call("2faenable", &[]).json()["2fa"]["secret_code"].as_str().expect("a secret").to_owned()
}

fn with_mia() -> Server {
    let db = Fixture::new();
    db.user("mia");
    db.serve(&["--trusted-proxy", "127.0.0.1"])
}

/// A login of mia's with this code as if from another address.
fn login_from(server: &Server, address: &str, code: &str) -> Reply {
    let id = server.init().id;
    let form = format!("type=login&name=demo&ownerid=AbCdEfGh12&sessionid={id}&username=mia&pass=secret&code={code}");
    server.raw(format!("GET /api/1.2/?{form} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {address}\r\n\r\n").as_bytes())
}

#[test]
fn a_secret_is_shown_once_and_its_first_code_switches_it_on() {
    let db = Fixture::new();
    let name = "Mia & Söhne/1";
    db.user(name);
    let server = db.serve(&[]);
    let session = server.init();
    for pairs in [&[][..], &[("code", "123456")]] {
        session.call("2faenable", pairs).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    }
    assert!(session.call("login", &[("username", name), ("pass", "secret")]).success());
    session.call("2faenable", &[("code", "123456")]).assert_refused("2FA_SESSION_EXPIRED", "2fa session has expired");
    let begun = session.call("2faenable", &[("code", " ")]);
    let document = begun.json();
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 4, "success, message, nonce, 2fa: {begun:?}");
    let secret = document["2fa"]["secret_code"].as_str().unwrap();
    assert_eq!(secret.len(), 40);
    let uri = format!("otpauth://totp/Mia%20%26%20S%C3%B6hne%2F1?secret={secret}&issuer=KeyAuth");
    assert!(begun.text().ends_with(&format!(r#","2fa":{{"secret_code":"{secret}","QRCode":"{uri}"}}}}"#)), "{begun:?}");
    assert!(!server.init().call("login", &[("username", name), ("pass", "wrong")]).success());
    assert!(server.init().call("login", &[("username", name), ("pass", "secret")]).success(), "not on yet");

    session.call("2faenable", &[("code", WRONG)]).assert_refused("2FA_INVALID", "Invalid code please try again");
    let newer = begin(&session);
    let old = session.call("2faenable", &[("code", &code(secret, 0))]);
    assert_eq!(old.error(), "2FA_INVALID", "only the newest secret waits");
    assert!(session.call("2faenable", &[("code", &code(&newer, -2))]).success(), "two steps late");
    for pairs in [&[][..], &[("code", "123456")]] {
        let on = session.call("2faenable", pairs);
        on.assert_refused("2FA_ALREADY_ENABLED", "2fa is already enabled on this account");
    }
}

#[test]
fn a_new_secret_waits_five_minutes_for_its_own_user_only() {
    let server = with_mia();
    server.db.user("tom");
    let (mias, toms) = (server.init(), server.init());
    assert!(mias.call("login", &MIA).success());
    assert!(toms.call("login", &[("username", "tom"), ("pass", "secret")]).success());
    let secret = begin(&mias);
    let stolen = toms.call("2faenable", &[("code", &code(&secret, 0))]);
    stolen.assert_refused("2FA_SESSION_EXPIRED", "2fa session has expired");
    server.db.sql(&format!("UPDATE users SET two_factor_pending_until = {} WHERE name = 'mia'", now().0));
    let late = mias.call("2faenable", &[("code", &code(&secret, 0))]);
    late.assert_refused("2FA_SESSION_EXPIRED", "2fa session has expired");
    let secret = begin(&mias);
    assert!(mias.call("2faenable", &[("code", &code(&secret, 0))]).success());
}

#[test]
fn every_version_asks_for_the_code_and_a_wrong_one_writes_nothing() {
    let server = with_mia();
    let secret = switch_on(&server.init());
    server.db.sql("UPDATE users SET last_login_at = 5");
    for version in ["1.2", "1.1"] {
        let session = server.init_with(version, &[]);
        let device = [&MIA[..], &[("hwid", "PC-1")]].concat();
        session.call("login", &device).assert_refused("2FA_REQUIRED", "2FA code required.");
        session
            .call("login", &[&device[..], &[("code", "")]].concat())
            .assert_refused("2FA_REQUIRED", "2FA code required.");
        let wrong = session.call("login", &[&device[..], &[("code", WRONG)]].concat());
        wrong.assert_refused("2FA_INVALID", "Invalid 2FA code.");
        assert!(!session.is_validated());
        let mia = server.db.user_now("mia").unwrap();
        assert_eq!((mia.last_login_at.0, server.db.devices_of(mia.id)), (5, Vec::<String>::new()));
        assert!(login(&session, &code(&secret, 0)).success());
        assert!(session.is_validated());
        server.db.sql("UPDATE users SET last_login_at = 5");
    }
}

#[test]
fn the_code_is_the_last_thing_that_is_looked_at() {
    let server = with_mia();
    let secret = switch_on(&server.init());
    let session = server.init();
    assert_eq!(session.call("login", &[("username", "mia"), ("pass", "wrong")]).error(), "INVALID_PASSWORD");
    server.db.sql("UPDATE subscriptions SET expires_at = 5");
    assert_eq!(session.call("login", &MIA).error(), "USER_EXPIRED");
    assert_eq!(login(&session, &code(&secret, 0)).error(), "USER_EXPIRED");
    server.db.sql("UPDATE subscriptions SET expires_at = NULL");
    assert_eq!(session.call("login", &MIA).error(), "2FA_REQUIRED");
}

#[test]
fn a_license_only_user_may_have_one_too() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(session.call("license", &[("key", "KEY-1")]).success());
    let secret = begin(&session);
    assert!(session.call("2faenable", &[("code", &code(&secret, -1))]).success());
    let again = server.init();
    again.call("license", &[("key", "KEY-1")]).assert_refused("2FA_REQUIRED", "2FA code required.");
    let both = [("key", "KEY-1"), ("code", WRONG)];
    again.call("license", &both).assert_refused("2FA_INVALID", "Invalid 2FA code.");
    assert!(again.call("license", &[("key", "KEY-1"), ("code", &code(&secret, 0))]).success());
    let pairs = [("username", "KEY-1"), ("pass", "KEY-1")];
    assert_eq!(again.call("login", &pairs).error(), "2FA_REQUIRED");
}

#[test]
fn a_code_that_was_heard_elsewhere_is_not_taken_again() {
    let server = with_mia();
    // Switching on took this step; from where she logged in last, it is taken once more.
    let (secret, taken) = switch_on_with(&server.init());
    assert_eq!(login_from(&server, "203.0.113.7", &taken).error(), "2FA_INVALID");
    assert!(login(&server.init(), &taken).success());
    assert!(login(&server.init(), &taken).success(), "who restarts the program gets in");
    let next = code(&secret, 1);
    assert!(login_from(&server, "203.0.113.7", &next).success(), "a new code is taken from anywhere");
    assert_eq!(
        login(&server.init(), &taken).error(),
        "2FA_INVALID",
        "an older one is not, now that she was there last"
    );
    assert_eq!(login(&server.init(), &next).error(), "2FA_INVALID");
    assert!(login_from(&server, "203.0.113.7", &next).success());
}

#[test]
fn guesses_get_slower_for_this_user_only() {
    let server = with_mia();
    server.db.user("tom");
    let (mias, toms) = (server.init(), server.init());
    let secret = switch_on(&mias);
    assert!(toms.call("login", &[("username", "tom"), ("pass", "secret")]).success());
    // Five in a row, whichever call they come by; what has no code is no guess.
    for n in 0..5 {
        assert_eq!(server.init().call("login", &MIA).error(), "2FA_REQUIRED");
        let wrong = if n % 2 == 0 { login(&server.init(), WRONG) } else { mias.call("2fadisable", &[("code", WRONG)]) };
        assert_eq!(wrong.error(), "2FA_INVALID");
    }
    for reply in [login(&server.init(), &code(&secret, 1)), mias.call("2fadisable", &[("code", &code(&secret, 1))])] {
        assert_eq!(reply.error(), "2FA_BLOCKED");
        assert!(reply.message().starts_with("Invalid 2FA code. Too many tries: wait "), "{reply:?}");
        let wait: u64 = reply.header("retry-after").expect("says when").parse().unwrap();
        assert!((1..=31).contains(&wait), "{wait}");
    }
    assert_eq!(server.init().call("login", &MIA).error(), "2FA_REQUIRED", "not even asked for in vain");
    assert!(mias.is_validated(), "who is in stays in");
    let toms_secret = begin(&toms);
    assert!(toms.call("2faenable", &[("code", &code(&toms_secret, 0))]).success());
}

#[test]
fn many_guesses_at_one_moment_are_not_more_guesses() {
    let server = with_mia();
    switch_on(&server.init());
    let mias: Vec<Session<'_>> = (0..40).map(|_| server.init()).collect();
    let codes: Vec<String> = std::thread::scope(|scope| {
        let guesses: Vec<_> = mias.iter().map(|session| scope.spawn(|| login(session, WRONG).error())).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let count = |code: &str| codes.iter().filter(|c| *c == code).count();
    assert_eq!(count("2FA_INVALID"), 5, "{codes:?}");
    assert_eq!(count("2FA_INVALID") + count("2FA_BLOCKED"), 40, "{codes:?}");
}

#[test]
fn a_right_code_takes_it_off() {
    let server = with_mia();
    let session = server.init();
    let missing = "Please provide the 2fa code to disable 2fa";
    session.call("2fadisable", &[]).assert_refused("2FA_CODE_MISSING", missing);
    let nowhere = server.call("2fadisable", &[("sessionid", "none")]);
    nowhere.assert_refused("2FA_CODE_MISSING", missing);
    assert_eq!(server.call("2fadisable", &[("sessionid", "none"), ("code", "1")]).error(), "SESSION_NOT_FOUND");
    assert_eq!(session.call("2fadisable", &[("code", "1")]).error(), "SESSION_NOT_VALIDATED");
    assert!(session.call("login", &MIA).success());
    let off = session.call("2fadisable", &[("code", "1")]);
    off.assert_refused("2FA_NOT_ENABLED", "2fa is not enabled on this account");

    let secret = switch_on(&session);
    session.call("2fadisable", &[("code", WRONG)]).assert_refused("2FA_INVALID", "Invalid code please try again");
    assert_eq!(server.init().call("login", &MIA).error(), "2FA_REQUIRED");
    let done = session.call("2fadisable", &[("code", &code(&secret, 1))]);
    assert_eq!((done.success(), done.message().as_str()), (true, "2fa successfully disabled"));
    assert!(server.init().call("login", &MIA).success());
    assert_ne!(switch_on(&session), secret, "a new one each time");
}

#[test]
fn claiming_a_password_needs_no_code_that_nobody_has() {
    let db = Fixture::new();
    let id = db.bare_user("mia", Credential::Claimable, |_| {});
    db.subscription(id, |_| {});
    let server = db.serve(&[]);
    switch_on(&server.init());
    assert_eq!(server.init().call("login", &MIA).error(), "2FA_REQUIRED");
}

#[test]
fn secrets_are_sealed_with_the_operators_key_and_shown_nowhere_else() {
    let db = Fixture::new();
    db.user("mia");
    let key = db.file("vault.key", &"ab".repeat(32));
    let server = db.serve(&["--vault-key", &key]);
    let session = server.init();
    let secret = switch_on(&session);
    assert!(login(&server.init(), &code(&secret, 0)).success());
    let stored = server.db.sql_text("SELECT two_factor FROM users");
    assert!(stored.starts_with("sealed:") && stored.len() > 100, "{stored}");
    let bytes = std::fs::read(server.db.path()).unwrap();
    assert!(!bytes.windows(40).any(|window| window == secret.as_bytes()), "not in the file");
    let checked: Value = session.call("check", &[]).json();
    assert_eq!(checked["success"], true);
    let (_, log) = server.stop();
    assert!(!log.join("\n").contains(&secret), "not in the log");
}
