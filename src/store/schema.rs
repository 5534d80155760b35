//! The schema's version: makes new databases from schema.sql, upgrades older ones step by step after making a copy,
//! refuses newer ones. The only place where tables are created or altered.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Error, Result, Tx, file, sqlite};

/// The whole schema, for a new database.
const SCHEMA: &str = include_str!("../../schema.sql");

/// The version that this program reads and writes.
pub const VERSION: i64 = 4;

/// `UPGRADES[n]` brings version n + 1 to version n + 2. Never changed once released; a new version is one more entry.
const UPGRADES: &[&str] =
    &[include_str!("schema/to_2.sql"), include_str!("schema/to_3.sql"), include_str!("schema/to_4.sql")];

const READ_VERSION: &str = "SELECT version FROM schema_version";
const NEGATE_VERSION: &str = "UPDATE schema_version SET version = -version";

/// What an upgrade has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// The version that was found.
    pub from: i64,
    /// The copy of the database as it was.
    pub copy: PathBuf,
}

/// Makes the database ready for use, whatever it is now. Answers what was upgraded, if anything was.
pub(super) fn prepare(db: &mut Connection, path: &Path) -> Result<Option<Upgraded>> {
    prepare_with(db, path, SCHEMA, VERSION, UPGRADES)
}

fn prepare_with(
    db: &mut Connection,
    path: &Path,
    schema: &str,
    newest: i64,
    upgrades: &[&str],
) -> Result<Option<Upgraded>> {
    let copy = match version(db, path)? {
        Some(found) if found == newest => return Ok(None),
        Some(found) if found > newest => return Err(too_new(path, found)),
        Some(found) => Some(copy_aside(db, path, found)?),
        None => None,
    };

    // Two processes may get here at once: the second finds the work done.
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(sqlite::error)?;
    let found = version(&tx, path)?;
    let from = found.filter(|found| *found < newest);
    match found {
        None => tx.execute_batch(schema).map_err(sqlite::error)?,
        Some(found) => {
            for step in found..newest {
                let index = usize::try_from(step - 1).unwrap_or(usize::MAX);
                let upgrade =
                    upgrades.get(index).ok_or_else(|| Error::Bug(format!("no upgrade from schema {step} is known")))?;
                tx.execute_batch(upgrade).map_err(sqlite::error)?;
            }
            tx.execute("UPDATE schema_version SET version = ?1", [newest]).map_err(sqlite::error)?;
        }
    }
    tx.commit().map_err(sqlite::error)?;
    Ok(from.zip(copy).map(|(from, copy)| Upgraded { from, copy }))
}

/// What is said of a database that this program does not understand.
pub fn too_new(path: &Path, found: i64) -> Error {
    Error::Unfit(format!(
        "{} was written by a newer Keystead (schema {found}, this program knows {VERSION}); use that version or a backup \
         from before the upgrade",
        path.display()
    ))
}

/// Reads one row, to see whether the file can be read.
pub(super) fn touch_read(tx: &mut Tx<'_>) -> Result<()> {
    tx.row(READ_VERSION, &[], |row| row.int(0)).map(|_| ())
}

/// Writes one row, to see whether the file can be written: there and back within one transaction, because a row that is
/// set to what it is already is not written.
pub(super) fn touch_write(tx: &mut Tx<'_>) -> Result<()> {
    tx.exec(NEGATE_VERSION, &[])?;
    tx.exec(NEGATE_VERSION, &[]).map(|_| ())
}

/// The version in the file; none if the file is empty.
pub(super) fn version(db: &Connection, path: &Path) -> Result<Option<i64>> {
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))
        .map_err(|e| sqlite::unfit(path, e))?;
    if tables == 0 {
        return Ok(None);
    }
    db.query_row("SELECT version FROM schema_version", [], |row| row.get(0)).map(Some).map_err(|e| match sqlite::error(
        e,
    ) {
        // No such table, no such column, no row.
        Error::Bug(_) => Error::Unfit(format!(
            "{} is an SQLite database, but not one of Keystead's; name one that is",
            path.display()
        )),
        passing => passing,
    })
}

/// A copy before an upgrade, beside the file. An existing copy is from an earlier try and is kept, if it is whole.
fn copy_aside(db: &Connection, path: &Path, found: i64) -> Result<PathBuf> {
    let beside = |end: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let copy = beside(format!(".before-schema-{}", found + 1));
    let failed =
        |e: String| Error::Unavailable(format!("cannot make the copy {} before the upgrade: {e}", copy.display()));
    // What is upgraded must not be on the disk before the copy's name is: also not where a killed try has made it.
    let keep = || file::sync_folder(path).map_err(|e| failed(e.to_string()));
    if is_copy(&copy, found) {
        keep()?;
        return Ok(copy);
    }
    // Several commands may come at once, each with a copy of its own.
    let part = beside(format!(".before-schema-{}.{}.part", found + 1, std::process::id()));
    // What a crash left half written is no copy; only a whole one gets the name.
    let _ = std::fs::remove_file(&part);
    file::create(&part).map_err(|e| failed(e.to_string()))?;
    db.execute("VACUUM INTO ?1", [part.to_string_lossy()]).map_err(|e| failed(e.to_string()))?;
    // Somebody else may have upgraded in between: that is no copy of what was.
    if is_copy(&part, found) {
        std::fs::rename(&part, &copy).map_err(|e| failed(e.to_string()))?;
        keep()?;
    } else {
        let _ = std::fs::remove_file(&part);
    }
    Ok(copy)
}

/// Whether this file is a database of this version.
fn is_copy(path: &Path, wanted: i64) -> bool {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(path, flags);
    copy.is_ok_and(|copy| matches!(version(&copy, path), Ok(Some(found)) if found == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT; \
                      INSERT INTO schema_version VALUES (1); CREATE TABLE things (id INTEGER PRIMARY KEY) STRICT;";

    #[test]
    fn upgrades_run_in_order_after_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.db");
        let mut db = Connection::open(&path).unwrap();
        prepare_with(&mut db, &path, V1, 1, &[]).unwrap();
        db.execute_batch("INSERT INTO things VALUES (7)").unwrap();

        let steps = ["ALTER TABLE things ADD COLUMN name TEXT", "UPDATE things SET name = 'named in the second step'"];
        prepare_with(&mut db, &path, "", 3, &steps).unwrap();
        let name: String = db.query_row("SELECT name FROM things WHERE id = 7", [], |r| r.get(0)).unwrap();
        assert_eq!(name, "named in the second step");
        assert_eq!(version(&db, &path).unwrap(), Some(3));

        let copy = Connection::open(dir.path().join("k.db.before-schema-2")).unwrap();
        assert_eq!(version(&copy, &path).unwrap(), Some(1));
        assert!(copy.query_row("SELECT name FROM things", [], |_| Ok(())).is_err(), "the copy is as it was");
    }

    #[test]
    fn an_upgrade_tells_and_a_broken_copy_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.db");
        let mut db = Connection::open(&path).unwrap();
        assert_eq!(prepare_with(&mut db, &path, V1, 1, &[]).unwrap(), None, "a new one was not upgraded");
        let copy = dir.path().join("k.db.before-schema-2");
        std::fs::write(&copy, "").unwrap();
        let steps = ["ALTER TABLE things ADD COLUMN name TEXT"];
        let upgraded = prepare_with(&mut db, &path, "", 2, &steps).unwrap();
        assert_eq!(upgraded, Some(Upgraded { from: 1, copy: copy.clone() }));
        assert!(is_copy(&copy, 1));
        assert_eq!(prepare_with(&mut db, &path, "", 2, &steps).unwrap(), None);
    }

    #[test]
    fn a_failing_upgrade_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.db");
        let mut db = Connection::open(&path).unwrap();
        prepare_with(&mut db, &path, V1, 1, &[]).unwrap();
        let steps = ["ALTER TABLE things ADD COLUMN name TEXT", "this is no SQL"];
        assert!(prepare_with(&mut db, &path, "", 3, &steps).is_err());
        assert_eq!(version(&db, &path).unwrap(), Some(1));
        assert!(db.prepare("SELECT name FROM things").is_err());
    }

    #[test]
    fn newer_and_foreign_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.db");
        let mut db = Connection::open(&path).unwrap();
        prepare_with(&mut db, &path, V1, 1, &[]).unwrap();
        db.execute_batch("UPDATE schema_version SET version = 9").unwrap();
        assert!(matches!(prepare_with(&mut db, &path, V1, 1, &[]), Err(Error::Unfit(text)) if text.contains("newer")));

        let mut other = Connection::open(dir.path().join("other.db")).unwrap();
        other.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
        assert!(matches!(prepare(&mut other, &path), Err(Error::Unfit(text)) if text.contains("not one of")));
    }

    /// What every table and index of a database is made of.
    fn shape(db: &Connection) -> Vec<String> {
        let columns = "SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || \
                       coalesce(c.dflt_value, '') || ' ' || c.pk FROM sqlite_schema m, pragma_table_info(m.name) c";
        let indexes = "SELECT name || ' ' || coalesce(replace(replace(sql, char(10), ''), '  ', ''), '') \
                       FROM sqlite_schema WHERE type = 'index'";
        let mut all = Vec::new();
        for query in [columns, indexes] {
            let mut statement = db.prepare(query).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            all.extend(rows.map(|row| row.unwrap()));
        }
        all.sort();
        all
    }

    #[test]
    fn an_upgraded_database_is_like_a_new_one() {
        for (schema, gets_ids) in [
            (include_str!("../../tests/schema/1.sql"), true),
            (include_str!("../../tests/schema/2.sql"), true),
            (include_str!("../../tests/schema/3.sql"), false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("k.db");
            let mut old = Connection::open(&path).unwrap();
            old.execute_batch(schema).unwrap();
            old.execute_batch(
                "INSERT INTO owners VALUES (1, 'o', 'AbCdEfGh12', 0); \
                 INSERT INTO apps (id, owner_id, name, secret, sellerkey, created_at) VALUES (1, 1, 'a', 's', 'k', 0); \
                 INSERT INTO users (app_id, name, login, created_at, last_login_at) VALUES (1, 'u', 'license', 0, 0);",
            )
            .unwrap();
            prepare(&mut old, &path).unwrap();
            let mut new = Connection::open_in_memory().unwrap();
            prepare(&mut new, &path).unwrap();
            assert_eq!(shape(&old), shape(&new));
            assert_eq!(version(&old, &path).unwrap(), Some(VERSION));
            if !gets_ids {
                continue;
            }
            let uuids = "SELECT uuid FROM users UNION ALL SELECT uuid FROM app_names";
            let mut statement = old.prepare(uuids).unwrap();
            let uuids = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            let uuids: Vec<uuid::Uuid> = uuids.map(|uuid| uuid.unwrap().parse().unwrap()).collect();
            assert!(uuids.len() == 2 && uuids.iter().all(|uuid| uuid.get_version_num() == 4), "{uuids:?}");
        }
    }

    #[test]
    fn the_schema_makes_the_version_it_says() {
        let mut db = Connection::open_in_memory().unwrap();
        prepare(&mut db, Path::new(":memory:")).unwrap();
        assert_eq!(version(&db, Path::new(":memory:")).unwrap(), Some(VERSION));
        assert_eq!(i64::try_from(UPGRADES.len()).unwrap(), VERSION - 1, "one upgrade for each version after the first");
    }
}
