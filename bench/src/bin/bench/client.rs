//! A client over the public protocol: slow and simple on purpose. Must not measure anything but the time of one call,
//! and talks to this machine only.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// What stops a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// No answer takes longer than this unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept between calls, and made again when the server has closed it.
pub struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Refuses any address but this machine's own.
    pub fn to(address: SocketAddr) -> Result<Client> {
        if address.ip() == Ipv4Addr::LOCALHOST {
            Ok(Client { address, stream: None })
        } else {
            Err("only 127.0.0.1".into())
        }
    }

    /// Posts a form; the answer's JSON, whatever it says.
    pub fn ask(&mut self, form: &str) -> Result<Value> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let sent = format!(
            "POST /api/1.2/ HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{form}",
            self.address,
            form.len()
        );
        stream.get_mut().write_all(sent.as_bytes())?;
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err("the connection ended before the answer".into());
            }
            let head = line.trim_end();
            if head.is_empty() {
                break;
            }
            if let Some((name, value)) = head.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        self.stream = Some(stream);
        Ok(serde_json::from_slice(&body)?)
    }

    /// Posts a form; the answer must be a success. Refusals are HTTP 200 too: a server that refuses everything looks
    /// fast.
    pub fn success(&mut self, form: &str) -> Result<Value> {
        let body = self.ask(form)?;
        if body["success"] == true { Ok(body) } else { Err(format!("{form}\n  was answered {body}").into()) }
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}
