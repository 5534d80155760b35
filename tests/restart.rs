//! A restart without a gap: a supervisor keeps the listening socket and hands it to one server after another, while
//! clients go on. Nobody is refused, no answer is lost, and what was acknowledged stands. Black box against the real
//! binary.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use support::{Fixture, OWNERID, PATIENCE, program, until};

/// Clients at one time, half of which keep their connections, and keys that each redeems; then it only asks.
const CLIENTS: usize = 8;
const KEYS: usize = 100;

/// How often the server is changed under them.
const RESTARTS: usize = 3;

/// A server on a socket that it was handed.
struct Started {
    child: Child,
    lines: Receiver<String>,
}

/// Starts a server as a supervisor does: with the socket as its first file after the usual three. The shell in between
/// moves it there, and says whose it is.
fn start(db: &Fixture, socket: &TcpListener, flags: &[&str]) -> Started {
    let server = program(db.folder());
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#, "sh"]);
    command.arg(server.get_program()).arg("serve").arg("--database").arg(db.path()).args(flags);
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let handed = OwnedFd::from(socket.try_clone().expect("another handle"));
    command.stdin(Stdio::from(handed)).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let (tell, lines) = channel();
    let stderr = BufReader::new(child.stderr.take().expect("stderr"));
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    Started { child, lines }
}

impl Started {
    /// Comes back with the first line that says this.
    fn says(&self, what: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("never said {what:?}: {e}"));
            if line.contains(what) {
                return line;
            }
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("a running server");
    }

    fn ends_well(&mut self) {
        let status = self.child.wait().expect("ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that keeps its connection, or takes a new one for each call.
struct Client {
    at: SocketAddr,
    keeps: bool,
    socket: Option<BufReader<TcpStream>>,
}

impl Client {
    fn new(at: SocketAddr, keeps: bool) -> Client {
        Client { at, keeps, socket: None }
    }

    /// One call. A connection that was kept may have been closed meanwhile: then, like any HTTP client, it takes
    /// another. Every other failure fails the test.
    fn call(&mut self, pairs: &[(&str, &str)]) -> serde_json::Value {
        let all = [&[("name", "demo"), ("ownerid", OWNERID)], pairs].concat();
        let body = serde_urlencoded::to_string(all).expect("a form");
        let head = "POST /api/1.2/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded";
        let connection = if self.keeps { "keep-alive" } else { "close" };
        let length = body.len();
        let request = format!("{head}\r\ncontent-length: {length}\r\nconnection: {connection}\r\n\r\n{body}");
        if let Some(mut kept) = self.socket.take()
            && let Ok(answer) = exchange(&mut kept, &request)
        {
            self.socket = Some(kept);
            return answer;
        }
        let socket = TcpStream::connect(self.at).expect("is not refused");
        socket.set_read_timeout(Some(PATIENCE)).expect("socket");
        let mut socket = BufReader::new(socket);
        let answer = exchange(&mut socket, &request).expect("is answered");
        self.socket = self.keeps.then_some(socket);
        answer
    }
}

/// `Err`: the connection ended before the first byte of an answer. An answer that ends in the middle fails the test.
fn exchange(socket: &mut BufReader<TcpStream>, request: &str) -> std::io::Result<serde_json::Value> {
    socket.get_mut().write_all(request.as_bytes())?;
    let mut status = String::new();
    if socket.read_line(&mut status)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    assert_eq!(status, "HTTP/1.1 200 OK\r\n");
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        assert!(socket.read_line(&mut line).expect("the whole head") > 0);
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).expect("the whole body");
    Ok(serde_json::from_slice(&body).expect("JSON"))
}

fn key(client: usize, n: usize) -> String {
    format!("KEY-{client}-{n}")
}

#[test]
fn clients_do_not_notice_that_servers_change() {
    let db = Fixture::new();
    for client in 0..CLIENTS {
        for n in 0..KEYS {
            db.license(&key(client, n));
        }
    }
    let socket = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = socket.local_addr().expect("an address");
    let flags = ["--rate-limit", "off", "--listen", "127.0.0.1:1"];
    let mut server = start(&db, &socket, &flags);
    assert_eq!(server.says("listening on "), format!("listening on http://{address}"), "not --listen's");

    let (enough, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (acknowledged, opened): (Vec<usize>, Vec<i64>) = thread::scope(|scope| {
        let work = |n| {
            let (enough, answered) = (&enough, &answered);
            move || {
                let mut client = Client::new(address, n % 2 == 0);
                let (mut redeemed, mut opened) = (0, 0);
                while !enough.load(Ordering::Relaxed) {
                    let session = client.call(&[("type", "init"), ("ver", "1.0")]);
                    let session = session["sessionid"].as_str().expect("a session").to_owned();
                    opened += 1;
                    if redeemed < KEYS {
                        let key = key(n, redeemed);
                        let said = client.call(&[("type", "license"), ("sessionid", &session), ("key", &key)]);
                        assert_eq!(said["success"], true, "{said}");
                        redeemed += 1;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                (redeemed, opened)
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(work(n))).collect();
        let at_work = || {
            let before = answered.load(Ordering::Relaxed);
            // A client that has ended has failed; the end of the test says how.
            let done = || clients.iter().any(|client| client.is_finished());
            until("clients are at work", || answered.load(Ordering::Relaxed) >= before + 4 * CLIENTS || done());
        };
        for _ in 0..RESTARTS {
            at_work();
            // The next one waits for the database while the one before is still answering.
            let next = start(&db, &socket, &flags);
            next.says("waiting for process ");
            at_work();
            at_work();
            server.signal(rustix::process::Signal::TERM);
            server.ends_well();
            next.says("listening on ");
            server = next;
        }
        at_work();
        enough.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no client failed")).unzip()
    });
    assert!(acknowledged.iter().sum::<usize>() >= CLIENTS * RESTARTS, "{acknowledged:?}");
    server.signal(rustix::process::Signal::TERM);
    server.ends_well();
    // A client that finds its connection closed asks again, and hides by that what was done and never answered.
    let sessions = rusqlite::Connection::open(db.path()).expect("opens");
    let sessions: i64 = sessions.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).expect("counts");
    assert_eq!(sessions, opened.iter().sum::<i64>(), "each session was made for an answer that arrived");
    for (client, count) in acknowledged.into_iter().enumerate() {
        for n in 0..count {
            assert!(db.license_now(&key(client, n)).used_by.is_some(), "client {client} was told that {n} is redeemed");
        }
    }
}

#[test]
fn who_has_just_connected_is_answered_by_a_server_that_stops() {
    // The server waits only so long; a machine that stands still just then may have another try.
    assert!((0..2).any(|_| is_answered_by_a_server_that_stops()));
}

/// Whether a client is that asks once the server has been told to stop, on a connection of before.
fn is_answered_by_a_server_that_stops() -> bool {
    let db = Fixture::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = socket.local_addr().expect("an address");
    let mut server = start(&db, &socket, &[]);
    let silent = TcpStream::connect(address).expect("is not refused");
    silent.set_read_timeout(Some(PATIENCE)).expect("socket");
    // Connections are taken in turn: once this one is answered, the one before is the server's.
    assert_eq!(Client::new(address, false).call(&[("type", "init"), ("ver", "1.0")])["success"], true);
    server.signal(rustix::process::Signal::TERM);
    server.says("stopping");
    let asked = format!("GET /api/1.2/?type=init&name=demo&ownerid={OWNERID}&ver=1.0 HTTP/1.1\r\nhost: x\r\n\r\n");
    let answer = exchange(&mut BufReader::new(silent), &asked);
    server.ends_well();
    answer.is_ok_and(|answer| answer["success"] == true)
}

#[test]
fn who_connects_while_no_server_runs_waits() {
    let db = Fixture::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = socket.local_addr().expect("an address");
    let early = thread::spawn(move || Client::new(address, false).call(&[("type", "init"), ("ver", "1.0")]));
    let server = start(&db, &socket, &[]);
    server.says("handed over");
    assert_eq!(early.join().expect("is answered")["success"], true);
}

#[test]
fn a_server_waits_for_the_one_before_only_so_long() {
    let db = Fixture::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("binds");
    let first = start(&db, &socket, &[]);
    first.says("listening on ");
    let mut second = start(&db, &socket, &["--lock-wait", "50ms"]);
    second.says("another server uses");
    assert_eq!(second.child.wait().expect("ends").code(), Some(5));
}

#[test]
fn what_is_no_socket_is_refused() {
    let db = Fixture::new();
    for (count, saying) in [("1", "fd 3 is not a"), ("2", "2 sockets were handed over")] {
        let mut command = Command::new("sh");
        let script = r#"exec 3</dev/null 4</dev/null; exec "$@""#;
        command.args(["-c", script, "sh"]).arg(program(db.folder()).get_program()).arg("serve");
        let output = command.current_dir(db.folder()).env("LISTEN_FDS", count).output().expect("runs");
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(saying), "{said}");
    }
}

#[test]
fn a_service_manager_is_told() {
    let db = Fixture::new();
    let path = db.folder().join("notify");
    let manager = UnixDatagram::bind(&path).expect("binds");
    manager.set_read_timeout(Some(PATIENCE)).expect("socket");
    let told = || {
        let mut space = [0; 256];
        let length = manager.recv(&mut space).expect("is told");
        String::from_utf8_lossy(&space[..length]).into_owned()
    };
    let mut command = program(db.folder());
    command.args(["serve", "--listen", "127.0.0.1:0", "--database"]).arg(db.path()).env("NOTIFY_SOCKET", &path);
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let mut server = Started { child, lines: channel().1 };
    assert_eq!(told(), "READY=1");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(told(), "STOPPING=1");
    server.ends_well();
    manager.set_read_timeout(Some(Duration::from_millis(1))).expect("socket");
    assert!(manager.recv(&mut [0; 8]).is_err(), "nothing more");
}
