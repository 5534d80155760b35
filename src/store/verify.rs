//! Questions about the soundness of the whole file, for `keystead check`. Changes nothing.

use super::{Result, Tx};

/// Our own invariants: a sentence, and a query that counts what breaks it.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "licenses with a user, but without a time of use",
        "SELECT count(*) FROM licenses WHERE used_by IS NOT NULL AND used_at IS NULL",
    ),
    (
        "licenses used by a user of another app",
        "SELECT count(*) FROM licenses l JOIN users u ON u.id = l.used_by WHERE u.app_id <> l.app_id",
    ),
    (
        "subscriptions given by a license of another app",
        "SELECT count(*) FROM subscriptions s JOIN users u ON u.id = s.user_id JOIN licenses l ON l.id = s.license_id WHERE l.app_id <> u.app_id",
    ),
    (
        "subscriptions given by a license that was not used",
        "SELECT count(*) FROM subscriptions s JOIN licenses l ON l.id = s.license_id WHERE l.used_at IS NULL",
    ),
    (
        "sessions of a user of another app",
        "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.app_id <> s.app_id",
    ),
    (
        "networks without their addresses",
        "SELECT count(*) FROM bans WHERE (kind = 'network') <> (first_address IS NOT NULL AND last_address IS NOT NULL)",
    ),
    (
        "plans, users or licenses with an empty name",
        "SELECT (SELECT count(*) FROM plans WHERE name = '') + (SELECT count(*) FROM users WHERE name = '') + (SELECT count(*) FROM licenses WHERE key = '')",
    ),
];

/// What is wrong with a file of an older schema, so far as it can be told without upgrading it: our invariants are those of
/// the newest.
pub fn problems_of_older(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    tx.integrity()
}

/// What is wrong with the file, a sentence each; nothing if it is sound.
pub fn problems(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let mut found = tx.integrity()?;
    for (sentence, query) in INVARIANTS {
        let count = match tx.row(query, &[], |row| row.int(0)) {
            Ok(count) => count.unwrap_or(0),
            // A damaged file may not answer; what was found so far is worth more than that.
            Err(_) if !found.is_empty() => break,
            Err(error) => return Err(error),
        };
        if count > 0 {
            found.push(format!("{count} {sentence}"));
        }
    }
    Ok(found)
}
