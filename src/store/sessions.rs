//! The table `sessions`, and sessions in the cache.

use std::sync::Arc;

use crate::model::ids::{AppId, SessionId, UserId};
use crate::model::session::{Session, SessionKind, SessionUser};
use crate::model::sign_key::SignKey;
use crate::model::time::Time;

use super::waiting::AllWaiting;
use super::{Change, Error, Result, Row, Store, Tx};

const BY_ID: &str = "SELECT id, app_id, sign_key, ip, created_at, expires_at, ended_at, user_id, credential, \
                     kind, hwid \
                     FROM sessions WHERE id = $1";
const OF_APP: &str = "SELECT id, app_id, sign_key, ip, created_at, expires_at, ended_at, user_id, credential, \
                     kind, hwid \
                      FROM sessions WHERE app_id = $1 AND ended_at IS NULL AND expires_at > $2 \
                      ORDER BY created_at DESC, id LIMIT $3";
const BY_PREFIX: &str = "SELECT id FROM sessions WHERE app_id = $1 AND id >= $2 AND id < $3 \
                         AND ended_at IS NULL AND expires_at > $4 LIMIT 2";
const INSERT: &str = "INSERT INTO sessions (id, app_id, sign_key, ip, created_at, expires_at, user_id, credential, kind, hwid) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const COUNT_TOKENS: &str = "SELECT count(*) FROM sessions WHERE user_id = $1 AND kind = 'token' AND ended_at IS NULL \
                            AND expires_at > $2";
const END_TOKENS: &str = "UPDATE sessions SET ended_at = $3, expires_at = $3 WHERE user_id = $1 AND hwid = $2 \
                          AND kind = 'token' AND ended_at IS NULL AND expires_at > $3 RETURNING id";
const VALIDATE: &str = "UPDATE sessions SET user_id = $3, credential = $4 \
                        WHERE id = $1 AND app_id = $2 AND ended_at IS NULL AND expires_at > $5";
const END: &str = "UPDATE sessions SET ended_at = $3, expires_at = $3 \
                   WHERE id = $1 AND app_id = $2 AND ended_at IS NULL AND expires_at > $3";
const END_OF_APP: &str = "UPDATE sessions SET ended_at = $2, expires_at = $2 \
                          WHERE app_id = $1 AND ended_at IS NULL AND expires_at > $2";
const END_OF_USER: &str = "UPDATE sessions SET ended_at = $2, expires_at = $2 \
                           WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 RETURNING id";
const INVALIDATE_USER: &str = "UPDATE sessions SET user_id = NULL, credential = NULL \
                               WHERE user_id = $1 RETURNING id";
const INVALIDATE_OTHERS: &str = "UPDATE sessions SET user_id = NULL, credential = NULL \
                                 WHERE user_id = $1 AND id <> $2 RETURNING id";
// Being signed in on a browser, for weeks perhaps, is not being online: no program runs there. And its name may be an
// e-mail address, which is for nobody else to see.
const ONLINE: &str = "SELECT min(credential) FROM sessions WHERE app_id = $1 AND ended_at IS NULL \
                      AND expires_at > $2 AND user_id IS NOT NULL AND kind <> 'sign-in' GROUP BY user_id ORDER BY 1";
const COUNT_ONLINE: &str = "SELECT count(DISTINCT user_id) FROM sessions WHERE app_id = $1 AND ended_at IS NULL \
                            AND expires_at > $2 AND user_id IS NOT NULL AND kind <> 'sign-in'";
const NEWEST: &str = "SELECT max(created_at) FROM sessions";
const NEWEST_IPS: &str = "SELECT ip FROM sessions ORDER BY row DESC LIMIT $1";
const DELETE_UNVALIDATED: &str = "DELETE FROM sessions WHERE id = $1 AND user_id IS NULL";
// By app, because the index is; the join's order is said so that no engine reads all sessions for it.
const CLEAN: &str = "DELETE FROM sessions WHERE row IN \
                     (SELECT s.row FROM apps a CROSS JOIN sessions s \
                     WHERE s.app_id = a.id AND s.expires_at < $1 LIMIT $2)";

/// A session by its id, live or not: from the cache, else from the database.
pub async fn lookup(store: &Store, id: SessionId) -> Result<Option<Arc<Session>>> {
    let place = match store.cache().session_or_place(id).await {
        Ok(session) => return Ok(Some(session)),
        Err(place) => place,
    };
    let found = store.read(move |tx| by_id(tx, id)).await?.map(Arc::new);
    if let Some(session) = &found {
        place.keep(Arc::clone(session));
    }
    Ok(found)
}

/// When the newest session was opened, by the clock of then; looks at all of them.
pub fn newest(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    Ok(tx.row(NEWEST, &[], |row| row.opt_int(0))?.flatten().map(Time))
}

/// The addresses from which the newest sessions were opened, at most so many.
pub fn newest_ips(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<String>> {
    tx.rows(NEWEST_IPS, &[limit.into()], |row| row.text(0))
}

/// A session by its id, live or not.
pub fn by_id(tx: &mut Tx<'_>, id: SessionId) -> Result<Option<Session>> {
    tx.row(BY_ID, &[(&id.to_string()).into()], session)
}

/// At most `limit` live sessions of an app, newest first.
pub fn live_of_app(tx: &mut Tx<'_>, app: AppId, now: Time, limit: i64) -> Result<Vec<Session>> {
    tx.rows(OF_APP, &[app.0.into(), now.0.into(), limit.into()], session)
}

/// The live session whose id begins so, if exactly one does.
pub fn by_prefix(tx: &mut Tx<'_>, app: AppId, prefix: &str, now: Time) -> Result<Option<SessionId>> {
    let end = format!("{prefix}g");
    let values = [app.0.into(), prefix.into(), (&end).into(), now.0.into()];
    let found = tx.rows(BY_PREFIX, &values, |row| id(row, 0))?;
    Ok(if let [one] = found.as_slice() { Some(*one) } else { None })
}

/// The names that are logged in on an app's live sessions, each once; not those that are signed in on browsers only.
pub fn online(tx: &mut Tx<'_>, app: AppId, now: Time) -> Result<Vec<String>> {
    tx.rows(ONLINE, &[app.0.into(), now.0.into()], |row| row.text(0))
}

/// How many names [`online`] answers.
pub fn count_online(tx: &mut Tx<'_>, app: AppId, now: Time) -> Result<i64> {
    tx.row(COUNT_ONLINE, &[app.0.into(), now.0.into()], |row| row.int(0)).map(Option::unwrap_or_default)
}

/// Adds a session. What has too many on which nobody has logged in loses its oldest one.
pub fn insert(tx: &mut Tx<'_>, new: Session) -> Result<()> {
    if new.user.is_none() {
        make_room(tx, &new)?;
    }
    let id = new.id.to_string();
    let kind = match new.kind {
        SessionKind::Init => "init",
        SessionKind::Token => "token",
        SessionKind::SignIn => "sign-in",
    };
    let values = [
        (&id).into(),
        new.app.0.into(),
        new.sign_key.as_deref().map(SignKey::text).into(),
        (&new.ip).into(),
        new.created_at.0.into(),
        new.expires_at.0.into(),
        new.user.as_ref().map(|user| user.id.0).into(),
        new.user.as_ref().map(|user| &*user.credential).into(),
        kind.into(),
        new.hwid.as_deref().into(),
    ];
    tx.exec(INSERT, &values)?;
    tx.changed(Change::Session(Arc::new(new)));
    Ok(())
}

fn make_room(tx: &mut Tx<'_>, new: &Session) -> Result<()> {
    let AllWaiting { most, sessions, .. } = tx.waiting();
    let (Some(most), Ok(address)) = (*most, new.ip.parse()) else { return Ok(()) };
    for gone in sessions.add(new.id, new.app, address, most) {
        tx.exec(DELETE_UNVALIDATED, &[(&gone.to_string()).into()])?;
        tx.changed(Change::ForgetSession(gone));
    }
    Ok(())
}

/// Notes who logged in on a session. False: the session is not live any more.
pub fn validate(tx: &mut Tx<'_>, session: &Session, user: SessionUser, now: Time) -> Result<bool> {
    let id = session.id.to_string();
    let values = [(&id).into(), session.app.0.into(), user.id.0.into(), (&*user.credential).into(), now.0.into()];
    let done = tx.exec(VALIDATE, &values)? == 1;
    if done {
        tx.waiting().sessions.remove(session.id);
    }
    tx.changed(if done {
        Change::Session(Arc::new(Session { user: Some(user), ..session.clone() }))
    } else {
        Change::ForgetSession(session.id)
    });
    Ok(done)
}

/// Ends a session. False: it is not live any more.
pub fn end(tx: &mut Tx<'_>, id: SessionId, app: AppId, now: Time) -> Result<bool> {
    tx.changed(Change::ForgetSession(id));
    tx.exec(END, &[(&id.to_string()).into(), app.0.into(), now.0.into()]).map(|n| n == 1)
}

/// Ends all live sessions of an app. Answers how many.
pub fn end_of_app(tx: &mut Tx<'_>, app: AppId, now: Time) -> Result<u64> {
    tx.changed(Change::Everything);
    tx.exec(END_OF_APP, &[app.0.into(), now.0.into()])
}

/// Ends all live sessions of a user. Answers how many.
pub fn end_of_user(tx: &mut Tx<'_>, user: UserId, now: Time) -> Result<u64> {
    let ids = tx.rows(END_OF_USER, &[user.0.into(), now.0.into()], |row| id(row, 0))?;
    Ok(forget(tx, ids))
}

/// Nobody is logged in any more on the sessions of this user. Answers how many they were.
pub fn invalidate_user(tx: &mut Tx<'_>, user: UserId) -> Result<u64> {
    let ids = tx.rows(INVALIDATE_USER, &[user.0.into()], |row| id(row, 0))?;
    Ok(forget(tx, ids))
}

/// The same for all sessions of this user but one.
pub fn invalidate_others(tx: &mut Tx<'_>, user: UserId, keep: SessionId) -> Result<u64> {
    let ids = tx.rows(INVALIDATE_OTHERS, &[user.0.into(), (&keep.to_string()).into()], |row| id(row, 0))?;
    Ok(forget(tx, ids))
}

/// How many session tokens a user has.
pub fn count_tokens(tx: &mut Tx<'_>, user: UserId, now: Time) -> Result<i64> {
    tx.row(COUNT_TOKENS, &[user.0.into(), now.0.into()], |row| row.int(0)).map(Option::unwrap_or_default)
}

/// Ends the session tokens that a user has from a device. Answers how many.
pub fn end_tokens(tx: &mut Tx<'_>, user: UserId, hwid: &str, now: Time) -> Result<u64> {
    let ids = tx.rows(END_TOKENS, &[user.0.into(), hwid.into(), now.0.into()], |row| id(row, 0))?;
    Ok(forget(tx, ids))
}

/// Deletes at most `limit` sessions that ended before `before`. Answers how many.
pub fn clean(tx: &mut Tx<'_>, before: Time, limit: i64) -> Result<u64> {
    tx.exec(CLEAN, &[before.0.into(), limit.into()])
}

fn forget(tx: &mut Tx<'_>, ids: Vec<SessionId>) -> u64 {
    let count = ids.len() as u64;
    ids.into_iter().for_each(|id| tx.changed(Change::ForgetSession(id)));
    count
}

fn id(row: &Row<'_>, column: usize) -> Result<SessionId> {
    row.text(column)?.parse().map_err(|()| Error::Bug("a session id that is no session id".to_owned()))
}

fn session(row: &Row<'_>) -> Result<Session> {
    let user = match (row.opt_int(7)?, row.opt_text(8)?) {
        (Some(user), Some(credential)) => Some(SessionUser { id: UserId(user), credential: credential.into() }),
        _ => None,
    };
    Ok(Session {
        id: id(row, 0)?,
        app: AppId(row.int(1)?),
        sign_key: row.opt_text(2)?.map(|text| Arc::new(SignKey::new(text))),
        ip: row.text(3)?,
        created_at: Time(row.int(4)?),
        expires_at: Time(row.int(5)?),
        ended_at: row.opt_int(6)?.map(Time),
        user,
        kind: match row.text(9)?.as_str() {
            "token" => SessionKind::Token,
            "sign-in" => SessionKind::SignIn,
            _ => SessionKind::Init,
        },
        hwid: row.opt_text(10)?.map(Into::into),
    })
}
