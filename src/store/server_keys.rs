//! The table `server_keys`: the key pairs that sign the answers of protocol 1.3. Seals nothing and opens nothing.

use crate::model::time::Time;

use super::{Change, Result, Row, Tx};

const ALL: &str = "SELECT id, seed, public_key, created_at, retired_at FROM server_keys ORDER BY id DESC";
const SIGNING: &str = "SELECT id, seed, public_key, created_at, retired_at FROM server_keys WHERE retired_at IS NULL";
const RETIRE: &str = "UPDATE server_keys SET retired_at = $1 WHERE retired_at IS NULL";
const INSERT: &str = "INSERT INTO server_keys (seed, public_key, created_at) VALUES ($1, $2, $3)";

/// A key pair as it is stored.
pub struct StoredKey {
    /// Row.
    pub id: i64,
    /// The private key, sealed.
    pub seed: String,
    /// 64 lower-case hex characters.
    pub public_key: String,
    /// When it was made.
    pub created_at: Time,
    /// When another took its place.
    pub retired_at: Option<Time>,
}

/// All pairs, newest first.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredKey>> {
    tx.rows(ALL, &[], key)
}

/// The pair that signs.
pub fn signing(tx: &mut Tx<'_>) -> Result<Option<StoredKey>> {
    tx.row(SIGNING, &[], key)
}

/// Retires the pair that signs, if there is one, and adds one that does.
pub fn replace(tx: &mut Tx<'_>, seed: &str, public_key: &str, now: Time) -> Result<()> {
    tx.changed(Change::Everything);
    tx.exec(RETIRE, &[now.0.into()])?;
    tx.exec(INSERT, &[seed.into(), public_key.into(), now.0.into()])?;
    Ok(())
}

fn key(row: &Row<'_>) -> Result<StoredKey> {
    Ok(StoredKey {
        id: row.int(0)?,
        seed: row.text(1)?,
        public_key: row.text(2)?,
        created_at: Time(row.int(3)?),
        retired_at: row.opt_int(4)?.map(Time),
    })
}
