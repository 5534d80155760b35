//! The token system's tokens, and tokens that log a user in once.

use keystead::domain::secret::token_hash;
use keystead::store::one_time_secrets::{self, Kind};
use keystead::store::tokens;

use super::*;

fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[test]
fn tokens_are_made_and_listed() {
    let keystead = Keystead::with_app();
    let key = keystead.json(&["license", "create"])[0].as_str().unwrap().to_owned();
    let made = keystead.ok(&["token", "create", "--count", "3"]);
    assert!(made.lines().count() == 3 && made.lines().all(is_token), "{made}");
    let more = list(&keystead, &["token", "create", "--license", &key.to_lowercase(), "--note", "mia"]);
    assert!(more.len() == 1 && is_token(more[0].as_str().unwrap()));
    let all = list(&keystead, &["token", "list"]);
    assert_eq!(keys(&all[3]), ["ban_reason", "banned", "bound", "created_at", "license", "note", "token"]);
    assert_eq!((&all[3]["token"], &all[3]["license"], &all[3]["note"]), (&more[0], &json!(key), &json!("mia")));
    assert_eq!((all.len(), &all[0]["license"], &all[0]["note"]), (4, &Value::Null, &Value::Null));
    let second = all[1]["token"].as_str().unwrap();
    let page = list(&keystead, &["token", "list", "--after", second, "--limit", "1"]);
    assert_eq!(page, [all[2].clone()]);
    keystead.fails(&["token", "create", "--license", "none"], 1, "there is no such license");
    keystead.fails(&["token", "create", "--count", "0"], 2, "0");
    keystead.fails(&["token", "create", "--note", &"x".repeat(70)], 1, "at most 69 bytes");
    keystead.ok(&["license", "delete", &key]);
    assert_eq!(list(&keystead, &["token", "list"])[3]["license"], Value::Null, "the token outlives its license");
    let ran = keystead.run(&["token", "create"]);
    assert!(ran.err.contains("tokensystem=1"), "{}", ran.err);
    keystead.ok(&["app", "set", "demo", "tokensystem=1"]);
    assert_eq!(keystead.run(&["token", "create"]).err, "");
}

#[test]
fn tokens_are_banned_freed_and_deleted() {
    let keystead = Keystead::with_app();
    let token = keystead.json(&["token", "create"])[0].as_str().unwrap().to_owned();
    let banned = keystead.json(&["token", "ban", &token, "--reason", "passed on"]);
    assert_eq!((&banned["banned"], &banned["ban_reason"]), (&json!(true), &json!("passed on")));
    assert!(keystead.ok(&["token", "list"]).contains("banned"));
    keystead.fails(&["token", "ban", &token, "--reason", &"x".repeat(100)], 1, "99 bytes");
    let lifted = keystead.json(&["token", "unban", &token]);
    assert_eq!((&lifted["banned"], &lifted["ban_reason"]), (&json!(false), &Value::Null));
    keystead.fails(&["token", "unban", &token], 1, "is not banned");
    keystead.fails(&["token", "reset", &token], 1, "no file is bound");
    let wanted = token.clone();
    in_store(&keystead, move |tx| {
        let app = apps::all(tx)?.remove(0);
        let token = tokens::find(tx, app.id, &wanted)?.expect("the token");
        tokens::bind(tx, token.id, "hash")
    });
    assert_eq!(list(&keystead, &["token", "list"])[0]["bound"], true);
    assert_eq!(keystead.json(&["token", "reset", &token])["bound"], false);
    for verb in ["ban", "unban", "reset", "delete"] {
        keystead.fails(&["token", verb, "none"], 1, "there is no such token");
    }
    keystead.ok(&["token", "delete", &token]);
    assert_eq!(list(&keystead, &["token", "list"]), Vec::<Value>::new());
}

#[test]
fn a_login_token_is_printed_once_and_kept_as_a_hash() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    let first = keystead.ok(&["user", "login-token", "MIA"]);
    assert!(first.lines().count() == 1 && is_token(first.trim_end()), "{first:?}");
    let given = keystead.json(&["user", "login-token", "mia", "--for", "10m"]);
    assert_eq!((keys(&given), &given["name"]), (vec!["expires_at", "name", "token"], &json!("mia")));
    assert!(about(&given["expires_at"], now() + 600));
    let token = given["token"].as_str().unwrap().to_owned();
    let hash = token_hash(&token);
    assert!(in_store(&keystead, move |tx| one_time_secrets::find(tx, Kind::Login, &hash)).is_some());
    let old = token_hash(first.trim_end());
    assert!(in_store(&keystead, move |tx| one_time_secrets::find(tx, Kind::Login, &old)).is_none(), "one at a time");
    let file = std::fs::read(keystead.database()).unwrap();
    assert!(!file.windows(token.len()).any(|window| window == token.as_bytes()), "the token itself is not kept");
    keystead.fails(&["user", "login-token", "mia", "--for", "2d"], 2, "at most a day");
    keystead.fails(&["user", "login-token", "mia", "--for", "0s"], 2, "at least a second");
    keystead.fails(&["user", "login-token", "mia", "--for", "lifetime"], 2, "at most a day");
    keystead.fails(&["user", "login-token", "bob"], 1, "there is no such user");
}
