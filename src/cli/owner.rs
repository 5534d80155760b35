//! `keystead owner`: accounts that have apps.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::domain::owner;
use crate::model::app::Owner;
use crate::store::owners;

use super::{Db, Exit, Global, now, print_json, print_line, print_table, print_time};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead owner create acme
  # an account that moves in with its clients
  keystead owner create acme --ownerid AbCdEfGh12
  keystead owner list --json")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an owner
    Create {
        /// Its name; part of the customer panel's link
        name: String,
        /// The ownerid that its clients know already: ten letters or digits
        #[arg(long, value_name = "TEXT")]
        ownerid: Option<String>,
    },
    /// List all owners
    List,
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    match arguments.command {
        Command::Create { name, ownerid } => {
            let mut db = Db::open(global)?;
            let owner = db.write(move |tx| owner::create(tx, &name, ownerid.as_deref(), now(), &mut rand::rng()))?;
            if global.json {
                return print_json(&document(&owner));
            }
            print_line(&format!("made owner {} with ownerid {}", owner.name, owner.ownerid))
        }
        Command::List => {
            let owners = Db::existing(global)?.read(owners::all)?;
            if global.json {
                return print_json(&owners.iter().map(document).collect::<Vec<_>>());
            }
            let rows: Vec<_> = owners
                .iter()
                .map(|o| vec![o.name.to_string(), o.ownerid.to_string(), print_time(o.created_at)])
                .collect();
            print_table(&["NAME", "OWNERID", "CREATED (UTC)"], &rows)
        }
    }
}

fn document(owner: &Owner) -> serde_json::Value {
    json!({ "name": &*owner.name, "ownerid": &*owner.ownerid, "created_at": owner.created_at.0 })
}
