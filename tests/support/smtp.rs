//! A mail server that keeps what it gets: the protocol is the crate `mailin`'s, sockets and TLS are ours. Delivers
//! nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use mailin::{Action, AuthMechanism, Handler, Response, Session, SessionBuilder, response};

use super::tls::Certificate;

/// How a mail server is spoken to.
#[derive(Clone)]
pub enum Spoken {
    /// In the clear.
    Plain,
    /// In the clear until the client asks for TLS.
    StartTls(Certificate),
    /// In TLS from the first byte.
    Tls(Certificate),
}

/// How a mail server behaves.
#[derive(Clone, Default)]
pub struct Manners {
    /// Whom it lets in; none: everybody.
    pub login: Option<(String, String)>,
    /// What it says to a wrong login, in place of its usual words.
    pub refused_login: Option<String>,
    /// What it says to a recipient: code and text.
    pub recipient: Option<(u16, String)>,
}

/// A mail as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Arrived {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and body.
    pub data: String,
}

impl Arrived {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.data.split("\r\n\r\n").next().unwrap_or_default();
        head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A running mail server. It runs as long as the test.
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    down: Arc<AtomicBool>,
}

impl MailServer {
    /// Starts one.
    pub fn start(spoken: Spoken, manners: Manners) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = MailServer { address, arrived: Arc::default(), down: Arc::default() };
        let (arrived, down) = (Arc::clone(&server.arrived), Arc::clone(&server.down));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if down.load(Ordering::SeqCst) {
                    continue;
                }
                let (spoken, manners, arrived) = (spoken.clone(), manners.clone(), Arc::clone(&arrived));
                // A client that goes away in the middle is the client's business.
                thread::spawn(move || serve(stream, &spoken, manners, arrived));
            }
        });
        server
    }

    /// From now on it hangs up on everybody, or does so no more.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// What has arrived until now.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, spoken: &Spoken, manners: Manners, arrived: Arc<Mutex<Vec<Arrived>>>) -> io::Result<()> {
    let mut builder = SessionBuilder::new("mail.test");
    if manners.login.is_some() {
        builder.enable_auth(AuthMechanism::Plain);
    }
    match spoken {
        Spoken::StartTls(_) => builder.enable_start_tls(),
        // The protocol's crate knows of no TLS outside of it.
        Spoken::Plain | Spoken::Tls(_) => builder.insecure_enable_plaintext_auth(),
    };
    let inbox = Inbox { manners, now: Arrived::default(), arrived };
    let mut session = builder.build(IpAddr::from([127, 0, 0, 1]), inbox);
    if let Spoken::Tls(certificate) = spoken {
        let mut stream = BufReader::new(certificate.accept(stream));
        greet(&session, stream.get_mut())?;
        return talk(&mut session, &mut stream).map(drop);
    }
    let mut stream = BufReader::new(stream);
    greet(&session, stream.get_mut())?;
    if talk(&mut session, &mut stream)?
        && let Spoken::StartTls(certificate) = spoken
    {
        session.tls_active();
        talk(&mut session, &mut BufReader::new(certificate.accept(stream.into_inner())))?;
    }
    Ok(())
}

fn greet(session: &Session<Inbox>, out: &mut impl Write) -> io::Result<()> {
    session.greeting().write_to(out)
}

/// Answers line by line until the end; whether the client asked for TLS.
fn talk<S: Read + Write>(session: &mut Session<Inbox>, stream: &mut BufReader<S>) -> io::Result<bool> {
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(false);
        }
        let reply = session.process(&line);
        // One write for one reply, also if it has several lines.
        stream.get_mut().write_all(&reply.buffer()?)?;
        stream.get_mut().flush()?;
        match reply.action {
            Action::Close => return Ok(false),
            Action::UpgradeTls => return Ok(true),
            Action::NoReply | Action::Reply => {}
        }
    }
}

struct Inbox {
    manners: Manners,
    now: Arrived,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Handler for Inbox {
    fn rcpt(&mut self, _: &str) -> Response {
        match &self.manners.recipient {
            Some((code, text)) => Response::custom(*code, text.clone()),
            None => response::OK,
        }
    }

    fn data_start(&mut self, _: &str, from: &str, _: bool, to: &[String]) -> Response {
        self.now = Arrived { from: from.to_owned(), to: to.to_vec(), data: String::new() };
        response::OK
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.now.data.push_str(&String::from_utf8_lossy(bytes));
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.arrived.lock().unwrap().push(std::mem::take(&mut self.now));
        response::OK
    }

    fn auth_plain(&mut self, _: &str, user: &str, password: &str) -> Response {
        match (&self.manners.login, &self.manners.refused_login) {
            (Some((name, word)), _) if name == user && word == password => response::AUTH_OK,
            (_, Some(text)) => Response::custom(535, text.clone()),
            _ => response::INVALID_CREDENTIALS,
        }
    }
}
