//! The columns whose texts are sealed, whatever table they are in: found by how their texts begin, so that what is left
//! to seal is found without looking at the rest. Seals nothing and opens nothing.

use super::{Result, Tx};

/// A column of sealed texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The private keys of the server.
    ServerKey,
    /// The secrets of second factors.
    TwoFactor,
    /// The secrets that wait for their first code.
    TwoFactorPending,
    /// What waits to be sent.
    Outbox,
}

impl Column {
    /// All of them.
    pub const ALL: [Column; 4] = [Column::ServerKey, Column::TwoFactor, Column::TwoFactorPending, Column::Outbox];

    fn find(self) -> &'static str {
        match self {
            Column::ServerKey => "SELECT id, seed FROM server_keys WHERE seed >= $1 AND seed < $2 LIMIT $3",
            Column::TwoFactor => "SELECT id, two_factor FROM users WHERE two_factor >= $1 AND two_factor < $2 LIMIT $3",
            Column::TwoFactorPending => {
                "SELECT id, two_factor_pending FROM users \
                 WHERE two_factor_pending >= $1 AND two_factor_pending < $2 LIMIT $3"
            }
            Column::Outbox => "SELECT id, payload FROM outbox WHERE payload >= $1 AND payload < $2 LIMIT $3",
        }
    }

    fn replace(self) -> &'static str {
        match self {
            Column::ServerKey => "UPDATE server_keys SET seed = $2 WHERE id = $1",
            Column::TwoFactor => "UPDATE users SET two_factor = $2 WHERE id = $1",
            Column::TwoFactorPending => "UPDATE users SET two_factor_pending = $2 WHERE id = $1",
            Column::Outbox => "UPDATE outbox SET payload = $2 WHERE id = $1",
        }
    }
}

/// At most `limit` rows with their texts from `from` up to, but without, `to`.
pub fn between(tx: &mut Tx<'_>, column: Column, from: &str, to: &str, limit: i64) -> Result<Vec<(i64, String)>> {
    tx.rows(column.find(), &[from.into(), to.into(), limit.into()], |row| Ok((row.int(0)?, row.text(1)?)))
}

/// Keeps this text in that row.
pub fn replace(tx: &mut Tx<'_>, column: Column, row: i64, text: &str) -> Result<()> {
    tx.exec(column.replace(), &[row.into(), text.into()]).map(|_| ())
}
