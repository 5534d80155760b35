//! The table `relays`: addresses that an app's clients reach through the server. Judges no address; `Debug` shows none.

use std::fmt;

use crate::model::ids::AppId;

use super::{Result, Row, Tx};

const FIND: &str = "SELECT id, url, user_agent, authenticated FROM relays WHERE app_id = $1 AND id = $2";
const ALL: &str = "SELECT id, url, user_agent, authenticated FROM relays WHERE app_id = $1 ORDER BY id";
const INSERT: &str = "INSERT INTO relays (app_id, id, url, user_agent, authenticated) VALUES ($1, $2, $3, $4, $5) \
                      ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM relays WHERE app_id = $1 AND id = $2";

/// A relay of an app.
#[derive(Clone)]
pub struct Relay {
    /// Exact; at most 10 bytes.
    pub id: String,
    /// Where it leads; a secret.
    pub url: String,
    /// Who asks there, as its `User-Agent`.
    pub user_agent: String,
    /// Only for sessions on which a user has logged in.
    pub authenticated: bool,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The relay of this id.
pub fn find(tx: &mut Tx<'_>, app: AppId, id: &str) -> Result<Option<Relay>> {
    tx.row(FIND, &[app.0.into(), id.into()], relay)
}

/// All relays of an app, by id.
pub fn all(tx: &mut Tx<'_>, app: AppId) -> Result<Vec<Relay>> {
    tx.rows(ALL, &[app.0.into()], relay)
}

/// Adds a relay. False: the app has one of this id.
pub fn insert(tx: &mut Tx<'_>, app: AppId, relay: &Relay) -> Result<bool> {
    let Relay { id, url, user_agent, authenticated } = relay;
    let values = [app.0.into(), id.into(), url.into(), user_agent.into(), (*authenticated).into()];
    tx.exec(INSERT, &values).map(|n| n == 1)
}

/// Deletes a relay. False: there is none.
pub fn delete(tx: &mut Tx<'_>, app: AppId, id: &str) -> Result<bool> {
    tx.exec(DELETE, &[app.0.into(), id.into()]).map(|n| n == 1)
}

fn relay(row: &Row<'_>) -> Result<Relay> {
    Ok(Relay { id: row.text(0)?, url: row.text(1)?, user_agent: row.text(2)?, authenticated: row.flag(3)? })
}
