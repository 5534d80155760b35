//! `keystead restore`: what stands there afterwards, what is kept, what is refused, and that no log of the one database is
//! ever read as a part of the other.

use keystead::store::lock;

use super::backup::{all_names, checksum, damage, leave_a_log, names};
use super::*;

/// A database whose backup is `copy.db`, and which has changed since. The checksums of the backup, and of the database.
fn changed() -> (Keystead, String, String) {
    let keystead = Keystead::with_app();
    keystead.ok(&["license", "create", "--count", "5000", "--mask", "OLD-********"]);
    let copy = keystead.json(&["backup", "copy.db"])["checksum"].as_str().unwrap().to_owned();
    keystead.ok(&["var", "set", "greeting", "hello"]);
    let now = checksum(&keystead, "keystead.db");
    assert_ne!(copy, now);
    (keystead, copy, now)
}

fn kept(keystead: &Keystead) -> Vec<String> {
    names(&keystead.path("")).into_iter().filter(|name| name.contains(".before-restore-")).collect()
}

#[test]
fn a_restored_database_is_the_backup_and_the_old_one_is_kept() {
    let (keystead, copy, now) = changed();
    let said = keystead.fails(&["restore", "copy.db"], 1, "--force");
    assert!(said.contains("it is kept beside"), "{said}");
    assert_eq!(checksum(&keystead, "keystead.db"), now);

    let done = keystead.json(&["restore", "copy.db", "--force"]);
    assert_eq!(
        keys(&done),
        ["bytes", "checksum", "database", "file", "kept", "rows", "schema", "tables"],
        "what programs know"
    );
    assert_eq!((done["checksum"].as_str(), checksum(&keystead, "keystead.db")), (Some(&*copy), copy.clone()));
    let old = kept(&keystead);
    assert_eq!(old.len(), 1);
    assert!(done["kept"].as_str().unwrap().ends_with(&old[0]), "{done}");
    assert_eq!(checksum(&keystead, &old[0]), now, "the old one, whole");
    assert_eq!(checksum(&keystead, "copy.db"), copy, "the backup is as it was");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(keystead.database()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(keystead.json(&["check"])["sound"], true);
    keystead.ok(&["var", "set", "other", "x"]);
    assert_eq!(checksum(&keystead, &old[0]), now, "what is written now is not written to the old one");
    // Again at once, and back: each old one has a name of its own.
    keystead.ok(&["restore", &old[0], "--force"]);
    assert_eq!((checksum(&keystead, "keystead.db"), kept(&keystead).len()), (now, 2));
    assert!(!names(&keystead.path("")).iter().any(|name| name.ends_with(".part")));
}

#[test]
fn a_new_place_needs_no_force() {
    let (keystead, copy, _) = changed();
    let done = keystead.json(&["restore", "copy.db", "--database", "drill.db"]);
    assert_eq!((&done["kept"], checksum(&keystead, "drill.db")), (&json!(null), copy));
}

#[test]
fn what_was_only_in_the_old_log_is_in_what_is_kept_and_not_in_the_backup() {
    let (keystead, copy, now) = changed();
    leave_a_log(&keystead.database(), "DELETE FROM plans; UPDATE apps SET name = 'later'");
    keystead.ok(&["restore", "copy.db", "--force"]);
    assert_eq!(checksum(&keystead, "keystead.db"), copy);
    let old = kept(&keystead);
    assert_eq!(old.len(), 1, "one file: its log is folded in");
    assert_ne!(checksum(&keystead, &old[0]), now);
    keystead.ok(&["app", "show", "later", "--database", &old[0]]);
}

#[test]
fn a_log_without_its_database_is_not_taken_for_the_backups() {
    let (keystead, copy, _) = changed();
    leave_a_log(&keystead.database(), "DELETE FROM licenses; UPDATE apps SET name = 'gone'");
    std::fs::remove_file(keystead.database()).unwrap();
    keystead.fails(&["restore", "copy.db"], 1, "keystead.db-wal");
    keystead.ok(&["restore", "copy.db", "--force"]);
    assert_eq!(checksum(&keystead, "keystead.db"), copy);
    let old = kept(&keystead);
    assert!(old.len() == 1 && old[0].ends_with("-wal"), "{old:?}");
}

#[test]
fn a_damaged_database_is_kept_with_its_log() {
    let (keystead, copy, _) = changed();
    leave_a_log(&keystead.database(), "UPDATE apps SET name = 'later'");
    std::fs::write(keystead.database(), "this is no database any more, but long enough to be one").unwrap();
    keystead.ok(&["restore", "copy.db", "--force"]);
    assert_eq!(checksum(&keystead, "keystead.db"), copy);
    let old = kept(&keystead);
    assert!(old.len() == 2 && old[1] == format!("{}-wal", old[0]), "{old:?}");
    assert!(std::fs::read(keystead.path(&old[0])).unwrap().starts_with(b"this is no database"));
}

#[test]
#[cfg(unix)]
fn a_second_name_of_the_database_does_not_outlive_the_next_restore() {
    let (keystead, _, now) = changed();
    // What a restore leaves that dies between the old one's second name and the new one's first.
    let second = "keystead.db.before-restore-20260101T000000Z";
    std::fs::hard_link(keystead.database(), keystead.path(second)).unwrap();
    std::fs::write(keystead.path("keystead.db.before-restore-20250101T000000Z"), "another").unwrap();
    keystead.ok(&["restore", "copy.db", "--force"]);
    let old = kept(&keystead);
    assert!(old.len() == 2 && !old.contains(&second.to_owned()), "{old:?}");
    assert_eq!(checksum(&keystead, &old[1]), now);
}

#[test]
fn what_is_in_use_is_not_replaced() {
    let (keystead, _, now) = changed();
    let restore = ["restore", "copy.db", "--force"];
    let server = lock::hold(&keystead.database()).expect("free");
    keystead.fails(&restore, 5, "another server");
    server.describe("127.0.0.1:4711".parse().expect("an address"), None, Clock::System.now()).expect("writes");
    keystead.fails(&restore, 5, "127.0.0.1:4711");
    drop(server);
    let import = lock::hold_import(&keystead.database()).expect("free");
    keystead.fails(&restore, 5, "an import is filling");
    drop(import);
    // A program that knows of no lock.
    let shell = rusqlite::Connection::open(keystead.database()).expect("opens");
    shell.query_row("SELECT count(*) FROM apps", [], |row| row.get::<_, i64>(0)).expect("reads");
    keystead.fails(&restore, 5, "in use by another process");
    drop(shell);
    assert_eq!((checksum(&keystead, "keystead.db"), kept(&keystead)), (now, Vec::new()));
    keystead.ok(&restore);
}

#[test]
fn what_is_no_good_backup_is_refused_before_anything_is_touched() {
    let (keystead, _, now) = changed();
    std::fs::copy(keystead.path("copy.db"), keystead.path("damaged.db")).unwrap();
    damage(&keystead.path("damaged.db"));
    std::fs::write(keystead.path("foreign.db"), "this is no database at all, but long enough to be one").unwrap();
    std::fs::write(keystead.path("empty.db"), "").unwrap();
    std::fs::copy(keystead.path("copy.db"), keystead.path("newer.db")).unwrap();
    let newer = rusqlite::Connection::open(keystead.path("newer.db")).unwrap();
    newer.execute_batch("UPDATE schema_version SET version = 99").unwrap();
    drop(newer);
    let before = all_names(&keystead.path(""));
    for (file, code, saying) in [
        ("damaged.db", 7, "is as it was: take another backup"),
        ("foreign.db", 4, "is not a Keystead database"),
        ("empty.db", 4, "is an empty database"),
        ("newer.db", 4, "a newer Keystead (schema 99"),
        ("none.db", 1, "there is no backup none.db"),
        ("keystead.db", 2, "is the database itself"),
        ("-", 2, "a pipe cannot be verified"),
    ] {
        keystead.fails(&["restore", file, "--force"], code, saying);
        assert_eq!(all_names(&keystead.path("")), before, "{file}");
        if file != "keystead.db" {
            let saying = saying.replace("is as it was: ", "");
            let saying = saying.trim_start_matches("take another");
            keystead.fails(&["restore", file, "--database", "drill.db"], code, saying);
            assert_eq!(all_names(&keystead.path("")), before, "{file} to a new name: not even locks are left");
        }
    }
    keystead.fails(&["restore", "copy.db", "--database", "newer.db"], 1, "--force");
    assert_eq!(all_names(&keystead.path("")), before, "a refusal leaves no lock beside what is there");
    let import = lock::hold_import(&keystead.path("drill.db")).expect("free");
    keystead.fails(&["restore", "copy.db", "--database", "drill.db"], 5, "an import is filling");
    let left =
        all_names(&keystead.path("")).into_iter().filter(|name| name.starts_with("drill.db")).collect::<Vec<_>>();
    assert_eq!(left, ["drill.db.import.lock"], "that is another's");
    drop(import);
    assert_eq!(checksum(&keystead, "keystead.db"), now);
}

#[test]
fn an_older_backup_is_upgraded_when_it_is_opened() {
    let keystead = Keystead::new();
    upgrade::old_database(&keystead);
    keystead.ok(&["backup", "copy.db"]);
    let ran = keystead.run(&["restore", "copy.db", "--database", "new.db"]);
    assert!(ran.code == 0 && ran.err.contains("schema 2: it is upgraded to 4"), "{}", ran.err);
    let ran = keystead.run(&["user", "show", "mia", "--database", "new.db"]);
    assert!(ran.code == 0 && ran.err.contains("from schema 2 to 4"), "{}", ran.err);
}

#[test]
fn a_backup_with_sealed_secrets_says_that_it_needs_their_key() {
    let keystead = Keystead::with_app();
    std::fs::write(keystead.path("vault.key"), "ab".repeat(32)).unwrap();
    std::fs::write(keystead.path("other.key"), "cd".repeat(32)).unwrap();
    keystead.ok(&["config", "public-key", "--vault-key", "vault.key"]);
    keystead.ok(&["backup", "copy.db"]);
    let restore = |key: Option<&str>| {
        let mut command = keystead.command(&["restore", "copy.db", "--force"]);
        if let Some(key) = key {
            command.env("KEYSTEAD_VAULT_KEY", key);
        }
        let output = command.output().expect("runs");
        assert!(output.status.success());
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    for key in [None, Some("other.key"), Some("no-such.key")] {
        assert!(restore(key).contains("needs the --vault-key file that it had"), "{key:?}");
    }
    assert_eq!(restore(Some("vault.key")), "");
}

#[test]
#[cfg(unix)]
fn a_link_to_the_database_stays_a_link() {
    let (keystead, copy, _) = changed();
    std::os::unix::fs::symlink(keystead.database(), keystead.path("link.db")).unwrap();
    keystead.ok(&["restore", "copy.db", "--force", "--database", "link.db"]);
    assert!(keystead.path("link.db").symlink_metadata().unwrap().is_symlink());
    assert_eq!(checksum(&keystead, "keystead.db"), copy);
}
