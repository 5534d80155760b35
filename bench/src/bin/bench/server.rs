//! The processes that are measured: starting them, asking the system about them, stopping them. Knows no protocol.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Result;

/// Starting takes no longer than this, draining neither.
const PATIENCE: Duration = Duration::from_secs(30);

/// The Keystead that is measured.
#[derive(Clone)]
pub struct Keystead {
    /// Its program.
    pub program: PathBuf,
    /// Its database; the log stands beside it.
    pub database: PathBuf,
}

impl Keystead {
    /// A command, on the database. A setting of the caller's own shell must not decide a figure.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KEYSTEAD_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).arg("--database").arg(&self.database);
        command
    }

    /// Runs a command to its end; what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let done = self.command(arguments).stdin(Stdio::null()).output()?;
        if !done.status.success() {
            return Err(format!("keystead {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr)).into());
        }
        Ok(String::from_utf8(done.stdout)?)
    }

    /// Starts to serve, without limits: all load comes from one address.
    pub fn serve(&self) -> Result<Server> {
        self.serve_with(&["--rate-limit", "off"])
    }

    /// Starts to serve with these settings.
    pub fn serve_with(&self, arguments: &[&str]) -> Result<Server> {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        Server::start(command.args(arguments), &self.database.with_extension("log"))
    }
}

/// A running server. Ends with this value.
pub struct Server {
    child: Child,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a program that says `listening on http://ADDRESS` on stderr, which goes to the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Server> {
        let file = File::create(log)?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn()?;
        let since = Instant::now();
        while since.elapsed() < PATIENCE && child.try_wait()?.is_none() {
            if let Some(address) = address_in(log)? {
                return Ok(Server { child, address });
            }
            thread::sleep(Duration::from_micros(500));
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("the server did not start:\n{}", fs::read_to_string(log)?).into())
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Memory in RAM now, in KiB.
    pub fn resident(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory in RAM so far, in KiB.
    pub fn most_resident(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Open files and sockets.
    pub fn descriptors(&self) -> Result<u64> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id()))?.count() as u64)
    }

    fn status(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field in /proc")?;
        Ok(value.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The standard library can only kill; what stops a server politely is a program everywhere.
        let _ = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status();
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(log: &Path) -> Result<Option<SocketAddr>> {
    for line in BufReader::new(File::open(log)?).split(b'\n') {
        if let Some((_, address)) = String::from_utf8_lossy(&line?).split_once("listening on http://")
            && let Ok(address) = address.trim().parse()
        {
            return Ok(Some(address));
        }
    }
    Ok(None)
}
