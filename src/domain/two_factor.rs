//! The second factor: a code that changes every 30 seconds (TOTP), made from a secret that only the server and the
//! user's device know (contract 4.22). Switching it on and off, and asking for it at a login. Knows no format of a code
//! to scan.

use std::net::IpAddr;

use rand::{CryptoRng, RngExt};
use totp_rs::{Algorithm, Builder, Secret, Totp};

use crate::model::app::App;
use crate::model::ids::UserId;
use crate::model::session::Session;
use crate::model::time::Time;
use crate::model::user::User;
use crate::store::two_factor::{self as stored, Stored};
use crate::store::{self, Tx};

use super::guesses::{Guess, Missed};
use super::sealing::SealingError;
use super::user;
use super::vault::{Purpose, Vault};
use super::{Refusal, Stop};

/// How long a new secret waits for its first code, in seconds.
pub const SETUP_LIFE: i64 = 300;

/// Bytes of a secret: 40 characters in base32.
const SECRET_BYTES: usize = 25;
/// Digits of a code, and seconds that one is good for.
const DIGITS: u8 = 6;
const STEP: u64 = 30;
/// How many steps a client's clock may be off, either way.
const SKEW: u16 = 2;

/// A code as a client sent it, and what it is judged by.
#[derive(Clone, Copy)]
pub struct Factor<'a> {
    /// The code, if there is one.
    pub code: Option<&'a str>,
    /// The client's address.
    pub ip: IpAddr,
    /// Now.
    pub now: Time,
    /// Opens the stored secret.
    pub vault: &'a Vault,
    /// Counts what is guessed wrong.
    pub guess: Guess<'a>,
}

/// A new secret that waits for its first code. Shown once, to its user.
pub struct Begun {
    /// In base32.
    pub secret: String,
    /// Whose it is.
    pub username: String,
}

/// The user's new secret, if no code came; with one, the second factor is on from now (contract 4.22). None: it is on.
pub fn switch_on(
    tx: &mut Tx<'_>,
    app: &App,
    session: &Session,
    factor: &Factor<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Option<Begun>, Stop> {
    let user = user::of_session(tx, app, session)?;
    let now = of_user(tx, &user)?;
    if now.secret.is_some() {
        return Err(Refusal::TwoFactorOn.into());
    }
    if factor.code.is_none() {
        let secret: [u8; SECRET_BYTES] = rng.random();
        let sealed = factor.vault.seal(Purpose::TwoFactor, &secret, rng);
        if !stored::begin(tx, user.id, &sealed, factor.now + SETUP_LIFE)? {
            return Err(Refusal::TwoFactorOn.into());
        }
        return Ok(Some(Begun { secret: Secret::from(secret).to_base32(), username: user.name }));
    }
    let pending = now.pending.filter(|_| now.pending_until.is_some_and(|until| factor.now < until));
    let pending = pending.ok_or(Refusal::TwoFactorExpired)?;
    // A new secret: no code of it was ever taken.
    let step = judge(&user, &pending, 0, factor)?.map_err(setup)?;
    match stored::switch_on(tx, user.id, &pending, step)? {
        true => Ok(None),
        false => Err(Refusal::TwoFactorExpired.into()),
    }
}

/// Takes the second factor off, for a right code.
pub fn switch_off(tx: &mut Tx<'_>, app: &App, session: &Session, factor: &Factor<'_>) -> Result<(), Stop> {
    let user = user::of_session(tx, app, session)?;
    let now = of_user(tx, &user)?;
    let secret = now.secret.ok_or(Refusal::TwoFactorOff)?;
    judge(&user, &secret, now.step, factor)?.map_err(setup)?;
    match stored::switch_off(tx, user.id)? {
        true => Ok(()),
        false => Err(Refusal::TwoFactorOff.into()),
    }
}

/// Asks for the code at a login, if the user's second factor is on (contract 4.3, check 9).
pub fn pass(tx: &mut Tx<'_>, user: &User, factor: &Factor<'_>) -> Result<(), Stop> {
    let now = of_user(tx, user)?;
    let Some(secret) = now.secret else { return Ok(()) };
    if factor.code.is_none() {
        return Err(Refusal::TwoFactorRequired.into());
    }
    let step = judge(user, &secret, now.step, factor)?.map_err(|missed| match missed {
        Missed::Wrong => Refusal::TwoFactorWrong,
        Missed::Blocked(wait) => Refusal::TwoFactorBlocked(wait),
    })?;
    stored::take_step(tx, user.id, step)?;
    Ok(())
}

/// Whether a user's second factor is on.
pub fn is_on(tx: &mut Tx<'_>, user: &User) -> Result<bool, Stop> {
    Ok(of_user(tx, user)?.secret.is_some())
}

/// A user's secret in base32, for the document of its app; none if the second factor is off.
pub fn secret_text(tx: &mut Tx<'_>, vault: &Vault, user: UserId) -> Result<Option<String>, SealingError> {
    let Some(sealed) = stored::of_user(tx, user)?.and_then(|stored| stored.secret) else { return Ok(None) };
    let secret = vault.open(Purpose::TwoFactor, &sealed)?;
    Ok(Some(Secret::from(secret).to_base32()))
}

/// The secret that a text in base32 says; none if it says none.
pub fn secret_of_text(text: &str) -> Option<Vec<u8>> {
    let fits = (16..=128).contains(&text.len());
    Secret::try_from_base32(text).ok().filter(|_| fits).map(|secret| secret.as_bytes().to_vec())
}

/// Gives a user a secret; its second factor is on from now.
pub fn set_secret(
    tx: &mut Tx<'_>,
    vault: &Vault,
    user: UserId,
    secret: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<(), store::Error> {
    stored::set(tx, user, &vault.seal(Purpose::TwoFactor, secret, rng))
}

fn of_user(tx: &mut Tx<'_>, user: &User) -> Result<Stored, Stop> {
    stored::of_user(tx, user.id)?.ok_or_else(|| Refusal::UserNotFound.into())
}

fn setup(missed: Missed) -> Refusal {
    match missed {
        Missed::Wrong => Refusal::TwoFactorSetupWrong,
        Missed::Blocked(wait) => Refusal::TwoFactorBlocked(wait),
    }
}

/// The step of a right code. A code that was taken before is right again only where the user logged in last: who
/// restarts the program gets in, who listened elsewhere does not.
fn judge(user: &User, sealed: &str, taken: i64, factor: &Factor<'_>) -> Result<Result<i64, Missed>, Stop> {
    let secret = factor.vault.open(Purpose::TwoFactor, sealed).map_err(store::Error::from)?;
    let code = factor.code.unwrap_or_default();
    let at_home = user.ip.as_deref() == Some(factor.ip.to_string().as_str());
    let check = || step_of(secret, code, factor.now).filter(|step| *step > taken || at_home);
    Ok(factor.guess.judge(user.id, check))
}

/// The step whose code this is, if it is one of the few around now.
fn step_of(secret: Vec<u8>, code: &str, now: Time) -> Option<i64> {
    let step = totp(secret).check(code, u64::try_from(now.0).unwrap_or_default())?;
    i64::try_from(step).ok()
}

fn totp(secret: Vec<u8>) -> Totp {
    // As the contract says, not as the RFC would have it: nothing here depends on what a client chose.
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_step_duration(STEP)
        .with_skew(SKEW)
        .with_secret(secret)
        .build_noncompliant()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, Appendix B, the SHA-1 rows, cut to six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = || b"12345678901234567890".to_vec();
        for (time, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (2_000_000_000, "279037")]
        {
            assert_eq!(step_of(secret(), code, Time(time)), Some(time / 30), "{code}");
        }
    }

    #[test]
    fn two_steps_either_way_and_nothing_but_six_digits() {
        let secret = || b"12345678901234567890".to_vec();
        let now = 2_000_000_000;
        for steps in -3..=3 {
            let found = step_of(secret(), "279037", Time(now + 30 * steps));
            assert_eq!(found.is_some(), steps.abs() <= 2, "{steps}");
        }
        for code in ["", "279038", "27903", "2790370", "+79037", "279 037", "٢٧٩٠٣٧"] {
            assert_eq!(step_of(secret(), code, Time(now)), None, "{code}");
        }
    }

    #[test]
    fn a_secret_has_40_characters() {
        assert_eq!(Secret::from([7; SECRET_BYTES]).to_base32().len(), 40);
    }
}
