//! `keystead license`: keys that give plans. What a license may do is decided in `domain/license.rs`.

use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::domain::ban;
use crate::domain::license::{self, Extended};
use crate::model::app::App;
use crate::model::ids::LicenseId;
use crate::model::license::{License, LicenseState};
use crate::model::time::Span;
use crate::model::user::Credential;
use crate::store::{Tx, licenses, users};

use super::options::{AppOption, Length, Page};
use super::{Db, Exit, Global, license_create, note, now, print_json, print_line, print_table, print_time, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead license create --app demo --count 10 --days 30
  keystead license create --duration lifetime --level 2 --note 'reseller Ann' > keys.txt
  keystead license create --mask 'DEMO-****-****-****-****' --alphabet upper --json
  keystead license create --duration lifetime --expires 2030-12-31
  keystead license list --state unused --limit 1000
  keystead license list --after KEY  # the next page
  keystead license show KEY
  keystead license ban KEY --reason 'chargeback'
  keystead license unban KEY
  # neither redeemed nor a way in, until it is resumed
  keystead license pause KEY
  keystead license resume KEY
  keystead license extend KEY --days 30
  keystead license delete KEY

What is not said is taken from the app's settings format, amount, lvl, note, duration and unit.")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make licenses; prints their keys, one per line
    Create(license_create::Options),
    /// List an app's licenses, oldest first
    List {
        /// Only those in this state; banned counts before used, and used ones may be paused, too
        #[arg(long)]
        state: Option<State>,
        #[command(flatten)]
        page: Page,
    },
    /// Show a license
    Show {
        /// The key, in any case
        key: String,
    },
    /// Ban a license: it cannot be redeemed, and does not open its license-only user
    Ban {
        /// The key, in any case
        key: String,
        /// Why, at most 99 bytes; customers read it where the setting keybanned says {reason}
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Lift a ban; the license is again what it was
    Unban {
        /// The key, in any case
        key: String,
    },
    /// Pause a license: it cannot be redeemed, and does not open its license-only user
    Pause {
        /// The key, in any case
        key: String,
    },
    /// Let a paused license be used again
    Resume {
        /// The key, in any case
        key: String,
    },
    /// Give more time with a license
    ///
    /// An unused license gets a longer duration, counted from its redemption. A used one prolongs what it gave: what
    /// has time left ends so much later, what has ended runs again from now on. `--duration lifetime` lets either run
    /// without end.
    Extend {
        /// The key, in any case
        key: String,
        #[command(flatten)]
        by: Length,
    },
    /// Delete a license; what it gave stays with its user
    Delete {
        /// The key, in any case
        key: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Unused,
    Used,
    Paused,
    Banned,
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    match arguments.command {
        Command::Create(new) => license_create::run(global, &mut db, &app, new),
        Command::List { state, page } => list(global, &db, &app, state, page),
        Command::Show { key } => show(global, &db, &app, key),
        Command::Ban { key, reason } => {
            let banned = key.clone();
            change(global, &mut db, &app, key, "banned", move |tx, app, license| {
                Ok(license::ban(tx, app, license, ban::reason(reason.as_deref())?)?)
            })?;
            tell_who_keeps(&db, &app, banned, "ban", "keeps the user out")
        }
        Command::Unban { key } => change(global, &mut db, &app, key, "lifted the ban on", |tx, _, license| {
            let lifted = licenses::unban(tx, license.id)?;
            if lifted { Ok(()) } else { Err(Exit::failure("this license is not banned")) }
        }),
        Command::Pause { key } => {
            let paused = key.clone();
            change(global, &mut db, &app, key, "paused", |tx, app, license| {
                let done = license::set_paused(tx, app, license, true)?;
                if done { Ok(()) } else { Err(Exit::failure("this license is paused already")) }
            })?;
            tell_who_keeps(&db, &app, paused, "pause", "lets it stand still")
        }
        Command::Resume { key } => change(global, &mut db, &app, key, "resumed", |tx, app, license| {
            let done = license::set_paused(tx, app, license, false)?;
            if done { Ok(()) } else { Err(Exit::failure("this license is not paused")) }
        }),
        Command::Extend { key, by } => extend(global, &mut db, &app, key, &by),
        Command::Delete { key } => {
            let document = json!({ "deleted": key });
            let sentence = format!("deleted license {key} of {}", app.name);
            let locked = db.write(move |tx| {
                let license = license::find(tx, app.id, &key)?;
                Ok::<_, Exit>(license::delete(tx, app.id, &license)?)
            })?;
            if let Some(user) = locked {
                let text = "has nothing left to log in with; `keystead user set-password` gives it a password";
                note(&format!("user {} {text}", user.name));
            }
            say(global, &document, &sentence)
        }
    }
}

fn list(global: &Global, db: &Db, app: &App, state: Option<State>, page: Page) -> Result<(), Exit> {
    let state = state.map(|state| match state {
        State::Unused => LicenseState::Unused,
        State::Used => LicenseState::Used,
        State::Paused => LicenseState::Paused,
        State::Banned => LicenseState::Banned,
    });
    let (id, limit) = (app.id, page.limit as usize);
    let after = page.after;
    let mut all = db.read(move |tx| {
        let after = match after {
            Some(key) => license::find(tx, id, &key)?.id,
            None => LicenseId(0),
        };
        // One more than is shown tells whether there are more.
        let all = license::page(tx, id, state, after, limit + 1)?;
        all.into_iter().map(|license| with_user(tx, id, license)).collect::<Result<Vec<_>, Exit>>()
    })?;
    if all.len() > limit {
        all.truncate(limit);
        if let Some((last, _)) = all.last() {
            note(&format!("there are more: --after {}", last.key));
        }
    }
    if global.json {
        return print_json(&all.iter().map(|(l, user)| document(l, user.as_deref())).collect::<Vec<_>>());
    }
    let row = |(l, user): &(License, Option<String>)| {
        vec![
            l.key.clone(),
            in_words(l),
            l.level.clone(),
            l.duration.to_string(),
            l.expires_at.map_or_else(|| "-".to_owned(), print_time),
            user.clone().unwrap_or_else(|| "-".to_owned()),
            l.note.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    print_table(&["KEY", "STATE", "LEVEL", "DURATION", "ENDS (UTC)", "USED BY", "NOTE"], &rows)
}

fn with_user(
    tx: &mut Tx<'_>,
    app: crate::model::ids::AppId,
    license: License,
) -> Result<(License, Option<String>), Exit> {
    let user = match license.used_by {
        Some(user) => users::by_id(tx, app, user)?.map(|user| user.name),
        None => None,
    };
    Ok((license, user))
}

fn show(global: &Global, db: &Db, app: &App, key: String) -> Result<(), Exit> {
    let id = app.id;
    let (license, user) = db.read(move |tx| {
        let license = license::find(tx, id, &key)?;
        with_user(tx, id, license)
    })?;
    if global.json {
        return print_json(&document(&license, user.as_deref()));
    }
    let at = |time: Option<crate::model::time::Time>| time.map(print_time);
    let fields = [
        ("key", Some(license.key.clone())),
        ("state", Some(in_words(&license))),
        ("reason", license.ban_reason.clone()),
        ("level", Some(license.level.clone())),
        ("duration", Some(format!("{} from redemption", license.duration))),
        ("ends", license.expires_at.map(|end| format!("{} at the latest", print_time(end)))),
        ("note", license.note.clone()),
        ("made", at(Some(license.created_at))),
        ("made by", license.created_by.clone()),
        ("used", at(license.used_at)),
        ("used by", user),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            print_line(&format!("{name:<10}{value}"))?;
        }
    }
    Ok(())
}

/// Changes one license and shows what it is then.
fn change(
    global: &Global,
    db: &mut Db,
    app: &App,
    key: String,
    word: &str,
    mut work: impl FnMut(&mut Tx<'_>, &App, &License) -> Result<(), Exit> + Send + 'static,
) -> Result<(), Exit> {
    let owned = app.clone();
    let (license, user) = db.write(move |tx| {
        let license = license::find(tx, owned.id, &key)?;
        work(tx, &owned, &license)?;
        let license = license::find(tx, owned.id, &key)?;
        with_user(tx, owned.id, license)
    })?;
    say(global, &document(&license, user.as_deref()), &format!("{word} license {} of {}", license.key, app.name))
}

/// What is done to a used license takes nothing from a user who redeemed it by name; an operator may think it does.
fn tell_who_keeps(db: &Db, app: &Arc<App>, key: String, verb: &str, does: &str) -> Result<(), Exit> {
    let id = app.id;
    let user = db.read(move |tx| -> Result<_, Exit> {
        let license = license::find(tx, id, &key)?;
        Ok(match license.used_by {
            Some(user) => users::by_id(tx, id, user)?.filter(|user| user.credential != Credential::License),
            None => None,
        })
    })?;
    if let Some(user) = user {
        note(&format!("user {0} keeps what it gave; `keystead user {verb} {0}` {does}", user.name));
    }
    Ok(())
}

fn extend(global: &Global, db: &mut Db, app: &App, key: String, by: &Length) -> Result<(), Exit> {
    let by = by.span().ok_or_else(|| Exit::usage("say how long, with --days or --duration"))?;
    let found = app.clone();
    let (license, user, done) = db.write(move |tx| {
        let app = super::app::fresh(tx, &found)?;
        let license = license::find(tx, app.id, &key)?;
        let done = license::extend(tx, &app, &license, by, now())?;
        let license = license::find(tx, app.id, &key)?;
        let (license, user) = with_user(tx, app.id, license)?;
        Ok::<_, Exit>((license, user, done))
    })?;
    let mut document = document(&license, user.as_deref());
    let more = if by == Span::Lifetime { "without end".to_owned() } else { format!("{by} longer") };
    let sentence = match done {
        Extended::Duration => format!("license {} now gives {} from its redemption", license.key, license.duration),
        Extended::Subscriptions(count) => {
            document["extended_subscriptions"] = count.into();
            format!("what license {} gave to {} lasts {more}", license.key, user.unwrap_or_default())
        }
    };
    say(global, &document, &sentence)
}

/// The state for people, with what it hides.
fn in_words(license: &License) -> String {
    let word = word(license.state());
    match (license.state(), license.used_at, license.paused) {
        (LicenseState::Banned, Some(_), _) => format!("{word} (used before)"),
        (LicenseState::Used, _, true) => format!("{word}, paused"),
        _ => word.to_owned(),
    }
}

fn word(state: LicenseState) -> &'static str {
    match state {
        LicenseState::Paused => "paused",
        LicenseState::Unused => "unused",
        LicenseState::Used => "used",
        LicenseState::Banned => "banned",
    }
}

fn document(license: &License, user: Option<&str>) -> Value {
    let duration = match license.duration {
        Span::Seconds(seconds) => Value::from(seconds),
        Span::Lifetime => "lifetime".into(),
    };
    json!({
        "key": license.key, "state": word(license.state()), "level": license.level, "duration": duration,
        "note": license.note, "created_by": license.created_by, "created_at": license.created_at.0,
        "used_at": license.used_at.map(|t| t.0), "used_by": user, "ban_reason": license.ban_reason,
        "paused": license.paused, "expires_at": license.expires_at.map(|t| t.0),
    })
}
