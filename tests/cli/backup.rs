//! `keystead backup`, and the backups that a server makes by itself: what they hold, what they refuse, that nothing is
//! left of one that failed.

use std::path::Path;

use super::*;
use support::{Fixture, until};

/// The names in a folder, but for locks.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names = all_names(folder);
    names.retain(|name| !name.ends_with(".lock"));
    names
}

pub(super) fn all_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Writes over pages in the middle of a database of some size.
pub(super) fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).expect("reads");
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 3 * 4096].fill(0x5a);
    std::fs::write(path, bytes).expect("writes");
}

/// Leaves a log beside this file as a crash does: with a change of it that is not in the file yet.
pub(super) fn leave_a_log(path: &Path, change: &str) {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        std::path::PathBuf::from(name)
    };
    let db = rusqlite::Connection::open(path).expect("opens");
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;").expect("sets");
    db.execute_batch(change).expect("writes");
    let (file, log) = (std::fs::read(path).expect("reads"), std::fs::read(beside("-wal")).expect("a log"));
    assert!(!log.is_empty());
    drop(db);
    std::fs::write(path, file).expect("writes");
    std::fs::write(beside("-wal"), log).expect("writes");
}

/// The checksum of a database of this folder, by the backup that it makes.
pub(super) fn checksum(keystead: &Keystead, database: &str) -> String {
    let made = keystead.json(&["backup", "sum.tmp", "--force", "--database", database]);
    std::fs::remove_file(keystead.path("sum.tmp")).expect("a backup");
    made["checksum"].as_str().expect("a checksum").to_owned()
}

#[test]
fn a_backup_holds_what_the_database_holds() {
    let keystead = Keystead::with_app();
    keystead.ok(&["license", "create", "--count", "500"]);
    let made = keystead.json(&["backup", "copy.db"]);
    assert_eq!(
        keys(&made),
        ["bytes", "checksum", "database", "file", "rows", "schema", "tables", "took_ms"],
        "what programs know"
    );
    assert_eq!((&made["file"], &made["database"]), (&json!("copy.db"), &json!("keystead.db")));
    assert_eq!((&made["tables"]["licenses"], &made["tables"]["apps"]), (&json!(500), &json!(1)));
    let all: i64 = made["tables"].as_object().unwrap().values().map(|rows| rows.as_i64().unwrap()).sum();
    assert_eq!(made["rows"], all);
    assert_eq!(names(keystead.path("").as_path()), ["copy.db", "keystead.db"], "one file, and nothing beside it");
    assert_eq!(made["bytes"], std::fs::metadata(keystead.path("copy.db")).unwrap().len());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(keystead.path("copy.db")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    }

    assert_eq!(keystead.json(&["check", "--database", "copy.db"])["sound"], true);
    assert_eq!(
        keystead.ok(&["license", "list", "--limit", "999", "--database", "copy.db"]),
        keystead.ok(&["license", "list", "--limit", "999"])
    );
    assert_eq!(made["checksum"], checksum(&keystead, "copy.db"), "a copy of the copy is the same");
    let one = keystead.json(&["license", "list", "--limit", "1"])[0]["key"].as_str().unwrap().to_owned();
    keystead.ok(&["license", "ban", &one]);
    assert_ne!(made["checksum"], checksum(&keystead, "keystead.db"), "one flag of one row is another checksum");
    let told = keystead.ok(&["backup", "second.db"]);
    assert!(told.contains("second.db holds what keystead.db held") && told.contains("rows, schema 4"), "{told}");
}

#[test]
fn what_is_only_in_the_log_yet_is_in_the_backup() {
    let keystead = Keystead::with_app();
    leave_a_log(&keystead.database(), "INSERT INTO variables VALUES (1, 'greeting', 'hello', 0, 0)");
    keystead.ok(&["backup", "copy.db"]);
    assert_eq!(list(&keystead, &["var", "list", "--database", "copy.db"])[0]["name"], "greeting");
}

#[test]
fn what_a_backup_refuses_leaves_everything_as_it_was() {
    let keystead = Keystead::with_app();
    std::fs::write(keystead.path("notes.txt"), "mine").unwrap();
    std::fs::write(keystead.path("notes.txt-wal"), "mine too").unwrap();
    std::fs::write(keystead.path("foreign.db"), "this is no database at all, but long enough to be one").unwrap();
    rusqlite::Connection::open(keystead.path("songs.db")).unwrap().execute_batch("CREATE TABLE songs (a)").unwrap();
    std::fs::copy(keystead.database(), keystead.path("newer.db")).unwrap();
    let newer = rusqlite::Connection::open(keystead.path("newer.db")).unwrap();
    newer.execute_batch("UPDATE schema_version SET version = 99").unwrap();
    drop(newer);
    let before = names(&keystead.path(""));
    for (arguments, code, saying) in [
        (&["backup", "notes.txt"][..], 1, "notes.txt exists: name another file, or overwrite it with --force"),
        (&["backup", "keystead.db", "--force"], 2, "is the database itself"),
        (&["backup", "-"], 2, "a pipe cannot be verified"),
        (&["backup"], 2, "FILE"),
        (&["backup", "no/such/folder/copy.db"], 1, "cannot write no/such/folder/copy.db"),
        (&["backup", "copy.db", "--database", "none.db"], 4, "there is no database none.db"),
        (&["backup", "copy.db", "--database", "foreign.db"], 4, "is not a Keystead database"),
        (&["backup", "copy.db", "--database", "songs.db"], 4, "not one of Keystead's"),
        (&["backup", "copy.db", "--database", "newer.db"], 4, "a newer Keystead (schema 99"),
    ] {
        keystead.fails(arguments, code, saying);
        assert_eq!(names(&keystead.path("")), before, "{arguments:?}");
    }
    assert_eq!(std::fs::read(keystead.path("notes.txt")).unwrap(), b"mine");
    std::fs::remove_file(keystead.path("notes.txt")).unwrap();
    keystead.fails(&["backup", "notes.txt"], 1, "notes.txt-wal exists");
}

/// Every row can be read and is copied as it is: only looking at the whole tells.
#[test]
fn a_row_that_points_to_nothing_is_not_backed_up_as_sound() {
    let keystead = Keystead::with_app();
    let db = rusqlite::Connection::open(keystead.path("keystead.db")).expect("opens");
    db.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO devices VALUES (4711, 'PC-1', 0)").expect("writes");
    drop(db);
    let said = keystead.fails(&["backup", "copy.db"], 7, "points to nothing in users");
    assert!(said.contains("Nothing was kept"), "{said}");
    assert!(!keystead.path("copy.db").exists());
}

#[test]
fn a_damaged_database_takes_no_good_backups_place() {
    let keystead = Keystead::with_app();
    keystead.ok(&["license", "create", "--count", "5000"]);
    keystead.ok(&["backup", "copy.db"]);
    let good = std::fs::read(keystead.path("copy.db")).unwrap();
    damage(&keystead.database());
    let said = keystead.fails(&["backup", "copy.db", "--force"], 7, "is not sound");
    assert!(said.contains("keystead restore"), "{said}");
    assert_eq!(std::fs::read(keystead.path("copy.db")).unwrap(), good);
    assert_eq!(names(&keystead.path("")), ["copy.db", "keystead.db"]);
}

#[test]
fn the_log_of_an_older_file_is_not_read_as_a_part_of_the_backup() {
    let keystead = Keystead::with_app();
    keystead.ok(&["backup", "copy.db"]);
    leave_a_log(&keystead.path("copy.db"), "UPDATE apps SET name = 'older'; DELETE FROM plans");
    let made = keystead.json(&["backup", "copy.db", "--force"]);
    assert_eq!(names(&keystead.path("")), ["copy.db", "keystead.db"]);
    assert_eq!(checksum(&keystead, "copy.db"), made["checksum"].as_str().unwrap());
    keystead.ok(&["app", "show", "demo", "--database", "copy.db"]);
}

#[test]
fn a_database_of_an_older_version_is_copied_as_it_is() {
    let keystead = Keystead::new();
    upgrade::old_database(&keystead);
    assert_eq!(keystead.json(&["backup", "copy.db"])["schema"], 2);
    for name in ["keystead.db", "copy.db"] {
        let db = rusqlite::Connection::open(keystead.path(name)).unwrap();
        let version: i64 = db.query_row("SELECT version FROM schema_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 2, "{name}");
    }
    keystead.ok(&["app", "show", "demo", "--database", "copy.db"]);
}

#[test]
fn the_databases_own_files_are_no_place_for_a_backup() {
    let keystead = Keystead::with_app();
    keystead.ok(&["backup", "odd-wal"]);
    // Open, as under a server: the log and its index are there.
    let db = rusqlite::Connection::open(keystead.database()).expect("opens");
    db.execute_batch("UPDATE apps SET name = 'later'").expect("writes");
    let whole = |name: &str| std::fs::read(keystead.path(name)).unwrap_or_default();
    let files = names(&keystead.path(""));
    for ending in ["-wal", "-shm", "-journal", ".lock", ".import.lock"] {
        let name = format!("keystead.db{ending}");
        let before = whole(&name);
        for name in [name.as_str(), keystead.path(&name).to_str().expect("UTF-8")] {
            keystead.fails(&["backup", name, "--force"], 2, "the database's own files: name another file");
        }
        assert!(whole(&name) == before && names(&keystead.path("")) == files, "{name}");
    }
    // Its log would have the database's name.
    keystead.fails(&["backup", "odd", "--force", "--database", "odd-wal"], 2, "the database's own files");
    assert!(keystead.path("odd-wal").exists());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(keystead.database(), keystead.path("link.db")).unwrap();
        keystead.fails(&["backup", "keystead.db-wal", "--force", "--database", "link.db"], 2, "own files");
    }
    drop(db);
    keystead.ok(&["app", "show", "later"]);
}

/// A file that may grow no more is the nearest to a full disk that every machine has.
#[test]
#[cfg(target_os = "linux")]
fn a_copy_that_cannot_be_written_is_not_there_at_all() {
    let keystead = Keystead::with_app();
    keystead.ok(&["license", "create", "--count", "5000"]);
    keystead.ok(&["backup", "copy.db"]);
    let good = std::fs::read(keystead.path("copy.db")).unwrap();
    keystead.ok(&["license", "create"]);
    let sum = checksum(&keystead, "keystead.db");
    for arguments in [
        &["backup", "copy.db", "--force"][..],
        &["backup", "other.db"],
        &["restore", "copy.db", "--force"],
        &["restore", "copy.db", "--database", "other.db"],
    ] {
        let mut command = std::process::Command::new("sh");
        // 512-byte blocks; the signal that comes with the limit would kill.
        let script = "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"";
        command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_keystead")).args(arguments);
        let output = command.current_dir(keystead.path("")).env_remove("KEYSTEAD_DATABASE").output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("cannot write ") || said.contains("no room for "), "{arguments:?}: {said}");
        assert_eq!(names(&keystead.path("")), ["copy.db", "keystead.db"], "{arguments:?}");
        assert_eq!(std::fs::read(keystead.path("copy.db")).unwrap(), good);
    }
    assert_eq!(checksum(&keystead, "keystead.db"), sum, "the database is as it was");
}

#[test]
fn a_server_makes_backups_and_deletes_only_its_own() {
    let db = Fixture::new();
    let folder = db.folder().join("backups");
    std::fs::create_dir(&folder).unwrap();
    let not_its_own = [
        "keystead-20200101T000000Z.db.bak",
        "keystead-20200101T000000Z.txt",
        "keystead-mine.db",
        "other-20200101T000000Z.db",
        "readme",
    ];
    for name in not_its_own {
        std::fs::write(folder.join(name), "keep me").unwrap();
    }
    let old = ["keystead-20200101T000000Z.db", "keystead-20200102T000000Z.db", "keystead-20200103T000000Z.db.77.part"];
    for name in old {
        std::fs::write(folder.join(name), "old").unwrap();
    }
    let mut server =
        db.serve(&["--backup-folder", folder.to_str().unwrap(), "--backup-every", "1s", "--backup-keep", "2"]);
    let made = || {
        let all = names(&folder).into_iter();
        all.filter(|name| name.starts_with("keystead-2") && name.ends_with("Z.db") && !old.contains(&name.as_str()))
            .collect::<Vec<_>>()
    };
    until("the first backup", || !made().is_empty());
    let first = made().remove(0);
    until("its turn to go", || !made().contains(&first));
    server.terminate();
    let left = made();
    assert!(!left.is_empty() && left.len() <= 2, "{left:?}");
    let mut all: Vec<String> = not_its_own.iter().map(|name| (*name).to_owned()).chain(left.clone()).collect();
    all.sort();
    assert_eq!(names(&folder), all, "what is not its own stays, what is old or half made is gone");
    let keystead = Keystead::new();
    for name in left {
        let path = folder.join(name);
        let path = path.to_str().unwrap();
        assert_eq!(keystead.json(&["check", "--database", path])["sound"], true);
        assert_eq!(keystead.json(&["app", "list", "--database", path]).as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_backup_that_fails_is_told_and_tried_again() {
    let db = Fixture::new();
    let folder = db.folder().join("not-mounted-yet");
    let server = db.serve(&["--backup-folder", folder.to_str().unwrap(), "--backup-every", "1s"]);
    let init = [("type", "init"), ("name", "demo"), ("ownerid", support::OWNERID)];
    assert!(server.post("1.2", &init).success(), "a server without its backup folder serves");
    until("it is told", || server.has_said("no backup was made"));
    std::fs::create_dir(&folder).unwrap();
    until("a backup", || names(&folder).iter().any(|name| name.ends_with("Z.db")));
    let (status, log) = server.stop();
    assert!(status.success());
    let told = log.iter().filter(|line| line.contains("no backup was made")).collect::<Vec<_>>();
    assert!(
        !told.is_empty() && told.iter().all(|line| line.contains("backup-folder") && line.contains("ERROR")),
        "{told:?}"
    );
    assert!(log.iter().any(|line| line.contains("backup made")), "{log:?}");
}
