//! The table `devices`.

use crate::model::ids::UserId;
use crate::model::time::Time;
use crate::model::user::Device;

use super::{Result, Tx};

const OF_USER: &str = "SELECT hwid, bound_at FROM devices WHERE user_id = $1 ORDER BY bound_at, hwid";
const INSERT: &str = "INSERT INTO devices (user_id, hwid, bound_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const DELETE_OF_USER: &str = "DELETE FROM devices WHERE user_id = $1";

/// A user's devices, first bound first.
pub fn of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Device>> {
    tx.rows(OF_USER, &[user.0.into()], |row| Ok(Device { hwid: row.text(0)?, bound_at: Time(row.int(1)?) }))
}

/// Binds a device. False: it was bound already.
pub fn insert(tx: &mut Tx<'_>, user: UserId, hwid: &str, now: Time) -> Result<bool> {
    tx.exec(INSERT, &[user.0.into(), hwid.into(), now.0.into()]).map(|n| n == 1)
}

/// Frees a user's devices. Answers how many.
pub fn delete_of_user(tx: &mut Tx<'_>, user: UserId) -> Result<u64> {
    tx.exec(DELETE_OF_USER, &[user.0.into()])
}
