//! What the database holds sealed, as a whole: whether this process can open it, and sealing what was kept open before
//! there was a key. Knows no secret by itself.

use std::sync::Arc;

use crate::store::sealed::{self, Column};
use crate::store::{self, Store, Tx};

use super::vault::{OPEN, Purpose, SEALED, Vault, VaultError};

/// Texts sealed in one write: some milliseconds.
const CHUNK: i64 = 500;

/// Why the server does not start on this database, or a command does not work on it.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The key is missing or another one.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Whether the vault opens what is sealed. One text of each kind tells: whoever seals has passed this check.
pub fn check(tx: &mut Tx<'_>, vault: &Vault) -> Result<(), SealingError> {
    for column in Column::ALL {
        for (_, text) in sealed::between(tx, column, SEALED.0, SEALED.1, 1)? {
            vault.open(purpose(column), &text)?;
        }
    }
    Ok(())
}

/// Seals what is kept open, in short writes, if there is a key. Answers how much that was.
pub fn seal_the_rest(store: &Store, vault: &Arc<Vault>) -> Result<usize, SealingError> {
    let mut count = 0;
    if !vault.has_key() {
        return Ok(count);
    }
    for column in Column::ALL {
        loop {
            // Nothing is written where nothing is open: the usual start.
            let open = store.read(move |tx| sealed::between(tx, column, OPEN.0, OPEN.1, 1)).wait()?;
            if open.is_empty() {
                break;
            }
            let vault = Arc::clone(vault);
            count += store.write(move |tx| seal_some(tx, &vault, column)).wait()?;
        }
    }
    Ok(count)
}

fn seal_some(tx: &mut Tx<'_>, vault: &Vault, column: Column) -> Result<usize, SealingError> {
    let open = sealed::between(tx, column, OPEN.0, OPEN.1, CHUNK)?;
    for (row, text) in &open {
        let secret = vault.open(purpose(column), text)?;
        sealed::replace(tx, column, *row, &vault.seal(purpose(column), &secret, &mut rand::rng()))?;
    }
    Ok(open.len())
}

fn purpose(column: Column) -> Purpose {
    match column {
        Column::ServerKey => Purpose::ServerKey,
        Column::TwoFactor | Column::TwoFactorPending => Purpose::TwoFactor,
        Column::Outbox => Purpose::Outbox,
    }
}

#[cfg(test)]
mod tests {
    use crate::model::time::Time;
    use crate::store::Options;

    use super::super::server_key;
    use super::*;

    fn vault(key: &str) -> Arc<Vault> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key.repeat(32)).unwrap();
        Arc::new(Vault::read(Some(file.path())).unwrap())
    }

    #[test]
    fn what_was_open_is_sealed_once_and_then_wants_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::small(dir.path().join("k.db"))).unwrap();
        let texts = |column: Column| store.read(move |tx| sealed::between(tx, column, "", "z", 9_999)).wait().unwrap();
        let passes = |vault: &Arc<Vault>| {
            let vault = Arc::clone(vault);
            store.read(move |tx| check(tx, &vault)).wait()
        };
        let (none, right, other) = (Arc::default(), vault("ab"), vault("cd"));
        let more = usize::try_from(CHUNK).unwrap() + 7;
        store
            .write(move |tx| -> Result<(), store::Error> {
                for _ in 0..3 {
                    server_key::rotate(tx, &Vault::default(), &mut rand::rng(), Time(1))?;
                }
                for _ in 0..more {
                    let text = Vault::default().seal(Purpose::Outbox, b"mail", &mut rand::rng());
                    store::outbox::insert(tx, None, store::outbox::Kind::Mail, &text, Time(1))?;
                }
                Ok(())
            })
            .wait()
            .unwrap();
        assert_eq!(seal_the_rest(&store, &none).unwrap(), 0);
        assert!(passes(&none).is_ok() && passes(&other).is_ok(), "nothing is sealed yet");

        assert_eq!(seal_the_rest(&store, &right).unwrap(), more + 3);
        assert_eq!(seal_the_rest(&store, &right).unwrap(), 0);
        for column in [Column::ServerKey, Column::Outbox] {
            assert!(texts(column).iter().all(|(_, text)| text.starts_with(SEALED.0)), "{column:?}");
        }
        assert!(texts(Column::Outbox).iter().all(|(_, t)| right.open(Purpose::Outbox, t).is_ok_and(|p| p == b"mail")));
        assert!(passes(&right).is_ok());
        assert!(matches!(passes(&none), Err(SealingError::Vault(VaultError::KeyMissing))));
        assert!(matches!(passes(&other), Err(SealingError::Vault(VaultError::WrongKey))));
    }
}
