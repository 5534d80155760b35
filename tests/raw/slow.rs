//! Clients that are slow, or gone in the middle of something.

use std::io::Read;

use super::{Client, POST, WRITES, goes_on, post, server, sessions};

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = server(&[]);
    let mut client = Client::new(&server);
    client.0.set_nodelay(true).unwrap();
    for length in [
        format!("content-length: {}\r\n\r\n{WRITES}", WRITES.len()),
        format!("transfer-encoding: chunked\r\n\r\n26\r\n{WRITES}\r\n0\r\n\r\n"),
    ] {
        for byte in format!("{POST}{length}").bytes() {
            client.send(&[byte]);
        }
        assert!(client.answer().body.contains("Initialized"));
    }
    assert_eq!(sessions(&server), 2);
}

#[test]
fn two_lengths_are_found_byte_by_byte() {
    let server = server(&[]);
    let mut client = Client::new(&server);
    client.0.set_nodelay(true).unwrap();
    for byte in format!("{POST}content-length: 38\r\nTransfer-Encoding: chunked\r\n\r\n").bytes() {
        client.send(&[byte]);
    }
    client.send(format!("26\r\n{WRITES}\r\n0\r\n\r\n").as_bytes());
    assert_eq!(client.answers().iter().map(|answer| answer.status).collect::<Vec<_>>(), [400]);
    assert_eq!(sessions(&server), 0);
}

#[test]
fn a_body_beyond_its_time_writes_nothing() {
    let server = server(&["--body-timeout", "200ms"]);
    for length in ["content-length: 38\r\n\r\ntype=init&na", "transfer-encoding: chunked\r\n\r\n26\r\ntype=init&na"] {
        let mut client = Client::new(&server);
        client.send(format!("{POST}{length}").as_bytes());
        assert_eq!(client.answer().status, 408);
        client.half_close();
        assert_eq!(client.answers(), []);
    }
    assert_eq!(sessions(&server), 0);
    goes_on(&server);
}

/// Closing with an answer unread makes the system send a reset instead of an end.
fn reset(mut client: Client) {
    client.0.peek(&mut [0]).expect("an answer that nobody reads");
    client.send(b"");
    drop(client);
}

#[test]
fn a_reset_in_the_middle_harms_nobody() {
    let server = server(&[]);
    let whole = post(WRITES);
    for cut in [1, 30, whole.len() - WRITES.len(), whole.len() - 5] {
        let mut client = Client::new(&server);
        client.send(post("type=check").as_bytes());
        client.send(&whole.as_bytes()[..cut]);
        reset(client);
        goes_on(&server);
    }
    assert_eq!(sessions(&server), 0);
}

#[test]
fn a_client_that_rests_is_answered_when_it_goes_on() {
    let server = server(&[]);
    let mut client = Client::new(&server);
    client.send(post("type=check").as_bytes());
    assert_eq!(client.answer().status, 200);
    // Longer than buffers are kept for it: what comes then is answered all the same, whole or in pieces.
    for pieces in [1, 3] {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let request = post(WRITES);
        for piece in request.as_bytes().chunks(request.len().div_ceil(pieces)) {
            client.send(piece);
        }
        assert!(client.answer().body.contains("Initialized"));
    }
    // And half a head behind a whole request, of which nothing is lost.
    let request = post(WRITES);
    client.send(format!("{}{}", post("type=check"), &request[..50]).as_bytes());
    assert_eq!(client.answer().status, 200);
    std::thread::sleep(std::time::Duration::from_millis(300));
    client.send(&request.as_bytes()[50..]);
    assert!(client.answer().body.contains("Initialized"));
    assert_eq!(sessions(&server), 3);
    client.half_close();
    assert_eq!(client.0.read(&mut [0]).expect("the end"), 0);
}
