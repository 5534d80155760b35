//! `upgrade`: redeems a license for a user that exists (contract 4.5, E.2 item 9).

use keystead::model::time::Span;
use keystead::model::user::Credential;

use crate::support::{Fixture, Reply, Session, now};

const DAY: i64 = 86_400;

fn upgrade(session: &Session<'_>, username: &str, key: &str) -> Reply {
    session.call("upgrade", &[("username", username), ("key", key)])
}

#[test]
fn a_running_subscription_is_prolonged() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    let before = server.db.held_by(mia)[0].expires_at.unwrap();
    let reply = upgrade(&session, "MIA", "key-1");
    assert!(reply.text().starts_with(r#"{"success":true,"message":"Upgraded successfully","nonce":""#), "{reply:?}");
    let held = server.db.held_by(mia);
    assert_eq!((held.len(), held[0].expires_at), (1, Some(before + DAY)));
    assert_eq!(server.db.license_now("KEY-1").used_by, Some(mia));
    assert!(!session.is_validated(), "it logs nobody in");
    upgrade(&session, "mia", "KEY-1").assert_refused("LICENSE_IN_USE", "Key Already Used.");
    assert_eq!(server.db.held_by(mia)[0].expires_at, Some(before + DAY), "and prolongs once");
}

#[test]
fn one_that_ran_out_begins_anew_and_shows_no_key() {
    let db = Fixture::new();
    let mia = db.bare_user("mia", Credential::Password(crate::support::password_hash("secret")), |_| {});
    db.subscription(mia, |new| new.expires_at = Some(now() + -5));
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(upgrade(&session, "mia", "KEY-1").success());
    let held = server.db.held_by(mia);
    assert_eq!(held.len(), 2);
    assert_eq!(held[1].expires_at.unwrap() - held[1].granted_at, DAY);
    let login = session.call("login", &[("username", "mia"), ("pass", "secret")]);
    let json = login.json();
    let shown = json["info"]["subscriptions"].as_array().unwrap();
    assert_eq!(shown.len(), 1);
    assert!(shown[0]["key"].is_null() && shown[0]["level"] == "1", "{login:?}");
}

#[test]
fn only_the_first_plan_of_the_level_is_granted() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.plan("gold", "2");
    db.plan("extra", "2");
    db.license_with("KEY-1", |license| license.level = "2".into());
    let server = db.serve(&[]);
    assert!(upgrade(&server.init(), "mia", "KEY-1").success());
    let names: Vec<_> = server.db.held_by(mia).into_iter().map(|held| held.plan).collect();
    assert_eq!(names, ["default", "gold"]);
}

#[test]
fn lifetime_stays_lifetime() {
    let db = Fixture::new();
    let (mia, leo) = (db.user("mia"), db.bare_user("leo", Credential::Locked, |_| {}));
    db.subscription(leo, |new| new.expires_at = None);
    db.license_with("KEY-L", |license| license.duration = Span::Lifetime);
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(upgrade(&session, "mia", "KEY-L").success() && upgrade(&session, "leo", "KEY-1").success());
    for user in [mia, leo] {
        let held = server.db.held_by(user);
        assert_eq!((held.len(), held[0].expires_at), (1, None));
    }
}

#[test]
fn a_paused_subscription_is_prolonged_and_stays_paused() {
    let db = Fixture::new();
    let mia = db.bare_user("mia", Credential::Locked, |_| {});
    db.subscription(mia, |new| new.paused_at = Some(now() + -50));
    db.license("KEY-1");
    let server = db.serve(&[]);
    let before = server.db.held_by(mia).remove(0);
    assert!(upgrade(&server.init(), "mia", "KEY-1").success());
    let held = server.db.held_by(mia);
    assert_eq!((held.len(), held[0].paused_at), (1, before.paused_at));
    assert_eq!(held[0].expires_at, Some(before.expires_at.unwrap() + DAY));
}

#[test]
fn checks_are_made_in_their_order_and_a_refused_license_stays_good() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.license_with("USED", |license| (license.used_at, license.used_by) = (Some(now()), Some(mia)));
    db.license_with("BANNED", |license| (license.banned, license.level) = (true, "7".into()));
    db.license_with("LEVEL", |license| (license.level, license.duration) = ("7".into(), Span::Seconds(-1)));
    db.license_with("PAST", |license| license.duration = Span::Seconds(-1));
    db.license_with("NOTHING", |license| license.duration = Span::Seconds(0));
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    for (username, key, code) in [
        ("none", "none", "LICENSE_NOT_FOUND"),
        ("none", "", "LICENSE_NOT_FOUND"),
        ("none", "USED", "LICENSE_IN_USE"),
        ("none", "BANNED", "LICENSE_BANNED"),
        ("none", "LEVEL", "LICENSE_NOT_ELIGIBLE"),
        ("none", "PAST", "EXPIRY_IN_PAST"),
        ("none", "NOTHING", "USER_NOT_FOUND"),
        ("mia", "NOTHING", "UPGRADE_FAILED"),
        ("none", "KEY-1", "USER_NOT_FOUND"),
        ("all", "KEY-1", "USER_NOT_FOUND"),
        ("", "KEY-1", "USER_NOT_FOUND"),
    ] {
        assert_eq!(upgrade(&session, username, key).error(), code, "{username} {key}");
    }
    for key in ["BANNED", "LEVEL", "PAST", "NOTHING", "KEY-1"] {
        assert_eq!(server.db.license_now(key).used_at, None, "{key}");
    }
    assert_eq!(server.db.held_by(mia).len(), 1);
    assert!(upgrade(&session, "mia", "KEY-1").success());
}
