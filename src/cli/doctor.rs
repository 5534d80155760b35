//! `keystead doctor`: looks at everything around a server that an operator should know of, and says what to do. Changes
//! nothing. The checks are in `doctor/`, one function each; the table here is their order.

use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::config::{Config, Flags};
use crate::model::time::Time;
use crate::store::backup;
use crate::store::lock::{self, Holder};

use super::{Code, Exit, Global, now, print_json, print_lines};

mod around;
mod file;
mod server;

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead doctor
  # with the settings that the server has
  keystead doctor --config /etc/keystead/keystead.toml
  keystead doctor --json

A line for each check: ok, warning or problem, and what to do. Exits 0 if there is no problem, else 6. Run it as the user \
that the server runs as, with the server's settings.")]
pub(super) struct Arguments {
    #[command(flatten)]
    flags: Flags,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work, or soon will not.
    Problem,
}

/// What a check found: its state, and a sentence that says what to do if there is something to do.
struct Found(State, String);

fn ok(text: impl Into<String>) -> Found {
    Found(State::Ok, text.into())
}

fn warning(text: impl Into<String>) -> Found {
    Found(State::Warning, text.into())
}

fn problem(text: impl Into<String>) -> Found {
    Found(State::Problem, text.into())
}

/// What the checks look at.
struct Seen {
    config: Config,
    now: Time,
    /// Who serves the database.
    holder: Option<Holder>,
    /// The version of its schema, or why it cannot be read.
    schema: Result<i64, String>,
    /// Bytes of the database, and of its log before anybody looked into it.
    size: u64,
    log: u64,
}

impl Seen {
    fn database(&self) -> &Path {
        &self.config.database
    }
}

type Check = fn(&Seen) -> Found;

/// All checks by their names, which programs know.
const CHECKS: &[(&str, Check)] = &[
    ("database", file::database),
    ("soundness", file::soundness),
    ("permissions", file::permissions),
    ("disk", file::disk),
    ("log", file::log),
    ("clock", around::clock),
    ("server", server::server),
    ("network", server::network),
    ("proxy", server::proxy),
    ("open-files", server::open_files),
    ("vault", around::vault),
    ("mail", around::mail),
    ("backups", around::backups),
];

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let config = global.load_and_tell(arguments.flags)?;
    let length = |ending| std::fs::metadata(file::beside(&config.database, ending)).map_or(0, |file| file.len());
    let (size, log) = (length(""), length("-wal"));
    let schema = if config.database.exists() {
        backup::version(&config.database).map_err(|error| error.to_string())
    } else {
        Err(format!(
            "there is no {}; make it with `keystead app create NAME`, or name another with --database",
            config.database.display()
        ))
    };
    let holder = lock::holder(&config.database);
    let seen = Seen { config, now: now(), holder, schema, size, log };
    let found: Vec<(&str, Found)> = CHECKS.iter().map(|(name, check)| (*name, check(&seen))).collect();

    let problems = found.iter().filter(|(_, Found(state, _))| *state == State::Problem).count();
    if global.json {
        let checks: Vec<_> = found
            .iter()
            .map(|(name, Found(state, text))| json!({ "name": name, "state": word(*state), "text": text }))
            .collect();
        print_json(&json!({ "healthy": problems == 0, "checks": checks }))?;
    } else {
        let line = |(name, Found(state, text)): &(&str, Found)| format!("{:<8} {name:<12} {text}", word(*state));
        let lines: Vec<String> = found.iter().map(line).collect();
        print_lines(lines.iter().map(String::as_str))?;
    }
    match problems {
        0 => Ok(()),
        1 => Err(Exit::new(Code::Unhealthy, "1 problem: its line says what to do")),
        count => Err(Exit::new(Code::Unhealthy, format!("{count} problems: their lines say what to do"))),
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Problem => "problem",
    }
}
