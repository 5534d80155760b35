//! `keystead health`: asks the running server whether it is well, for supervisors and containers that have no other
//! program for it. Finds the server by what it wrote down beside its database. Opens no database.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use url::Url;

use crate::config::Flags;
use crate::store::lock;

use super::{Code, Exit, Global, print_json, say};

/// The options of `health`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keystead health --database /var/lib/keystead/keystead.db
  keystead health --json
  keystead health --url http://127.0.0.1:9090/readyz

Ends with 0 if the server is well, with 6 if not. A server with --metrics-listen says whether it can read and write its \
database; of one without, only whether it answers is known.")]
pub(super) struct Arguments {
    /// What to ask, in place of the server that uses the database: an address that answers 200 when all is well
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// How long to wait for the whole answer: longer than the server itself waits for its database.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is looked at.
const LIMIT: u64 = 64 << 10;

/// Whom to ask, and what.
struct Question {
    url: Url,
    /// Whether the answer tells about the database.
    probes: bool,
}

/// Runs `health`.
pub(super) fn run(global: &Global, arguments: &Arguments) -> Result<(), Exit> {
    let question = match &arguments.url {
        Some(url) => Question { url: given(url)?, probes: true },
        None => find(global)?,
    };
    let said = match ask(&question.url) {
        Ok((200, body)) => {
            let database = if question.probes { "" } else { "; --metrics-listen lets it tell about its database, too" };
            let document = json!({ "healthy": true, "url": question.url.as_str(), "server": document(&body) });
            return say(global, &document, &format!("{} is well{database}", question.url));
        }
        Ok((status, body)) => json!({ "status": status, "server": document(&body) }),
        Err(error) => json!({ "error": broken_off(&error, PATIENCE) }),
    };
    let why = reason(&said);
    if global.json {
        let mut document = json!({ "healthy": false, "url": question.url.as_str(), "reason": why });
        if let Some(server) = said.get("server") {
            document["server"] = server.clone();
        }
        print_json(&document)?;
    }
    Err(unhealthy(format!("{} is not well: {why}", question.url)))
}

/// The server that uses this database.
fn find(global: &Global) -> Result<Question, Exit> {
    let database = global.load(Flags::default())?.database;
    let Some(holder) = lock::holder(&database) else {
        let text = format!("no server uses {}, or it is just starting", database.display());
        if global.json {
            print_json(&json!({ "healthy": false, "reason": text }))?;
        }
        return Err(unhealthy(text));
    };
    let (address, path) = match &holder.probes {
        Some(address) => (address, "/readyz"),
        None => (&holder.listen, "/"),
    };
    let broken = || Exit::failure(format!("{address}, which the server wrote down as its address, is none"));
    let address = reachable(address.parse().map_err(|_| broken())?);
    let url = Url::parse(&format!("http://{address}{path}")).map_err(|_| broken())?;
    Ok(Question { url, probes: holder.probes.is_some() })
}

fn given(url: &str) -> Result<Url, Exit> {
    Url::parse(url)
        .ok()
        .filter(|url| url.scheme() == "http" && url.has_host())
        .ok_or_else(|| Exit::usage("--url takes an address like http://127.0.0.1:9090/readyz, without TLS"))
}

/// Asks once; the status and the body.
fn ask(url: &Url) -> io::Result<(u16, String)> {
    let broken = |text: &str| io::Error::other(text.to_owned());
    let end = Instant::now() + PATIENCE;
    let left = || end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = (bare, port).to_socket_addrs()?.next().ok_or_else(|| broken("the name has no address"))?;
    let mut socket = TcpStream::connect_timeout(&address, left())?;
    socket.set_write_timeout(Some(left()))?;
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    write!(socket, "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n")?;
    let (mut answer, mut space) = (Vec::new(), [0; 4096]);
    loop {
        socket.set_read_timeout(Some(left()))?;
        match socket.read(&mut space)? {
            0 => break,
            some if answer.len() as u64 + some as u64 <= LIMIT => answer.extend_from_slice(&space[..some]),
            _ => return Err(broken("the answer is too long")),
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| broken("that is no HTTP answer"))?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Ok((status.ok_or_else(|| broken("that is no HTTP answer"))?, body.to_owned()))
}

/// What it said, as it said it if that is JSON.
fn document(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| Value::from(body.trim_end()))
}

/// Why it is not well, in a sentence.
fn reason(said: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let server = &said["server"];
    let database = text(&server["database"]).map(|database| format!("the database is {database}"));
    let phase = || text(&server["server"]).map(|phase| format!("the server is {phase}"));
    let advice = || text(&server["error"]).map(|advice| format!(": {advice}")).unwrap_or_default();
    let status = || said["status"].as_u64().map(|status| format!("it answered with status {status}{}", advice()));
    let error = || text(&said["error"]).unwrap_or_default();
    database.or_else(phase).or_else(status).unwrap_or_else(error)
}

/// Why there was no answer; waiting in vain has no words of its own that people know.
pub(super) fn broken_off(error: &io::Error, patience: Duration) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!(
                "it did not answer within {} s: it has more to do than it can, or hangs; see its log",
                patience.as_secs()
            )
        }
        _ => error.to_string(),
    }
}

fn unhealthy(text: String) -> Exit {
    Exit::new(Code::Unhealthy, text)
}

/// An address that a program on this machine can connect to.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn waiting_in_vain_has_words() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(silent.local_addr().unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let error = socket.read(&mut [0]).unwrap_err();
        let said = broken_off(&error, PATIENCE);
        assert!(said.starts_with("it did not answer within 5 s") && !said.contains("os error"), "{said}");
        assert_eq!(broken_off(&io::Error::other("that is no HTTP answer"), PATIENCE), "that is no HTTP answer");
    }
}
