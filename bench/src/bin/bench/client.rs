//! A client of this machine's own server: slow and simple on purpose. Must not measure anything but the time of one call,
//! and talks to this machine only. Of the formats it knows the one that all figures are made with.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

/// What stops a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// No answer takes longer than this unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a form says that it is.
pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A connection that is kept between calls, and made again when the server has closed it.
pub struct Client {
    from: Ipv4Addr,
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// What the server said.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, a line each.
    head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header by its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body's JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Client {
    /// From 127.0.0.1. Refuses any address but this machine's own.
    pub fn to(address: SocketAddr) -> Result<Client> {
        Client::between(Ipv4Addr::LOCALHOST, address)
    }

    /// From another address of this machine.
    pub fn between(from: Ipv4Addr, address: SocketAddr) -> Result<Client> {
        if from.is_loopback() && address.ip() == Ipv4Addr::LOCALHOST {
            Ok(Client { from, address, stream: None })
        } else {
            Err("only from 127.0.0.0/8 to 127.0.0.1".into())
        }
    }

    /// Sends a request; the answer, whatever it says.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        self.exchange(request.as_bytes())
    }

    /// Sends these bytes; the answer.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        stream.get_mut().write_all(request)?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Err("the connection ended before the answer".into());
            }
        }
        let status = head.split(' ').nth(1).ok_or("an answer without a status")?.parse()?;
        let mut answer = Answer { status, head, body: Vec::new() };
        answer.body.resize(answer.header("content-length").ok_or("an answer without a length")?.parse()?, 0);
        stream.read_exact(&mut answer.body)?;
        if answer.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    /// Ends the connection; the next call makes another.
    pub fn hang_up(&mut self) {
        self.stream = None;
    }

    /// Posts a form of KeyAuth's 1.2; the answer must be a success. Refusals are HTTP 200 too: a server that refuses
    /// everything looks fast.
    pub fn success(&mut self, form: &str) -> Result<Value> {
        let body = self.send("POST", "/api/1.2/", &[FORM], form)?.json();
        if body["success"] == true { Ok(body) } else { Err(format!("{form}\n  was answered {body}").into()) }
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::from((self.from, 0)).into())?;
        socket.connect_timeout(&self.address.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}
