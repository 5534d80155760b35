//! `keystead config public-key` and `rotate-key`: the server's key pair for API 1.3. The private key is never shown.

use serde_json::json;

use super::options::VaultOption;
use super::{Db, Exit, Global, input, note, now, print_json, print_line, say};
use crate::domain::server_key;
use crate::store::server_keys;

/// The options of `config public-key`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    key: VaultOption,
}

/// The options of `config rotate-key`.
#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    key: VaultOption,
}

/// What a new pair means.
const WARNING: &str = "From then on every client of API 1.3 refuses this server's answers until it has the new public \
                       key.";

/// Prints the public key, alone; makes the pair if there is none.
pub(super) fn show(global: &Global, options: &Show) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    // That key is no secret: it takes no vault.
    let public = match db.read(server_keys::signing)? {
        Some(stored) => stored.public_key,
        None => {
            let vault = db.vault(global, &options.key)?;
            let key = db.write(move |tx| server_key::signing_or_new(tx, &vault, &mut rand::rng(), now()))?;
            key.public_key().to_owned()
        }
    };
    if global.json { print_json(&json!({ "public_key": public })) } else { print_line(&public) }
}

/// Makes a new pair, which signs from now on.
pub(super) fn rotate(global: &Global, options: &Rotate) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let vault = db.vault(global, &options.key)?;
    if !options.yes {
        if !input::is_terminal() {
            return Err(Exit::usage(format!("this makes a new key pair. {WARNING} Say --yes if that is meant")));
        }
        let question = format!("This makes a new key pair. {WARNING} Type yes to go on:");
        if !input::confirm(&question, "yes")? {
            return Err(Exit::failure("nothing was changed"));
        }
    }
    let key = db.write(move |tx| server_key::rotate(tx, &vault, &mut rand::rng(), now()))?;
    note("put this public key into your clients of API 1.3 (a running server signs by it already)");
    say(global, &json!({ "public_key": key.public_key() }), key.public_key())
}
