//! What black-box tests share: a database made by hand (`fixture.rs`), the real server on it, a client that counts
//! every byte (`client.rs`); the program's commands (`program.rs`); and what a server talks to: a web server (`web.rs`), a
//! mail server (`smtp.rs`), both also with TLS (`tls.rs`). Knows how to ask and to compare; what the right
//! answer is, the tests say.
//!
//! ```ignore
//! let db = Fixture::new();                     // owner, app "demo" with a known secret, app "other"
//! db.license("KEY-1");
//! let server = db.serve(&[]);                  // `keystead serve` on port 0; killed when dropped
//! let session = server.init();                 // init with an enckey; every answer's signature is verified
//! let reply = session.call("license", &[("key", "KEY-1")]);
//! assert_eq!(reply.message(), "Logged in!");
//! server.change(|db| db.setting("paused", "1"));   // as another process does it; the next request sees it
//! ```
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses a part of this one")]

mod ask;
mod client;
mod envelope;
mod fixture;
pub mod placeholder;
mod program;
pub mod smtp;
pub mod tls;
pub(crate) mod totp;
pub mod web;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use client::{INIT_IV, Reply, Seal, Session, exchange, hmac_hex, post_bytes};
pub use envelope::Envelope;
pub use fixture::{Fixture, OTHER_SECRET, OWNER, OWNERID, PUBLIC_KEY, SECRET, now, password_hash};
pub(crate) use program::{Keystead, Ran, program};

/// How long a server may take to start, and an answer to come. Not a measure of anything: only a test that would
/// hang for ever meets it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it kills it.
pub struct Server {
    /// Its database, which can be changed while it runs; see [`Server::change`].
    pub db: Fixture,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it answers the operator, if it was told to (`--metrics-listen`).
    pub probes: Option<SocketAddr>,
    child: Child,
    log: Option<Log>,
}

/// What a server writes to stderr, as it comes.
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Server {
    /// Starts `keystead serve` on this database with these flags more.
    pub fn start(db: Fixture, flags: &[&str]) -> Server {
        let (child, [address, probes], log) = spawn(&db, flags);
        Server { db, address: address.expect("it listens"), probes, child, log: Some(log) }
    }

    /// Kills it (SIGKILL): it finishes nothing.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts another one on the database of one that was killed.
    pub fn start_again(&mut self, flags: &[&str]) {
        let (child, [address, probes], log) = spawn(&self.db, flags);
        (self.child, self.address, self.log) = (child, address.expect("it listens"), Some(log));
        self.probes = probes;
    }

    /// Changes the database as another process would, and comes back when the server has noticed.
    pub fn change<T>(&self, change: impl FnOnce(&Fixture) -> T) -> T {
        let done = change(&self.db);
        self.notice();
        done
    }

    /// Makes the server notice what another process wrote: it looks at the start of each of its own transactions, and
    /// an `init` is one. (By itself it looks every 50 ms, for which a test would have to sleep.)
    pub fn notice(&self) {
        let reply = self.post("1.2", &[("type", "init"), ("name", "other"), ("ownerid", OWNERID)]);
        assert!(reply.success(), "{reply:?}");
    }

    /// The memory it takes now, in bytes.
    #[cfg(target_os = "linux")]
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running server");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Asks it to stop (SIGTERM), and does not wait for that.
    pub fn ask_to_stop(&self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM)
            .expect("a running server");
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.wait().expect("ends")
    }

    /// Stops it with SIGTERM; how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.ended()
    }

    /// Stops it with SIGTERM; how it ended, and everything it wrote to stderr.
    pub fn stop(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.terminate();
        let log = self.log.take().unwrap();
        log.reader.join().expect("reads to the end");
        (status, std::mem::take(&mut log.lines.lock().unwrap()))
    }

    /// Whether it has written a line to stderr by now that says this.
    pub fn has_said(&self, what: &str) -> bool {
        let log = self.log.as_ref().expect("not stopped");
        log.lines.lock().unwrap().iter().any(|line| line.contains(what))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The process, its two addresses (for clients, for the operator), what it will have written.
fn spawn(db: &Fixture, flags: &[&str]) -> (Child, [Option<SocketAddr>; 2], Log) {
    let mut command = program::program(db.folder());
    command.arg("serve").arg("--database").arg(db.path()).args(["--listen", "127.0.0.1:0"]).args(flags);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (found, listening) = mpsc::channel();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let reader = std::thread::spawn(move || {
        let mut probes = None;
        for line in stderr.lines().map_while(Result::ok) {
            // The operator's listener comes first.
            if let Some(address) = line.strip_prefix("probes and metrics on http://") {
                probes = Some(address.parse().expect("an address"));
            }
            if let Some(address) = line.strip_prefix("listening on http://") {
                let _ = found.send([Some(address.parse().expect("an address")), probes]);
            }
            written.lock().unwrap().push(line);
        }
    });
    let log = Log { lines, reader };
    match listening.recv_timeout(PATIENCE) {
        Ok(addresses) => (child, addresses, log),
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            let _ = log.reader.join();
            panic!("the server did not start: {:?}", log.lines);
        }
    }
}

/// Comes back when this holds, which somebody else brings about; panics if nobody does.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Does this so often at one moment, and collects what came of it.
pub fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let run = |i| {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(i)
            })
        };
        let threads: Vec<_> = (0..count).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
