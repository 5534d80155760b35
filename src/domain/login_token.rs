//! Tokens that log a user in once, in place of the password (contract 4.24, the web loader). Only their hashes are kept.

use rand::CryptoRng;

use crate::model::ids::UserId;
use crate::model::time::{Span, Time};
use crate::store::Tx;
use crate::store::one_time_secrets::{self, Kind};

use super::secret::{Proof, Work, new_token, token_hash};
use super::{Refusal, Stop};

/// How long a token is good unless its maker says otherwise, and at most, in seconds.
pub const LIFE: i64 = 300;
/// See [`LIFE`].
pub const MAX_LIFE: i64 = 86_400;

/// Makes a token for this user; an older one is no good any more. None: no token is good for so long.
pub fn give(
    tx: &mut Tx<'_>,
    user: UserId,
    life: Span,
    now: Time,
    rng: &mut impl CryptoRng,
) -> Result<Option<(String, Time)>, Stop> {
    let Span::Seconds(seconds @ 1..=MAX_LIFE) = life else { return Ok(None) };
    let (token, until) = (new_token(rng), now + seconds);
    one_time_secrets::replace(tx, user, Kind::Login, &token_hash(&token), now, until)?;
    Ok(Some((token, until)))
}

/// Uses the token up. Without a proof, which nothing has to be hashed for, it is only looked at.
pub fn take(tx: &mut Tx<'_>, user: UserId, token: &str, proof: Option<&Proof>, now: Time) -> Result<(), Stop> {
    let hash = token_hash(token);
    if proof.is_some() {
        let taken = one_time_secrets::take(tx, user, Kind::Login, &hash, now)?;
        return if taken { Ok(()) } else { Err(Refusal::PasswordMismatch.into()) };
    }
    match one_time_secrets::find(tx, Kind::Login, &hash)? {
        Some(found) if found.user == user && found.expires_at > now => Err(Stop::Prove(Work::Nothing)),
        _ => Err(Refusal::PasswordMismatch.into()),
    }
}
