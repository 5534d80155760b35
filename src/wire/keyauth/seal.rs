//! What goes into the `signature` header of an answer (contract 3.1 and E.1). A seal is used up when the answer
//! leaves; nothing else signs.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::exchange::HeaderValue;
use crate::model::session::Session;

use super::versions::Version;

/// What a client without an enckey is sent instead of a signature.
const LITERAL: &str = "No encryption key supplied";

/// How one answer is sealed.
#[derive(Clone)]
pub(super) enum Seal {
    /// No key is known, or this version has no seals.
    None,
    /// The client supplied no key.
    Literal,
    /// HMAC-SHA256 with this key.
    Key(Arc<str>),
}

impl Seal {
    /// Sealed with this key, if the version seals at all.
    pub(super) fn key(version: &Version, key: &str) -> Seal {
        if version.signed { Seal::Key(key.into()) } else { Seal::None }
    }

    /// Sealed with the literal, if the version seals at all.
    pub(super) fn literal(version: &Version) -> Seal {
        if version.signed { Seal::Literal } else { Seal::None }
    }

    /// Sealed as this session's answers are.
    pub(super) fn of_session(version: &Version, session: &Session) -> Seal {
        match &session.sign_key {
            Some(key) if version.signed => Seal::Key(Arc::clone(key)),
            _ => Seal::literal(version),
        }
    }

    /// The header's value for a body of exactly these bytes.
    pub(super) fn close(self, body: &[u8]) -> Option<HeaderValue> {
        match self {
            Seal::None => None,
            Seal::Literal => Some(HeaderValue::Fixed(LITERAL)),
            Seal::Key(key) => Some(HeaderValue::Made(signature(&key, body))),
        }
    }
}

/// HMAC-SHA256 of the body, as 64 lower-case hex characters.
fn signature(key: &str, body: &[u8]) -> String {
    let mut text = [0; 64];
    // An HMAC takes a key of any length, and 64 characters take a SHA-256: neither error case exists.
    if let Ok(mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) {
        let _ = hex::encode_to_slice(mac.chain_update(body).finalize().into_bytes(), &mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::keyauth::versions;

    const SECRET: &str = "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225";

    fn value(seal: Seal, body: &str) -> String {
        match seal.close(body.as_bytes()) {
            Some(HeaderValue::Made(text)) => text,
            Some(HeaderValue::Fixed(text)) => text.to_owned(),
            None => String::new(),
        }
    }

    /// Contract, Appendix A, both 1.2 rows.
    #[test]
    fn appendix_a_vectors_of_1_2() {
        let init = r#"{"success":true,"message":"Initialized","sessionid":"Ab3dE5gH1j","appinfo":{"numUsers":"2","numOnlineUsers":"1","numKeys":"5","version":"1.0","customerPanelLink":"https://auth.example.test/panel/acme/demo/"},"newSession":true,"nonce":"00112233445566778899aabbccddeeff"}"#;
        assert_eq!(
            value(Seal::key(&versions::V1_2, SECRET), init),
            "bc3d4db16cfe6c11bcde0f321d81a6ad90985e7b45d807b931255f35236d860a"
        );
        let check = r#"{"success":true,"message":"Session is validated.","nonce":"00112233445566778899aabbccddeeff"}"#;
        let key = format!("0f1e2d3c-4b5a-69-{SECRET}");
        assert_eq!(
            value(Seal::key(&versions::V1_2, &key), check),
            "ee3e59e209da3d474e64fc8eae3b2bf295d7ddc553573c133c42d6a3c94b21a6"
        );
    }

    #[test]
    fn version_1_1_seals_nothing() {
        assert_eq!(value(Seal::key(&versions::V1_1, SECRET), "x"), "");
        assert_eq!(value(Seal::literal(&versions::V1_1), "x"), "");
        assert_eq!(value(Seal::literal(&versions::V1_2), "x"), LITERAL);
    }
}
