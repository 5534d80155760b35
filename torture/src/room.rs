//! Where one torture happens: a folder with the database, the shim between the program and the system, and the program
//! itself, as a server or as a command. Knows how to start, to kill and to make the disk fail; judges nothing.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Only bounds a hang; decides nothing about speed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Builds the shim. Its path.
pub fn build_shim(folder: &Path) -> PathBuf {
    let shim = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim.c");
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(cc)
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .args([&shim, &source])
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the shim needs a C compiler");
    shim
}

/// What the shim can be asked to do: the fields of its `struct control`, in their order.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// Seconds that the clock is ahead.
    Clock,
    /// 1: `Budget` counts.
    Limited,
    /// Bytes by which files may still grow.
    Budget,
    /// Writes fail with this error.
    WriteError,
    /// This is how syncs fail,
    SyncError,
    /// so many of them.
    SyncFails,
    /// How much longer a sync takes, in milliseconds.
    SyncWait,
    /// Opening for writing fails with this error.
    OpenError,
    /// Writing to stderr fails with this error.
    LogError,
    /// How often something was refused.
    Refused,
    /// How many syncs are being made now.
    Syncing,
    /// How many have been made.
    Syncs,
}

pub const EIO: i64 = 5;
pub const ENOSPC: i64 = 28;
pub const EROFS: i64 = 30;
pub const EACCES: i64 = 13;

/// A folder of its own.
pub struct Room {
    /// The database's folder: the one that the shim watches.
    pub data: PathBuf,
    /// What the shim notes.
    pub notes: PathBuf,
    root: PathBuf,
    shim: PathBuf,
    program: PathBuf,
    control: File,
}

impl Room {
    /// A new one in this folder, with nothing in it.
    pub fn new(root: PathBuf, shim: &Path, program: &Path) -> Room {
        fs::create_dir_all(root.join("data")).expect("a folder");
        let page = root.join("control");
        fs::write(&page, [0; 4096]).expect("writes");
        let control = File::options().read(true).write(true).open(page).expect("opens");
        let data = root.join("data").canonicalize().expect("there");
        let (shim, program) = (shim.to_owned(), program.to_owned());
        Room { data, notes: root.join("notes"), root, shim, program, control }
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.data.join("keystead.db")
    }

    /// Makes the disk, or the clock, do this.
    pub fn set(&self, trouble: Trouble, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), trouble as u64 * 8).expect("writes");
    }

    /// What it is now.
    pub fn value(&self, trouble: Trouble) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, trouble as u64 * 8).expect("reads");
        i64::from_ne_bytes(bytes)
    }

    /// Everything works again.
    pub fn heal(&self) {
        self.control.write_all_at(&[0; 4096], 0).expect("writes");
    }

    /// How long the notes are.
    pub fn noted(&self) -> u64 {
        fs::metadata(&self.notes).map_or(0, |file| file.len())
    }

    /// The program with these arguments, under the shim; nothing of the caller's environment reaches it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.root).args(arguments).arg("--database").arg(self.database());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KEYSTEAD_") {
                command.env_remove(name);
            }
        }
        command.env("LD_PRELOAD", &self.shim).env("TORTURE_DIR", &self.data).env("TORTURE_LOG", &self.notes);
        command.env("TORTURE_CONTROL", self.root.join("control")).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end: its exit code, what it printed, what it told people.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_with(arguments, "")
    }

    /// The same with this on stdin.
    pub fn run_with(&self, arguments: &[&str], stdin: &str) -> (i32, String, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let _ = child.stdin.take().expect("stdin").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("ends");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// Runs it; it must go well. What it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    }

    /// Starts a server.
    pub fn serve(&self, flags: &[&str]) -> Server {
        self.try_serve(flags)
            .unwrap_or_else(|(status, log)| panic!("no server in {}: {status}: {log}", self.root.display()))
    }

    /// Starts a server; if it ends at once: how, and what it said.
    pub fn try_serve(&self, flags: &[&str]) -> Result<Server, (ExitStatus, String)> {
        let mut child = self.spawn(flags);
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (found, listening) = mpsc::channel();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on http://") {
                    let _ = found.send(address.to_owned());
                }
                let mut lines = lines.lock().expect("no panic");
                lines.push_str(&line);
                lines.push('\n');
            }
        });
        match listening.recv_timeout(PATIENCE) {
            Ok(address) => Ok(Server { address, child, log, reader: Some(reader) }),
            Err(_) => {
                let _ = child.kill();
                let status = child.wait().expect("ends");
                let _ = reader.join();
                let log = log.lock().expect("no panic").clone();
                Err((status, log))
            }
        }
    }

    /// Starts a server and does not wait for it.
    pub fn spawn(&self, flags: &[&str]) -> Child {
        let usual = ["serve", "--listen", "127.0.0.1:0", "--rate-limit", "off", "--trusted-proxy", "127.0.0.1"];
        let mut command = self.command(&[&usual, flags].concat());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
    }

    /// Forgets it all. A failed torture does not come here: its files are evidence.
    pub fn remove(self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// A running server. Dropping it kills it.
pub struct Server {
    /// Where it answers.
    pub address: String,
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// SIGKILL: it finishes nothing.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM: how it ended.
    pub fn stop(self) -> ExitStatus {
        self.ask_to_stop();
        self.stop_waiting()
    }

    /// It was asked to stop: how it ended.
    pub fn stop_waiting(mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status;
            }
            assert!(Instant::now() < end, "it does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and no waiting.
    pub fn ask_to_stop(&self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it runs");
    }

    /// Whether it runs.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// What it has said on stderr.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
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
