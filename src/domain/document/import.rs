//! A checked document into the database. The app is filled while it is hidden, in chunks, so that a running server
//! keeps answering; one transaction then shows it whole and, when it replaces another, hides that one. However an
//! import ends, nobody has seen half an app.
//!
//! What an interrupted import leaves is a hidden app (and perhaps an owner without apps). The next import removes it:
//! only one import at a time runs on a database, which [`ImportLock`] proves, so no hidden app is one that is being
//! filled. (One that `app delete` is emptying may be among them: both then do the same work.) Whatever else removes
//! hidden apps has to take that lock too.

use std::sync::Arc;

use rand::CryptoRng;

use crate::domain::app::{AppError, new_names};
use crate::domain::chat::ChatError;
use crate::domain::hashing::Hashing;
use crate::domain::owner::{self, OwnerError};
use crate::domain::secret::{Proof, Work, new_secret, new_sellerkey};
use crate::domain::variable::{self, VariableError};
use crate::domain::vault::Vault;
use crate::model::app::{App, Owner};
use crate::model::ids::AppId;
use crate::model::time::Time;
use crate::model::user::Credential;
use crate::store::apps::{self, Names, NewApp};
use crate::store::lock::ImportLock;
use crate::store::{self, Store, Tx, licenses, owners, plans, relays, users};

use super::check::{Checked, Place};

mod fill;

use fill::fill;

/// Rows in one transaction: some ten milliseconds.
const CHUNK: usize = 1_000;

/// What only one app of a server can have set.
const WACHT_HOST: &str = "wachtHost";
const WACHT_DEFAULT: &str = "wachtDefault";

/// The owner that is made when there is none, and the document names none.
const NO_NAME: &str = owner::DEFAULT_NAME;

/// Why a document was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The owner has an app of this name.
    #[error(
        "owner {owner} has an app {name} already; --replace puts this document in its place, --name NAME gives it \
         another name"
    )]
    Exists {
        /// The owner's name.
        owner: String,
        /// The app's name.
        name: String,
    },
    /// The owner's name is taken by an account with another ownerid.
    #[error(
        "there is an owner {name} with ownerid {here}, but the document says {document}; --owner {name} puts the app \
         there (its clients then have to send {here}), --owner OTHER makes an owner with the document's ownerid"
    )]
    OtherOwnerId {
        /// The owner's name.
        name: String,
        /// The ownerid in the database.
        here: String,
        /// The ownerid in the document.
        document: String,
    },
    /// Nothing says whose the app is to be.
    #[error("the document names no owner, and there are several; say which with --owner NAME")]
    WhichOwner,
    /// Another app has what only one can have.
    #[error("{fields}: app {app} of owner {owner} has the same; take this out of the document{what_then}")]
    Taken {
        /// What it is, as the document calls it.
        fields: String,
        /// That app's owner.
        owner: String,
        /// That app.
        app: String,
        /// What is there in its place.
        what_then: &'static str,
    },
    /// The app was removed while it was being filled.
    #[error("the app was removed while it was being filled; import again")]
    Gone,
    /// The hashing threads could not be started, or stopped.
    #[error("cannot hash passwords: {0}")]
    Hashing(String),
    /// The owner could not be made.
    #[error(transparent)]
    Owner(OwnerError),
    /// The app could not be made.
    #[error(transparent)]
    App(#[from] AppError),
    /// A variable was refused.
    #[error(transparent)]
    Variable(VariableError),
    /// A channel was refused.
    #[error(transparent)]
    Chat(ChatError),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<ChatError> for ImportError {
    fn from(error: ChatError) -> ImportError {
        match error {
            ChatError::Store(error) => ImportError::Store(error),
            other => ImportError::Chat(other),
        }
    }
}

impl From<OwnerError> for ImportError {
    fn from(error: OwnerError) -> ImportError {
        match error {
            OwnerError::Store(error) => ImportError::Store(error),
            other => ImportError::Owner(other),
        }
    }
}

impl From<VariableError> for ImportError {
    fn from(error: VariableError) -> ImportError {
        match error {
            VariableError::Store(error) => ImportError::Store(error),
            other => ImportError::Variable(other),
        }
    }
}

/// How far an import is. Told after every step; the listener may take its time, nothing is locked meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many passwords of so many are hashed.
    Hashing(usize, usize),
    /// So many licenses and users of so many are written.
    Writing(usize, usize),
    /// Another chunk of an app that nobody sees any more is gone.
    Removing,
}

/// What an import made.
#[derive(Debug)]
pub struct Imported {
    /// The app.
    pub app: App,
    /// How many licenses it has.
    pub licenses: usize,
    /// How many users it has.
    pub users: usize,
    /// How many of them are locked: nothing opens them until they get a password.
    pub locked: usize,
    /// What the app that it replaces had.
    pub replaced: Option<Replaced>,
    /// The document's ownerid, if the app's clients have to send another one now.
    pub old_ownerid: Option<String>,
    /// The app that stays the one that Wacht's clients mean where nothing names another, though the document says so of
    /// its own.
    pub default_stays: Option<String>,
}

/// What an app had at the moment when another took its place.
#[derive(Clone, Copy, Debug)]
pub struct Replaced {
    /// How many licenses.
    pub licenses: i64,
    /// How many users.
    pub users: i64,
}

/// Refuses early what [`run`] would refuse after the hashing. Writes nothing.
pub fn may_import(tx: &mut Tx<'_>, place: &Place, replace: bool) -> Result<(), ImportError> {
    let owner = find_owner(tx, place)?;
    let existing = match &owner {
        Some(owner) => apps::find(tx, &owner.ownerid, &place.name)?,
        None => None,
    };
    if let (Some(app), false) = (&existing, replace) {
        return Err(exists(app));
    }
    let existing = existing.map(|app| app.id);
    // All that is taken by the first app that has any of it.
    let mut taken: Option<(App, Vec<&str>)> = None;
    let Place { sellerkey, uuid, api_key, host, .. } = place;
    for (field, value, find) in [
        ("sellerkey", sellerkey, apps::by_sellerkey as Finder),
        ("id", uuid, apps::by_uuid),
        ("api_key", api_key, apps::by_api_key),
    ] {
        let Some(value) = value else { continue };
        let Some(other) = find(tx, value)?.filter(|other| Some(other.id) != existing) else { continue };
        match &mut taken {
            None => taken = Some((other, vec![field])),
            Some((first, fields)) if first.id == other.id => fields.push(field),
            Some(_) => {}
        }
    }
    if let Some((other, fields)) = taken {
        return Err(is_taken(&other, &fields.join(", "), ", and a new one is made"));
    }
    let Some(host) = host else { return Ok(()) };
    match apps::by_setting(tx, WACHT_HOST, host)?.filter(|other| Some(other.id) != existing) {
        Some(other) => Err(is_taken(&other, "settings.wachtHost", "")),
        None => Ok(()),
    }
}

/// Finds the app that has something.
type Finder = fn(&mut Tx<'_>, &str) -> Result<Option<App>, store::Error>;

/// Hashes the plain-text passwords on this many threads.
pub fn hash_passwords(
    checked: &mut Checked,
    threads: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ImportError> {
    let total = checked.users.iter().filter(|user| user.password.is_some()).count();
    if total == 0 {
        return Ok(());
    }
    let stopped = || ImportError::Hashing("the hashing threads have stopped".to_owned());
    let hashing = Hashing::start(threads, total).map_err(|e| ImportError::Hashing(e.to_string()))?;
    let mut waiting = Vec::with_capacity(total);
    for new in &mut checked.users {
        if let Some(password) = new.password.take() {
            let promise = hashing.submit(Work::Hash { password }).map_err(|_| stopped())?;
            waiting.push((new, promise));
        }
    }
    for (done, (new, promise)) in waiting.into_iter().enumerate() {
        let Ok(Proof::Hashed { hash }) = promise.wait() else { return Err(stopped()) };
        new.user.credential = Credential::Password(hash);
        progress(Progress::Hashing(done + 1, total));
    }
    Ok(())
}

/// Writes the document's app. Passwords have been hashed: users whose password was not are locked.
pub fn run(
    store: &Store,
    vault: &Arc<Vault>,
    alone: &ImportLock,
    checked: Checked,
    replace: bool,
    now: Time,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, ImportError> {
    remove_hidden(store, alone, progress)?;
    let checked = Arc::new(checked);
    let (owner, id) = {
        let checked = Arc::clone(&checked);
        store.write(move |tx| begin(tx, &checked, replace, now, &mut rand::rng())).wait()?
    };
    let done = fill(store, vault, id, &checked, progress).and_then(|()| {
        let (checked, owner) = (Arc::clone(&checked), owner.clone());
        store.write(move |tx| show(tx, &owner, id, &checked, replace, &mut rand::rng())).wait()
    });
    // Best effort: what is left now goes with the next import.
    let removed = remove_hidden(store, alone, progress);
    let (app, replaced, default_stays) = done?;
    removed?;
    let locked = checked.users.iter().filter(|new| new.user.credential == Credential::Locked).count();
    Ok(Imported {
        old_ownerid: checked.place.ownerid.clone().filter(|old| **old != *app.ownerid),
        app,
        licenses: checked.licenses.len(),
        users: checked.users.len(),
        locked,
        replaced,
        default_stays,
    })
}

/// Removes what interrupted imports and deletions left, in small steps.
pub fn remove_hidden(
    store: &Store,
    _alone: &ImportLock,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), store::Error> {
    for id in store.read(apps::hidden).wait()? {
        while !store.write(move |tx| apps::delete_step(tx, id, CHUNK as i64)).wait()? {
            progress(Progress::Removing);
        }
    }
    Ok(())
}

/// The owner that the app goes to; none if it is to be made.
fn find_owner(tx: &mut Tx<'_>, place: &Place) -> Result<Option<Owner>, ImportError> {
    let named = match &place.owner {
        Some(name) => owners::by_name(tx, name)?,
        None => None,
    };
    if place.owner_chosen {
        return Ok(named);
    }
    if let Some(ownerid) = &place.ownerid {
        return match (owners::by_ownerid(tx, ownerid)?, named) {
            (Some(owner), _) => Ok(Some(owner)),
            (None, Some(other)) => Err(ImportError::OtherOwnerId {
                name: other.name.to_string(),
                here: other.ownerid.to_string(),
                document: ownerid.clone(),
            }),
            (None, None) => Ok(None),
        };
    }
    if place.owner.is_some() {
        return Ok(named);
    }
    let mut all = owners::all(tx)?;
    if all.len() < 2 { Ok(all.pop()) } else { Err(ImportError::WhichOwner) }
}

/// The owner, made if need be. A chosen owner that is new takes the document's ownerid unless another has it.
fn owner(tx: &mut Tx<'_>, place: &Place, now: Time, rng: &mut impl CryptoRng) -> Result<Owner, ImportError> {
    if let Some(owner) = find_owner(tx, place)? {
        return Ok(owner);
    }
    let free = match &place.ownerid {
        Some(ownerid) => owners::by_ownerid(tx, ownerid)?.is_none(),
        None => false,
    };
    let ownerid = place.ownerid.as_deref().filter(|_| free);
    let name = place.owner.as_deref().or(ownerid).unwrap_or(NO_NAME);
    Ok(owner::create(tx, name, ownerid, now, rng)?)
}

/// The hidden app with what is small. It carries a seller key and a time of its own until it is shown.
fn begin(
    tx: &mut Tx<'_>,
    checked: &Checked,
    replace: bool,
    now: Time,
    rng: &mut impl CryptoRng,
) -> Result<(Owner, AppId), ImportError> {
    may_import(tx, &checked.place, replace)?;
    let owner = owner(tx, &checked.place, now, rng)?;
    // Clients hold the secret: an app that is replaced keeps it unless the document brings another.
    let old = apps::find(tx, &owner.ownerid, &checked.place.name)?;
    let secret = checked.secret.clone().or(old.map(|old| old.secret)).unwrap_or_else(|| new_secret(rng));
    let sellerkey = new_sellerkey(rng);
    let new = NewApp {
        name: &checked.place.name,
        secret: &secret,
        sellerkey: &sellerkey,
        names: &new_names(rng),
        created_at: now,
        ready: false,
    };
    let id = apps::insert(tx, owner.id, &new)?.ok_or(AppError::Taken)?;
    apps::set_paused_at(tx, id, checked.paused_at)?;
    for (name, value) in &checked.settings {
        apps::set(tx, id, name, value)?;
    }
    for (name, level) in &checked.plans {
        plans::insert(tx, id, name, level)?;
    }
    for variable in &checked.variables {
        variable::set(tx, id, variable)?;
    }
    for network in &checked.allowed_networks {
        apps::allow_network(tx, id, network)?;
    }
    for relay in &checked.relays {
        relays::insert(tx, id, relay)?;
    }
    Ok((owner, id))
}

/// The swap: the old app goes out of sight, the new one takes its name, its keys and its place. Answers also the app that
/// stays Wacht's default.
fn show(
    tx: &mut Tx<'_>,
    owner: &Owner,
    id: AppId,
    checked: &Checked,
    replace: bool,
    rng: &mut impl CryptoRng,
) -> Result<(App, Option<Replaced>, Option<String>), ImportError> {
    may_import(tx, &checked.place, replace)?;
    let mut replaced = None;
    let Place { mut sellerkey, mut uuid, mut api_key, .. } = checked.place();
    let mut api_secret = checked.api_secret.clone();
    if let Some(old) = apps::find(tx, &owner.ownerid, &checked.place.name)? {
        replaced = Some(Replaced { licenses: licenses::count(tx, old.id)?, users: users::count(tx, old.id)? });
        apps::hide(tx, old.id)?;
        apps::set_identity(tx, old.id, &new_sellerkey(rng), old.created_at)?;
        apps::set_names(tx, old.id, &new_names(rng))?;
        sellerkey = sellerkey.or(Some(old.sellerkey));
        uuid = uuid.or(Some(old.uuid.to_string()));
        api_key = api_key.or(Some(old.api_key.to_string()));
        api_secret = api_secret.or(Some(old.api_secret));
    }
    let made = new_names(rng);
    let names = Names {
        uuid: uuid.unwrap_or(made.uuid),
        api_key: api_key.unwrap_or(made.api_key),
        api_secret: api_secret.unwrap_or(made.api_secret),
    };
    let sellerkey = sellerkey.unwrap_or_else(|| new_sellerkey(rng));
    let named = apps::set_identity(tx, id, &sellerkey, checked.created_at)? && apps::set_names(tx, id, &names)?;
    // Another app's clients are not taken from it because a document says so.
    let default = if checked.settings.iter().any(|(name, value)| *name == WACHT_DEFAULT && value == "1") {
        apps::by_setting(tx, WACHT_DEFAULT, "1")?
    } else {
        None
    };
    if default.is_some() {
        apps::unset(tx, id, WACHT_DEFAULT)?;
    }
    if !named || !apps::set_ready(tx, id)? {
        return Err(ImportError::Gone);
    }
    let app = apps::find(tx, &owner.ownerid, &checked.place.name)?.ok_or(ImportError::Gone)?;
    Ok((app, replaced, default.map(|app| app.name.to_string())))
}

fn exists(app: &App) -> ImportError {
    ImportError::Exists { owner: app.owner.to_string(), name: app.name.to_string() }
}

fn is_taken(app: &App, fields: &str, what_then: &'static str) -> ImportError {
    let (owner, app) = (app.owner.to_string(), app.name.to_string());
    ImportError::Taken { fields: fields.to_owned(), owner, app, what_then }
}
