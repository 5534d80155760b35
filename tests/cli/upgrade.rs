//! A database of an older version: the first command upgrades it, and nothing of what it holds is lost or changed.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::*;
use support::{exchange, password_hash};

const SESSION: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225";

/// A database of schema 2 with a bit of everything that schema 3 changes.
pub(super) fn old_database(keystead: &Keystead) {
    let db = rusqlite::Connection::open(keystead.database()).expect("opens");
    db.execute_batch(include_str!("../schema/2.sql")).expect("makes the tables");
    let (now, hash, key) = (now(), password_hash("secret"), "0f".repeat(16));
    db.execute_batch(&format!(
        "INSERT INTO owners VALUES (1, 'acme', 'AbCdEfGh12', 1);
         INSERT INTO apps (id, owner_id, name, secret, sellerkey, created_at) VALUES (1, 1, 'demo', '{SECRET}', '{key}', 2);
         INSERT INTO app_settings VALUES (1, 'ver', '2.0');
         INSERT INTO plans VALUES (1, 1, 'default', '1');
         INSERT INTO users (id, app_id, name, login, secret, email_sha1, created_at, last_login_at)
             VALUES (1, 1, 'mia', 'password', '{hash}', '{sha1}', 3, 4), (2, 1, 'KEY-2', 'license', NULL, NULL, 3, 4);
         INSERT INTO licenses (id, app_id, key, level, duration, created_at, used_at, used_by)
             VALUES (1, 1, 'KEY-1', '1', 60, 5, NULL, NULL), (2, 1, 'KEY-2', '1', NULL, 5, 6, 2);
         INSERT INTO subscriptions (user_id, plan, level, license_id, granted_at, expires_at)
             VALUES (1, 'default', '1', NULL, 7, {later}), (2, 'default', '1', 2, 7, NULL);
         INSERT INTO devices VALUES (1, 'PC-1', 8);
         INSERT INTO variables VALUES (1, 'greeting', 'hello', 0);
         INSERT INTO sessions (id, app_id, sign_key, ip, created_at, expires_at, user_id, credential)
             VALUES ('{SESSION}', 1, 'k-{SECRET}', '127.0.0.1', {now}, {later}, 1, 'mia');",
        later = now + DAY,
        sha1 = "7deb40064d66ba3e57d4e7a8c24ec8b3bb797af8",
    ))
    .expect("fills them");
}

#[test]
fn an_older_database_goes_on_with_all_it_holds() {
    let keystead = Keystead::new();
    old_database(&keystead);
    let ran = keystead.run(&["app", "show", "--json"]);
    assert!(ran.code == 0 && ran.err.contains("from schema 2 to 4"), "{}", ran.err);
    let app: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&app["secret"], &app["settings"]["ver"]), (&json!(SECRET), &json!("2.0")));
    assert_eq!(app["api_key"].as_str().map(str::len), Some(32));
    assert_eq!(keystead.json(&["app", "show"])["id"], app["id"], "it got its id for good");

    let mia = keystead.json(&["user", "show", "mia"]);
    assert_eq!((&mia["email"], &mia["has_email"], &mia["email_claimed"]), (&json!(null), &json!(true), &json!(false)));
    assert_eq!((&mia["device_limit"], &mia["devices"][0]["hwid"]), (&json!(null), &json!("PC-1")));
    assert_ne!(mia["id"], keystead.json(&["user", "show", "KEY-2"])["id"]);
    let key = keystead.json(&["license", "show", "KEY-1"]);
    assert_eq!((&key["state"], &key["paused"], &key["expires_at"]), (&json!("unused"), &json!(false), &json!(null)));
    assert_eq!(keystead.json(&["session", "list"])[0]["kind"], "program");
    assert_eq!(keystead.run(&["check"]).code, 0);

    // It goes out and comes back like any other.
    let document = keystead.ok(&["export", "--app", "demo"]);
    let other = Keystead::new();
    let ran = other.run_with(&["import", "-"], &document);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(other.ok(&["export", "--app", "demo"]), document);
}

#[test]
fn its_clients_notice_nothing_of_the_upgrade() {
    let keystead = Keystead::new();
    old_database(&keystead);
    let mut serve = keystead.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut server = serve.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let lines = BufReader::new(server.stderr.take().expect("piped")).lines();
    let mut addresses = lines.filter_map(|line| {
        let line = line.expect("UTF-8");
        line.strip_prefix("listening on http://").map(|address| address.parse().expect("an address"))
    });
    let address = addresses.next().expect("it listens");
    let ask = |query: &str| {
        let query = format!("name=demo&ownerid=AbCdEfGh12&sessionid={SESSION}&{query}");
        exchange(address, format!("GET /api/1.2/?{query} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
    };
    let answers = [
        ask("type=check"),
        ask("type=var&varid=greeting"),
        ask("type=login&username=mia&pass=secret&hwid=PC-1"),
        ask("type=license&key=KEY-2"),
        ask("type=register&username=leo&pass=secret&key=KEY-1"),
    ];
    let wrong = ask("type=login&username=mia&pass=secret&hwid=PC-2");
    server.kill().expect("a running server");
    server.wait().expect("ends");
    for answer in answers {
        assert!(answer.success(), "{answer:?}");
    }
    assert_eq!(wrong.error(), "HWID_MISMATCH");
}
