//! Licenses across the formats: who is nothing but a license, keys in every state, bans of devices and addresses.

use keystead::model::user::Credential;
use serde_json::json;

use crate::doors::{DEVICE, Door, Doors, is_success};
use crate::support::{Fixture, now};

/// The user that this license made.
fn made_by(doors: &Doors, key: &str) -> String {
    doors
        .db()
        .sql_text(&format!("SELECT u.name FROM users u JOIN licenses l ON l.used_by = u.id WHERE l.key = '{key}'"))
}

#[test]
fn a_user_that_is_a_license_enters_by_it_at_every_door_and_is_claimed_at_none() {
    let db = Fixture::new();
    db.setting("sessionLimit", "9");
    for key in ["KEY-OF-KEYAUTH", "KEY-OF-AUTHGATE", "KEY-OF-AUTHLY"] {
        db.license(key);
    }
    let doors = Doors::open(db);
    doors.enter(Door::KeyAuth, "KEY-OF-KEYAUTH", DEVICE, None).expect("redeems");
    let made = doors.authgate("/sign_up_with_license_code", &json!({"code": "KEY-OF-AUTHGATE", "hardware_id": DEVICE}));
    assert!(is_success(&made), "{made:?}");
    doors.enter(Door::Authly, "KEY-OF-AUTHLY", DEVICE, None).expect("redeems");

    for key in ["KEY-OF-KEYAUTH", "KEY-OF-AUTHGATE", "KEY-OF-AUTHLY"] {
        let name = made_by(&doors, key);
        let spelled = key.to_lowercase();
        for door in Door::LICENSED {
            // Before anybody came in by its key: no password is taken for the one to keep.
            for password in ["", "x", "a good password", &format!("{key}-")] {
                doors.log_in(door, &name, password, DEVICE).expect_err("no password opens it");
            }
            for given in [key, spelled.as_str()] {
                let ticket = doors.enter(door, given, DEVICE, None);
                let ticket = ticket.unwrap_or_else(|reply| panic!("{door:?} {given}: {reply:?}"));
                assert!(doors.is_in(&ticket), "{door:?} {given}");
            }
        }
        doors.log_in(Door::Wacht, &name, "a good password", DEVICE).expect_err("no password opens it");
        assert_eq!(doors.db().user_now(&name).expect("is there").credential, Credential::License);
        // A key with which nobody came yet is not needed to see that the name alone opens nothing.
        if name != key {
            for door in Door::LICENSED {
                doors.enter(door, &name, DEVICE, None).expect_err("a name is no key");
            }
        }
        let bound = doors.db().devices_of(doors.db().user_now(&name).expect("is there").id);
        assert_eq!(bound, [DEVICE], "{key}");
    }
    assert_eq!(doors.db().users(), 3);
}

/// An invitation of Wacht's is a license: it opens whom it made, if nothing else does.
#[test]
fn an_invitation_opens_whom_it_made_only_where_there_is_no_password() {
    let db = Fixture::new();
    db.setting("wachtSignUp", "invitation");
    db.license("KEY-1");
    db.license("KEY-2");
    let doors = Doors::open(db);
    let pairs = [("email", "zoe@example.com"), ("invite_token", "KEY-1")];
    assert_eq!(doors.wacht("/auth/signup", &pairs).status, 200);
    let pairs = [("email", "leo@example.com"), ("password", "a good password"), ("invite_token", "KEY-2")];
    assert_eq!(doors.wacht("/auth/signup", &pairs).status, 200);
    for door in Door::LICENSED {
        doors.enter(door, "KEY-1", DEVICE, None).unwrap_or_else(|reply| panic!("{door:?}: {reply:?}"));
        doors.enter(door, "KEY-2", DEVICE, None).expect_err("that user has a password");
        doors.log_in(door, "leo@example.com", "a good password", DEVICE).unwrap_or_else(|r| panic!("{door:?}: {r:?}"));
        doors.log_in(door, "zoe@example.com", "a good password", DEVICE).expect_err("has no password");
    }
    assert_eq!(doors.db().users(), 2);
}

#[test]
fn a_license_that_somebody_redeemed_for_a_user_does_not_inherit_it() {
    let db = Fixture::new();
    db.setting("wachtSignUp", "invitation");
    db.setting("wachtDefault", "1");
    for key in ["KEY-OF-MIA", "KEY-OF-MALLORY"] {
        db.license(key);
    }
    let doors = Doors::open(db);
    let fields = [("email", "mia@example.com"), ("username", "mia"), ("invite_token", "KEY-OF-MIA")];
    let form = serde_urlencoded::to_string(fields).expect("pairs");
    let header = [("content-type", "application/x-www-form-urlencoded")];
    let made = doors.server.ask("POST", "/auth/signup", &header, form.as_bytes());
    assert!(is_success(&made), "{made:?}");
    assert!(doors.server.init().call("upgrade", &[("username", "mia"), ("key", "KEY-OF-MALLORY")]).success());
    doors.server.change(|db| {
        let (app, license) = (db.app().id, db.license_now("KEY-OF-MIA"));
        let locked = db.write(move |tx| keystead::domain::license::delete(tx, app, &license).expect("deletes"));
        assert_eq!(locked.map(|user| user.name).as_deref(), Some("mia"), "the operator is told");
    });
    for door in Door::LICENSED {
        doors.enter(door, "KEY-OF-MALLORY", DEVICE, None).expect_err("it made nobody");
        doors.log_in(door, "mia", "KEY-OF-MALLORY", DEVICE).expect_err("it made nobody");
    }
    doors.log_in(Door::Wacht, "mia", "KEY-OF-MALLORY", DEVICE).expect_err("it made nobody");
}

/// A user that is named like its key goes on coming in by that when the license is deleted, and nobody by an upgrade.
#[test]
fn an_upgrade_does_not_inherit_who_is_named_like_its_key() {
    let db = Fixture::new();
    db.setting("sessionLimit", "9");
    for key in ["KEY-OF-MIA", "BEFORE-1", "BEFORE-2", "AFTER-1", "AFTER-2"] {
        db.license(key);
    }
    let doors = Doors::open(db);
    doors.enter(Door::KeyAuth, "KEY-OF-MIA", DEVICE, None).expect("redeems");
    let upgrade = |key: &str| doors.redeem(Door::KeyAuth, "KEY-OF-MIA", "", key);
    let opens_by_its_name_only = |when: &str| {
        for door in Door::LICENSED {
            for key in ["BEFORE-1", "BEFORE-2", "AFTER-1", "AFTER-2"] {
                if doors.db().license_now(key).used_at.is_some() {
                    doors.enter(door, key, DEVICE, None).expect_err(when);
                    doors.log_in(door, "KEY-OF-MIA", key, DEVICE).expect_err(when);
                }
            }
            let ticket = doors.enter(door, "key-of-mia", DEVICE, None);
            let ticket = ticket.unwrap_or_else(|reply| panic!("{when}, {door:?}: {reply:?}"));
            assert!(doors.is_in(&ticket), "{when}, {door:?}");
        }
    };
    assert!(is_success(&upgrade("BEFORE-1")) && is_success(&upgrade("BEFORE-2")));
    opens_by_its_name_only("while the license is there");
    let held = || doors.db().held_by(doors.db().user_now("KEY-OF-MIA").expect("is there").id)[0].expires_at;
    let until = held();
    doors.operate(&["license", "delete", "KEY-OF-MIA", "--app", "demo"]);
    opens_by_its_name_only("after the license was deleted");
    assert!(is_success(&upgrade("AFTER-1")) && is_success(&upgrade("AFTER-2")));
    opens_by_its_name_only("with upgrades after that");
    assert!(held() > until, "they gave what they give");
    // The license made again is its own, whether it is redeemed or not, and can be banned.
    doors.server.change(|db| _ = db.license("KEY-OF-MIA"));
    opens_by_its_name_only("with the license made again");
    assert!(is_success(&upgrade("KEY-OF-MIA")));
    opens_by_its_name_only("with the license redeemed again");
    doors.operate(&["license", "ban", "KEY-OF-MIA", "--app", "demo"]);
    for door in Door::LICENSED {
        doors.enter(door, "KEY-OF-MIA", DEVICE, None).expect_err("is banned");
    }
    assert_eq!(doors.db().users(), 1);
}

#[test]
fn a_banned_license_closes_the_user_that_it_made_at_every_door() {
    let db = Fixture::new();
    db.license("KEY");
    let doors = Doors::open(db);
    doors.enter(Door::Authly, "KEY", DEVICE, None).expect("redeems");
    doors.operate(&["license", "ban", "KEY", "--app", "demo"]);
    for (door, says) in
        [(Door::KeyAuth, "LICENSE_BANNED"), (Door::Authgate, "403 Banned"), (Door::Authly, "403 LICENSE_BANNED")]
    {
        let reply = doors.enter(door, "KEY", DEVICE, None).expect_err("is banned");
        assert_eq!(door.says(&reply), says, "{reply:?}");
    }
    doors.operate(&["license", "unban", "KEY", "--app", "demo"]);
    for door in Door::LICENSED {
        assert!(doors.enter(door, "KEY", DEVICE, None).is_ok(), "{door:?}");
    }
}

/// A key in each state; what KeyAuth, Authgate's sign-up, Authgate's activation, Authly, and Wacht's invitation say.
const STATES: &[(&str, &str, &str, &str, &str)] = &[
    ("USED", "LICENSE_IN_USE", "422 Invalid or already used license code", "401", "403 LICENSE_IN_USE"),
    ("BANNED", "LICENSE_BANNED", "403 Banned", "403", "403 LICENSE_BANNED"),
    ("USED-BANNED", "LICENSE_BANNED", "403 Banned", "403", "403 LICENSE_BANNED"),
    ("PAUSED", "LICENSE_PAUSED", "403 License is paused", "403", "403 LICENSE_PAUSED"),
    ("EXPIRED", "LICENSE_EXPIRED", "422 License code has expired", "401", "403 LICENSE_EXPIRED"),
    ("UNKNOWN", "LICENSE_NOT_FOUND", "422 Invalid or already used license code", "401", "404 LICENSE_NOT_FOUND"),
    ("NO-PLAN", "LICENSE_NOT_ELIGIBLE", "422 Invalid or already used license code", "401", "403 LICENSE_NOT_ELIGIBLE"),
];

fn keys_in_every_state(db: &Fixture) {
    let ann = db.user("ann");
    let used = |license: &mut keystead::model::license::License| {
        (license.used_at, license.used_by) = (Some(now()), Some(ann));
    };
    db.license_with("USED", used);
    db.license_with("BANNED", |license| license.banned = true);
    db.license_with("USED-BANNED", |license| {
        used(license);
        license.banned = true;
    });
    db.license_with("PAUSED", |license| license.paused = true);
    db.license_with("EXPIRED", |license| license.expires_at = Some(now()));
    db.license_with("NO-PLAN", |license| license.level = "9".to_owned());
}

#[test]
fn a_key_that_is_not_good_is_refused_at_every_door_in_its_words() {
    let db = Fixture::new();
    keys_in_every_state(&db);
    db.user("mia");
    db.setting("wachtSignUp", "invitation");
    let doors = Doors::open(db);
    let everything = |doors: &Doors| {
        doors.db().sql_text(
            "SELECT (SELECT count(*) FROM users) || ' ' || (SELECT count(*) FROM subscriptions) || ' ' || \
             (SELECT group_concat(key || coalesce(used_at, '-') || coalesce(used_by, '-')) FROM licenses)",
        )
    };
    let before = everything(&doors);
    for (key, keyauth, by_code, activated, authly) in STATES {
        let says = |door: Door, what: &str, reply: &crate::support::Reply, want: &str| {
            assert!(!is_success(reply), "{key} {what}: {reply:?}");
            assert_eq!(door.says(reply), want, "{key} {what}: {reply:?}");
        };
        let leo = doors.sign_up(Door::KeyAuth, "leo", "secret", key);
        says(Door::KeyAuth, "register", &leo, keyauth);
        says(Door::KeyAuth, "upgrade", &doors.redeem(Door::KeyAuth, "mia", "secret", key), keyauth);
        // A key that somebody used by name opens nobody.
        says(Door::KeyAuth, "license", &doors.enter(Door::KeyAuth, key, DEVICE, None).expect_err("no"), keyauth);

        let made = doors.authgate("/sign_up_with_license_code", &json!({"code": key, "hardware_id": DEVICE}));
        says(Door::Authgate, "sign up", &made, by_code);
        let activated_reply = doors.redeem(Door::Authgate, "mia", "secret", key);
        assert_eq!(activated_reply.status.to_string(), *activated, "{key}: {activated_reply:?}");
        let entered = doors.enter(Door::Authgate, key, DEVICE, None).expect_err("no");
        assert!(matches!(entered.status, 401 | 403), "{key}: {entered:?}");

        says(Door::Authly, "register", &doors.sign_up(Door::Authly, "leo", "secret", key), authly);
        says(Door::Authly, "extend", &doors.redeem(Door::Authly, "mia", "secret", key), authly);
        says(Door::Authly, "licenses", &doors.enter(Door::Authly, key, DEVICE, None).expect_err("no"), authly);

        let pairs = [("email", "leo@example.com"), ("password", "a good password"), ("invite_token", *key)];
        let invited = doors.wacht("/auth/signup", &pairs);
        says(Door::Wacht, "invitation", &invited, "403 SIGNUP_RESTRICTED");
    }
    assert_eq!(everything(&doors), before);
}

#[test]
fn a_ban_of_an_address_or_a_device_holds_in_all_sign_ups() {
    for banned in ["127.0.0.1", DEVICE] {
        let db = Fixture::new();
        db.license("KEY");
        db.user("mia");
        let doors = Doors::open(db);
        // Authly's `init` refuses a banned address itself; these sessions were opened before.
        let session = doors.authly_session();
        doors.server.change(|db| if banned == DEVICE { db.ban_hwid(DEVICE) } else { db.ban_network(banned) });
        let (keyauth, authly) = match banned {
            DEVICE => ("SID_BLOCKED", "403 SID_BLOCKED"),
            _ => ("IP_BLOCKED", "403 IP_BLOCKED"),
        };
        let on = |call: &str, body: serde_json::Value| doors.authly_on(&session, call, &body);
        let register = json!({"username": "leo", "password": "secret", "key": "KEY", "sid": DEVICE});
        let login = json!({"username": "mia", "password": "secret", "sid": DEVICE});
        let by_code = json!({"code": "KEY", "hardware_id": DEVICE});
        let credentials = json!({"username": "mia", "password": "secret"});
        let refused = [
            (Door::KeyAuth, doors.sign_up(Door::KeyAuth, "leo", "secret", "KEY"), keyauth),
            (Door::KeyAuth, doors.enter(Door::KeyAuth, "KEY", DEVICE, None).expect_err("banned"), keyauth),
            (Door::KeyAuth, doors.log_in(Door::KeyAuth, "mia", "secret", DEVICE).expect_err("banned"), keyauth),
            (Door::Authgate, doors.sign_up(Door::Authgate, "leo", "secret", "KEY"), "403 Banned"),
            (Door::Authgate, doors.authgate("/sign_up_with_license_code", &by_code), "403 Banned"),
            (
                Door::Authgate,
                doors.authgate("/auth/login", &json!({"credentials": credentials, "hardware_id": DEVICE})),
                "403 Banned",
            ),
            (Door::Authly, on("/register", register), authly),
            (Door::Authly, on("/licenses", json!({"license_key": "KEY", "sid": DEVICE})), authly),
            (Door::Authly, on("/login", login), authly),
        ];
        for (door, reply, says) in &refused {
            assert_eq!(door.says(reply), *says, "{banned}: {reply:?}");
        }
        // Wacht knows addresses only.
        let page = doors.wacht_sign_up("zoe", "zoe@example.com", "a good password");
        match banned {
            DEVICE => assert_eq!(page.status, 200, "{page:?}"),
            _ => assert_eq!(Door::Wacht.says(&page), "403 SIGNUP_RESTRICTED"),
        }
        assert_eq!(doors.db().license_now("KEY").used_at, None);
        assert_eq!(doors.db().users(), if banned == DEVICE { 2 } else { 1 });
    }
}
