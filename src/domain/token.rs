//! The token system (contract 4.1, step 6): an app's programs come with a file that holds a token, and each token works
//! in one file only.

use rand::CryptoRng;

use crate::model::app::App;
use crate::model::ids::{AppId, LicenseId, fold};
use crate::model::time::Time;
use crate::store::tokens::{self, Token};
use crate::store::{self, Tx};

use super::license::MAX_NOTE;
use super::secret::new_token;
use super::{Refusal, Stop};

/// The longest hash that is taken, in bytes. A SHA-256 has 64; some clients send the file's path by mistake.
pub const MAX_HASH: usize = 256;
/// How many tokens one call makes at most: it is one short write.
pub const MAX_BATCH: u32 = 10_000;

/// Why tokens were not made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The note is too long.
    #[error("a token's note has at most {MAX_NOTE} bytes")]
    Note,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What a client says about its token file.
#[derive(Clone, Copy, Default)]
pub struct TokenFile<'a> {
    /// What stands in it: clients send all of it or its first line.
    pub text: Option<&'a str>,
    /// Its SHA-256 in hex, or whatever the client takes for it.
    pub hash: Option<&'a str>,
}

impl std::fmt::Debug for TokenFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenFile(…)")
    }
}

/// Whether this file may be used. The first file seen with a token is the token's.
pub fn check(tx: &mut Tx<'_>, app: &App, file: TokenFile<'_>) -> Result<(), Stop> {
    let first_line = file.text.and_then(|text| text.trim().lines().next()).map(str::trim_end);
    let text = first_line.ok_or(Refusal::TokenMissing)?;
    let hash = file.hash.ok_or(Refusal::TokenHashMissing)?;
    let token = tokens::find(tx, app.id, text)?.ok_or(Refusal::TokenNotFound)?;
    if token.banned {
        return Err(Refusal::TokenBanned(token.ban_reason).into());
    }
    let hash = fold(hash);
    if token.file_hash.as_deref() == Some(&hash) {
        return Ok(());
    }
    if hash.len() > MAX_HASH || !tokens::bind(tx, token.id, &hash)? {
        return Err(Refusal::TokenHashMismatch.into());
    }
    Ok(())
}

/// The app's token.
pub fn find(tx: &mut Tx<'_>, app: AppId, text: &str) -> Result<Token, Stop> {
    tokens::find(tx, app, text.trim())?.ok_or_else(|| Refusal::TokenNotFound.into())
}

/// Makes new tokens.
pub fn create(
    tx: &mut Tx<'_>,
    app: AppId,
    count: u32,
    license: Option<LicenseId>,
    note: Option<&str>,
    now: Time,
    rng: &mut impl CryptoRng,
) -> Result<Vec<String>, TokenError> {
    if note.is_some_and(|note| note.len() > MAX_NOTE) {
        return Err(TokenError::Note);
    }
    let mut made = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let text = new_token(rng);
        tokens::insert(tx, app, &text, license, note, now)?;
        made.push(text);
    }
    Ok(made)
}
