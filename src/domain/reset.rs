//! Forgotten passwords (contract 4.6): a mail with a link, and the new password that the link sets, once. Sends
//! nothing; knows no page.

use std::time::Duration;

use rand::CryptoRng;

use crate::model::app::App;
use crate::model::ids::UserId;
use crate::model::time::Time;
use crate::model::user::{Credential, User};
use crate::store::one_time_secrets::{self, Kind};
use crate::store::{Tx, apps, users};

use super::guesses::Guess;
use super::outbox::{self, Mail};
use super::vault::Vault;
use super::{Refusal, Stop, secret, user};

/// How long a link is good, in seconds.
pub const LIFE: i64 = 86_400;

/// The least time between two mails to one user, in seconds.
const PAUSE: i64 = 60;

/// What is asked for, and by whom.
pub struct Asked<'a> {
    /// The user's name.
    pub username: Option<&'a str>,
    /// The user's address: the mail goes there if it is the right one.
    pub email: Option<&'a str>,
    /// Whether this server can send mail.
    pub mail: bool,
    /// The server's address as clients see it.
    pub public_url: &'a str,
    /// Now.
    pub now: Time,
    /// Counts what is guessed wrong.
    pub guess: Guess<'a>,
}

/// Whose password a link sets.
pub struct Link {
    /// The user.
    pub user: User,
    /// Of which app.
    pub app: App,
}

/// Queues a mail with a link. An older link is no good any more.
pub fn ask(tx: &mut Tx<'_>, app: &App, vault: &Vault, rng: &mut impl CryptoRng, asked: &Asked<'_>) -> Result<(), Stop> {
    let user = user::find_guarded(tx, app, asked.username, &asked.guess).map_err(|stop| match stop {
        Stop::Refused(Refusal::UserNotFound) => Refusal::ResetUserNotFound.into(),
        stop => stop,
    })?;
    let stored = user.email_sha1.as_deref().filter(|_| has_password(&user)).ok_or(Refusal::EmailMissing)?;
    let email = asked.email.unwrap_or_default();
    if let Some(wait) = asked.guess.stranger_wait(app.id, email) {
        return Err(Refusal::RateLimited(wait).into());
    }
    if !secret::same(&secret::email_sha1(email), stored) {
        asked.guess.unknown(app.id, email);
        return Err(Refusal::EmailMismatch.into());
    }
    if !can_be_mailed(email) {
        return Err(Refusal::EmailMissing.into());
    }
    if !asked.mail {
        return Err(Refusal::MailUnavailable.into());
    }
    if let Some(last) = one_time_secrets::of_user(tx, user.id, Kind::Reset)? {
        let wait = last.created_at + PAUSE - asked.now;
        if wait > 0 {
            return Err(Refusal::RateLimited(Duration::from_secs(wait.unsigned_abs())).into());
        }
    }
    let token = secret::new_token(rng);
    one_time_secrets::replace(tx, user.id, Kind::Reset, &secret::token_hash(&token), asked.now, asked.now + LIFE)?;
    let mail = Mail {
        to: email.to_owned(),
        subject: format!("Your password for {}", app.name),
        text: format!(
            "Somebody, probably you, asked for a new password for {name} in {app}.\n\n\
             This link sets it, once, within a day:\n\n{url}/reset?token={token}\n\n\
             If it was not you, do nothing: your password stays as it is.\n",
            name = user.name,
            app = app.name,
            url = asked.public_url,
        ),
    };
    outbox::queue(tx, vault, rng, Some(app.id), &mail, asked.now)?;
    Ok(())
}

/// Whose link this is, if it is still good.
pub fn link(tx: &mut Tx<'_>, token: &str, now: Time) -> Result<Link, Stop> {
    let found =
        one_time_secrets::find(tx, Kind::Reset, &secret::token_hash(token))?.filter(|found| found.expires_at > now);
    let found = found.ok_or(Refusal::ResetExpired)?;
    let app = apps::by_id(tx, found.app)?.ok_or(Refusal::ResetExpired)?;
    let user = users::by_id(tx, found.app, found.user)?.filter(has_password).ok_or(Refusal::ResetExpired)?;
    Ok(Link { user, app })
}

/// Sets the password, and uses the link up. Nobody is logged in as this user any more.
pub fn set_password(tx: &mut Tx<'_>, token: &str, hashed: &str, now: Time) -> Result<UserId, Stop> {
    let user = link(tx, token, now)?.user.id;
    if !one_time_secrets::take(tx, user, Kind::Reset, &secret::token_hash(token), now)? {
        return Err(Refusal::ResetExpired.into());
    }
    user::set_credential(tx, user, &Credential::Password(hashed.to_owned()))?;
    Ok(user)
}

/// Whether this looks like an address at all: registration takes any text for one.
fn can_be_mailed(email: &str) -> bool {
    email.len() <= 254 && email.contains('@') && !email.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// Whether a password is what opens this user. A license-only user must never get one (contract, Appendix D).
fn has_password(user: &User) -> bool {
    matches!(user.credential, Credential::Password(_) | Credential::Claimable)
}
