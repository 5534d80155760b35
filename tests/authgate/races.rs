//! Everything at one moment: a code makes one user, a name is taken once, and the losers are told why (contract 1.3).

use serde_json::json;

use crate::client::{Client, assert_denied, password_of, written};
use crate::support::{Fixture, Reply, at_once};

const CALLERS: usize = 32;

fn winners(replies: &[Reply]) -> usize {
    replies.iter().filter(|reply| reply.status == 200).count()
}

#[test]
fn g36_one_code_many_callers_one_winner() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let client = Client::new(&server);
    let replies = at_once(CALLERS, |i| {
        let body = json!({"code": if i % 2 == 0 { "KEY-1" } else { "key-1" }, "hardware_id": format!("hw-{i}")});
        client.post("/sign_up_with_license_code", &body)
    });
    assert_eq!(winners(&replies), 1, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_denied(reply, 422, "Invalid or already used license code");
    }
    assert_eq!(written(&server.db), [1, 1, 0, 1, 1]);
}

#[test]
fn g13_one_name_many_callers_one_winner() {
    let server = Fixture::new().serve(&["--hash-queue", "1000"]);
    let client = Client::new(&server);
    let replies = at_once(CALLERS, |i| client.sign_up(["mia", "MIA"][i % 2], "secret"));
    assert_eq!(winners(&replies), 1, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_denied(reply, 422, "Username is already taken");
    }
    assert_eq!(written(&server.db), [1, 0, 0, 1, 0]);
}

#[test]
fn one_code_is_activated_once() {
    let db = Fixture::new();
    db.license("KEY-1");
    db.user("mia");
    db.user("leo");
    let server = db.serve(&["--hash-queue", "1000"]);
    let client = Client::new(&server);
    let replies = at_once(CALLERS, |i| {
        let name = ["mia", "leo"][i % 2];
        let body = json!({"code": "KEY-1", "username": name, "password": "secret"});
        client.post("/activate_license", &body)
    });
    assert_eq!(winners(&replies), 1, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_denied(reply, 401, "Invalid or already used license code");
    }
    let held = ["mia", "leo"].map(|name| server.db.held_by(server.db.user_now(name).unwrap().id));
    let longer = held.iter().flatten().filter(|held| held.expires_at.unwrap() - held.granted_at > 86_400 + 60).count();
    assert_eq!(longer, 1);
}

#[test]
fn sessions_and_devices_at_one_moment_are_no_more_than_allowed() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.setting("deviceLimit", "2");
    db.setting("sessionLimit", "2");
    let server = db.serve(&["--hash-queue", "1000"]);
    let client = Client::new(&server);
    let replies = at_once(CALLERS, |i| client.login(&password_of("mia"), &format!("hw-{i}")));
    assert_eq!(winners(&replies), 2, "{replies:?}");
    assert_eq!(server.db.devices_of(mia).len(), 2);
    assert_eq!(server.db.count("SELECT count(*) FROM sessions WHERE kind = 'token' AND ended_at IS NULL"), 2);
}
