//! `keystead app allow`: networks that an app's VPN block lets through.

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::json;

use crate::model::ban::{parse_network, print_network};
use crate::store::apps;

use super::options::AppOption;
use super::{Db, Exit, Global, note, print_json, print_lines, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead app allow add 203.0.113.7
  keystead app allow add 2001:db8::/32 --app demo
  keystead app allow list
  keystead app allow remove 203.0.113.7

The setting vpnblock turns the block on; which addresses are VPNs is said by the server's list (--vpn-list).")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Let an address or a network through
    Add {
        /// An address like 203.0.113.7, or a network like 203.0.113.0/24
        #[arg(value_parser = parse_network)]
        network: IpNet,
    },
    /// List what is let through
    List,
    /// Take that back
    Remove {
        /// As it was added
        #[arg(value_parser = parse_network)]
        network: IpNet,
    },
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    let id = app.id;
    match arguments.command {
        Command::Add { network } => {
            let text = print_network(&network);
            let stored = text.clone();
            db.write(move |tx| apps::allow_network(tx, id, &stored))?;
            if !app.settings.vpn_block {
                note("the setting vpnblock is off: every address is let through now");
            }
            say(global, &json!({ "network": text }), &format!("{text} is let through the VPN block of {}", app.name))
        }
        Command::List => {
            let all = db.read(move |tx| apps::allowed_networks(tx, id))?;
            if global.json { print_json(&all) } else { print_lines(all.iter().map(String::as_str)) }
        }
        Command::Remove { network } => {
            let text = print_network(&network);
            let stored = text.clone();
            if !db.write(move |tx| apps::disallow_network(tx, id, &stored))? {
                let text = format!("{text} is not on the list; see `keystead app allow list`");
                return Err(Exit::failure(text));
            }
            say(global, &json!({ "removed": text }), &format!("{text} is not let through any more"))
        }
    }
}
