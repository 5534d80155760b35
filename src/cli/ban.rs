//! `keystead ban`: devices and addresses that an app keeps out.

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::domain::ban;
use crate::model::ban::{BanTarget, parse_network};
use crate::store::bans::{self, Ban};

use super::options::AppOption;
use super::{Db, Exit, Global, now, print_json, print_table, print_time, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead ban add --ip 203.0.113.7 --note 'key guessing'
  keystead ban add --ip 2001:db8::/32
  keystead ban add --hwid S-1-5-21-1004336348
  keystead ban list
  keystead ban remove --ip 203.0.113.7

A ban refuses registering and logging in, from the next call on. It ends no session: that is `keystead session kill`.
Users and licenses are banned with `keystead user ban` and `keystead license ban`.")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Keep a device, an address or a network out
    Add {
        #[command(flatten)]
        target: Target,
        /// Your own words on it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List an app's bans
    List,
    /// Let it in again
    Remove {
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// An address like 203.0.113.7, or a network like 203.0.113.0/24
    #[arg(long, value_name = "ADDR|CIDR", value_parser = parse_network)]
    ip: Option<IpNet>,
    /// A device, exactly as its client says it
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    hwid: Option<String>,
}

impl Target {
    fn target(self) -> BanTarget {
        match self.ip {
            Some(network) => BanTarget::Network(network),
            None => BanTarget::Hwid(self.hwid.unwrap_or_default()),
        }
    }
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    let id = app.id;
    match arguments.command {
        Command::Add { target, note } => {
            let new = Ban { target: target.target(), note, created_at: now() };
            let document = document(&new);
            let shown = new.target.to_string();
            let added = db.write(move |tx| ban::add(tx, id, &new))?;
            let word = if added { "banned" } else { "was banned already:" };
            say(global, &document, &format!("{word} {shown} from {}", app.name))
        }
        Command::List => {
            let all = db.read(move |tx| bans::all(tx, id))?;
            if global.json {
                return print_json(&all.iter().map(document).collect::<Vec<_>>());
            }
            let row = |b: &Ban| {
                vec![
                    kind(&b.target).to_owned(),
                    b.target.to_string(),
                    print_time(b.created_at),
                    b.note.clone().unwrap_or_default(),
                ]
            };
            print_table(&["KIND", "BANNED", "SINCE (UTC)", "NOTE"], &all.iter().map(row).collect::<Vec<_>>())
        }
        Command::Remove { target } => {
            let target = target.target();
            let shown = target.to_string();
            if db.write(move |tx| bans::delete(tx, id, &target))? {
                say(global, &json!({ "removed": shown }), &format!("{shown} is not banned from {} any more", app.name))
            } else {
                Err(Exit::failure(format!("{shown} is not banned; see `keystead ban list`")))
            }
        }
    }
}

fn kind(target: &BanTarget) -> &'static str {
    match target {
        BanTarget::Hwid(_) => "hwid",
        BanTarget::Network(_) => "ip",
    }
}

fn document(ban: &Ban) -> Value {
    json!({
        "kind": kind(&ban.target), "value": ban.target.to_string(), "note": ban.note, "created_at": ban.created_at.0,
    })
}
