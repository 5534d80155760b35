//! The table `logs`: what clients logged.

use crate::model::ids::{AppId, fold};
use crate::model::log::LogLine;
use crate::model::time::Time;

use super::{Result, Row, Tx};

const INSERT: &str = "INSERT INTO logs (app_id, logged_at, message, credential, pc_user, ip) \
                      VALUES ($1, $2, $3, $4, $5, $6)";
const NEWEST: &str = "SELECT logged_at, message, credential, pc_user, ip FROM logs WHERE app_id = $1 \
                      ORDER BY id DESC LIMIT $2";
const NEWEST_OF: &str = "SELECT logged_at, message, credential, pc_user, ip FROM logs \
                         WHERE app_id = $1 AND lower(credential) = $3 ORDER BY id DESC LIMIT $2";
const AFTER: &str = "SELECT logged_at, message, credential, pc_user, ip, id FROM logs \
                     WHERE app_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const CLEAR: &str = "DELETE FROM logs WHERE id IN \
                     (SELECT id FROM logs WHERE app_id = $1 AND logged_at < $2 ORDER BY id LIMIT $3)";
const CLEAN: &str = "DELETE FROM logs WHERE id IN \
                     (SELECT id FROM logs WHERE logged_at < $1 ORDER BY logged_at LIMIT $2)";
const TOO_MANY: &str = "SELECT l.app_id, (SELECT id FROM logs WHERE app_id = l.app_id ORDER BY id DESC LIMIT 1 OFFSET $1) \
                        FROM logs l GROUP BY l.app_id HAVING count(*) > $1";
const TRIM: &str = "DELETE FROM logs WHERE id IN (SELECT id FROM logs WHERE app_id = $1 \
                    AND id <= (SELECT id FROM logs WHERE app_id = $1 AND id = $2) ORDER BY id LIMIT $3)";

/// Adds a line.
pub fn insert(tx: &mut Tx<'_>, app: AppId, line: &LogLine) -> Result<()> {
    let values = [
        app.0.into(),
        line.logged_at.0.into(),
        (&line.message).into(),
        line.credential.as_ref().into(),
        line.pc_user.as_ref().into(),
        (&line.ip).into(),
    ];
    tx.exec(INSERT, &values).map(|_| ())
}

/// At most `limit` lines of an app, newest first; only those of one user if it is named.
pub fn newest(tx: &mut Tx<'_>, app: AppId, user: Option<&str>, limit: i64) -> Result<Vec<LogLine>> {
    match user {
        None => tx.rows(NEWEST, &[app.0.into(), limit.into()], line),
        Some(name) => tx.rows(NEWEST_OF, &[app.0.into(), limit.into(), (&fold(name)).into()], line),
    }
}

/// At most `limit` lines of an app in the order they were logged, after this row (0: from the start), each with its row.
pub fn after(tx: &mut Tx<'_>, app: AppId, after: i64, limit: i64) -> Result<Vec<(i64, LogLine)>> {
    tx.rows(AFTER, &[app.0.into(), after.into(), limit.into()], |row| Ok((row.int(5)?, line(row)?)))
}

/// Deletes at most `limit` lines of an app that are older than `before`. Answers how many.
pub fn clear(tx: &mut Tx<'_>, app: AppId, before: Time, limit: i64) -> Result<u64> {
    tx.exec(CLEAR, &[app.0.into(), before.0.into(), limit.into()])
}

/// Deletes at most `limit` lines of all apps that are older than `before`. Answers how many.
pub fn clean(tx: &mut Tx<'_>, before: Time, limit: i64) -> Result<u64> {
    tx.exec(CLEAN, &[before.0.into(), limit.into()])
}

/// The apps that have more than `most` lines, and the row of the newest line that is too many.
pub fn too_many(tx: &mut Tx<'_>, most: i64) -> Result<Vec<(AppId, i64)>> {
    tx.rows(TOO_MANY, &[most.into()], |row| Ok((AppId(row.int(0)?), row.int(1)?)))
}

/// Deletes at most `limit` of an app's oldest lines, up to the row `last`. None, if that is gone: somebody else has cleared
/// the log since it was found, and what is left is not too much. Answers how many.
pub fn trim(tx: &mut Tx<'_>, app: AppId, last: i64, limit: i64) -> Result<u64> {
    tx.exec(TRIM, &[app.0.into(), last.into(), limit.into()])
}

fn line(row: &Row<'_>) -> Result<LogLine> {
    Ok(LogLine {
        logged_at: Time(row.int(0)?),
        message: row.text(1)?,
        credential: row.opt_text(2)?,
        pc_user: row.opt_text(3)?,
        ip: row.text(4)?,
    })
}
