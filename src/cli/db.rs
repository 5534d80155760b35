//! A command's access to the database: opening it, reading, writing, finding the app that is meant. Knows no SQL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Flags;
use crate::domain::sealing;
use crate::domain::vault::Vault;
use crate::model::app::App;
use crate::store::schema::{Upgraded, VERSION};
use crate::store::{self, Options, Store, Tx, apps, lock};

use super::options::VaultOption;
use super::{Code, Exit, Global};

/// How long the caches of a running server may take to notice what we wrote, with room to spare.
const NOTICE: Duration = Duration::from_millis(120);

/// A command's access to the database.
pub(crate) struct Db {
    store: Store,
    path: PathBuf,
    wrote: bool,
}

impl Db {
    /// Opens the database; makes it if there is none.
    pub(crate) fn open(global: &Global) -> Result<Db, Exit> {
        Db::at(global.load(Flags::default())?.database)
    }

    fn at(path: PathBuf) -> Result<Db, Exit> {
        let store = Store::open(&Options::small(&path))?;
        tell_upgrade(&store, &path);
        Ok(Db { store, path, wrote: false })
    }

    /// Opens the database; there must be one.
    pub(crate) fn existing(global: &Global) -> Result<Db, Exit> {
        Db::at(existing(global)?)
    }

    /// The database file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The store itself, for a command that writes in many steps.
    pub(crate) fn writing(&mut self) -> &Store {
        self.wrote = true;
        &self.store
    }

    /// What opens and seals the secrets in this database: by the key that `--vault-key` names, if it names one.
    pub(super) fn vault(&self, global: &Global, key: &VaultOption) -> Result<Arc<Vault>, Exit> {
        let vault = Arc::new(Vault::read(global.load(key.flags())?.vault_key.as_deref())?);
        let checked = Arc::clone(&vault);
        self.read(move |tx| sealing::check(tx, &checked))?;
        Ok(vault)
    }

    /// The address of the server that uses this database now, if one does.
    pub(crate) fn served_at(&self) -> Option<String> {
        lock::holder(&self.path).map(|holder| holder.listen)
    }

    /// Reads.
    pub(crate) fn read<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, Exit>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
        Exit: From<E>,
    {
        self.store.read(work).wait().map_err(Exit::from)
    }

    /// Writes, all of it or nothing.
    pub(crate) fn write<T, E>(
        &mut self,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Exit>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
        Exit: From<E>,
    {
        self.wrote = true;
        self.store.write(work).wait().map_err(Exit::from)
    }

    /// The app that `--app NAME` means: by its name, or by `owner/name` when two owners have one of that name. With a
    /// single app, none need be named.
    pub(crate) fn app(&self, name: Option<&str>) -> Result<Arc<App>, Exit> {
        let all = self.read(apps::all)?;
        let (owner, wanted) = match name.and_then(|n| n.split_once('/')) {
            Some((owner, app)) if all.iter().all(|a| Some(&*a.name) != name) => (Some(owner), Some(app)),
            _ => (None, name),
        };
        let mut matching: Vec<_> = all
            .into_iter()
            .filter(|a| wanted.is_none_or(|w| w == &*a.name))
            .filter(|a| owner.is_none_or(|o| o.eq_ignore_ascii_case(&a.owner)))
            .collect();
        match (matching.len(), name) {
            (1, _) => Ok(Arc::new(matching.remove(0))),
            (0, None) => Err(Exit::failure("there is no app yet; make one with `keystead app create NAME`")),
            (0, Some(name)) => Err(Exit::failure(format!("there is no app {name:?}; see `keystead app list`"))),
            (_, None) => Err(Exit::usage("there are several apps: say which with --app NAME")),
            (_, Some(name)) => Err(Exit::usage(format!("several owners have an app {name:?}: say --app OWNER/NAME"))),
        }
    }
}

/// The path of the database; there must be one.
pub(super) fn existing(global: &Global) -> Result<PathBuf, Exit> {
    let path = global.load(Flags::default())?.database;
    if path.exists() {
        return Ok(path);
    }
    let text = format!(
        "there is no database {}; make one with `keystead app create NAME` or `keystead quickstart`, or name another with \
         --database",
        path.display()
    );
    Err(Exit::new(Code::Database, text))
}

/// People are told that their file is another now, and where the old one is.
pub(super) fn tell_upgrade(store: &Store, path: &Path) {
    if let Some(Upgraded { from, copy }) = store.upgraded() {
        eprintln!(
            "keystead: upgraded {} from schema {from} to {VERSION}; as it was, it is in {} (a secret too: delete it when \
             you need it no more)",
            path.display(),
            copy.display()
        );
    }
}

impl Drop for Db {
    /// When this command ends, its change is what the server answers by.
    fn drop(&mut self) {
        self.store.close();
        if self.wrote && lock::holder(&self.path).is_some() {
            std::thread::sleep(NOTICE);
        }
    }
}
