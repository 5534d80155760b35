//! The table `subscriptions`.

use crate::model::ids::{AppId, LicenseId, SubscriptionId, UserId};
use crate::model::time::Time;
use crate::model::user::Subscription;

use super::{Result, Row, Tx};

const OF_USER: &str = "SELECT s.id, s.plan, s.level, s.license_id, l.key, s.granted_at, s.expires_at, s.paused_at \
                       FROM subscriptions s LEFT JOIN licenses l ON l.id = s.license_id WHERE s.user_id = $1 ORDER BY s.id";
const INSERT: &str = "INSERT INTO subscriptions (user_id, plan, level, license_id, granted_at, expires_at, paused_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
const SET_EXPIRES_AT: &str = "UPDATE subscriptions SET expires_at = $2 WHERE id = $1";
const PAUSE: &str = "UPDATE subscriptions SET paused_at = (CASE WHEN granted_at > $3 THEN granted_at ELSE $3 END) \
                     WHERE user_id = $1 AND ($2 = '' OR plan = $2) \
                     AND paused_at IS NULL AND (expires_at IS NULL OR expires_at > $3)";
const RESUME: &str = "UPDATE subscriptions \
                      SET expires_at = expires_at + (CASE WHEN paused_at > $3 THEN 0 ELSE $3 - paused_at END), \
                      paused_at = NULL WHERE user_id = $1 AND ($2 = '' OR plan = $2) AND paused_at IS NOT NULL";
const SHIFT_APP: &str = "UPDATE subscriptions \
                         SET expires_at = expires_at + ($3 - (CASE WHEN granted_at > $2 THEN granted_at ELSE $2 END)) \
                         WHERE user_id IN (SELECT id FROM users WHERE app_id = $1) \
                         AND paused_at IS NULL AND expires_at > $2";
const DELETE: &str = "DELETE FROM subscriptions WHERE id = $1";

/// What a user holds, oldest first.
pub fn of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Subscription>> {
    tx.rows(OF_USER, &[user.0.into()], subscription)
}

/// Grants one (its `id` and `key` are not looked at).
pub fn insert(tx: &mut Tx<'_>, user: UserId, new: &Subscription) -> Result<()> {
    let values = [
        user.0.into(),
        (&new.plan).into(),
        new.level.as_ref().into(),
        new.license.map(|l| l.0).into(),
        new.granted_at.0.into(),
        new.expires_at.map(|t| t.0).into(),
        new.paused_at.map(|t| t.0).into(),
    ];
    tx.exec(INSERT, &values).map(|_| ())
}

/// Moves its end; none is lifetime.
pub fn set_expires_at(tx: &mut Tx<'_>, id: SubscriptionId, expires_at: Option<Time>) -> Result<bool> {
    tx.exec(SET_EXPIRES_AT, &[id.0.into(), expires_at.map(|t| t.0).into()]).map(|n| n == 1)
}

/// Stops the clock of what a user holds and what still runs (of one plan, or of all). `now` is the app's time: while
/// the app itself is paused, the moment at which it stopped. Answers how many.
pub fn pause(tx: &mut Tx<'_>, user: UserId, plan: Option<&str>, now: Time) -> Result<u64> {
    tx.exec(PAUSE, &[user.0.into(), plan.unwrap_or_default().into(), now.0.into()])
}

/// Lets it run again; what was left is left. `now` is the app's time, as in [`pause`]. Answers how many.
pub fn resume(tx: &mut Tx<'_>, user: UserId, plan: Option<&str>, now: Time) -> Result<u64> {
    tx.exec(RESUME, &[user.0.into(), plan.unwrap_or_default().into(), now.0.into()])
}

/// An app that stood still from `from` to `until` runs again: what ran at `from`, or was granted since, ends so much
/// later.
pub fn shift_app(tx: &mut Tx<'_>, app: AppId, from: Time, until: Time) -> Result<u64> {
    tx.exec(SHIFT_APP, &[app.0.into(), from.0.into(), until.0.into()])
}

/// Takes one away. False: it is gone already.
pub fn delete(tx: &mut Tx<'_>, id: SubscriptionId) -> Result<bool> {
    tx.exec(DELETE, &[id.0.into()]).map(|n| n == 1)
}

fn subscription(row: &Row<'_>) -> Result<Subscription> {
    Ok(Subscription {
        id: SubscriptionId(row.int(0)?),
        plan: row.text(1)?,
        level: row.opt_text(2)?,
        license: row.opt_int(3)?.map(LicenseId),
        key: row.opt_text(4)?,
        granted_at: Time(row.int(5)?),
        expires_at: row.opt_int(6)?.map(Time),
        paused_at: row.opt_int(7)?.map(Time),
    })
}
