//! Secrets: making them, hashing passwords, comparing in constant time. Never prints one. Hashing is slow on purpose:
//! only the hashing threads (`hashing.rs`) and commands run it, never a transaction.

use std::fmt;

use argon2::password_hash::phc::{self, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand::{CryptoRng, RngExt};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::{Builder, Uuid};

use crate::model::ids::SessionId;

/// The longest password a new user may have, in bytes. Hashing one costs no more than hashing a short one.
pub const MAX_PASSWORD: usize = 1_024;

/// argon2id: memory in KiB, passes, lanes (design.md section 3).
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Above these, an imported hash is refused: verifying it would cost too much.
const MAX_MEMORY: u32 = 262_144;
const MAX_PASSES: u32 = 16;
const MAX_BCRYPT_COST: u32 = 14;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// A password to be hashed or verified, outside of any transaction.
#[derive(Clone, PartialEq, Eq)]
pub enum Work {
    /// Nothing needs to be hashed; the call may go on to its writing.
    Nothing,
    /// Hash a new password.
    Hash {
        /// The password.
        password: String,
    },
    /// Verify a password.
    Verify {
        /// The password given.
        password: String,
        /// The stored hash: PHC text or bcrypt.
        against: String,
        /// Whether a verified bcrypt hash is to be made new as argon2id.
        renew: bool,
    },
    /// Verify a password, and if it is right hash another one.
    Change {
        /// The password given.
        old: String,
        /// The stored hash.
        against: String,
        /// The new password.
        new: String,
    },
}

/// What came of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing was hashed.
    Nothing,
    /// The new password's hash, as PHC text.
    Hashed {
        /// PHC text.
        hash: String,
    },
    /// The password was verified, or was not.
    Verified {
        /// The stored hash that it was compared with.
        against: String,
        /// Whether it is right.
        right: bool,
        /// A new hash to store in place of a bcrypt one.
        renewed: Option<String>,
    },
    /// The old password was verified.
    Changed {
        /// The stored hash that it was compared with.
        against: String,
        /// The new password's hash; none if the old password was wrong.
        hash: Option<String>,
    },
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work(…)")
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(…)")
    }
}

/// Hashes and verifies; keeps the memory that argon2 needs, so that it is not asked for again each time.
#[derive(Default)]
pub struct Hasher {
    memory: Vec<Block>,
}

impl Hasher {
    /// Does the work. Takes some 20 ms, except for [`Work::Nothing`].
    pub fn run(&mut self, work: &Work, rng: &mut impl CryptoRng) -> Proof {
        match work {
            Work::Nothing => Proof::Nothing,
            Work::Hash { password } => Proof::Hashed { hash: self.hash(password, rng) },
            Work::Verify { password, against, renew } => {
                let right = self.verify(password, against);
                let renewed = (right && *renew && is_bcrypt(against)).then(|| self.hash(password, rng));
                Proof::Verified { against: against.clone(), right, renewed }
            }
            Work::Change { old, against, new } => {
                let right = self.verify(old, against);
                Proof::Changed { against: against.clone(), hash: right.then(|| self.hash(new, rng)) }
            }
        }
    }

    /// The password's hash as PHC text, with a new salt.
    pub fn hash(&mut self, password: &str, rng: &mut impl CryptoRng) -> String {
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        let params = params();
        let output = self.output(&params, Algorithm::Argon2id, password, &salt);
        let phc = output.and_then(|output| {
            Some(PasswordHash {
                algorithm: argon2::ARGON2ID_IDENT,
                version: Some(19),
                params: ParamsString::try_from(&params).ok()?,
                salt: Some(Salt::new(&salt).ok()?),
                hash: Some(output),
            })
        });
        debug_assert!(phc.is_some(), "salt, output and costs are of fixed, legal sizes");
        phc.map(|phc| phc.to_string()).unwrap_or_default()
    }

    /// Whether the password belongs to the hash: PHC text of argon2, or bcrypt. An unreadable hash fits nothing.
    pub fn verify(&mut self, password: &str, hash: &str) -> bool {
        if is_bcrypt(hash) {
            // KeyAuth cut tags out of passwords before it hashed them.
            let verify = |password: &str| bcrypt::verify(password, hash).unwrap_or(false);
            return verify(password) || strip_tags(password).is_some_and(|stripped| verify(&stripped));
        }
        let Some((phc, algorithm, params)) = read_phc(hash) else { return false };
        let (Some(salt), Some(stored)) = (phc.salt, phc.hash) else { return false };
        self.output(&params, algorithm, password, &salt)
            .is_some_and(|output| bool::from(output.as_bytes().ct_eq(stored.as_bytes())))
    }

    fn output(&mut self, params: &Params, algorithm: Algorithm, password: &str, salt: &[u8]) -> Option<Output> {
        if self.memory.len() < params.block_count() {
            self.memory.resize(params.block_count(), Block::default());
        }
        let argon2 = Argon2::new(algorithm, Version::V0x13, params.clone());
        let length = params.output_len().unwrap_or(HASH_BYTES);
        Output::init_with(length, |output| {
            argon2
                .hash_password_into_with_memory(password.as_bytes(), salt, output, &mut self.memory)
                .map_err(|_| phc::Error::MissingField)
        })
        .ok()
    }
}

fn params() -> Params {
    let (memory, passes, lanes) = COST;
    // The figures are constants within the limits of argon2.
    Params::new(memory, passes, lanes, Some(HASH_BYTES)).unwrap_or(Params::DEFAULT)
}

/// A stored argon2 hash whose costs are within reason.
fn read_phc(hash: &str) -> Option<(PasswordHash, Algorithm, Params)> {
    let phc = PasswordHash::new(hash).ok()?;
    let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
    let params = Params::try_from(&phc).ok()?;
    let version_fits = phc.version == Some(19);
    (version_fits && params.m_cost() <= MAX_MEMORY && params.t_cost() <= MAX_PASSES).then_some((phc, algorithm, params))
}

/// A hash of the usual costs that is no password's: its salt and its output are zeros.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Work that takes as long as verifying a password and proves nothing: for where a quick answer would tell something.
pub fn decoy(password: &str) -> Work {
    let password = if password.len() <= MAX_PASSWORD { password } else { "" };
    Work::Verify { password: password.to_owned(), against: DECOY.to_owned(), renew: false }
}

/// Whether an imported hash is one that a login can verify.
pub fn is_readable_hash(hash: &str) -> bool {
    match is_bcrypt(hash) {
        true => hash.parse::<bcrypt::HashParts>().is_ok_and(|parts| parts.get_cost() <= MAX_BCRYPT_COST),
        false => read_phc(hash).is_some(),
    }
}

/// Whether a stored hash is bcrypt, and is to be renewed.
pub fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix))
}

/// The text without what the reference took for HTML tags; none if there is nothing to cut.
fn strip_tags(text: &str) -> Option<String> {
    let mut rest = text;
    let mut kept = String::new();
    while let Some(start) = rest.find('<') {
        let after = &rest[start + 1..];
        // A `<` before a blank starts no tag.
        if after.starts_with(|c: char| c.is_ascii_whitespace()) {
            kept.push_str(&rest[..=start]);
            rest = after;
            continue;
        }
        kept.push_str(&rest[..start]);
        rest = after.find('>').map_or("", |end| &after[end + 1..]);
    }
    kept.push_str(rest);
    (kept != text).then_some(kept)
}

/// Compares two secrets in a time that tells only their lengths.
pub fn same(a: &str, b: &str) -> bool {
    bool::from(a.as_bytes().ct_eq(b.as_bytes()))
}

/// The longest e-mail address, in bytes.
pub const MAX_EMAIL: usize = 320;

/// The SHA-1 of the lower-cased address, in hex: how KeyAuth keeps an e-mail address.
pub fn email_sha1(email: &str) -> String {
    hex::encode(Sha1::digest(email.to_lowercase().as_bytes()))
}

const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// This many characters drawn from an ASCII alphabet.
pub fn draw(alphabet: &[u8], length: usize, rng: &mut impl CryptoRng) -> String {
    (0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
}

/// A new ownerid: ten alphanumerics.
pub fn new_ownerid(rng: &mut impl CryptoRng) -> String {
    draw(ALPHANUMERIC, 10, rng)
}

/// A new app secret: 64 lower-case hex characters.
pub fn new_secret(rng: &mut impl CryptoRng) -> String {
    hex::encode(rng.random::<[u8; 32]>())
}

/// A new seller key: 32 lower-case hex characters.
pub fn new_sellerkey(rng: &mut impl CryptoRng) -> String {
    hex::encode(rng.random::<[u8; 16]>())
}

/// A new random UUID.
pub fn new_uuid(rng: &mut impl CryptoRng) -> Uuid {
    Builder::from_random_bytes(rng.random()).into_uuid()
}

/// A username that nobody chose: `user_` and 12 lower-case base-32 characters.
pub fn new_username(rng: &mut impl CryptoRng) -> String {
    format!("user_{}", draw(b"abcdefghijklmnopqrstuvwxyz234567", 12, rng))
}

/// A new session id of 64 characters.
pub fn new_long_session_id(rng: &mut impl CryptoRng) -> SessionId {
    SessionId::long_from_random(rng.random())
}

/// A new id for those that are shown as numbers: below 2^63, and not 0.
pub fn new_number(rng: &mut impl CryptoRng) -> i64 {
    rng.random_range(1..=i64::MAX)
}

/// A new session id. Those made `near` each other begin with the same 16 bits, and so stand together in the table's index:
/// a commit of many new ones then writes a page or two of it, not one for each. The other 112 bits are random.
pub fn new_session_id(near: u16, rng: &mut impl CryptoRng) -> SessionId {
    SessionId::from_random((u128::from(near) << 112) | (rng.random::<u128>() >> 16))
}

/// A new one-time token: 32 lower-case hex characters.
pub fn new_token(rng: &mut impl CryptoRng) -> String {
    hex::encode(rng.random::<[u8; 16]>())
}

/// What is kept of a one-time token: its SHA-256, in hex. It is random, so nothing slower is needed.
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// A nonce: 32 lower-case hex characters (any alphanumerics would do).
pub fn new_nonce(rng: &mut impl CryptoRng) -> String {
    let mut text = [0; 32];
    // Into place: every success has a nonce, and the length is known.
    let _ = hex::encode_to_slice(rng.random::<[u8; 16]>(), &mut text);
    std::str::from_utf8(&text).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> rand::rngs::StdRng {
        use rand::SeedableRng;
        rand::rngs::StdRng::seed_from_u64(1)
    }

    #[test]
    fn hashes_verify_and_say_their_costs() {
        let mut hasher = Hasher::default();
        let hash = hasher.hash("hunter2", &mut rng());
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("hunter2", &hash));
        assert!(!hasher.verify("hunter3", &hash));
        assert!(!hasher.verify("hunter2", "no hash at all"));
        assert!(!hasher.verify("hunter2", ""));
        use argon2::PasswordVerifier;
        let parsed = PasswordHash::new(&hash).unwrap();
        assert!(Argon2::default().verify_password(b"hunter2", &parsed).is_ok(), "the crate's own verifier agrees");
    }

    #[test]
    fn a_decoy_costs_what_a_hash_costs_and_proves_nothing() {
        let (_, algorithm, usual) = read_phc(DECOY).unwrap();
        let (memory, passes, lanes) = COST;
        assert_eq!((algorithm, usual.m_cost(), usual.t_cost()), (Algorithm::Argon2id, memory, passes));
        assert_eq!((usual.p_cost(), usual.output_len()), (lanes, Some(HASH_BYTES)));
        for password in ["", "hunter2", &"x".repeat(MAX_PASSWORD + 1)] {
            let proof = Hasher::default().run(&decoy(password), &mut rng());
            assert!(matches!(proof, Proof::Verified { right: false, renewed: None, .. }), "{proof:?}");
        }
    }

    #[test]
    fn bcrypt_verifies_and_is_renewed() {
        let mut hasher = Hasher::default();
        let old = bcrypt::hash("hunter2", 4).unwrap().replace("$2b$", "$2y$");
        let work = |password: &str| Work::Verify { password: password.into(), against: old.clone(), renew: true };
        match hasher.run(&work("hunter2"), &mut rng()) {
            Proof::Verified { right: true, renewed: Some(hash), .. } => assert!(hasher.verify("hunter2", &hash)),
            _ => panic!("a right bcrypt password is renewed"),
        }
        let Proof::Verified { right: false, renewed: None, .. } = hasher.run(&work("wrong"), &mut rng()) else {
            panic!("a wrong one is not")
        };
    }

    #[test]
    fn passwords_that_the_reference_stripped_still_open() {
        let mut hasher = Hasher::default();
        let old = bcrypt::hash("ac", 4).unwrap();
        assert!(hasher.verify("a<b>c", &old));
        assert_eq!(strip_tags("a < b"), None);
        assert_eq!(strip_tags("a<b").as_deref(), Some("a"));
    }

    #[test]
    fn costly_hashes_are_not_taken_in() {
        let costly = "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$SqlVijFGiPG+935vDSGEsA";
        assert!(!is_readable_hash(costly));
        assert!(is_readable_hash(&bcrypt::hash("x", 4).unwrap()));
        assert!(!is_readable_hash("$2y$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuuabcdefghijklm"));
        assert!(!is_readable_hash("hunter2"));
    }
}
