//! A text that signs answers, kept with what every HMAC by it begins with. Says nothing of what it is in `Debug`.

use std::fmt;
use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// An app's secret, or what a session signs with.
pub struct SignKey {
    text: Box<str>,
    /// Made when it first signs: many sessions never do, and it is larger than the text.
    keyed: OnceLock<Option<Box<Hmac<Sha256>>>>,
}

impl SignKey {
    /// A key of any length.
    pub fn new(text: impl Into<Box<str>>) -> SignKey {
        SignKey { text: text.into(), keyed: OnceLock::new() }
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// HMAC-SHA256 of the body, as 64 lower-case hex characters.
    pub fn sign(&self, body: &[u8]) -> String {
        let mut digits = [0; 64];
        // An HMAC takes a key of any length, and 64 characters take a SHA-256: neither error case exists.
        let keyed = self.keyed.get_or_init(|| Hmac::new_from_slice(self.text.as_bytes()).ok().map(Box::new));
        if let Some(keyed) = keyed {
            let mac = Hmac::clone(keyed).chain_update(body);
            let _ = hex::encode_to_slice(mac.finalize().into_bytes(), &mut digits);
        }
        std::str::from_utf8(&digits).unwrap_or_default().to_owned()
    }
}

impl fmt::Debug for SignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_signature_is_as_the_first_and_debug_shows_nothing() {
        let key = SignKey::new("key");
        // RFC 2104 by another implementation.
        let other = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"key"), b"body");
        for _ in 0..2 {
            assert_eq!(key.sign(b"body"), hex::encode(other.as_ref()));
        }
        assert!(!format!("{key:?}").contains("key"));
    }
}
