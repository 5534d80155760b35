//! The table `owners`.

use crate::model::app::Owner;
use crate::model::ids::{OwnerRow, fold};
use crate::model::time::Time;

use super::{Result, Row, Tx};

const COLUMNS_FROM: &str = "SELECT id, name, ownerid, created_at FROM owners ORDER BY id";
const BY_NAME: &str = "SELECT id, name, ownerid, created_at FROM owners WHERE lower(name) = $1";
const BY_OWNERID: &str = "SELECT id, name, ownerid, created_at FROM owners WHERE ownerid = $1";
const INSERT: &str = "INSERT INTO owners (name, ownerid, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// All owners, oldest first.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Owner>> {
    tx.rows(COLUMNS_FROM, &[], owner)
}

/// The owner of this name.
pub fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Owner>> {
    tx.row(BY_NAME, &[(&fold(name)).into()], owner)
}

/// The owner whose clients send this ownerid.
pub fn by_ownerid(tx: &mut Tx<'_>, ownerid: &str) -> Result<Option<Owner>> {
    tx.row(BY_OWNERID, &[ownerid.into()], owner)
}

/// Adds an owner. False: the name or the ownerid is taken.
pub fn insert(tx: &mut Tx<'_>, name: &str, ownerid: &str, now: Time) -> Result<bool> {
    tx.exec(INSERT, &[name.into(), ownerid.into(), now.0.into()]).map(|n| n == 1)
}

fn owner(row: &Row<'_>) -> Result<Owner> {
    Ok(Owner {
        id: OwnerRow(row.int(0)?),
        name: row.text(1)?.into(),
        ownerid: row.text(2)?.into(),
        created_at: Time(row.int(3)?),
    })
}
