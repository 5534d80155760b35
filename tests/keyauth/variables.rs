//! Variables of single users: limits, whose they are, and what is left after a refusal (contract 4.9, 4.10).

use crate::support::{Fixture, Reply, Server, Session};

fn logged_in<'a>(server: &'a Server, version: &'static str, name: &str) -> Session<'a> {
    let session = server.init_with(version, &[("enckey", "k"), ("ver", "1.0")]);
    assert!(session.call("login", &[("username", name), ("pass", "secret")]).success());
    session
}

fn set(session: &Session<'_>, name: &str, value: &str) -> Reply {
    session.call("setvar", &[("var", name), ("data", value)])
}

#[test]
fn what_is_set_is_got_in_every_version() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&["--api-1-0=true"]);
    for version in ["1.3", "1.2", "1.1", "1.0"] {
        let session = logged_in(&server, version, "mia");
        for value in [version, "0", "<b>ü€😀 \\ \"", &"x".repeat(500), &"é".repeat(250)] {
            let reply = set(&session, "rank", value);
            assert_eq!(reply.message(), "Successfully set variable", "{version}: {reply:?}");
            let reply = session.call("getvar", &[("var", "rank")]);
            assert_eq!(reply.message(), "Successfully retrieved variable", "{version}");
            assert_eq!(reply.json()["response"], value, "{version}");
        }
    }
}

#[test]
fn refusals_come_in_their_order_and_leave_everything() {
    let db = Fixture::new();
    db.user("mia");
    db.user_variable("mia", "rank", "gold", true);
    db.user_variable("mia", "color", "red", false);
    let server = db.serve(&[]);
    let stranger = server.init();
    set(&stranger, "", "").assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    stranger.call("getvar", &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    let session = logged_in(&server, "1.2", "mia");
    let long = "x".repeat(501);
    set(&session, "", "").assert_refused("VARIABLE_NAME_MISSING", "No variable name provided");
    set(&session, "rank", " ").assert_refused("VARIABLE_DATA_MISSING", "No variable data provided");
    let too_long = "Variable data must be 500 characters or less";
    set(&session, "rank", &long).assert_refused("VARIABLE_DATA_TOO_LONG", too_long);
    set(&session, "rank", &"é".repeat(251)).assert_refused("VARIABLE_DATA_TOO_LONG", too_long);
    set(&session, &"n".repeat(100), "x").assert_refused("VARIABLE_NAME_TOO_LONG", "Failed to set variable");
    set(&session, "rank", "silver").assert_refused("VARIABLE_READ_ONLY", "Variable is read only");
    assert_eq!(server.db.user_variable_now("mia", "rank").as_deref(), Some("gold"));
    assert!(set(&session, &"n".repeat(99), "x").success(), "the longest name");
    assert!(set(&session, "color", "blue").success());
    for name in ["Rank", "none", ""] {
        session.call("getvar", &[("var", name)]).assert_refused("VARIABLE_NOT_FOUND", "Variable not found for user");
    }
    assert_eq!(session.call("getvar", &[("var", "rank")]).json()["response"], "gold", "read-only is readable");
    server.change(|db| db.user_variable("mia", "rank", "platinum", false));
    assert_eq!(session.call("getvar", &[("var", "rank")]).json()["response"], "platinum", "at once");
    assert!(set(&session, "rank", "mine").success());
}

#[test]
fn a_user_has_at_most_a_thousand() {
    let db = Fixture::new();
    db.user("mia");
    db.user("bob");
    db.fill_user_variables("mia", 999);
    let server = db.serve(&[]);
    let session = logged_in(&server, "1.2", "mia");
    assert!(set(&session, "the last", "x").success());
    set(&session, "one more", "x").assert_refused("TOO_MANY_VARIABLES", "Failed to set variable");
    assert_eq!(server.db.user_variable_now("mia", "one more"), None);
    assert!(set(&session, "the last", "changed").success(), "those that are there may change");
    assert!(set(&logged_in(&server, "1.2", "bob"), "one more", "x").success(), "each user's own");
}

#[test]
fn variables_belong_to_one_user() {
    let db = Fixture::new();
    for name in ["b:c", "c"] {
        db.user(name);
    }
    let server = db.serve(&[]);
    let (first, second) = (logged_in(&server, "1.2", "b:c"), logged_in(&server, "1.2", "c"));
    assert!(set(&first, "a", "of b:c").success());
    assert!(set(&second, "a:b", "of c").success());
    assert_eq!(second.call("getvar", &[("var", "a")]).error(), "VARIABLE_NOT_FOUND");
    assert_eq!(first.call("getvar", &[("var", "a:b")]).error(), "VARIABLE_NOT_FOUND");
    assert_eq!(logged_in(&server, "1.1", "C").call("getvar", &[("var", "a:b")]).json()["response"], "of c");
}
