//! Too much at once, too much in one, and what is broken on our side: always this format's own shape.

use crate::client::{Client, assert_denied, assert_usual};
use crate::support::Fixture;

#[test]
fn an_address_that_asks_too_often_is_told_so_before_anything_else() {
    // Two at once, then one an hour: the third is over it, however slow the machine is.
    let server = Fixture::new().serve(&["--rate-limit", "1/h burst 2"]);
    let client = Client::new(&server);
    for _ in 0..2 {
        assert_eq!(client.get("/app_context", &[]).status, 401);
    }
    let reply = client.sign_up("mia", "secret");
    assert_denied(&reply, 429, "Too many requests");
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() > 3_000, "{reply:?}");
    assert_denied(&server.ask("POST", "/sign_up", &[], b""), 429, "Too many requests");
    assert_eq!(server.db.users(), 0);
}

#[test]
fn bodies_that_are_too_large_or_end_early_are_refused_in_shape() {
    let server = Fixture::new().serve(&["--body-limit", "1KiB", "--body-timeout", "1s"]);
    let client = Client::new(&server);
    let large = client.ask("POST", "/sign_up", &[], &[b' '; 1_025]);
    assert_denied(&large, 413, "Request body is too large: at most 1024 bytes are taken");
    let late = server.raw(b"POST /sign_up HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{");
    assert_denied(&late, 408, "Request did not arrive in time. Send it again.");
}

#[test]
fn a_broken_database_is_503_and_not_an_unknown_application() {
    let server = Fixture::new().serve(&[]);
    let client = Client::new(&server);
    assert_eq!(client.sign_up("mia", "secret").status, 200);
    let app = server.db.app().clone();
    // What the server had in memory is gone with this, and what it asks for is not there.
    server.db.sql("ALTER TABLE app_names RENAME TO gone");
    crate::support::until("the server notices", || client.sign_up("leo", "secret").status != 200);
    let reply = client.sign_up("leo", "secret");
    assert!(matches!(reply.status, 500 | 503), "{reply:?}");
    assert_usual(&reply);
    assert!(!reply.text().contains("app_names") && !reply.text().contains(&*app.api_key), "{reply:?}");
    server.db.sql("ALTER TABLE gone RENAME TO app_names");
    crate::support::until("it recovers", || client.sign_up("eve", "secret").status != reply.status);
    assert!(server.db.user_now("eve").is_some());
}
