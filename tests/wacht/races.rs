//! Many at one moment (W32): one wins, the others are told what is taken.

use crate::support::{Reply, at_once};
use crate::{Browser, check_refused, data, demo, demo_with};

const MANY: usize = 12;

fn check_one_winner(replies: &[Reply], code: &str) {
    let winners = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(winners, 1, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        check_refused(reply, 400, "Field errors", &[code]);
    }
}

#[test]
fn w32_one_address_one_name_one_phone_one_winner() {
    // Half of the queue is one address's.
    let server = demo_with(&["--hash-queue", "64"], |_| {});
    let replies = at_once(MANY, |n| {
        let name = format!("a{n}");
        Browser::new(&server).sign_up(&[("email", "Mia@example.com"), ("username", &name), ("password", "hunter22")])
    });
    check_one_winner(&replies, "EMAIL_EXISTS");
    let replies = at_once(MANY, |n| {
        let email = format!("b{n}@example.com");
        Browser::new(&server).sign_up(&[("email", &email), ("username", "ben"), ("password", "hunter22")])
    });
    check_one_winner(&replies, "USERNAME_EXISTS");
    let replies = at_once(MANY, |n| {
        let email = format!("c{n}@example.com");
        Browser::new(&server).sign_up(&[("email", &email), ("phone_number", "+1234")])
    });
    check_one_winner(&replies, "PHONE_NUMBER_EXISTS");
    assert_eq!(server.db.users(), 3);
    assert_eq!(server.db.count("SELECT count(*) FROM sign_ins"), 3);
    assert_eq!(server.db.count("SELECT count(*) FROM sessions WHERE kind = 'sign-in'"), 3);
}

#[test]
fn w32_one_invitation_one_winner() {
    let server = demo(|db| {
        db.setting("wachtSignUp", "invitation");
        db.license("KEY-1");
    });
    let replies = at_once(MANY, |n| {
        Browser::new(&server).sign_up(&[("email", &format!("d{n}@example.com")), ("invite_token", "KEY-1")])
    });
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        check_refused(reply, 403, "Sign up is restricted", &["SIGNUP_RESTRICTED"]);
    }
    assert_eq!(server.db.users(), 1);
}

#[test]
fn of_many_who_know_one_token_none_sees_another() {
    let server = demo(|_| {});
    let browser = Browser::new(&server);
    let id = browser.session()["id"].clone();
    let token = browser.token();
    let seen = at_once(MANY, |n| {
        let browser = Browser::with(&server, &token);
        let email = format!("e{n}@example.com");
        let made = data(&browser.sign_up(&[("email", &email)]));
        (made["id"] == id, made["signins"].as_array().unwrap().len(), browser.names() == [email])
    });
    assert!(seen.iter().all(|(_, signed_in, is_own)| *signed_in == 1 && *is_own), "{seen:?}");
    assert_eq!(seen.iter().filter(|(is_first, ..)| *is_first).count(), 1, "{seen:?}");
    assert_eq!(server.db.count("SELECT count(DISTINCT browser_id) FROM sign_ins"), MANY as i64);
}
