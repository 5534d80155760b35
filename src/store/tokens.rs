//! The table `tokens`: what stands in the files of the token system.

use crate::model::ids::{AppId, LicenseId, TokenId};
use crate::model::time::Time;

use super::{Result, Row, Tx};

const FIND: &str = "SELECT t.id, t.token, t.license_id, l.key, t.file_hash, t.note, t.banned, t.ban_reason, t.created_at \
                    FROM tokens t LEFT JOIN licenses l ON l.id = t.license_id WHERE t.app_id = $1 AND t.token = $2";
// The plus keeps the engine off the index that begins with app_id: it would read and sort all of the app for every page.
const AFTER: &str = "SELECT t.id, t.token, t.license_id, l.key, t.file_hash, t.note, t.banned, t.ban_reason, \
                     t.created_at FROM tokens t LEFT JOIN licenses l ON l.id = t.license_id \
                     WHERE +t.app_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3";
const INSERT: &str = "INSERT INTO tokens (app_id, token, license_id, note, created_at) VALUES ($1, $2, $3, $4, $5)";
const BIND: &str = "UPDATE tokens SET file_hash = $2 WHERE id = $1 AND (file_hash IS NULL OR file_hash = $2)";
const RESET: &str = "UPDATE tokens SET file_hash = NULL WHERE id = $1 AND file_hash IS NOT NULL";
const BAN: &str = "UPDATE tokens SET banned = 1, ban_reason = $2 WHERE id = $1";
const UNBAN: &str = "UPDATE tokens SET banned = 0, ban_reason = NULL WHERE id = $1 AND banned = 1";
const DELETE: &str = "DELETE FROM tokens WHERE id = $1";

/// A token of an app.
#[derive(Clone, Debug)]
pub struct Token {
    /// Row.
    pub id: TokenId,
    /// Exact; new ones are 32 lower-case hex characters.
    pub token: String,
    /// The license it was given out with, if one was named.
    pub license: Option<LicenseId>,
    /// That license's key.
    pub key: Option<String>,
    /// The hash of the one file that it may stand in, lower-cased; none until the first use.
    pub file_hash: Option<String>,
    /// The operator's words on it.
    pub note: Option<String>,
    /// Whether it is banned.
    pub banned: bool,
    /// Why it is banned, at most 99 bytes.
    pub ban_reason: Option<String>,
    /// When it was made.
    pub created_at: Time,
}

/// The token, if the app has it.
pub fn find(tx: &mut Tx<'_>, app: AppId, text: &str) -> Result<Option<Token>> {
    tx.row(FIND, &[app.0.into(), text.into()], token)
}

/// At most `limit` tokens of an app in the order they were made, after this one (0: from the start).
pub fn after(tx: &mut Tx<'_>, app: AppId, after: TokenId, limit: i64) -> Result<Vec<Token>> {
    tx.rows(AFTER, &[app.0.into(), after.0.into(), limit.into()], token)
}

/// Adds a token that no file is bound to.
pub fn insert(
    tx: &mut Tx<'_>,
    app: AppId,
    text: &str,
    license: Option<LicenseId>,
    note: Option<&str>,
    now: Time,
) -> Result<()> {
    let values = [app.0.into(), text.into(), license.map(|id| id.0).into(), note.into(), now.0.into()];
    tx.exec(INSERT, &values).map(|_| ())
}

/// Binds the token to the file of this hash. False: it is bound to another.
pub fn bind(tx: &mut Tx<'_>, token: TokenId, hash: &str) -> Result<bool> {
    tx.exec(BIND, &[token.0.into(), hash.into()]).map(|n| n == 1)
}

/// Frees the token: the next file is bound. False: no file was.
pub fn reset(tx: &mut Tx<'_>, token: TokenId) -> Result<bool> {
    tx.exec(RESET, &[token.0.into()]).map(|n| n == 1)
}

/// Bans it. False: it is gone.
pub fn ban(tx: &mut Tx<'_>, token: TokenId, reason: Option<&str>) -> Result<bool> {
    tx.exec(BAN, &[token.0.into(), reason.into()]).map(|n| n == 1)
}

/// Lifts the ban. False: it was not banned.
pub fn unban(tx: &mut Tx<'_>, token: TokenId) -> Result<bool> {
    tx.exec(UNBAN, &[token.0.into()]).map(|n| n == 1)
}

/// Deletes it. False: it is gone already.
pub fn delete(tx: &mut Tx<'_>, token: TokenId) -> Result<bool> {
    tx.exec(DELETE, &[token.0.into()]).map(|n| n == 1)
}

fn token(row: &Row<'_>) -> Result<Token> {
    Ok(Token {
        id: TokenId(row.int(0)?),
        token: row.text(1)?,
        license: row.opt_int(2)?.map(LicenseId),
        key: row.opt_text(3)?,
        file_hash: row.opt_text(4)?,
        note: row.opt_text(5)?,
        banned: row.flag(6)?,
        ban_reason: row.opt_text(7)?,
        created_at: Time(row.int(8)?),
    })
}
