//! `GET /app_context` (contract 2.3).

use serde_json::json;

use crate::client::{Client, password_of};
use crate::support::{Fixture, now};

/// A time as answers write it.
fn utc(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[test]
fn it_tells_about_the_application_and_the_user() {
    let db = Fixture::new();
    let mia = db.user("mia");
    let end = now() + 9 * 86_400;
    db.subscription(mia, |held| held.expires_at = Some(end));
    db.variable("b-private", "for users", true);
    db.variable("a-public", "für \"alle\"", false);
    db.kept_file("111111", b"x", true);
    db.kept_file("222222", b"y", false);
    let server = db.serve(&[]);
    let client = Client::new(&server);
    let token = client.token(&password_of("mia"), "hw-01");
    let reply = client.get_as(&token, "/app_context");
    let app = server.db.app();
    let file =
        |id| json!({"id": id, "name": "data.bin", "mime_type": "application/octet-stream", "is_encrypted": false});
    let got = reply.json();
    let server_time = got["server_time"].as_str().expect("a time").to_owned();
    let expected = json!({
        "application": {
            "id": *app.uuid,
            "name": "demo",
            "variables": [
                {"name": "a-public", "value": "für \"alle\""},
                {"name": "b-private", "value": "for users"},
            ],
            "files": [file("111111"), file("222222")],
        },
        "user": {
            "id": server.db.user_now("mia").unwrap().uuid.to_string(),
            "username": "mia",
            "membership": {"is_active": true, "is_lifetime": false, "active_until": utc(end.0)},
        },
        "server_time": server_time,
    });
    assert_eq!(got, expected);
    let order = ["application", "variables", "files", "user", "membership", "active_until", "server_time"];
    let places: Vec<_> = order.iter().map(|key| reply.text().find(&format!("\"{key}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "{reply:?}");
    assert!(server_time.ends_with('Z') && server_time.len() == "2030-01-01T00:00:00Z".len(), "{server_time}");
    let made = chrono::DateTime::parse_from_rfc3339(&server_time).unwrap().timestamp();
    assert!((now().0 - made).abs() <= 60, "{server_time}");
}

#[test]
fn nobody_sees_what_is_public_only() {
    let db = Fixture::new();
    db.variable("private", "for users", true);
    db.variable("public", "for all", false);
    db.kept_file("111111", b"x", true);
    db.kept_file("222222", b"y", false);
    db.setting("authgateAnonymous", "1");
    let server = db.serve(&[]);
    let reply = Client::new(&server).get("/app_context", &[]).json();
    assert_eq!(reply["user"], json!(null));
    assert_eq!(reply["application"]["variables"], json!([{"name": "public", "value": "for all"}]));
    assert_eq!(reply["application"]["files"].as_array().map(Vec::len), Some(1));
    assert_eq!(reply["application"]["files"][0]["id"], "222222");
    assert!(reply["server_time"].is_string());
}

#[test]
fn what_was_changed_is_seen_at_once() {
    let db = Fixture::new();
    db.setting("authgateAnonymous", "1");
    let server = db.serve(&[]);
    let client = Client::new(&server);
    assert_eq!(client.get("/app_context", &[]).json()["application"]["variables"], json!([]));
    server.change(|db| db.variable("new", "1", false));
    let expected = json!([{"name": "new", "value": "1"}]);
    assert_eq!(client.get("/app_context", &[]).json()["application"]["variables"], expected);
}
