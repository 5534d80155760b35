//! Where the endpoint is, what it reads, and which app is meant (W1 to W6).

use crate::support::{Fixture, Server};
use crate::{Browser, check_refused, data, demo};

const MIA: &[u8] = b"email=mia%40example.com&password=hunter22";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Which app a sign-up at this path and host makes a user in; none: no app.
fn app_of(server: &Server, path: &str, host: &str, email: &str) -> Option<String> {
    let body = format!("email={email}");
    let reply = server.ask("POST", path, &[FORM, ("host", host)], body.as_bytes());
    if reply.status == 404 {
        assert_eq!(reply.text(), r#"{"message":"Deployment not found"}"#);
        assert_eq!(reply.header("set-cookie"), None);
        return None;
    }
    assert_eq!(reply.status, 200, "{reply:?}");
    Some(
        server
            .db
            .sql_text(&format!("SELECT a.name FROM users u JOIN apps a ON a.id = u.app_id WHERE u.email = '{email}'")),
    )
}

#[test]
fn w1_w4_a_form_without_any_authentication_makes_a_user() {
    let server = demo(|_| {});
    let reply = server.ask("POST", "/auth/signup", &[FORM], MIA);
    assert_eq!(reply.status, 200, "{reply:?}");
    let with_charset = [("content-type", "Application/X-WWW-Form-Urlencoded; charset=utf-8")];
    assert_eq!(server.ask("POST", "/auth/signup/", &with_charset, b"email=ben%40example.com").status, 200);
    assert_eq!(server.db.users(), 2);
}

#[test]
fn w2_multipart_is_the_same() {
    let server = demo(|_| {});
    let part =
        |name: &str, value: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = [part("email", "Mia@example.com"), part("username", "mia"), part("password", "hunter22")].concat();
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let browser = Browser::new(&server);
    data(&browser.ask("POST", "/auth/signup", &headers, format!("{body}--b--\r\n").as_bytes()));
    assert_eq!(browser.names(), ["mia"]);
    assert_eq!(server.db.user_now("mia").unwrap().email.as_deref(), Some("mia@example.com"));
}

#[test]
fn w3_what_is_no_form_is_a_bad_request_body() {
    let server = demo(|_| {});
    let multipart = b"--b\r\ncontent-disposition: form-data; name=\"email\"\r\n\r\nmia@exam";
    for (content_type, body) in [
        (Some("application/json"), &br#"{"email":"mia@example.com"}"#[..]),
        (Some("text/plain"), MIA),
        (Some(""), MIA),
        (Some("application/json"), b""),
        (None, MIA),
        (Some("multipart/form-data; boundary=b"), multipart),
        (Some("multipart/form-data"), multipart),
    ] {
        let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
        for path in ["/auth/signup", "/auth/signin"] {
            let reply = Browser::new(&server).ask("POST", path, &headers, body);
            check_refused(&reply, 400, "Bad request body", &["BAD_REQUEST_BODY"]);
            let text = "Unable to process request body. Please check the format.";
            assert_eq!(reply.json()["errors"][0]["message"], text);
        }
    }
    assert_eq!(server.db.users(), 0);
}

#[test]
fn w5_the_path_names_the_app_then_the_host_then_the_default() {
    let db = Fixture::new();
    let demo = db.app().uuid.clone();
    let other = db.sql_text("SELECT uuid FROM app_names n JOIN apps a ON a.id = n.app_id WHERE a.name = 'other'");
    let server = db.serve(&[]);
    let mut count = 0;
    let mut at = |path: &str, host: &str| {
        count += 1;
        app_of(&server, path, host, &format!("u{count}@example.com"))
    };
    let by_path = |uuid: &str| format!("/wacht/{uuid}/auth/signup");
    assert_eq!(at("/auth/signup", "localhost"), None, "no app is the default yet");
    assert_eq!(at(&by_path(&demo), "localhost").as_deref(), Some("demo"));
    assert_eq!(at(&by_path(&other), "localhost").as_deref(), Some("other"));
    for unknown in ["", "x", "00000000-0000-4000-8000-000000000000", &demo[1..], &"9".repeat(5_000)] {
        let path = by_path(unknown);
        // An empty segment is another path.
        if !unknown.is_empty() {
            assert_eq!(at(&path, "localhost"), None, "{unknown}");
        }
    }

    server.change(|db| db.setting("wachtHost", "Auth.Example.com"));
    assert_eq!(at("/auth/signup", "localhost"), None);
    assert_eq!(at("/auth/signup", "auth.example.com").as_deref(), Some("demo"));
    assert_eq!(at("/auth/signup", "AUTH.example.com:8443").as_deref(), Some("demo"));
    assert_eq!(at(&by_path(&other), "auth.example.com").as_deref(), Some("other"), "the path counts first");

    server.change(|db| {
        db.sql("INSERT INTO app_settings (app_id, name, value) SELECT id, 'wachtDefault', '1' FROM apps WHERE name = 'other'")
    });
    assert_eq!(at("/auth/signup", "localhost").as_deref(), Some("other"));
    assert_eq!(at("/auth/signup", "[::1]:80").as_deref(), Some("other"));
    assert_eq!(at("/auth/signup", "auth.example.com").as_deref(), Some("demo"), "the host counts before the default");

    server.change(|db| db.setting("wacht", "0"));
    assert_eq!(at("/auth/signup", "auth.example.com"), None, "this format is off there; no other app is meant");
    assert_eq!(at(&by_path(&demo), "localhost"), None);
}

#[test]
fn w6_unknown_fields_are_left_aside() {
    let server = demo(|_| {});
    let pairs = [("email", "mia@example.com"), ("challenge_token", "x"), ("id", "7"), ("challenge_token", "y")];
    data(&Browser::new(&server).sign_up(&pairs));
    assert_eq!(server.db.users(), 1);
}

#[test]
fn a_server_may_leave_the_format_out() {
    let db = Fixture::new();
    db.setting("wachtDefault", "1");
    let server = db.serve(&["--formats", "keyauth"]);
    let reply = server.ask("POST", "/auth/signup", &[FORM], MIA);
    assert_eq!(reply.status, 404, "{reply:?}");
    assert_eq!(server.db.users(), 0);
}
