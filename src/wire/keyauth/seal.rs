//! How an answer is protected: the `signature` header of 1.2 (contract 3.1 and E.1), the two headers of 1.3 (3.2), the
//! envelope of 1.0 (3.4). A seal is used up when the answer leaves; nothing else signs or enciphers.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::server_key::ServerKey;
use crate::model::exchange::HeaderValue;
use crate::model::session::Session;
use crate::model::sign_key::SignKey;
use crate::model::time::Time;

use super::versions::{Envelope, Sealing, Version};

/// What a client without an enckey is sent instead of a signature.
const LITERAL: &str = "No encryption key supplied";

/// What the app's secret adds to an enckey: a dash and 64 characters.
const SECRET_SUFFIX: usize = 65;

/// Makes the seals of one exchange.
pub(super) struct Sealer {
    sealing: Sealing,
    /// Known only where answers are signed with it.
    pub(super) server_key: Option<Arc<ServerKey>>,
    /// `init_iv`, of 1.0.
    init_iv: String,
}

/// How one answer is sealed.
#[derive(Clone)]
pub(super) enum Seal {
    /// No key is known, or this version has no seals.
    None,
    /// The client supplied no key.
    Literal,
    /// HMAC-SHA256 with this key.
    Key(Arc<SignKey>),
    /// Ed25519 with the server's key.
    Server(Arc<ServerKey>),
    /// Enciphered.
    Envelope(Box<Envelope>),
}

/// An answer ready to be sent.
pub(super) struct Sealed {
    pub(super) body: Bytes,
    /// Header names with their values.
    pub(super) headers: [Option<(&'static str, HeaderValue)>; 2],
}

impl Sealer {
    pub(super) fn new(version: &Version, init_iv: Option<&str>) -> Sealer {
        let init_iv = match version.sealing {
            Sealing::Envelope => init_iv.unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        Sealer { sealing: version.sealing, server_key: None, init_iv }
    }

    /// Sealed by what needs neither app nor session.
    pub(super) fn none(&self) -> Seal {
        match &self.server_key {
            Some(key) => Seal::Server(Arc::clone(key)),
            None => Seal::None,
        }
    }

    /// Sealed with the app's secret.
    pub(super) fn secret(&self, secret: &Arc<SignKey>) -> Seal {
        match self.sealing {
            Sealing::Hmac => Seal::Key(Arc::clone(secret)),
            Sealing::Envelope => Seal::Envelope(Box::new(Envelope::new(secret.text(), &self.init_iv))),
            Sealing::Nothing | Sealing::Ed25519 => self.none(),
        }
    }

    /// Sealed as an `init` is: with the secret, if the client wants it.
    pub(super) fn opening(&self, secret: &Arc<SignKey>, enckey: bool) -> Seal {
        if self.sealing == Sealing::Hmac && !enckey { Seal::Literal } else { self.secret(secret) }
    }

    /// Sealed as this session's answers are.
    pub(super) fn of_session(&self, session: &Session) -> Seal {
        match (self.sealing, &session.sign_key) {
            (Sealing::Hmac, Some(key)) => Seal::Key(Arc::clone(key)),
            (Sealing::Hmac, None) => Seal::Literal,
            // 1.0 uses the enckey alone, 1.2 appends the secret; sessions are shared, so one of them is cut off here.
            (Sealing::Envelope, Some(key)) => {
                let key = key.text();
                let enckey = key.get(..key.len().saturating_sub(SECRET_SUFFIX)).unwrap_or_default();
                Seal::Envelope(Box::new(Envelope::new(enckey, &self.init_iv)))
            }
            (Sealing::Nothing | Sealing::Ed25519 | Sealing::Envelope, _) => self.none(),
        }
    }
}

impl Seal {
    /// What the request's values were enciphered with, if they were.
    pub(super) fn envelope(&self) -> Option<&Envelope> {
        if let Seal::Envelope(envelope) = self { Some(envelope) } else { None }
    }

    /// The bytes to send for a body of exactly these bytes, and the headers that protect them. `now` is the time of
    /// sending: clients refuse what is older than seconds.
    pub(super) fn close(self, body: Bytes, now: impl FnOnce() -> Time) -> Sealed {
        match self {
            Seal::None => Sealed { body, headers: [None, None] },
            Seal::Literal => Sealed { body, headers: [Some(("signature", HeaderValue::Fixed(LITERAL))), None] },
            Seal::Key(key) => {
                let signature = HeaderValue::Made(key.sign(&body));
                Sealed { body, headers: [Some(("signature", signature)), None] }
            }
            Seal::Server(key) => {
                let timestamp = now().0.to_string();
                let signature = HeaderValue::Made(key.sign(&[timestamp.as_bytes(), &body]));
                let timestamp = HeaderValue::Made(timestamp);
                let headers = [Some(("x-signature-timestamp", timestamp)), Some(("x-signature-ed25519", signature))];
                Sealed { body, headers }
            }
            Seal::Envelope(envelope) => Sealed { body: envelope.close(&body).into(), headers: [None, None] },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::keyauth::versions;

    const SECRET: &str = "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225";

    fn sign_key(text: &str) -> Arc<SignKey> {
        Arc::new(SignKey::new(text))
    }

    fn value(seal: Seal, body: &'static str) -> String {
        match seal.close(Bytes::from_static(body.as_bytes()), || Time(1_700_000_000)).headers {
            [Some((_, HeaderValue::Made(text))), None] => text,
            [Some((_, HeaderValue::Fixed(text))), None] => text.to_owned(),
            _ => String::new(),
        }
    }

    fn session(key: Option<&str>) -> Session {
        Session {
            id: crate::model::ids::SessionId::from_random(7),
            app: crate::model::ids::AppId(1),
            sign_key: key.map(sign_key),
            ip: "127.0.0.1".to_owned(),
            created_at: Time(0),
            expires_at: Time(1),
            ended_at: None,
            user: None,
            kind: Default::default(),
            hwid: None,
        }
    }

    /// Contract, Appendix A, both 1.2 rows.
    #[test]
    fn appendix_a_vectors_of_1_2() {
        let init = r#"{"success":true,"message":"Initialized","sessionid":"Ab3dE5gH1j","appinfo":{"numUsers":"2","numOnlineUsers":"1","numKeys":"5","version":"1.0","customerPanelLink":"https://auth.example.test/panel/acme/demo/"},"newSession":true,"nonce":"00112233445566778899aabbccddeeff"}"#;
        let sealer = Sealer::new(&versions::V1_2, None);
        assert_eq!(
            value(sealer.secret(&sign_key(SECRET)), init),
            "bc3d4db16cfe6c11bcde0f321d81a6ad90985e7b45d807b931255f35236d860a"
        );
        let check = r#"{"success":true,"message":"Session is validated.","nonce":"00112233445566778899aabbccddeeff"}"#;
        let text = format!("0f1e2d3c-4b5a-69-{SECRET}");
        assert_eq!(
            value(sealer.of_session(&session(Some(&text))), check),
            "ee3e59e209da3d474e64fc8eae3b2bf295d7ddc553573c133c42d6a3c94b21a6"
        );
    }

    #[test]
    fn version_1_1_seals_nothing() {
        let sealer = Sealer::new(&versions::V1_1, None);
        assert_eq!(value(sealer.secret(&sign_key(SECRET)), "x"), "");
        assert_eq!(value(sealer.of_session(&session(None)), "x"), "");
        assert_eq!(value(Sealer::new(&versions::V1_2, None).of_session(&session(None)), "x"), LITERAL);
    }

    #[test]
    fn version_1_0_enciphers_with_the_enckey_alone() {
        let sealer = Sealer::new(&versions::V1_0, Some("init-iv-example"));
        let sealed = |seal: Seal| seal.close(Bytes::from_static(b"1.0"), || Time(0)).body;
        let text = format!("{SECRET}-{}", "0".repeat(64));
        assert_eq!(sealed(sealer.of_session(&session(Some(&text)))), "cbcb4cea6211a4191db37e80c9059b29");
        assert_eq!(sealed(sealer.secret(&sign_key(SECRET))), "cbcb4cea6211a4191db37e80c9059b29");
        assert_eq!(sealed(sealer.of_session(&session(None))), "1.0", "no key was ever agreed on");
    }

    /// Contract, Appendix A: the bare text of 1.3, in its two headers.
    #[test]
    fn version_1_3_signs_time_and_body() {
        let mut sealer = Sealer::new(&versions::V1_3, None);
        sealer.server_key = Some(Arc::new(ServerKey::of_seed([1; 32])));
        let sealed = sealer.none().close(Bytes::from_static(b"KeyAuth_Invalid"), || Time(1_700_000_000));
        let [
            Some(("x-signature-timestamp", HeaderValue::Made(time))),
            Some(("x-signature-ed25519", HeaderValue::Made(signature))),
        ] = sealed.headers
        else {
            panic!("two headers")
        };
        assert_eq!(time, "1700000000");
        assert!(signature.starts_with("8f4302a91bc5203c3222") && signature.len() == 128);
    }

    proptest::proptest! {
        /// Verified by another implementation than the one that signs.
        #[test]
        fn whatever_1_3_sends_verifies(seed: [u8; 32], body: Vec<u8>, now in 0..i64::MAX) {
            let key = Arc::new(ServerKey::of_seed(seed));
            let public = hex::decode(key.public_key()).unwrap();
            let mut sealer = Sealer::new(&versions::V1_3, None);
            sealer.server_key = Some(key);
            for seal in [sealer.none(), sealer.secret(&sign_key(SECRET)), sealer.of_session(&session(Some("k")))] {
                let sealed = seal.close(Bytes::from(body.clone()), || Time(now));
                let [Some((_, HeaderValue::Made(time))), Some((_, HeaderValue::Made(signature)))] = sealed.headers else {
                    panic!("two headers")
                };
                assert_eq!((&sealed.body[..], &time), (&body[..], &now.to_string()));
                let signature = hex::decode(signature).unwrap();
                ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &public)
                    .verify(&[time.as_bytes(), &body].concat(), &signature)
                    .expect("the signature is over exactly this");
            }
        }
    }
}
