//! Connections that are not as a client's should be, byte by byte: what each shape is answered, that the server goes on
//! answering everybody else, and that nothing is written. One row for each shape (`shapes.rs`); then clients that are
//! slow, greedy or silent (`slow.rs`, `memory.rs`), and what the log says about them (`log.rs`).

#[path = "../support/mod.rs"]
mod support;

mod log;
mod memory;
mod shapes;
mod slow;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use support::{Fixture, PATIENCE, Server};

/// A call that writes when it is understood: a session. Whatever is refused carries it.
const WRITES: &str = "type=init&name=demo&ownerid=AbCdEfGh12";

/// A head that lacks what says how long the body is.
const POST: &str = "POST /api/1.2/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n";

/// One answer: its status and its body.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: String,
}

struct Client(TcpStream);

impl Client {
    fn new(server: &Server) -> Client {
        let socket = TcpStream::connect(server.address).expect("connects");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Client(socket)
    }

    /// Sends what the server still takes.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    fn half_close(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// All answers up to the end of the connection, which the server brings about.
    fn answers(mut self) -> Vec<Answer> {
        let mut said = Vec::new();
        // A reset is an end too, for a client that sends on after the last answer.
        let _ = self.0.read_to_end(&mut said).map_err(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the server does not end it");
        });
        answers(&String::from_utf8(said).expect("text"))
    }

    /// One answer, without more.
    fn answer(&mut self) -> Answer {
        let mut said = Vec::new();
        loop {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).expect("reads"), 1, "closed after {said:?}");
            said.push(byte[0]);
            let text = String::from_utf8_lossy(&said);
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() == length(head)
            {
                return answers(&text).pop().expect("one");
            }
        }
    }
}

fn length(head: &str) -> usize {
    head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().expect("a number"))
}

fn answers(mut text: &str) -> Vec<Answer> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let (head, rest) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("half a head: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (body, rest) = rest.split_at(length(head));
        // "Go on" is no answer.
        if status != 100 {
            found.push(Answer { status, body: body.to_owned() });
        }
        text = rest;
    }
    found
}

fn post(body: &str) -> String {
    format!("{POST}content-length: {}\r\n\r\n{body}", body.len())
}

fn server(flags: &[&str]) -> Server {
    let db = Fixture::new();
    db.serve(&[&["--rate-limit", "off"], flags].concat())
}

fn sessions(server: &Server) -> i64 {
    server.db.count("SELECT count(*) FROM sessions")
}

/// The next client is answered as ever.
#[track_caller]
fn goes_on(server: &Server) {
    let reply = server.raw(post("type=check").as_bytes());
    assert_eq!(reply.status, 200, "{reply:?}");
}
