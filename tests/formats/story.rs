//! One account, many doors: made through one format it is the same in all of them, also when it is banned, gets another
//! password, or asks for a second factor.

use serde_json::json;

use crate::doors::{DEVICE, Door, Doors, Ticket, cookie, is_success};
use crate::support::{Fixture, Reply, totp};

const PASSWORD: &str = "a good password";

/// What each format says to somebody whose password is not the user's.
fn wrong_password(door: Door) -> &'static str {
    match door {
        Door::KeyAuth => "INVALID_PASSWORD",
        Door::Authgate => "401 Invalid credentials",
        Door::Authly => "401 INVALID_PASSWORD",
        Door::Wacht => "401 INVALID_CREDENTIALS",
    }
}

#[track_caller]
fn assert_refused(door: Door, outcome: Result<Ticket, Reply>, status: u16) {
    let reply = outcome.expect_err("is refused");
    assert!(!is_success(&reply), "{door:?}: {reply:?}");
    // KeyAuth's clients know no status but 200.
    assert_eq!(reply.status, if door == Door::KeyAuth { 200 } else { status }, "{door:?}: {reply:?}");
}

/// Logs in everywhere.
#[track_caller]
fn everywhere(doors: &Doors, name: &str, password: &str) -> Vec<Ticket> {
    let enter = |door| {
        let outcome = doors.log_in(door, name, password, DEVICE);
        outcome.unwrap_or_else(|reply| panic!("{door:?} does not let {name} in: {reply:?}"))
    };
    Door::ALL.into_iter().map(enter).collect()
}

#[test]
fn a_user_of_a_web_page_becomes_a_customer_of_all_programs() {
    let db = Fixture::new();
    for key in ["KEY-1", "KEY-2", "KEY-3"] {
        db.license(key);
    }
    let doors = Doors::open(db);
    let made = doors.wacht_sign_up("mia", "Mia@Example.com", PASSWORD);
    assert_eq!(made.status, 200, "{made:?}");

    // W17: it has nothing yet. The page lets it in all the same.
    for (door, says) in [(Door::KeyAuth, "USER_EXPIRED"), (Door::Authgate, "403 "), (Door::Authly, "403 USER_EXPIRED")]
    {
        let reply = doors.log_in(door, "mia", PASSWORD, DEVICE).expect_err("has no subscription");
        assert!(door.says(&reply).starts_with(says), "{door:?}: {reply:?}");
    }
    doors.log_in(Door::Wacht, "mia", PASSWORD, DEVICE).expect("needs no subscription");
    let mia = doors.db().user_now("mia").expect("mia");
    assert_eq!(doors.db().devices_of(mia.id), Vec::<String>::new(), "who was refused bound no device");

    // One key through each; they add up to one subscription.
    for (door, key) in Door::LICENSED.into_iter().zip(["KEY-1", "KEY-2", "KEY-3"]) {
        let reply = doors.redeem(door, "mia", PASSWORD, key);
        assert!(is_success(&reply), "{door:?}: {reply:?}");
    }
    let held = doors.db().held_by(mia.id);
    let [held] = held.as_slice() else { panic!("one subscription: {held:?}") };
    assert_eq!(held.expires_at.expect("an end") - held.granted_at, 3 * 86_400);

    // In at every door, by any spelling of the name; the device of the first is the device of all.
    everywhere(&doors, "mia", PASSWORD);
    let tickets = everywhere(&doors, "MIA", PASSWORD);
    assert!(tickets.iter().all(|ticket| doors.is_in(ticket)), "{tickets:?}");
    assert_eq!(doors.db().devices_of(mia.id), [DEVICE]);
    for (door, says) in [
        (Door::KeyAuth, "HWID_MISMATCH"),
        (Door::Authgate, "401 Maximum number of devices reached"),
        (Door::Authly, "403 DEVICE_LIMIT_REACHED"),
    ] {
        let reply = doors.log_in(door, "mia", PASSWORD, "another-device").expect_err("another device");
        assert_eq!(door.says(&reply), says, "{door:?}");
    }
    assert_eq!(doors.db().users(), 1);
    assert_eq!(doors.db().user_now("mia").expect("mia").uuid, mia.uuid);
}

#[test]
fn a_user_made_at_any_door_enters_at_all_of_them_and_its_name_is_taken_at_all() {
    for door in Door::ALL {
        let db = Fixture::new();
        for key in ["FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH"] {
            db.license(key);
        }
        let doors = Doors::open(db);
        let made = doors.sign_up(door, "mia", PASSWORD, "FIRST");
        assert!(is_success(&made), "{door:?}: {made:?}");
        if matches!(door, Door::Authgate | Door::Wacht) {
            assert!(is_success(&doors.redeem(Door::KeyAuth, "mia", PASSWORD, "SECOND")), "{door:?}");
        }
        everywhere(&doors, "Mia", PASSWORD);
        for (other, says) in [
            (Door::KeyAuth, "USERNAME_TAKEN"),
            (Door::Authgate, "422 Username is already taken"),
            (Door::Authly, "409 USERNAME_TAKEN"),
            (Door::Wacht, "400 USERNAME_EXISTS"),
        ] {
            let reply = match other {
                // The address of the name is claimed where Wacht has made the user.
                Door::Wacht => doors.wacht_sign_up("MIA", "somebody@example.com", PASSWORD),
                _ => doors.sign_up(other, "MIA", PASSWORD, "THIRD"),
            };
            assert_eq!(other.says(&reply), says, "made by {door:?}: {reply:?}");
        }
        assert_eq!(doors.db().license_now("THIRD").used_at, None);
        assert_eq!(doors.db().users(), 1);
    }
}

/// Forms and JSON spell a text in different ways; and what is cut off at its ends must be the same.
#[test]
fn a_password_means_the_same_in_every_spelling() {
    let password = "  p\u{e4}ss w\u{f6}rd+%20&=;\"\\/\u{1f511}\t";
    for door in Door::ALL {
        let db = Fixture::new();
        for key in ["FIRST", "SECOND"] {
            db.license(key);
        }
        let doors = Doors::open(db);
        let made = doors.sign_up(door, "mia", password, "FIRST");
        assert!(is_success(&made), "{door:?}: {made:?}");
        assert!(is_success(&doors.redeem(Door::KeyAuth, "mia", password, "SECOND")), "{door:?}");
        everywhere(&doors, "mia", password);
        everywhere(&doors, " mia ", password.trim());
    }
}

#[test]
fn a_wrong_password_is_refused_everywhere() {
    let db = Fixture::new();
    db.user("mia");
    let doors = Doors::open(db);
    for door in Door::ALL {
        let reply = doors.log_in(door, "mia", "not the password", DEVICE).expect_err("is refused");
        let says = door.says(&reply);
        assert!(says == wrong_password(door) || (door == Door::Authgate && reply.status == 401), "{door:?}: {reply:?}");
        let nobody = doors.log_in(door, "nobody", "not the password", DEVICE).expect_err("is refused");
        if matches!(door, Door::Authgate | Door::Wacht) {
            assert_eq!(door.says(&nobody), says, "{door:?}: an unknown user is refused in the same words");
        }
    }
}

#[test]
fn a_ban_ends_what_runs_at_every_door_and_closes_all_of_them() {
    let db = Fixture::new();
    db.user("mia");
    let doors = Doors::open(db);
    let tickets = everywhere(&doors, "mia", "secret");
    for ticket in &tickets {
        assert!(doors.is_in(ticket), "{ticket:?}");
    }
    doors.operate(&["user", "ban", "mia", "--app", "demo", "--reason", "chargeback"]);
    for ticket in &tickets {
        assert!(!doors.is_in(ticket), "{ticket:?}");
    }
    for (door, says) in [
        (Door::KeyAuth, "USER_BANNED"),
        (Door::Authgate, "403 Banned"),
        (Door::Authly, "403 USER_BANNED"),
        (Door::Wacht, "403 USER_DISABLED"),
    ] {
        let reply = doors.log_in(door, "mia", "secret", DEVICE).expect_err("is banned");
        assert_eq!(door.says(&reply), says, "{door:?}: {reply:?}");
    }
    doors.operate(&["user", "unban", "mia", "--app", "demo"]);
    everywhere(&doors, "mia", "secret");
    for ticket in &tickets {
        assert!(!doors.is_in(ticket), "what a ban has ended stays so: {ticket:?}");
    }
}

#[test]
fn a_password_that_is_changed_at_one_door_is_changed_at_all() {
    let db = Fixture::new();
    db.user("mia");
    let doors = Doors::open(db);
    let tickets = everywhere(&doors, "mia", "secret");
    let changed = doors.authly_on(
        &tickets[2].held,
        "/change-password",
        &json!({"old_password": "secret", "new_password": PASSWORD}),
    );
    assert!(is_success(&changed), "{changed:?}");
    for (door, ticket) in Door::ALL.into_iter().zip(&tickets) {
        assert_eq!(doors.is_in(ticket), door == Door::Authly, "only who changed it stays: {door:?}");
        let reply = doors.log_in(door, "mia", "secret", DEVICE).expect_err("the old one");
        assert!(reply.status == 401 || door == Door::KeyAuth, "{door:?}: {reply:?}");
    }
    everywhere(&doors, "mia", PASSWORD);
}

#[test]
fn what_the_operator_kills_is_over_at_every_door() {
    let db = Fixture::new();
    db.user("mia");
    let doors = Doors::open(db);
    let tickets = everywhere(&doors, "mia", "secret");
    doors.operate(&["session", "kill", "--user", "mia", "--app", "demo"]);
    for ticket in &tickets {
        assert!(!doors.is_in(ticket), "{ticket:?}");
    }
    everywhere(&doors, "mia", "secret");
}

#[test]
fn where_a_login_ends_the_others_it_ends_those_of_all_formats() {
    let db = Fixture::new();
    db.user("mia");
    db.setting("killOtherSessions", "1");
    let doors = Doors::open(db);
    let tickets = everywhere(&doors, "mia", "secret");
    let running: Vec<bool> = tickets.iter().map(|ticket| doors.is_in(ticket)).collect();
    assert_eq!(running, [false, false, false, true], "only the last one is left");
    let first = doors.log_in(Door::KeyAuth, "mia", "secret", DEVICE).expect("enters");
    assert!(doors.is_in(&first) && !doors.is_in(&tickets[3]));
}

#[test]
fn a_second_factor_is_asked_for_at_every_door() {
    let db = Fixture::new();
    db.user("mia");
    db.setting("authgateLegacy", "1");
    db.setting("sessionLimit", "9");
    let doors = Doors::open(db);
    let session = doors.server.init();
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", DEVICE)]).success());
    let begun = session.call("2faenable", &[]).json();
    let secret = begun["2fa"]["secret_code"].as_str().expect("a secret").to_owned();
    assert!(session.call("2faenable", &[("code", &totp::code(&secret, 0))]).success());

    for door in Door::ALL {
        let without = doors.log_in(door, "mia", "secret", DEVICE);
        if let Err(reply) = &without {
            let says = if door == Door::KeyAuth { "2FA code required." } else { "two_factor_code" };
            assert!(reply.text().contains(says), "{door:?}: {reply:?}");
        }
        assert_refused(door, without, if matches!(door, Door::Wacht | Door::Authly) { 403 } else { 401 });
        let wrong = if totp::code(&secret, 0) == "000000" { "111111" } else { "000000" };
        doors.log_in_with(door, "mia", "secret", DEVICE, Some(wrong)).expect_err("a wrong code");
        let code = totp::code(&secret, 0);
        let with = doors.log_in_with(door, "mia", "secret", DEVICE, Some(&code));
        let ticket = with.unwrap_or_else(|reply| panic!("{door:?}: {reply:?}"));
        assert!(doors.is_in(&ticket), "{door:?}");
    }
    // Credentials in the headers of a single call are a login too.
    let headers = [("x-api-username", "mia"), ("x-api-password", "secret"), ("x-hardware-id", DEVICE)];
    let reply = doors.app_context(&headers);
    assert!(reply.status == 401 || reply.status == 403, "{reply:?}");
}

#[test]
fn an_account_without_a_password_is_opened_by_nothing() {
    let db = Fixture::new();
    db.license("KEY");
    let doors = Doors::open(db);
    let made = doors.wacht("/auth/signup", &[("email", "mia@example.com"), ("username", "mia")]);
    assert_eq!(made.status, 200, "{made:?}");
    assert!(cookie(&made).is_some(), "{made:?}");
    // Also not by a key that it gets later: that one did not make it.
    assert!(is_success(&doors.redeem(Door::KeyAuth, "mia", "", "KEY")));
    for door in Door::ALL {
        for password in ["", "x", "mia", "mia@example.com", "KEY", "a good password"] {
            doors.log_in(door, "mia", password, DEVICE).expect_err("has no password");
            assert_eq!(doors.db().sql_text("SELECT login FROM users"), "locked", "{door:?} {password:?}");
        }
    }
    for door in Door::LICENSED {
        doors.enter(door, "KEY", DEVICE, None).expect_err("the key made no user");
        doors.enter(door, "mia", DEVICE, None).expect_err("a name is no key");
    }
    assert_eq!(doors.db().users(), 1);
}

#[test]
fn an_address_is_claimed_once() {
    let db = Fixture::new();
    for key in ["KEY-1", "KEY-2"] {
        db.license(key);
    }
    let doors = Doors::open(db);
    let of_mia = [("mia", "mia@example.com"), ("mia2", " MIA@Example.COM ")];
    assert_eq!(doors.wacht_sign_up(of_mia[0].0, of_mia[0].1, PASSWORD).status, 200);
    let again = doors.wacht_sign_up(of_mia[1].0, of_mia[1].1, PASSWORD);
    assert_eq!(Door::Wacht.says(&again), "400 EMAIL_EXISTS", "{again:?}");
    // Authly's users name an address without claiming it; who names one first keeps others from claiming it.
    let body = |name, key, email| json!({"username": name, "password": PASSWORD, "key": key, "email": email});
    for (name, key, email) in [("leo", "KEY-1", "Mia@example.com"), ("zoe", "KEY-2", "zoe@example.com")] {
        let made = doors.authly("/register", &body(name, key, email));
        assert_eq!(made.json()["user"]["email"], email, "{made:?}");
    }
    let late = doors.wacht_sign_up("zoe2", "Zoe@example.com", PASSWORD);
    assert_eq!(Door::Wacht.says(&late), "400 EMAIL_EXISTS", "{late:?}");
    // By the address, only who claims it signs in.
    let pairs = [("strategy", "plain_email"), ("email", "MIA@example.com"), ("password", PASSWORD)];
    assert_eq!(doors.wacht("/auth/signin", &pairs).status, 200);
    let claimed = doors.db().count("SELECT count(*) FROM users WHERE email_claimed = 1");
    assert_eq!((claimed, doors.db().users()), (1, 3));
}
