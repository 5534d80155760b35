//! The table `user_variables`: texts that single users keep in an app.

use crate::model::ids::UserId;

use super::{Result, Row, Tx};

const FIND: &str = "SELECT name, value, read_only FROM user_variables WHERE user_id = $1 AND name = $2";
const OF_USER: &str = "SELECT name, value, read_only FROM user_variables WHERE user_id = $1 ORDER BY name";
const COUNT: &str = "SELECT count(*) FROM user_variables WHERE user_id = $1";
const SET: &str = "INSERT INTO user_variables (user_id, name, value, read_only) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value, read_only = excluded.read_only";
const CHANGE: &str = "UPDATE user_variables SET value = $3 WHERE user_id = $1 AND name = $2 AND read_only = 0";
const ADD: &str = "INSERT INTO user_variables (user_id, name, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM user_variables WHERE user_id = $1 AND name = $2";

/// A variable of a user.
#[derive(Clone, Debug)]
pub struct UserVariable {
    /// Exact; at most 99 bytes.
    pub name: String,
    /// At most 500 bytes.
    pub value: String,
    /// Only the operator changes it.
    pub read_only: bool,
}

/// The user's variable of this name.
pub fn find(tx: &mut Tx<'_>, user: UserId, name: &str) -> Result<Option<UserVariable>> {
    tx.row(FIND, &[user.0.into(), name.into()], variable)
}

/// All variables of a user, by name.
pub fn of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<UserVariable>> {
    tx.rows(OF_USER, &[user.0.into()], variable)
}

/// How many variables a user has.
pub fn count(tx: &mut Tx<'_>, user: UserId) -> Result<i64> {
    tx.row(COUNT, &[user.0.into()], |row| row.int(0)).map(Option::unwrap_or_default)
}

/// Adds or replaces a variable as it stands.
pub fn set(tx: &mut Tx<'_>, user: UserId, variable: &UserVariable) -> Result<()> {
    let values = [user.0.into(), (&variable.name).into(), (&variable.value).into(), variable.read_only.into()];
    tx.exec(SET, &values).map(|_| ())
}

/// Changes a variable that is not read-only. False: there is no such one.
pub fn change(tx: &mut Tx<'_>, user: UserId, name: &str, value: &str) -> Result<bool> {
    tx.exec(CHANGE, &[user.0.into(), name.into(), value.into()]).map(|n| n == 1)
}

/// Adds a variable. False: there is one of this name.
pub fn add(tx: &mut Tx<'_>, user: UserId, name: &str, value: &str) -> Result<bool> {
    tx.exec(ADD, &[user.0.into(), name.into(), value.into()]).map(|n| n == 1)
}

/// Deletes a variable. False: there is none.
pub fn delete(tx: &mut Tx<'_>, user: UserId, name: &str) -> Result<bool> {
    tx.exec(DELETE, &[user.0.into(), name.into()]).map(|n| n == 1)
}

fn variable(row: &Row<'_>) -> Result<UserVariable> {
    Ok(UserVariable { name: row.text(0)?, value: row.text(1)?, read_only: row.flag(2)? })
}
