//! Version 1.0: the AES-256-CBC envelope (contract 3.4). Names, ids and the type come as hex, nearly all else
//! enciphered, and answers go out enciphered. It has no integrity: who changes a message is not found out. Served only
//! when the operator says so.

use std::borrow::Cow;

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use sha2::{Digest, Sha256};

use crate::wire::form::Form;

use super::{Sealing, Version, without};

/// Version 1.0.
pub static V1_0: Version = Version {
    name: "1.0",
    sealing: Sealing::Envelope,
    reads_query: false,
    unknown_type: "Unhandled Type",
    unwrap: Some(unwrap),
    shape: |fields, _| without(fields, &["nonce", "newSession", "role"]),
};

/// Hex of UTF-8, readable without a key.
const HEX: &[&str] = &["type", "name", "ownerid", "sessionid"];

/// Enciphered.
const SEALED: &[&str] = &[
    "ver", "enckey", "username", "pass", "key", "hwid", "email", "var", "data", "varid", "channel", "message",
    "pcuser", "webid", "params", "body", "conttype", "fileid",
];

/// In the clear by the protocol, but enciphered by one client.
const PERHAPS_SEALED: &str = "hash";

fn unwrap(form: &Form) -> Form {
    form.map(|name, value| {
        let hex = HEX.contains(&name).then(|| hex::decode(value).ok()).flatten();
        hex.and_then(|bytes| String::from_utf8(bytes).ok()).map_or(Cow::Borrowed(value), Cow::Owned)
    })
}

/// What one exchange is enciphered with, both ways.
#[derive(Clone)]
pub(in crate::wire::keyauth) struct Envelope {
    key: [u8; 32],
    iv: [u8; 16],
}

impl Envelope {
    /// `text` is the app's secret at `init` and the session's enckey afterwards; `init_iv` comes with each request.
    pub(in crate::wire::keyauth) fn new(text: &str, init_iv: &str) -> Envelope {
        let (key, iv) = (hex::encode(Sha256::digest(text)), hex::encode(Sha256::digest(init_iv)));
        let mut envelope = Envelope { key: [0; 32], iv: [0; 16] };
        envelope.key.copy_from_slice(&key.as_bytes()[..32]);
        envelope.iv.copy_from_slice(&iv.as_bytes()[..16]);
        envelope
    }

    /// A body as it is sent: lower-case hex.
    pub(in crate::wire::keyauth) fn close(&self, body: &[u8]) -> String {
        let cipher = cbc::Encryptor::<Aes256>::new(&self.key.into(), &self.iv.into());
        hex::encode(cipher.encrypt_padded_vec::<Pkcs7>(body))
    }

    /// The request as its client meant it. Err: the parameter that does not open.
    pub(in crate::wire::keyauth) fn open(&self, form: &Form) -> Result<Form, &'static str> {
        let mut broken = None;
        let opened = form.map(|name, value| {
            let sealed = SEALED.iter().copied().find(|sealed| *sealed == name);
            let perhaps = name == PERHAPS_SEALED && value.trim().len() != 32;
            if value.is_empty() || sealed.is_none() && !perhaps {
                return Cow::Borrowed(value);
            }
            match self.text(value) {
                Some(text) => Cow::Owned(text),
                None => {
                    broken = broken.or(sealed);
                    Cow::Borrowed(value)
                }
            }
        });
        broken.map_or(Ok(opened), Err)
    }

    fn text(&self, hex: &str) -> Option<String> {
        let bytes = hex::decode(hex.trim()).ok()?;
        let cipher = cbc::Decryptor::<Aes256>::new(&self.key.into(), &self.iv.into());
        let bytes = cipher.decrypt_padded_vec::<Pkcs7>(&bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::exchange::Method;
    use crate::wire::form;

    const SECRET: &str = "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225";

    /// Contract, Appendix A, the 1.0 rows.
    #[test]
    fn appendix_a_vectors_of_1_0() {
        let envelope = Envelope::new(SECRET, "init-iv-example");
        assert_eq!(&envelope.key, b"67a13f3e14f1e78f42b07aae351cfb64");
        assert_eq!(&envelope.iv, b"8f232e2f0a076edd");
        assert_eq!(envelope.close(b"1.0"), "cbcb4cea6211a4191db37e80c9059b29");
        assert_eq!(
            envelope.close(br#"{"success":true,"message":"Initialized"}"#),
            "45c646265d5775916a05fc38eecc57846d8efe442683df5f98e8349e674312b9e3cf71ce4d75a99c07e3a4745fd1983c"
        );
        assert_eq!(envelope.text("cbcb4cea6211a4191db37e80c9059b29").as_deref(), Some("1.0"));
        assert_eq!(envelope.text("cbcb4cea6211a4191db37e80c9059b28"), None);
    }

    proptest::proptest! {
        /// What one side seals the other opens, whatever is in it and whatever the texts are.
        #[test]
        fn what_is_sealed_opens_again(text: String, init_iv: String, plain: String, other: String) {
            let envelope = Envelope::new(&text, &init_iv);
            let sealed = envelope.close(plain.as_bytes());
            assert_eq!(envelope.text(&sealed), Some(plain.clone()));
            let form = serde_urlencoded::to_string([("key", sealed.as_str()), ("init_iv", &init_iv)]).unwrap();
            let read = |body: String| {
                let body = bytes::Bytes::from(body);
                form::read(Method::Post, b"", Some("application/x-www-form-urlencoded"), &body)
            };
            let opened = envelope.open(&read(form)).unwrap();
            assert_eq!((opened.raw("key"), opened.raw("init_iv")), (Some(plain.as_str()), Some(init_iv.as_str())));
            // What was not sealed at all is no panic.
            let broken = serde_urlencoded::to_string([("key", &other), ("hash", &other)]).unwrap();
            let _ = envelope.open(&unwrap(&read(broken)));
        }
    }
}
