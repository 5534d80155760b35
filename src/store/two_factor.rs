//! The second factor of users: its columns of the table `users`. Seals nothing and opens nothing.

use crate::model::ids::UserId;
use crate::model::time::Time;

use super::{Result, Row, Tx};

const OF_USER: &str = "SELECT id, two_factor, two_factor_step, two_factor_pending, two_factor_pending_until \
                       FROM users WHERE id = $1";
// The first condition is that of the index, word for word.
const AFTER: &str = "SELECT id, two_factor, two_factor_step, two_factor_pending, two_factor_pending_until FROM users \
                     WHERE (two_factor IS NOT NULL OR two_factor_pending IS NOT NULL) AND id > $1 ORDER BY id LIMIT $2";
const BEGIN: &str = "UPDATE users SET two_factor_pending = $2, two_factor_pending_until = $3 \
                     WHERE id = $1 AND two_factor IS NULL";
const SWITCH_ON: &str = "UPDATE users SET two_factor = two_factor_pending, two_factor_step = $3, \
                         two_factor_pending = NULL, two_factor_pending_until = NULL \
                         WHERE id = $1 AND two_factor IS NULL AND two_factor_pending = $2";
const SWITCH_OFF: &str = "UPDATE users SET two_factor = NULL, two_factor_step = 0, two_factor_pending = NULL, \
                          two_factor_pending_until = NULL WHERE id = $1 AND two_factor IS NOT NULL";
const TAKE_STEP: &str = "UPDATE users SET two_factor_step = $2 WHERE id = $1 AND two_factor_step < $2";
const RESEAL: &str = "UPDATE users SET two_factor = $2, two_factor_pending = $3 WHERE id = $1";

/// What is stored of a user's second factor.
pub struct Stored {
    /// Whose.
    pub user: UserId,
    /// The sealed secret; none: it is off.
    pub secret: Option<String>,
    /// The latest 30-second step whose code was taken.
    pub step: i64,
    /// A sealed secret that waits for its first code …
    pub pending: Option<String>,
    /// … until then.
    pub pending_until: Option<Time>,
}

/// A user's second factor. None: the user is gone.
pub fn of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Option<Stored>> {
    tx.row(OF_USER, &[user.0.into()], stored)
}

/// At most `limit` users of all apps that have a secret or one that waits, after this one (0: from the start).
pub fn after(tx: &mut Tx<'_>, user: UserId, limit: i64) -> Result<Vec<Stored>> {
    tx.rows(AFTER, &[user.0.into(), limit.into()], stored)
}

/// Keeps a secret that waits for its first code; an older one waits no more. False: the second factor is on.
pub fn begin(tx: &mut Tx<'_>, user: UserId, sealed: &str, until: Time) -> Result<bool> {
    tx.exec(BEGIN, &[user.0.into(), sealed.into(), until.0.into()]).map(|n| n == 1)
}

/// Makes the waiting secret the user's. False: it is on already, or another secret waits now.
pub fn switch_on(tx: &mut Tx<'_>, user: UserId, pending: &str, step: i64) -> Result<bool> {
    tx.exec(SWITCH_ON, &[user.0.into(), pending.into(), step.into()]).map(|n| n == 1)
}

/// Takes the second factor off. False: there was none.
pub fn switch_off(tx: &mut Tx<'_>, user: UserId) -> Result<bool> {
    tx.exec(SWITCH_OFF, &[user.0.into()]).map(|n| n == 1)
}

/// Notes whose step's code was taken; never goes back.
pub fn take_step(tx: &mut Tx<'_>, user: UserId, step: i64) -> Result<()> {
    tx.exec(TAKE_STEP, &[user.0.into(), step.into()]).map(|_| ())
}

/// Keeps the same secrets, sealed otherwise.
pub fn reseal(tx: &mut Tx<'_>, user: UserId, secret: Option<&str>, pending: Option<&str>) -> Result<()> {
    tx.exec(RESEAL, &[user.0.into(), secret.into(), pending.into()]).map(|_| ())
}

fn stored(row: &Row<'_>) -> Result<Stored> {
    Ok(Stored {
        user: UserId(row.int(0)?),
        secret: row.opt_text(1)?,
        step: row.int(2)?,
        pending: row.opt_text(3)?,
        pending_until: row.opt_int(4)?.map(Time),
    })
}
