//! Whatever comes in: this format's own status and shape, and nothing is written.

use serde_json::json;

use crate::client::{Client, assert_denied, written};
use crate::support::{Fixture, now};

const NO_OBJECT: &str = "Request body must be a JSON object";

/// The endpoints that read a body, and the first field that each asks for.
const POSTS: [(&str, &str); 4] = [
    ("/sign_up", "username"),
    ("/sign_up_with_license_code", "code"),
    ("/auth/login", "credentials"),
    ("/activate_license", "code"),
];

#[test]
fn g7_g14_whatever_the_body_is_the_answer_has_its_shape_and_nothing_is_written() {
    let db = Fixture::new();
    db.user("mia");
    db.license("KEY-1");
    let server = db.serve(&["--body-limit", "4MiB"]);
    let client = Client::new(&server);
    let before = written(&server.db);
    let ok = r#"{"username":"leo","password":"secret","code":"KEY-1","hardware_id":"hw","#;
    let many: String = (0..300).map(|i| format!("\"x{i}\":1,")).collect();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let unreadable: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "{}{}",
        "{} x",
        "null",
        "true",
        "1",
        "1e999",
        "\"text\"",
        "[]",
        "[{}]",
        "{\"a\":}",
        "{'a':1}",
        "{\"a\":NaN}",
        "{a:1}",
        "username=leo&password=secret",
        &deep,
        &format!("{ok}\"username\":\"eve\"}}"),
        &format!("{ok}\"code\":\"KEY-1\"}}"),
        &format!("{ok}\"x\":1,\"x\":1}}"),
        &format!("{ok}\"x\":{{\"y\":1,\"y\":2}}}}"),
        &format!("{ok}\"x\":\"\\ud800\"}}"),
        &format!("{ok}\"x\":\"a\u{0}b\"}}"),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([vec![0xff, 0xfe], vec![0; 64], [ok.as_bytes(), b"\"x\":\"\xff\"}"].concat()])
    .collect();
    for (path, _) in POSTS {
        for body in &unreadable {
            let reply = client.ask("POST", path, &[("content-type", "application/json")], body);
            assert_denied(&reply, 422, NO_OBJECT);
        }
        let body = format!("{{{many}\"x\":1}}");
        let reply = client.ask("POST", path, &[("content-type", "application/json")], body.as_bytes());
        assert_denied(&reply, 422, "Request body has too many fields");
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "json", ""] {
            let body = format!("{ok}\"x\":1}}");
            let reply = client.ask("POST", path, &[("content-type", kind)], body.as_bytes());
            assert_denied(&reply, 422, NO_OBJECT);
        }
    }
    assert_eq!(written(&server.db), before);
}

#[test]
fn values_of_any_kind_and_size_write_nothing() {
    let db = Fixture::new();
    db.user("mia");
    db.license("KEY-1");
    let server = db.serve(&["--body-limit", "4MiB"]);
    let client = Client::new(&server);
    let before = written(&server.db);
    let long = "x".repeat(1 << 20);
    let raw = |path, body: &str| client.ask("POST", path, &[("content-type", "application/json")], body.as_bytes());
    for (path, field) in POSTS {
        let missing = format!("Field required: {field}");
        for value in [
            "null",
            "1",
            "-0",
            "1e308",
            "1e-999",
            "123456789012345678901234567890",
            "true",
            "[]",
            "[\"KEY-1\"]",
            "\"\"",
        ] {
            assert_denied(&raw(path, &format!("{{\"{field}\":{value}}}")), 422, &missing);
        }
    }
    for (path, body, field) in [
        ("/sign_up", json!({"username": long, "password": "secret", "hardware_id": "hw"}), "username"),
        ("/sign_up", json!({"username": "leo", "password": long, "hardware_id": "hw"}), "password"),
        ("/sign_up", json!({"username": "leo", "password": "secret", "hardware_id": long}), "hardware_id"),
        ("/sign_up", json!({"username": "l\0o", "password": "secret", "hardware_id": "hw"}), "username"),
        ("/sign_up_with_license_code", json!({"code": long, "hardware_id": "hw"}), "code"),
        ("/sign_up_with_license_code", json!({"code": "KEY-1", "hardware_id": long}), "hardware_id"),
        ("/sign_up_with_license_code", json!({"code": "KEY-1", "hardware_id": "h\0w"}), "hardware_id"),
        ("/auth/login", json!({"credentials": {"username": "mia", "password": "se\0cret"}}), "password"),
        ("/auth/login", json!({"credentials": {"code": "KEY\0-1"}}), "code"),
        ("/auth/login", json!({"credentials": {"code": "KEY-1"}, "hardware_id": long}), "hardware_id"),
        ("/activate_license", json!({"code": "KEY-1", "username": "m\0a", "password": "secret"}), "username"),
    ] {
        assert_denied(&client.post(path, &body), 422, &format!("Invalid value: {field}"));
    }
    for body in [
        json!({"credentials": {"username": long, "password": "secret"}, "hardware_id": "hw"}),
        json!({"credentials": {"username": "mia", "password": long}, "hardware_id": "hw"}),
        json!({"credentials": {"code": long}, "hardware_id": "hw"}),
    ] {
        assert_denied(&client.post("/auth/login", &body), 401, "Invalid credentials");
    }
    assert_eq!(written(&server.db), before);
    assert!(server.db.license_now("KEY-1").used_at.is_none());
    assert!(server.db.user_now("mia").unwrap().last_login_at < now() + -500, "nobody has logged in");
    let unknown = json!({"username": "leo", "password": "secret", "hardware_id": "hw", "x": [long, {"y": null}]});
    assert_eq!(client.post("/sign_up", &unknown).status, 200, "what is not asked for is not looked at");
}
