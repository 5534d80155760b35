//! `GET /session`, switching, signing out, and whether something is taken (2.2, 2.3).

use serde_json::Value;

use crate::{Browser, check_refused, data, demo, ids};

#[test]
fn a_session_shows_who_is_signed_in() {
    let server = demo(|_| {});
    let browser = Browser::new(&server);
    let empty = browser.session();
    assert_eq!((&empty["signins"], &empty["active_signin"]), (&serde_json::json!([]), &Value::Null));
    data(&browser.sign_up(&[
        ("email", "mia@example.com"),
        ("username", "mia"),
        ("first_name", "Mia"),
        ("last_name", "Söhne"),
        ("phone_number", "+1234"),
        ("phone_country_code", "+1"),
    ]));
    let session = browser.session();
    let sign_in = &session["active_signin"];
    assert_eq!(*sign_in, session["signins"][0]);
    assert_eq!(sign_in["session_id"], session["id"]);
    assert_eq!(sign_in["ip_address"], "127.0.0.1");
    let user = server.db.user_now("mia").unwrap();
    assert_eq!(sign_in["user_id"], user.number().to_string());
    let mut shown = sign_in["user"].clone();
    shown.as_object_mut().unwrap().remove("created_at");
    assert_eq!(
        shown,
        serde_json::json!({
            "id": user.number().to_string(), "first_name": "Mia", "last_name": "Söhne", "username": "mia",
            "primary_email_address": {"email": "mia@example.com"},
            "primary_phone_number": {"phone_number": "+1234", "country_code": "+1"},
        })
    );
    for name in ["expires_at", "last_active_at", "created_at", "updated_at"] {
        assert!(sign_in[name].as_str().is_some_and(|text| text.len() == 20 && text.ends_with('Z')), "{name}");
    }
    let head = server.ask("HEAD", "/session", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn another_sign_in_is_made_the_one_that_counts() {
    let server = demo(|db| {
        db.user("mia");
        db.user("ben");
    });
    let browser = Browser::new(&server);
    let mia = browser.sign_in("mia", "secret")["active_signin_id"].as_str().unwrap().to_owned();
    let ben = browser.sign_in("ben", "secret")["active_signin_id"].as_str().unwrap().to_owned();
    let switch = |to: &str| browser.post(&format!("/session/switch-sign-in?sign_in_id={to}"), &[]);
    assert_eq!(data(&switch(&mia))["active_signin"]["user"]["username"], "mia");
    assert_eq!(browser.session()["active_signin_id"], mia);
    assert_eq!(ids(&browser.session()["signins"]).len(), 2);
    for bad in ["", "x", "-1x", "9223372036854775808", "1.0"] {
        check_refused(&switch(bad), 400, "Invalid sign in ID", &["BAD_REQUEST_BODY"]);
    }
    let elsewhere = Browser::new(&server);
    let foreign = elsewhere.sign_in("mia", "secret")["active_signin_id"].as_str().unwrap().to_owned();
    for unknown in ["0", "1", &foreign] {
        check_refused(&switch(unknown), 400, "Sign in not found", &["BAD_REQUEST_BODY"]);
    }
    let reply = browser.post("/session/switch-sign-in", &[("sign_in_id", &ben)]);
    check_refused(&reply, 400, "Invalid sign in ID", &["BAD_REQUEST_BODY"]);
    assert_eq!(browser.session()["active_signin_id"], mia, "nothing of that changed anything");
    let reply = switch(&format!("{ben}&sign_in_id={mia}"));
    check_refused(&reply, 400, "Bad request body", &["BAD_REQUEST_BODY"]);
}

#[test]
fn one_signs_out_or_all_do() {
    let server = demo(|db| {
        for name in ["mia", "ben", "kim"] {
            db.user(name);
        }
    });
    let browser = Browser::new(&server);
    let id = |value: &Value| value["active_signin_id"].as_str().unwrap().to_owned();
    let mia = id(&browser.sign_in("mia", "secret"));
    browser.sign_in("ben", "secret");
    let kim = id(&browser.sign_in("kim", "secret"));
    let out = |which: &str| browser.post(&format!("/session/sign-out{which}"), &[]);
    let left = data(&out(&format!("?sign_in_id={mia}")));
    assert_eq!((ids(&left["signins"]).len(), id(&left)), (2, kim.clone()), "the one that counts stays");
    check_refused(&out(&format!("?sign_in_id={mia}")), 400, "Sign in not found", &["BAD_REQUEST_BODY"]);
    check_refused(&out("?sign_in_id=x"), 400, "Invalid sign in ID", &["BAD_REQUEST_BODY"]);
    let left = data(&out(&format!("?sign_in_id={kim}")));
    assert_eq!(
        (ids(&left["signins"]).len(), &left["active_signin_id"]),
        (1, &Value::Null),
        "who counts now, the user says"
    );
    let before = browser.session()["id"].clone();
    let left = data(&out(""));
    assert_eq!((&left["signins"], &left["id"]), (&serde_json::json!([]), &before), "the session itself stays");
    data(&out(""));
    let live = "SELECT count(*) FROM sessions WHERE kind = 'sign-in' AND ended_at IS NULL AND user_id IS NOT NULL";
    assert_eq!(server.db.count(live), 0);
    assert_eq!(browser.sign_in("mia", "secret")["active_signin"]["user"]["username"], "mia");
}

#[test]
fn what_a_user_has_already_is_taken() {
    let server = demo(|_| {});
    let pairs = [("email", "mia@example.com"), ("username", "mia"), ("phone_number", "+1234")];
    data(&Browser::new(&server).sign_up(&pairs));
    let ask = |kind: &str, identifier: &str| {
        let query = serde_urlencoded::to_string([("type", kind), ("identifier", identifier)]).unwrap();
        Browser::new(&server).get(&format!("/auth/identifier-availability?{query}"))
    };
    for (kind, identifier, exists) in [
        ("email", "MIA@example.com", true),
        ("email", "ben@example.com", false),
        ("email", "mia", false),
        ("username", "Mia", true),
        ("username", "mia@example.com", false),
        ("phone", "+1234", true),
        ("phone", "1234", false),
    ] {
        assert_eq!(data(&ask(kind, identifier)), serde_json::json!({ "exists": exists }), "{kind} {identifier}");
    }
    check_refused(&ask("email", ""), 400, "Identifier is required", &["BAD_REQUEST_BODY"]);
    for kind in ["", "x", "EMAIL", "phone_number"] {
        check_refused(&ask(kind, "mia"), 400, "Invalid or missing type", &["BAD_REQUEST_BODY"]);
    }
}

#[test]
fn a_browser_has_fifty_sign_ins_at_most() {
    let server = demo(|_| {});
    let browser = Browser::new(&server);
    let sign_up = |n: usize| data(&browser.sign_up(&[("email", &format!("u{n}@example.com"))]));
    let most = keystead::domain::browser::MAX_SIGN_INS;
    let ids: Vec<_> = (0..most).map(|n| sign_up(n)["active_signin_id"].as_str().unwrap().to_owned()).collect();
    data(&browser.post(&format!("/session/sign-out?sign_in_id={}", ids[7]), &[]));
    let name = |n: usize| format!("u{n}@example.com");
    let mut expected: Vec<_> = (0..=most).filter(|n| *n != 7).map(name).collect();
    let shown = sign_up(most);
    assert_eq!(shown["signup_attempts"].as_array().unwrap().len(), most);
    assert_eq!(browser.names(), expected, "first the one that has ended is forgotten");
    sign_up(most + 1);
    expected.remove(0);
    expected.push(name(most + 1));
    assert_eq!(browser.names(), expected, "then the oldest is signed out");
    assert_eq!(server.db.count("SELECT count(*) FROM sign_ins"), most as i64);
    let live = "SELECT count(*) FROM sessions WHERE kind = 'sign-in' AND ended_at IS NULL AND user_id IS NOT NULL";
    assert_eq!(server.db.count(live), most as i64);
}
