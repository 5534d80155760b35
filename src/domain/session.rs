//! Sessions: opening one (`init`), finding a live one, ending.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::app::App;
use crate::model::ids::SessionId;
use crate::model::session::{Session, SessionKind, SessionUser};
use crate::model::sign_key::SignKey;
use crate::model::time::Time;
use crate::store::{self, Tx, apps, sessions};

use super::lists::Lists;
use super::token::{self, TokenFile};
use super::user::Entered;
use super::{Refusal, Stop};

/// The longest enckey, in bytes (contract 3.1: the text says 35, clients may send 36).
pub const MAX_ENCKEY: usize = 36;

/// The longest enckey that enciphers, in bytes (contract 3.4: clients send 64).
pub const MAX_ENVELOPE_KEY: usize = 128;

/// How long the row of an ended session is kept, in seconds: so long its refusals are signed.
pub const KEPT_SECONDS: i64 = 86_400;

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

/// What kind of hash a format has of its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKind {
    /// KeyAuth's: 32 characters.
    Md5,
    /// Authly's: 64 characters.
    Sha256,
}

impl HashKind {
    /// The setting that holds the accepted ones, and how long each is.
    fn list(self) -> (&'static str, usize) {
        match self {
            HashKind::Md5 => ("hash", 32),
            HashKind::Sha256 => ("hashSha256", 64),
        }
    }

    fn other(self) -> HashKind {
        match self {
            HashKind::Md5 => HashKind::Sha256,
            HashKind::Sha256 => HashKind::Md5,
        }
    }
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
    /// What kind of hash its format has.
    pub hash_kind: HashKind,
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
        check_hash(tx, app, by.hash, by.hash_kind)?;
    }
    let sign_key = match by.enckey {
        Enckey::Given(key) | Enckey::Envelope(key) => Some(Arc::new(SignKey::new([key, "-", &app.secret].concat()))),
        Enckey::Missing | Enckey::NotApplicable => None,
    };
    let session = Session { sign_key, ..new(app, by.id, by.ip, by.now, settings.session_seconds) };
    sessions::insert(tx, session)?;
    Ok(())
}

fn new(app: &App, id: SessionId, ip: IpAddr, now: Time, seconds: i64) -> Session {
    Session {
        id,
        app: app.id,
        sign_key: None,
        ip: ip.to_string(),
        created_at: now,
        expires_at: now + seconds,
        ended_at: None,
        user: None,
        kind: SessionKind::Init,
        hwid: None,
    }
}

/// Notes on a session who is in.
pub fn validate(tx: &mut Tx<'_>, session: &Session, entered: &Entered, now: Time) -> Result<(), Stop> {
    if sessions::validate(tx, session, user_of(entered), now)? { Ok(()) } else { Err(Refusal::SessionNotFound.into()) }
}

/// Where the app wants it so, nobody is logged in any more on the other sessions of who is in on this one.
pub fn displace(tx: &mut Tx<'_>, app: &App, session: SessionId, entered: &Entered) -> Result<(), Stop> {
    if app.settings.kill_other_sessions {
        sessions::invalidate_others(tx, entered.user.id, session)?;
    }
    Ok(())
}

/// One more session, on which this user is in from the start (authly L21).
pub fn open_for(
    tx: &mut Tx<'_>,
    app: &App,
    entered: &Entered,
    id: SessionId,
    ip: IpAddr,
    now: Time,
) -> Result<(), Stop> {
    let session = Session { user: Some(user_of(entered)), ..new(app, id, ip, now, app.settings.session_seconds) };
    Ok(sessions::insert(tx, session)?)
}

/// The session behind one user signed in on a browser (wacht section 3). It ends with the browser's own.
pub fn open_sign_in(
    tx: &mut Tx<'_>,
    app: &App,
    entered: &Entered,
    id: SessionId,
    ip: IpAddr,
    now: Time,
    until: Time,
) -> Result<(), Stop> {
    let (user, kind) = (Some(user_of(entered)), SessionKind::SignIn);
    displace(tx, app, id, entered)?;
    Ok(sessions::insert(tx, Session { user, kind, ..new(app, id, ip, now, until - now) })?)
}

/// How long a session token lives, in seconds (authgate 2.1), and what stands for credentials that come with a single
/// call (authgate 2.2).
pub const TOKEN_SECONDS: i64 = 300;
const CALL_SECONDS: i64 = 10;

/// What a session token is made of.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// What it is to be called.
    pub id: SessionId,
    /// The device that logs in.
    pub hwid: Option<&'a str>,
    /// The client's address.
    pub ip: IpAddr,
    /// Now.
    pub now: Time,
}

/// A short-lived token for a user who is in (authgate 2.1 and 2.6). Where users are held to their devices, it ends the
/// older ones of the same device, and a user has no more of them than it may have.
pub fn open_token(tx: &mut Tx<'_>, app: &App, entered: &Entered, new: &NewToken<'_>) -> Result<(), Stop> {
    insert_token(tx, app, entered, new, TOKEN_SECONDS)
}

/// What credentials that come with a single call leave behind: for ten seconds a session that nobody knows, so that a user
/// has no more of them than it may have. Where they are not counted, nothing.
pub fn open_for_call(tx: &mut Tx<'_>, app: &App, entered: &Entered, new: &NewToken<'_>) -> Result<(), Stop> {
    if app.settings.hwid_check { insert_token(tx, app, entered, new, CALL_SECONDS) } else { Ok(()) }
}

fn insert_token(tx: &mut Tx<'_>, app: &App, entered: &Entered, by: &NewToken<'_>, seconds: i64) -> Result<(), Stop> {
    let (user, hwid) = (&entered.user, by.hwid.filter(|_| app.settings.hwid_check));
    if let Some(hwid) = hwid {
        sessions::end_tokens(tx, user.id, hwid, by.now)?;
    }
    let limit = user.session_limit.unwrap_or(app.settings.session_limit);
    if app.settings.hwid_check && sessions::count_tokens(tx, user.id, by.now)? >= limit {
        return Err(Refusal::TooManySessions.into());
    }
    displace(tx, app, by.id, entered)?;
    let session = Session {
        user: Some(user_of(entered)),
        kind: SessionKind::Token,
        hwid: hwid.map(Into::into),
        ..new(app, by.id, by.ip, by.now, seconds)
    };
    Ok(sessions::insert(tx, session)?)
}

fn user_of(entered: &Entered) -> SessionUser {
    SessionUser { id: entered.user.id, credential: entered.username.as_str().into() }
}

fn is_allowed(tx: &mut Tx<'_>, app: &App, ip: IpAddr) -> Result<bool, store::Error> {
    let allowed = apps::allowed_networks(tx, app.id)?;
    Ok(allowed.iter().any(|text| crate::model::ban::parse_network(text).is_ok_and(|network| network.contains(&ip))))
}

/// The program's hash must be one of the stored ones, which stand one after another. While none is stored, the first one
/// seen is trusted and kept; but not while hashes of the other kind are: nobody gets around them by another format.
fn check_hash(tx: &mut Tx<'_>, app: &App, hash: Option<&str>, kind: HashKind) -> Result<(), Stop> {
    let (list, length) = kind.list();
    let hash =
        hash.filter(|h| h.len() == length && h.bytes().all(|b| b.is_ascii_hexdigit())).ok_or(Refusal::HashMismatch)?;
    let set = apps::settings(tx, app.id)?;
    let stored = |list: &str| set.iter().find(|(name, _)| name == list).map(|(_, value)| value.as_str());
    let others = stored(kind.other().list().0).unwrap_or_default();
    match stored(list) {
        None | Some("") if !others.is_empty() => Err(Refusal::HashMismatch.into()),
        // Two programs that start at the same moment: the first one is trusted, whatever the engine.
        None if apps::set_if_unset(tx, app.id, list, hash)? => Ok(()),
        None => Err(Refusal::HashMismatch.into()),
        Some("") => {
            apps::set(tx, app.id, list, hash)?;
            Ok(())
        }
        Some(stored) => {
            let known = stored.as_bytes().chunks(length).any(|one| one.eq_ignore_ascii_case(hash.as_bytes()));
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
