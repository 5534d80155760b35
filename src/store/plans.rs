//! The table `plans`.

use crate::model::app::Plan;
use crate::model::ids::{AppId, PlanId};

use super::{Result, Row, Tx};

const ALL: &str = "SELECT id, name, level FROM plans WHERE app_id = $1 ORDER BY id";
const OF_LEVEL: &str = "SELECT id, name, level FROM plans WHERE app_id = $1 AND level = $2 ORDER BY id";
const INSERT: &str = "INSERT INTO plans (app_id, name, level) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM plans WHERE app_id = $1 AND name = $2";

/// All plans of an app, oldest first.
pub fn all(tx: &mut Tx<'_>, app: AppId) -> Result<Vec<Plan>> {
    tx.rows(ALL, &[app.0.into()], plan)
}

/// The plans that licenses of this level give, oldest first.
pub fn of_level(tx: &mut Tx<'_>, app: AppId, level: &str) -> Result<Vec<Plan>> {
    tx.rows(OF_LEVEL, &[app.0.into(), level.into()], plan)
}

/// Adds a plan. False: the name is taken.
pub fn insert(tx: &mut Tx<'_>, app: AppId, name: &str, level: &str) -> Result<bool> {
    tx.exec(INSERT, &[app.0.into(), name.into(), level.into()]).map(|n| n == 1)
}

/// Deletes a plan; what users hold stays. False: there is none.
pub fn delete(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<bool> {
    tx.exec(DELETE, &[app.0.into(), name.into()]).map(|n| n == 1)
}

fn plan(row: &Row<'_>) -> Result<Plan> {
    Ok(Plan { id: PlanId(row.int(0)?), name: row.text(1)?, level: row.text(2)? })
}
