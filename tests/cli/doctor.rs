//! `keystead doctor`: a healthy set-up, and sick ones, of which each turns its own line and no other.

use super::*;
use crate::support::smtp::{MailServer, Manners, Spoken};
use crate::support::{Fixture, web};

/// The state and the text of each check.
fn checks(keystead: &Keystead, flags: &[&str]) -> Vec<(String, String, String)> {
    let ran = keystead.run(&[&["doctor", "--json"], flags].concat());
    let document: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}{}", ran.out, ran.err));
    assert_eq!(keys(&document), ["checks", "healthy"]);
    let text = |check: &Value, field: &str| check[field].as_str().expect("a text").to_owned();
    let checks: Vec<_> = document["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| {
            assert_eq!(keys(check), ["name", "state", "text"]);
            (text(check, "name"), text(check, "state"), text(check, "text"))
        })
        .collect();
    let problems = checks.iter().any(|(_, state, _)| state == "problem");
    assert_eq!((ran.code, &document["healthy"]), (if problems { 6 } else { 0 }, &json!(!problems)), "{checks:?}");
    checks
}

/// Fails unless this one line has this state and says this, and all others are as they are in `healthy`.
#[track_caller]
fn assert_turns(
    keystead: &Keystead,
    healthy: &[&str],
    flags: &[&str],
    make_sick: impl FnOnce(),
    (name, state, saying): (&str, &str, &str),
) {
    let before = checks(keystead, healthy);
    make_sick();
    let after = checks(keystead, &[healthy, flags].concat());
    for ((line, was, _), (_, is, text)) in before.iter().zip(&after) {
        if line == name {
            assert_eq!((was.as_str(), is.as_str()), ("ok", state), "{line}: {text}");
            assert!(text.contains(saying), "{line}: {text}");
        } else {
            assert_eq!(was, is, "{line} has nothing to do with {name}: {text}");
        }
    }
}

/// A set-up without a fault; the folder of its backups is `backups`.
fn healthy() -> Keystead {
    let keystead = Keystead::with_app();
    std::fs::create_dir(keystead.path("backups")).unwrap();
    let stamp = chrono::DateTime::from_timestamp(now() - 60, 0).unwrap().format("%Y%m%dT%H%M%SZ");
    keystead.ok(&["backup", &format!("backups/keystead-{stamp}.db")]);
    keystead
}

const USUAL: &[&str] = &["--backup-folder", "backups", "--max-connections", "100"];

#[test]
fn a_healthy_set_up_is_ok_in_every_line() {
    let keystead = healthy();
    let found = checks(&keystead, USUAL);
    let names: Vec<&str> = found.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "database",
            "soundness",
            "permissions",
            "disk",
            "log",
            "clock",
            "server",
            "network",
            "proxy",
            "open-files",
            "vault",
            "mail",
            "backups"
        ],
        "what programs know"
    );
    // The clock and the disk are those of the machine that tests.
    for (name, state, text) in found.iter().filter(|(name, _, _)| name != "clock" && name != "disk") {
        assert_eq!(state, "ok", "{name}: {text}");
    }
    let printed = keystead.ok(&[&["doctor"], USUAL].concat());
    assert_eq!(printed.lines().count(), names.len());
    assert!(printed.starts_with("ok       database     keystead.db: "), "{printed}");
}

#[test]
fn it_changes_nothing() {
    let keystead = Keystead::new();
    upgrade::old_database(&keystead);
    let before = std::fs::read(keystead.database()).unwrap();
    let found = checks(&keystead, &[]);
    assert!(found[0].1 == "warning" && found[0].2.contains("schema 2"), "{:?}", found[0]);
    assert_eq!(std::fs::read(keystead.database()).unwrap(), before);
    assert_eq!(backup::names(&keystead.path("")), ["keystead.db"]);

    let keystead = Keystead::new();
    assert_eq!(checks(&keystead, &[])[0].1, "problem");
    assert!(!keystead.database().exists());
}

#[test]
fn settings_that_do_not_fit_turn_their_line() {
    let keystead = healthy();
    std::fs::write(keystead.path("short.key"), "abcd").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(keystead.path("short.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let port = web::nobody().port().to_string();
    let no_mail =
        ["--smtp-host", "127.0.0.1", "--smtp-port", &port, "--smtp-tls", "none", "--smtp-from", "k@example.com"];
    for (flags, turned) in [
        (&["--listen", "0.0.0.0:8080"][..], ("network", "warning", "--trusted-proxy")),
        (
            &["--trusted-proxy", "0.0.0.0/0", "--public-url", "https://k.example"],
            ("proxy", "warning", "whole internet"),
        ),
        (&["--trusted-proxy", "127.0.0.1"], ("proxy", "warning", "--public-url")),
        (&["--vault-key", "no-such.key"], ("vault", "problem", "no-such.key cannot be read")),
        (&["--vault-key", "short.key"], ("vault", "problem", "holds no key")),
        (&no_mail, ("mail", "problem", "check smtp-host, smtp-port")),
        (&["--backup-folder", "elsewhere"], ("backups", "problem", "make it, mount it")),
        (&["--backup-folder", ""], ("backups", "warning", "set backup-folder")),
        (&["--backup-every", "1s"], ("backups", "ok", "the newest from")),
    ] {
        let flags = if flags[0] == "--backup-folder" { flags.to_vec() } else { [&USUAL[..2], flags].concat() };
        assert_turns(&keystead, USUAL, &[], || {}, ("disk", "ok", "free"));
        let before = checks(&keystead, USUAL);
        let after = checks(&keystead, &[&USUAL[2..], &flags].concat());
        for ((line, was, _), (_, is, text)) in before.iter().zip(&after) {
            let expected = if line == turned.0 { turned.1 } else { was };
            assert_eq!(is, expected, "{flags:?}: {line}: {text}");
            assert!(line != turned.0 || text.contains(turned.2), "{flags:?}: {line}: {text}");
        }
    }
}

#[test]
fn sick_files_turn_their_line() {
    let keystead = healthy();
    let sql = |text: &str| rusqlite::Connection::open(keystead.database()).unwrap().execute_batch(text).unwrap();
    let log = keystead.path("keystead.db-wal");
    let long = || std::fs::File::create(&log).unwrap().set_len(200 << 20).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(std::fs::OpenOptions::new().write(true).create(true).truncate(true), 0o600)
        .open(&log)
        .unwrap();
    assert_turns(
        &keystead,
        USUAL,
        &[],
        || {
            long();
            #[cfg(unix)]
            std::fs::set_permissions(&log, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        },
        ("log", "warning", "200.0 MiB"),
    );
    let _ = std::fs::remove_file(&log);
    assert_turns(
        &keystead,
        USUAL,
        &[],
        || {
            sql(&format!(
                "INSERT INTO sessions (id, app_id, ip, created_at, expires_at) VALUES ('x', 1, '::1', {0}, {0})",
                now() + 86_400
            ));
        },
        ("clock", "problem", "the clock was ahead then, or is behind now"),
    );
    sql("DELETE FROM sessions");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |mode| std::fs::set_permissions(keystead.database(), PermissionsExt::from_mode(mode)).unwrap();
        assert_turns(&keystead, USUAL, &[], || mode(0o644), ("permissions", "warning", "chmod 600"));
        mode(0o600);
    }
    assert_turns(
        &keystead,
        USUAL,
        &[],
        || {
            let found = backup::names(&keystead.path("backups"));
            std::fs::rename(
                keystead.path("backups").join(&found[0]),
                keystead.path("backups/keystead-20200101T000000Z.db"),
            )
            .unwrap();
        },
        ("backups", "problem", "one is due every 1d: the server's log says why"),
    );
    // One from the future does not make that any younger.
    std::fs::copy(keystead.database(), keystead.path("backups/keystead-20990101T000000Z.db")).unwrap();
    let backups = || checks(&keystead, USUAL).into_iter().find(|(name, _, _)| name == "backups").unwrap();
    assert!(backups().1 == "problem" && backups().2.contains("1 in backups, the newest from 2020"), "{:?}", backups());
    std::fs::remove_file(keystead.path("backups/keystead-20200101T000000Z.db")).unwrap();
    assert!(backups().1 == "warning" && backups().2.contains("still to come"), "{:?}", backups());
    std::fs::remove_file(keystead.path("backups/keystead-20990101T000000Z.db")).unwrap();
    let found = checks(&keystead, USUAL);
    assert!(found.iter().any(|(name, state, _)| name == "backups" && state == "warning"), "none yet: {found:?}");
}

#[test]
#[cfg(unix)]
fn secrets_that_others_may_read_are_told() {
    use std::os::unix::fs::PermissionsExt;
    let keystead = healthy();
    let mode = |path: &std::path::Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let backup = keystead.path("backups").join(&backup::names(&keystead.path("backups"))[0]);
    assert_turns(&keystead, USUAL, &[], || mode(&backup, 0o640), ("permissions", "warning", "others on this machine"));
    mode(&backup, 0o600);

    let settings = keystead.path("k.toml");
    let mail = "smtp-host = '127.0.0.1'\nsmtp-user = 'mia'\nsmtp-from = 'k@example.com'\n";
    std::fs::write(&settings, format!("{mail}smtp-password = 'hunter2'\n")).unwrap();
    let permissions = || {
        let found = checks(&keystead, &[USUAL, &["--config", "k.toml"]].concat());
        found.into_iter().find(|(name, _, _)| name == "permissions").unwrap()
    };
    mode(&settings, 0o644);
    let (_, state, text) = permissions();
    assert!(state == "warning" && text.contains("k.toml, and smtp-password stands in it"), "{text}");
    assert!(!text.contains("hunter2"));
    mode(&settings, 0o640);
    assert_eq!(permissions().1, "ok", "root's, and read by the server's group");
    std::fs::write(keystead.path("password"), "hunter2").unwrap();
    mode(&keystead.path("password"), 0o600);
    std::fs::write(&settings, format!("{mail}smtp-password-file = 'password'\n")).unwrap();
    mode(&settings, 0o644);
    assert_eq!(permissions().1, "ok", "no secret in it");
}

#[test]
fn a_proxy_that_nobody_named_is_told() {
    let keystead = healthy();
    let db = rusqlite::Connection::open(keystead.database()).unwrap();
    let mut opened = 0;
    let mut open = |ip: &str, count: usize| {
        for _ in 0..count {
            opened += 1;
            let (id, at) = (format!("{opened:032x}"), now() - 60);
            let sql = "INSERT INTO sessions (id, app_id, ip, created_at, expires_at) VALUES (?1, 1, ?2, ?3, ?3)";
            db.execute(sql, (id, ip, at)).unwrap();
        }
    };
    let proxy = |flags: &[&str]| {
        let found = checks(&keystead, &[USUAL, flags].concat());
        found.into_iter().find(|(name, _, _)| name == "proxy").unwrap()
    };
    open("1.2.3.4", 1);
    open("172.17.0.1", 49);
    assert_eq!(proxy(&[]).1, "ok", "somebody came from elsewhere");
    assert_turns(&keystead, USUAL, &[], || open("172.17.0.1", 1), ("proxy", "warning", "come from 172.17.0.1"));
    assert_eq!(proxy(&["--trusted-proxy", "172.17.0.1", "--public-url", "https://k.example"]).1, "ok");
    open("1.2.3.4", 50);
    assert_eq!(proxy(&[]).1, "ok", "one customer in the world");
    db.execute_batch("DELETE FROM sessions").unwrap();
    open("127.0.0.1", 9);
    assert_eq!(proxy(&[]).1, "ok", "somebody tries it out");
    open("127.0.0.1", 1);
    assert_eq!(proxy(&[]).1, "warning");
}

/// Root may write anywhere, so where root tests, the doctor is somebody else.
#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_written_is_told() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let keystead = healthy();
    let program = keystead.path("program");
    let built = env!("CARGO_BIN_EXE_keystead");
    if std::fs::hard_link(built, &program).is_err() {
        std::fs::copy(built, &program).unwrap();
    }
    let root = rustix::process::geteuid().is_root();
    let mode =
        |name: &str, mode| std::fs::set_permissions(keystead.path(name), PermissionsExt::from_mode(mode)).unwrap();
    let told = || {
        let mut command = std::process::Command::new(&program);
        command.arg("doctor").args(USUAL).current_dir(keystead.path("")).env_remove("KEYSTEAD_DATABASE");
        if root {
            command.uid(65534).gid(65534);
        }
        String::from_utf8(command.output().expect("runs").stdout).unwrap()
    };
    let line = |name: &str| told().lines().find(|line| line[9..].starts_with(name)).expect("a line").to_owned();
    // For the other one, all of it has to be open at first.
    let made = format!("backups/{}", backup::names(&keystead.path("backups"))[0]);
    for (name, open) in [("", 0o777), ("backups", 0o777), (&made, 0o666), ("keystead.db", 0o666)] {
        mode(name, open);
    }
    assert!(line("permissions").starts_with("warning "), "{}", told());
    assert!(line("backups").starts_with("ok "), "{}", told());
    mode("backups", 0o555);
    let said = line("backups");
    assert!(said.starts_with("problem ") && said.contains("cannot make files in it"), "{said}");
    mode("", 0o555);
    let said = line("permissions");
    assert!(said.starts_with("problem ") && said.contains("cannot make files in"), "{said}");
    mode("", 0o777);
    mode("keystead.db", 0o444);
    let said = line("permissions");
    assert!(said.starts_with("problem ") && said.contains("cannot read and write"), "{said}");
    mode("", 0o700);
}

#[test]
fn backups_from_the_future_are_told() {
    let keystead = healthy();
    assert_turns(
        &keystead,
        USUAL,
        &[],
        || {
            std::fs::copy(keystead.database(), keystead.path("backups/keystead-20990101T000000Z.db")).unwrap();
        },
        ("backups", "warning", "keystead-20990101T000000Z.db: the clock was ahead then"),
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_low_limit_of_open_files_is_told() {
    let keystead = healthy();
    let with = |limit: &str| {
        let mut command = std::process::Command::new("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_keystead")).arg("doctor").args(USUAL);
        let output = command.current_dir(keystead.path("")).env_remove("KEYSTEAD_DATABASE").output().expect("runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(with("356").contains("ok       open-files"), "100 connections and what else is open");
    let told = with("355");
    assert!(
        told.contains("warning  open-files   a process may open 355 files") && told.contains("LimitNOFILE"),
        "{told}"
    );
}

#[test]
fn a_damaged_file_is_told() {
    let keystead = healthy();
    keystead.ok(&["license", "create", "--count", "5000"]);
    assert_turns(
        &keystead,
        USUAL,
        &[],
        || backup::damage(&keystead.database()),
        ("soundness", "problem", "keystead restore"),
    );
}

#[test]
fn a_newer_database_is_told() {
    let keystead = healthy();
    let db = rusqlite::Connection::open(keystead.database()).unwrap();
    assert_turns(
        &keystead,
        USUAL,
        &[],
        || db.execute_batch("UPDATE schema_version SET version = 99").unwrap(),
        ("database", "problem", "a newer Keystead"),
    );
}

#[test]
fn a_key_that_opens_nothing_is_told() {
    let keystead = healthy();
    for (name, key) in [("vault.key", "ab"), ("other.key", "cd")] {
        std::fs::write(keystead.path(name), key.repeat(32)).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(keystead.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let with = |key| [USUAL, &["--vault-key", key]].concat();
    keystead.ok(&["config", "public-key", "--vault-key", "vault.key"]);
    let vault = |flags: &[&str]| checks(&keystead, flags).into_iter().find(|(name, _, _)| name == "vault").unwrap();
    assert_eq!(vault(&with("vault.key")).1, "ok");
    let (_, state, text) = vault(&with("other.key"));
    assert!(state == "problem" && text.contains("is not the one"), "{text}");
    let (_, state, text) = vault(USUAL);
    assert!(state == "problem" && text.contains("--vault-key FILE"), "{text}");
}

#[test]
fn the_mail_server_is_spoken_to_and_gets_no_mail() {
    let keystead = healthy();
    let manners = Manners { login: Some(("mia".to_owned(), "hunter2".to_owned())), ..Manners::default() };
    let server = MailServer::start(Spoken::Plain, manners);
    let port = server.address.port().to_string();
    let mail = |password| {
        let flags = ["--smtp-host", "127.0.0.1", "--smtp-port", &port, "--smtp-tls", "none"];
        let login = ["--smtp-from", "k@example.com", "--smtp-user", "mia", "--smtp-password", password];
        let found = checks(&keystead, &[USUAL, &flags, &login].concat());
        found.into_iter().find(|(name, _, _)| name == "mail").unwrap()
    };
    let (_, state, text) = mail("hunter2");
    assert!(state == "ok" && text.contains("takes the login"), "{text}");
    let (_, state, text) = mail("hunter3");
    assert!(state == "problem" && text.contains("check smtp-user") && !text.contains("hunter"), "{text}");
    assert!(server.arrived().is_empty());
}

#[test]
fn a_running_server_is_asked() {
    let mut server = Fixture::new().serve(&[]);
    let keystead = Keystead::new();
    let database = server.db.path();
    let database = database.to_str().unwrap().to_owned();
    let line = |flags: &[&str]| {
        let found = checks(&keystead, &[&["--database", &database], flags].concat());
        found.into_iter().find(|(name, _, _)| name == "server").unwrap()
    };
    let (_, state, text) = line(&["--listen", "127.0.0.1:0"]);
    assert!(state == "ok" && text.contains(&server.address.to_string()) && text.ends_with("answers"), "{text}");
    let (_, state, text) = line(&["--listen", "127.0.0.1:1"]);
    assert!(state == "warning" && text.contains("give it those that the server has"), "{text}");
    server.kill();
    let (_, state, text) = line(&[]);
    assert!(state == "ok" && text == "no server uses this database now", "{text}");
    // One that holds the lock and answers nobody.
    let held = keystead::store::lock::hold(&server.db.path()).expect("free");
    held.describe(web::nobody(), None, Clock::System.now()).expect("writes");
    let (_, state, text) = line(&[]);
    assert!(state == "problem" && text.contains("does not answer"), "{text}");
}
