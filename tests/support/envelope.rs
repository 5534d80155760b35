//! The envelope of KeyAuth's API 1.0, as a client of that version makes it; written from the protocol's description, not
//! from the server: its own key derivation, block mode and padding. Knows no server and no answer's meaning.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use sha2::{Digest, Sha256};

const BLOCK: usize = 16;

/// Sent as the hex of their text.
const HEX: &[&str] = &["type", "name", "ownerid", "sessionid"];

/// Sent as they are.
const PLAIN: &[&str] = &["init_iv", "hash", "reason", "newUsername", "code"];

/// Sent enciphered.
const SEALED: &[&str] = &[
    "ver", "enckey", "username", "pass", "key", "hwid", "email", "var", "data", "varid", "channel", "message",
    "pcuser", "webid", "params", "body", "conttype", "fileid",
];

/// What both sides encipher with in one exchange.
pub struct Envelope {
    cipher: Aes256,
    iv: [u8; BLOCK],
}

impl Envelope {
    /// `text`: the app's secret at `init`, the enckey afterwards.
    pub fn new(text: &str, init_iv: &str) -> Envelope {
        let characters = |text: &str| hex::encode(Sha256::digest(text)).into_bytes();
        let (key, iv) = (characters(text), characters(init_iv));
        Envelope { cipher: Aes256::new_from_slice(&key[..32]).unwrap(), iv: iv[..BLOCK].try_into().unwrap() }
    }

    /// Lower-case hex of the enciphered bytes.
    pub fn close(&self, plain: &[u8]) -> String {
        let padding = BLOCK - plain.len() % BLOCK;
        let mut bytes = plain.to_vec();
        bytes.resize(plain.len() + padding, padding as u8);
        let mut before = self.iv;
        for block in bytes.chunks_exact_mut(BLOCK) {
            block.iter_mut().zip(before).for_each(|(byte, mask)| *byte ^= mask);
            let mut chained = Array::try_from(&*block).unwrap();
            self.cipher.encrypt_block(&mut chained);
            block.copy_from_slice(&chained);
            before.copy_from_slice(block);
        }
        hex::encode(bytes)
    }

    /// The bytes inside; none if they were not enciphered so, or if there is anything but lower-case hex around them.
    pub fn open(&self, hex: &[u8]) -> Option<Vec<u8>> {
        if hex.is_empty() || hex.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        let sealed = hex::decode(hex).ok()?;
        let mut plain = Vec::with_capacity(sealed.len());
        let mut before = self.iv;
        for block in sealed.chunks(BLOCK) {
            let mut opened = Array::try_from(block).ok()?;
            self.cipher.decrypt_block(&mut opened);
            plain.extend(opened.iter().zip(before).map(|(byte, mask)| byte ^ mask));
            before.copy_from_slice(block);
        }
        let padding = usize::from(*plain.last()?);
        let text = plain.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding))?;
        plain[text..].iter().all(|byte| usize::from(*byte) == padding).then(|| plain[..text].to_vec())
    }

    /// The urlencoded form that says the same as these pairs.
    pub fn form<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let sent = pairs.into_iter().map(|(name, value)| {
            let value = match name {
                _ if HEX.contains(&name) => hex::encode(value),
                _ if PLAIN.contains(&name) => value.to_owned(),
                _ if SEALED.contains(&name) => self.close(value.as_bytes()),
                _ => panic!("API 1.0 does not say how {name:?} is sent"),
            };
            (name, value)
        });
        serde_urlencoded::to_string(sent.collect::<Vec<_>>()).unwrap()
    }
}
