//! The tables `apps`, `app_settings` and `allowed_networks`.

use std::sync::Arc;

use crate::model::app::App;
use crate::model::ids::{AppId, OwnerRow};
use crate::model::settings::Settings;
use crate::model::sign_key::SignKey;
use crate::model::time::Time;

use super::{Change, Error, Result, Row, Store, Tx};

const FIND: &str = "SELECT a.id, a.name, o.ownerid, o.name, a.secret, a.sellerkey, a.created_at, a.paused_at, \
                    n.uuid, n.api_key, n.api_secret \
                    FROM apps a JOIN owners o ON o.id = a.owner_id JOIN app_names n ON n.app_id = a.id \
                    WHERE o.ownerid = $1 AND a.name = $2 AND a.ready = 1";
const ALL: &str = "SELECT a.id, a.name, o.ownerid, o.name, a.secret, a.sellerkey, a.created_at, a.paused_at, \
                    n.uuid, n.api_key, n.api_secret \
                   FROM apps a JOIN owners o ON o.id = a.owner_id JOIN app_names n ON n.app_id = a.id WHERE a.ready = 1 ORDER BY a.id";
const BY_ID: &str = "SELECT a.id, a.name, o.ownerid, o.name, a.secret, a.sellerkey, a.created_at, a.paused_at, \
                    n.uuid, n.api_key, n.api_secret \
                     FROM apps a JOIN owners o ON o.id = a.owner_id JOIN app_names n ON n.app_id = a.id WHERE a.id = $1 AND a.ready = 1";
const NAMED_BY_UUID: &str = "SELECT app_id FROM app_names WHERE uuid = $1";
const NAMED_BY_API_KEY: &str = "SELECT app_id FROM app_names WHERE api_key = $1";
const NAMED_BY_SETTING: &str = "SELECT s.app_id FROM app_settings s JOIN apps a ON a.id = s.app_id \
                                WHERE s.name = $1 AND s.value = $2 AND a.ready = 1 ORDER BY s.app_id LIMIT 1";
const INSERT_NAMES: &str = "INSERT INTO app_names (app_id, uuid, api_key, api_secret) VALUES ($1, $2, $3, $4)";
const SET_NAMES: &str = "UPDATE app_names SET uuid = $2, api_key = $3, api_secret = $4 WHERE app_id = $1 AND NOT EXISTS \
                         (SELECT 1 FROM app_names n WHERE n.app_id <> $1 AND (n.uuid = $2 OR n.api_key = $3))";
const UNSET_EVERYWHERE: &str = "DELETE FROM app_settings WHERE name = $1";
const SETTINGS: &str = "SELECT name, value FROM app_settings WHERE app_id = $1 ORDER BY name";
const SET: &str = "INSERT INTO app_settings (app_id, name, value) VALUES ($1, $2, $3) \
                   ON CONFLICT (app_id, name) DO UPDATE SET value = excluded.value";
const SET_IF_UNSET: &str = "INSERT INTO app_settings (app_id, name, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const UNSET: &str = "DELETE FROM app_settings WHERE app_id = $1 AND name = $2";
const INSERT: &str = "INSERT INTO apps (owner_id, name, secret, sellerkey, created_at, ready) \
                      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id";
const SET_READY: &str = "UPDATE apps SET ready = 1 WHERE id = $1 AND ready = 0 AND NOT EXISTS \
                         (SELECT 1 FROM apps b WHERE b.owner_id = apps.owner_id AND b.name = apps.name AND b.ready = 1)";
const SET_HIDDEN: &str = "UPDATE apps SET ready = 0 WHERE id = $1 AND ready = 1";
const HIDDEN: &str = "SELECT id FROM apps WHERE ready = 0 ORDER BY id";
const SET_IDENTITY: &str = "UPDATE apps SET sellerkey = $2, created_at = $3 WHERE id = $1 AND NOT EXISTS \
                            (SELECT 1 FROM apps b WHERE b.sellerkey = $2 AND b.id <> apps.id)";
const BY_SELLERKEY: &str = "SELECT a.id, a.name, o.ownerid, o.name, a.secret, a.sellerkey, a.created_at, a.paused_at, \
                    n.uuid, n.api_key, n.api_secret \
                            FROM apps a JOIN owners o ON o.id = a.owner_id JOIN app_names n ON n.app_id = a.id WHERE a.sellerkey = $1 AND a.ready = 1";
const SET_PAUSED_AT: &str = "UPDATE apps SET paused_at = $2 WHERE id = $1";
const DELETE: &str = "DELETE FROM apps WHERE id = $1";
const ALLOWED: &str = "SELECT network FROM allowed_networks WHERE app_id = $1 ORDER BY network";
const ALLOW: &str = "INSERT INTO allowed_networks (app_id, network) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const DISALLOW: &str = "DELETE FROM allowed_networks WHERE app_id = $1 AND network = $2";
const COUNTS: &str = "SELECT (SELECT count(*) FROM licenses WHERE app_id = $1), \
                      (SELECT count(*) FROM users WHERE app_id = $1), \
                      (SELECT count(DISTINCT user_id) FROM sessions \
                       WHERE app_id = $1 AND user_id IS NOT NULL AND ended_at IS NULL AND expires_at > $2 \
                       AND kind <> 'sign-in')";

/// What deleting an app in steps empties before the app itself goes.
const DELETE_STEPS: &[&str] = &[
    "DELETE FROM browsers WHERE id IN (SELECT id FROM browsers WHERE app_id = $1 LIMIT $2)",
    "DELETE FROM sessions WHERE row IN (SELECT row FROM sessions WHERE app_id = $1 LIMIT $2)",
    "DELETE FROM users WHERE id IN (SELECT id FROM users WHERE app_id = $1 LIMIT $2)",
    "DELETE FROM licenses WHERE id IN (SELECT id FROM licenses WHERE app_id = $1 LIMIT $2)",
    "DELETE FROM logs WHERE id IN (SELECT id FROM logs WHERE app_id = $1 LIMIT $2)",
    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE app_id = $1 LIMIT $2)",
    "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE app_id = $1 LIMIT $2)",
    "DELETE FROM bans WHERE id IN (SELECT id FROM bans WHERE app_id = $1 LIMIT $2)",
];

/// The longest name an app may have, in bytes (contract section 5).
pub const MAX_NAME: usize = 40;

/// The app that clients name by ownerid and name: from the cache, else from the database.
pub async fn lookup(store: &Store, ownerid: &str, name: &str) -> Result<Option<Arc<App>>> {
    if name.len() > MAX_NAME {
        return Ok(None);
    }
    let place = match store.cache().app_or_place(ownerid, name).await {
        Ok(app) => return Ok(Some(app)),
        Err(place) => place,
    };
    let (ownerid, name) = (ownerid.to_owned(), name.to_owned());
    let found = store.read(move |tx| find(tx, &ownerid, &name)).await?.map(Arc::new);
    if let Some(app) = &found {
        place.keep(Arc::clone(app));
    }
    Ok(found)
}

/// How clients of other formats name an app.
#[derive(Clone, Copy)]
pub enum Named<'a> {
    /// By its row: a session says whose it is.
    Row(AppId),
    /// By its UUID.
    Uuid(&'a str),
    /// By its API key.
    ApiKey(&'a str),
    /// By the host name that it has set.
    Host(&'a str),
    /// Not at all: the server's default.
    Default,
}

impl Named<'_> {
    /// Its key in the cache. It begins with a byte that no ownerid has.
    fn cached(self) -> Option<String> {
        Some(match self {
            Named::Row(id) => format!("\0i{}", id.0),
            Named::Uuid(uuid) if uuid.len() == 36 => format!("\0u{uuid}"),
            Named::ApiKey(key) if key.len() == 32 => format!("\0k{key}"),
            Named::Host(host) if !host.is_empty() && host.len() <= 253 => format!("\0h{host}"),
            Named::Default => "\0d".to_owned(),
            _ => return None,
        })
    }
}

/// The app that a client of another format names: from the cache, else from the database.
pub async fn lookup_named(store: &Store, named: Named<'_>) -> Result<Option<Arc<App>>> {
    let Some(key) = named.cached() else { return Ok(None) };
    let place = match store.cache().named_app_or_place(&key).await {
        Ok(app) => return Ok(Some(app)),
        Err(place) => place,
    };
    let wanted = key.clone();
    let found = store.read(move |tx| find_named(tx, &wanted)).await?.map(Arc::new);
    if let Some(app) = &found {
        place.keep(Arc::clone(app));
    }
    Ok(found)
}

/// The same if it is in memory: who asks too often is not worth a question to the database.
pub fn known_named(store: &Store, named: Named<'_>) -> Option<Arc<App>> {
    store.cache().named_app(&named.cached()?)
}

fn find_named(tx: &mut Tx<'_>, key: &str) -> Result<Option<App>> {
    let Some((kind, name)) = key.split_at_checked(2) else { return Ok(None) };
    let id = |row: &Row<'_>| row.int(0).map(AppId);
    let id = match kind {
        "\0u" => tx.row(NAMED_BY_UUID, &[name.into()], id)?,
        "\0i" => name.parse().ok().map(AppId),
        "\0k" => tx.row(NAMED_BY_API_KEY, &[name.into()], id)?,
        "\0h" => return by_setting(tx, "wachtHost", name),
        _ => return by_setting(tx, "wachtDefault", "1"),
    };
    match id {
        Some(id) => by_id(tx, id),
        None => Ok(None),
    }
}

/// The app that has set a setting to this value; the oldest, if several have.
pub fn by_setting(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<Option<App>> {
    match tx.row(NAMED_BY_SETTING, &[name.into(), value.into()], |row| row.int(0).map(AppId))? {
        Some(id) => by_id(tx, id),
        None => Ok(None),
    }
}

/// Puts a setting back to its default in all apps.
pub fn unset_everywhere(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    tx.changed(Change::Apps);
    tx.exec(UNSET_EVERYWHERE, &[name.into()]).map(|_| ())
}

/// The app that clients name by ownerid and name.
pub fn find(tx: &mut Tx<'_>, ownerid: &str, name: &str) -> Result<Option<App>> {
    let Some(mut app) = tx.row(FIND, &[ownerid.into(), name.into()], app)? else { return Ok(None) };
    load_settings(tx, &mut app)?;
    Ok(Some(app))
}

/// The app that has this seller key. Its settings are not loaded.
pub fn by_sellerkey(tx: &mut Tx<'_>, sellerkey: &str) -> Result<Option<App>> {
    tx.row(BY_SELLERKEY, &[sellerkey.into()], app)
}

/// The app that has this UUID.
pub fn by_uuid(tx: &mut Tx<'_>, uuid: &str) -> Result<Option<App>> {
    find_named(tx, &format!("\0u{uuid}"))
}

/// The app that has this API key.
pub fn by_api_key(tx: &mut Tx<'_>, api_key: &str) -> Result<Option<App>> {
    find_named(tx, &format!("\0k{api_key}"))
}

/// The app of this row.
pub fn by_id(tx: &mut Tx<'_>, id: AppId) -> Result<Option<App>> {
    let Some(mut app) = tx.row(BY_ID, &[id.0.into()], app)? else { return Ok(None) };
    load_settings(tx, &mut app)?;
    Ok(Some(app))
}

/// All apps, oldest first.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<App>> {
    let mut apps = tx.rows(ALL, &[], app)?;
    for app in &mut apps {
        load_settings(tx, app)?;
    }
    Ok(apps)
}

/// Adds an app with these credentials. `ready` false hides it until [`set_ready`]. None: the name is taken.
pub fn insert(tx: &mut Tx<'_>, owner: OwnerRow, new: &NewApp<'_>) -> Result<Option<AppId>> {
    let values = [
        owner.0.into(),
        new.name.into(),
        new.secret.into(),
        new.sellerkey.into(),
        new.created_at.0.into(),
        new.ready.into(),
    ];
    let id = tx.row(INSERT, &values, |row| row.int(0).map(AppId))?;
    if let Some(id) = id {
        let Names { uuid, api_key, api_secret } = new.names;
        tx.exec(INSERT_NAMES, &[id.0.into(), uuid.into(), api_key.into(), api_secret.into()])?;
    }
    tx.changed(Change::Apps);
    Ok(id)
}

/// By what clients of other formats name an app, and what proves it.
#[derive(Clone)]
pub struct Names {
    /// A random UUID.
    pub uuid: String,
    /// 32 lower-case hex characters.
    pub api_key: String,
    /// 64 lower-case hex characters.
    pub api_secret: String,
}

/// Gives an app other such names. False: another app has one of them.
pub fn set_names(tx: &mut Tx<'_>, app: AppId, names: &Names) -> Result<bool> {
    tx.changed(Change::Apps);
    let Names { uuid, api_key, api_secret } = names;
    tx.exec(SET_NAMES, &[app.0.into(), uuid.into(), api_key.into(), api_secret.into()]).map(|n| n == 1)
}

/// What a new app is made of.
pub struct NewApp<'a> {
    /// Unique for its owner.
    pub name: &'a str,
    /// 64 lower-case hex characters.
    pub secret: &'a str,
    /// 32 lower-case hex characters.
    pub sellerkey: &'a str,
    /// Its names in other formats.
    pub names: &'a Names,
    /// When it was created.
    pub created_at: Time,
    /// Whether clients see it at once.
    pub ready: bool,
}

/// Shows a hidden app. False: another app of that name has come meanwhile.
pub fn set_ready(tx: &mut Tx<'_>, app: AppId) -> Result<bool> {
    tx.changed(Change::Apps);
    tx.exec(SET_READY, &[app.0.into()]).map(|n| n == 1)
}

/// Hides an app: from now on clients get "no such app".
pub fn hide(tx: &mut Tx<'_>, app: AppId) -> Result<bool> {
    tx.changed(Change::Everything);
    tx.exec(SET_HIDDEN, &[app.0.into()]).map(|n| n == 1)
}

/// Hidden apps: what an import is filling, or what interrupted imports and deletions left.
pub fn hidden(tx: &mut Tx<'_>) -> Result<Vec<AppId>> {
    tx.rows(HIDDEN, &[], |row| row.int(0).map(AppId))
}

/// Gives an app its seller key and its time of creation: an import fills its app under others, so that the app it
/// replaces keeps its own meanwhile. False: another app has this seller key.
pub fn set_identity(tx: &mut Tx<'_>, app: AppId, sellerkey: &str, created_at: Time) -> Result<bool> {
    tx.changed(Change::Apps);
    tx.exec(SET_IDENTITY, &[app.0.into(), sellerkey.into(), created_at.0.into()]).map(|n| n == 1)
}

/// One step of deleting a hidden app: at most about `limit` rows. True: it is gone.
pub fn delete_step(tx: &mut Tx<'_>, app: AppId, limit: i64) -> Result<bool> {
    for statement in DELETE_STEPS {
        if tx.exec(statement, &[app.0.into(), limit.into()])? > 0 {
            return Ok(false);
        }
    }
    tx.changed(Change::Everything);
    tx.exec(DELETE, &[app.0.into()]).map(|_| true)
}

/// The settings that were set, by name.
pub fn settings(tx: &mut Tx<'_>, app: AppId) -> Result<Vec<(String, String)>> {
    tx.rows(SETTINGS, &[app.0.into()], |row| Ok((row.text(0)?, row.text(1)?)))
}

/// Sets a setting. The value has been checked.
pub fn set(tx: &mut Tx<'_>, app: AppId, name: &str, value: &str) -> Result<()> {
    tx.changed(Change::Apps);
    tx.exec(SET, &[app.0.into(), name.into(), value.into()]).map(|_| ())
}

/// Sets a setting unless it is set. False: it was.
pub fn set_if_unset(tx: &mut Tx<'_>, app: AppId, name: &str, value: &str) -> Result<bool> {
    tx.changed(Change::Apps);
    tx.exec(SET_IF_UNSET, &[app.0.into(), name.into(), value.into()]).map(|n| n == 1)
}

/// Puts a setting back to its default.
pub fn unset(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<()> {
    tx.changed(Change::Apps);
    tx.exec(UNSET, &[app.0.into(), name.into()]).map(|_| ())
}

/// Notes since when the app is paused, or that it runs.
pub fn set_paused_at(tx: &mut Tx<'_>, app: AppId, paused_at: Option<Time>) -> Result<()> {
    tx.changed(Change::Apps);
    tx.exec(SET_PAUSED_AT, &[app.0.into(), paused_at.map(|t| t.0).into()]).map(|_| ())
}

/// Networks that the VPN block lets through.
pub fn allowed_networks(tx: &mut Tx<'_>, app: AppId) -> Result<Vec<String>> {
    tx.rows(ALLOWED, &[app.0.into()], |row| row.text(0))
}

/// Lets a network through the VPN block. False: it was let through already.
pub fn allow_network(tx: &mut Tx<'_>, app: AppId, network: &str) -> Result<bool> {
    tx.exec(ALLOW, &[app.0.into(), network.into()]).map(|n| n == 1)
}

/// Takes that back. False: it was not let through.
pub fn disallow_network(tx: &mut Tx<'_>, app: AppId, network: &str) -> Result<bool> {
    tx.exec(DISALLOW, &[app.0.into(), network.into()]).map(|n| n == 1)
}

/// How much an app holds.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// License keys.
    pub licenses: i64,
    /// Users.
    pub users: i64,
    /// Different users on live sessions of programs.
    pub online: i64,
}

/// Counts what an app holds. Reads all its keys: for people, not for the hot path.
pub fn counts(tx: &mut Tx<'_>, app: AppId, now: Time) -> Result<Counts> {
    let counts = tx.row(COUNTS, &[app.0.into(), now.0.into()], |row| {
        Ok(Counts { licenses: row.int(0)?, users: row.int(1)?, online: row.int(2)? })
    })?;
    counts.ok_or_else(|| Error::Bug("a count without a row".to_owned()))
}

fn load_settings(tx: &mut Tx<'_>, app: &mut App) -> Result<()> {
    for (name, value) in settings(tx, app.id)? {
        app.settings.load(&name, &value);
    }
    Ok(())
}

fn app(row: &Row<'_>) -> Result<App> {
    let secret = row.text(4)?;
    Ok(App {
        id: AppId(row.int(0)?),
        name: row.text(1)?.into(),
        ownerid: row.text(2)?.into(),
        owner: row.text(3)?.into(),
        sign_key: Arc::new(SignKey::new(secret.as_str())),
        secret,
        sellerkey: row.text(5)?,
        created_at: Time(row.int(6)?),
        paused_at: row.opt_int(7)?.map(Time),
        uuid: row.text(8)?.into(),
        api_key: row.text(9)?.into(),
        api_secret: row.text(10)?,
        settings: Settings::default(),
    })
}
