//! The server's edge from outside: raw bytes in, raw bytes out, against the real program. What the answers say is
//! tested elsewhere; any family's answer will do here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything here takes, so that a hanging server fails its test.
const PATIENCE: Duration = Duration::from_secs(20);

const POST: &str = "POST /api/1.2/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n";

struct Server {
    child: Child,
    address: SocketAddr,
    /// What it writes to stderr.
    lines: Receiver<String>,
    dir: tempfile::TempDir,
}

fn keystead(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
    command.arg("--database").arg(dir.join("k.db")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_clear();
    command
}

fn start(flags: &[&str]) -> Server {
    let dir = tempfile::tempdir().expect("folder");
    let mut child =
        keystead(dir.path()).args(["serve", "--listen", "127.0.0.1:0"]).args(flags).spawn().expect("starts");
    let (sender, lines) = channel();
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut seen = Vec::new();
    let address = loop {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not listen: {seen:?}"));
        if let Some(address) = line.strip_prefix("listening on http://") {
            break address.parse().expect("an address");
        }
        seen.push(line);
    };
    Server { child, address, lines, dir }
}

impl Server {
    fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.address).expect("connects");
        socket.set_read_timeout(Some(PATIENCE)).expect("socket");
        Client(BufReader::new(socket))
    }

    /// One answer to these bytes on a connection of their own.
    fn ask(&self, request: &str) -> Reply {
        let mut client = self.connect();
        client.send(request);
        client.reply()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    fn line(&self, with: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a line");
            if line.contains(with) {
                return line;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(BufReader<TcpStream>);

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("writes");
    }

    fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).expect("reads"), 0, "closed within: {head:?}");
        }
        head
    }

    fn reply(&mut self) -> Reply {
        let head = self.head();
        let length = header(&head, "content-length").map_or(0, |n| n.parse().expect("a number"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the whole body");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        Reply { status, head, body: String::from_utf8(body).expect("text") }
    }

    /// Waits for the server to close; nothing may come before that.
    fn closed(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("closed without a reset");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    fn is(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    fn refuses(self) -> Reply {
        assert!(self.body.starts_with(r#"{"success":false,"message":""#), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        self
    }
}

/// By its exact spelling: some clients compare it byte for byte.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn post(body: &str) -> String {
    format!("{POST}content-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn requests_share_a_connection() {
    let server = start(&[]);
    let mut client = server.connect();
    for _ in 0..3 {
        client.send(&post("type=x"));
        client.reply().is(200).refuses();
    }
    // Three at once, the last in pieces.
    let last = post("type=y");
    client.send(&format!("{}GET /api/1.2?type=x HTTP/1.1\r\n\r\n{}", post("a=b"), &last[..30]));
    client.reply().is(200);
    client.reply().is(200);
    client.send(&last[30..]);
    client.reply().is(200);
    client.send("GET /api/1.2/ HTTP/1.1\r\nconnection: close\r\n\r\n");
    client.reply().is(200);
    client.closed();
}

#[test]
fn old_clients_are_answered() {
    let server = start(&[]);
    let mut client = server.connect();
    client.send("GET /api/1.2/ HTTP/1.0\r\n\r\n");
    client.reply().is(200);
    client.closed();
}

#[test]
fn paths_and_methods() {
    let server = start(&[]);
    let at = format!("http://{}/api/", server.address);
    let hello = server.ask("GET / HTTP/1.1\r\n\r\n").is(200);
    assert!(hello.body.contains(&at) && hello.header("content-type") == Some("text/plain; charset=utf-8"), "{hello:?}");
    for path in ["/nothing", "/api/1.2//", "/API/1.2/", "//", "/api"] {
        let reply = server.ask(&format!("GET {path} HTTP/1.1\r\n\r\n")).is(404).refuses();
        assert!(reply.body.contains(&at), "{reply:?}");
    }
    server.ask("POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n").is(404).refuses();
    server.ask("GET http://elsewhere/api/1.2 HTTP/1.1\r\nhost: keyauth.win\r\n\r\n").is(200);
    server.ask("DELETE /api/1.2/ HTTP/1.1\r\n\r\n").is(200);
    server.ask("CONNECT x:1 HTTP/1.1\r\n\r\n").is(404);

    for path in ["/api/1.2/", "/anything", "*"] {
        let reply = server.ask(&format!("OPTIONS {path} HTTP/1.1\r\n\r\n")).is(204);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("access-control-allow-methods"), Some("GET, POST"));
        assert_eq!(reply.header("access-control-allow-headers"), Some("*"));
        assert_eq!(reply.header("access-control-max-age"), Some("86400"));
    }
}

#[test]
fn head_is_get_without_its_body() {
    let server = start(&[]);
    for path in ["/api/1.2/", "/", "/nothing"] {
        let get = server.ask(&format!("GET {path} HTTP/1.1\r\n\r\n"));
        let mut client = server.connect();
        client.send(&format!("HEAD {path} HTTP/1.1\r\nconnection: close\r\n\r\n"));
        let head = client.head();
        assert_eq!(header(&head, "content-length"), get.header("content-length"), "{head}");
        assert_eq!(head.lines().next(), get.head.lines().next());
        client.closed();
    }
}

#[test]
fn bodies_of_other_methods_are_ignored() {
    let server = start(&["--body-limit", "1KiB"]);
    let mut client = server.connect();
    client.send("GET /api/1.2/ HTTP/1.1\r\ncontent-length: 5\r\n\r\nhelloGET /api/1.2/ HTTP/1.1\r\n\r\n");
    client.reply().is(200);
    client.reply().is(200);
    // A large one that never comes: answered, and then the connection cannot go on.
    client.send("PUT /api/1.2/ HTTP/1.1\r\ncontent-length: 5000000\r\n\r\n");
    client.reply().is(200);
    client.0.get_ref().shutdown(Shutdown::Write).expect("socket");
    client.closed();
}

#[test]
fn a_body_beyond_the_limit_is_refused_unread() {
    let server = start(&["--body-limit", "1KiB"]);
    server.ask(&post(&"x".repeat(1024))).is(200);
    let reply = server.ask(&format!("{POST}content-length: 1025\r\n\r\n")).is(413).refuses();
    assert_eq!(reply.header("connection"), Some("close"));
    // The answer is not lost although the client goes on sending.
    server.ask(&post(&"x".repeat(3 << 20))).is(413);
    server.ask(&format!("{POST}expect: 100-continue\r\ncontent-length: 2000\r\n\r\n")).is(413);
}

#[test]
fn chunked_bodies_are_read_up_to_the_limit() {
    let server = start(&["--body-limit", "1KiB"]);
    let chunked = format!("{POST}transfer-encoding: chunked\r\n\r\n");
    let mut client = server.connect();
    client.send(&format!("{chunked}6\r\ntype=x\r\n4\r\n&a=b\r\n0\r\n\r\n"));
    client.reply().is(200);
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    client.send(&format!("{chunked}{chunk}{chunk}0\r\n\r\n"));
    client.reply().is(200);
    client.send(&format!("{chunked}{chunk}{chunk}1\r\nx\r\n"));
    client.reply().is(413).refuses();
    server.ask(&format!("{chunked}zz\r\n")).is(400);
}

#[test]
fn a_client_may_ask_before_it_sends_its_body() {
    let server = start(&[]);
    let mut client = server.connect();
    client.send(&format!("{POST}expect: 100-continue\r\ncontent-length: 6\r\n\r\n"));
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("type=x");
    client.reply().is(200);
    client.send(&post("type=x"));
    client.reply().is(200);
}

#[test]
fn a_client_that_has_shut_its_side_is_still_answered() {
    let server = start(&[]);
    let mut client = server.connect();
    // No such app: that has to be asked of the database, so the answer comes after the end of the client's side.
    client.send(&post("type=init&name=nobody&ownerid=AbCdEfGh12"));
    client.0.get_ref().shutdown(Shutdown::Write).expect("shuts");
    assert_eq!(client.reply().is(200).body, "KeyAuth_Invalid");
    client.closed();
}

#[test]
fn a_slow_head_is_told_so() {
    let server = start(&["--header-timeout", "200ms"]);
    let mut client = server.connect();
    client.send("GET /api/1.2/ HTT");
    let reply = client.reply().is(408).refuses();
    assert_eq!(reply.header("connection"), Some("close"));
    client.closed();
    // The clock starts with the first byte of the head, not with the last answer.
    let mut client = server.connect();
    client.send(&post("a=b"));
    client.reply().is(200);
    thread::sleep(Duration::from_millis(400));
    client.send("POST /api");
    client.reply().is(408);
    client.closed();
}

#[test]
fn silent_clients_are_closed_without_a_word() {
    let server = start(&["--header-timeout", "200ms", "--idle-timeout", "300ms"]);
    server.connect().closed();
    let mut client = server.connect();
    client.send(&post("a=b"));
    client.reply().is(200);
    client.closed();
}

#[test]
fn a_slow_body_is_told_so() {
    let server = start(&["--body-timeout", "200ms"]);
    let mut client = server.connect();
    client.send(&format!("{POST}content-length: 6\r\n\r\ntyp"));
    let reply = client.reply().is(408).refuses();
    assert_eq!(reply.header("connection"), Some("close"));
    client.0.get_ref().shutdown(Shutdown::Write).expect("socket");
    client.closed();
}

#[test]
fn a_client_that_reads_nothing_does_not_stay() {
    let server = start(&["--body-timeout", "300ms", "--rate-limit", "off", "--log-level", "off"]);
    let mut client = server.connect();
    client.0.get_ref().set_write_timeout(Some(PATIENCE)).expect("socket");
    // Pipelined without reading an answer, until the server has closed.
    let many = "GET /api/1.2/ HTTP/1.1\r\n\r\n".repeat(1000);
    while client.0.get_mut().write_all(many.as_bytes()).is_ok() {}
    server.ask(&post("a=b")).is(200);
}

#[test]
fn a_head_beyond_the_limit_is_refused() {
    let server = start(&["--header-limit", "8KiB"]);
    server.ask(&format!("GET /api/1.2/?{} HTTP/1.1\r\n\r\n", "x".repeat(7000))).is(200);
    let mut client = server.connect();
    client.send(&format!("GET /api/1.2/ HTTP/1.1\r\nx: {}", "x".repeat(100_000)));
    let reply = client.reply().is(431);
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(reply.body.contains("too large") && reply.header("access-control-allow-origin").is_some(), "{reply:?}");
    let reply = server.ask("GET /\u{1} HTTP/1.1\r\n\r\n").is(400);
    assert!(reply.body.starts_with(r#"{"success":false,"message":"#), "{reply:?}");
}

#[test]
fn clients_beyond_the_limit_are_told_to_come_back() {
    // Without limits nothing that rests makes room.
    let server = start(&["--max-connections", "2", "--rate-limit", "off"]);
    let mut first = server.connect();
    first.send(&post("a=b"));
    first.reply().is(200);
    let mut second = server.connect();
    second.send(&post("a=b"));
    second.reply().is(200);
    let mut third = server.connect();
    let reply = third.reply().is(503).refuses();
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.header("connection"), Some("close"));
    third.closed();
    first.send(&post("a=b"));
    first.reply().is(200);
    // A place that becomes free is given again.
    drop(first);
    for _ in 0..1000 {
        if server.ask(&post("a=b")).status == 200 {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("the place stays taken");
}

#[test]
fn the_client_is_who_the_socket_says_unless_a_trusted_proxy_says_otherwise() {
    let forged = "GET /api/1.2/ HTTP/1.1\r\nx-forwarded-for: 6.6.6.6, 1.2.3.4\r\ncf-connecting-ip: 5.5.5.5\r\n\r\n";
    for (flags, want) in [
        (&["--log-format", "json"][..], "127.0.0.1"),
        (&["--log-format", "json", "--trusted-proxy", "10.0.0.0/8"], "127.0.0.1"),
        (&["--log-format", "json", "--trusted-proxy", "10.0.0.0/8,127.0.0.0/8"], "1.2.3.4"),
    ] {
        let server = start(flags);
        server.ask(forged).is(200);
        let line = server.line("\"request\"");
        assert!(line.contains(&format!("\"peer\":\"{want}\"")), "{line}");
        let parsed: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        for field in ["time", "level", "target", "id", "app", "family", "type", "outcome", "status", "took_us", "peer"]
        {
            assert!(parsed.get(field).is_some(), "{field}: {line}");
        }
    }
}

#[test]
fn the_log_never_shows_what_a_client_sent() {
    let server = start(&["--log-format", "text", "--log-level", "trace"]);
    let marked = "x-marked: MARKED\r\ncontent-type: MARKED\r\n";
    server.ask(&format!("POST /api/1.2/?type=MARKED HTTP/1.1\r\n{marked}content-length: 12\r\n\r\nkey=MARKED&a"));
    server.ask("GET /MARKED HTTP/1.1\r\n\r\n").is(404);
    server.signal("-TERM");
    let log: Vec<String> = server.lines.iter().collect();
    assert!(log.iter().any(|line| line.contains(" request id=")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("MARKED")), "{log:#?}");
}

#[test]
fn a_signal_ends_the_server_when_nothing_runs() {
    for signal in ["-TERM", "-INT"] {
        let mut server = start(&["--idle-timeout", "1h", "--drain-timeout", "1h"]);
        let mut idle = server.connect();
        idle.send(&post("a=b"));
        idle.reply().is(200);
        let mut fresh = server.connect();
        // Half a head: it is given the chance to finish.
        let mut half = server.connect();
        let request = post("a=b");
        half.send(&request[..40]);
        server.ask(&request).is(200);
        server.signal(signal);
        idle.closed();
        fresh.closed();
        half.send(&request[40..]);
        assert_eq!(half.reply().is(200).header("connection"), Some("close"));
        assert_eq!(server.child.wait().expect("ends").code(), Some(0));
        assert!(TcpStream::connect(server.address).is_err(), "nobody listens any more");
    }
}

#[test]
fn the_drain_timeout_bounds_the_end_and_a_second_signal_ends_it_at_once() {
    let mut server = start(&["--drain-timeout", "200ms"]);
    let mut half = server.connect();
    half.send(&format!("{POST}content-length: 6\r\n\r\n"));
    server.ask(&post("a=b")).is(200);
    server.signal("-TERM");
    assert_eq!(server.child.wait().expect("ends").code(), Some(0));

    let mut server = start(&["--drain-timeout", "1h", "--log-format", "text"]);
    let mut half = server.connect();
    half.send(&format!("{POST}content-length: 6\r\n\r\n"));
    server.ask(&post("a=b")).is(200);
    server.signal("-TERM");
    server.line("stopping");
    server.signal("-TERM");
    assert_eq!(server.child.wait().expect("ends").code(), Some(1));
}

#[test]
fn one_server_per_database() {
    let mut server = start(&[]);
    let second = keystead(server.dir.path()).args(["serve", "--listen", "127.0.0.1:0"]).output().expect("runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(5), "{said}");
    assert!(said.contains(&server.child.id().to_string()) && said.contains(&server.address.to_string()), "{said}");
    server.child.kill().expect("kill -9");
    server.child.wait().expect("ends");
    let mut third = keystead(server.dir.path()).args(["serve", "--listen", "127.0.0.1:0"]).spawn().expect("starts");
    let mut line = String::new();
    BufReader::new(third.stderr.take().expect("piped")).read_line(&mut line).expect("a line");
    assert!(line.starts_with("listening on "), "the lock went with its process: {line}");
    third.kill().expect("kill");
    third.wait().expect("ends");
}

#[test]
fn nonsense_does_not_start() {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("k.toml");
    std::fs::write(&file, "bodylimit = 5\n").expect("write");
    let file = file.to_str().expect("text");
    for (args, code, said) in [
        (&["serve", "--listen", "nowhere"][..], 3, "--listen (from the command line) takes an address and a port"),
        (&["serve", "--header-limit", "1KiB"], 3, "--header-limit"),
        (&["serve", "--database", "postgres://x/y"], 3, "not in this version"),
        (&["serve", "--config", file], 3, "did you mean body-limit"),
        (&["serve", "--config", "/nowhere/x.toml"], 3, "/nowhere/x.toml"),
        (&["serve", "--no-such-flag"], 2, "--no-such-flag"),
        (&["no-such-command"], 2, "no-such-command"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        let ended = command.env_clear().current_dir(dir.path()).args(args).output().expect("runs");
        let text = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(said), "{args:?}: {text}");
    }
}

#[test]
fn the_settings_can_be_seen() {
    let dir = tempfile::tempdir().expect("folder");
    let shown = keystead(dir.path())
        .env("KEYSTEAD_READERS", "8")
        .args(["config", "show", "--json", "--listen", "127.0.0.1:1"])
        .output()
        .expect("runs");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&shown.stdout).expect("JSON");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).cloned().expect("a row");
    assert_eq!(
        (row("readers")["value"].as_str(), row("readers")["source"].as_str()),
        (Some("8"), Some("KEYSTEAD_READERS"))
    );
    assert_eq!(row("listen")["source"], "flag");
    assert_eq!(row("database")["source"], "flag");
    assert_eq!(row("idle-timeout")["value"], "75s");
    let table = keystead(dir.path()).args(["config", "show"]).output().expect("runs");
    assert!(String::from_utf8_lossy(&table.stdout).starts_with("SETTING"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = tempfile::tempdir().expect("folder");
    for args in [&["config", "show"][..], &["config", "show", "--json"], &["completions", "bash"], &["serve", "--help"]]
    {
        let (reader, writer) = std::io::pipe().expect("pipe");
        drop(reader);
        let ended = keystead(dir.path()).args(args).stdout(writer).output().expect("runs");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{args:?}");
        assert_eq!(ended.status.code(), Some(0), "{args:?}");
    }
}
