//! The table `licenses`.

use crate::model::ids::{AppId, LicenseId, UserId, fold};
use crate::model::license::License;
use crate::model::time::{Span, Time};

use super::{Result, Row, Tx};

const BY_KEY: &str = "SELECT id, key, level, duration, note, created_by, created_at, used_at, used_by, banned, ban_reason, \
                      paused, expires_at FROM licenses WHERE app_id = $1 AND lower(key) = $2";
// The plus keeps the engine off the index that begins with app_id: it would read and sort all of the app for every page.
const AFTER: &str = "SELECT id, key, level, duration, note, created_by, created_at, used_at, used_by, banned, ban_reason, \
                     paused, expires_at FROM licenses WHERE +app_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const AFTER_WITH_USERS: &str = "SELECT l.id, l.key, l.level, l.duration, l.note, l.created_by, l.created_at, l.used_at, \
                                l.used_by, l.banned, l.ban_reason, l.paused, l.expires_at, u.name \
                                FROM licenses l LEFT JOIN users u ON u.id = l.used_by \
                                WHERE +l.app_id = $1 AND l.id > $2 ORDER BY l.id LIMIT $3";
const FIRST_OF_USER: &str = "SELECT id, key, level, duration, note, created_by, created_at, used_at, used_by, banned, \
                             ban_reason, paused, expires_at FROM licenses WHERE used_by = $1 ORDER BY used_at, id LIMIT 1";
const COUNT: &str = "SELECT count(*) FROM licenses WHERE app_id = $1";
const INSERT: &str = "INSERT INTO licenses (app_id, key, level, duration, note, created_by, created_at, used_at, used_by, \
                      banned, ban_reason, paused, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
                      ON CONFLICT DO NOTHING RETURNING id";
const REDEEM: &str = "UPDATE licenses SET used_at = $2, used_by = $3 WHERE id = $1 AND used_at IS NULL AND banned = 0 \
                      AND paused = 0 AND (expires_at IS NULL OR expires_at > $2)";
const RELEASE_OF_USER: &str = "UPDATE licenses SET used_by = NULL WHERE used_by = $1";
const SET_PAUSED: &str = "UPDATE licenses SET paused = $2 WHERE id = $1 AND paused <> $2";
const BAN: &str = "UPDATE licenses SET banned = 1, ban_reason = $2 WHERE id = $1";
const UNBAN: &str = "UPDATE licenses SET banned = 0, ban_reason = NULL WHERE id = $1 AND banned = 1";
const EXTEND: &str =
    "UPDATE licenses SET duration = duration + $2 WHERE id = $1 AND duration IS NOT NULL AND used_at IS NULL";
const SET_LIFETIME: &str =
    "UPDATE licenses SET duration = NULL WHERE id = $1 AND duration IS NOT NULL AND used_at IS NULL";
const DELETE: &str = "DELETE FROM licenses WHERE id = $1";

/// The license with this key, compared without regard to case.
pub fn by_key(tx: &mut Tx<'_>, app: AppId, key: &str) -> Result<Option<License>> {
    tx.row(BY_KEY, &[app.0.into(), (&fold(key)).into()], license)
}

/// The license that a user used first, of those that are left.
pub fn first_of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Option<License>> {
    tx.row(FIRST_OF_USER, &[user.0.into()], license)
}

/// How many licenses an app has.
pub fn count(tx: &mut Tx<'_>, app: AppId) -> Result<i64> {
    tx.row(COUNT, &[app.0.into()], |row| row.int(0)).map(Option::unwrap_or_default)
}

/// At most `limit` licenses of an app in the order they were made, after this one (0: from the start).
pub fn after(tx: &mut Tx<'_>, app: AppId, after: LicenseId, limit: i64) -> Result<Vec<License>> {
    tx.rows(AFTER, &[app.0.into(), after.0.into(), limit.into()], license)
}

/// As [`after`], each with the name of the user that redeemed it.
pub fn after_with_users(
    tx: &mut Tx<'_>,
    app: AppId,
    after: LicenseId,
    limit: i64,
) -> Result<Vec<(License, Option<String>)>> {
    tx.rows(AFTER_WITH_USERS, &[app.0.into(), after.0.into(), limit.into()], |row| {
        Ok((license(row)?, row.opt_text(13)?))
    })
}

/// Adds a license as it stands (its `id` is not looked at). None: the key is taken.
pub fn insert(tx: &mut Tx<'_>, app: AppId, new: &License) -> Result<Option<LicenseId>> {
    let duration = match new.duration {
        Span::Seconds(seconds) => Some(seconds),
        Span::Lifetime => None,
    };
    let values = [
        app.0.into(),
        (&new.key).into(),
        (&new.level).into(),
        duration.into(),
        new.note.as_ref().into(),
        new.created_by.as_ref().into(),
        new.created_at.0.into(),
        new.used_at.map(|t| t.0).into(),
        new.used_by.map(|u| u.0).into(),
        new.banned.into(),
        new.ban_reason.as_ref().into(),
        new.paused.into(),
        new.expires_at.map(|t| t.0).into(),
    ];
    tx.row(INSERT, &values, |row| row.int(0).map(LicenseId))
}

/// Uses the license up for this user, or without noting for whom. False: it was used, banned or paused meanwhile, or is over.
pub fn redeem(tx: &mut Tx<'_>, license: LicenseId, user: impl Into<Option<UserId>>, now: Time) -> Result<bool> {
    let user = user.into().map(|user| user.0);
    tx.exec(REDEEM, &[license.0.into(), now.0.into(), user.into()]).map(|n| n == 1)
}

/// What a user used up stays used up, and nobody is noted for it any more.
pub fn release_of_user(tx: &mut Tx<'_>, user: UserId) -> Result<()> {
    tx.exec(RELEASE_OF_USER, &[user.0.into()]).map(|_| ())
}

/// Bans it. False: it is gone.
pub fn ban(tx: &mut Tx<'_>, license: LicenseId, reason: Option<&str>) -> Result<bool> {
    tx.exec(BAN, &[license.0.into(), reason.into()]).map(|n| n == 1)
}

/// Lifts the ban; it is again what it was. False: it was not banned.
pub fn unban(tx: &mut Tx<'_>, license: LicenseId) -> Result<bool> {
    tx.exec(UNBAN, &[license.0.into()]).map(|n| n == 1)
}

/// Pauses it, or lets it be used again. False: it was so already.
pub fn set_paused(tx: &mut Tx<'_>, license: LicenseId, paused: bool) -> Result<bool> {
    tx.exec(SET_PAUSED, &[license.0.into(), paused.into()]).map(|n| n == 1)
}

/// Makes an unused license of finite duration longer. False: it is used or lifetime.
pub fn extend(tx: &mut Tx<'_>, license: LicenseId, seconds: i64) -> Result<bool> {
    tx.exec(EXTEND, &[license.0.into(), seconds.into()]).map(|n| n == 1)
}

/// Gives an unused license of finite duration one without end. False: it is used or lifetime.
pub fn set_lifetime(tx: &mut Tx<'_>, license: LicenseId) -> Result<bool> {
    tx.exec(SET_LIFETIME, &[license.0.into()]).map(|n| n == 1)
}

/// Deletes it; what it gave stays with its user. False: it is gone already.
pub fn delete(tx: &mut Tx<'_>, license: LicenseId) -> Result<bool> {
    tx.exec(DELETE, &[license.0.into()]).map(|n| n == 1)
}

fn license(row: &Row<'_>) -> Result<License> {
    Ok(License {
        id: LicenseId(row.int(0)?),
        key: row.text(1)?,
        level: row.text(2)?,
        duration: row.opt_int(3)?.map_or(Span::Lifetime, Span::Seconds),
        note: row.opt_text(4)?,
        created_by: row.opt_text(5)?,
        created_at: Time(row.int(6)?),
        used_at: row.opt_int(7)?.map(Time),
        used_by: row.opt_int(8)?.map(UserId),
        banned: row.flag(9)?,
        ban_reason: row.opt_text(10)?,
        paused: row.flag(11)?,
        expires_at: row.opt_int(12)?.map(Time),
    })
}
