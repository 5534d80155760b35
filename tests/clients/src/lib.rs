//! A shop (one app in a database of its own) and a running server for it, made with nothing but the `keystead` binary.
//!
//! Must not speak the protocol itself, and must not link the server's crate: the clients do the talking, and a fixture
//! that knew the server from inside could hide that an operator cannot make the same thing.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long a server may take to come up. Generous: it only bounds a hang, it decides nothing about speed.
const START: Duration = Duration::from_secs(30);

/// The app's name. With a blank, since clients send it unescaped.
pub const APP: &str = "Acme Tools";

/// A variable that every shop has, for those who are logged in.
pub const MEMBERS: &str = "for members";

/// One app in a database of its own, deleted with this value.
pub struct Shop {
    folder: TempDir,
    /// The account's id, which clients carry beside the app's name.
    pub ownerid: String,
    /// What 1.2 clients verify answers with.
    pub secret: String,
}

impl Shop {
    /// A new database with one app, as `app create` leaves it (plan `default`, level 1), and one variable.
    pub fn open() -> Shop {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut shop = Shop { folder, ownerid: String::new(), secret: String::new() };
        let app: Value = shop.json(&["app", "create", APP, "--json"]);
        let text = |field: &str| app[field].as_str().unwrap_or_else(|| panic!("no {field} in {app}")).to_owned();
        assert_eq!(text("name"), APP);
        shop.ownerid = text("ownerid");
        shop.secret = text("secret");
        shop.operator(&["var", "set", MEMBERS, "welcome"]);
        shop
    }

    /// Runs `keystead ARGS --app APP` on this shop's database, also while its server runs; returns what it printed.
    pub fn operator(&self, args: &[&str]) -> String {
        self.command(&[args, &["--app", APP]].concat())
    }

    /// Makes unused keys of 30 days for this level.
    pub fn keys(&self, count: usize, level: &str) -> Vec<String> {
        let count = count.to_string();
        let keys = self.json(&[
            "license",
            "create",
            "--app",
            APP,
            "--count",
            &count,
            "--duration",
            "30d",
            "--level",
            level,
            "--json",
        ]);
        let keys = keys.as_array().expect("an array of keys").iter();
        keys.map(|key| key.as_str().expect("a key is a string").to_owned()).collect()
    }

    /// Makes one unused key of level 1.
    pub fn key(&self) -> String {
        self.keys(1, "1").remove(0)
    }

    /// Writes a file beside the database; its path.
    pub fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("writes a file");
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Starts a server on this shop's database and waits until it listens. It serves all versions,
    /// and relays to this machine.
    pub fn serve(&self) -> Server {
        let mut child = self
            .keystead(&["serve", "--listen", "127.0.0.1:0", "--api-1-0", "true", "--allow-target", "127.0.0.0/8"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", binary().display()));
        let stderr = child.stderr.take().expect("stderr is piped");
        let (tell, told) = mpsc::channel();
        // Reads to the end, not just to the address: a full pipe would stop the server in the middle of a test.
        let log = thread::spawn(move || {
            let mut log = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("listening on http://") {
                    // The receiver is gone if the test gave up waiting; nobody needs the address then.
                    let _ = tell.send(url.split_whitespace().next().unwrap_or_default().to_owned());
                }
                log.push_str(&line);
                log.push('\n');
            }
            log
        });
        let mut server = Server { child, log: Some(log), address: String::new() };
        // Assigned after the value exists, so that a server that never says its address is stopped all the same.
        server.address = told.recv_timeout(START).expect("`listening on http://ADDR` on stderr");
        server
    }

    fn json(&self, args: &[&str]) -> Value {
        let printed = self.command(args);
        serde_json::from_str(&printed).unwrap_or_else(|e| panic!("keystead {args:?} printed no JSON ({e}): {printed}"))
    }

    fn command(&self, args: &[&str]) -> String {
        let output = self
            .keystead(args)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("{}: {e} (build it, or name it in KEYSTEAD_BIN)", binary().display()));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "keystead {args:?}: {}\n{stderr}", output.status);
        String::from_utf8(output.stdout).expect("keystead prints UTF-8")
    }

    fn keystead(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        // A setting of the developer's own shell must not decide a test.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYSTEAD_")) {
            command.env_remove(name);
        }
        command.args(args).arg("--database").arg(self.folder.path().join("shop.db")).current_dir(self.folder.path());
        command
    }
}

/// A running server, killed with this value.
pub struct Server {
    child: Child,
    log: Option<JoinHandle<String>>,
    address: String,
}

impl Server {
    /// The URL of a path of this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors here mean that it is gone already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        if thread::panicking() {
            eprintln!("the server's log:\n{log}");
        }
    }
}

/// `KEYSTEAD_BIN`, else the build that is there: release before debug.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("KEYSTEAD_BIN") {
        return path.into();
    }
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let file = format!("keystead{}", std::env::consts::EXE_SUFFIX);
    let release = target.join("release").join(&file);
    if release.exists() { release } else { target.join("debug").join(&file) }
}
