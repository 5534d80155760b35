//! `keystead check`: looks whether the database file is sound. Reads only; a server may be running.

use clap::Args;
use serde_json::json;

use crate::store::verify;

use super::{Code, Db, Exit, Global, print_json, print_line, print_lines};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead check
  keystead check --database backup.db --json

Exits 0 if the file is sound, 7 with a line for each problem if it is not.")]
pub(super) struct Arguments {}

pub(super) fn run(global: &Global, Arguments {}: Arguments) -> Result<(), Exit> {
    let db = Db::existing(global)?;
    let problems = db.read(verify::problems)?;
    if global.json {
        print_json(&json!({ "sound": problems.is_empty(), "problems": problems }))?;
    } else {
        print_lines(problems.iter().map(String::as_str))?;
    }
    let file = db.path().display();
    if !problems.is_empty() {
        let advice = "stop the server, keep a copy of the file, and go back to a backup that is sound";
        return Err(Exit::new(Code::Problems, format!("{file} has {} problems: {advice}", problems.len())));
    }
    if global.json { Ok(()) } else { print_line(&format!("{file} is sound")) }
}
