//! `keystead check`: looks whether the database file is sound. Reads only: a file of an older schema is not upgraded, and
//! a server may be running.

use clap::Args;
use serde_json::json;

use crate::store::schema::{self, VERSION};
use crate::store::{backup, verify};

use super::{Code, Exit, Global, db, note, print_json, print_line, print_lines};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead check
  keystead check --database backup.db --json

Exits 0 if the file is sound, 7 with a line for each problem if it is not. The file stays as it is, also one of an older \
version.")]
pub(super) struct Arguments {}

pub(super) fn run(global: &Global, Arguments {}: Arguments) -> Result<(), Exit> {
    let path = db::existing(global)?;
    let version = backup::version(&path)?;
    if version > VERSION {
        return Err(schema::too_new(&path, version).into());
    }
    let is_older = version < VERSION;
    let look = if is_older { verify::problems_of_older } else { verify::problems };
    let problems = backup::look(&path, look)?;
    let file = path.display();
    if is_older {
        note(&format!(
            "{file} has schema {version}, and stays so: serving it, or any command that opens it, would upgrade it to \
             {VERSION}. Looked at: whether the file is whole, and whether what its rows point to is there"
        ));
    }
    if global.json {
        print_json(&json!({ "sound": problems.is_empty(), "problems": problems }))?;
    } else {
        print_lines(problems.iter().map(String::as_str))?;
    }
    if !problems.is_empty() {
        let advice = "stop the server, keep a copy of the file, and go back to a backup that is sound";
        return Err(Exit::new(Code::Problems, format!("{file} has {} problems: {advice}", problems.len())));
    }
    if global.json { Ok(()) } else { print_line(&format!("{file} is sound")) }
}
