//! What the races, the kills and the operator's tests share: a shop (one app in a database of its own), the real binary
//! as a server for it, a plain HTTP client, and requests that are sent at one moment. Asserts only what every answer
//! must have; what the answers should say is for the tests.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use keystead::domain::license::{self, Alphabet, Batch};
use keystead::domain::{app, owner, plan};
use keystead::model::app::App;
use keystead::model::license::License;
use keystead::model::time::{Span, Time};
use keystead::model::user::{Credential, Device, Subscription, User};
use keystead::store::{self, Options, Store, Tx, devices, subscriptions, users, verify};
use serde_json::Value;
use sha2::Sha256;

/// Only bounds a hang; decides nothing about speed.
const PATIENCE: Duration = Duration::from_secs(120);

pub const V1_2: &str = "/api/1.2/";
pub const V1_1: &str = "/api/1.1/";

/// A name that goes wrong wherever somebody forgets to escape it.
pub const APP: &str = "Acme's \"Tools\" \\ 100% & <é>";

/// How long each license lasts, in seconds.
pub const DAY: i64 = 86_400;

/// The plans of level 1, which is every license's level.
pub const PLANS: [&str; 2] = ["default", "extra"];

/// One app in a database of its own, deleted with this value.
pub struct Shop {
    folder: tempfile::TempDir,
    pub app: App,
}

impl Shop {
    /// A new database with one app and two plans of level 1.
    pub fn open() -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::small(folder.path().join("shop.db"))).unwrap();
        let app = store
            .write(|tx| -> Result<App, store::Error> {
                let rng = &mut rand::rng();
                let owner = owner::create(tx, "acme", Some("AbCdEfGh12"), now(), rng).unwrap();
                let app = app::create(tx, &owner, APP, &app::Credentials::default(), now(), rng).unwrap();
                plan::create(tx, app.id, PLANS[1], "1").unwrap();
                Ok(app)
            })
            .wait()
            .unwrap();
        store.close();
        Shop { folder, app }
    }

    /// The database file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    /// Another process's view of the database, as far as the server can tell.
    pub fn store(&self) -> Store {
        Store::open(&Options::small(self.path())).unwrap()
    }

    /// Writes as another process does, all of it or nothing, and is gone again.
    pub fn write<T: Send + 'static>(&self, mut work: impl FnMut(&mut Tx<'_>, &App) -> T + Send + 'static) -> T {
        let (store, app) = (self.store(), self.app.clone());
        let done = store.write(move |tx| Ok::<_, store::Error>(work(tx, &app))).wait().unwrap();
        store.close();
        done
    }

    /// Reads as another process does.
    pub fn read<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>, &App) -> T + Send + 'static) -> T {
        let (store, app) = (self.store(), self.app.clone());
        let seen = store.read(move |tx| Ok::<_, store::Error>(work(tx, &app))).wait().unwrap();
        store.close();
        seen
    }

    /// Makes unused licenses of one day with these keys.
    pub fn add_keys(&self, keys: &[String]) {
        let keys = keys.to_vec();
        self.write(move |tx, app| {
            for key in &keys {
                let batch = Batch {
                    expires_at: None,
                    count: 1,
                    mask: key.clone(),
                    alphabet: Alphabet::Upper,
                    duration: Span::Seconds(DAY),
                    level: "1".into(),
                    note: None,
                    created_by: None,
                };
                license::create(tx, app.id, &batch, now(), &mut rand::rng()).unwrap();
            }
        });
    }

    /// Makes a user who holds nothing yet. Answers whatever password logs it in.
    pub fn add_user(&self, name: &str) -> &'static str {
        let name = name.to_owned();
        self.write(move |tx, app| {
            let user = User::new(
                keystead::domain::secret::new_uuid(&mut rand::rng()),
                name.clone(),
                Credential::Claimable,
                now(),
            );
            users::insert(tx, app.id, &user).unwrap().expect("the name is free");
        });
        "the first password given is the one"
    }

    pub fn license(&self, key: &str) -> License {
        self.licenses(&[key.to_owned()]).remove(0)
    }

    pub fn licenses(&self, keys: &[String]) -> Vec<License> {
        let keys = keys.to_vec();
        self.read(move |tx, app| keys.iter().map(|key| license::find(tx, app.id, key).unwrap()).collect())
    }

    pub fn user(&self, name: &str) -> Option<Held> {
        let name = name.to_owned();
        self.read(move |tx, app| held(tx, app, &name))
    }

    /// The names of all users.
    pub fn user_names(&self) -> Vec<String> {
        self.read(|tx, app| {
            let all = users::after(tx, app.id, keystead::model::ids::UserId(0), 1_000_000).unwrap();
            all.into_iter().map(|user| user.name).collect()
        })
    }

    /// Fails if anything in the file is unsound.
    pub fn assert_sound(&self) {
        assert_eq!(self.read(|tx, _| verify::problems(tx).unwrap()), Vec::<String>::new());
    }

    /// Starts a server on this database and waits until it listens. No rate limit: all clients have one address.
    pub fn serve(&self, flags: &[&str]) -> Server {
        let flags = [&["--listen", "127.0.0.1:0", "--rate-limit", "off"], flags].concat();
        Server::start(&self.path(), &flags).unwrap_or_else(|(status, log)| panic!("ended with {status}:\n{log}"))
    }
}

/// A user with all it has.
pub struct Held {
    pub user: User,
    pub subscriptions: Vec<Subscription>,
    pub devices: Vec<Device>,
}

pub fn held(tx: &mut Tx<'_>, app: &App, name: &str) -> Option<Held> {
    let user = users::by_name(tx, app.id, name).unwrap()?;
    let subscriptions = subscriptions::of_user(tx, user.id).unwrap();
    let devices = devices::of_user(tx, user.id).unwrap();
    Some(Held { user, subscriptions, devices })
}

impl Held {
    /// Fails unless it holds each plan once, given by this license, and this one device.
    pub fn assert_made_by(&self, license: &License, hwid: &str) {
        let name = &self.user.name;
        assert_eq!(license.used_by, Some(self.user.id), "{name}: the license is used by it");
        let plans: Vec<_> = self.subscriptions.iter().map(|s| s.plan.as_str()).collect();
        assert_eq!(plans, PLANS, "{name}: each plan once");
        for subscription in &self.subscriptions {
            assert_eq!(subscription.license, Some(license.id), "{name}: from this license");
            assert_eq!(subscription.expires_at, license.used_at.map(|at| at + DAY), "{name}: for its time");
        }
        let devices: Vec<_> = self.devices.iter().map(|d| d.hwid.as_str()).collect();
        assert_eq!(devices, [hwid], "{name}: its device");
    }
}

pub fn now() -> Time {
    keystead::clock::Clock::System.now()
}

/// The real binary with these arguments, on this database.
pub fn program(arguments: &[&str], database: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
    // A setting of the developer's own shell must not decide a test.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYSTEAD_")) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--database").arg(database);
    command
}

/// A process of the real binary that serves; killed with this value.
pub struct Server {
    child: Child,
    pub address: String,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it and waits until it listens. `Err`: it ended before, with this log.
    pub fn start(database: &Path, flags: &[&str]) -> Result<Server, (ExitStatus, String)> {
        let mut child = Server::spawn(database, flags);
        let stderr = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, told) = mpsc::channel();
        let kept = Arc::clone(&log);
        // Reads to the end, not just to the address: a full pipe would stop the server in the middle of a test.
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on http://") {
                    let _ = tell.send(address.to_owned());
                }
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut server = Server { child, address: String::new(), log, reader: Some(reader) };
        match told.recv_timeout(PATIENCE) {
            Ok(address) => {
                server.address = address;
                Ok(server)
            }
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it neither listens nor ends:\n{}", server.log()),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = server.child.wait().unwrap();
                Err((status, server.log()))
            }
        }
    }

    /// Only starts it.
    pub fn spawn(database: &Path, flags: &[&str]) -> Child {
        let mut command = program(&[&["serve"], flags].concat(), database);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Asks it to stop.
    #[cfg(unix)]
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Stops it in the way an operator does, and checks that it ends well.
    #[cfg(unix)]
    pub fn stop(self) {
        self.terminate();
        let log = Arc::clone(&self.log);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", log.lock().unwrap());
    }

    /// Ends it at once, wherever it is (SIGKILL).
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors here mean that it is gone already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(8_000);
            eprintln!("the end of the server's log:\n{}", log.get(from..).unwrap_or(&log));
        }
    }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub signature: Option<String>,
    pub body: Vec<u8>,
    pub json: Value,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Answer { status, signature, body, .. } = self;
        write!(f, "{status} {signature:?} {}", String::from_utf8_lossy(body))
    }
}

impl Answer {
    pub fn is_success(&self) -> bool {
        self.json["success"] == true
    }

    pub fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or_default()
    }

    pub fn assert_success(&self) {
        assert!(self.status == 200 && self.is_success(), "{self:?}");
    }

    /// Fails unless it is exactly this refusal.
    pub fn assert_refused(&self, message: &str, code: &str) {
        assert_eq!((self.status, self.is_success()), (200, false), "{self:?}");
        assert_eq!((self.text("message"), self.text("error")), (message, code));
    }

    pub fn assert_signed(&self, key: &str) {
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(&self.body);
        assert_eq!(self.signature, Some(hex::encode(mac.finalize().into_bytes())), "{self:?}");
    }
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(server: &Server) -> Client {
        Client::try_connect(&server.address).expect("connects")
    }

    pub fn try_connect(address: &str) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one answer. `Err`: the connection ended before the answer did.
    pub fn receive(&mut self) -> std::io::Result<Answer> {
        let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (mut status, mut signature, mut length) = (None, None, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 || !line.ends_with("\r\n") {
                return Err(ended());
            }
            let line = line.trim_end();
            match (status, line.split_once(": ")) {
                (None, _) => status = line.split(' ').nth(1).and_then(|status| status.parse().ok()),
                (Some(status), _) if line.is_empty() => {
                    let mut body = vec![0; length];
                    self.stream.read_exact(&mut body)?;
                    let json = serde_json::from_slice(&body).unwrap_or_default();
                    return Ok(Answer { status, signature, body, json });
                }
                (_, Some(("content-length", value))) => length = value.parse().unwrap(),
                (_, Some(("signature", value))) => signature = Some(value.to_owned()),
                _ => {}
            }
        }
    }

    /// One call.
    pub fn try_call(&mut self, call: &Call) -> std::io::Result<Answer> {
        self.send(&call.bytes())?;
        self.receive()
    }

    pub fn call(&mut self, call: &Call) -> Answer {
        self.try_call(call).unwrap_or_else(|e| panic!("no answer to {}: {e}", call.form))
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: &'static str,
    pub form: String,
}

impl Call {
    /// A call of this shop's app, in the newest version.
    pub fn new(shop: &Shop, pairs: &[(&str, &str)]) -> Call {
        let (name, ownerid) = (&*shop.app.name, &*shop.app.ownerid);
        let pairs = [&[("name", name), ("ownerid", ownerid)], pairs].concat();
        Call { path: V1_2, form: serde_urlencoded::to_string(pairs).unwrap() }
    }

    /// The same by another version.
    pub fn by(self, path: &'static str) -> Call {
        Call { path, ..self }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let Call { path, form } = self;
        let head = "Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length:";
        format!("POST {path} HTTP/1.1\r\n{head} {}\r\n\r\n{form}", form.len()).into_bytes()
    }
}

/// What clients send as `enckey`; with the secret it makes the key of their sessions.
pub const ENCKEY: &str = "0f1e2d3c-4b5a-69";

pub fn session_key(shop: &Shop) -> String {
    format!("{ENCKEY}-{}", shop.app.secret)
}

/// Opens a session and answers its id.
pub fn init(shop: &Shop, client: &mut Client) -> String {
    let opened = client.call(&Call::new(shop, &[("type", "init"), ("ver", "1.0"), ("enckey", ENCKEY)]));
    opened.assert_success();
    opened.assert_signed(&shop.app.secret);
    opened.text("sessionid").to_owned()
}

/// Sends all calls at one moment, each on a connection and a session of its own, and collects the answers in the
/// calls' order. Each request is there but for its last byte before the first of them is whole. Checks signatures.
pub fn all_at_once(shop: &Shop, server: &Server, calls: &[Vec<(&str, &str)>], paths: &[&'static str]) -> Vec<Answer> {
    let mut ready = Vec::new();
    for (i, pairs) in calls.iter().enumerate() {
        let mut client = Client::connect(server);
        let session = init(shop, &mut client);
        let pairs = [&[("sessionid", session.as_str())], pairs.as_slice()].concat();
        let path = paths[i % paths.len()];
        let mut bytes = Call::new(shop, &pairs).by(path).bytes();
        let last = bytes.split_off(bytes.len() - 1);
        client.send(&bytes).unwrap();
        ready.push((client, last, path));
    }
    for (client, last, _) in &mut ready {
        client.send(last).unwrap();
    }
    let key = session_key(shop);
    let answer = |(mut client, _, path): (Client, _, &str)| {
        let answer = client.receive().expect("an answer");
        if path == V1_2 {
            answer.assert_signed(&key);
        } else {
            assert_eq!(answer.signature, None, "1.1 has no signature");
        }
        answer
    };
    ready.into_iter().map(answer).collect()
}
