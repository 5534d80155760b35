//! Too much at once is answered, in the client's own words and signed; nothing hangs (contract 1.6).

use std::thread;

use crate::support::{Fixture, Seal, Session};

const LIMITED: &str = "This application has sent too many requests. Try again in a minute.";

#[test]
fn the_rate_limit_is_a_signed_failure_with_status_200() {
    // Three at once, then one an hour: the fourth is over it, however slow the machine is.
    let server = Fixture::new().serve(&["--rate-limit", "1/h burst 3"]);
    let session = server.init();
    session.call("check", &[]);
    session.call("check", &[]);
    let reply = session.call("check", &[]);
    reply.assert_refused("RATE_LIMITED", LIMITED);
    let wait: u64 = reply.header("retry-after").expect("how long").parse().unwrap();
    assert!((3_500..=3_601).contains(&wait), "{wait}");
    let init = server.call("init", &[("enckey", "k")]);
    init.assert_refused("RATE_LIMITED", LIMITED);
    init.assert_sealed(&Seal::secret());
    server.call("nonsense", &[]).assert_refused("RATE_LIMITED", LIMITED);
    let by_1_1 = Session { server: &server, version: "1.1", id: session.id.clone(), seal: Seal::None };
    by_1_1.call("check", &[]).assert_refused("RATE_LIMITED", LIMITED);
    let nobody = server.post("1.2", &[("type", "init"), ("name", "none"), ("ownerid", "AbCdEfGh12")]);
    nobody.assert_refused("RATE_LIMITED", LIMITED);
    nobody.assert_sealed(&Seal::None);
    assert_eq!(server.post("1.2", &[]).error(), "OWNERID_MISSING", "what costs nothing is not counted as too much");
}

#[test]
fn a_limit_belongs_to_an_address() {
    let server = Fixture::new().serve(&["--rate-limit", "1/s burst 3", "--trusted-proxy", "127.0.0.1"]);
    let from = |address: &str| {
        let head = "GET /api/1.2/?type=init&name=demo&ownerid=AbCdEfGh12 HTTP/1.1\r\nhost: x\r\n";
        server.raw(format!("{head}x-forwarded-for: {address}\r\n\r\n").as_bytes())
    };
    // As many as it takes; at one a second and three at once, it is not many.
    let limited = (0..1_000).map(|_| from("203.0.113.7")).find(|reply| !reply.success()).expect("a limit");
    assert_eq!((limited.status, limited.error().as_str()), (200, "RATE_LIMITED"));
    assert!(matches!(limited.header("retry-after"), Some("1" | "2")), "{limited:?}");
    assert!(from("203.0.113.8").success(), "a neighbour does not pay");
}

#[test]
fn a_full_hashing_queue_answers_busy_and_nobody_hangs() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&["--hash-threads", "1", "--hash-queue", "1"]);
    let session = server.init();
    let mut busy = 0;
    // Twelve at once against room for two; a round in which none was busy is possible, ten are not.
    for _ in 0..10 {
        let replies: Vec<_> = thread::scope(|scope| {
            let ask = || session.call("login", &[("username", "mia"), ("pass", "secret")]);
            let asked: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
            asked.into_iter().map(|one| one.join().expect("answered")).collect()
        });
        assert!(replies.iter().any(|reply| reply.success()), "{replies:?}");
        for reply in replies.iter().filter(|reply| !reply.success()) {
            reply.assert_refused("BUSY", "The server is busy. Try again in a moment.");
            assert_eq!(reply.header("retry-after"), Some("1"));
            busy += 1;
        }
        if busy > 0 {
            break;
        }
    }
    assert!(busy > 0, "nobody was ever told that the server is busy");
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success(), "and then it goes on");
    assert!(session.is_validated());
}

#[test]
fn what_can_be_refused_without_a_hash_waits_for_none() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&["--hash-threads", "1", "--hash-queue", "1"]);
    let session = server.init();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| session.call("login", &[("username", "mia"), ("pass", "secret")]));
        }
        for _ in 0..20 {
            let reply = session.call("login", &[("username", "none"), ("pass", "secret")]);
            reply.assert_refused("USER_NOT_FOUND", "Username not found.");
            let reply = session.call("register", &[("username", "tom"), ("pass", "secret"), ("key", "none")]);
            reply.assert_refused("LICENSE_NOT_FOUND", "Key Not Found.");
        }
    });
}
