//! The server's key pair at hand: read once, and again whenever another process has written to the database. Signs
//! nothing itself.

use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::Clock;
use crate::domain::server_key::{self, ServerKey};
use crate::domain::vault::Vault;
use crate::model::time::Time;
use crate::store::{self, Store};

/// The key pair that signs now.
#[derive(Default)]
pub struct Held(RwLock<Option<(u64, Arc<ServerKey>)>>);

impl Held {
    /// The pair, if it is known to be the one that signs.
    pub(super) fn fresh(&self, store: &Store) -> Option<Arc<ServerKey>> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|(epoch, _)| *epoch == store.cache().epoch()).map(|(_, key)| Arc::clone(key))
    }

    /// Reads the pair before the first answer, so that no answer goes out without it; made if there is none.
    pub fn load(&self, store: &Store, vault: &Arc<Vault>, now: Time) -> Result<(), store::Error> {
        let epoch = store.cache().epoch();
        let sealed_by = Arc::clone(vault);
        let key = store.write(move |tx| server_key::signing_or_new(tx, &sealed_by, &mut rand::rng(), now)).wait()?;
        self.keep(epoch, key);
        Ok(())
    }

    /// The pair that signed last, for answers that cannot wait for the database.
    pub(super) fn last(&self) -> Option<Arc<ServerKey>> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|(_, key)| Arc::clone(key))
    }

    /// The pair as the database has it; made if there is none.
    pub async fn lookup(
        &self,
        store: &Store,
        vault: &Arc<Vault>,
        clock: &Clock,
    ) -> Result<Arc<ServerKey>, store::Error> {
        // Before the question: what is read after a change by others is not taken for what was before it.
        let epoch = store.cache().epoch();
        let sealed_by = Arc::clone(vault);
        let key = match store.read(move |tx| server_key::signing(tx, &sealed_by)).await? {
            Some(key) => key,
            None => {
                let (sealed_by, now) = (Arc::clone(vault), clock.now());
                store.write(move |tx| server_key::signing_or_new(tx, &sealed_by, &mut rand::rng(), now)).await?
            }
        };
        Ok(self.keep(epoch, key))
    }

    fn keep(&self, epoch: u64, key: ServerKey) -> Arc<ServerKey> {
        let key = Arc::new(key);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((epoch, Arc::clone(&key)));
        key
    }
}
