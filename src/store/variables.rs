//! The table `variables`: texts that an app hands to its clients.

use std::sync::Arc;

use crate::model::ids::AppId;
use crate::model::time::Time;

use super::{Change, Result, Row, Store, Tx};

const FIND: &str = "SELECT name, value, authenticated, updated_at FROM variables WHERE app_id = $1 AND name = $2";
const ALL: &str = "SELECT name, value, authenticated, updated_at FROM variables WHERE app_id = $1 ORDER BY name";
const COUNT: &str = "SELECT count(*) FROM variables WHERE app_id = $1";
const SET: &str = "INSERT INTO variables (app_id, name, value, authenticated, updated_at) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (app_id, name) DO UPDATE SET value = excluded.value, authenticated = excluded.authenticated, \
                   updated_at = excluded.updated_at";
const DELETE: &str = "DELETE FROM variables WHERE app_id = $1 AND name = $2";

/// A variable of an app.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Exact; at most 49 bytes.
    pub name: String,
    /// At most 1,000 bytes.
    pub value: String,
    /// Only for sessions on which a user has logged in.
    pub authenticated: bool,
    /// When it was last set; 0 if that is not known.
    pub updated_at: Time,
}

/// The variable of this name: from the cache, else from the database.
pub async fn lookup(store: &Store, app: AppId, name: String) -> Result<Option<Arc<Variable>>> {
    let place = match store.cache().variable_or_place(app, &name).await {
        Ok(variable) => return Ok(Some(variable)),
        Err(place) => place,
    };
    let found = store.read(move |tx| find(tx, app, &name)).await?.map(Arc::new);
    if let Some(variable) = &found {
        place.keep(Arc::clone(variable));
    }
    Ok(found)
}

/// The variable of this name.
pub fn find(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<Option<Variable>> {
    tx.row(FIND, &[app.0.into(), name.into()], variable)
}

/// All variables of an app, by name.
pub fn all(tx: &mut Tx<'_>, app: AppId) -> Result<Vec<Variable>> {
    tx.rows(ALL, &[app.0.into()], variable)
}

/// How many variables an app has.
pub fn count(tx: &mut Tx<'_>, app: AppId) -> Result<i64> {
    tx.row(COUNT, &[app.0.into()], |row| row.int(0)).map(Option::unwrap_or_default)
}

/// Adds or replaces a variable.
pub fn set(tx: &mut Tx<'_>, app: AppId, variable: &Variable) -> Result<()> {
    let values = [
        app.0.into(),
        (&variable.name).into(),
        (&variable.value).into(),
        variable.authenticated.into(),
        variable.updated_at.0.into(),
    ];
    tx.exec(SET, &values)?;
    tx.changed(Change::ForgetVariable(app, variable.name.clone()));
    Ok(())
}

/// Deletes a variable. False: there is none.
pub fn delete(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<bool> {
    tx.changed(Change::ForgetVariable(app, name.to_owned()));
    tx.exec(DELETE, &[app.0.into(), name.into()]).map(|n| n == 1)
}

fn variable(row: &Row<'_>) -> Result<Variable> {
    Ok(Variable { name: row.text(0)?, value: row.text(1)?, authenticated: row.flag(2)?, updated_at: Time(row.int(3)?) })
}
