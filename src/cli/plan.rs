//! `keystead plan`: what a license level gives. KeyAuth calls a plan a subscription.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::domain::plan;
use crate::store::plans;

use super::options::AppOption;
use super::{Db, Exit, Global, print_json, print_table, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead plan create premium --level 2  # licenses of level 2 give premium
  keystead plan list --json
  keystead plan delete premium            # who holds it keeps it")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a plan
    Create {
        /// Its name; customers see it
        name: String,
        /// Licenses of this level give it; several plans may share a level
        #[arg(long, value_name = "LEVEL")]
        level: String,
    },
    /// List an app's plans
    List,
    /// Delete a plan; what users hold stays theirs
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
        Command::Create { name, level } => {
            let document = json!({ "name": name, "level": level });
            let sentence = format!("made plan {name} of {}: licenses of level {level} give it", app.name);
            db.write(move |tx| plan::create(tx, id, &name, &level))?;
            say(global, &document, &sentence)
        }
        Command::List => {
            let all = db.read(move |tx| plans::all(tx, id))?;
            if global.json {
                let all: Vec<_> = all.iter().map(|p| json!({ "name": p.name, "level": p.level })).collect();
                return print_json(&all);
            }
            let rows: Vec<_> = all.into_iter().map(|p| vec![p.name, p.level]).collect();
            print_table(&["NAME", "LEVEL"], &rows)
        }
        Command::Delete { name } => {
            let (document, sentence) = (json!({ "deleted": name }), format!("deleted plan {name} of {}", app.name));
            let missing = format!("there is no plan {name:?}; see `keystead plan list`");
            if db.write(move |tx| plans::delete(tx, id, &name))? {
                say(global, &document, &sentence)
            } else {
                Err(Exit::failure(missing))
            }
        }
    }
}
