//! Who asks (contract 2.2): a session token, credentials in headers, or nobody.

use serde_json::json;

use crate::client::{Client, assert_denied, password_of, without_devices, written};
use crate::support::{Fixture, Server};

const INVALID_TOKEN: &str = "Session token is invalid or expired";
const NOBODY: &str = "Only logged in users are allowed to access";

fn server(prepare: impl FnOnce(&Fixture)) -> Server {
    let db = Fixture::new();
    db.user("mia");
    prepare(&db);
    db.serve(&["--trusted-proxy", "127.0.0.1"])
}

#[test]
fn only_a_token_of_this_application_and_of_a_user_opens() {
    let server = server(|_| ());
    let client = Client::new(&server);
    let token = client.token(&password_of("mia"), "hw-01");
    for spelled in ["Bearer", "bearer", "BEARER "] {
        let reply = client.get("/app_context", &[("authorization", &format!("{spelled} {token}"))]);
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let init = server.init();
    assert!(init.call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", "hw-01")]).success());
    for header in [
        String::new(),
        "Bearer".to_owned(),
        token.clone(),
        format!("Basic {token}"),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {}", &token[..32]),
        format!("Bearer {}", "0".repeat(64)),
        // A session of another format is no token.
        format!("Bearer {}", init.id),
    ] {
        assert_denied(&client.get("/app_context", &[("authorization", &header)]), 401, INVALID_TOKEN);
    }
    let twice = format!("Bearer {token}");
    let twice = client.get("/app_context", &[("authorization", &twice), ("authorization", &twice)]);
    assert_denied(&twice, 401, INVALID_TOKEN);
    assert_denied(&Client::of_other(&server).get_as(&token, "/app_context"), 401, INVALID_TOKEN);
    // And a token is no session of another format.
    let reply = server.call("check", &[("sessionid", &token)]);
    assert!(!reply.success(), "{reply:?}");
}

#[test]
fn what_happens_to_a_user_happens_to_its_token() {
    let cases: &[(&str, u16, &str)] = &[
        ("UPDATE users SET banned = 1", 403, "Banned"),
        ("UPDATE subscriptions SET expires_at = 1", 403, "Membership is not active"),
        ("UPDATE subscriptions SET paused_at = granted_at", 403, "Membership is not active"),
        ("UPDATE sessions SET user_id = NULL, credential = NULL", 401, INVALID_TOKEN),
        ("DELETE FROM users", 401, INVALID_TOKEN),
        ("DELETE FROM sessions", 401, INVALID_TOKEN),
    ];
    for (sql, status, detail) in cases {
        let server = server(|_| ());
        let client = Client::new(&server);
        let token = client.token(&password_of("mia"), "hw-01");
        server.change(|db| db.sql(sql));
        assert_denied(&client.get_as(&token, "/app_context"), *status, detail);
        assert_denied(&client.get_as(&token, "/files/1/download"), *status, detail);
    }
    let server = server(|_| ());
    let client = Client::new(&server);
    let token = client.token(&password_of("mia"), "hw-01");
    server.change(|db| db.ban_network("203.0.113.0/24"));
    let bearer = format!("Bearer {token}");
    let from = |address| client.get("/app_context", &[("authorization", &bearer), ("x-forwarded-for", address)]);
    assert_denied(&from("203.0.113.7"), 403, "Banned");
    assert_eq!(from("198.51.100.7").status, 200);
    server.change(|db| db.ban_hwid("hw-01"));
    assert_denied(&from("198.51.100.7"), 403, "Banned");
}

#[test]
fn a_ban_through_another_door_ends_it() {
    let server = server(|_| ());
    let client = Client::new(&server);
    let token = client.token(&password_of("mia"), "hw-01");
    let session = server.init();
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", "hw-01")]).success());
    assert!(session.call("ban", &[]).success());
    assert_ne!(client.get_as(&token, "/app_context").status, 200);
    assert_denied(&client.login(&password_of("mia"), "hw-01"), 403, "Banned");
}

#[test]
fn credentials_in_headers_are_off_until_they_are_switched_on() {
    let server = server(|db| {
        db.license("KEY-1");
    });
    let client = Client::new(&server);
    let name = client.sign_up_by("KEY-1").json()["username"].as_str().unwrap().to_owned();
    let by_password = [("x-api-username", "mia"), ("x-api-password", "secret"), ("x-hardware-id", "hw-07")];
    let by_code = [("x-api-license-code", "KEY-1"), ("x-hardware-id", "hw-01")];
    let off = "Credentials in headers are switched off: log in and send the session token";
    assert_denied(&client.get("/app_context", &by_password), 401, off);
    assert_denied(&client.get("/app_context", &by_code), 401, off);
    server.change(|db| db.setting("authgateLegacy", "1"));
    for (headers, user) in [(&by_password[..], "mia"), (&by_code[..], name.as_str())] {
        // As often as one likes: it is the same device.
        for _ in 0..3 {
            let reply = client.get("/app_context", headers);
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(reply.json()["user"]["username"], user);
        }
        assert_denied(
            &client.get("/app_context", &headers[..headers.len() - 1]),
            401,
            "Device authentication is required",
        );
    }
    let wrong: &[&[(&str, &str)]] = &[
        &[("x-api-username", "mia")],
        &[("x-api-password", "secret")],
        &[("x-api-username", "mia"), ("x-api-password", "wrong")],
        &[("x-api-username", "mia"), ("x-api-password", "")],
        &[("x-api-username", "nobody"), ("x-api-password", "secret")],
        &[("x-api-license-code", "NOBODYS")],
        &[("x-api-license-code", "")],
        &[("x-api-username", "mia"), ("x-api-password", "secret"), ("x-api-license-code", "KEY-1")],
        &[("x-api-username", "mia"), ("x-api-username", "mia"), ("x-api-password", "secret")],
    ];
    for headers in wrong {
        let headers = [headers, &[("x-hardware-id", "hw-01")][..]].concat();
        assert_denied(&client.get("/app_context", &headers), 401, "Invalid credentials");
    }
}

#[test]
fn credentials_in_headers_count_as_a_session_for_ten_seconds() {
    let server = server(|db| {
        db.setting("authgateLegacy", "1");
        db.setting("deviceLimit", "2");
    });
    let client = Client::new(&server);
    let from = |hwid| {
        client.get("/app_context", &[("x-api-username", "mia"), ("x-api-password", "secret"), ("x-hardware-id", hwid)])
    };
    assert_eq!(from("hw-01").status, 200);
    let life = "SELECT expires_at - created_at FROM sessions WHERE kind = 'token' AND ended_at IS NULL";
    assert_eq!(server.db.count(life), 10);
    assert_denied(&from("hw-02"), 401, "Maximum number of simultaneous sessions reached");
    server.change(|db| db.sql("UPDATE sessions SET expires_at = created_at - 1"));
    assert_eq!(from("hw-02").status, 200);

    server.change(without_devices);
    let before = written(&server.db);
    let headers = [("x-api-username", "mia"), ("x-api-password", "secret")];
    assert_eq!(client.get("/app_context", &headers).status, 200);
    assert_eq!(written(&server.db), before, "where they are not counted, there are none");
}

#[test]
fn nobody_is_let_in_where_that_is_switched_on() {
    let server = server(|_| ());
    let client = Client::new(&server);
    assert_denied(&client.get("/app_context", &[]), 401, NOBODY);
    assert_denied(&client.get("/files/1/download", &[]), 401, NOBODY);
    server.change(|db| db.setting("authgateAnonymous", "1"));
    let reply = client.get("/app_context", &[]);
    assert_eq!((reply.status, &reply.json()["user"]), (200, &json!(null)), "{reply:?}");
    // Who says who it is, is not nobody.
    assert_denied(&client.get("/app_context", &[("authorization", "Bearer x")]), 401, INVALID_TOKEN);
    let off = client.get("/app_context", &[("x-api-license-code", "KEY-1")]);
    assert_eq!(off.status, 401, "{off:?}");
    let headers: String = client.headers().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("GET /app_context HTTP/1.1\r\nhost: x\r\n{headers}authorization: Bearer ");
    let unreadable = server.raw(&[head.as_bytes(), b"\xff\r\n\r\n"].concat());
    assert_denied(&unreadable, 401, INVALID_TOKEN);
    server.change(|db| {
        db.ban_hwid("bad");
        db.ban_network("203.0.113.7");
    });
    assert_denied(&client.get("/app_context", &[("x-hardware-id", "bad")]), 403, "Banned");
    assert_denied(&client.get("/app_context", &[("x-forwarded-for", "203.0.113.7")]), 403, "Banned");
    assert_eq!(client.get("/app_context", &[("x-hardware-id", "good")]).status, 200);
}
