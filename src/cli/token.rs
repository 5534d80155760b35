//! `keystead token`: the tokens of the token system, which stand in files beside an app's programs.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::{ban, license, token};
use crate::model::app::App;
use crate::model::ids::TokenId;
use crate::store::Tx;
use crate::store::tokens::{self, Token};

use super::options::{AppOption, Page};
use super::{Db, Exit, Global, note, now, print_json, print_lines, print_table, print_time, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead app set demo tokensystem=1  # from now on init asks for a token file
  keystead token create --count 10     # one token for each file
  keystead token create --license KEY --note 'mia'
  keystead token list
  keystead token ban TOKEN --reason 'passed on'
  keystead token unban TOKEN
  keystead token reset TOKEN           # the next file seen with it is its file
  keystead token delete TOKEN

A token works in one file: the first one that a client sends the hash of.")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make tokens, and print them
    Create {
        /// The license they are given out with, for the list
        #[arg(long, value_name = "KEY")]
        license: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(token::MAX_BATCH)))]
        count: u32,
        /// Your own words on them: at most 69 bytes
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List an app's tokens, oldest first
    List(Page),
    /// Ban a token: init refuses it
    Ban {
        #[command(flatten)]
        token: Name,
        /// Why, at most 99 bytes; the client is told
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Lift a ban
    Unban(Name),
    /// Forget the file that a token is bound to: the next one is bound
    Reset(Name),
    /// Delete a token: init knows it no more
    Delete(Name),
}

/// Which token.
#[derive(Args)]
struct Name {
    /// The token, as it stands in its file
    token: String,
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    match arguments.command {
        Command::Create { license, count, note } => create(global, &mut db, &app, license, count, note),
        Command::List(page) => list(global, &db, &app, page),
        Command::Ban { token: Name { token }, reason } => change(global, &mut db, &app, token, move |tx, token| {
            tokens::ban(tx, token.id, ban::reason(reason.as_deref())?)?;
            Ok("banned the token")
        }),
        Command::Unban(Name { token }) => {
            change(global, &mut db, &app, token, |tx, token| match tokens::unban(tx, token.id)? {
                true => Ok("the token is not banned any more"),
                false => Err(Exit::failure("this token is not banned")),
            })
        }
        Command::Reset(Name { token }) => {
            change(global, &mut db, &app, token, |tx, token| match tokens::reset(tx, token.id)? {
                true => Ok("the next file that is seen with the token is its file"),
                false => Err(Exit::failure("no file is bound to this token")),
            })
        }
        Command::Delete(Name { token: text }) => {
            let (id, document) = (app.id, json!({ "deleted": text }));
            db.write(move |tx| {
                let token = token::find(tx, id, &text)?;
                Ok::<_, Exit>(tokens::delete(tx, token.id)?)
            })?;
            say(global, &document, &format!("deleted the token of {}", app.name))
        }
    }
}

fn create(
    global: &Global,
    db: &mut Db,
    app: &App,
    key: Option<String>,
    count: u32,
    words: Option<String>,
) -> Result<(), Exit> {
    let id = app.id;
    let made = db.write(move |tx| {
        let license = match &key {
            Some(key) => Some(license::find(tx, id, key)?.id),
            None => None,
        };
        let words = words.as_deref().filter(|words| !words.is_empty());
        Ok::<_, Exit>(token::create(tx, id, count, license, words, now(), &mut rand::rng())?)
    })?;
    if global.json {
        return print_json(&made);
    }
    print_lines(made.iter().map(String::as_str))?;
    if !app.settings.token_system {
        note(&format!("nobody is asked for them until `keystead app set {} tokensystem=1`", app.name));
    }
    Ok(())
}

fn list(global: &Global, db: &Db, app: &App, page: Page) -> Result<(), Exit> {
    let (id, limit, after) = (app.id, page.limit as usize, page.after);
    let mut all = db.read(move |tx| {
        let after = match &after {
            Some(text) => token::find(tx, id, text)?.id,
            None => TokenId(0),
        };
        // One more than is shown tells whether there are more.
        Ok::<_, Exit>(tokens::after(tx, id, after, limit as i64 + 1)?)
    })?;
    if all.len() > limit {
        all.truncate(limit);
        if let Some(last) = all.last() {
            note(&format!("there are more: --after {}", last.token));
        }
    }
    if global.json {
        return print_json(&all.iter().map(document).collect::<Vec<_>>());
    }
    let row = |t: &Token| {
        let state = match (t.banned, &t.file_hash) {
            (true, _) => "banned",
            (false, Some(_)) => "bound",
            (false, None) => "new",
        };
        vec![
            t.token.clone(),
            state.to_owned(),
            print_time(t.created_at),
            t.key.clone().unwrap_or_else(|| "-".to_owned()),
            t.note.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    print_table(&["TOKEN", "STATE", "CREATED (UTC)", "LICENSE", "NOTE"], &rows)
}

/// Changes one token; says what was done, or shows to programs what the token is then.
fn change(
    global: &Global,
    db: &mut Db,
    app: &App,
    text: String,
    mut work: impl FnMut(&mut Tx<'_>, &Token) -> Result<&'static str, Exit> + Send + 'static,
) -> Result<(), Exit> {
    let id = app.id;
    let (document, sentence) = db.write(move |tx| {
        let token = token::find(tx, id, &text)?;
        let sentence = work(tx, &token)?;
        Ok::<_, Exit>((document(&token::find(tx, id, &text)?), sentence))
    })?;
    say(global, &document, sentence)
}

fn document(token: &Token) -> Value {
    json!({
        "token": token.token, "license": token.key, "bound": token.file_hash.is_some(), "note": token.note,
        "banned": token.banned, "ban_reason": token.ban_reason, "created_at": token.created_at.0,
    })
}
