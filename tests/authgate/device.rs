//! Device authentication (contract 2.6): how many devices, how many sessions at one time.

use serde_json::json;

use crate::client::{Client, assert_denied, password_of, without_devices, written};
use crate::support::{Fixture, Server};

const REQUIRED: &str = "Device authentication is required";
const DEVICES: &str = "Maximum number of devices reached";
const SESSIONS: &str = "Maximum number of simultaneous sessions reached";

fn server(prepare: impl FnOnce(&Fixture)) -> Server {
    let db = Fixture::new();
    db.user("mia");
    prepare(&db);
    db.serve(&[])
}

#[test]
fn it_is_on_by_default_and_a_login_has_to_say_its_device() {
    let server = server(|_| ());
    let client = Client::new(&server);
    let body = json!({"credentials": password_of("mia")});
    assert_denied(&client.post("/auth/login", &body), 401, REQUIRED);
    server.change(without_devices);
    assert_eq!(client.post("/auth/login", &body).status, 200);
    // What KeyAuth's clients must send, these must send too.
    server.change(|db| db.setting("forceHwid", "1"));
    assert_denied(&client.post("/auth/login", &body), 401, REQUIRED);
    server.change(|db| db.setting("minHwid", "6"));
    assert_denied(&client.login(&password_of("mia"), "hw-01"), 422, "Invalid value: hardware_id");
}

#[test]
fn the_first_devices_are_registered_and_no_more() {
    let server = server(|_| ());
    let client = Client::new(&server);
    let mia = server.db.user_now("mia").unwrap().id;
    client.token(&password_of("mia"), "hw-01");
    assert_denied(&client.login(&password_of("mia"), "hw-02"), 401, DEVICES);
    assert_eq!(server.db.devices_of(mia), ["hw-01"]);
    server.change(|db| {
        db.setting("deviceLimit", "2");
        db.setting("sessionLimit", "9");
    });
    client.token(&password_of("mia"), "hw-02");
    assert_denied(&client.login(&password_of("mia"), "hw-03"), 401, DEVICES);
    // A user's own number counts before the application's.
    server.change(|db| db.sql("UPDATE users SET device_limit = 3"));
    client.token(&password_of("mia"), "hw-03");
    assert_denied(&client.login(&password_of("mia"), "hw-04"), 401, DEVICES);
    assert_eq!(server.db.devices_of(mia).len(), 3);
}

#[test]
fn a_login_on_the_same_device_ends_its_older_sessions() {
    let server = server(|db| {
        db.setting("deviceLimit", "2");
        db.setting("sessionLimit", "2");
    });
    let client = Client::new(&server);
    let first = client.token(&password_of("mia"), "hw-01");
    let other = client.token(&password_of("mia"), "hw-02");
    let again = client.token(&password_of("mia"), "hw-01");
    let invalid = "Session token is invalid or expired";
    assert_denied(&client.get_as(&first, "/app_context"), 401, invalid);
    for token in [&other, &again] {
        assert_eq!(client.get_as(token, "/app_context").status, 200);
    }
}

#[test]
fn sessions_at_one_time_are_counted() {
    let server = server(|db| db.setting("deviceLimit", "3"));
    let client = Client::new(&server);
    let mia = server.db.user_now("mia").unwrap().id;
    let first = client.token(&password_of("mia"), "hw-01");
    let before = written(&server.db);
    assert_denied(&client.login(&password_of("mia"), "hw-02"), 401, SESSIONS);
    assert_eq!(written(&server.db), before, "the device is not registered either");
    assert_eq!(server.db.devices_of(mia), ["hw-01"]);
    assert_eq!(client.get_as(&first, "/app_context").status, 200, "who is in stays in");
    server.change(|db| db.expire_session(&first));
    let second = client.token(&password_of("mia"), "hw-02");
    server.change(|db| db.sql("UPDATE users SET session_limit = 2"));
    client.token(&password_of("mia"), "hw-01");
    assert_denied(&client.login(&password_of("mia"), "hw-03"), 401, SESSIONS);
    assert_eq!(client.get_as(&second, "/app_context").status, 200);
}

#[test]
fn where_devices_are_nothing_sessions_are_not_counted() {
    let server = server(without_devices);
    let client = Client::new(&server);
    let tokens: Vec<_> = (0..4).map(|_| client.token(&password_of("mia"), "hw-01")).collect();
    for token in &tokens {
        assert_eq!(client.get_as(token, "/app_context").status, 200);
        assert_eq!(server.db.session_now(token).unwrap().hwid, None, "a token carries no device then");
    }
}
