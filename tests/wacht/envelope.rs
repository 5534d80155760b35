//! The envelope of every answer, and the object in it (W20 to W28).

use crate::{Browser, check_refused, check_stamped, data, demo, demo_with, ids};

#[test]
fn w20_w21_w22_w24_the_seeds_request_is_answered_in_the_seeds_shape() {
    let server = demo(|_| {});
    let reply = Browser::new(&server).sign_up(&[
        ("first_name", "John"),
        ("last_name", "Doe"),
        ("username", "johndoe"),
        ("email", "john@example.com"),
        ("phone_number", "+1234567890"),
        ("phone_country_code", "+1"),
        ("password", "SecurePassword123!"),
        ("invite_token", "inv_123456"),
    ]);
    // Everything but ids and times is known: the whole body is compared, byte for byte.
    let json = reply.json();
    let text = |path: &str| json.pointer(path).and_then(|value| value.as_str()).expect(path).to_owned();
    let (session, sign_in, attempt) =
        (text("/data/id"), text("/data/signins/0/id"), text("/data/signup_attempts/0/id"));
    let time = text("/data/created_at");
    let stamped = |id: &str| format!(r#""id":"{id}","created_at":"{time}","updated_at":"{time}""#);
    let (session, sign_in_body, attempt) = (stamped(&session), stamped(&sign_in), stamped(&attempt));
    assert_eq!(
        reply.text(),
        format!(
            r#"{{"status":200,"message":"","data":{{{session},"signin_attempts":[],"signins":[{{{sign_in_body}}}],"signup_attempts":[{{{attempt}}}],"active_signin_id":"{sign_in}","active_signin":{{{sign_in_body}}}}},"session":{{{session}}},"errors":null}}"#
        )
    );
    let user = server.db.user_now("johndoe").unwrap();
    assert_eq!(user.profile.first_name.as_deref(), Some("John"));
    assert_eq!(user.profile.last_name.as_deref(), Some("Doe"));
    assert_eq!(user.email.as_deref(), Some("john@example.com"));
}

#[test]
fn w23_ids_are_decimal_texts_and_no_two_are_the_same() {
    let server = demo(|_| {});
    let mut all = Vec::new();
    for n in 0..5 {
        let json = Browser::new(&server).sign_up(&[("email", &format!("u{n}@example.com"))]).json();
        for object in [&json["session"], &json["data"]["active_signin"], &json["data"]["signup_attempts"][0]] {
            check_stamped(object);
            all.push(object["id"].as_str().unwrap().parse::<i64>().expect("below 2^63"));
        }
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 15);
    assert!(all.windows(2).any(|pair| pair[1] - pair[0] > 1_000), "they are not counted up");
}

#[test]
fn w25_w26_w27_the_object_names_the_session_its_sign_ins_and_its_attempts() {
    let server = demo(|db| {
        db.user("ben");
    });
    let browser = Browser::new(&server);
    let one = browser.sign_up(&[("email", "mia@example.com")]).json();
    assert_eq!(one["data"]["id"], one["session"]["id"]);
    assert_eq!(ids(&one["data"]["signins"]), [one["data"]["active_signin_id"].as_str().unwrap()]);
    assert_eq!(one["data"]["active_signin"], one["data"]["signins"][0]);
    let two = data(&browser.sign_up(&[("email", "nina@example.com")]));
    assert_eq!((ids(&two["signins"]).len(), ids(&two["signup_attempts"]).len()), (2, 2));
    assert!(ids(&two["signins"]).contains(&two["active_signin_id"].as_str().unwrap().to_owned()));
    assert_eq!(two["signin_attempts"], serde_json::json!([]));
    let three = browser.sign_in("ben", "secret");
    assert_eq!((ids(&three["signup_attempts"]).len(), ids(&three["signin_attempts"]).len()), (2, 1));
    assert_eq!(browser.sign_up(&[("email", "mia@example.com")]).status, 400);
    assert_eq!(ids(&browser.session()["signup_attempts"]).len(), 2, "what failed is no finished attempt");
}

#[test]
fn w28_every_answer_has_a_session_and_a_new_browser_gets_one() {
    let server = demo(|_| {});
    let browsers = || server.db.count("SELECT count(*) FROM browsers");
    let asks: [(&str, &str, u16); 7] = [
        ("GET", "/session", 200),
        ("GET", "/auth/identifier-availability?type=email&identifier=x", 200),
        ("POST", "/session/sign-out", 200),
        ("POST", "/session/switch-sign-in?sign_in_id=1", 400),
        ("POST", "/auth/signup", 400),
        ("POST", "/auth/signin", 400),
        ("DELETE", "/session", 405),
    ];
    for (n, (method, target, status)) in asks.into_iter().enumerate() {
        let browser = Browser::new(&server);
        let reply = browser.ask(method, target, &[], b"");
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(browsers(), n as i64 + 1, "{target}");
        let again = browser.get("/session").json();
        assert_eq!(again["session"]["id"], reply.json()["session"]["id"], "{target}");
        assert_eq!(browsers(), n as i64 + 1, "{target}");
    }
}

#[test]
fn what_comes_too_often_or_is_too_large_costs_no_write() {
    let server = demo_with(&["--rate-limit", "1/h burst 2", "--body-limit", "1KiB"], |db| {
        db.setting("wachtOrigins", "https://shop.example.com");
    });
    let large = format!("email=mia@example.com&first_name={}", "x".repeat(2_000));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let reply = Browser::new(&server).ask("POST", "/auth/signup", &form, large.as_bytes());
    check_refused(&reply, 413, "Request body is too large", &["BAD_REQUEST_BODY"]);
    assert_eq!(reply.header("set-cookie"), None);
    let browser = Browser::new(&server);
    let known = browser.get("/session").json();
    let origin = [("origin", "https://shop.example.com")];
    let reply = browser.ask("GET", "/session", &origin, b"");
    check_refused(&reply, 429, "Too many requests", &["TOO_MANY_REQUESTS"]);
    assert_eq!(reply.header("set-cookie"), None);
    assert_ne!(reply.json()["session"]["id"], known["session"]["id"], "nobody looked");
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://shop.example.com"));
    let wait: u64 = reply.header("retry-after").expect("how long").parse().unwrap();
    assert!((3_000..=3_601).contains(&wait), "{wait}");
    let reply = Browser::new(&server).ask("POST", "/wacht/x/auth/signup", &form, b"email=mia@example.com");
    check_refused(&reply, 429, "Too many requests", &["TOO_MANY_REQUESTS"]);
    assert_eq!(server.db.count("SELECT count(*) FROM browsers"), 1);
    assert_eq!(server.db.users(), 0);
}

#[test]
fn while_the_database_is_away_the_answer_says_so_and_nothing_is_half_done() {
    let server = demo(|_| {});
    let browser = Browser::new(&server);
    let known = browser.session()["id"].clone();
    let (path, away) = (server.db.path(), server.db.folder().join("away.db"));
    // What is written to a file that was moved away would be lost.
    std::fs::rename(&path, &away).unwrap();
    let token = browser.token();
    let pairs = [("email", "mia@example.com"), ("password", "hunter22")];
    for browser in [Browser::new(&server), Browser::with(&server, &token)] {
        let reply = browser.sign_up(&pairs);
        check_refused(&reply, 503, "Something went wrong", &["INTERNAL"]);
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    let reply = Browser::new(&server).sign_up(&pairs);
    assert_eq!(reply.header("set-cookie"), None, "the session that is shown is not kept");
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(browser.session()["id"], known);
    data(&browser.sign_up(&pairs));
    assert_eq!((server.db.users(), server.db.count("SELECT count(*) FROM browsers")), (1, 1));
}
