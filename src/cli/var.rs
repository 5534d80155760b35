//! `keystead var`: texts that an app hands to its clients, and texts kept for single users.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::{Refusal, user, user_variable, variable};
use crate::model::app::App;
use crate::store::user_variables::{self, UserVariable};
use crate::store::variables::{self, Variable};

use super::options::AppOption;
use super::{Db, Exit, Global, now, print_json, print_table, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead var set motd 'Back at noon'  # only users who have logged in read it
  keystead var set news 'Version 2 is out' --public
  # only the operator changes it
  keystead var set rank gold --user mia --read-only
  keystead var list
  keystead var list --user mia
  keystead var delete motd")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add or replace a variable of the app, or of one of its users
    Set(Set),
    /// List an app's variables, or those of one of its users
    List {
        /// List those of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Delete a variable
    Delete {
        /// Its name
        name: String,
        /// It is one of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

#[derive(Args)]
struct Set {
    /// Its name: at most 49 bytes, a user's 99
    name: String,
    /// Its value: at most 1,000 bytes, a user's 500; one that begins with - stands after --
    value: String,
    /// Every session reads it, not only those on which a user has logged in
    #[arg(long, conflicts_with = "user")]
    public: bool,
    /// It is one of this user, whose client reads and writes it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The client may only read it
    #[arg(long, requires = "user")]
    read_only: bool,
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    match arguments.command {
        Command::Set(Set { name, value, user: Some(user), read_only, .. }) => {
            set_of_user(global, &mut db, &app, user, UserVariable { name, value, read_only })
        }
        Command::Set(Set { name, value, public, .. }) => {
            set(global, &mut db, &app, Variable { name, value, authenticated: !public, updated_at: now() })
        }
        Command::List { user: Some(user) } => list_of_user(global, &db, &app, user),
        Command::List { user: None } => list(global, &db, &app),
        Command::Delete { name, user } => delete(global, &mut db, &app, name, user),
    }
}

fn set(global: &Global, db: &mut Db, app: &App, new: Variable) -> Result<(), Exit> {
    let id = app.id;
    let document = document(&new);
    let readers = if new.authenticated { "users who have logged in read it" } else { "every session reads it" };
    let sentence = format!("set variable {} of {}: {readers}", new.name, app.name);
    db.write(move |tx| variable::set(tx, id, &new))?;
    say(global, &document, &sentence)
}

fn set_of_user(global: &Global, db: &mut Db, app: &App, name: String, new: UserVariable) -> Result<(), Exit> {
    let found = app.clone();
    let document = document_of_user(&new);
    let variable = new.name.clone();
    let user = db.write(move |tx| {
        let user = user::find(tx, &found, Some(&name))?;
        user_variable::set(tx, user.id, &new)?;
        Ok::<_, Exit>(user.name)
    })?;
    say(global, &document, &format!("set variable {variable} of user {user}"))
}

fn list(global: &Global, db: &Db, app: &App) -> Result<(), Exit> {
    let id = app.id;
    let all = db.read(move |tx| variables::all(tx, id))?;
    if global.json {
        return print_json(&all.iter().map(document).collect::<Vec<_>>());
    }
    let readers = |v: &Variable| if v.authenticated { "users" } else { "everyone" }.to_owned();
    let rows: Vec<_> = all.into_iter().map(|v| vec![v.name.clone(), readers(&v), v.value]).collect();
    print_table(&["NAME", "READ BY", "VALUE"], &rows)
}

fn list_of_user(global: &Global, db: &Db, app: &App, name: String) -> Result<(), Exit> {
    let found = app.clone();
    let all = db.read(move |tx| {
        let user = user::find(tx, &found, Some(&name))?;
        Ok::<_, Exit>(user_variables::of_user(tx, user.id)?)
    })?;
    if global.json {
        return print_json(&all.iter().map(document_of_user).collect::<Vec<_>>());
    }
    let writers = |v: &UserVariable| if v.read_only { "operator" } else { "client" }.to_owned();
    let rows: Vec<_> = all.into_iter().map(|v| vec![v.name.clone(), writers(&v), v.value]).collect();
    print_table(&["NAME", "WRITTEN BY", "VALUE"], &rows)
}

fn delete(global: &Global, db: &mut Db, app: &App, name: String, user: Option<String>) -> Result<(), Exit> {
    let document = json!({ "deleted": name });
    let whose = user.clone().map_or_else(|| app.name.to_string(), |user| format!("user {user}"));
    let sentence = format!("deleted variable {name} of {whose}");
    let found = app.clone();
    let deleted = db.write(move |tx| match &user {
        Some(user) => {
            let user = user::find(tx, &found, Some(user))?;
            user_variables::delete(tx, user.id, &name).map_err(Exit::from)
        }
        None => Ok::<_, Exit>(variables::delete(tx, found.id, &name)?),
    })?;
    if deleted { say(global, &document, &sentence) } else { Err(Refusal::VariableNotFound.into()) }
}

fn document(variable: &Variable) -> Value {
    json!({ "name": variable.name, "value": variable.value, "authenticated": variable.authenticated })
}

fn document_of_user(variable: &UserVariable) -> Value {
    json!({ "name": variable.name, "value": variable.value, "read_only": variable.read_only })
}
