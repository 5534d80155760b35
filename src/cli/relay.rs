//! `keystead relay`: addresses that an app's clients reach through the server without seeing them. Asks none of them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::target::Targets;
use crate::domain::{Refusal, relay};
use crate::store::relays::{self, Relay};

use super::options::{AppOption, TargetOption};
use super::print::origin;
use super::{Db, Exit, Global, print_json, print_lines, print_table, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead relay add notify 'https://api.example.com/notify?key=SECRET&user='
  keystead relay add stock https://shop.example.com/stock --public --user-agent 'Demo/1'
  keystead relay add build http://10.1.2.3:9000/build --allow-target 10.1.2.3/32
  keystead relay list
  keystead relay show notify
  keystead relay delete notify

Clients call it as KeyAuth's `webhook`: what they send as `params` is appended to the URL, and cannot lead elsewhere.")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a relay
    Add {
        /// What clients call it: at most 10 bytes
        id: String,
        /// Where it leads: at most 200 bytes; clients never see it
        url: String,
        /// Who asks there, at most 49 visible ASCII characters
        #[arg(long, value_name = "TEXT", default_value = relay::USER_AGENT)]
        user_agent: String,
        /// Every session may use it, not only those on which a user has logged in
        #[arg(long)]
        public: bool,
        #[command(flatten)]
        target: TargetOption,
    },
    /// List an app's relays, without what is secret in their URLs
    List,
    /// Show a relay with its whole URL
    Show {
        /// Its id
        id: String,
    },
    /// Delete a relay
    Delete {
        /// Its id
        id: String,
    },
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    let app_id = app.id;
    match arguments.command {
        Command::Add { id, url, user_agent, public, target } => {
            let targets = Targets::new(target.config(global)?.allow_target);
            let new = Relay { id, url, user_agent, authenticated: !public };
            let document = document(&new);
            let sentence = format!("added relay {} of {} to {}: {}", new.id, app.name, origin(&new.url), users(&new));
            db.write(move |tx| relay::create(tx, &targets, app_id, &new))?;
            say(global, &document, &sentence)
        }
        Command::List => {
            let all = db.read(move |tx| relays::all(tx, app_id))?;
            if global.json {
                let brief = |relay: &Relay| json!({ "id": relay.id, "origin": origin(&relay.url), "authenticated": relay.authenticated });
                return print_json(&all.iter().map(brief).collect::<Vec<_>>());
            }
            let rows: Vec<_> = all.iter().map(|r| vec![r.id.clone(), users(r).to_owned(), origin(&r.url)]).collect();
            print_table(&["ID", "WHO", "WHERE"], &rows)
        }
        Command::Show { id } => {
            let found = db.read(move |tx| relays::find(tx, app_id, &id))?.ok_or(Refusal::RelayNotFound)?;
            if global.json {
                return print_json(&document(&found));
            }
            let lines = [
                format!("relay       {}", found.id),
                format!("url         {}", found.url),
                format!("user agent  {}", found.user_agent),
                format!("who         {}", users(&found)),
            ];
            print_lines(lines.iter().map(String::as_str))
        }
        Command::Delete { id } => {
            let (document, sentence) = (json!({ "deleted": id }), format!("deleted relay {id} of {}", app.name));
            if db.write(move |tx| relays::delete(tx, app_id, &id))? {
                say(global, &document, &sentence)
            } else {
                Err(Refusal::RelayNotFound.into())
            }
        }
    }
}

fn users(relay: &Relay) -> &'static str {
    if relay.authenticated { "users who have logged in" } else { "everyone" }
}

fn document(relay: &Relay) -> Value {
    let Relay { id, url, user_agent, authenticated } = relay;
    json!({ "id": id, "url": url, "user_agent": user_agent, "authenticated": authenticated })
}
