//! One address does not take all connections.

use std::io::Read;
use std::net::TcpStream;

use crate::support::{Fixture, PATIENCE, Server, until};

/// Whether a connection is answered at all; what is said if it is turned away.
fn turned_away(server: &Server) -> Option<String> {
    let mut socket = TcpStream::connect(server.address).expect("connects");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut socket, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.starts_with("HTTP/1.1 503 ").then_some(answer)
}

#[test]
fn an_address_with_too_many_is_told_so_until_one_ends() {
    let server = Fixture::new().serve(&["--connections-per-address", "3"]);
    let mut idle: Vec<_> = (0..3).map(|_| TcpStream::connect(server.address).expect("connects")).collect();
    let answer = turned_away(&server).expect("turned away");
    assert!(answer.contains("too many connections from your address") && answer.contains("retry-after: 1"), "{answer}");
    idle.pop();
    until("one has ended", || turned_away(&server).is_none());
}

#[test]
fn a_trusted_proxy_has_as_many_as_it_wants() {
    for flags in [["--trusted-proxy", "127.0.0.1"], ["--rate-limit", "off"]] {
        let server = Fixture::new().serve(&[&flags[..], &["--connections-per-address", "3"]].concat());
        let _idle: Vec<_> = (0..9).map(|_| TcpStream::connect(server.address).expect("connects")).collect();
        assert_eq!(turned_away(&server), None, "{flags:?}");
    }
}
