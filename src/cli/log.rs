//! `keystead log`: what an app's clients logged. The server's own log goes to its stderr and is no business of this.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::model::log::LogLine;
use crate::model::time::Time;
use crate::store::logs;

use super::options::{AppOption, date};
use super::{Db, Exit, Global, note, now, print_json, print_table, print_time, say};

/// How many lines one write deletes: a running server answers in between.
const STEP: i64 = 1_000;

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead log list --app demo
  keystead log list --user mia --limit 1000 --json
  keystead log clear --before 2026-01-31
  keystead log clear --app demo  # all of it

A server deletes lines by itself: after the server's setting log-retention, and the oldest when an app has more than
log-limit.")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List what an app's clients logged, newest first
    List {
        /// How many lines at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Only what was logged while this user was logged in
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Delete what an app's clients logged
    Clear {
        /// Only what is older: a day like 2026-01-31, or a second like 2026-01-31T12:00:00; UTC
        #[arg(long, value_name = "DATE", value_parser = date)]
        before: Option<Time>,
    },
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    let id = app.id;
    match arguments.command {
        Command::List { limit, user } => {
            // One more than is shown tells whether there are more.
            let mut lines = db.read(move |tx| logs::newest(tx, id, user.as_deref(), i64::from(limit) + 1))?;
            if lines.len() > limit as usize {
                lines.truncate(limit as usize);
                note("there are more; raise --limit");
            }
            if global.json {
                return print_json(&lines.iter().map(document).collect::<Vec<_>>());
            }
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let row =
                |l: LogLine| vec![print_time(l.logged_at), or_dash(l.credential), or_dash(l.pc_user), l.ip, l.message];
            let rows: Vec<_> = lines.into_iter().map(row).collect();
            print_table(&["TIME (UTC)", "USER", "PC", "ADDRESS", "MESSAGE"], &rows)
        }
        Command::Clear { before } => {
            // Without a date, what clients log meanwhile stays.
            let before = before.unwrap_or(now() + 1);
            let mut deleted = 0;
            loop {
                match db.write(move |tx| logs::clear(tx, id, before, STEP))? {
                    0 => break,
                    step => deleted += step,
                }
            }
            let lines = if deleted == 1 { "1 line".to_owned() } else { format!("{deleted} lines") };
            say(global, &json!({ "deleted": deleted }), &format!("deleted {lines} of {}", app.name))
        }
    }
}

fn document(line: &LogLine) -> Value {
    json!({
        "logged_at": line.logged_at.0, "message": line.message, "credential": line.credential,
        "pc_user": line.pc_user, "ip": line.ip,
    })
}
