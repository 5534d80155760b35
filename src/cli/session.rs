//! `keystead session`: who is connected, and ending it. Prints no whole session id: it is a secret of its client.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::{session, user};
use crate::model::session::{Session, SessionKind};
use crate::store::sessions;

use super::options::AppOption;
use super::{Db, Exit, Global, note, now, print_json, print_table, print_time, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead session list --app demo
  # by the beginning of its id, as the list shows it
  keystead session kill 3f2a91c0
  keystead session kill --user mia
  keystead session kill --all --app demo

A running server refuses the next call of an ended session. A KIND is what it is for: a program, a short-lived
token of Authgate's, or one user signed in on a browser.")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List an app's live sessions, newest first
    List {
        /// How many to list at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// End sessions
    Kill(Kill),
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Kill {
    /// The session's id, or its beginning: at least four characters
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// All sessions of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// All sessions of the app
    #[arg(long)]
    all: bool,
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    let id = app.id;
    match arguments.command {
        Command::List { limit } => {
            // One more than is shown tells whether there are more.
            let mut live = db.read(move |tx| sessions::live_of_app(tx, id, now(), i64::from(limit) + 1))?;
            if live.len() > limit as usize {
                live.truncate(limit as usize);
                note("there are more; raise --limit");
            }
            if global.json {
                return print_json(&live.iter().map(document).collect::<Vec<_>>());
            }
            let row = |s: &Session| {
                let user = s.user.as_ref().map_or_else(|| "-".to_owned(), |u| u.credential.to_string());
                vec![
                    s.id.short(),
                    word(s.kind).to_owned(),
                    user,
                    s.ip.clone(),
                    print_time(s.created_at),
                    print_time(s.expires_at),
                ]
            };
            let rows: Vec<_> = live.iter().map(row).collect();
            print_table(&["ID", "KIND", "USER", "ADDRESS", "SINCE (UTC)", "UNTIL (UTC)"], &rows)
        }
        Command::Kill(Kill { id: wanted, user: name, .. }) => {
            if let Some(text) = &wanted
                && (text.len() < 4 || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()))
            {
                return Err(Exit::usage("a session is named by 4 to 64 hex characters; see `keystead session list`"));
            }
            let ended = db.write(move |tx| match (&wanted, &name) {
                (Some(prefix), _) => {
                    let found = sessions::by_prefix(tx, id, &prefix.to_ascii_lowercase(), now())?;
                    let found = found.ok_or_else(|| {
                        Exit::failure("no live session, or more than one, begins so; see `keystead session list`")
                    })?;
                    session::end(tx, &app, found, now())?;
                    Ok(1)
                }
                (None, Some(name)) => {
                    let user = user::find(tx, &app, Some(name))?;
                    Ok(sessions::end_of_user(tx, user.id, now())?)
                }
                (None, None) => Ok::<_, Exit>(sessions::end_of_app(tx, id, now())?),
            })?;
            let sentence = if ended == 1 { "ended 1 session".to_owned() } else { format!("ended {ended} sessions") };
            say(global, &json!({ "ended": ended }), &sentence)
        }
    }
}

/// What a session is for.
fn word(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Init => "program",
        SessionKind::Token => "token",
        SessionKind::SignIn => "browser",
    }
}

fn document(session: &Session) -> Value {
    json!({
        "id": session.id.short(), "kind": word(session.kind), "user": session.user.as_ref().map(|u| &*u.credential), "ip": session.ip,
        "created_at": session.created_at.0, "expires_at": session.expires_at.0,
    })
}
