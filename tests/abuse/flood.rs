//! A flood of what anybody may ask for does not fill the disk, and hurts nobody who is in.

use crate::doors::{DEVICE, Door, Doors, cookie};
use crate::support::{Fixture, Reply};
use crate::{BEHIND_PROXY, call_from, init_from};

const FEW: [&str; 4] = ["--unvalidated-per-address", "5", "--unvalidated-per-app", "12"];

#[test]
fn a_flood_of_init_pushes_out_its_own_oldest_sessions() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[&BEHIND_PROXY[..], &FEW].concat());
    let state = |session: &str| call_from(&server, "198.51.100.9", "check", &[("sessionid", session)]);
    let (attacker, neighbour) = ("203.0.113.1", "203.0.113.2");
    let validated = init_from(&server, attacker);
    assert!(call_from(&server, attacker, "license", &[("sessionid", &validated), ("key", "KEY-1")]).success());
    let waiting: Vec<_> = (0..3).map(|_| init_from(&server, neighbour)).collect();
    let flood: Vec<_> = (0..60).map(|_| init_from(&server, attacker)).collect();
    assert_eq!(server.db.count("SELECT count(*) FROM sessions WHERE ip = '203.0.113.1' AND user_id IS NULL"), 5);
    assert!(state(&validated).success());
    for session in &waiting {
        assert_eq!(state(session).error(), "SESSION_NOT_VALIDATED", "a neighbour's");
    }
    for (n, session) in flood.iter().enumerate() {
        let error = if n < 55 { "SESSION_NOT_FOUND" } else { "SESSION_NOT_VALIDATED" };
        assert_eq!(state(session).error(), error, "{n}");
    }
    // From everywhere: the app has a limit of its own.
    for n in 0..60 {
        init_from(&server, &format!("198.51.100.{n}"));
    }
    assert_eq!(server.db.count("SELECT count(*) FROM sessions WHERE user_id IS NULL"), 12);
    assert!(state(&validated).success());
    // Logging out does not keep a row from going.
    for _ in 0..60 {
        let session = init_from(&server, attacker);
        call_from(&server, attacker, "logout", &[("sessionid", &session)]);
    }
    assert!(server.db.count("SELECT count(*) FROM sessions WHERE user_id IS NULL") <= 12);
}

#[test]
fn a_flood_at_a_shared_address_leaves_the_youngest_time_to_log_in() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&FEW);
    let flood = |count| (0..count).for_each(|_| drop(server.init()));
    flood(20);
    let neighbour = server.init();
    flood(4);
    assert!(neighbour.call("license", &[("key", "KEY-1")]).success(), "as many as there is room for came after it");
    flood(20);
    assert!(neighbour.is_validated());
}

#[test]
fn who_was_logged_in_once_is_not_pushed_out() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.setting("killOtherSessions", "1");
    let server = db.serve(&FEW);
    let (first, second) = (server.init(), server.init());
    assert!(first.call("license", &[("key", "KEY-1")]).success());
    assert!(second.call("license", &[("key", "KEY-1")]).success());
    for _ in 0..20 {
        server.init();
    }
    assert!(second.is_validated());
    assert_eq!(first.call("check", &[]).error(), "SESSION_NOT_VALIDATED", "displaced, but still there");
}

#[test]
fn browsers_that_never_bring_their_cookie_push_out_each_other() {
    let db = Fixture::new();
    db.user("mia");
    let doors = Doors::open_with(db, &FEW);
    let mia = doors.log_in(Door::Wacht, "mia", "secret", "").expect("in");
    let path = format!("/wacht/{}/session", doors.app);
    for _ in 0..30 {
        assert!(cookie(&doors.server.ask("GET", &path, &[], b"")).is_some());
    }
    assert_eq!(doors.db().count("SELECT count(*) FROM browsers WHERE active IS NULL"), 5);
    assert!(doors.is_in(&mia));
}

#[test]
fn without_a_rate_limit_all_are_kept() {
    let server = Fixture::new().serve(&[&["--rate-limit", "off"], &FEW[..]].concat());
    for _ in 0..20 {
        server.init();
    }
    assert_eq!(server.db.count("SELECT count(*) FROM sessions"), 20);
}

#[test]
fn a_flood_from_a_shared_address_throws_nobody_out_who_is_in() {
    let db = Fixture::new();
    for name in ["keyauth", "authgate", "authly"] {
        db.user(name);
    }
    // As many as the customers need to come in; then one an hour.
    let doors = Doors::open_with(db, &["--rate-limit", "1/h burst 20", "--user-rate-limit", "1/h burst 9"]);
    let tickets =
        Door::LICENSED.map(|door| doors.log_in(door, door.name(), "secret", DEVICE).expect("before the flood"));
    let limited = |reply: &Reply| reply.status == 429 || reply.error() == "RATE_LIMITED";
    let init = || doors.server.call("init", &[]);
    assert!((0..99).any(|_| limited(&init())), "the address has used up its share");
    for ticket in &tickets {
        for n in 0..9 {
            assert!(doors.is_in(ticket), "{n}");
        }
    }
    // Its own share has an end, too; and it is nobody else's.
    let mia = &tickets[0].held;
    assert!(limited(&doors.server.call("check", &[("sessionid", mia)])));
    assert!(limited(&init()) && limited(&doors.authly_init()));
    let unknown = [("authorization", "Bearer 00000000000000000000000000000000")];
    assert!(limited(&doors.app_context(&unknown)) && limited(&doors.app_context(&[])));
}

#[test]
fn who_is_not_in_is_not_spared() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&["--rate-limit", "1/h burst 5"]);
    let (opened, customer) = (server.init(), server.init());
    assert!(customer.call("license", &[("key", "KEY-1")]).success());
    assert!((0..9).any(|_| opened.call("check", &[]).error() == "RATE_LIMITED"));
    assert!(customer.call("logout", &[]).success(), "it is spared, and then it is not in any more");
    for session in [&opened, &customer] {
        let reply = server.call("check", &[("sessionid", &session.id)]);
        assert_eq!(reply.error(), "RATE_LIMITED");
    }
}

#[test]
fn who_signs_up_without_a_license_does_not_do_so_for_ever() {
    let db = Fixture::new();
    db.license("KEY-1");
    let doors = Doors::open_with(db, &["--sign-up-limit", "1/h burst 4"]);
    let users = || doors.db().count("SELECT count(*) FROM users");
    for (n, door) in [Door::Authgate, Door::Wacht, Door::Authgate, Door::Wacht].into_iter().enumerate() {
        let taken = doors.sign_up(door, "mia0", "secret-Word-1", "");
        assert_eq!(taken.status == 200, n == 0, "a name that is taken is none less");
        if n > 0 {
            let reply = doors.sign_up(door, &format!("mia{n}"), "secret-Word-1", "");
            assert!(reply.status < 300, "{reply:?}");
        }
    }
    assert_eq!(users(), 4);
    for door in [Door::Authgate, Door::Wacht] {
        let reply = doors.sign_up(door, "tom", "secret-Word-1", "");
        assert_eq!(reply.status, 429, "{reply:?}");
    }
    assert_eq!(users(), 4);
    assert!(doors.sign_up(Door::KeyAuth, "zoe", "secret", "KEY-1").success(), "who brings a license may");
}
