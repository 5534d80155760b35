//! The command line: one file per command, one variant per command here. Commands open the store, call the domain and
//! print; they decide no rule and know no SQL. Output for programs goes to stdout with `--json`; what is for people
//! goes to stdout too, and everything else to stderr.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::domain::{Refusal, Stop};
use crate::model::app::App;
use crate::model::time::Time;
use crate::store::{self, Options, Store, Tx, apps, lock};

mod cleanup;
mod completions;
mod config;
mod export;
mod import;
mod owner;
mod quickstart;
mod serve;

/// Keystead: a self-hosted license and login server. KeyAuth clients change the URL and keep working.
#[derive(Parser)]
#[command(name = "keystead", version, about, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  keystead quickstart                                     a server with an app and three keys, in one step
  keystead app create demo --json                         a new app; prints what its clients need
  keystead license create --app demo --count 10 --duration 30d
  keystead user ban mia --app demo --reason 'chargeback'
  keystead serve --listen 0.0.0.0:8080

Every command has --help with examples of its own.";

/// What every command takes.
#[derive(clap::Args, Clone, Debug)]
pub struct Global {
    /// The database file [default: keystead.db] [env: KEYSTEAD_DATABASE]
    #[arg(long, global = true, value_name = "FILE")]
    pub database: Option<PathBuf>,
    /// A TOML file with server settings [env: KEYSTEAD_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    /// The server's settings, from all their sources; `flags` are the command's own.
    pub(crate) fn load(&self, flags: Flags) -> Result<Config, Exit> {
        let file = self.config.clone().or_else(|| std::env::var_os("KEYSTEAD_CONFIG").map(PathBuf::from));
        let file = file.filter(|path| !path.as_os_str().is_empty());
        let database = self.database.as_ref().map(|path| path.to_string_lossy().into_owned());
        Config::load(&flags.or("database", database), file.as_deref())
            .map_err(|error| Exit::new(Code::Configuration, error.to_string()))
    }
}

/// The commands: one variant, one file.
#[derive(Subcommand)]
enum Command {
    /// Make a database with an app and three keys if there is none, print how to use it, and serve
    Quickstart(quickstart::Arguments),
    /// Answer clients until stopped
    Serve(serve::Arguments),
    /// Make and list owners: accounts that have apps
    Owner(owner::Arguments),
    /// Show the server's settings, their values and where those come from
    Config(config::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print everything an app holds as one JSON document
    Export(export::Arguments),
    /// Make an app of a JSON document: an export, or one written by hand
    Import(import::Arguments),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Quickstart(arguments) => quickstart::run(&cli.global, arguments),
        Command::Serve(arguments) => serve::run(&cli.global, arguments),
        Command::Owner(arguments) => owner::run(&cli.global, arguments),
        Command::Config(arguments) => config::run(&cli.global, arguments),
        Command::Completions(arguments) => completions::run(&cli.global, arguments),
        Command::Export(arguments) => export::run(&cli.global, &arguments),
        Command::Import(arguments) => import::run(&cli.global, arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            if !exit.text.is_empty() {
                eprintln!("keystead: {exit}");
            }
            ExitCode::from(exit.code as u8)
        }
    }
}

/// The exit codes (design: they are a contract).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Done = 0,
    /// It did not work.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// The database cannot be used.
    Database = 4,
    /// Another server holds the database.
    Locked = 5,
    /// The server is not healthy.
    Unhealthy = 6,
    /// `check` found problems.
    Problems = 7,
}

/// Why a command ended early: a code for programs, a sentence for people that says what to do next.
#[derive(Debug)]
pub struct Exit {
    code: Code,
    text: String,
}

impl Exit {
    /// Ends with this code and this sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Exit {
        Exit { code, text: text.into() }
    }

    /// It did not work.
    pub fn failure(text: impl Into<String>) -> Exit {
        Exit::new(Code::Failure, text)
    }

    /// The command line is wrong.
    pub fn usage(text: impl Into<String>) -> Exit {
        Exit::new(Code::Usage, text)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<store::Error> for Exit {
    fn from(error: store::Error) -> Exit {
        Exit::new(Code::Database, error.to_string())
    }
}

/// Errors that a command made with `thiserror`: its store errors are the database's, all others are plain failures.
macro_rules! failures {
    ($($error:path),* $(,)?) => {$(
        impl From<$error> for Exit {
            fn from(error: $error) -> Exit {
                use $error as Kind;
                match error {
                    Kind::Store(error) => error.into(),
                    other => Exit::failure(other.to_string()),
                }
            }
        }
    )*};
}

failures!(
    crate::domain::owner::OwnerError,
    crate::domain::app::AppError,
    crate::domain::plan::PlanError,
    crate::domain::license::LicenseError,
    crate::domain::variable::VariableError,
);

impl From<Stop> for Exit {
    fn from(stop: Stop) -> Exit {
        match stop {
            Stop::Failed(error) => error.into(),
            Stop::Refused(refusal) => refusal.into(),
            Stop::Prove(_) => Exit::failure("internal error: a command stopped for a password"),
        }
    }
}

impl From<Refusal> for Exit {
    fn from(refusal: Refusal) -> Exit {
        Exit::failure(match refusal {
            Refusal::LicenseNotFound => "there is no such license; see `keystead license list`".to_owned(),
            Refusal::UserNotFound => "there is no such user; see `keystead user list`".to_owned(),
            Refusal::VariableNotFound => "there is no such variable; see `keystead var list`".to_owned(),
            Refusal::SessionNotFound => "there is no such live session; see `keystead session list`".to_owned(),
            other => format!("refused: {}", other.code()),
        })
    }
}

impl From<std::io::Error> for Exit {
    fn from(error: std::io::Error) -> Exit {
        // Whoever reads our output has seen enough: no reason to complain.
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Exit::new(Code::Done, ""),
            _ => Exit::failure(error.to_string()),
        }
    }
}

/// How long the caches of a running server may take to notice what we wrote, with room to spare.
const NOTICE: Duration = Duration::from_millis(120);

/// A command's access to the database.
pub(crate) struct Db {
    store: Store,
    path: PathBuf,
    wrote: bool,
}

impl Db {
    /// Opens the database; makes it if there is none.
    pub(crate) fn open(global: &Global) -> Result<Db, Exit> {
        let path = global.load(Flags::default())?.database;
        Ok(Db { store: Store::open(&Options::small(&path))?, path, wrote: false })
    }

    /// Opens the database; there must be one.
    pub(crate) fn existing(global: &Global) -> Result<Db, Exit> {
        let path = global.load(Flags::default())?.database;
        if !path.exists() {
            let text = format!(
                "there is no database {}; make one with `keystead app create NAME` or `keystead quickstart`, or name \
                 another with --database",
                path.display()
            );
            return Err(Exit::new(Code::Database, text));
        }
        Db::open(global)
    }

    /// Reads.
    pub(crate) fn read<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, Exit>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
        Exit: From<E>,
    {
        self.store.read(work).wait().map_err(Exit::from)
    }

    /// Writes, all of it or nothing.
    pub(crate) fn write<T, E>(
        &mut self,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Exit>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
        Exit: From<E>,
    {
        self.wrote = true;
        self.store.write(work).wait().map_err(Exit::from)
    }

    /// The app that `--app NAME` means: by its name, or by `owner/name` when two owners have one of that name. With a
    /// single app, none need be named.
    pub(crate) fn app(&self, name: Option<&str>) -> Result<Arc<App>, Exit> {
        let all = self.read(apps::all)?;
        let (owner, wanted) = match name.and_then(|n| n.split_once('/')) {
            Some((owner, app)) if all.iter().all(|a| Some(&*a.name) != name) => (Some(owner), Some(app)),
            _ => (None, name),
        };
        let mut matching: Vec<_> = all
            .into_iter()
            .filter(|a| wanted.is_none_or(|w| w == &*a.name))
            .filter(|a| owner.is_none_or(|o| o.eq_ignore_ascii_case(&a.owner)))
            .collect();
        match (matching.len(), name) {
            (1, _) => Ok(Arc::new(matching.remove(0))),
            (0, None) => Err(Exit::failure("there is no app yet; make one with `keystead app create NAME`")),
            (0, Some(name)) => Err(Exit::failure(format!("there is no app {name:?}; see `keystead app list`"))),
            (_, None) => Err(Exit::usage("there are several apps: say which with --app NAME")),
            (_, Some(name)) => Err(Exit::usage(format!("several owners have an app {name:?}: say --app OWNER/NAME"))),
        }
    }
}

impl Drop for Db {
    /// When this command ends, its change is what the server answers by.
    fn drop(&mut self) {
        self.store.close();
        if self.wrote && lock::holder(&self.path).is_some() {
            std::thread::sleep(NOTICE);
        }
    }
}

/// The time now.
pub(crate) fn now() -> Time {
    Clock::System.now()
}

/// Prints a value as JSON, on one line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Exit> {
    let text = serde_json::to_string(value).map_err(|e| Exit::failure(e.to_string()))?;
    print_line(&text)
}

/// Prints a line. A reader that went away is no panic.
pub(crate) fn print_line(text: &str) -> Result<(), Exit> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(Exit::from)
}

/// Prints bytes as they are.
pub(crate) fn print_raw(bytes: &[u8]) -> Result<(), Exit> {
    std::io::stdout().lock().write_all(bytes).map_err(Exit::from)
}

/// Prints rows under their headings, in columns as wide as they need to be.
pub(crate) fn print_table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Exit> {
    let mut widths: Vec<usize> = headings.iter().map(|h| h.len()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| tame(cell)).collect()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line(&mut headings.iter().copied()))?;
    for row in &rows {
        writeln!(out, "{}", line(&mut row.iter().map(String::as_str)))?;
    }
    Ok(())
}

/// Text that customers chose must not steer the operator's terminal.
fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A time for people: UTC, to the second.
pub(crate) fn print_time(time: Time) -> String {
    chrono::DateTime::from_timestamp(time.0, 0)
        .map_or_else(|| time.0.to_string(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string())
}
