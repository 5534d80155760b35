//! Fills a database with many licenses and users, as if they had come over the years. Writes rows of the server's own
//! tables straight into the file, because ten million answers would take an hour; what it writes is what the server
//! writes. No server may be running on the file.

use std::path::Path;

use rusqlite::{Connection, params};

use super::client::Result;

/// One user for so many licenses: the others wait to be redeemed.
pub const LICENSES_OF_A_USER: u64 = 10;

/// The tables that are filled; their indexes are made again at the end, which is ten times as fast.
const TABLES: &str = "('licenses', 'users', 'subscriptions', 'devices')";

/// 30 days.
const MONTH: i64 = 30 * 86_400;

/// The key of the n-th license: random to look at, and known without asking.
pub fn key(n: u64) -> String {
    format!("{:016X}-{:016X}", scatter(2 * n), scatter(2 * n + 1))
}

/// The device of the user of the n-th license.
pub fn hwid(n: u64) -> String {
    format!("machine-{n}")
}

/// Whether the n-th license is redeemed.
pub fn is_redeemed(n: u64) -> bool {
    n.is_multiple_of(LICENSES_OF_A_USER)
}

/// Adds `licenses` licenses to the only app.
pub fn fill(database: &Path, licenses: u64) -> Result<()> {
    let mut db = Connection::open(database)?;
    // A file that breaks here is made again; nothing of it is anybody's.
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -1000000;")?;
    let (app, now): (i64, i64) =
        db.query_row("SELECT id, unixepoch() FROM apps", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let of_tables = format!("type = 'index' AND sql IS NOT NULL AND tbl_name IN {TABLES}");
    let indexes: Vec<(String, String)> = db
        .prepare(&format!("SELECT name, sql FROM sqlite_master WHERE {of_tables}"))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let tx = db.transaction()?;
    for (name, _) in &indexes {
        tx.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    let last = |table: &str| tx.query_row(&format!("SELECT coalesce(max(id), 0) FROM {table}"), [], |row| row.get(0));
    let (first_user, first_license): (i64, i64) = (last("users")?, last("licenses")?);
    {
        let mut license = tx.prepare(
            "INSERT INTO licenses (id, app_id, key, level, duration, created_by, created_at, used_at, used_by) \
             VALUES (?1, ?2, ?3, '1', ?4, 'owner', ?5, ?6, ?7)",
        )?;
        let mut user = tx.prepare(
            "INSERT INTO users (id, app_id, name, login, ip, created_at, last_login_at, uuid) \
             VALUES (?1, ?2, ?3, 'license', '127.0.0.1', ?4, ?4, ?5)",
        )?;
        let mut subscription = tx.prepare(
            "INSERT INTO subscriptions (user_id, plan, level, license_id, granted_at, expires_at) \
             VALUES (?1, 'default', '1', ?2, ?3, ?4)",
        )?;
        let mut device = tx.prepare("INSERT INTO devices (user_id, hwid, bound_at) VALUES (?1, ?2, ?3)")?;
        let mut users = first_user;
        for n in 0..licenses {
            let key = key(n);
            let id = first_license + 1 + n as i64;
            let used = is_redeemed(n).then(|| {
                users += 1;
                users
            });
            if let Some(used) = used {
                user.execute(params![used, app, key, now, uuid(n)])?;
            }
            license.execute(params![id, app, key, MONTH, now, used.map(|_| now), used])?;
            if let Some(used) = used {
                subscription.execute(params![used, id, now, now + MONTH])?;
                device.execute(params![used, hwid(n), now])?;
            }
        }
    }
    for (_, sql) in &indexes {
        tx.execute_batch(sql)?;
    }
    tx.commit()?;
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

fn uuid(n: u64) -> String {
    let (a, b) = (scatter(3 * n + 1), scatter(3 * n + 2));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        a & 0xffff,
        (a >> 16) & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// A bijection that scatters neighbours (the finaliser of SplitMix64).
fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
