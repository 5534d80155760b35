//! The server's own key pair, which signs the answers of protocol 1.3 (contract 3.2). One signs; the ones before it are
//! kept, retired. Knows no header and no clock.

use ed25519_dalek::SigningKey;
use ed25519_dalek::ed25519::signature::MultipartSigner;
use rand::{CryptoRng, RngExt};

use crate::model::time::Time;
use crate::store::{self, Tx, server_keys};

use super::vault::{Purpose, Vault, VaultError};

/// A key pair that can sign.
pub struct ServerKey {
    signing: SigningKey,
    public: String,
}

impl ServerKey {
    /// The pair of this private key.
    pub fn of_seed(seed: [u8; 32]) -> ServerKey {
        let signing = SigningKey::from_bytes(&seed);
        let public = hex::encode(signing.verifying_key().to_bytes());
        ServerKey { signing, public }
    }

    /// The public key as clients are given it: 64 lower-case hex characters.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// The Ed25519 signature of a message in parts.
    pub fn signature(&self, message: &[&[u8]]) -> [u8; 64] {
        self.signing.multipart_sign(message).to_bytes()
    }

    /// The same as 128 lower-case hex characters.
    pub fn sign(&self, message: &[&[u8]]) -> String {
        hex::encode(self.signature(message))
    }
}

/// The pair that signs; none before the first start of a server.
pub fn signing(tx: &mut Tx<'_>, vault: &Vault) -> Result<Option<ServerKey>, store::Error> {
    let Some(stored) = server_keys::signing(tx)? else { return Ok(None) };
    let seed = vault.open(Purpose::ServerKey, &stored.seed)?;
    let seed = <[u8; 32]>::try_from(seed).map_err(|_| VaultError::WrongKey)?;
    Ok(Some(ServerKey::of_seed(seed)))
}

/// The pair that signs; made now if there is none.
pub fn signing_or_new(
    tx: &mut Tx<'_>,
    vault: &Vault,
    rng: &mut impl CryptoRng,
    now: Time,
) -> Result<ServerKey, store::Error> {
    match signing(tx, vault)? {
        Some(key) => Ok(key),
        None => rotate(tx, vault, rng, now),
    }
}

/// Makes a new pair, which signs from now on; the old one is retired. Clients that know only the old public key refuse
/// every answer then.
pub fn rotate(tx: &mut Tx<'_>, vault: &Vault, rng: &mut impl CryptoRng, now: Time) -> Result<ServerKey, store::Error> {
    let seed: [u8; 32] = rng.random();
    let key = ServerKey::of_seed(seed);
    server_keys::replace(tx, &vault.seal(Purpose::ServerKey, &seed, rng), &key.public, now)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract, Appendix A, the 1.3 rows.
    #[test]
    fn appendix_a_vectors_of_1_3() {
        let key = ServerKey::of_seed([1; 32]);
        assert_eq!(key.public_key(), "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
        let check = r#"{"success":true,"code":68,"message":"Session is validated.","nonce":"00112233-4455-6677-8899-aabbccddeeff","role":"not_checked","ownerid":"OwnerId123"}"#;
        assert_eq!(check.len(), 151);
        assert_eq!(
            key.sign(&[b"1700000000", check.as_bytes()]),
            "a2a83b92ded7d39fb36b557488e4e72a67137324d1f3cad2ca9605551c3d5d333d2fb126a14fcaf2a07fcc9605b325abd750fbe42154f9bfc3f464791b011b06"
        );
        assert_eq!(
            key.sign(&[b"1700000000KeyAuth_Invalid"]),
            "8f4302a91bc5203c32220794ff9ee254d528570afa5ac8b4cb833c416bf701ed88257cd024925c6a9a4a6a6c6c5e7ac7b3c2f304ed2436d9e6f716c3bcbc3f0d"
        );
    }
}
