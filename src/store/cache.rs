//! Apps, live sessions and app variables in memory: bounded, changed only after a commit, dropped whole when another process writes
//! to the file. Holds nothing that the database does not hold.
//!
//! A load that misses takes a placeholder first and asks the database second. If a commit changes that entry
//! meanwhile, the placeholder is gone and the loaded value, perhaps stale, is not kept.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::{Cache as Quick, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, Equivalent, UnitWeighter};

use crate::metrics::Counter;
use crate::model::app::App;
use crate::model::ids::{AppId, SessionId};
use crate::model::session::Session;

use super::variables::Variable;
use super::{Change, Options};

type Lifecycle<K, V> = quick_cache::sync::DefaultLifecycle<K, V>;

/// The caches of one store.
pub struct Cache {
    sessions: Quick<SessionId, Arc<Session>>,
    apps: Quick<AppKey, Arc<App>>,
    variables: Quick<VariableKey, Arc<Variable>>,
    epoch: AtomicU64,
    loads: Loads,
}

/// How often something was not here and had to be loaded.
#[derive(Default)]
struct Loads {
    sessions: Counter,
    apps: Counter,
    variables: Counter,
}

/// One kind of what is kept, to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// What is in it.
    pub what: &'static str,
    /// How many are in it.
    pub entries: usize,
    /// How often one was not in it and the database was asked.
    pub loads: u64,
}

/// `ownerid` and app name, joined. An ownerid has ten bytes, so no two pairs are joined to the same text.
type AppKey = String;

/// A variable's app and name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct VariableKey(AppId, String);

/// The same, lent.
#[derive(Clone, Copy, Hash)]
struct VariableAsked<'a>(AppId, &'a str);

impl Equivalent<VariableKey> for VariableAsked<'_> {
    fn equivalent(&self, key: &VariableKey) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

/// A place in the cache that waits for what is being loaded. Dropping it gives the place up.
pub struct Loading<'a, K: Clone + Eq + std::hash::Hash, V: Clone>(
    PlaceholderGuard<'a, K, V, UnitWeighter, DefaultHashBuilder, Lifecycle<K, V>>,
);

impl<'a, K: Clone + Eq + std::hash::Hash, V: Clone> Loading<'a, K, V> {
    fn of(
        place: PlaceholderGuard<'a, K, V, UnitWeighter, DefaultHashBuilder, Lifecycle<K, V>>,
        loads: &Counter,
    ) -> Loading<'a, K, V> {
        loads.one();
        Loading(place)
    }

    /// Keeps the loaded value, unless a commit has changed the entry since the loading began.
    pub fn keep(self, value: V) {
        let _ = self.0.insert(value);
    }
}

impl Cache {
    pub(super) fn new(options: &Options) -> Cache {
        Cache {
            sessions: Quick::new(options.session_cache.max(1)),
            apps: Quick::new(options.app_cache.max(1)),
            variables: Quick::new(options.variable_cache.max(1)),
            epoch: AtomicU64::new(0),
            loads: Loads::default(),
        }
    }

    /// A session, if it is known here.
    pub fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.sessions.get(&id)
    }

    /// A session, or the place for it. Waits while somebody else is loading the same one.
    pub async fn session_or_place(&self, id: SessionId) -> Result<Arc<Session>, Loading<'_, SessionId, Arc<Session>>> {
        self.sessions.get_value_or_guard_async(&id).await.map_err(|place| Loading::of(place, &self.loads.sessions))
    }

    /// An app, if it is known here. `ownerid` has ten bytes.
    pub fn app(&self, ownerid: &str, name: &str) -> Option<Arc<App>> {
        thread_local! {
            /// The key that is asked for; its room is used again.
            static KEY: RefCell<AppKey> = const { RefCell::new(AppKey::new()) };
        }
        KEY.with_borrow_mut(|key| {
            key.clear();
            key.push_str(ownerid);
            key.push_str(name);
            self.apps.get(key.as_str())
        })
    }

    /// An app, or the place for it. Waits while somebody else is loading the same one.
    pub async fn app_or_place(&self, ownerid: &str, name: &str) -> Result<Arc<App>, Loading<'_, String, Arc<App>>> {
        self.apps
            .get_value_or_guard_async(&app_key(ownerid, name))
            .await
            .map_err(|place| Loading::of(place, &self.loads.apps))
    }

    /// An app by another of its names (`apps::Named`), if it is known here.
    pub(super) fn named_app(&self, key: &str) -> Option<Arc<App>> {
        self.apps.get(key)
    }

    /// The same for an app by another of its names (`apps::Named`).
    pub(super) async fn named_app_or_place(&self, key: &str) -> Result<Arc<App>, Loading<'_, String, Arc<App>>> {
        self.apps.get_value_or_guard_async(key).await.map_err(|place| Loading::of(place, &self.loads.apps))
    }

    /// How full it is, and how often it did not help. Hits are not counted: they are what is left.
    pub fn kept(&self) -> [Kept; 3] {
        let Loads { sessions, apps, variables } = &self.loads;
        [
            Kept { what: "sessions", entries: self.sessions.len(), loads: sessions.value() },
            Kept { what: "apps", entries: self.apps.len(), loads: apps.value() },
            Kept { what: "variables", entries: self.variables.len(), loads: variables.value() },
        ]
    }

    /// A variable of an app, if it is known here.
    pub fn variable(&self, app: AppId, name: &str) -> Option<Arc<Variable>> {
        self.variables.get(&VariableAsked(app, name))
    }

    /// A variable of an app, or the place for it. Waits while somebody else is loading the same one.
    pub(super) async fn variable_or_place(
        &self,
        app: AppId,
        name: &str,
    ) -> Result<Arc<Variable>, Loading<'_, VariableKey, Arc<Variable>>> {
        self.variables
            .get_value_or_guard_async(&VariableKey(app, name.to_owned()))
            .await
            .map_err(|place| Loading::of(place, &self.loads.variables))
    }

    /// Counts up whenever all is forgotten. Who keeps something read from the database elsewhere than here notes the
    /// epoch before reading, and reads again when it has moved on.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Carries out what a commit changed. Only the writer calls this, in the order of its commits.
    pub(super) fn apply(&self, change: Change) {
        match change {
            Change::Session(session) => self.sessions.insert(session.id, session),
            Change::ForgetSession(id) => {
                self.sessions.remove(&id);
            }
            Change::ForgetVariable(app, name) => {
                self.variables.remove(&VariableAsked(app, &name));
            }
            Change::Apps => self.apps.clear(),
            Change::Everything => self.clear(),
        }
    }

    /// Forgets all of it: another process has written to the file.
    pub(super) fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.sessions.clear();
        self.apps.clear();
        self.variables.clear();
    }
}

fn app_key(ownerid: &str, name: &str) -> AppKey {
    let mut key = String::with_capacity(ownerid.len() + name.len());
    key.push_str(ownerid);
    key.push_str(name);
    key
}
