//! The table `one_time_secrets`: what stands for a password once. Only hashes of the secrets are here.

use crate::model::ids::{AppId, UserId};
use crate::model::time::Time;

use super::{Result, Row, Tx};

const REPLACE: &str = "INSERT INTO one_time_secrets (user_id, kind, hash, created_at, expires_at) \
                       VALUES ($1, $2, $3, $4, $5) \
                       ON CONFLICT (user_id, kind) DO UPDATE SET hash = excluded.hash, \
                       created_at = excluded.created_at, expires_at = excluded.expires_at";
const FIND: &str = "SELECT s.user_id, u.app_id, s.created_at, s.expires_at \
                    FROM one_time_secrets s JOIN users u ON u.id = s.user_id WHERE s.kind = $1 AND s.hash = $2";
const OF_USER: &str = "SELECT s.user_id, u.app_id, s.created_at, s.expires_at \
                       FROM one_time_secrets s JOIN users u ON u.id = s.user_id WHERE s.user_id = $1 AND s.kind = $2";
const TAKE: &str = "DELETE FROM one_time_secrets WHERE kind = $1 AND hash = $2 AND user_id = $3 AND expires_at > $4";
const DELETE_OF_USER: &str = "DELETE FROM one_time_secrets WHERE user_id = $1";
const CLEAN: &str = "DELETE FROM one_time_secrets WHERE hash IN \
                     (SELECT hash FROM one_time_secrets WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

/// What a secret stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Logging in, once: the web loader's token.
    Login,
    /// Setting a new password, once: the link in a mail.
    Reset,
}

/// A secret that was given out, without the secret.
#[derive(Clone, Copy, Debug)]
pub struct GivenOut {
    /// Whom it opens.
    pub user: UserId,
    /// Of which app.
    pub app: AppId,
    /// When it was made.
    pub created_at: Time,
    /// When it stops being good.
    pub expires_at: Time,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::Login => "login",
            Kind::Reset => "reset",
        }
    }
}

/// Gives a user a new secret of this kind; an older one of the kind is no good any more.
pub fn replace(tx: &mut Tx<'_>, user: UserId, kind: Kind, hash: &str, now: Time, expires_at: Time) -> Result<()> {
    let values = [user.0.into(), kind.text().into(), hash.into(), now.0.into(), expires_at.0.into()];
    tx.exec(REPLACE, &values).map(|_| ())
}

/// Whose secret this is, expired or not.
pub fn find(tx: &mut Tx<'_>, kind: Kind, hash: &str) -> Result<Option<GivenOut>> {
    tx.row(FIND, &[kind.text().into(), hash.into()], given_out)
}

/// What a user was given, expired or not.
pub fn of_user(tx: &mut Tx<'_>, user: UserId, kind: Kind) -> Result<Option<GivenOut>> {
    tx.row(OF_USER, &[user.0.into(), kind.text().into()], given_out)
}

/// Uses a secret up. False: it is used, replaced, expired, or another user's.
pub fn take(tx: &mut Tx<'_>, user: UserId, kind: Kind, hash: &str, now: Time) -> Result<bool> {
    tx.exec(TAKE, &[kind.text().into(), hash.into(), user.0.into(), now.0.into()]).map(|n| n == 1)
}

/// Deletes all that a user was given.
pub fn delete_of_user(tx: &mut Tx<'_>, user: UserId) -> Result<()> {
    tx.exec(DELETE_OF_USER, &[user.0.into()]).map(|_| ())
}

/// Deletes at most `limit` that have expired. Answers how many.
pub fn clean(tx: &mut Tx<'_>, now: Time, limit: i64) -> Result<u64> {
    tx.exec(CLEAN, &[now.0.into(), limit.into()])
}

fn given_out(row: &Row<'_>) -> Result<GivenOut> {
    Ok(GivenOut {
        user: UserId(row.int(0)?),
        app: AppId(row.int(1)?),
        created_at: Time(row.int(2)?),
        expires_at: Time(row.int(3)?),
    })
}
