//! The tables `browsers` and `sign_ins`.

use std::net::IpAddr;

use crate::model::browser::{Browser, Held, NewSignIn, SignIn};
use crate::model::ids::{AppId, BrowserId, SignInId, UserId};
use crate::model::time::Time;

use super::waiting::AllWaiting;
use super::{Error, Result, Row, Tx};

const BY_TOKEN: &str = "SELECT id, app_id, token_hash, created_at, used_at, active FROM browsers \
                        WHERE token_hash = $1 AND app_id = $2";
const BY_ID: &str = "SELECT id, app_id, token_hash, created_at, used_at, active FROM browsers WHERE id = $1";
const INSERT: &str = "INSERT INTO browsers (id, app_id, token_hash, created_at, used_at) VALUES ($1, $2, $3, $4, $5)";
const SET_USED: &str = "UPDATE browsers SET used_at = $2 WHERE id = $1 AND used_at < $2";
const SET_TOKEN: &str = "UPDATE browsers SET token_hash = $3 WHERE id = $1 AND token_hash = $2";
const SET_ACTIVE: &str = "UPDATE browsers SET active = $2 WHERE id = $1";
const SIGN_INS: &str = "SELECT i.id, i.attempt_id, i.signed_up, i.created_at, s.id, s.user_id, s.ip, s.expires_at \
                        FROM sign_ins i LEFT JOIN sessions s ON s.id = i.session_id AND s.ended_at IS NULL \
                        AND s.expires_at > $2 AND s.user_id IS NOT NULL \
                        WHERE i.browser_id = $1 \
                        ORDER BY (SELECT o.row FROM sessions o WHERE o.id = i.session_id)";
const INSERT_SIGN_IN: &str = "INSERT INTO sign_ins (id, browser_id, session_id, attempt_id, signed_up, created_at) \
                              VALUES ($1, $2, $3, $4, $5, $6)";
const DELETE_SIGN_IN: &str = "DELETE FROM sign_ins WHERE id = $1";
const UNUSED: &str = "SELECT id FROM browsers WHERE active IS NOT NULL AND used_at < $1 ORDER BY used_at LIMIT $2";
const UNUSED_ALONE: &str = "SELECT id FROM browsers WHERE active IS NULL AND used_at < $1 ORDER BY used_at LIMIT $2";
const DELETE: &str = "DELETE FROM browsers WHERE id = $1";
const DELETE_ALONE: &str = "DELETE FROM browsers WHERE id = $1 AND active IS NULL";

/// The app's browser whose token has this hash, however old.
pub fn by_token(tx: &mut Tx<'_>, app: AppId, token_hash: &str) -> Result<Option<Browser>> {
    tx.row(BY_TOKEN, &[token_hash.into(), app.0.into()], browser)
}

/// The browser of this row, however old.
pub fn by_id(tx: &mut Tx<'_>, id: BrowserId) -> Result<Option<Browser>> {
    tx.row(BY_ID, &[id.0.into()], browser)
}

/// Adds a browser on which nobody is signed in, from this address. What has too many of those loses its oldest one.
pub fn insert(tx: &mut Tx<'_>, new: &Browser, ip: IpAddr) -> Result<()> {
    let AllWaiting { most, browsers, .. } = tx.waiting();
    if let Some(most) = *most {
        for gone in browsers.add(new.id, new.app, ip, most) {
            tx.exec(DELETE_ALONE, &[gone.0.into()])?;
        }
    }
    let Browser { id, app, token_hash, created_at, used_at, active: _ } = new;
    let values = [id.0.into(), app.0.into(), token_hash.into(), created_at.0.into(), used_at.0.into()];
    tx.exec(INSERT, &values).map(|_| ())
}

/// Notes a use.
pub fn set_used(tx: &mut Tx<'_>, id: BrowserId, now: Time) -> Result<()> {
    tx.exec(SET_USED, &[id.0.into(), now.0.into()]).map(|_| ())
}

/// Gives a browser another token. False: the one by which it was found is no longer its own.
pub fn set_token(tx: &mut Tx<'_>, browser: &Browser, token_hash: &str) -> Result<bool> {
    let values = [browser.id.0.into(), (&browser.token_hash).into(), token_hash.into()];
    tx.exec(SET_TOKEN, &values).map(|n| n == 1)
}

/// Notes which sign-in counts.
pub fn set_active(tx: &mut Tx<'_>, id: BrowserId, active: Option<SignInId>) -> Result<()> {
    if active.is_some() {
        tx.waiting().browsers.remove(id);
    }
    tx.exec(SET_ACTIVE, &[id.0.into(), active.map(|id| id.0).into()]).map(|_| ())
}

/// All who ever signed in on a browser, oldest first, as far as they are still known. Those who are signed in now are
/// held by a session.
pub fn sign_ins(tx: &mut Tx<'_>, browser: BrowserId, now: Time) -> Result<Vec<SignIn>> {
    tx.rows(SIGN_INS, &[browser.0.into(), now.0.into()], sign_in)
}

/// Adds a sign-in; its session is there already.
pub fn insert_sign_in(tx: &mut Tx<'_>, browser: BrowserId, new: &NewSignIn, signed_up: bool) -> Result<()> {
    let session = new.session.to_string();
    let values =
        [new.id.0.into(), browser.0.into(), (&session).into(), new.attempt.into(), signed_up.into(), new.now.0.into()];
    tx.exec(INSERT_SIGN_IN, &values).map(|_| ())
}

/// Deletes a sign-in; not its session.
pub fn delete_sign_in(tx: &mut Tx<'_>, id: SignInId) -> Result<()> {
    tx.exec(DELETE_SIGN_IN, &[id.0.into()]).map(|_| ())
}

/// At most `limit` browsers of all apps that were not used since `before`, or since `before_alone` if nobody is signed
/// in there.
pub fn unused(tx: &mut Tx<'_>, before: Time, before_alone: Time, limit: i64) -> Result<Vec<BrowserId>> {
    let id = |row: &Row<'_>| row.int(0).map(BrowserId);
    let mut all = tx.rows(UNUSED, &[before.0.into(), limit.into()], id)?;
    all.extend(tx.rows(UNUSED_ALONE, &[before_alone.0.into(), (limit - all.len() as i64).into()], id)?);
    Ok(all)
}

/// Deletes a browser with its sign-ins; not their sessions.
pub fn delete(tx: &mut Tx<'_>, id: BrowserId) -> Result<()> {
    tx.exec(DELETE, &[id.0.into()]).map(|_| ())
}

fn browser(row: &Row<'_>) -> Result<Browser> {
    Ok(Browser {
        id: BrowserId(row.int(0)?),
        app: AppId(row.int(1)?),
        token_hash: row.text(2)?,
        created_at: Time(row.int(3)?),
        used_at: Time(row.int(4)?),
        active: row.opt_int(5)?.map(SignInId),
    })
}

fn sign_in(row: &Row<'_>) -> Result<SignIn> {
    let held = match row.opt_text(4)? {
        Some(session) => Some(Held {
            session: session.parse().map_err(|()| Error::Bug("a session id that is no session id".to_owned()))?,
            user: UserId(row.int(5)?),
            ip: row.text(6)?,
            expires_at: Time(row.int(7)?),
        }),
        None => None,
    };
    Ok(SignIn {
        id: SignInId(row.int(0)?),
        attempt: row.int(1)?,
        signed_up: row.flag(2)?,
        created_at: Time(row.int(3)?),
        held,
    })
}
