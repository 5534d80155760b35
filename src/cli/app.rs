//! `keystead app`: making, showing, pausing and deleting apps. Settings are in `setting.rs`, networks in `allow.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::config::Flags;
use crate::domain::document::import::remove_hidden;
use crate::domain::{app, owner};
use crate::model::app::App;
use crate::model::settings::{Setting, Settings};
use crate::store::lock::{self, ImportLock, LockError};
use crate::store::{Store, Tx, apps, server_keys};
use crate::wire::FAMILIES;

use super::{
    Code, Db, Exit, Global, allow, input, note, now, print_json, print_line, print_lines, print_table, print_time, say,
    setting,
};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead app create demo  # its owner, too, if there is none yet
  # name, ownerid, secret, sellerkey and more for a script
  keystead app create demo --json
  # an app that moves in with its clients
  keystead app create demo --owner acme --ownerid AbCdEfGh12 --secret 1f…
  keystead app list
  keystead app show demo    # credentials, URLs, counts, settings
  keystead app set demo ver=2.0 'download=https://example.com/new.exe'
  # another API key and secret for Authgate's clients
  keystead app rotate-api-key demo
  keystead app pause demo   # init is refused, subscriptions stand still
  keystead app resume demo
  # lets a network through the VPN block
  keystead app allow add 203.0.113.0/24 --app demo
  keystead app delete demo --yes")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an app, with a plan `default` for licenses of level 1
    Create(Create),
    /// List all apps
    List,
    /// Show an app: what its clients need, what it holds, what was set. Prints its secrets
    Show(Named),
    /// Change an app's settings
    #[command(after_help = setting::help())]
    Set(setting::Arguments),
    /// Give an app another API key and secret: what Authgate's clients name it by. The old ones are refused at once
    RotateApiKey(Named),
    /// Refuse init (and all calls of Authgate's and Wacht's) and let all running subscriptions stand still
    Pause(Named),
    /// Let a paused app run again; what was left of subscriptions is left
    Resume(Named),
    /// Delete an app with all its licenses, users, sessions and bans
    Delete {
        #[command(flatten)]
        app: Named,
        /// Do not ask; needed when no terminal is there
        #[arg(long)]
        yes: bool,
    },
    /// Networks that the VPN block of an app lets through
    Allow(allow::Arguments),
}

#[derive(Args)]
struct Create {
    /// Its name: at most 40 bytes
    #[arg(required_unless_present = "name_too")]
    name: Option<String>,
    /// The same, as an option
    #[arg(long = "name", id = "name_too", value_name = "NAME", conflicts_with = "name")]
    name_too: Option<String>,
    /// Its owner; needed only when there are several
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The ownerid that its clients know already; that owner is made if there is none
    #[arg(long, value_name = "TEXT")]
    ownerid: Option<String>,
    /// The secret that its clients know already: 64 lower-case hex characters. Other users of this machine see
    /// options; they do not see the variable
    #[arg(long, value_name = "HEX", env = "KEYSTEAD_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// The seller key that bots know already: 32 lower-case hex characters
    #[arg(long, value_name = "HEX", env = "KEYSTEAD_SELLERKEY", hide_env_values = true)]
    sellerkey: Option<String>,
}

/// Which app: by position or as an option.
#[derive(Args)]
struct Named {
    /// The app; needed only when there are several. OWNER/NAME when two owners have one of that name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The same, as an option
    #[arg(long, value_name = "NAME", env = "KEYSTEAD_APP")]
    app: Option<String>,
}

impl Named {
    fn name(&self) -> Option<&str> {
        self.name.as_deref().or(self.app.as_deref())
    }
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    match arguments.command {
        Command::Create(new) => create(global, new),
        Command::List => list(global),
        Command::Show(named) => show(global, &named),
        Command::Set(arguments) => setting::run(global, &arguments),
        Command::RotateApiKey(named) => rotate_api_key(global, &named),
        Command::Pause(named) => pause(global, &named, true),
        Command::Resume(named) => pause(global, &named, false),
        Command::Delete { app, yes } => delete(global, &app, yes),
        Command::Allow(arguments) => allow::run(global, arguments),
    }
}

fn create(global: &Global, new: Create) -> Result<(), Exit> {
    let Create { name, name_too, owner, ownerid, secret, sellerkey } = new;
    let name = name.or(name_too).unwrap_or_default();
    let credentials = app::Credentials { secret, sellerkey };
    let mut db = Db::open(global)?;
    let made = db.write(move |tx| {
        let rng = &mut rand::rng();
        let owner = owner::choose(tx, owner.as_deref(), ownerid.as_deref(), now(), rng)?;
        Ok::<_, Exit>(app::create(tx, &owner, &name, &credentials, now(), rng)?)
    })?;
    if global.json {
        return print_json(&credentials_of(&made));
    }
    print_line(&format!("made app {} of owner {}", made.name, made.owner))?;
    print_credentials(&made)?;
    note(
        "the secret goes into the client program, or API key and secret for Authgate's; keep the seller key to yourself",
    );
    Ok(())
}

fn credentials_of(app: &App) -> Value {
    json!({
        "name": &*app.name, "owner": &*app.owner, "ownerid": &*app.ownerid, "secret": app.secret,
        "sellerkey": app.sellerkey, "id": &*app.uuid, "api_key": &*app.api_key, "api_secret": app.api_secret,
        "created_at": app.created_at.0,
    })
}

fn print_credentials(app: &App) -> Result<(), Exit> {
    let lines = [
        ("ownerid", &*app.ownerid),
        ("secret", &app.secret),
        ("sellerkey", &app.sellerkey),
        ("id", &app.uuid),
        ("api_key", &app.api_key),
        ("api_secret", &app.api_secret),
    ];
    lines.iter().try_for_each(|(name, value)| print_line(&format!("{name:<11}{value}")))
}

fn list(global: &Global) -> Result<(), Exit> {
    let all = Db::existing(global)?.read(apps::all)?;
    if global.json {
        return print_json(&all.iter().map(summary).collect::<Vec<_>>());
    }
    let rows: Vec<_> = all
        .iter()
        .map(|a| {
            let created = print_time(a.created_at);
            vec![a.name.to_string(), a.owner.to_string(), a.ownerid.to_string(), state(a).to_owned(), created]
        })
        .collect();
    print_table(&["NAME", "OWNER", "OWNERID", "STATE", "CREATED (UTC)"], &rows)
}

fn summary(app: &App) -> Value {
    json!({
        "name": &*app.name, "owner": &*app.owner, "ownerid": &*app.ownerid, "state": state(app),
        "created_at": app.created_at.0,
    })
}

fn state(app: &App) -> &'static str {
    let settings = &app.settings;
    match (settings.banned, settings.enabled, settings.paused) {
        (true, _, _) => "banned",
        (false, false, _) => "disabled",
        (false, true, true) => "paused",
        (false, true, false) => "enabled",
    }
}

fn show(global: &Global, named: &Named) -> Result<(), Exit> {
    let db = Db::existing(global)?;
    let app = db.app(named.name())?;
    let id = app.id;
    let (counts, set) = db.read(move |tx| Ok::<_, Exit>((apps::counts(tx, id, now())?, apps::settings(tx, id)?)))?;
    let public_key = db.read(server_keys::signing)?.map(|key| key.public_key);
    let address = db.served_at();
    let public_url = global.load(Flags::default())?.public_url;
    let base = public_url.unwrap_or_else(|| format!("http://{}", address.as_deref().unwrap_or("127.0.0.1:8080")));
    let api = format!("{base}/api/1.2/");
    if global.json {
        let mut document = credentials_of(&app);
        document["state"] = state(&app).into();
        document["paused_at"] = app.paused_at.map(|t| t.0).into();
        document["served_at"] = address.into();
        document["api"] = api.into();
        let apis = addresses(&app, &base).map(|(format, address)| (format.to_owned(), Value::from(address)));
        document["apis"] = Value::Object(apis.collect());
        document["public_key"] = public_key.into();
        document["licenses"] = counts.licenses.into();
        document["users"] = counts.users.into();
        document["online"] = counts.online.into();
        document["settings"] = Value::Object(set.into_iter().map(|(k, v)| (k, Value::from(v))).collect::<Map<_, _>>());
        return print_json(&document);
    }
    print_line(&format!("{:<11}{}, {}", "app", app.name, state(&app)))?;
    print_line(&format!("{:<11}{}", "owner", app.owner))?;
    print_credentials(&app)?;
    let served = if address.is_some() { "" } else { " (no server runs now; this is where `keystead serve` listens)" };
    print_line(&format!("{:<11}{base}{served}", "server"))?;
    for (format, address) in addresses(&app, &base) {
        print_line(&format!("{:<11}{address}", format))?;
    }
    if let Some(key) = public_key {
        print_line(&format!("{:<11}{key} (for API 1.3)", "public key"))?;
    }
    print_line(&format!("{:<11}{}", "created", print_time(app.created_at)))?;
    print_line(&format!("{:<11}{}", "licenses", counts.licenses))?;
    print_line(&format!("{:<11}{}, {} online", "users", counts.users, counts.online))?;
    let lines: Vec<_> = set
        .iter()
        .filter(|(name, value)| Setting::find(name).is_ok_and(|s| s.value(&Settings::default()) != *value))
        .map(|(name, value)| format!("  {name} = {value}"))
        .collect();
    print_line(if lines.is_empty() {
        "settings   all at their defaults"
    } else {
        "settings   that differ from their defaults"
    })?;
    print_lines(lines.iter().map(String::as_str))
}

/// Where clients of each format that the app answers in find it.
fn addresses<'a>(app: &'a App, base: &'a str) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let is_on = |format: &str| Setting::find(format).is_ok_and(|setting| setting.value(&app.settings) == "1");
    FAMILIES
        .iter()
        .filter(move |family| is_on(family.name))
        .filter_map(move |family| Some((family.name, format!("{base}{}", family.base?.replace("ID", &app.uuid)))))
}

fn rotate_api_key(global: &Global, named: &Named) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let found = db.app(named.name())?;
    let app = found.clone();
    let names = db.write(move |tx| {
        let app = fresh(tx, &app)?;
        Ok::<_, Exit>(app::rotate_api_key(tx, &app, &mut rand::rng())?)
    })?;
    if global.json {
        return print_json(&json!({
            "name": &*found.name, "id": names.uuid, "api_key": names.api_key, "api_secret": names.api_secret,
        }));
    }
    print_line(&format!("{:<11}{}", "api_key", names.api_key))?;
    print_line(&format!("{:<11}{}", "api_secret", names.api_secret))?;
    let text = "Authgate's clients of this app have to send these in x-api-key and x-api-secret; with the old ones they \
                are refused from now on";
    note(text);
    Ok(())
}

fn pause(global: &Global, named: &Named, pause: bool) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let found = db.app(named.name())?;
    let app = db.write(move |tx| {
        let app = fresh(tx, &found)?;
        app::pause(tx, &app, pause, now())?;
        fresh(tx, &found)
    })?;
    let sentence = if pause {
        format!("paused {}: init is refused, and what its users hold stands still", app.name)
    } else {
        format!("{} runs again", app.name)
    };
    say(global, &summary(&app), &sentence)
}

/// The app as it is inside this transaction.
pub(super) fn fresh(tx: &mut Tx<'_>, app: &App) -> Result<App, Exit> {
    apps::find(tx, &app.ownerid, &app.name)?.ok_or_else(|| Exit::failure("the app was deleted meanwhile"))
}

fn delete(global: &Global, named: &Named, yes: bool) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    // What cannot be taken back is not guessed, even if there is only one.
    let name = named.name().ok_or_else(|| Exit::usage("say which app is to be deleted; see `keystead app list`"))?;
    let app = db.app(Some(name))?;
    let id = app.id;
    let counts = db.read(move |tx| apps::counts(tx, id, now()))?;
    if !yes {
        ask(&app, &counts)?;
    }
    let hidden = db.write(move |tx| apps::hide(tx, id))?;
    if !hidden {
        return Err(Exit::failure("the app was deleted meanwhile"));
    }
    // Clients do not see it any more; the rest is tidying up, of this app and of what earlier interruptions left.
    match lock::hold_import(db.path()) {
        Ok(alone) => tidy_up(db.writing(), &alone, &app.name)?,
        Err(LockError::Held(_)) => note("an import is running: the next import or deletion removes the app's rows"),
        Err(error @ LockError::File { .. }) => return Err(Exit::new(Code::Database, error.to_string())),
    }
    let document = json!({ "deleted": &*app.name, "licenses": counts.licenses, "users": counts.users });
    let sentence = format!("deleted {} with {} licenses and {} users", app.name, counts.licenses, counts.users);
    say(global, &document, &sentence)
}

fn tidy_up(store: &Store, alone: &ImportLock, name: &str) -> Result<(), Exit> {
    let mut told = Instant::now();
    remove_hidden(store, alone, &mut |_| {
        if told.elapsed() > Duration::from_secs(1) {
            note(&format!("removing the rows of {name}"));
            told = Instant::now();
        }
    })?;
    Ok(())
}

fn ask(app: &Arc<App>, counts: &apps::Counts) -> Result<(), Exit> {
    if !input::is_terminal() {
        return Err(Exit::usage(format!("deleting {} cannot be taken back: say so with --yes", app.name)));
    }
    let question = format!(
        "This deletes {} with {} licenses and {} users for good. Type its name to go on:",
        app.name, counts.licenses, counts.users
    );
    if input::confirm(&question, &app.name)? { Ok(()) } else { Err(Exit::failure("nothing was deleted")) }
}
