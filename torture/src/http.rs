//! A plain HTTP client on one connection. Knows no format.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::room::PATIENCE;

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Everything before its body.
    pub head: String,
    /// Its body, if that is JSON.
    pub json: Value,
}

/// One connection, opened again when it has ended.
pub struct Client {
    address: String,
    /// The customer's address, as a proxy tells it.
    pub from: String,
    stream: Option<TcpStream>,
}

impl Client {
    /// Connects with the first call.
    pub fn new(address: &str, from: &str) -> Client {
        Client { address: address.to_owned(), from: from.to_owned(), stream: None }
    }

    /// One request and its answer. An error: it cannot be said whether it was done.
    pub fn call(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Reply> {
        self.send(method, target, headers, body)?;
        self.receive()
    }

    /// Only the first half of it.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> io::Result<()> {
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {}\r\ncontent-length: {}\r\n",
            self.from,
            body.len()
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().expect("connected");
        stream.write_all(format!("{head}\r\n{body}").as_bytes())
    }

    /// The second half. Half an answer is none.
    pub fn receive(&mut self) -> io::Result<Reply> {
        let received = receive(self.stream.as_mut().expect("connected"));
        if !received.as_ref().is_ok_and(|reply| !reply.head.to_ascii_lowercase().contains("\r\nconnection: close")) {
            self.stream = None;
        }
        received
    }
}

fn receive(stream: &mut TcpStream) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    let mut space = [0; 8192];
    let mut more = |bytes: &mut Vec<u8>| match stream.read(&mut space)? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        count => {
            bytes.extend_from_slice(&space[..count]);
            Ok(())
        }
    };
    let end = loop {
        match bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end,
            None => more(&mut bytes)?,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
    while bytes.len() < end + 4 + length {
        more(&mut bytes)?;
    }
    let json = serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default();
    Ok(Reply { status, head, json })
}

/// A header by its name in lower case.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
