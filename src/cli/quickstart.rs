//! `keystead quickstart`: from nothing to a server that a client can use, in one step. On a database that exists it
//! changes nothing and tells the same again.

use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::json;

use crate::config::Flags;
use crate::domain::app::Credentials;
use crate::domain::license::{Alphabet, Batch};
use crate::domain::{app, license, owner};
use crate::model::app::App;
use crate::model::ids::LicenseId;
use crate::model::license::{License, LicenseState};
use crate::model::time::{Span, Time};
use crate::store::{self, Tx, apps, licenses, server_keys, users};
use crate::wire::Ctx;

use super::health::reachable;
use super::{Exit, Global, print_json, print_raw, serve};

/// Options.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  keystead quickstart
  # a file of its own, any free port
  keystead quickstart --database try.db --listen 127.0.0.1:0
  keystead quickstart --json  # the credentials for a program")]
pub(super) struct Arguments {
    #[command(flatten)]
    flags: Flags,
}

/// How many keys a new database gets, and how long each lasts.
const KEYS: u32 = 3;
const DURATION: Span = Span::Seconds(30 * 86_400);

/// The password of the users in the examples for other formats.
const PASSWORD: &str = "secret-pw";

/// The most keys that are listed.
const LISTED: i64 = 10;

/// What is printed.
struct Told {
    app: App,
    keys: Vec<License>,
    /// Names that no user has yet, one for each format.
    names: [String; 4],
    made: bool,
    /// What 1.3 clients verify answers with.
    public_key: Option<String>,
}

impl Told {
    fn unused(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|key| key.state() == LicenseState::Unused).map(|key| key.key.as_str())
    }
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let config = global.load(arguments.flags)?;
    let (json, formats) = (global.json, config.formats.clone());
    let database = config.database.display().to_string();
    serve::serve(&config, |ctx, address| {
        let now = ctx.clock.now();
        let told = ctx.store.write(move |tx| find_or_make(tx, now)).wait()?;
        if json {
            return print_document(&told, ctx, address);
        }
        let text = text(&told, &database, address) + &other_formats(&told, &formats, address) + END;
        print_raw(text.as_bytes())
    })
}

/// What the database has to show; what is needed for that is made only in an empty one.
fn find_or_make(tx: &mut Tx<'_>, now: Time) -> Result<Told, Exit> {
    let mut apps = apps::all(tx)?;
    let made = apps.is_empty();
    if made {
        make(tx, now)?;
        apps = apps::all(tx)?;
    }
    // Ours if it is there, else the first one: the database may be one that grew by hand.
    let place = apps.iter().position(|app| &*app.name == "demo").unwrap_or(0);
    let app = apps.swap_remove(place);
    let keys = licenses::after(tx, app.id, LicenseId(0), LISTED)?;
    let names = free_names(tx, &app)?;
    let public_key = server_keys::signing(tx)?.map(|key| key.public_key);
    Ok(Told { app, keys, names, made, public_key })
}

fn make(tx: &mut Tx<'_>, now: Time) -> Result<(), Exit> {
    let rng = &mut rand::rng();
    let owner = match store::owners::all(tx)?.into_iter().next() {
        Some(owner) => owner,
        None => owner::create(tx, "owner", None, now, rng)?,
    };
    let app = app::create(tx, &owner, "demo", &Credentials::default(), now, rng)?;
    app::set(tx, &app, "wachtDefault", "1", now)?;
    let batch = Batch {
        expires_at: None,
        count: KEYS,
        mask: app.settings.format.clone().into_owned(),
        alphabet: Alphabet::Upper,
        duration: DURATION,
        level: app::DEFAULT_PLAN.1.to_owned(),
        note: Some("quickstart".to_owned()),
        created_by: None,
    };
    license::create(tx, app.id, &batch, now, rng)?;
    Ok(())
}

fn free_names(tx: &mut Tx<'_>, app: &App) -> Result<[String; 4], store::Error> {
    let mut number = 0;
    let mut next = || loop {
        number += 1;
        let name = if number == 1 { "mia".to_owned() } else { format!("mia{number}") };
        // A user of Wacht's is called by its address.
        let taken =
            users::by_name(tx, app.id, &name)?.is_some() || users::by_name(tx, app.id, &email(&name))?.is_some();
        if !taken {
            return Ok::<_, store::Error>(name);
        }
    };
    Ok([next()?, next()?, next()?, next()?])
}

fn email(name: &str) -> String {
    format!("{name}@example.com")
}

fn text(told: &Told, database: &str, address: SocketAddr) -> String {
    let Told { app, keys, names: [username, ..], made, public_key } = told;
    let url = format!("http://{}/api/1.2/", reachable(address));
    let mut unused = told.unused();
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{text}");
    };
    line(&format!("{} {database}", if *made { "Made the database" } else { "Found the database" }));
    line("");
    line("What a client needs:");
    line(&format!("  URL        {url}"));
    line(&format!("  name       {}", app.name));
    line(&format!("  ownerid    {}", app.ownerid));
    line(&format!("  secret     {}", app.secret));
    line(&format!("  version    {}", app.settings.version));
    if let Some(key) = public_key {
        line(&format!("  public key {key}  (API 1.3, at …/api/1.3/, needs it and no secret)"));
    }
    line("");
    line("Licenses:");
    for key in keys {
        line(&format!("  {}  {}", key.key, key.state().label()));
    }
    line("");
    line("Try it in another terminal. A session, by POST:");
    let common = format!("-d name={} -d ownerid={}", quoted(&app.name), app.ownerid);
    let id = r#"sed 's/.*"sessionid":"\([0-9a-f]*\)".*/\1/'"#;
    line(&format!(
        "  SESSION=$(curl -s {url} -d type=init -d ver={} {common} | {id}); echo $SESSION",
        quoted(&app.settings.version)
    ));
    let second = match (unused.next(), unused.next()) {
        (Some(first), second) => {
            line("Register a user with a license, and log in with nothing but a license:");
            line(&format!(
                "  curl -s {url} -d type=register -d sessionid=$SESSION {common} -d username={username} -d pass=secret -d key={}",
                quoted(first)
            ));
            if let Some(second) = second {
                line(&format!(
                    "  curl -s {url} -d type=license -d sessionid=$SESSION {common} -d key={}",
                    quoted(second)
                ));
            }
            second
        }
        (None, _) => {
            line("No license is left; `keystead license create` makes more.");
            None
        }
    };
    line("The same by GET, with everything in the query:");
    let get = |pairs: &[(&str, &str)]| {
        serde_urlencoded::to_string([&[("name", &*app.name), ("ownerid", &*app.ownerid)], pairs].concat())
            .unwrap_or_default()
    };
    line(&format!("  curl -s '{url}?{}'", get(&[("type", "init"), ("ver", &app.settings.version)])));
    line(&format!("  curl -s \"{url}?{}&sessionid=$SESSION\"", get(&[("type", "check")])));
    if let Some(second) = second {
        line(&format!("  curl -s \"{url}?{}&sessionid=$SESSION\"", get(&[("type", "license"), ("key", second)])));
    }
    out
}

const END: &str = "\nStop with Ctrl-C; started again it tells the same. More: keystead --help\n";

/// One line for each format beside KeyAuth's that the server answers.
fn other_formats(told: &Told, formats: &[&str], address: SocketAddr) -> String {
    let Told { app, names: [_, authgate, authly, wacht], .. } = told;
    let url = format!("http://{}", reachable(address));
    let is_json = "-H 'content-type: application/json'";
    let mut out = String::new();
    let mut show = |format: &str, on: bool, heading: &str, line: String| {
        if on && formats.contains(&format) {
            let _ = writeln!(out, "{heading}\n  {line}");
        }
    };
    let user = json!({ "username": authgate, "password": PASSWORD, "hardware_id": "PC-1" });
    show(
        "authgate",
        app.settings.authgate,
        "Sign up in Authgate's format:",
        format!(
            "curl -s {url}/api/integration/sign_up -H 'x-api-key: {}' -H 'x-api-secret: {}' {is_json} -d {}",
            app.api_key,
            app.api_secret,
            quoted(&user.to_string())
        ),
    );
    // A session of KeyAuth's is one of Authly's. The third license is left for this.
    if let Some(key) = told.unused().nth(2) {
        let user = json!({ "session_id": "", "username": authly, "password": PASSWORD, "key": key });
        let user = quoted(&user.to_string()).replacen(r#""session_id":"""#, r#""session_id":"'$SESSION'""#, 1);
        show(
            "authly",
            app.settings.authly && formats.contains(&"keyauth"),
            "Register with a license in Authly's format, on the session from above:",
            format!("curl -s {url}/api/v2/register {is_json} -d {user}"),
        );
    }
    let place = if app.settings.wacht_default { String::new() } else { format!("/wacht/{}", app.uuid) };
    show(
        "wacht",
        app.settings.wacht,
        "Sign up in Wacht's format:",
        format!("curl -s {url}{place}/auth/signup -d email={} -d password={PASSWORD}", email(wacht)),
    );
    out
}

fn print_document(told: &Told, ctx: &Ctx, address: SocketAddr) -> Result<(), Exit> {
    let keys: Vec<_> = told.keys.iter().map(|key| json!({ "key": key.key, "state": key.state().label() })).collect();
    print_json(&json!({
        "url": format!("http://{}/api/1.2/", reachable(address)),
        "public_url": ctx.public_url,
        "name": &*told.app.name,
        "ownerid": &*told.app.ownerid,
        "secret": told.app.secret,
        "sellerkey": told.app.sellerkey,
        "id": &*told.app.uuid,
        "api_key": &*told.app.api_key,
        "api_secret": told.app.api_secret,
        "public_key": told.public_key,
        "made": told.made,
        "keys": keys,
    }))
}

/// For a shell: plain words as they are, anything else in single quotes. For curl, `=` in a value needs no care.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
