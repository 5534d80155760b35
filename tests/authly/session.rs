//! Sessions: their end, and the call that asks for it (contract 1.4, 2.8).

use serde_json::json;

use super::support::now;
use super::{Client, granted, mia, post, refused, shop};

#[test]
fn l30_validate_tells_whether_a_session_may_be_used() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    for path in ["validate-session", "validate"] {
        let body = granted(&client.call(path, &json!({})), "Session is valid");
        let wanted = json!({
            "success": true, "message": "Session is valid", "session_id": client.session, "valid": true,
        });
        assert_eq!(body, wanted);
    }
    server.change(|db| db.expire_session(&client.session));
    refused(&client.call("validate", &json!({})), 401, "SESSION_EXPIRED", "Session has expired");
    let none = post(&server, "validate", &json!({"session_id": "none"}));
    refused(&none, 401, "INVALID_SESSION", "Invalid session");
}

#[test]
fn l30_an_expired_session_is_remembered_for_a_day() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let aged = |age: i64| {
        let (id, end) = (client.session.clone(), now().0 - age);
        server.change(|db| db.sql(&format!("UPDATE sessions SET expires_at = {end} WHERE id = '{id}'")));
        server.db.write(|tx| keystead::store::sessions::clean(tx, now() + -86_400, 500).unwrap());
        server.notice();
        client.call("validate", &json!({})).json()["code"].as_str().expect("refused").to_owned()
    };
    assert_eq!(aged(86_000), "SESSION_EXPIRED");
    assert_eq!(aged(86_500), "INVALID_SESSION");
}

/// Tokens and sign-ins of other formats are other things.
#[test]
fn l31_only_sessions_of_programs_count() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    for kind in ["token", "sign-in"] {
        let id = client.session.clone();
        server.change(|db| db.sql(&format!("UPDATE sessions SET kind = '{kind}' WHERE id = '{id}'")));
        refused(&client.call("validate", &json!({})), 401, "INVALID_SESSION", "Invalid session");
    }
}

/// A ban ends what was open: on every session at once.
#[test]
fn l22_a_ban_logs_out_on_both_sessions() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let new = granted(&client.call("login", &mia()), "Login success")["session_id"].as_str().unwrap().to_owned();
    assert!(client.is_in(&new) && client.is_in(&client.session));
    server.change(|db| {
        let id = db.user_now("mia").unwrap().id;
        db.write(move |tx| keystead::domain::user::ban_user(tx, id, None).unwrap());
    });
    assert!(!client.is_in(&new) && !client.is_in(&client.session));
}
