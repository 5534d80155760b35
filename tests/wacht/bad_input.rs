//! What nobody should send: each is refused in the envelope, and no user is made.

use crate::{Browser, check_refused, demo};

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn bad_input_is_refused_in_the_envelope_and_makes_no_user() {
    let server = demo(|db| {
        db.user("mia");
    });
    let mib = "x".repeat(1 << 20);
    let many: String = (0..2_000).map(|n| format!("f{n}=1&")).collect();
    let ok = "email=x%40example.com";
    let bodies: Vec<(String, u16)> = vec![
        (String::new(), 400),
        ("&&&=&=".into(), 400),
        ("%".into(), 400),
        ("email".into(), 400),
        ("email=%00".into(), 400),
        ("email=x%40exa%00mple.com".into(), 400),
        (format!("{ok}&first_name=a%00b"), 400),
        (format!("{ok}&unknown=a%00b"), 400),
        (format!("{ok}&{ok}"), 400),
        (format!("{ok}&email=y%40example.com"), 400),
        (format!("{ok}&password=hunter22&password=hunter23"), 400),
        (format!("{many}{ok}"), 400),
        (format!("{ok}&password={mib}"), 413),
        (format!("{ok}&first_name={}", "x".repeat(101)), 400),
        (format!("{ok}&last_name={}", "x".repeat(101)), 400),
        (format!("{ok}&first_name=a%0Ab"), 400),
        (format!("{ok}&username={}", "x".repeat(71)), 400),
        (format!("{ok}&phone_country_code={}", "1".repeat(33)), 400),
        (format!("email={}%40example.com", "x".repeat(10_000)), 400),
        ("email[]=x%40example.com".into(), 400),
        (r#"{"email":"x@example.com"}"#.into(), 400),
    ];
    for (body, status) in &bodies {
        let reply = Browser::new(&server).ask("POST", "/auth/signup", &[("content-type", FORM)], body.as_bytes());
        let shown: String = body.chars().take(80).collect();
        assert_eq!(reply.status, *status, "{shown}: {reply:?}");
        assert_eq!(reply.json()["errors"][0]["code"], "BAD_REQUEST_BODY", "{shown}");
        let reply = Browser::new(&server).ask("POST", "/auth/signin", &[("content-type", FORM)], body.as_bytes());
        assert_eq!(reply.status, *status, "{shown}: {reply:?}");
    }
    let not_utf8 = b"email=\xff\xfe%ff@example";
    assert_eq!(Browser::new(&server).ask("POST", "/auth/signup", &[("content-type", FORM)], not_utf8).status, 400);
    assert_eq!(server.db.users(), 1);
}

#[test]
fn the_query_does_not_stand_in_for_the_body() {
    let server = demo(|db| {
        db.user("mia");
    });
    let reply = Browser::new(&server).post("/auth/signup?email=x%40example.com", &[]);
    check_refused(&reply, 400, "Email is required", &["BAD_REQUEST_BODY"]);
    let reply = Browser::new(&server).post("/auth/signup?email=x%40example.com", &[("email", "y@example.com")]);
    assert_eq!(reply.status, 200, "what stands in the query is not looked at");
    let query = "/auth/signin?strategy=plain_username&username=mia&password=secret";
    let reply = Browser::new(&server).post(query, &[]);
    check_refused(&reply, 400, "Invalid or missing strategy", &["BAD_REQUEST_BODY"]);
    assert_eq!(server.db.users(), 2);
}

#[test]
fn another_method_is_told_which_one_to_use() {
    let server = demo(|_| {});
    for (path, methods, allow) in [
        ("/auth/signup?email=x%40example.com", &["GET", "PUT", "DELETE", "PATCH"][..], "POST"),
        ("/auth/signin", &["GET"], "POST"),
        ("/session/sign-out", &["GET"], "POST"),
        ("/session/switch-sign-in?sign_in_id=1", &["GET"], "POST"),
        ("/session", &["POST", "PUT"], "GET, HEAD"),
        ("/auth/identifier-availability?type=email&identifier=x", &["POST"], "GET, HEAD"),
    ] {
        for method in methods {
            let reply = Browser::new(&server).ask(method, path, &[], b"");
            check_refused(&reply, 405, "Method not allowed", &["BAD_REQUEST_BODY"]);
            assert_eq!(reply.header("allow"), Some(allow));
        }
    }
    assert_eq!(server.db.users(), 0);
}
