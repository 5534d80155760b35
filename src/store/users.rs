//! The table `users`.

use crate::model::ids::{AppId, UserId, fold};
use crate::model::time::Time;
use crate::model::user::{Credential, Profile, User};

use super::{Error, Result, Row, Tx};

const BY_NAME: &str = "SELECT id, name, login, secret, email_sha1, ip, created_at, last_login_at, banned, ban_reason, \
                       uuid, email, email_claimed, first_name, last_name, phone, phone_country_code, device_limit, session_limit \
                       FROM users WHERE app_id = $1 AND lower(name) = $2";
const BY_ID: &str = "SELECT id, name, login, secret, email_sha1, ip, created_at, last_login_at, banned, ban_reason, \
                       uuid, email, email_claimed, first_name, last_name, phone, phone_country_code, device_limit, session_limit \
                     FROM users WHERE app_id = $1 AND id = $2";
// Two are as good as many: an address that is not one user's is nobody's.
const BY_EMAIL: &str = "SELECT id, name, login, secret, email_sha1, ip, created_at, last_login_at, banned, ban_reason, \
                       uuid, email, email_claimed, first_name, last_name, phone, phone_country_code, device_limit, session_limit \
                        FROM users WHERE app_id = $1 AND email_sha1 = $2 LIMIT 2";
// The plus keeps the engine off the index that begins with app_id: it would read and sort all of the app for every page.
const AFTER: &str = "SELECT id, name, login, secret, email_sha1, ip, created_at, last_login_at, banned, ban_reason, \
                       uuid, email, email_claimed, first_name, last_name, phone, phone_country_code, device_limit, session_limit \
                     FROM users WHERE +app_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const COUNT: &str = "SELECT count(*) FROM users WHERE app_id = $1";
const INSERT: &str = "INSERT INTO users (app_id, name, login, secret, email_sha1, ip, created_at, last_login_at, banned, \
                      ban_reason, uuid, email, email_claimed, first_name, last_name, phone, phone_country_code, device_limit, session_limit) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING RETURNING id";
const LOGGED_IN: &str = "UPDATE users SET ip = $2, last_login_at = $3 WHERE id = $1";
const SET_EMAIL: &str = "UPDATE users SET email = $2, email_sha1 = $3 WHERE id = $1 AND (email_claimed = 0 OR NOT EXISTS \
                         (SELECT 1 FROM users o WHERE o.app_id = users.app_id AND o.email_claimed = 1 \
                         AND o.email_sha1 = $3 AND o.id <> $1))";
const SET_LIMITS: &str = "UPDATE users SET device_limit = $2, session_limit = $3 WHERE id = $1";
const BY_CLAIMED_EMAIL: &str = "SELECT id, name, login, secret, email_sha1, ip, created_at, last_login_at, banned, ban_reason, \
                       uuid, email, email_claimed, first_name, last_name, phone, phone_country_code, device_limit, session_limit \
                       FROM users WHERE app_id = $1 AND email_sha1 = $2 AND email_claimed = 1";
const HAS_EMAIL: &str = "SELECT 1 FROM users WHERE app_id = $1 AND email_sha1 = $2 LIMIT 1";
const HAS_PHONE: &str = "SELECT 1 FROM users WHERE app_id = $1 AND phone = $2";
const RENAME: &str = "UPDATE users SET name = $2 WHERE id = $1 AND NOT EXISTS \
                      (SELECT 1 FROM users o WHERE o.app_id = users.app_id AND lower(o.name) = $3 AND o.id <> $1)";
const RENAME_AUTHOR: &str = "UPDATE chat_messages SET author = $2 WHERE user_id = $1";
const SET_CREDENTIAL: &str = "UPDATE users SET login = $2, secret = $3 WHERE id = $1";
const BAN: &str = "UPDATE users SET banned = 1, ban_reason = $2 WHERE id = $1";
const UNBAN: &str = "UPDATE users SET banned = 0, ban_reason = NULL WHERE id = $1 AND banned = 1";
const DELETE: &str = "DELETE FROM users WHERE id = $1";

/// The user of this name, compared without regard to case.
pub fn by_name(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<Option<User>> {
    tx.row(BY_NAME, &[app.0.into(), (&fold(name)).into()], user)
}

/// The user of this row, if it belongs to the app.
pub fn by_id(tx: &mut Tx<'_>, app: AppId, id: UserId) -> Result<Option<User>> {
    tx.row(BY_ID, &[app.0.into(), id.0.into()], user)
}

/// The one user with this e-mail address (its SHA-1). None: nobody has it, or several have.
pub fn by_email(tx: &mut Tx<'_>, app: AppId, email_sha1: &str) -> Result<Option<User>> {
    let mut found = tx.rows(BY_EMAIL, &[app.0.into(), email_sha1.into()], user)?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// At most `limit` users of an app in the order they were made, after this one (0: from the start).
pub fn after(tx: &mut Tx<'_>, app: AppId, after: UserId, limit: i64) -> Result<Vec<User>> {
    tx.rows(AFTER, &[app.0.into(), after.0.into(), limit.into()], user)
}

/// How many users an app has.
pub fn count(tx: &mut Tx<'_>, app: AppId) -> Result<i64> {
    tx.row(COUNT, &[app.0.into()], |row| row.int(0)).map(Option::unwrap_or_default)
}

/// Adds a user as it stands (its `id` is not looked at). None: the name is taken.
pub fn insert(tx: &mut Tx<'_>, app: AppId, new: &User) -> Result<Option<UserId>> {
    let (login, secret) = columns(&new.credential);
    let uuid = new.uuid.to_string();
    let values = [
        app.0.into(),
        (&new.name).into(),
        login.into(),
        secret.into(),
        new.email_sha1.as_ref().into(),
        new.ip.as_ref().into(),
        new.created_at.0.into(),
        new.last_login_at.0.into(),
        new.banned.into(),
        new.ban_reason.as_ref().into(),
        (&uuid).into(),
        new.email.as_ref().into(),
        new.email_claimed.into(),
        new.profile.first_name.as_ref().into(),
        new.profile.last_name.as_ref().into(),
        new.profile.phone.as_ref().into(),
        new.profile.phone_country_code.as_ref().into(),
        new.device_limit.into(),
        new.session_limit.into(),
    ];
    tx.row(INSERT, &values, |row| row.int(0).map(UserId))
}

/// Notes a login.
pub fn logged_in(tx: &mut Tx<'_>, user: UserId, ip: &str, now: Time) -> Result<()> {
    tx.exec(LOGGED_IN, &[user.0.into(), ip.into(), now.0.into()]).map(|_| ())
}

/// Changes its e-mail address, given as text and as SHA-1. False: it is gone, or it claims its address and another user
/// claims the new one.
pub fn set_email(tx: &mut Tx<'_>, user: UserId, email: Option<&str>, email_sha1: Option<&str>) -> Result<bool> {
    tx.exec(SET_EMAIL, &[user.0.into(), email.into(), email_sha1.into()]).map(|n| n == 1)
}

/// Changes how many devices and session tokens it may have; none: as the app says. False: it is gone.
pub fn set_limits(tx: &mut Tx<'_>, user: UserId, devices: Option<i64>, sessions: Option<i64>) -> Result<bool> {
    tx.exec(SET_LIMITS, &[user.0.into(), devices.into(), sessions.into()]).map(|n| n == 1)
}

/// The user who claims this e-mail address (its SHA-1).
pub fn by_claimed_email(tx: &mut Tx<'_>, app: AppId, email_sha1: &str) -> Result<Option<User>> {
    tx.row(BY_CLAIMED_EMAIL, &[app.0.into(), email_sha1.into()], user)
}

/// Whether any user has this e-mail address (its SHA-1).
pub fn has_email(tx: &mut Tx<'_>, app: AppId, email_sha1: &str) -> Result<bool> {
    tx.row(HAS_EMAIL, &[app.0.into(), email_sha1.into()], |_| Ok(())).map(|found| found.is_some())
}

/// Whether a user has this phone number.
pub fn has_phone(tx: &mut Tx<'_>, app: AppId, phone: &str) -> Result<bool> {
    tx.row(HAS_PHONE, &[app.0.into(), phone.into()], |_| Ok(())).map(|found| found.is_some())
}

/// Gives it another name, also in its chat messages. False: another user of the app has it.
pub fn rename(tx: &mut Tx<'_>, user: &User, name: &str) -> Result<bool> {
    if tx.exec(RENAME, &[user.id.0.into(), name.into(), (&fold(name)).into()])? == 0 {
        return Ok(false);
    }
    tx.exec(RENAME_AUTHOR, &[user.id.0.into(), name.into()])?;
    Ok(true)
}

/// Changes how the user proves who it is.
pub fn set_credential(tx: &mut Tx<'_>, user: UserId, credential: &Credential) -> Result<()> {
    let (login, secret) = columns(credential);
    tx.exec(SET_CREDENTIAL, &[user.0.into(), login.into(), secret.into()]).map(|_| ())
}

/// Bans it. False: it is gone.
pub fn ban(tx: &mut Tx<'_>, user: UserId, reason: Option<&str>) -> Result<bool> {
    tx.exec(BAN, &[user.0.into(), reason.into()]).map(|n| n == 1)
}

/// Lifts the ban. False: it was not banned.
pub fn unban(tx: &mut Tx<'_>, user: UserId) -> Result<bool> {
    tx.exec(UNBAN, &[user.0.into()]).map(|n| n == 1)
}

/// Deletes it with all it holds; its license stays used. False: it is gone already.
pub fn delete(tx: &mut Tx<'_>, user: UserId) -> Result<bool> {
    tx.exec(DELETE, &[user.0.into()]).map(|n| n == 1)
}

fn columns(credential: &Credential) -> (&'static str, Option<&str>) {
    match credential {
        Credential::Password(hash) => ("password", Some(hash)),
        Credential::License => ("license", None),
        Credential::Claimable => ("claimable", None),
        Credential::Locked => ("locked", None),
    }
}

fn user(row: &Row<'_>) -> Result<User> {
    let credential = match (row.text(2)?.as_str(), row.opt_text(3)?) {
        ("password", Some(hash)) => Credential::Password(hash),
        ("license", _) => Credential::License,
        ("claimable", _) => Credential::Claimable,
        ("locked", _) => Credential::Locked,
        (other, _) => return Err(Error::Bug(format!("a user with login {other:?}"))),
    };
    Ok(User {
        id: UserId(row.int(0)?),
        name: row.text(1)?,
        credential,
        uuid: row.text(10)?.parse().map_err(|_| Error::Bug("a user's uuid that is none".to_owned()))?,
        email: row.opt_text(11)?,
        email_sha1: row.opt_text(4)?,
        email_claimed: row.flag(12)?,
        profile: Profile {
            first_name: row.opt_text(13)?,
            last_name: row.opt_text(14)?,
            phone: row.opt_text(15)?,
            phone_country_code: row.opt_text(16)?,
        },
        device_limit: row.opt_int(17)?,
        session_limit: row.opt_int(18)?,
        ip: row.opt_text(5)?,
        created_at: Time(row.int(6)?),
        last_login_at: Time(row.int(7)?),
        banned: row.flag(8)?,
        ban_reason: row.opt_text(9)?,
    })
}
