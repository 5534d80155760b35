//! What holds for all commands: secrets, exit codes, help, pipes, a running server, `check`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use keystead::store::lock;

use super::*;

#[test]
fn secrets_are_printed_where_they_are_asked_for_and_nowhere_else() {
    let keystead = Keystead::new();
    let made = keystead.json(&["app", "create", "demo"]);
    let (secret, sellerkey) = (made["secret"].as_str().unwrap(), made["sellerkey"].as_str().unwrap());
    let shown = keystead.json(&["app", "show"]);
    assert_eq!((&shown["secret"], &shown["sellerkey"]), (&made["secret"], &made["sellerkey"]));
    keystead.run_with(&["user", "create", "mia", "--password-stdin"], "hunter2-hunter2\n");
    let id = open_session(&keystead, 0x1234_5678_9abc_def0_1234_5678_9abc_def0, Some("mia")).to_string();
    for command in [
        &["app", "list"][..],
        &["app", "set", "ver=2"],
        &["app", "pause"],
        &["app", "resume"],
        &["owner", "list"],
        &["user", "list"],
        &["user", "show", "mia"],
        &["user", "ban", "mia"],
        &["session", "list"],
        &["session", "kill", "--all"],
        &["check"],
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = keystead.run(&[command, json].concat());
            let told = ran.out + &ran.err;
            for hidden in [secret, sellerkey, id.as_str(), "hunter2", "argon2"] {
                assert!(!told.contains(hidden), "{command:?} prints {hidden}: {told}");
            }
        }
    }
}

#[test]
fn a_running_server_answers_by_what_a_command_changed() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    let id = open_session(&keystead, 11, Some("mia"));
    let ownerid = keystead.json(&["app", "show"])["ownerid"].as_str().expect("an ownerid").to_owned();
    // What a server does: it holds the lock, and has app and session in its cache.
    let lock = lock::hold(&keystead.database()).expect("free");
    lock.describe("127.0.0.1:4711".parse().expect("an address"), None, Clock::System.now()).expect("writes");
    let store = Store::open(&Options::small(keystead.database())).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let app = || runtime.block_on(apps::lookup(&store, &ownerid, "demo")).expect("reads");
    let session = || runtime.block_on(sessions::lookup(&store, id)).expect("reads").expect("the session");

    assert_eq!(app().expect("the app").settings.version, "1.0");
    assert_eq!(keystead.json(&["app", "show"])["api"], "http://127.0.0.1:4711/api/1.2/");
    keystead.ok(&["app", "set", "ver=9"]);
    assert_eq!(app().expect("the app").settings.version, "9");
    assert!(session().user.is_some());
    keystead.ok(&["user", "ban", "mia"]);
    assert!(session().user.is_none(), "a ban logs out");
    keystead.ok(&["session", "kill", "--all"]);
    assert!(!session().is_live(Clock::System.now()));
    assert_eq!(keystead.json(&["check"])["sound"], true);
    keystead.ok(&["app", "delete", "demo", "--yes"]);
    assert!(app().is_none());
    store.close();
}

#[test]
fn check_says_whether_the_file_is_sound() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    assert!(keystead.ok(&["check"]).contains("is sound"));
    assert_eq!(keystead.json(&["check"]), json!({ "sound": true, "problems": [] }));
    let db = rusqlite::Connection::open(keystead.database()).expect("opens");
    db.execute_batch(
        "INSERT INTO licenses (app_id, key, level, created_at, used_by) SELECT app_id, 'K', '1', 0, id FROM users",
    )
    .expect("writes");
    drop(db);
    let ran = keystead.run(&["check"]);
    assert_eq!(ran.code, 7, "{}", ran.err);
    assert!(ran.out.contains("1 licenses with a user, but without a time of use"), "{}", ran.out);
    let ran = keystead.run(&["check", "--json"]);
    let document: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((ran.code, &document["sound"]), (7, &json!(false)));
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(1));
}

#[test]
fn check_changes_nothing_whatever_version_the_file_is_of() {
    let keystead = Keystead::new();
    upgrade::old_database(&keystead);
    let unchanged = |file: &str, looks: &dyn Fn()| {
        let (before, beside) = (std::fs::read(keystead.path(file)).unwrap(), backup::names(&keystead.path("")));
        looks();
        assert_eq!(std::fs::read(keystead.path(file)).unwrap(), before, "{file}");
        assert_eq!(backup::names(&keystead.path("")), beside, "{file}");
    };
    unchanged("keystead.db", &|| {
        let ran = keystead.run(&["check"]);
        assert_eq!((ran.code, &*ran.out), (0, "keystead.db is sound\n"), "{}", ran.err);
        assert!(ran.err.contains("has schema 2") && ran.err.contains("would upgrade it to 4"), "{}", ran.err);
        assert_eq!(keystead.json(&["check"]), json!({ "sound": true, "problems": [] }));
    });
    let old = rusqlite::Connection::open(keystead.database()).expect("opens");
    old.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO devices VALUES (99, 'PC-1', 8)").expect("writes");
    drop(old);
    unchanged("keystead.db", &|| {
        let ran = keystead.run(&["check"]);
        assert!(ran.code == 7 && ran.out.contains("points to nothing in users"), "{}{}", ran.out, ran.err);
    });
    let old = rusqlite::Connection::open(keystead.database()).expect("opens");
    old.execute_batch("DELETE FROM devices WHERE user_id = 99").expect("writes");
    drop(old);

    // What a crash has left in a log beside it is looked at and stays there, too.
    let path = keystead.database();
    backup::leave_a_log(&path, "UPDATE apps SET name = 'later'");
    let log = || std::fs::read(keystead.path("keystead.db-wal")).expect("the log");
    let before = (std::fs::read(&path).unwrap(), log());
    keystead.ok(&["check"]);
    keystead.run(&["doctor"]);
    assert!((std::fs::read(&path).unwrap(), log()) == before, "the file and its log are as they were");

    // A backup of this version, which is one file without a log; and one of a version to come.
    keystead.ok(&["app", "list"]);
    keystead.ok(&["backup", "copy.db"]);
    unchanged("copy.db", &|| assert!(keystead.ok(&["check", "--database", "copy.db"]).contains("copy.db is sound")));
    let newer = rusqlite::Connection::open(keystead.path("copy.db")).expect("opens");
    newer.execute_batch("UPDATE schema_version SET version = 99").expect("writes");
    drop(newer);
    unchanged("copy.db", &|| {
        keystead.fails(&["check", "--database", "copy.db"], 4, "a newer Keystead (schema 99");
    });
    std::fs::write(keystead.path("empty.db"), "").expect("writes");
    unchanged("empty.db", &|| {
        keystead.fails(&["check", "--database", "empty.db"], 4, "is an empty database");
    });
}

#[test]
fn check_tells_of_damage() {
    let keystead = Keystead::with_app();
    keystead.ok(&["license", "create", "--count", "5000"]);
    let mut bytes = std::fs::read(keystead.database()).expect("reads");
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 3 * 4096].fill(0x5a);
    std::fs::write(keystead.path("damaged.db"), bytes).expect("writes");
    let ran = keystead.run(&["check", "--database", "damaged.db"]);
    assert_eq!(ran.code, 7, "{}{}", ran.out, ran.err);
    assert!(!ran.out.is_empty() && ran.err.contains("go back to a backup"), "{}{}", ran.out, ran.err);
}

#[test]
fn a_missing_or_foreign_database_is_code_4() {
    let keystead = Keystead::new();
    for command in [
        &["app", "list"][..],
        &["app", "set", "ver=2"],
        &["plan", "list"],
        &["license", "create"],
        &["user", "create", "mia"],
        &["ban", "list"],
        &["session", "list"],
        &["var", "list"],
        &["relay", "list"],
        &["file", "list"],
        &["check"],
    ] {
        keystead.fails(command, 4, "there is no database");
    }
    assert!(!keystead.database().exists(), "looking makes no file");
    std::fs::write(keystead.path("other.db"), "this is no database at all, but long enough to be one").unwrap();
    keystead.fails(&["app", "list", "--database", "other.db"], 4, "is not a Keystead database");
    keystead.fails(&["app", "create", "demo", "--database", "no/such/folder/k.db"], 4, "no/such/folder");
    keystead.ok(&["owner", "create", "acme"]);
    keystead.fails(&["license", "list"], 1, "there is no app yet");
    keystead.fails(&["nonsense"], 2, "unrecognized subcommand");
}

#[test]
fn options_come_from_the_environment_too() {
    let keystead = Keystead::with_app();
    keystead.ok(&["app", "create", "second"]);
    let run = |arguments: &[&str]| {
        let mut command = keystead.command(arguments);
        command.current_dir("/").env("KEYSTEAD_DATABASE", keystead.database()).env("KEYSTEAD_APP", "second");
        let output = command.output().expect("runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(run(&["app", "show"]).contains("second, enabled"));
    assert!(run(&["plan", "create", "gold", "--level", "2"]).contains("of second"));
    assert!(!run(&["plan", "list", "--app", "demo"]).contains("gold"), "an option counts before the environment");
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_no_setting_is_told_by_its_name() {
    let keystead = Keystead::with_app();
    let strange = |arguments: &[&str]| {
        let mut command = keystead.command(arguments);
        command.env("KEYSTEAD_REDERS", "a-secret-value").env("KEYSTEAD_NONSENSE_OF_MINE", "a-secret-value");
        // A Kubernetes service of this name, the program's own options, and what the scripts of this project set.
        for name in ["SERVICE_HOST", "PORT_8080_TCP", "APP", "BIN", "READERS"] {
            command.env(format!("KEYSTEAD_{name}"), if name == "READERS" { "3" } else { "x" });
        }
        command
    };
    let assert_told = |told: &str| {
        assert!(told.contains("KEYSTEAD_REDERS") && told.contains("did you mean KEYSTEAD_READERS?"), "{told}");
        assert!(told.contains("KEYSTEAD_NONSENSE_OF_MINE") && told.contains("`keystead config show` lists"), "{told}");
        assert_eq!(told.matches("KEYSTEAD_").count(), 3, "nothing else: {told}");
        assert!(!told.contains("a-secret-value"), "{told}");
    };
    for arguments in [&["config", "show"][..], &["config", "show", "--json"], &["doctor"]] {
        let output = strange(arguments).output().expect("runs");
        assert_told(&String::from_utf8(output.stderr).expect("UTF-8"));
        assert!(!String::from_utf8(output.stdout).expect("UTF-8").contains("a-secret-value"));
    }
    for command in ["serve", "quickstart"] {
        let mut server = strange(&[command, "--listen", "127.0.0.1:0", "--log-level", "warn"]);
        let mut server = server.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines().map(|line| line.expect("UTF-8"));
        let mut told: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("listening on ")).collect();
        // The log has a thread of its own; all of it is written when the server ends.
        rustix::process::kill_process(rustix::process::Pid::from_child(&server), rustix::process::Signal::TERM)
            .expect("a running server");
        told.extend(lines);
        server.wait().expect("ends");
        assert_told(&told.join("\n"));
    }
    let output = strange(&["app", "list"]).output().expect("runs");
    assert_eq!(String::from_utf8(output.stderr).expect("UTF-8"), "", "a command that uses hardly any setting");
}

#[test]
fn every_command_has_help_with_examples() {
    let keystead = Keystead::new();
    for noun in
        ["owner", "app", "plan", "license", "user", "ban", "session", "var", "chat", "token", "relay", "file", "check"]
    {
        let help = keystead.ok(&[noun, "--help"]);
        assert!(help.contains("Examples:") && help.contains(&format!("keystead {noun} ")), "{noun}");
    }
    assert!(keystead.ok(&["--help"]).contains("Exit codes"));
    let help = keystead.ok(&["license", "extend", "--help"]);
    let help: Vec<&str> = help.split_whitespace().collect();
    assert!(help.join(" ").contains("A used one prolongs what it gave"));
    assert!(keystead.ok(&["--version"]).starts_with("keystead "));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let keystead = Keystead::with_app();
    keystead.ok(&["license", "create", "--count", "10000"]);
    for command in [&["license", "list", "--limit", "10000"][..], &["license", "create", "--count", "10000", "--json"]]
    {
        let mut child =
            keystead.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut out = BufReader::with_capacity(16, child.stdout.take().expect("stdout"));
        // It has begun to write; then nobody reads on.
        let _ = out.fill_buf().expect("reads");
        drop(out);
        let output = child.wait_with_output().expect("ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert!(!err.contains("panicked") && !err.contains("ipe"), "{err}");
    }
}

#[test]
#[cfg(unix)]
fn the_database_is_its_owners_business() {
    use std::os::unix::fs::PermissionsExt;
    let keystead = Keystead::with_app();
    let mode = std::fs::metadata(keystead.database()).expect("database").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_replaced_app_keeps_what_its_clients_hold() {
    let keystead = Keystead::new();
    let before = keystead.json(&["app", "create", "demo"]);
    let document =
        format!(r#"{{"format":"keystead-app","version":1,"owner":{{"ownerid":{}}},"name":"demo"}}"#, before["ownerid"]);
    let imported = keystead.run_with(&["import", "-", "--replace", "--json"], &document);
    assert_eq!(imported.code, 0, "{}", imported.err);
    let after: Value = serde_json::from_str(&imported.out).expect("JSON");
    for kept in ["ownerid", "secret", "sellerkey"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
}

#[test]
fn an_import_says_what_it_replaced_and_who_is_locked() {
    let keystead = Keystead::with_app();
    keystead.ok(&["license", "create", "--count", "3"]);
    let mut document: Value = serde_json::from_str(&keystead.ok(&["export"])).expect("JSON");
    document["licenses"] = serde_json::json!(["KEY-1"]);
    document["users"] = serde_json::json!([{ "name": "mia" }, { "name": "tom", "password": "secret" }]);
    let imported = keystead.run_with(&["import", "-", "--replace"], &document.to_string());
    assert_eq!(imported.code, 0, "{}", imported.err);
    assert!(imported.err.contains("replaces: 3 licenses, 0 users → 1 license, 2 users"), "{}", imported.err);
    let locked = "1 user is locked: give them passwords with `keystead user set-password`";
    assert!(imported.err.contains(locked), "{}", imported.err);
    let again = keystead.run_with(&["import", "-", "--replace", "--json"], &document.to_string());
    let again: Value = serde_json::from_str(&again.out).expect("JSON");
    assert_eq!(
        (&again["replaced"], &again["locked"]),
        (&serde_json::json!({ "licenses": 1, "users": 2 }), &serde_json::json!(1))
    );
}

#[test]
fn several_problems_are_several_lines() {
    let keystead = Keystead::new();
    let document =
        r#"{"format":"keystead-app","version":1,"name":"demo","users":[{"name":"mia"},{"name":"MIA"},{"name":"mia"}]}"#;
    let refused = keystead.run_with(&["import", "-"], document);
    assert_eq!(refused.code, 1);
    assert!(refused.err.lines().count() >= 3 && !refused.err.contains("\\n"), "{}", refused.err);
}

#[test]
fn a_banned_license_that_leaves_its_user_in_says_so() {
    let keystead = Keystead::with_app();
    let made = keystead.json(&["license", "create", "--mask", "SOLD-ONE"]);
    let document = keystead.ok(&["export"]);
    assert_eq!(made[0], "SOLD-ONE");
    let mut document: Value = serde_json::from_str(&document).expect("JSON");
    document["users"] = serde_json::json!([{ "name": "mia", "password": "secret", "subscriptions": [{ "plan": "default", "key": "SOLD-ONE" }] }]);
    document["licenses"] = serde_json::json!([{ "key": "SOLD-ONE", "used_by": "mia" }]);
    let imported = keystead.run_with(&["import", "-", "--replace"], &document.to_string());
    assert_eq!(imported.code, 0, "{}", imported.err);
    let banned = keystead.run(&["license", "ban", "SOLD-ONE"]);
    assert!(banned.code == 0 && banned.err.contains("keystead user ban mia"), "{}", banned.err);
}
