//! Sessions: opening one (`init`), finding a live one, ending.

use std::net::IpAddr;

use crate::model::app::App;
use crate::model::ids::SessionId;
use crate::model::session::{Session, SessionUser};
use crate::model::time::Time;
use crate::store::{self, Tx, apps, sessions};

use super::lists::Lists;
use super::token::{self, TokenFile};
use super::{Refusal, Stop};

/// The longest enckey, in bytes (contract 3.1: the text says 35, clients may send 36).
pub const MAX_ENCKEY: usize = 36;

/// The longest enckey that enciphers, in bytes (contract 3.4: clients send 64).
pub const MAX_ENVELOPE_KEY: usize = 128;

/// How long the row of an ended session is kept, in seconds: so long its refusals are signed.
pub const KEPT_SECONDS: i64 = 86_400;

/// How many ended sessions one clean-up step deletes: a step is one short write.
pub const CLEAN_STEP: i64 = 500;

/// The key material that a client offers at `init`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enckey<'a> {
    /// This version of the protocol has none.
    NotApplicable,
    /// None was sent.
    Missing,
    /// This was sent; may be empty.
    Given(&'a str),
    /// What answers are to be enciphered with (1.0); empty if it was not sent.
    Envelope(&'a str),
}

/// What a client sends to open a session.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// What the new session is to be called.
    pub id: SessionId,
    /// Key material.
    pub enckey: Enckey<'a>,
    /// Its token file, where the protocol has the token system.
    pub token_file: Option<TokenFile<'a>>,
    /// The program's version, if it says. Who enciphers must say (contract 3.4).
    pub version: Option<&'a str>,
    /// The program's hash, if it says.
    pub hash: Option<&'a str>,
    /// The client's address.
    pub ip: IpAddr,
    /// Now.
    pub now: Time,
}

/// Opens a session after the checks of contract 4.1, in their order.
pub fn open(tx: &mut Tx<'_>, app: &App, lists: &Lists, by: &Opening<'_>) -> Result<(), Stop> {
    let settings = &app.settings;
    match by.enckey {
        Enckey::Given(key) if key.len() > MAX_ENCKEY => return Err(Refusal::EnckeyTooLong.into()),
        Enckey::Missing | Enckey::Given("") if settings.force_encryption => {
            return Err(Refusal::EncryptionRequired.into());
        }
        // Nothing could be said on that session.
        Enckey::Envelope("") => return Err(Refusal::EncryptionRequired.into()),
        Enckey::Envelope(key) if key.len() > MAX_ENVELOPE_KEY => return Err(Refusal::EnckeyTooLong.into()),
        _ => {}
    }
    if settings.vpn_block && lists.is_vpn(by.ip) && !is_allowed(tx, app, by.ip)? {
        return Err(Refusal::VpnBlocked.into());
    }
    if !settings.enabled {
        return Err(Refusal::AppDisabled.into());
    }
    if settings.paused {
        return Err(Refusal::AppPaused.into());
    }
    if settings.token_system
        && let Some(file) = by.token_file
    {
        token::check(tx, app, file)?;
    }
    // A program that does not say its version is let in, but not by the one protocol in which all of them do.
    let same = by.version.map_or(!matches!(by.enckey, Enckey::Envelope(_)), |version| version == settings.version);
    if !same {
        return Err(Refusal::VersionMismatch.into());
    }
    if settings.hash_check {
        check_hash(tx, app, by.hash)?;
    }
    let sign_key = match by.enckey {
        Enckey::Given(key) | Enckey::Envelope(key) => Some(format!("{key}-{}", app.secret).into()),
        Enckey::Missing | Enckey::NotApplicable => None,
    };
    let session = Session {
        id: by.id,
        app: app.id,
        sign_key,
        ip: by.ip.to_string(),
        created_at: by.now,
        expires_at: by.now + settings.session_seconds,
        ended_at: None,
        user: None,
    };
    sessions::insert(tx, session)?;
    Ok(())
}

fn is_allowed(tx: &mut Tx<'_>, app: &App, ip: IpAddr) -> Result<bool, store::Error> {
    let allowed = apps::allowed_networks(tx, app.id)?;
    Ok(allowed.iter().any(|text| crate::model::ban::parse_network(text).is_ok_and(|network| network.contains(&ip))))
}

/// The program's hash must be one of the stored ones, which stand one after another, 32 characters each. While none
/// is stored, the first one seen is trusted and kept.
fn check_hash(tx: &mut Tx<'_>, app: &App, hash: Option<&str>) -> Result<(), Stop> {
    let hash =
        hash.filter(|h| h.len() == 32 && h.bytes().all(|b| b.is_ascii_hexdigit())).ok_or(Refusal::HashMismatch)?;
    let stored = apps::settings(tx, app.id)?.into_iter().find(|(name, _)| name == "hash").map(|(_, value)| value);
    match stored.as_deref() {
        // Two programs that start at the same moment: the first one is trusted, whatever the engine.
        None if apps::set_if_unset(tx, app.id, "hash", hash)? => Ok(()),
        None => Err(Refusal::HashMismatch.into()),
        Some("") => {
            apps::set(tx, app.id, "hash", hash)?;
            Ok(())
        }
        Some(stored) => {
            let known = stored.as_bytes().chunks(32).any(|one| one.eq_ignore_ascii_case(hash.as_bytes()));
            if known { Ok(()) } else { Err(Refusal::HashMismatch.into()) }
        }
    }
}

/// Whether a session may be used by this app now; which refusal it is if not.
pub fn check_live(session: &Session, app: &App, now: Time) -> Result<(), Refusal> {
    if session.app != app.id || session.ended_at.is_some() {
        return Err(Refusal::SessionNotFound);
    }
    if now >= session.expires_at { Err(Refusal::SessionExpired) } else { Ok(()) }
}

/// The user who has logged in on this session.
pub fn user_on(session: &Session) -> Result<&SessionUser, Refusal> {
    session.user.as_ref().ok_or(Refusal::SessionNotValidated)
}

/// The session as it is inside this transaction, if it may be used.
pub fn live(tx: &mut Tx<'_>, app: &App, id: SessionId, now: Time) -> Result<Session, Stop> {
    let session = sessions::by_id(tx, id)?.ok_or(Refusal::SessionNotFound)?;
    check_live(&session, app, now)?;
    Ok(session)
}

/// Ends a session (logout, kill).
pub fn end(tx: &mut Tx<'_>, app: &App, id: SessionId, now: Time) -> Result<(), Stop> {
    if sessions::end(tx, id, app.id, now)? { Ok(()) } else { Err(Refusal::SessionNotFound.into()) }
}
