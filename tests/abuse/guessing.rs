//! Guessing is slow, and only for who guesses.

use crate::doors::{DEVICE, Door, Doors};
use crate::support::{Fixture, Reply};
use crate::{BEHIND_PROXY, call_from, init_from};

/// So many wrong passwords cost no wait.
const FREE: usize = 10;

/// What each format says to who comes too often.
fn limited(door: Door) -> &'static str {
    match door {
        Door::KeyAuth => "RATE_LIMITED",
        Door::Authgate => "429 Too many requests",
        Door::Authly => "429 RATE_LIMITED",
        Door::Wacht => "429 TOO_MANY_REQUESTS",
    }
}

#[track_caller]
fn check_limited(door: Door, reply: &Reply) {
    assert_eq!(door.says(reply), limited(door), "{reply:?}");
    assert!(reply.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok()), "{reply:?}");
}

#[test]
fn wrong_passwords_at_one_door_count_at_all_of_them() {
    let db = Fixture::new();
    for name in ["keyauth", "authgate", "authly", "wacht", "tom"] {
        db.user(name);
    }
    let doors = Doors::open(db);
    for guessed in Door::ALL {
        for n in 0..FREE {
            let reply = doors.log_in(guessed, guessed.name(), "wrong one", DEVICE).expect_err("a wrong password");
            assert_ne!(guessed.says(&reply), limited(guessed), "{n}");
        }
        for door in Door::ALL {
            let reply = doors.log_in(door, guessed.name(), "secret", DEVICE).expect_err("not even the right one");
            check_limited(door, &reply);
        }
    }
    for door in Door::ALL {
        doors.log_in(door, "tom", "secret", DEVICE).expect("somebody else at the same address gets in");
    }
}

#[test]
fn names_that_there_are_not_slow_down_as_others_do_where_that_is_not_told() {
    let doors = Doors::open(Fixture::new());
    for door in [Door::Authgate, Door::Wacht] {
        for _ in 0..FREE {
            let reply = doors.log_in(door, door.name(), "wrong one", DEVICE).expect_err("nobody");
            assert_ne!(door.says(&reply), limited(door));
        }
        check_limited(door, &doors.log_in(door, door.name(), "wrong one", DEVICE).expect_err("nobody"));
    }
}

#[test]
fn a_ban_is_told_to_who_has_the_password_where_the_format_leaves_it_open() {
    let db = Fixture::new();
    db.user("mia");
    db.sql("UPDATE users SET banned = 1 WHERE name = 'mia'");
    let doors = Doors::open(db);
    for (door, told) in [(Door::Authgate, "403 Banned"), (Door::Wacht, "403 USER_DISABLED")] {
        let nobody = doors.log_in(door, "nobody", "wrong one", DEVICE).expect_err("nobody");
        let wrong = doors.log_in(door, "mia", "wrong one", DEVICE).expect_err("a wrong password");
        assert_eq!(door.says(&wrong), door.says(&nobody));
        assert_eq!(door.says(&doors.log_in(door, "mia", "secret", DEVICE).expect_err("banned")), told);
    }
}

#[test]
fn who_is_attacked_gets_in_from_its_device() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.device(mia, DEVICE);
    let doors = Doors::open(db);
    for _ in 0..FREE {
        doors.log_in(Door::KeyAuth, "mia", "wrong one", "another device").expect_err("a wrong password");
    }
    check_limited(Door::KeyAuth, &doors.log_in(Door::KeyAuth, "mia", "secret", "another device").expect_err("waits"));
    doors.log_in(Door::KeyAuth, "mia", "secret", DEVICE).expect("its own device");
}

#[test]
fn a_stolen_session_does_not_guess_the_password_faster() {
    let db = Fixture::new();
    db.user("mia");
    let doors = Doors::open(db);
    let ticket = doors.log_in(Door::Authly, "mia", "secret", DEVICE).expect("in");
    let body = serde_json::json!({"old_password": "wrong one", "new_password": "another one"});
    for _ in 0..FREE {
        let reply = doors.authly_on(&ticket.held, "/change-password", &body);
        assert_eq!(reply.json()["code"], "INVALID_PASSWORD", "{reply:?}");
    }
    check_limited(Door::Authly, &doors.authly_on(&ticket.held, "/change-password", &body));
}

#[test]
fn unknown_licenses_at_one_door_count_at_all_of_them_and_customers_stay() {
    let db = Fixture::new();
    db.user("mia");
    for key in ["KEY-OLD", "KEY-NEW", "KEY-UP"] {
        db.license(key);
    }
    let doors = Doors::open_with(db, &["--guess-limit", "1/h burst 3"]);
    let customer = doors.enter(Door::KeyAuth, "KEY-OLD", DEVICE, None).expect("redeems it");
    let own = doors.log_in(Door::KeyAuth, "mia", "secret", DEVICE).expect("in");
    let guess = |door, key: &str| door_says(door, doors.enter(door, key, DEVICE, None).expect_err("no such license"));
    for key in ["GUESS-1", "GUESS-2", "guess-1", "GUESS-3"] {
        assert_eq!(guess(Door::KeyAuth, key), "LICENSE_NOT_FOUND", "{key}");
    }
    for door in Door::LICENSED {
        for key in ["GUESS-4", "KEY-NEW"] {
            assert_eq!(guess(door, key), limited(door), "{key}");
            check_limited(door, &doors.redeem(door, "nobody", "secret", key));
        }
    }
    check_limited(Door::KeyAuth, &doors.sign_up(Door::KeyAuth, "tom", "secret", "KEY-NEW"));
    check_limited(Door::Authly, &doors.sign_up(Door::Authly, "tom", "secret", "KEY-NEW"));
    let reply =
        doors.authgate("/sign_up_with_license_code", &serde_json::json!({"code": "KEY-NEW", "hardware_id": "x"}));
    check_limited(Door::Authgate, &reply);
    let reply = doors.keyauth("forgot", &[("username", "nobody"), ("email", "a@example.com")]);
    check_limited(Door::KeyAuth, &reply);
    // What was told before is told again; who is a customer here is one still.
    assert_eq!(guess(Door::KeyAuth, "GUESS-2"), "LICENSE_NOT_FOUND");
    assert!(doors.is_in(&customer) && doors.is_in(&own));
    for door in Door::LICENSED {
        doors.enter(door, "KEY-OLD", DEVICE, None).unwrap_or_else(|reply| panic!("{reply:?}"));
        doors.log_in(door, "mia", "secret", DEVICE).unwrap_or_else(|reply| panic!("{reply:?}"));
    }
    let pairs = [("sessionid", own.held.as_str()), ("username", "mia"), ("key", "KEY-UP")];
    assert!(doors.server.call("upgrade", &pairs).success(), "who is logged in guesses for itself");
}

fn door_says(door: Door, reply: Reply) -> String {
    door.says(&reply)
}

#[test]
fn neighbours_at_other_addresses_and_known_devices_do_not_pay() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.license("KEY-2");
    let server = db.serve(&[&BEHIND_PROXY[..], &["--guess-limit", "1/h burst 2"]].concat());
    let license = |address: &str, key: &str, hwid: &str| {
        let session = init_from(&server, address);
        call_from(&server, address, "license", &[("sessionid", &session), ("key", key), ("hwid", hwid)])
    };
    assert!(license("198.51.100.1", "KEY-1", "laptop").success());
    for key in ["GUESS-1", "GUESS-2"] {
        assert_eq!(license("203.0.113.1", key, "x").error(), "LICENSE_NOT_FOUND");
    }
    assert_eq!(license("203.0.113.1", "GUESS-3", "x").error(), "RATE_LIMITED");
    assert!(license("203.0.113.2", "KEY-2", "y").success(), "another address");
    assert_eq!(license("203.0.113.1", "KEY-1", "x").error(), "RATE_LIMITED", "not told that there is such a license");
    assert!(license("203.0.113.1", "KEY-1", "laptop").success(), "a device that is bound");
}

#[test]
fn an_app_under_attack_from_everywhere_keeps_its_customers() {
    let db = Fixture::new();
    for key in ["KEY-1", "KEY-2", "KEY-3"] {
        db.license(key);
    }
    let server = db.serve(&[&BEHIND_PROXY[..], &["--app-guess-limit", "1/h burst 5"]].concat());
    let license = |address: &str, key: &str| {
        let session = init_from(&server, address);
        call_from(&server, address, "license", &[("sessionid", &session), ("key", key), ("hwid", key)])
    };
    assert!(license("198.51.100.1", "KEY-1").success());
    let guesses = (0..9).map(|n| license(&format!("203.0.113.{n}"), &format!("GUESS-{n}")).error());
    assert_eq!(guesses.filter(|error| error == "LICENSE_NOT_FOUND").count(), 5);
    assert_eq!(license("203.0.113.99", "KEY-2").error(), "RATE_LIMITED");
    assert!(license("203.0.113.99", "KEY-1").success(), "its device is known");
    assert!(license("198.51.100.1", "KEY-2").success(), "somebody came in from there before");
}

#[test]
fn without_a_rate_limit_nothing_is_counted() {
    let db = Fixture::new();
    db.user("mia");
    let doors = Doors::open_with(db, &["--rate-limit", "off", "--guess-limit", "1/h burst 1"]);
    for n in 0..2 * FREE {
        doors.log_in(Door::KeyAuth, "mia", "wrong one", DEVICE).expect_err("a wrong password");
        let reply = doors.enter(Door::KeyAuth, &format!("GUESS-{n}"), DEVICE, None).expect_err("no such license");
        assert_eq!(reply.error(), "LICENSE_NOT_FOUND");
    }
    doors.log_in(Door::KeyAuth, "mia", "secret", DEVICE).expect("in");
}

#[test]
fn who_knows_a_hwid_does_not_lock_out_its_owner_at_home() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.device(mia, DEVICE);
    let server = db.serve(&BEHIND_PROXY);
    let log_in = |address: &str, password: &str| {
        let session = init_from(&server, address);
        let pairs = [("sessionid", session.as_str()), ("username", "mia"), ("pass", password), ("hwid", DEVICE)];
        call_from(&server, address, "login", &pairs)
    };
    let (home, attacker) = ("198.51.100.1", "203.0.113.1");
    assert!(log_in(home, "secret").success());
    for _ in 0..FREE {
        assert_eq!(log_in(attacker, "wrong one").error(), "INVALID_PASSWORD");
    }
    for address in [attacker, "203.0.113.2"] {
        assert_eq!(log_in(address, "secret").error(), "RATE_LIMITED", "not even the right one from there");
    }
    assert!(log_in(home, "secret").success());
    assert_eq!(log_in(attacker, "secret").error(), "RATE_LIMITED", "that forgives nothing");
}

/// What each of these calls is told, one after the other.
fn told(count: usize, mut call: impl FnMut(usize) -> Reply) -> Vec<String> {
    (0..count).map(|n| call(n).error()).collect()
}

#[test]
fn names_that_there_are_not_count_where_that_is_told() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[&BEHIND_PROXY[..], &["--guess-limit", "1/h burst 3"]].concat());
    for (address, name, more) in [
        ("203.0.113.1", "login", ("pass", "secret")),
        ("203.0.113.2", "upgrade", ("key", "KEY-1")),
        ("203.0.113.3", "forgot", ("email", "a@example.com")),
    ] {
        let session = init_from(&server, address);
        let errors = told(4, |n| {
            let username = format!("nobody{n}");
            call_from(&server, address, name, &[("sessionid", &session), ("username", &username), more])
        });
        assert!(errors[..3].iter().all(|error| error.ends_with("USER_NOT_FOUND")), "{name}: {errors:?}");
        assert_eq!(errors[3], "RATE_LIMITED", "{name}");
    }
}

#[test]
fn the_address_of_a_user_is_not_guessed_for_ever() {
    let db = Fixture::new();
    db.user("mia");
    db.sql("UPDATE users SET email_sha1 = '0123456789012345678901234567890123456789'");
    let server = db.serve(&["--guess-limit", "1/h burst 3"]);
    let session = server.init();
    let errors = told(4, |n| {
        let email = format!("mia{n}@example.com");
        session.call("forgot", &[("username", "mia"), ("email", &email)])
    });
    assert_eq!(errors, ["EMAIL_MISMATCH", "EMAIL_MISMATCH", "EMAIL_MISMATCH", "RATE_LIMITED"]);
}

#[test]
fn who_is_logged_in_guesses_licenses_as_slowly() {
    let db = Fixture::new();
    db.license("KEY-1");
    for name in ["mia", "tom"] {
        db.user(name);
    }
    let doors = Doors::open(db);
    let [mia, tom] = ["mia", "tom"].map(|name| doors.log_in(Door::KeyAuth, name, "secret", DEVICE).expect("in").held);
    let upgrade = |session: &str, username: &str, key: &str| {
        doors.server.call("upgrade", &[("sessionid", session), ("username", username), ("key", key)])
    };
    let errors = told(FREE, |n| upgrade(&mia, "mia", &format!("GUESS-{n}")));
    assert!(errors.iter().all(|error| error == "LICENSE_NOT_FOUND"), "{errors:?}");
    check_limited(Door::KeyAuth, &upgrade(&mia, "mia", "KEY-1"));
    assert!(upgrade(&tom, "tom", "KEY-1").success(), "somebody else at the same address");
}

#[test]
fn who_came_in_with_nothing_opens_no_door_to_an_app_under_attack() {
    let db = Fixture::new();
    for key in ["KEY-1", "KEY-2"] {
        db.license(key);
    }
    db.user("tom");
    db.sql("DELETE FROM subscriptions");
    let doors = Doors::open_with(db, &[&BEHIND_PROXY[..], &["--app-guess-limit", "1/h burst 5"]].concat());
    let license = |address: &str, key: &str| {
        let session = init_from(&doors.server, address);
        call_from(&doors.server, address, "license", &[("sessionid", &session), ("key", key), ("hwid", key)])
    };
    doors.log_in(Door::Wacht, "tom", "secret", "").expect("a page asks for no subscription");
    assert_eq!(told(6, |n| license(&format!("203.0.113.{n}"), &format!("GUESS-{n}")))[5], "RATE_LIMITED");
    assert_eq!(license("127.0.0.1", "KEY-1").error(), "RATE_LIMITED", "where somebody came in who holds nothing");
}

/// Who tries names where a license is asked for is guessing; who is kept out by a ban is not.
#[test]
fn names_in_place_of_licenses_count_and_bans_do_not() {
    let db = Fixture::new();
    for key in ["KEY-1", "KEY-2"] {
        db.license(key);
    }
    let server = db.serve(&["--guess-limit", "1/h burst 2"]);
    let says = |key: &str| server.init().call("license", &[("key", key)]).error();
    for (key, name) in [("KEY-1", "mia"), ("KEY-2", "leo")] {
        let session = server.init();
        assert!(session.call("license", &[("key", key)]).success());
        assert!(session.call("changeUsername", &[("newUsername", name)]).success());
    }
    server.change(|db| {
        db.sql("UPDATE licenses SET banned = 1 WHERE key = 'KEY-1'; UPDATE users SET banned = 1 WHERE name = 'leo'")
    });
    for _ in 0..5 {
        assert_eq!(says("KEY-1"), "LICENSE_BANNED");
        assert_eq!([says("KEY-2"), says("leo")], ["USER_BANNED", "USER_BANNED"]);
    }
    assert_eq!(
        [says("mia"), says("MIA"), says("GUESS-1"), says("GUESS-2")],
        ["INVALID_PASSWORD", "INVALID_PASSWORD", "LICENSE_NOT_FOUND", "RATE_LIMITED"]
    );
    server.change(|db| db.sql("UPDATE licenses SET banned = 0"));
    assert!(server.init().call("license", &[("key", "KEY-1")]).success(), "a customer at home");
}
