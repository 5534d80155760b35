//! One address does not take all connections, and those that rest keep nobody out.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Fixture, PATIENCE, Server, until};

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.address).expect("connects");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// All that is answered up to the end.
fn answer(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = socket.write_all(ASK).and_then(|()| socket.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// What is said to a new connection if it is turned away.
fn turned_away(server: &Server) -> Option<String> {
    Some(answer(connect(server))).filter(|answer| !answer.starts_with("HTTP/1.1 200 "))
}

/// A connection of which the server waits for a body.
fn busy(server: &Server) -> TcpStream {
    const HEAD: &[u8] = b"POST /api/1.2/ HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n";
    let mut socket = connect(server);
    socket.write_all(HEAD).unwrap();
    let mut said = [0; 25];
    socket.read_exact(&mut said).expect("it waits for the body");
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket
}

#[test]
fn an_address_with_too_many_is_told_so_until_one_ends() {
    let server = Fixture::new().serve(&["--connections-per-address", "3"]);
    let mut busy: Vec<_> = (0..3).map(|_| busy(&server)).collect();
    let answer = turned_away(&server).expect("turned away");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
    assert!(answer.contains("too many connections from your address"), "{answer}");
    busy.pop();
    until("one has ended", || turned_away(&server).is_none());
}

/// For one address, and for all.
const LIMITS: [&str; 2] = ["--connections-per-address", "--max-connections"];

#[test]
fn a_connection_that_rests_makes_room() {
    for limit in LIMITS {
        let server = Fixture::new().serve(&[limit, "4", "--header-timeout", "1h"]);
        let mut busy = busy(&server);
        let mut resting: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        until("one makes room", || turned_away(&server).is_none());
        // One is enough, however many come one after the other; and none that is asked something is cut off.
        for _ in 0..20 {
            until("there is room", || turned_away(&server).is_none());
        }
        let is_open = |socket: &mut TcpStream| {
            socket.set_nonblocking(true).unwrap();
            let open = socket.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
            socket.set_nonblocking(false).unwrap();
            open
        };
        resting.retain_mut(is_open);
        assert!(!resting.is_empty(), "{limit}: new ones make room for each other");
        busy.write_all(b"type=check").unwrap();
        let mut status = [0; 12];
        busy.read_exact(&mut status).expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 200");
        for socket in resting {
            assert!(answer(socket).starts_with("HTTP/1.1 200 "), "{limit}");
        }
    }
}

#[test]
fn who_opens_more_and_more_keeps_nobody_out() {
    for limit in LIMITS {
        let server = Fixture::new().serve(&[limit, "4", "--header-timeout", "1h"]);
        // Those of whom there is no room when they come are told so, or cut off.
        let _idle: Vec<_> = (0..40).map(|_| connect(&server)).collect();
        until("a neighbour is answered", || turned_away(&server).is_none());
    }
}

#[test]
fn a_trusted_proxy_has_as_many_as_it_wants() {
    for flags in [["--trusted-proxy", "127.0.0.1"], ["--rate-limit", "off"]] {
        let server = Fixture::new().serve(&[&flags[..], &["--connections-per-address", "3"]].concat());
        let _busy: Vec<_> = (0..9).map(|_| busy(&server)).collect();
        assert_eq!(turned_away(&server), None, "{flags:?}");
    }
}
