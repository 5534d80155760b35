//! `keystead var`: texts that an app hands to its clients.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::{Refusal, variable};
use crate::store::variables::{self, Variable};

use super::options::AppOption;
use super::{Db, Exit, Global, print_json, print_table, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead var set motd 'Back at noon'              only users who have logged in read it
  keystead var set news 'Version 2 is out' --public
  keystead var list
  keystead var delete motd")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add or replace a variable
    Set {
        /// Its name: at most 49 bytes
        name: String,
        /// Its value: at most 1,000 bytes; one that begins with - stands after --
        value: String,
        /// Every session reads it, not only those on which a user has logged in
        #[arg(long)]
        public: bool,
    },
    /// List an app's variables
    List,
    /// Delete a variable
    Delete {
        /// Its name
        name: String,
    },
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    let id = app.id;
    match arguments.command {
        Command::Set { name, value, public } => {
            let new = Variable { name, value, authenticated: !public };
            let document = document(&new);
            let readers = if public { "every session reads it" } else { "users who have logged in read it" };
            let sentence = format!("set variable {} of {}: {readers}", new.name, app.name);
            db.write(move |tx| variable::set(tx, id, &new))?;
            say(global, &document, &sentence)
        }
        Command::List => {
            let all = db.read(move |tx| variables::all(tx, id))?;
            if global.json {
                return print_json(&all.iter().map(document).collect::<Vec<_>>());
            }
            let readers = |v: &Variable| if v.authenticated { "users" } else { "everyone" }.to_owned();
            let rows: Vec<_> = all.into_iter().map(|v| vec![v.name.clone(), readers(&v), v.value]).collect();
            print_table(&["NAME", "READ BY", "VALUE"], &rows)
        }
        Command::Delete { name } => {
            let (document, sentence) = (json!({ "deleted": name }), format!("deleted variable {name} of {}", app.name));
            if db.write(move |tx| variables::delete(tx, id, &name))? {
                say(global, &document, &sentence)
            } else {
                Err(Refusal::VariableNotFound.into())
            }
        }
    }
}

fn document(variable: &Variable) -> Value {
    json!({ "name": variable.name, "value": variable.value, "authenticated": variable.authenticated })
}
