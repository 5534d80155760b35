//! A web server on loopback that counts who asks: one request per connection, answered with the bytes the test wants.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::tls::Certificate;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request line and the headers, without the blank line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// Method and path.
    pub fn line(&self) -> &str {
        self.head.split(" HTTP/1.1\r\n").next().unwrap_or_default()
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What a web server does with a request.
pub enum Answered {
    /// Sends these bytes and closes.
    With(Vec<u8>),
    /// Sends these bytes and says no more, for as long as the client listens.
    ThenSilence(Vec<u8>),
}

/// A whole answer.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answered {
    let mut head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    Answered::With([head.as_bytes(), b"\r\n", body].concat())
}

/// A running web server. It runs as long as the test.
pub struct Web {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// Starts one.
    pub fn start(answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static) -> Web {
        Web::start_with(None, answer)
    }

    /// Starts one, with TLS if there is a certificate.
    pub fn start_with(
        certificate: Option<Certificate>,
        answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static,
    ) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let web = Web { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let (asked, answer) = (Arc::clone(&web.asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (certificate, asked, answer) = (certificate.clone(), Arc::clone(&asked), Arc::clone(&answer));
                thread::spawn(move || match certificate {
                    Some(certificate) => serve(certificate.accept(stream), &asked, &*answer),
                    None => serve(stream, &asked, &*answer),
                });
            }
        });
        web
    }

    /// The URL of a path on it, by address.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has been asked until now.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: impl Read + Write,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Answered,
) -> io::Result<()> {
    let asked = read(&mut stream)?;
    log.lock().unwrap().push(asked.clone());
    match answer(&asked) {
        Answered::With(bytes) => {
            stream.write_all(&bytes)?;
            stream.flush()
        }
        Answered::ThenSilence(bytes) => {
            stream.write_all(&bytes)?;
            stream.flush()?;
            stream.read_to_end(&mut Vec::new()).map(drop)
        }
    }
}

fn read(stream: &mut impl Read) -> io::Result<Asked> {
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
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
    let mut asked = Asked { head: String::from_utf8_lossy(&bytes[..end]).into_owned(), body: Vec::new() };
    let length: usize = asked.header("content-length").map_or(0, |text| text.parse().expect("a length"));
    while bytes.len() < end + 4 + length {
        more(&mut bytes)?;
    }
    asked.body = bytes.split_off(end + 4);
    Ok(asked)
}

/// A socket that takes connections and says nothing.
pub fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// An address that nobody listens on.
pub fn nobody() -> SocketAddr {
    silent().1
}

/// Whether anybody has connected to a silent socket.
pub fn was_asked(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).expect("a socket");
    listener.accept().map(|(stream, _): (TcpStream, _)| drop(stream)).is_ok()
}
