//! Export and import: the document goes round without losing a byte, what does not fit is refused with its place, and
//! an import that ends early has shown nothing. Uses the library and the real binary; starts no server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keystead::domain::document::check::{Overrides, Rules, check};
use keystead::domain::document::export::export;
use keystead::domain::document::import::{self, ImportError};
use keystead::domain::document::parse;
use keystead::domain::secret::Hasher;
use keystead::domain::target::Targets;
use keystead::domain::vault::Vault;
use keystead::model::time::Time;
use keystead::model::user::Credential;
use keystead::store::{self, Options, Store, Tx, apps, lock, users, verify};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

mod generate;
mod refusals;

const NOW: Time = Time(1_800_000_000);

/// Public addresses only, and small files.
fn rules() -> Rules {
    Rules { targets: Targets::new(Vec::new()), file_limit: 1_000 }
}

/// A database of its own.
struct Fresh {
    dir: TempDir,
    store: Store,
}

impl Fresh {
    fn new() -> Fresh {
        let dir = tempfile::tempdir().expect("folder");
        let store = Store::open(&Options::small(dir.path().join("k.db"))).expect("opens");
        Fresh { dir, store }
    }

    fn import(&self, text: &str, replace: bool) -> Result<(), String> {
        self.import_as(text, &Overrides::default(), replace).map_err(|e| e.to_string())
    }

    fn import_as(&self, text: &str, overrides: &Overrides, replace: bool) -> Result<(), ImportError> {
        let document = parse(text.as_bytes()).expect("shape");
        let mut checked = check(document, overrides, &rules(), NOW).expect("fits");
        import::hash_passwords(&mut checked, 2, &mut |_| ())?;
        let alone = lock::hold_import(&self.dir.path().join("k.db")).expect("alone");
        import::run(&self.store, &Arc::default(), &alone, checked, replace, NOW, &mut |_| ()).map(drop)
    }

    fn read<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>) -> store::Result<T> + Send + 'static) -> T {
        self.store.read(work).wait().expect("reads")
    }

    fn names(&self) -> Vec<String> {
        self.read(apps::all).iter().map(|app| format!("{}/{}", app.owner, app.name)).collect()
    }

    /// The only app's document.
    fn export(&self) -> String {
        let app = self.read(apps::all).pop().expect("an app");
        let text = self.store.read(move |tx| {
            let mut text = Vec::new();
            export(tx, &Vault::default(), &app.ownerid, &app.name, &mut text).map(|()| text)
        });
        String::from_utf8(text.wait().expect("exports")).expect("UTF-8")
    }

    fn user(&self, name: &'static str) -> keystead::model::user::User {
        let app = self.read(apps::all).pop().expect("an app").id;
        self.read(move |tx| users::by_name(tx, app, name)).expect("the user")
    }

    fn hidden(&self) -> usize {
        self.read(apps::hidden).len()
    }

    fn assert_sound(&self) {
        assert_eq!(self.read(verify::problems), Vec::<String>::new());
    }
}

/// Imports into an empty database and exports again.
fn round(text: &str) -> String {
    let fresh = Fresh::new();
    fresh.import(text, false).expect("imports");
    fresh.assert_sound();
    assert_eq!(fresh.hidden(), 0);
    fresh.export()
}

/// The examples of the documentation, in order.
fn examples() -> Vec<String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/app-json.md")).expect("page");
    let parts = page.split("```json example\n").skip(1);
    parts.map(|part| part.split("```").next().expect("an end").to_owned()).collect()
}

#[test]
fn the_documented_export_goes_round_byte_for_byte() {
    let text = &examples()[0];
    assert_eq!(&round(text), text);
}

#[test]
fn the_documented_passwords_open() {
    let fresh = Fresh::new();
    fresh.import(&examples()[0], false).expect("imports");
    for (name, password, bcrypt) in [("mia", "hunter2", false), ("tom", "swordfish", true)] {
        let Credential::Password(hash) = fresh.user(name).credential else { panic!("{name} has a password") };
        assert!(Hasher::default().verify(password, &hash), "{name}");
        assert!(!Hasher::default().verify("wrong", &hash), "{name}");
        assert_eq!(keystead::domain::secret::is_bcrypt(&hash), bcrypt);
    }
    assert!(fresh.user("key-cccc").credential == Credential::License);
    assert!(fresh.user("new").credential == Credential::Claimable);
    assert!(fresh.user("old").credential == Credential::Locked);
}

#[test]
fn the_handwritten_example_means_what_it_says() {
    let fresh = Fresh::new();
    fresh.import(&examples()[1], false).expect("imports");
    fresh.assert_sound();
    let text = fresh.export();
    assert_eq!(round(&text), text, "what was left out is there now");

    let Credential::Password(hash) = fresh.user("mia").credential else { panic!("a password") };
    assert!(Hasher::default().verify("hunter2", &hash));
    assert!(fresh.user("KEY-ONLY").credential == Credential::License, "its password was its license");

    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["secret"].as_str().map(str::len), Some(64));
    assert_eq!(document["settings"], json!({ "hwidcheck": "0", "session": "60" }));
    assert_eq!(document["plans"], json!([{ "name": "default", "level": "1" }]));
    let now = NOW.0;
    let month = 30 * 86_400;
    assert_eq!(
        document["licenses"].take(),
        json!([
            { "key": "KEY-UNUSED", "level": "1", "duration": month, "created_at": now },
            { "key": "KEY-MIA", "level": "1", "duration": month, "created_at": now, "used_at": now, "used_by": "mia" },
            { "key": "KEY-ONLY", "level": "1", "duration": month, "created_at": now, "used_at": now, "used_by": "KEY-ONLY" },
            { "key": "KEY-GONE", "level": "1", "duration": month, "created_at": now, "used_at": now },
            { "key": "KEY-BANNED", "level": "1", "duration": month, "created_at": now, "banned": true, "ban_reason": "resold" },
        ])
    );
    let subscriptions: Vec<Value> =
        document["users"].as_array().expect("users").iter().map(|user| user["subscriptions"].clone()).collect();
    assert_eq!(
        subscriptions,
        [
            json!([{ "plan": "default", "level": "1", "key": "KEY-MIA", "granted_at": now, "expires_at": now + month }]),
            json!([{ "plan": "default", "level": "1", "granted_at": now, "expires_at": null }]),
            json!([{ "plan": "default", "level": "1", "granted_at": now, "expires_at": now - 1 }]),
        ]
    );
    assert_eq!(document["users"][0]["email"], "mia@example.com");
    let sha1 = hex::encode(<sha1::Sha1 as sha1::Digest>::digest("mia@example.com"));
    assert_eq!(fresh.user("mia").email_sha1, Some(sha1), "found by it");
    assert!(!fresh.user("mia").uuid.is_nil() && fresh.user("mia").uuid != fresh.user("late").uuid, "each has its own");
}

#[test]
fn owners_are_found_by_ownerid_then_by_name() {
    let document = |owner: &str, name: &str| format!(r#"{{"owner": {owner}, "name": "{name}"}}"#);
    let fresh = Fresh::new();
    fresh.import(&document(r#"{"name": "acme", "ownerid": "AAAAAAAAAA"}"#, "one"), false).expect("new owner");
    fresh.import(&document(r#"{"name": "other name", "ownerid": "AAAAAAAAAA"}"#, "two"), false).expect("by ownerid");
    fresh.import(&document(r#"{"name": "ACME"}"#, "three"), false).expect("by name");
    fresh.import(&document("{}", "four"), false).expect("the only one there is");
    let error = fresh.import(&document(r#"{"name": "acme", "ownerid": "BBBBBBBBBB"}"#, "five"), false);
    let error = error.expect_err("another account");
    assert!(error.contains("AAAAAAAAAA") && error.contains("BBBBBBBBBB") && error.contains("--owner"), "{error}");
    fresh.import(&document(r#"{"ownerid": "CCCCCCCCCC"}"#, "six"), false).expect("named by its ownerid");
    let error = fresh.import(&document("{}", "seven"), false).expect_err("which?");
    assert!(error.contains("--owner"), "{error}");

    let chosen = |owner: &str| Overrides { owner: Some(owner.to_owned()), name: Some("eight".to_owned()) };
    let text = document(r#"{"name": "acme", "ownerid": "AAAAAAAAAA"}"#, "one");
    fresh.import_as(&text, &chosen("CCCCCCCCCC"), false).expect("there, whatever the document says");
    fresh.import_as(&text, &chosen("new one"), false).expect("made; the ownerid is another's");
    assert_eq!(
        fresh.names(),
        ["acme/one", "acme/two", "acme/three", "acme/four", "CCCCCCCCCC/six", "CCCCCCCCCC/eight", "new one/eight"]
    );

    let empty = Fresh::new();
    empty.import(r#"{"name": "demo"}"#, false).expect("an owner is made");
    assert_eq!(empty.names(), ["owner/demo"]);
}

#[test]
fn an_app_that_exists_is_replaced_only_on_demand() {
    let fresh = Fresh::new();
    let text = &examples()[0];
    fresh.import(text, false).expect("imports");
    let error = fresh.import(text, false).expect_err("it exists");
    assert!(error.contains("--replace") && error.contains("--name"), "{error}");
    let other = text.replace("\"name\": \"demo\"", "\"name\": \"copy\"");
    let error = fresh.import(&other, false).expect_err("its keys are another's");
    assert!(error.starts_with("sellerkey, id, api_key: app demo of owner acme has the same"), "{error}");

    let changed = text.replace("KEY-AAAA", "KEY-ZZZZ");
    fresh.import(&changed, true).expect("replaces");
    assert_eq!(fresh.export(), changed);
    assert_eq!((fresh.names().len(), fresh.hidden()), (1, 0), "nothing of the old one is left");
    fresh.assert_sound();
}

/// A document without keys, in the place of an app: its clients go on with what they have. With one: that counts.
#[test]
fn an_app_that_is_replaced_keeps_what_its_clients_hold() {
    let fresh = Fresh::new();
    fresh.import(&examples()[0], false).expect("imports");
    let before = fresh.read(apps::all).remove(0);
    let short = r#"{"owner": {"name": "acme"}, "name": "demo", "api_secret": "SECRET"}"#;
    let short = short.replace("SECRET", &"a".repeat(64));
    fresh.import(&short, true).expect("replaces");
    let after = fresh.read(apps::all).remove(0);
    assert_eq!((&after.uuid, &after.api_key), (&before.uuid, &before.api_key));
    assert_eq!((&after.sellerkey, &after.secret), (&before.sellerkey, &before.secret));
    assert_eq!(after.api_secret, "a".repeat(64), "the document's");

    let another = r#"{"owner": {"name": "acme"}, "name": "second", "api_key": "KEY"}"#;
    let another = another.replace("KEY", &before.api_key);
    let error = fresh.import(&another, false).expect_err("the key is another's");
    assert!(error.starts_with("api_key: app demo of owner acme has the same"), "{error}");
}

/// What only one app of a server can be for Wacht's clients.
#[test]
fn no_document_takes_anothers_place_at_wacht() {
    let fresh = Fresh::new();
    let document = |name: &str, settings: &str| format!(r#"{{"name": "{name}", "settings": {settings}}}"#);
    let settings = r#"{"wachtDefault": 1, "wachtHost": "login.example.com"}"#;
    fresh.import(&document("one", settings), false).expect("imports");
    let error = fresh.import(&document("two", r#"{"wachtHost": "login.example.com"}"#), false);
    let error = error.expect_err("the host is another's");
    assert!(error.starts_with("settings.wachtHost: app one of owner owner has the same"), "{error}");
    fresh.import(&document("two", r#"{"wachtDefault": 1}"#), false).expect("imports, but for that");
    let default = |name: &str| {
        let all = fresh.read(apps::all);
        all.iter().find(|app| &*app.name == name).expect("an app").settings.wacht_default
    };
    assert!(default("one") && !default("two"));
    // In its own place it keeps it.
    fresh.import(&document("one", settings), true).expect("replaces itself");
    assert!(default("one") && !default("two"));
}

#[test]
fn a_store_that_fails_at_any_call_shows_nothing() {
    let text = &examples()[0];
    let changed = text.replace("KEY-AAAA", "KEY-ZZZZ");
    for n in 1.. {
        let fresh = Fresh::new();
        fresh.import(text, false).expect("imports");
        fresh.store.faults().fail_nth(n);
        let done = fresh.import(&changed, true);
        let hits = fresh.store.faults().hits();
        fresh.store.faults().clear();
        let seen = fresh.export();
        assert!(seen == *text || seen == changed, "call {n}: one or the other, whole");
        // A fault in the clearing-up comes after the swap.
        assert!(done.is_err() || seen == changed, "call {n}");
        fresh.import(&changed, true).expect("again");
        assert_eq!((fresh.export(), fresh.hidden()), (changed.clone(), 0), "call {n}");
        fresh.assert_sound();
        if hits == 0 {
            assert!(n > 50, "faults were raised");
            break;
        }
    }
}

fn keystead(database: &Path, arguments: &[&str], input: Option<&str>) -> Output {
    let mut child = spawn(database, arguments);
    let mut stdin = child.stdin.take().expect("piped");
    if let Some(input) = input {
        std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("takes its input");
    }
    drop(stdin);
    child.wait_with_output().expect("ends")
}

fn spawn(database: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_keystead"))
        .arg("--database")
        .arg(database)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

#[test]
fn the_command_line_goes_round() {
    let dir = tempfile::tempdir().expect("folder");
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    let text = &examples()[0];
    std::fs::write(path("in.json"), text).expect("writes");

    let out = keystead(&path("a.db"), &["import", path("in.json").to_str().expect("UTF-8"), "--json"], None);
    assert!(out.status.success(), "{out:?}");
    let made: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(made["ownerid"], "AbCdEfGh12");
    assert_eq!(made["licenses"], 7);
    assert_eq!(made["id"], "6f1c0a52-6b1e-4c7e-9a43-0c1f6f0f7a11");
    assert_eq!(made["api_key"], "00112233445566778899aabbccddeeff");

    let out = keystead(&path("a.db"), &["export", "--app", "demo"], None);
    assert!(out.status.success(), "{out:?}");
    assert_eq!(String::from_utf8_lossy(&out.stdout), *text);

    std::fs::write(path("out.json"), "an older file").expect("writes");
    let out = keystead(&path("a.db"), &["export", "-o", path("out.json").to_str().expect("UTF-8")], None);
    assert!(out.status.success() && out.stdout.is_empty(), "{out:?}");
    assert_eq!(std::fs::read_to_string(path("out.json")).expect("reads"), *text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path("out.json")).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "secrets are for the owner of the file");
    }

    let out = keystead(&path("a.db"), &["import", "-"], Some(text));
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--replace"), "{out:?}");
    let out = keystead(&path("a.db"), &["export", "--app", "nothing"], None);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
}

#[test]
fn one_import_at_a_time() {
    let dir = tempfile::tempdir().expect("folder");
    let database = dir.path().join("k.db");
    let _alone = lock::hold_import(&database).expect("free");
    let out = keystead(&database, &["import", "-"], Some(r#"{"name": "demo"}"#));
    assert_eq!(out.status.code(), Some(5), "{out:?}");
}

#[test]
fn an_import_that_is_killed_has_shown_nothing() {
    const TOTAL: i64 = 30_000;
    let licenses: Vec<_> = (0..TOTAL).map(|i| format!("KEY-{i}")).collect();
    let text = |name: &str| json!({ "owner": { "name": "acme" }, "name": name, "licenses": licenses }).to_string();

    // A slow machine may let an import end before we look: then there is another round.
    let mut killed = 0;
    for round in 0..40_i64 {
        // In even rounds a new app, in odd ones one in the place of the old; later and later.
        let name = if round % 2 == 0 { "new" } else { "old" };
        let at_least = killed * TOTAL / 8;
        let fresh = Fresh::new();
        fresh.import(r#"{"owner": {"name": "acme"}, "name": "old", "licenses": ["OLD"]}"#, false).expect("imports");
        let before = fresh.export();
        let file = fresh.dir.path().join("in.json");
        std::fs::write(&file, text(name)).expect("writes");

        let database = fresh.dir.path().join("k.db");
        let mut child = spawn(&database, &["import", file.to_str().expect("UTF-8"), "--replace"]);
        while child.try_wait().expect("asks").is_none() {
            let written = fresh.read(move |tx| match apps::hidden(tx)?.last() {
                Some(id) => apps::counts(tx, *id, NOW).map(|counts| counts.licenses),
                None => Ok(-1),
            });
            if written >= at_least {
                break;
            }
        }
        child.kill().expect("kills");
        child.wait().expect("ends");

        let swapped = fresh.read(apps::all).into_iter().find(|app| app.created_at != NOW).map(|app| app.id);
        if let Some(swapped) = swapped {
            assert_eq!(fresh.read(move |tx| apps::counts(tx, swapped, NOW)).licenses, TOTAL, "seen: then whole");
        } else {
            assert_eq!((fresh.names(), fresh.export()), (vec!["acme/old".to_owned()], before), "round {round}");
            killed += i64::from(fresh.hidden() > 0);
        }
        fresh.assert_sound();

        fresh.import(r#"{"owner": {"name": "acme"}, "name": "next"}"#, false).expect("the next one works");
        assert_eq!(fresh.hidden(), 0, "and takes away what was left");
        fresh.assert_sound();
        if killed == 6 {
            return;
        }
    }
    panic!("only {killed} of 40 imports could be killed on their way");
}

#[test]
fn answers_keep_flowing_beside_an_import() {
    let fresh = Fresh::new();
    let licenses: Vec<_> = (0..20_000).map(|i| format!("KEY-{i}")).collect();
    let text = json!({ "name": "demo", "licenses": licenses }).to_string();
    let file = fresh.dir.path().join("in.json");
    std::fs::write(&file, text).expect("writes");
    let database = fresh.dir.path().join("k.db");
    let over = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (store, over) = (fresh.store.clone(), Arc::clone(&over));
        move || {
            let mut writes = 0;
            while !over.load(Ordering::Relaxed) {
                store
                    .write(|tx| keystead::store::owners::insert(tx, "x", "XXXXXXXXXX", NOW))
                    .wait()
                    .expect("never fails with locked");
                writes += 1;
            }
            writes
        }
    });
    let out = keystead(&database, &["import", file.to_str().expect("UTF-8"), "--owner", "me"], None);
    over.store(true, Ordering::Relaxed);
    assert!(out.status.success(), "{out:?}");
    assert!(writer.join().expect("ends") > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_app_goes_round(app in generate::app()) {
        let first = round(&app.to_string());
        let second = round(&first);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn no_document_makes_the_reader_panic(text in "[\\[\\]{}\":, a-z0-9\\\\]{0,60}") {
        let _ = refusals::problems(&text);
        let _ = refusals::problems(&format!("{{\"name\":\"d\",\"licenses\":[{text}]}}"));
    }
}
