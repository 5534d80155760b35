//! The server's key pair and what is sealed: `config public-key`, `rotate-key`, the vault's key; and the second factor
//! and the e-mail address of users.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use keystead::domain::secret::email_sha1;
use keystead::domain::vault::{Purpose, Vault};
use keystead::model::time::Time;
use keystead::store::two_factor;

use super::*;
use crate::support::exchange;

fn public_key(keystead: &Keystead, more: &[&str]) -> String {
    let out = keystead.ok(&[&["config", "public-key"], more].concat());
    let key = out.strip_suffix('\n').expect("one line").to_owned();
    assert!(key.len() == 64 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{out}");
    key
}

#[test]
fn the_public_key_stays_until_it_is_rotated() {
    let keystead = Keystead::with_app();
    let key = public_key(&keystead, &[]);
    assert_eq!(public_key(&keystead, &[]), key, "made once");
    assert_eq!(keystead.json(&["config", "public-key"]), json!({ "public_key": key }));
    let refused = keystead.fails(&["config", "rotate-key"], 2, "--yes");
    assert!(refused.contains("every client of API 1.3"), "{refused}");
    assert_eq!(public_key(&keystead, &[]), key);
    let ran = keystead.run(&["config", "rotate-key", "--yes"]);
    let new = ran.out.trim_end().to_owned();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(new != key && public_key(&keystead, &[]) == new, "{}", ran.out);
    assert_ne!(keystead.json(&["config", "rotate-key", "--yes"])["public_key"], new.as_str());
    Keystead::new().fails(&["config", "public-key"], 4, "there is no database");
}

/// A running server, killed with this value.
struct Served(Child, std::net::SocketAddr);

impl Served {
    fn start(keystead: &Keystead, flags: &[&str]) -> Served {
        let mut command = keystead.command(&[&["serve", "--listen", "127.0.0.1:0"], flags].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        // Somebody has to read on.
        std::thread::spawn(move || lines.for_each(drop));
        Served(child, address.expect("it listens").parse().expect("an address"))
    }

    /// Whether an answer of 1.3 is signed with this key.
    fn signs_by(&self, public: &str) -> bool {
        use ed25519_dalek::{Signature, VerifyingKey};
        let reply = exchange(self.1, b"GET /api/1.3/?ownerid=1234567890&name=none HTTP/1.1\r\nhost: x\r\n\r\n");
        let bytes = |text: &str| hex::decode(text).expect("hex");
        let key: [u8; 32] = bytes(public).try_into().expect("32 bytes");
        let signature: [u8; 64] = bytes(reply.header("x-signature-ed25519").expect("signed")).try_into().expect("64");
        let message = [reply.header("x-signature-timestamp").expect("a time").as_bytes(), &reply.body].concat();
        let key = VerifyingKey::from_bytes(&key).expect("a key");
        key.verify_strict(&message, &Signature::from_bytes(&signature)).is_ok()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_server_signs_with_the_key_that_was_rotated_to() {
    let keystead = Keystead::with_app();
    let server = Served::start(&keystead, &[]);
    let old = public_key(&keystead, &[]);
    assert!(server.signs_by(&old));
    // The command ends when the server has noticed.
    keystead.ok(&["config", "rotate-key", "--yes"]);
    let new = public_key(&keystead, &[]);
    assert!(server.signs_by(&new) && !server.signs_by(&old));
}

#[test]
fn what_was_kept_open_is_sealed_at_the_next_start_with_a_key() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    switch_on(&keystead, "mia");
    let public = public_key(&keystead, &[]);
    let stored = |keystead: &Keystead| {
        in_store(keystead, |tx| {
            let app = apps::all(tx)?.remove(0);
            let user = users::by_name(tx, app.id, "mia")?.expect("the user").id;
            let seed = keystead::store::server_keys::signing(tx)?.expect("a key").seed;
            Ok([two_factor::of_user(tx, user)?.expect("the user").secret.expect("on"), seed])
        })
    };
    assert!(stored(&keystead).iter().all(|text| text.starts_with("open:")));
    let write = |name: &str, text: String| std::fs::write(keystead.path(name), text).expect("writes");
    write("right.key", "ab".repeat(32));
    write("wrong.key", "cd".repeat(32));
    write("no.key", "hunter2".to_owned());

    assert!(Served::start(&keystead, &["--vault-key", "right.key"]).signs_by(&public));
    let sealed = stored(&keystead);
    assert!(sealed.iter().all(|text| text.starts_with("sealed:")), "{sealed:?}");
    assert!(Served::start(&keystead, &["--vault-key", "right.key"]).signs_by(&public));
    assert_eq!(stored(&keystead), sealed, "once is enough");
    assert_eq!(public_key(&keystead, &[]), public, "a public key is no secret");

    let rotate = ["config", "rotate-key", "--yes"];
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &rotate] {
        let with = |key| [command, &["--vault-key", key]].concat();
        keystead.fails(command, 3, "give the file with their key, --vault-key FILE");
        keystead.fails(&with("wrong.key"), 3, "is not the one that the database's secrets were sealed with");
        keystead.fails(&with("no.key"), 3, "64 hex characters are wanted");
        keystead.fails(&with("none.key"), 3, "none.key cannot be read");
    }
    assert_eq!(stored(&keystead), sealed, "who cannot open changes nothing");
    keystead.ok(&[&rotate[..], &["--vault-key", "right.key"]].concat());
    assert!(stored(&keystead)[1].starts_with("sealed:"));
    let sealed_key = public_key(&keystead, &[]);
    assert_ne!(sealed_key, public);

    // The key is lost: what the page for operators says then.
    let page = include_str!("../../docs/operating.md").split_once("### A lost vault key").expect("a section").1;
    let remedy = page.split_once("```sql").and_then(|(_, rest)| rest.split_once("```")).expect("a block").0;
    rusqlite::Connection::open(keystead.database()).expect("opens").execute_batch(remedy).expect("fits");
    let server = Served::start(&keystead, &[]);
    assert_ne!(public_key(&keystead, &[]), sealed_key);
    assert!(server.signs_by(&public_key(&keystead, &[])));
    keystead.ok(&["check"]);
    assert!(keystead.ok(&["export", "--app", "demo"]).contains("mia"), "what was not sealed is there");
}

/// Switches a user's second factor on as its program does.
fn switch_on(keystead: &Keystead, name: &str) {
    let name = name.to_owned();
    in_store(keystead, move |tx| {
        let app = apps::all(tx)?.remove(0);
        let user = users::by_name(tx, app.id, &name)?.expect("the user").id;
        let sealed = Vault::default().seal(Purpose::TwoFactor, &[7; 25], &mut rand::rng());
        assert!(two_factor::begin(tx, user, &sealed, Time(now() + 300))?);
        assert!(two_factor::switch_on(tx, user, &sealed, 1)?);
        Ok(())
    });
}

#[test]
fn a_lost_second_factor_is_taken_off() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    assert_eq!(keystead.json(&["user", "show", "mia"])["two_factor"], false);
    keystead.fails(&["user", "reset-2fa", "mia"], 1, "mia has no second factor");
    switch_on(&keystead, "mia");
    assert_eq!(keystead.json(&["user", "show", "mia"])["two_factor"], true);
    assert!(keystead.ok(&["user", "show", "mia"]).contains("2fa         on"));
    let shown = keystead.ok(&["user", "show", "mia"]) + &keystead.ok(&["user", "show", "mia", "--json"]);
    assert!(!shown.contains(&"07".repeat(25)) && !shown.contains("open:"), "{shown}");
    assert_eq!(keystead.json(&["user", "reset-2fa", "MIA"])["two_factor"], false);
    keystead.fails(&["user", "reset-2fa", "nobody"], 1, "there is no such user");
}

#[test]
fn an_address_is_set_and_taken_away() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    let stored = |keystead: &Keystead| {
        in_store(keystead, |tx| {
            let app = apps::all(tx)?.remove(0);
            Ok(users::by_name(tx, app.id, "mia")?.expect("the user").email_sha1)
        })
    };
    assert_eq!(keystead.json(&["user", "set-email", "mia", "Mia@Example.com"])["has_email"], true);
    assert_eq!(stored(&keystead), Some(email_sha1("mia@example.com")));
    for unfit in ["mia", "@", "mia@", "@example.com", "mia @example.com", &format!("{}@x", "m".repeat(320))] {
        keystead.fails(&["user", "set-email", "mia", unfit], 1, "an e-mail address is like");
    }
    assert!(stored(&keystead).is_some());
    keystead.fails(&["user", "set-email", "mia"], 2, "required");
    keystead.fails(&["user", "set-email", "mia", "mia@example.com", "--none"], 2, "cannot be used with");
    assert_eq!(keystead.json(&["user", "set-email", "mia", "--none"])["has_email"], false);
    assert_eq!(stored(&keystead), None);
    keystead.fails(&["user", "set-email", "nobody", "--none"], 1, "there is no such user");
}

#[test]
fn a_license_only_user_with_a_name_of_its_own_is_locked_when_its_license_is_deleted() {
    let keystead = Keystead::with_app();
    for (user, key) in [("mia", "KEY-1"), ("KEY-2", "KEY-2")] {
        keystead.ok(&["license", "create", "--mask", key]);
        keystead.ok(&["user", "create", user]);
        redeem(&keystead, key, user);
    }
    in_store(&keystead, |tx| {
        let app = apps::all(tx)?.remove(0);
        for name in ["mia", "KEY-2"] {
            let user = users::by_name(tx, app.id, name)?.expect("the user").id;
            users::set_credential(tx, user, &keystead::model::user::Credential::License)?;
        }
        Ok(())
    });
    let deleted = keystead.run(&["license", "delete", "KEY-1"]);
    assert!(deleted.code == 0 && deleted.err.contains("mia has nothing left to log in with"), "{}", deleted.err);
    assert_eq!(keystead.json(&["user", "show", "mia"])["login"], "locked");
    let deleted = keystead.run(&["license", "delete", "KEY-2"]);
    assert_eq!((deleted.code, deleted.err.as_str()), (0, ""), "its name is its license");
    assert_eq!(keystead.json(&["user", "show", "KEY-2"])["login"], "license");
}
