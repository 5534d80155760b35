//! Tests that need a family of their own: bugs in answering code, clients that hang up, running requests at the stop.
//! Everything that any family shows is tested from outside, in `tests/http.rs`.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;

use super::{Server, Stop};
use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::domain::hashing::Hashing;
use crate::domain::lists::Lists;
use crate::domain::target::Targets;
use crate::model::exchange::{Note, Request, Response};
use crate::outside::fetch::Fetcher;
use crate::pending::pending;
use crate::store::{Options, Store};
use crate::wire::limits::Limits;
use crate::wire::{Answer, Ctx, Door, Family, Fault};

static FINISHED: AtomicUsize = AtomicUsize::new(0);
static SLOW_BEGUN: AtomicUsize = AtomicUsize::new(0);

fn say(status: u16, body: &'static str) -> Response {
    Response { status, headers: Vec::new(), body: Bytes::from_static(body.as_bytes()), note: Note::default() }
}

fn bug(_: &Arc<Ctx>, request: Request) -> Answer {
    match &request.query[..] {
        b"now" => panic!("a bug"),
        b"later" => Answer::Later(Box::pin(async { panic!("a later bug") })),
        _ => Answer::Now(say(200, "fine")),
    }
}

fn slow(_: &Arc<Ctx>, _: Request) -> Answer {
    let (deliver, wait) = pending();
    SLOW_BEGUN.fetch_add(1, Ordering::SeqCst);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        deliver.deliver(());
    });
    Answer::Later(Box::pin(async move {
        let _ = wait.await;
        FINISHED.fetch_add(1, Ordering::SeqCst);
        say(200, "slow")
    }))
}

fn fault(_: &Ctx, fault: Fault) -> Response {
    assert_eq!(fault, Fault::Panicked);
    say(500, "bug")
}

static BUG: Door = Door { answer: bug, headers: &[], fault };
static SLOW: Door = Door { answer: slow, headers: &[], fault };
static FAMILY: Family =
    Family { name: "test", base: None, calls: Vec::new, paths: &[("/bug", &BUG), ("/slow", &SLOW)] };

struct Running {
    address: SocketAddr,
    stop: Stop,
    thread: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

fn start(flags: &[(&'static str, &str)]) -> Running {
    let dir = tempfile::tempdir().expect("folder");
    let config = Config::load_from(&Flags::of(flags).or("listen", Some("127.0.0.1:0".to_owned())), None, |_| None)
        .expect("fits");
    let server = Server::bind(&config).expect("binds");
    let (address, stop) = (server.address(), server.stop());
    let store = Store::open(&Options {
        path: dir.path().join("a.db"),
        lock: None,
        readers: 1,
        reader_queue: 8,
        writer_queue: 8,
        busy_timeout: Duration::from_secs(1),
        session_cache: 8,
        app_cache: 8,
        variable_cache: 8,
        unvalidated: None,
    })
    .expect("opens");
    let ctx = Arc::new(Ctx {
        store,
        hashing: Hashing::start(1, 1).expect("threads"),
        guesses: Default::default(),
        own_shares: Default::default(),
        clock: Clock::default(),
        vault: Arc::default(),
        server_key: Default::default(),
        fetcher: Fetcher::new(Targets::default(), config.fetch_timeout),
        limits: Limits::new(config.relay_limit, config.file_limit),
        mail: false,
        serves_1_0: false,
        lists: Lists::load(None, None).expect("no lists"),
        public_url: config.public_url(address),
        ascii_only: true,
    });
    let thread = thread::spawn(move || {
        server.run_families(ctx, &[&FAMILY]).expect("serves");
    });
    Running { address, stop, thread, _dir: dir }
}

impl Running {
    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("connects");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("socket");
        socket
    }

    /// Everything that comes back for these bytes.
    fn exchange(&self, request: &str) -> String {
        let mut socket = self.connect();
        socket.write_all(request.as_bytes()).expect("writes");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("reads to the end");
        text
    }

    fn end(self) {
        self.stop.stop();
        self.thread.join().expect("ends well");
    }
}

fn until(what: impl Fn() -> bool) {
    for _ in 0..1000 {
        if what() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it did not happen");
}

#[test]
fn a_panic_costs_one_request() {
    let server = start(&[]);
    let text = server.exchange(
        "GET /bug?now HTTP/1.1\r\n\r\nGET /bug?later HTTP/1.1\r\n\r\nGET /bug HTTP/1.1\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(text.matches("HTTP/1.1 500 ").count(), 2, "{text}");
    assert_eq!(text.matches("HTTP/1.1 200 ").count(), 1, "the connection lives on: {text}");
    server.end();
}

#[test]
fn what_was_started_is_finished() {
    // One test, because both halves count the same answers.
    let server = start(&[]);
    let mut socket = server.connect();
    socket.write_all(b"GET /slow HTTP/1.1\r\n\r\n").expect("writes");
    until(|| SLOW_BEGUN.load(Ordering::SeqCst) == 1);
    socket.shutdown(Shutdown::Both).expect("hangs up");
    drop(socket);
    until(|| FINISHED.load(Ordering::SeqCst) == 1);

    let mut socket = server.connect();
    socket.write_all(b"GET /slow HTTP/1.1\r\n\r\n").expect("writes");
    until(|| SLOW_BEGUN.load(Ordering::SeqCst) == 2);
    let idle = server.connect();
    server.end();
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("is answered");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("slow"), "{text}");
    assert!(text.contains("connection: close"), "{text}");
    drop(idle);

    let server = start(&[("drain-timeout", "50ms")]);
    let mut socket = server.connect();
    socket.write_all(b"GET /slow HTTP/1.1\r\n\r\n").expect("writes");
    until(|| SLOW_BEGUN.load(Ordering::SeqCst) == 3);
    server.end();
    let mut text = String::new();
    let _ = socket.read_to_string(&mut text);
    assert_eq!(text, "", "cut off at the drain timeout");
}
