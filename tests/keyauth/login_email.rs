//! `loginEmail`: `login`, but for how the user is found (contract 4.23).

use keystead::domain::secret::email_sha1;
use keystead::model::user::Credential;

use crate::support::totp::code;
use crate::support::{Fixture, Reply, Session, password_hash};

fn enter(session: &Session<'_>, email: &str, pass: &str) -> Reply {
    session.call("loginEmail", &[("email", email), ("pass", pass)])
}

fn error(reply: &Reply) -> (String, String) {
    (reply.error(), reply.message())
}

fn with_mia() -> Fixture {
    let db = Fixture::new();
    let id = db.bare_user("Mia", Credential::Password(password_hash("secret")), |user| {
        user.email_sha1 = Some(email_sha1("mia@example.test"));
    });
    db.subscription(id, |_| {});
    db
}

#[test]
fn a_user_is_found_by_its_address_in_any_case() {
    let server = with_mia().serve(&[]);
    let session = server.init_with("1.3", &[]);
    let reply = enter(&session, " MIA@Example.test", "secret");
    assert!(reply.success(), "{reply:?}");
    assert_eq!(reply.json()["info"]["username"], "Mia", "the user's own name");
    assert!(session.is_validated());
    let whose = server.db.session_now(&session.id).unwrap().user.unwrap();
    assert_eq!(&*whose.credential, "Mia");
}

#[test]
fn nobody_and_two_are_the_same_refusal() {
    let db = with_mia();
    for name in ["ann", "tom"] {
        db.bare_user(name, Credential::Password(password_hash("secret")), |user| {
            user.email_sha1 = Some(email_sha1("both@example.test"));
        });
    }
    db.sql(&format!(
        "INSERT INTO users (app_id, name, login, email_sha1, created_at, last_login_at) \
         SELECT id, 'zoe', 'claimable', '{}', 0, 0 FROM apps WHERE name = 'other'",
        email_sha1("zoe@example.test")
    ));
    let server = db.serve(&[]);
    let session = server.init_with("1.3", &[]);
    let unknown = ("USER_NOT_FOUND".to_owned(), "Username not found.".to_owned());
    for email in ["", "nobody@example.test", "both@example.test", "zoe@example.test", "Mia"] {
        assert_eq!(error(&enter(&session, email, "secret")), unknown, "{email}");
    }
    assert_eq!(server.call_by("1.2", "loginEmail", &[("sessionid", &session.id)]).error(), "UNKNOWN_TYPE");
}

#[test]
fn all_else_is_as_at_a_login() {
    let db = with_mia();
    db.setting("minHwid", "3");
    db.bare_user("locked", Credential::Locked, |user| user.email_sha1 = Some(email_sha1("locked@example.test")));
    let key = db.bare_user("KEY-1", Credential::License, |user| user.email_sha1 = Some(email_sha1("key@example.test")));
    db.subscription(key, |_| {});
    let server = db.serve(&[]);
    let session = server.init_with("1.3", &[]);
    assert_eq!(enter(&session, "mia@example.test", "wrong").error(), "INVALID_PASSWORD");
    assert_eq!(enter(&session, "mia@example.test", "").error(), "INVALID_PASSWORD");
    assert_eq!(enter(&session, "locked@example.test", "secret").error(), "INVALID_PASSWORD");
    assert_eq!(enter(&session, "key@example.test", "secret").error(), "INVALID_PASSWORD");
    assert!(enter(&session, "key@example.test", "key-1").success(), "a license-only user by its license");
    let with = |more: &[(&str, &str)]| {
        session.call("loginEmail", &[&[("email", "mia@example.test"), ("pass", "secret")], more].concat())
    };
    assert_eq!(with(&[("hwid", "PC")]).error(), "HWID_TOO_SHORT");
    assert!(with(&[("hwid", "PC-1")]).success());
    assert_eq!(with(&[("hwid", "PC-2")]).error(), "HWID_MISMATCH");
    let begun = session.call("2faenable", &[]).json();
    let secret = begun["2fa"]["secret_code"].as_str().unwrap();
    assert!(session.call("2faenable", &[("code", &code(secret, 0))]).success());
    let missing = with(&[("hwid", "PC-1")]);
    assert_eq!(error(&missing), ("2FA_REQUIRED".to_owned(), "2FA code required.".to_owned()));
    assert!(with(&[("hwid", "PC-1"), ("code", &code(secret, 1))]).success());
    server.db.sql("UPDATE users SET banned = 1");
    assert_eq!(with(&[]).error(), "USER_BANNED");
}
