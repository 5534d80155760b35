//! Drives a server with wrk and reads what it says. Decides nothing about the figures.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::client::Result;

/// How hard a server is driven.
#[derive(Clone, Copy)]
pub struct Load {
    pub threads: u32,
    pub connections: u32,
    pub seconds: u32,
}

/// How the lines of a file are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Over and over; what is answered is not looked at, which would cost wrk more than a fast answer costs the server.
    Again,
    /// Over and over, and only successes count. For slow calls: "busy" is quick to say.
    Counted,
    /// Each once, and only successes count.
    Once,
}

/// What came of it.
#[derive(Clone, Copy)]
pub struct Outcome {
    /// Answers a second; successes only, where they are counted.
    pub rate: f64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
}

/// Posts the lines of `file` to `address`.
pub fn drive(script: &Path, address: SocketAddr, load: Load, lines: Lines, file: &Path) -> Result<Outcome> {
    let Load { threads, connections, seconds } = load;
    let threads = threads.min(connections);
    let mut command = Command::new("wrk");
    command
        .arg(format!("-t{threads}"))
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .args(["--timeout", "20s", "-s"])
        .arg(script)
        .arg(format!("http://{address}/api/1.2/"))
        .arg("--")
        .arg(file);
    match lines {
        Lines::Again => {}
        Lines::Counted => drop(command.arg("count")),
        Lines::Once => drop(command.arg("count").arg(threads.to_string())),
    }
    let done = command.output()?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    let numbers: Vec<f64> = text
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .map(|line| line.split(' ').map(str::parse).collect::<std::result::Result<_, _>>())
        .ok_or_else(|| format!("wrk said:\n{text}"))??;
    let &[all, successes, errors, p50, p99] = &numbers[..] else { return Err(format!("wrk said:\n{text}").into()) };
    if errors > 0.0 {
        return Err(format!("{errors} requests failed:\n{text}").into());
    }
    let rate = if lines == Lines::Again { all } else { successes };
    Ok(Outcome { rate, p50: p50 / 1000.0, p99: p99 / 1000.0 })
}
