//! The second factor of users: its columns of the table `users`. Seals nothing and opens nothing.

use crate::model::ids::UserId;
use crate::model::time::Time;

use super::{Result, Row, Tx};

const OF_USER: &str = "SELECT two_factor, two_factor_step, two_factor_pending, two_factor_pending_until \
                       FROM users WHERE id = $1";
const BEGIN: &str = "UPDATE users SET two_factor_pending = $2, two_factor_pending_until = $3 \
                     WHERE id = $1 AND two_factor IS NULL";
const SWITCH_ON: &str = "UPDATE users SET two_factor = two_factor_pending, two_factor_step = $3, \
                         two_factor_pending = NULL, two_factor_pending_until = NULL \
                         WHERE id = $1 AND two_factor IS NULL AND two_factor_pending = $2";
const SET: &str = "UPDATE users SET two_factor = $2 WHERE id = $1";
const SWITCH_OFF: &str = "UPDATE users SET two_factor = NULL, two_factor_step = 0, two_factor_pending = NULL, \
                          two_factor_pending_until = NULL WHERE id = $1 AND two_factor IS NOT NULL";
const TAKE_STEP: &str = "UPDATE users SET two_factor_step = $2 WHERE id = $1 AND two_factor_step < $2";

/// What is stored of a user's second factor.
pub struct Stored {
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

/// Keeps a secret that waits for its first code; an older one waits no more. False: the second factor is on.
pub fn begin(tx: &mut Tx<'_>, user: UserId, sealed: &str, until: Time) -> Result<bool> {
    tx.exec(BEGIN, &[user.0.into(), sealed.into(), until.0.into()]).map(|n| n == 1)
}

/// Makes the waiting secret the user's. False: it is on already, or another secret waits now.
pub fn switch_on(tx: &mut Tx<'_>, user: UserId, pending: &str, step: i64) -> Result<bool> {
    tx.exec(SWITCH_ON, &[user.0.into(), pending.into(), step.into()]).map(|n| n == 1)
}

/// Gives a user a secret as it stands.
pub fn set(tx: &mut Tx<'_>, user: UserId, sealed: &str) -> Result<()> {
    tx.exec(SET, &[user.0.into(), sealed.into()]).map(|_| ())
}

/// Takes the second factor off. False: there was none.
pub fn switch_off(tx: &mut Tx<'_>, user: UserId) -> Result<bool> {
    tx.exec(SWITCH_OFF, &[user.0.into()]).map(|n| n == 1)
}

/// Notes whose step's code was taken; never goes back.
pub fn take_step(tx: &mut Tx<'_>, user: UserId, step: i64) -> Result<()> {
    tx.exec(TAKE_STEP, &[user.0.into(), step.into()]).map(|_| ())
}

fn stored(row: &Row<'_>) -> Result<Stored> {
    Ok(Stored {
        secret: row.opt_text(0)?,
        step: row.int(1)?,
        pending: row.opt_text(2)?,
        pending_until: row.opt_int(3)?.map(Time),
    })
}
