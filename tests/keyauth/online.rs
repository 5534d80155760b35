//! Who is online, and the counts: the same set in both, counted anew each time (contract 4.7, 4.8).

use keystead::model::user::Credential;
use serde_json::{Value, json};

use crate::support::{Fixture, Server, Session};

fn login<'a>(server: &'a Server, name: &str) -> Session<'a> {
    let session = server.init();
    assert!(session.call("login", &[("username", name), ("pass", "secret")]).success());
    session
}

/// The names that are listed, after a look whether the counter says the same.
fn online(session: &Session<'_>) -> Vec<String> {
    let reply = session.call("fetchOnline", &[]);
    let names: Vec<String> = match reply.success() {
        true => {
            assert_eq!(reply.message(), "Successfully fetched online users.");
            let users = reply.json()["users"].as_array().expect("always a list").clone();
            users.iter().map(|user| user["credential"].as_str().expect("a text").to_owned()).collect()
        }
        false => {
            reply.assert_refused("NOBODY_ONLINE", "No online users found!");
            Vec::new()
        }
    };
    assert_eq!(stats(session)["numOnlineUsers"], names.len().to_string(), "clients index the list by this number");
    names
}

fn stats(session: &Session<'_>) -> Value {
    let reply = session.call("fetchStats", &[]);
    assert_eq!(reply.message(), "Successfully fetched stats", "{reply:?}");
    reply.json()["appinfo"].clone()
}

#[test]
fn whoever_is_logged_in_on_a_live_session_is_listed_once() {
    let db = Fixture::new();
    db.user("mia");
    db.user("bob");
    let made = db.bare_user("AB12CD-EF34GH", Credential::License, |_| {});
    db.subscription(made, |_| {});
    let server = db.serve(&[]);
    let stranger = server.init();
    assert_eq!(online(&stranger), Vec::<String>::new());
    let mia = login(&server, "mia");
    assert_eq!(online(&stranger), ["mia"], "at once");
    let mia_again = login(&server, "mia");
    let bob = login(&server, "bob");
    assert!(server.init().call("license", &[("key", "AB12CD-EF34GH")]).success());
    assert_eq!(online(&stranger), ["AB12CD-EF3***", "bob", "mia"]);
    assert!(mia.call("logout", &[]).success());
    assert_eq!(online(&stranger), ["AB12CD-EF3***", "bob", "mia"], "her other session");
    assert!(mia_again.call("logout", &[]).success());
    server.change(|db| db.expire_session(&bob.id));
    assert_eq!(online(&stranger), ["AB12CD-EF3***"], "neither who left nor whose time is over");
}

#[test]
fn names_are_cut_between_characters() {
    let db = Fixture::new();
    db.user("ééééééééééé€");
    db.user("0123456789");
    let server = db.serve(&[]);
    login(&server, "ééééééééééé€");
    login(&server, "0123456789");
    assert_eq!(online(&server.init()), ["0123456789", "éééééééééé*****"]);
}

#[test]
fn counts_are_counted_anew_and_are_texts() {
    let db = Fixture::new();
    let server = db.serve(&[]);
    let session = server.init();
    let expected = |users: &str, keys: &str| {
        let link = format!("http://{}/panel/acme/demo/", server.address);
        json!({
            "numUsers": users, "numOnlineUsers": "0", "numKeys": keys, "version": "1.0", "customerPanelLink": link,
        })
    };
    assert_eq!(stats(&session), expected("0", "0"));
    server.change(|db| {
        db.user("mia");
        db.license("KEY-1");
        db.license("KEY-2");
        db.sql("INSERT INTO users (app_id, name, login, created_at, last_login_at) SELECT id, 'x', 'locked', 1, 1 FROM apps WHERE name = 'other'");
    });
    assert_eq!(stats(&session), expected("1", "2"), "this app's, and at once");
    let old = server.init_with("1.1", &[]);
    assert_eq!(old.call("fetchStats", &[]).error(), "UNKNOWN_TYPE", "came with 1.2");
    assert_eq!(old.call("fetchOnline", &[]).error(), "NOBODY_ONLINE");
}
