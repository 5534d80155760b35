//! Who is logged in on a session, and what a logged-in program does to its own user: a ban, another name. Knows no wire.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::app::App;
use crate::model::ban::{BanTarget, MAX_HWID};
use crate::model::ids::SessionId;
use crate::model::session::{Session, SessionKind};
use crate::model::time::Time;
use crate::model::user::{Credential, User};
use crate::store::bans::{self, Ban};
use crate::store::{Tx, devices, licenses, one_time_secrets, sessions, subscriptions, users};

use super::super::guesses::Guess;
use super::super::license::MAX_REASON;
use super::super::lists::Lists;
use super::super::secret::{MAX_PASSWORD, Proof, Work};
use super::super::{Refusal, Stop, ban, session, subscription};
use super::attempt::Attempt;
use super::{Entered, MAX_USERNAME, ban_user};

/// The reason of a ban for which the client gives none (contract 4.18).
const NO_REASON: &str = "User banned from triggering ban function in the client";

/// The user who is logged in on a session.
pub fn of_session(tx: &mut Tx<'_>, app: &App, session: &Session) -> Result<User, Stop> {
    let user = session.user.as_ref().ok_or(Refusal::SessionNotValidated)?;
    users::by_id(tx, app.id, user.id)?.ok_or_else(|| Refusal::SessionNotValidated.into())
}

/// The user behind a session token, if it may still be answered: neither it nor where it calls from is banned, and
/// something that it holds runs (authgate 2.2 and 2.8).
pub fn of_token(tx: &mut Tx<'_>, app: &App, id: SessionId, ip: IpAddr, now: Time) -> Result<Entered, Stop> {
    let session = session::live(tx, app, id, now)?;
    let user = match (session.kind, &session.user) {
        (SessionKind::Token, Some(user)) => users::by_id(tx, app.id, user.id)?,
        _ => None,
    };
    let user = user.ok_or(Refusal::SessionNotFound)?;
    if user.banned {
        return Err(Refusal::UserBanned(user.ban_reason).into());
    }
    let hwid = session.hwid.as_deref();
    if let Some(refusal) = ban::find(tx, app.id, hwid, ip)? {
        return Err(refusal.into());
    }
    let subscriptions = subscription::running(app, subscriptions::of_user(tx, user.id)?, now)?;
    let hwid = hwid.map(str::to_owned);
    Ok(Entered { username: user.name.clone(), user, subscriptions, hwid })
}

/// Bans the session's user, its address and, if the client names it, its device (contract 4.18). Nobody is logged in as
/// this user any more. Where devices are bound, one that is not this user's is left alone: a hwid is no secret, and the
/// client's word alone would keep out any other customer.
pub fn ban_own(
    tx: &mut Tx<'_>,
    app: &App,
    session: &Session,
    reason: Option<&str>,
    hwid: Option<&str>,
    ip: IpAddr,
    now: Time,
) -> Result<(), Stop> {
    let user = of_session(tx, app, session)?;
    let reason = reason.unwrap_or(NO_REASON);
    if reason.len() > MAX_REASON {
        return Err(Refusal::BanReasonTooLong.into());
    }
    if hwid.is_some_and(|hwid| hwid.len() > MAX_HWID) {
        return Err(Refusal::HwidTooLong.into());
    }
    // Other users read it.
    let reason = reason.replace(char::is_control, " ");
    let address = BanTarget::Network(IpNet::from(ip.to_canonical()));
    let own = match hwid {
        Some(hwid) if app.settings.hwid_check => {
            devices::of_user(tx, user.id)?.iter().any(|device| device.hwid == hwid).then_some(hwid)
        }
        sent => sent,
    };
    for target in own.map(|hwid| BanTarget::Hwid(hwid.to_owned())).into_iter().chain([address]) {
        bans::insert(tx, app.id, &Ban { target, note: Some(reason.clone()), created_at: now })?;
    }
    ban_user(tx, user.id, Some(&reason))
}

/// Who asks for another password.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Counts what is guessed wrong.
    pub guess: Guess<'a>,
    /// The client's address.
    pub ip: IpAddr,
    /// Now.
    pub now: Time,
}

/// Gives the session's user another password, for the one it has (authly 2.5), unless what it holds stands still. Nobody
/// else is logged in as this user any more.
pub fn change_password(
    tx: &mut Tx<'_>,
    app: &App,
    lists: &Lists,
    session: &Session,
    (old, new): (&str, &str),
    by: &Caller<'_>,
    proof: Option<&Proof>,
) -> Result<(), Stop> {
    let user = of_session(tx, app, session)?;
    if user.banned {
        return Err(Refusal::UserBanned(user.ban_reason).into());
    }
    let held = subscriptions::of_user(tx, user.id)?;
    if let Err(refusal @ Refusal::SubscriptionPaused) = subscription::running(app, held, by.now) {
        return Err(refusal.into());
    }
    let Credential::Password(stored) = &user.credential else { return Err(Refusal::PasswordUnavailable.into()) };
    if new.len() > MAX_PASSWORD {
        return Err(Refusal::PasswordTooLong.into());
    }
    if app.settings.block_leaked_passwords && lists.is_leaked(new) {
        return Err(Refusal::PasswordLeaked.into());
    }
    let attempt = Attempt { guess: by.guess, ip: by.ip, hwid: None };
    let hash = attempt.guarded(tx, app, &user, |_| match proof {
        Some(Proof::Changed { against, hash }) if against == stored => {
            hash.clone().ok_or_else(|| Refusal::PasswordMismatch.into())
        }
        _ => {
            let (old, new) = (old.to_owned(), new.to_owned());
            Err(Stop::Prove(Work::Change { old, against: stored.clone(), new }))
        }
    })?;
    if old == new {
        return Err(Refusal::PasswordReused.into());
    }
    one_time_secrets::delete_of_user(tx, user.id)?;
    users::set_credential(tx, user.id, &Credential::Password(hash))?;
    sessions::invalidate_others(tx, user.id, session.id)?;
    Ok(())
}

/// Gives the session's user another name (contract 4.20). All its sessions end: they show the old one.
pub fn rename(tx: &mut Tx<'_>, app: &App, session: &Session, name: Option<&str>, now: Time) -> Result<(), Stop> {
    let user = of_session(tx, app, session)?;
    let name = name.unwrap_or_default();
    if name.len() > MAX_USERNAME {
        return Err(Refusal::UsernameTooLong.into());
    }
    if name.is_empty() || (name.len() as i64) < app.settings.min_username_length {
        return Err(Refusal::UsernameTooShort.into());
    }
    // A license-only user whose license is gone has nothing but its name to come in by.
    if user.credential == Credential::License && licenses::first_of_user(tx, user.id)?.is_none() {
        return Err(Refusal::RenameFailed.into());
    }
    if !users::rename(tx, &user, name)? {
        return Err(Refusal::NewUsernameTaken.into());
    }
    sessions::end_of_user(tx, user.id, now)?;
    Ok(())
}
