//! Apps: making, pausing, settings, deleting.

use rand::CryptoRng;

use crate::model::app::{App, Owner};
use crate::model::ids::AppId;
use crate::model::settings::{Setting, SettingError};
use crate::model::time::Time;
use crate::store::apps::{self, MAX_NAME, Names, NewApp};
use crate::store::{self, Tx, plans, subscriptions};

use super::Refusal;
use super::secret::{new_secret, new_sellerkey, new_token, new_uuid};

/// The plan that every new app has, and its level (contract section 5).
pub const DEFAULT_PLAN: (&str, &str) = ("default", "1");

/// Why an app was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The name is empty, too long, or holds a control character; `0` counts as empty for clients.
    #[error("an app's name has 1 to {MAX_NAME} bytes, no control characters, no blanks around it, and is not 0")]
    Name,
    /// The owner has an app of this name.
    #[error("this owner has an app of this name already; `keystead app show` shows it")]
    Taken,
    /// A given secret or seller key has the wrong shape.
    #[error("{0}")]
    Credential(&'static str),
    /// A setting was not taken.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Two apps at one host name; the other one is this.
    #[error("app {0} has this host name already; empty its setting wachtHost first")]
    HostTaken(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Credentials that an app brings along when it moves in; what is missing is made.
#[derive(Clone, Default)]
pub struct Credentials {
    /// 64 lower-case hex characters.
    pub secret: Option<String>,
    /// 32 lower-case hex characters.
    pub sellerkey: Option<String>,
}

/// Makes an app with the plan `default` at level 1.
pub fn create(
    tx: &mut Tx<'_>,
    owner: &Owner,
    name: &str,
    credentials: &Credentials,
    now: Time,
    rng: &mut impl CryptoRng,
) -> Result<App, AppError> {
    let id = create_bare(tx, owner, name, credentials, now, true, rng)?;
    plans::insert(tx, id, DEFAULT_PLAN.0, DEFAULT_PLAN.1)?;
    apps::find(tx, &owner.ownerid, name)?.ok_or(AppError::Taken)
}

/// Makes an app without any plan; hidden from clients unless `ready`.
pub fn create_bare(
    tx: &mut Tx<'_>,
    owner: &Owner,
    name: &str,
    credentials: &Credentials,
    now: Time,
    ready: bool,
    rng: &mut impl CryptoRng,
) -> Result<AppId, AppError> {
    check_name(name)?;
    if apps::find(tx, &owner.ownerid, name)?.is_some() {
        return Err(AppError::Taken);
    }
    let secret = match &credentials.secret {
        Some(given) if is_secret(given) => given.clone(),
        Some(_) => return Err(AppError::Credential("an app's secret has 64 lower-case hex characters")),
        None => new_secret(rng),
    };
    let sellerkey = match &credentials.sellerkey {
        Some(given) if is_sellerkey(given) => given.clone(),
        Some(_) => return Err(AppError::Credential("a seller key has 32 lower-case hex characters")),
        None => new_sellerkey(rng),
    };
    let names = new_names(rng);
    let new = NewApp { name, secret: &secret, sellerkey: &sellerkey, names: &names, created_at: now, ready };
    apps::insert(tx, owner.id, &new)?
        .ok_or(AppError::Credential("another app has this seller key; leave it out and a new one is made"))
}

/// By what clients of other formats name a new app.
pub fn new_names(rng: &mut impl CryptoRng) -> Names {
    Names { uuid: new_uuid(rng).to_string(), api_key: new_token(rng), api_secret: new_secret(rng) }
}

/// Gives an app another API key with another secret; the old pair is refused from now on.
pub fn rotate_api_key(tx: &mut Tx<'_>, app: &App, rng: &mut impl CryptoRng) -> Result<Names, store::Error> {
    let names = Names { uuid: app.uuid.to_string(), ..new_names(rng) };
    apps::set_names(tx, app.id, &names)?;
    Ok(names)
}

/// Whether an app takes in users now.
pub fn check_open(app: &App) -> Result<(), Refusal> {
    let settings = &app.settings;
    match (settings.banned, settings.enabled, settings.paused) {
        (true, ..) => Err(Refusal::AppBanned),
        (_, false, _) => Err(Refusal::AppDisabled),
        (.., true) => Err(Refusal::AppPaused),
        (false, true, false) => Ok(()),
    }
}

/// Whether an app may have this name.
pub fn check_name(name: &str) -> Result<(), AppError> {
    let blank = name.is_empty() || name == "0" || name.trim() != name;
    if blank || name.len() > MAX_NAME || name.chars().any(char::is_control) { Err(AppError::Name) } else { Ok(()) }
}

/// Whether a text has the shape of an app's secret.
pub fn is_secret(text: &str) -> bool {
    is_hex(text, 64)
}

/// Whether a text has the shape of an API key: that of a seller key.
pub fn is_api_key(text: &str) -> bool {
    is_hex(text, 32)
}

/// Whether a text has the shape of a seller key.
pub fn is_sellerkey(text: &str) -> bool {
    is_hex(text, 32)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Sets a setting by its KeyAuth name. `paused` also stops or starts the clock of what the app's users hold.
pub fn set(tx: &mut Tx<'_>, app: &App, name: &str, value: &str, now: Time) -> Result<(), AppError> {
    let setting = Setting::find(name)?;
    let value = setting.check(value)?;
    if setting.name == "paused" {
        return pause(tx, app, value == "1", now).map_err(AppError::Store);
    }
    match setting.name {
        "wachtDefault" if value == "1" => apps::unset_everywhere(tx, setting.name)?,
        "wachtHost" if !value.is_empty() => {
            let named = apps::by_setting(tx, setting.name, &value)?;
            if let Some(other) = named.filter(|other| other.id != app.id) {
                return Err(AppError::HostTaken(format!("{}/{}", other.owner, other.name)));
            }
        }
        _ => {}
    }
    apps::set(tx, app.id, setting.name, &value).map_err(AppError::Store)
}

/// Puts a setting back to its default. An app that was paused runs again.
pub fn unset(tx: &mut Tx<'_>, app: &App, name: &str, now: Time) -> Result<(), AppError> {
    let setting = Setting::find(name)?;
    if setting.name == "paused" {
        pause(tx, app, false, now)?;
    }
    apps::unset(tx, app.id, setting.name).map_err(AppError::Store)
}

/// Pauses or resumes an app. Pausing is one row; resuming moves the end of every subscription that stood still.
pub fn pause(tx: &mut Tx<'_>, app: &App, pause: bool, now: Time) -> Result<(), store::Error> {
    match (app.paused_at, pause) {
        (None, true) => apps::set_paused_at(tx, app.id, Some(now))?,
        (Some(since), false) => {
            subscriptions::shift_app(tx, app.id, since, now.max(since))?;
            apps::set_paused_at(tx, app.id, None)?;
        }
        (None, false) | (Some(_), true) => {}
    }
    apps::set(tx, app.id, "paused", if pause { "1" } else { "0" })
}
