//! The command line: one file per command, one variant per command here. Commands open the store, call the domain and
//! print; they decide no rule and know no SQL. Output for programs goes to stdout with `--json`; what is for people
//! goes to stdout too, and everything else to stderr.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::Clock;
use crate::config::{Config, Flags, strangers};
use crate::model::time::Time;

pub use self::exit::{Code, Exit};

pub(crate) use self::db::Db;
pub(crate) use self::print::{note, print_json, print_line, print_lines, print_raw, print_table, print_time, say};

mod allow;
mod app;
mod backup;
mod ban;
mod chat;
mod check;
mod cleanup;
mod completions;
mod config;
mod db;
mod doctor;
mod exit;
mod export;
mod file;
mod health;
mod import;
mod input;
mod license;
mod license_create;
mod log;
mod login_token;
mod man;
mod options;
mod owner;
mod plan;
mod print;
mod public_key;
mod quickstart;
mod relay;
mod restore;
mod schedule;
mod sdk;
mod serve;
mod session;
mod setting;
mod token;
mod user;
mod user_show;
mod var;

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
  keystead quickstart              # a server with an app and three keys
  keystead app create demo --json  # a new app; prints what its clients need
  keystead license create --app demo --count 10 --duration 30d
  keystead user ban mia --app demo --reason 'chargeback'
  keystead serve --listen 0.0.0.0:8080

Every command listed above has --help with examples.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 wrong configuration, 4 the database cannot be used, 5 another server \
uses it, 6 unhealthy, 7 check found problems";

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

    /// The same for a command that is asked how the settings stand: it tells of variables that may have been meant for one.
    pub(crate) fn load_and_tell(&self, flags: Flags) -> Result<Config, Exit> {
        for stranger in strangers() {
            let (name, nearest) = (stranger.name, stranger.nearest);
            note(&format!("{name} is set and is no setting{nearest}; `keystead config show` lists them all"));
        }
        self.load(flags)
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
    /// Make, show, change, pause and delete apps
    App(app::Arguments),
    /// Make, list and delete plans: what a license level gives
    Plan(plan::Arguments),
    /// Make, list, show, ban, prolong and delete license keys
    License(license::Arguments),
    /// Make, list, show, ban, prolong and delete users
    User(user::Arguments),
    /// Keep devices and addresses out
    Ban(ban::Arguments),
    /// List and end sessions
    Session(session::Arguments),
    /// Set, list and delete variables: texts handed to an app's clients, or kept for one of its users
    Var(var::Arguments),
    /// Make, show, empty and delete chat channels; mute users
    Chat(chat::Arguments),
    /// Make, list, ban, free and delete the tokens of the token system
    Token(token::Arguments),
    /// List and delete what an app's clients logged
    Log(log::Arguments),
    /// Add, list, show and delete an app's relays: addresses that its clients reach through the server
    Relay(relay::Arguments),
    /// Add, list, show, replace and delete an app's files: bytes handed to its clients
    File(file::Arguments),
    /// Copy the database into a file, also while a server uses it, and verify the copy
    Backup(backup::Arguments),
    /// Put a backup in the place of the database
    Restore(restore::Arguments),
    /// Look whether the database file is sound
    Check(check::Arguments),
    /// Look at everything around a server, and say what to do: file, disk, clock, settings, mail, backups
    Doctor(doctor::Arguments),
    /// Show the server's settings, their values and where those come from
    Config(config::Arguments),
    /// Change a KeyAuth client's source so that it asks this server
    Sdk(sdk::Arguments),
    /// Ask the running server whether it is well
    Health(health::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Write the manual's pages into a folder
    Man(man::Arguments),
    /// Print everything an app holds as one JSON document
    Export(export::Arguments),
    /// Make an app of a JSON document: an export, or one written by hand
    Import(import::Arguments),
}

/// Whether this command line, the program's name first, would be understood. Runs nothing: it is there so that what the
/// documentation shows can be held to what there is.
pub fn understand(words: &[String]) -> Result<(), clap::Error> {
    Cli::try_parse_from(words).map(drop)
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Quickstart(arguments) => quickstart::run(&cli.global, arguments),
        Command::Serve(arguments) => serve::run(&cli.global, arguments),
        Command::Owner(arguments) => owner::run(&cli.global, arguments),
        Command::App(arguments) => app::run(&cli.global, arguments),
        Command::Plan(arguments) => plan::run(&cli.global, arguments),
        Command::License(arguments) => license::run(&cli.global, arguments),
        Command::User(arguments) => user::run(&cli.global, arguments),
        Command::Ban(arguments) => ban::run(&cli.global, arguments),
        Command::Session(arguments) => session::run(&cli.global, arguments),
        Command::Var(arguments) => var::run(&cli.global, arguments),
        Command::Chat(arguments) => chat::run(&cli.global, arguments),
        Command::Token(arguments) => token::run(&cli.global, arguments),
        Command::Log(arguments) => log::run(&cli.global, arguments),
        Command::Relay(arguments) => relay::run(&cli.global, arguments),
        Command::File(arguments) => file::run(&cli.global, arguments),
        Command::Backup(arguments) => backup::run(&cli.global, &arguments),
        Command::Restore(arguments) => restore::run(&cli.global, &arguments),
        Command::Check(arguments) => check::run(&cli.global, arguments),
        Command::Doctor(arguments) => doctor::run(&cli.global, arguments),
        Command::Config(arguments) => config::run(&cli.global, arguments),
        Command::Sdk(arguments) => sdk::run(&cli.global, arguments),
        Command::Health(arguments) => health::run(&cli.global, &arguments),
        Command::Completions(arguments) => completions::run(&cli.global, arguments),
        Command::Man(arguments) => man::run(&cli.global, &arguments),
        Command::Export(arguments) => export::run(&cli.global, &arguments),
        Command::Import(arguments) => import::run(&cli.global, arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.tell(),
    }
}

/// The time now.
pub(crate) fn now() -> Time {
    Clock::System.now()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_global_option_shares_its_id_with_no_other() {
        fn walk(command: &clap::Command, mut global: Vec<String>) {
            for argument in command.get_arguments() {
                let id = argument.get_id().to_string();
                assert!(!global.contains(&id), "{}: {id} means two things", command.get_name());
            }
            global.extend(command.get_arguments().filter(|a| a.is_global_set()).map(|a| a.get_id().to_string()));
            command.get_subcommands().for_each(|sub| walk(sub, global.clone()));
        }
        walk(&Cli::command(), Vec::new());
    }

    #[test]
    fn examples_can_be_pasted_with_their_comments() {
        fn walk(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter(|line| line.starts_with("  keystead ")) {
                let (words, comment) = line.split_once("  #").unwrap_or((line, ""));
                assert!(!words.trim().contains("  ") && !words.contains('#'), "a comment is \"  # …\": {line}");
                assert!(comment.is_empty() || line.chars().count() <= 80, "too wide for its comment: {line}");
                if !words.contains(['\'', '|', '<', '>']) {
                    let parsed = Cli::try_parse_from(words.split_whitespace());
                    assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
                }
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    #[test]
    fn the_command_line_is_sound() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} says what it does", sub.get_name());
            let examples = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains("Examples:"), "{} has examples", sub.get_name());
            for verb in sub.get_subcommands() {
                assert!(verb.get_about().is_some(), "{} {} says what it does", sub.get_name(), verb.get_name());
                assert!(
                    verb.get_name() == "allow" || examples.contains(&format!("{} {}", sub.get_name(), verb.get_name())),
                    "{} {} has an example",
                    sub.get_name(),
                    verb.get_name()
                );
            }
        }
    }
}
