//! Who asks: a user by its session token, a user by credentials that come along in headers, or nobody (contract 2.2).
//! Also what a login and credentials in headers have in common.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::domain::secret::{Proof, Work, new_long_session_id, new_uuid};
use crate::domain::session::{self, NewToken};
use crate::domain::two_factor::Factor;
use crate::domain::user::{self, Claim, Entered, Terms};
use crate::domain::{Refusal, Stop, ban, device};
use crate::model::ids::SessionId;
use crate::store::Tx;
use crate::wire::turns;

use super::Call;
use super::answer::{Denied, No};

/// What a user proves itself by.
pub(super) enum Credentials {
    /// Its name and its password.
    Password(String, String),
    /// The license that made it.
    Code(String),
}

/// What stays after a login.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// A session token.
    Token,
    /// Nothing that anybody could use.
    Call,
}

/// Who asks, as far as the application lets anybody ask so. None is nobody.
pub(super) async fn identify(call: &Call) -> Result<Option<Entered>, No> {
    let (settings, request) = (&call.app.settings, &call.request);
    // A header that is there twice is there, and says nothing: it does not make its sender nobody.
    let sent = |names: &[&str]| request.headers.iter().any(|(name, _)| names.contains(name));
    let text = |name| request.header(name).filter(|text| !text.is_empty()).map(str::to_owned);
    if sent(&["authorization"]) {
        if !settings.authgate_tokens {
            return Err(Denied::NO_TOKENS.into());
        }
        let id = text("authorization").as_deref().and_then(bearer).ok_or(Refusal::SessionNotFound)?;
        let (app, ip, now) = (Arc::clone(&call.app), request.peer, request.now);
        return Ok(Some(call.ctx.store.read(move |tx| user::of_token(tx, &app, id, ip, now)).await?));
    }
    if sent(&["x-api-username", "x-api-password", "x-api-license-code"]) {
        if !settings.authgate_legacy {
            return Err(Denied::NO_LEGACY.into());
        }
        let named = (text("x-api-username"), text("x-api-password"), text("x-api-license-code"));
        let credentials = match named {
            (Some(name), Some(password), None) => Credentials::Password(name, password),
            (None, None, Some(code)) => Credentials::Code(code),
            _ => return Err(Refusal::PasswordMismatch.into()),
        };
        let (entered, _) = enter(call, credentials, text("x-hardware-id"), None, Stay::Call).await?;
        return Ok(Some(entered));
    }
    if !settings.authgate_anonymous {
        return Err(Denied::NO_USER.into());
    }
    let (app, hwid, ip) = (call.app.id, text("x-hardware-id"), request.peer);
    let banned = call.ctx.store.read(move |tx| ban::find(tx, app, hwid.as_deref(), ip)).await.map_err(Stop::Failed)?;
    match banned {
        Some(refusal) => Err(refusal.into()),
        None => Ok(None),
    }
}

/// The session token in an `Authorization` header.
pub(super) fn bearer(header: &str) -> Option<SessionId> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().parse().ok())?
}

/// Logs a user in by its credentials.
pub(super) async fn enter(
    call: &Call,
    credentials: Credentials,
    hwid: Option<String>,
    code: Option<String>,
    stay: Stay,
) -> Result<(Entered, SessionId), No> {
    device::check_given(&call.app, hwid.as_deref())?;
    let (uuid, id) = (new_uuid(&mut rand::rng()), new_long_session_id(&mut rand::rng()));
    let (ctx, app) = (Arc::clone(&call.ctx), Arc::clone(&call.app));
    let (ip, now, guessed) = (call.request.peer, call.request.now, AtomicBool::new(false));
    let since_start = call.request.since_start;
    let work = move |tx: &mut Tx<'_>, proof: Option<&Proof>| {
        let (username, password, key) = match &credentials {
            Credentials::Password(name, password) => (Some(name.as_str()), Some(password.as_str()), None),
            Credentials::Code(code) => (None, None, Some(code.as_str())),
        };
        let hwid = hwid.as_deref();
        let guess = ctx.guesses.guess(&guessed, ip, since_start);
        let factor = Factor { code: code.as_deref(), ip, now, vault: &ctx.vault, guess };
        let claim = Claim { username, password, token: None, key, hwid, email: None, ip, now, uuid, factor };
        let entered = match key {
            None => user::login(tx, &app, &claim, Terms::Discreet, proof)?,
            // A license needs no hash: without one it would be written at once, where nothing can be written.
            Some(_) if proof.is_none() => return Err(Stop::Prove(Work::Nothing)),
            Some(_) => user::login_by_license(tx, &app, &claim, proof)?,
        };
        let new = NewToken { id, hwid, ip, now };
        match stay {
            Stay::Token => session::open_token(tx, &app, &entered, &new)?,
            Stay::Call => session::open_for_call(tx, &app, &entered, &new)?,
        }
        Ok(entered)
    };
    Ok((turns::run(&call.ctx, ip, work).await?, id))
}
