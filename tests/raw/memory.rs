//! What many clients may take together: the memory of bodies on their way, and of connections that say nothing.

use std::io::Read;

use super::support::{Server, until};
use super::{Answer, Client, POST, goes_on, post, server};

/// A request by this client, as a proxy tells it.
fn by(client: &str, body: &str, sent: usize) -> Vec<u8> {
    let whole = post(body).replace("host: x", &format!("host: x\r\nx-forwarded-for: {client}"));
    let head = whole.len() - body.len();
    whole.as_bytes()[..head + sent].to_vec()
}

const LARGE: usize = 60_000;
/// Held by one of half of 256 KiB: at most so many of these.
const HELD: usize = 2;

#[test]
fn nobody_fills_the_memory_with_bodies_that_never_end() {
    let server = server(&[
        "--trusted-proxy",
        "127.0.0.0/8",
        "--body-limit",
        "64KiB",
        "--body-memory",
        "256KiB",
        "--body-timeout",
        "1h",
    ]);
    let body = format!("type=check&x={}", "y".repeat(LARGE - 13));
    let greedy = || {
        let mut clients: Vec<_> = (0..20).map(|_| Client::new(&server)).collect();
        for client in &mut clients {
            client.send(&by("1.1.1.1", &body, LARGE - 1));
            client.0.set_nonblocking(true).unwrap();
        }
        clients
    };
    let answered = |client: &Client| client.0.peek(&mut [0]).is_ok();
    let clients = greedy();
    until("all but a few are refused", || clients.iter().filter(|client| answered(client)).count() >= 20 - HELD);

    // The others, and what is small, do not notice.
    for (client, body) in [("2.2.2.2", body.as_str()), ("1.1.1.1", "type=check")] {
        let reply = server.raw(&by(client, body, body.len()));
        assert!(reply.status == 200 && !reply.text().contains("BUSY"), "{client}: {reply:?}");
    }
    let (refused, held): (Vec<_>, Vec<_>) = clients.into_iter().partition(answered);
    assert!((1..=HELD).contains(&held.len()), "{} of 20", held.len());
    for mut client in refused {
        client.0.set_nonblocking(false).unwrap();
        let answer = client.answer();
        assert!(answer.status == 200 && answer.body.contains("\"error\":\"BUSY\""), "{answer:?}");
    }
    for mut client in held {
        client.0.set_nonblocking(false).unwrap();
        client.send(b"y");
        let answer = client.answer();
        assert!(answer.status == 200 && !answer.body.contains("BUSY"), "{answer:?}");
    }
    // What was taken is given back.
    for _ in 0..20 {
        let reply = server.raw(&by("1.1.1.1", &body, LARGE));
        assert!(!reply.text().contains("BUSY"), "{reply:?}");
    }
}

#[test]
fn each_format_has_words_for_it() {
    let server = server(&[
        "--trusted-proxy",
        "127.0.0.0/8",
        "--body-limit",
        "64KiB",
        "--body-memory",
        "128KiB",
        "--body-timeout",
        "1h",
    ]);
    let body = "y".repeat(LARGE);
    let hold = || {
        let mut client = Client::new(&server);
        client.send(&by("1.1.1.1", &body, LARGE - 1));
        client
    };
    let mut holds = hold();
    for (path, status) in [
        ("/api/1.2/", 200),
        ("/api/1.3/", 200),
        ("/api/1.1/", 200),
        ("/auth/login", 503),
        ("/api/v1/init", 503),
        ("/auth/signup", 429),
    ] {
        let request = String::from_utf8(by("1.1.1.1", &body, LARGE)).unwrap().replace("/api/1.2/", path);
        let mut reply = server.raw(request.as_bytes());
        // The first may not have been counted yet; or this one was counted before it, and that was refused.
        until("there is no room left", || {
            if reply.header("retry-after").is_none() {
                holds.0.set_nonblocking(true).unwrap();
                if holds.0.peek(&mut [0]).is_ok() {
                    holds = hold();
                }
                reply = server.raw(request.as_bytes());
            }
            reply.header("retry-after").is_some()
        });
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
    }
}

#[test]
fn nobody_fills_the_memory_with_heads_that_never_end() {
    let server = server(&["--body-memory", "128KiB", "--body-limit", "64KiB", "--header-timeout", "1h"]);
    let mut clients: Vec<_> = (0..20).map(|_| Client::new(&server)).collect();
    for client in &mut clients {
        client.send(post("type=check").as_bytes());
        assert_eq!(client.answer().status, 200);
        client.send(POST.as_bytes());
        client.0.set_nonblocking(true).unwrap();
    }
    let answered = |client: &Client| client.0.peek(&mut [0]).is_ok();
    // Of half of 128 KiB; each has more than 20 of it.
    let held = 3;
    until("all but a few are refused", || clients.iter().filter(|client| answered(client)).count() >= 20 - held);
    goes_on(&server);
    let (refused, held): (Vec<_>, Vec<_>) = clients.into_iter().partition(answered);
    assert!(!held.is_empty());
    for client in refused {
        client.0.set_nonblocking(false).unwrap();
        let answers = client.answers();
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [503]);
    }
    for mut client in held {
        client.0.set_nonblocking(false).unwrap();
        client.send(b"content-length: 10\r\n\r\ntype=check");
        assert_eq!(client.answer().status, 200);
    }
    // What was taken is given back.
    for _ in 0..20 {
        let mut client = Client::new(&server);
        client.send(POST.as_bytes());
        client.send(b"content-length: 10\r\n\r\ntype=check");
        assert_eq!(client.answer().status, 200);
    }
}

/// A head whose small body is not here yet.
fn small(client: &str) -> Vec<u8> {
    by(client, "type=check", 4)
}

/// The same, once the server waits for the rest: it says so itself. Then the rest, and the answer.
fn in_two_pieces(server: &Server, client: &str) -> Answer {
    let asks = String::from_utf8(small(client)).unwrap().replace("host: x", "host: x\r\nexpect: 100-continue");
    let mut client = Client::new(server);
    client.send(asks.as_bytes());
    let mut said = [0; 25];
    client.0.read_exact(&mut said).expect("an answer");
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"=check");
    client.answer()
}

#[test]
fn nobody_fills_the_memory_with_small_bodies_that_never_end() {
    let flags = ["--trusted-proxy", "127.0.0.0/8", "--body-limit", "64KiB", "--body-memory", "128KiB"];
    let server = server(&[&flags[..], &["--body-timeout", "1h"]].concat());
    let mut clients: Vec<_> = (0..20).map(|_| Client::new(&server)).collect();
    for client in &mut clients {
        client.send(&small("1.1.1.1"));
        client.0.set_nonblocking(true).unwrap();
    }
    let answered = |client: &Client| client.0.peek(&mut [0]).is_ok();
    // Of half of 128 KiB; each has more than 20 of it.
    let held = 3;
    until("all but a few are refused", || clients.iter().filter(|client| answered(client)).count() >= 20 - held);
    // What comes whole, and others, do not notice.
    assert!(!server.raw(&by("1.1.1.1", "type=check", 10)).text().contains("BUSY"));
    assert!(!in_two_pieces(&server, "2.2.2.2").body.contains("BUSY"));
    let (refused, held): (Vec<_>, Vec<_>) = clients.into_iter().partition(answered);
    assert!(!held.is_empty());
    for mut client in refused {
        client.0.set_nonblocking(false).unwrap();
        let answer = client.answer();
        assert!(answer.status == 200 && answer.body.contains("\"error\":\"BUSY\""), "{answer:?}");
    }
    for mut client in held {
        client.0.set_nonblocking(false).unwrap();
        client.send(b"=check");
        assert!(!client.answer().body.contains("BUSY"));
    }
    // What was taken is given back.
    for _ in 0..20 {
        assert!(!in_two_pieces(&server, "1.1.1.1").body.contains("BUSY"));
    }
}

#[test]
fn large_bodies_leave_room_for_small_requests_in_pieces() {
    let flags = ["--trusted-proxy", "127.0.0.0/8", "--body-limit", "64KiB", "--body-memory", "128KiB"];
    let server = server(&[&flags[..], &["--body-timeout", "1h"]].concat());
    let body = "y".repeat(LARGE);
    let mut clients = [Client::new(&server), Client::new(&server)];
    for client in &mut clients {
        client.send(&by("1.1.1.1", &body, LARGE - 1));
        client.0.set_nonblocking(true).unwrap();
    }
    // One of them holds what there is, and goes on holding it.
    until("there is no room left", || clients.iter().any(|client| client.0.peek(&mut [0]).is_ok()));
    assert!(!in_two_pieces(&server, "1.1.1.1").body.contains("BUSY"));
}

/// Connections that have made a request and are kept open, twice.
const IDLE: u64 = 400;
/// What each of the second may cost, in bytes: what the first needed to be answered is theirs now.
const MOST: u64 = 5 << 10;

#[cfg(target_os = "linux")]
#[test]
fn a_connection_that_says_nothing_costs_little() {
    let server = server(&["--idle-timeout", "1h"]);
    let open = || {
        let ask = |_| {
            let mut client = Client::new(&server);
            client.send(post("type=check").as_bytes());
            client.answer();
            client
        };
        (0..IDLE).map(ask).collect::<Vec<_>>()
    };
    let first = open();
    // Nothing outside shows when the server has put their buffers away; it does so after a tenth of a second.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let before = server.resident();
    let second = open();
    until("each costs little", || server.resident().saturating_sub(before) / IDLE < MOST);
    assert_eq!((first.len(), second.len()), (400, 400));
}

/// What each may cost that has never said anything, in bytes: hyper's buffers alone are more.
const SILENT: u64 = 6 << 10;

#[cfg(target_os = "linux")]
#[test]
fn a_connection_that_never_speaks_costs_less() {
    let server = server(&["--header-timeout", "1h"]);
    let open = || {
        let clients: Vec<_> = (0..IDLE).map(|_| Client::new(&server)).collect();
        // Who connects later is accepted later, and answered: so all of these are with the server.
        goes_on(&server);
        clients
    };
    let first = open();
    let before = server.resident();
    let second = open();
    let each = server.resident().saturating_sub(before) / IDLE;
    assert!(each < SILENT, "{each} bytes for each connection");
    assert_eq!((first.len(), second.len()), (400, 400));
}
