//! Sealing of the secrets that must be kept readable: second-factor secrets, the server's signing key, mail that
//! waits. The key lives in a file of the operator's, outside the database; without one they are kept as they are.
//! Decides nothing about whose secret it is, and never shows one.

use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::{CryptoRng, RngExt};

use crate::store;

/// How a stored text begins that is kept as it is, or that is sealed; with each, the first text that is neither.
pub(super) const OPEN: (&str, &str) = ("open:", "open;");
pub(super) const SEALED: (&str, &str) = ("sealed:", "sealed;");

/// Bytes of an XChaCha20 nonce.
const NONCE: usize = 24;

/// What a secret is for. A sealed text opens only for what it was sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The secret of a user's second factor.
    TwoFactor,
    /// The private half of a server key.
    ServerKey,
    /// What waits in the outbox.
    Outbox,
}

/// Seals and opens.
#[derive(Default)]
pub struct Vault(Option<XChaCha20Poly1305>);

/// Why there is no vault, or a text does not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key's file cannot be read.
    #[error("vault-key: {path} cannot be read: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The file holds something else.
    #[error("vault-key: {0} holds no key: 64 hex characters are wanted, such as `openssl rand -hex 32` prints")]
    NoKey(String),
    /// The text was sealed, and there is no key.
    #[error(
        "the database's secrets are sealed: give the file with their key, --vault-key FILE; if it is lost, docs/operating.md has what remains"
    )]
    KeyMissing,
    /// The text was sealed with another key, or changed.
    #[error(
        "the --vault-key file is not the one that the database's secrets were sealed with: give the right one; if it is lost, docs/operating.md has what remains"
    )]
    WrongKey,
}

impl From<VaultError> for store::Error {
    fn from(error: VaultError) -> store::Error {
        store::Error::Unfit(error.to_string())
    }
}

impl Vault {
    /// The vault whose key is in this file; without a file, one that keeps secrets as they are.
    pub fn read(file: Option<&Path>) -> Result<Vault, VaultError> {
        let Some(file) = file else { return Ok(Vault::default()) };
        let path = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| VaultError::File { path: path.clone(), reason: error.to_string() })?;
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| VaultError::NoKey(path))?;
        Ok(Vault(Some(XChaCha20Poly1305::new(&key.into()))))
    }

    /// The text to store for a secret.
    pub fn seal(&self, purpose: Purpose, secret: &[u8], rng: &mut impl CryptoRng) -> String {
        let Some(cipher) = &self.0 else { return format!("{}{}", OPEN.0, hex::encode(secret)) };
        let nonce: [u8; NONCE] = rng.random();
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: purpose.context() });
        // Only a secret of 256 GiB could not be sealed.
        format!("{}{}{}", SEALED.0, hex::encode(nonce), hex::encode(sealed.unwrap_or_default()))
    }

    /// The secret in a stored text.
    pub fn open(&self, purpose: Purpose, stored: &str) -> Result<Vec<u8>, VaultError> {
        if let Some(text) = stored.strip_prefix(OPEN.0) {
            return hex::decode(text).map_err(|_| VaultError::WrongKey);
        }
        let cipher = self.0.as_ref().ok_or(VaultError::KeyMissing)?;
        let bytes =
            stored.strip_prefix(SEALED.0).and_then(|text| hex::decode(text).ok()).ok_or(VaultError::WrongKey)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(VaultError::WrongKey)?;
        cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: purpose.context() })
            .map_err(|_| VaultError::WrongKey)
    }

    /// Whether there is a key to seal with.
    pub fn has_key(&self) -> bool {
        self.0.is_some()
    }
}

impl Purpose {
    fn context(self) -> &'static [u8] {
        match self {
            Purpose::TwoFactor => b"two-factor",
            Purpose::ServerKey => b"server-key",
            Purpose::Outbox => b"outbox",
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn vault(text: &str) -> Result<Vault, VaultError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Vault::read(Some(file.path()))
    }

    #[test]
    fn what_is_sealed_opens_again_with_its_key_and_for_its_purpose_only() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let one = vault(&format!("{}\n", "ab".repeat(32))).unwrap();
        let sealed = one.seal(Purpose::TwoFactor, b"JBSWY3DP", &mut rng);
        assert_eq!(one.open(Purpose::TwoFactor, &sealed).unwrap(), b"JBSWY3DP");
        assert!(!sealed.contains(&hex::encode("JBSWY3DP")));
        assert!(matches!(one.open(Purpose::ServerKey, &sealed), Err(VaultError::WrongKey)));
        let other = vault(&"cd".repeat(32)).unwrap();
        assert!(matches!(other.open(Purpose::TwoFactor, &sealed), Err(VaultError::WrongKey)));
        assert!(matches!(Vault::default().open(Purpose::TwoFactor, &sealed), Err(VaultError::KeyMissing)));
        let mut changed = sealed.clone();
        changed.replace_range(60..61, if &sealed[60..61] == "0" { "1" } else { "0" });
        assert!(matches!(one.open(Purpose::TwoFactor, &changed), Err(VaultError::WrongKey)));
    }

    #[test]
    fn what_was_kept_open_is_read_with_a_key_too() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let open = Vault::default().seal(Purpose::Outbox, b"x", &mut rng);
        let keyed = vault(&"ab".repeat(32)).unwrap();
        assert_eq!(keyed.open(Purpose::Outbox, &open).unwrap(), b"x");
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        assert!(matches!(vault("hunter2"), Err(VaultError::NoKey(_))));
        assert!(matches!(Vault::read(Some(Path::new("/nowhere/at/all"))), Err(VaultError::File { .. })));
    }
}
