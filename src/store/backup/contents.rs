//! What a database holds, summed up so that two can be compared. Knows no table: it asks the file which there are.

use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

/// What a database holds, so far as two can be compared by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The version of its schema.
    pub schema: i64,
    /// Its tables with how many rows each has, by name.
    pub tables: Vec<(String, u64)>,
    /// SHA-256, in hex, over the schema and all rows in the order of their keys.
    pub checksum: String,
}

impl Contents {
    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

/// Counts and sums up everything that this transaction sees.
pub(super) fn contents(db: &rusqlite::Connection, schema: i64) -> rusqlite::Result<Contents> {
    let mut sum = Sha256::new();
    let mut statement = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")?;
    let mut entries = statement.query([])?;
    let (mut buffer, mut names) = (Vec::new(), Vec::new());
    while let Some(entry) = entries.next()? {
        add_row(&mut sum, &mut buffer, entry)?;
        if entry.get_ref(0)?.as_str()? == "table" {
            names.push(entry.get::<_, String>(1)?);
        }
    }
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let rows = add_table(&mut sum, &mut buffer, db, &name)?;
        tables.push((name, rows));
    }
    Ok(Contents { schema, tables, checksum: hex::encode(sum.finalize()) })
}

/// Adds a table's rows in the order of its key, which is the order in which they lie in the file.
fn add_table(sum: &mut Sha256, buffer: &mut Vec<u8>, db: &rusqlite::Connection, name: &str) -> rusqlite::Result<u64> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut columns = db.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    let key = columns.query_map([name], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let key: Vec<String> = key.iter().map(|column| quoted(column)).collect();
    let order = if key.is_empty() { "rowid".to_owned() } else { key.join(", ") };
    let mut statement = db.prepare(&format!("SELECT * FROM {} ORDER BY {order}", quoted(name)))?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        add_row(sum, buffer, row)?;
        count += 1;
    }
    sum.update(name.as_bytes());
    sum.update(u64::to_le_bytes(count));
    Ok(count)
}

/// Adds a row so that no two different rows are the same bytes.
fn add_row(sum: &mut Sha256, buffer: &mut Vec<u8>, row: &rusqlite::Row<'_>) -> rusqlite::Result<()> {
    buffer.clear();
    for column in 0..row.as_ref().column_count() {
        let (kind, bytes): (u8, &[u8]) = match row.get_ref(column)? {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(number) => (1, &number.to_le_bytes()),
            ValueRef::Real(number) => (2, &number.to_le_bytes()),
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(bytes) => (4, bytes),
        };
        buffer.push(kind);
        buffer.extend_from_slice(&u64::to_le_bytes(bytes.len() as u64));
        buffer.extend_from_slice(bytes);
    }
    sum.update(&*buffer);
    Ok(())
}
