//! The table `outbox`: what has to be sent to the outside, until it is sent or given up. Knows nothing of what is in
//! it, sends nothing.

use crate::model::ids::AppId;
use crate::model::time::Time;

use super::{Result, Row, Tx};

const INSERT: &str = "INSERT INTO outbox (app_id, kind, payload, created_at, due_at) VALUES ($1, $2, $3, $4, $4)";
const DUE: &str = "SELECT o.id, o.app_id, o.payload, o.created_at, o.tries FROM \
                   (SELECT id, due_at, row_number() OVER (PARTITION BY app_id ORDER BY due_at, id) AS place \
                    FROM outbox WHERE kind = $1 AND (due_at <= $2 OR due_at > $3) ORDER BY place, due_at, id LIMIT $4) AS first \
                   JOIN outbox o ON o.id = first.id ORDER BY first.place, first.due_at, first.id";
const COUNT_OF_APP: &str =
    "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE app_id = $1 AND kind = $2 LIMIT $3) AS part";
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE kind = $1 LIMIT $2) AS part";
const LATER: &str = "UPDATE outbox SET due_at = $2, tries = tries + 1 WHERE id = $1";
const ALL_LATER: &str = "UPDATE outbox SET due_at = $3 WHERE app_id = $1 AND kind = $2 AND due_at < $3";
const DELETE: &str = "DELETE FROM outbox WHERE id = $1";

/// Who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A mail.
    Mail,
    /// An HTTP POST.
    Post,
}

/// One thing to send.
pub struct Waiting {
    /// Row.
    pub id: i64,
    /// Whose it is.
    pub app: Option<AppId>,
    /// What it is, sealed.
    pub payload: String,
    /// When it was put here.
    pub created_at: Time,
    /// How often it was tried in vain.
    pub tries: i64,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::Mail => "mail",
            Kind::Post => "post",
        }
    }
}

/// Adds something to send, due now.
pub fn insert(tx: &mut Tx<'_>, app: Option<AppId>, kind: Kind, payload: &str, now: Time) -> Result<()> {
    tx.exec(INSERT, &[app.map(|app| app.0).into(), kind.text().into(), payload.into(), now.0.into()]).map(|_| ())
}

/// What is due, at most `limit`: first the longest waiting of each app, then the second of each, and so on, so that an
/// app with much to send holds up no other. What is due only after `latest` was put there by a clock that was ahead, and
/// is due, too.
pub fn due(tx: &mut Tx<'_>, kind: Kind, now: Time, latest: Time, limit: i64) -> Result<Vec<Waiting>> {
    tx.rows(DUE, &[kind.text().into(), now.0.into(), latest.0.into(), limit.into()], waiting)
}

/// How much of an app's waits, counted up to `limit`.
pub fn count_of_app(tx: &mut Tx<'_>, app: AppId, kind: Kind, limit: i64) -> Result<i64> {
    let values = [app.0.into(), kind.text().into(), limit.into()];
    tx.row(COUNT_OF_APP, &values, |row| row.int(0)).map(Option::unwrap_or_default)
}

/// How much of a kind waits, counted up to `limit`.
pub fn count(tx: &mut Tx<'_>, kind: Kind, limit: i64) -> Result<i64> {
    tx.row(COUNT, &[kind.text().into(), limit.into()], |row| row.int(0)).map(Option::unwrap_or_default)
}

/// Puts off what could not be sent.
pub fn later(tx: &mut Tx<'_>, id: i64, due_at: Time) -> Result<()> {
    tx.exec(LATER, &[id.into(), due_at.0.into()]).map(|_| ())
}

/// Puts off all that an app has waiting.
pub fn all_later(tx: &mut Tx<'_>, app: AppId, kind: Kind, due_at: Time) -> Result<()> {
    tx.exec(ALL_LATER, &[app.0.into(), kind.text().into(), due_at.0.into()]).map(|_| ())
}

/// Takes out what was sent or given up.
pub fn delete(tx: &mut Tx<'_>, id: i64) -> Result<()> {
    tx.exec(DELETE, &[id.into()]).map(|_| ())
}

fn waiting(row: &Row<'_>) -> Result<Waiting> {
    Ok(Waiting {
        id: row.int(0)?,
        app: row.opt_int(1)?.map(AppId),
        payload: row.text(2)?,
        created_at: Time(row.int(3)?),
        tries: row.int(4)?,
    })
}
