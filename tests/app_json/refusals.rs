//! What does not fit a document is told with its place, and before anything is written.

use keystead::domain::document::check::{Overrides, check};
use keystead::domain::document::parse;
use serde_json::json;

use super::{NOW, keystead, rules};

/// What is said about a document: the places and texts, one a line.
pub(crate) fn problems(text: &str) -> String {
    let document = match parse(text.as_bytes()) {
        Ok(document) => document,
        Err(problem) => return problem.to_string(),
    };
    match check(document, &Overrides::default(), &rules(), NOW) {
        Ok(_) => "fits".to_owned(),
        Err(all) => all.told().iter().map(|p| p.to_string()).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let long = "x".repeat(71);
    for (rest, path, says) in [
        (r#""nmae": 1"#, "nmae", "unknown field `nmae`, expected one of"),
        (r#""format": "zip""#, "format", "no document of an app"),
        (r#""version": 2"#, "version", "newer Keystead"),
        (r#""version": 0"#, "version", "no such version"),
        (r#""owner": {"name": " a"}"#, "owner.name", "1 to 70 bytes"),
        (r#""owner": {"ownerid": "short"}"#, "owner.ownerid", "ten letters or digits"),
        (r#""secret": "ABC""#, "secret", "64 lower-case hex"),
        (r#""sellerkey": "ABC""#, "sellerkey", "32 lower-case hex"),
        (r#""created_at": 1735689600000"#, "created_at", "another unit"),
        (r#""created_at": "today""#, "created_at", "a whole number of seconds since 1970 UTC"),
        (r#""created_at": 1.5"#, "created_at", "a whole number of seconds"),
        (r#""paused_at": 5, "settings": {"paused": 0}"#, "paused_at", "settings.paused is 0"),
        (r#""settings": {"seession": 1}"#, "settings.seession", "no setting"),
        (r#""settings": {"session": 0}"#, "settings.session", "from 1 to 604800"),
        (r#""settings": {"session": []}"#, "settings.session", "a text, a whole number, true or false"),
        (r#""settings": {"ver": "1", "ver": "2"}"#, "settings", "twice"),
        (r#""plans": ["a", "a"]"#, "plans[1].name", "same as plans[0].name"),
        (r#""plans": [{"name": "a", "level": "1234567890123"}]"#, "plans[0].level", "1 to 12 bytes"),
        (r#""plans": [{"level": 1}]"#, "plans[0].name", "1 to 70 bytes"),
        (r#""variables": [{"name": "a"}]"#, "variables[0]", "missing field `value`"),
        (r#""variables": [{"name": " a", "value": "b"}]"#, "variables[0].name", "1 to 49 bytes"),
        (r#""variables": [{"name": "a", "value": ""}]"#, "variables[0].value", "1 to 1000 bytes"),
        (
            r#""variables": [{"name":"a","value":"b"},{"name":"a","value":"c"}]"#,
            "variables[1].name",
            "variables[0].name",
        ),
        (r#""bans": [{}]"#, "bans[0]", "exactly one of hwid, ip and network"),
        (r#""bans": [{"ip": "10.0.0.0/8"}]"#, "bans[0].ip", "takes one address"),
        (r#""bans": [{"network": "ten"}]"#, "bans[0].network", "takes an address, or a network"),
        (r#""bans": [{"hwid": ""}]"#, "bans[0].hwid", "1 to 2000 bytes"),
        (r#""bans": [{"ip": "10.0.0.1"}, {"network": "::ffff:10.0.0.1"}]"#, "bans[1]", "same as bans[0]"),
        (r#""allowed_networks": ["10.0.0.0/8", "10.1.0.0/8"]"#, "allowed_networks[1]", "allowed_networks[0]"),
        (r#""allowed_networks": [7]"#, "allowed_networks[0]", "takes a string"),
        (r#""licenses": [7]"#, "licenses[0]", "an object, or a text for the short form"),
        (r#""licenses": [{"kee": "K"}]"#, "licenses[0].kee", "unknown field `kee`"),
        (r#""licenses": ["K", "k"]"#, "licenses[1].key", "same as licenses[0].key"),
        (r#""licenses": [""]"#, "licenses[0].key", "1 to 70 bytes"),
        (r#""licenses": [" K"]"#, "licenses[0].key", "no blanks"),
        (r#""licenses": [{"key":"K","level":" "}]"#, "licenses[0].level", "1 to 12 bytes"),
        (r#""licenses": [{"key":"K","level":true}]"#, "licenses[0].level", "a level"),
        (r#""licenses": [{"key":"K","duration":"soon"}]"#, "licenses[0].duration", "30d"),
        (r#""licenses": [{"key":"K","duration":99999999999}]"#, "licenses[0].duration", "1,000 years"),
        (r#""licenses": [{"key":"K","used_by":"nobody"}]"#, "licenses[0].used_by", "names a user"),
        (r#""licenses": [{"key":"K","status":"Usd"}]"#, "licenses[0].status", "Not Used, Used, Paused or Banned"),
        (r#""licenses": [{"key":"K","status":"Not Used","used_at":1}]"#, "licenses[0].status", "contradicts"),
        (r#""licenses": [{"key":"K","status":"Used","banned":true}]"#, "licenses[0].status", "contradicts"),
        (r#""licenses": [{"key":"K","status":"Banned","banned":false}]"#, "licenses[0].status", "contradicts"),
        (r#""licenses": [{"key":"K","status":"Paused","paused":false}]"#, "licenses[0].status", "contradicts"),
        (r#""licenses": [{"key":"K","status":"Not Used","paused":true}]"#, "licenses[0].status", "contradicts"),
        (r#""licenses": [{"key":"K","expires_at":1893456000000}]"#, "licenses[0].expires_at", "another unit"),
        (r#""variables": [{"name":"a","value":"b","updated_at":"now"}]"#, "variables[0].updated_at", "seconds"),
        (r#""id": "6f1c""#, "id", "a UUID"),
        (r#""api_key": "ABC""#, "api_key", "32 lower-case hex"),
        (r#""api_secret": "ABC""#, "api_secret", "64 lower-case hex"),
        (r#""licenses": [{"key":"K","banned":false,"ban_reason":"x"}]"#, "licenses[0].ban_reason", "banned is false"),
        (r#""users": ["mia"]"#, "users[0]", "takes an object"),
        (r#""users": [{"name":"a"},{"name":"A"}]"#, "users[1].name", "same as users[0].name"),
        (r#""users": [{"name":""}]"#, "users[0].name", "1 to 70 bytes"),
        (r#""users": [{"name":"a","password":7}]"#, "users[0].password", "takes a string"),
        (r#""users": [{"name":"a","password":""}]"#, "users[0].password", "1 to 1024 bytes"),
        (r#""users": [{"name":"a","password_hash":"hunter2"}]"#, "users[0].password_hash", "bcrypt"),
        (r#""users": [{"name":"a","login":"open"}]"#, "users[0].login", "license, claimable or locked"),
        (r#""users": [{"name":"a","login":"locked","password":"b"}]"#, "users[0]", "only one of password"),
        (r#""users": [{"name":"a","email":"b","email_sha1":"c"}]"#, "users[0].email_sha1", "not that of email"),
        (r#""users": [{"name":"a","email_claimed":true}]"#, "users[0].email_claimed", "give email"),
        (
            r#""users": [{"name":"a","email":"x@y","email_claimed":true},{"name":"b","email":"X@y","email_claimed":true}]"#,
            "users[1].email_claimed",
            "same as users[0].email_claimed",
        ),
        (r#""users": [{"name":"a","phone":"1"},{"name":"b","phone":"1"}]"#, "users[1].phone", "same as users[0].phone"),
        (r#""users": [{"name":"a","first_name":"a\u0007"}]"#, "users[0].first_name", "control characters"),
        (r#""users": [{"name":"a","device_limit":0}]"#, "users[0].device_limit", "1 to 1000"),
        (r#""users": [{"name":"a","session_limit":"3"}]"#, "users[0].session_limit", "takes i64"),
        (r#""users": [{"name":"a","id":"1"}]"#, "users[0].id", "a UUID"),
        (r#""users": [{"name":"a","id":"1B4E28BA-2FA1-41D2-883F-0016D3CCA427"}]"#, "users[0].id", "in lower case"),
        (r#""users": [{"name":"a","id":"00000000-0000-0000-0000-000000000000"}]"#, "users[0].id", "a UUID"),
        (
            r#""users": [{"name":"a","id":"1b4e28ba-2fa1-41d2-883f-0016d3cca427"},{"name":"b","id":"1b4e28ba-2fa1-41d2-883f-0016d3cca427"}]"#,
            "users[1].id",
            "same as users[0].id",
        ),
        (r#""users": [{"name":"a","email_sha1":"c"}]"#, "users[0].email_sha1", "SHA-1"),
        (r#""users": [{"name":"a","ip":"here"}]"#, "users[0].ip", "IPv4 or IPv6"),
        (r#""users": [{"name":"a","devices":["D","D"]}]"#, "users[0].devices[1].hwid", "users[0].devices[0].hwid"),
        (r#""users": [{"name":"a","devices":[""]}]"#, "users[0].devices[0].hwid", "1 to 2000 bytes"),
        (r#""users": [{"name":"a","subscriptions":[{"plan":""}]}]"#, "users[0].subscriptions[0].plan", "1 to 70 bytes"),
        (r#""plans": [], "users": [{"name":"a","subscriptions":[{}]}]"#, "users[0].subscriptions[0].plan", "missing"),
        (
            r#""plans": ["a","b"], "users": [{"name":"a","subscriptions":[{}]}]"#,
            "users[0].subscriptions[0].plan",
            "missing",
        ),
        (r#""users": [{"name":"a","subscriptions":[{"key":"K"}]}]"#, "users[0].subscriptions[0].key", "does not have"),
        (
            r#""licenses": ["K"], "users": [{"name":"a","subscriptions":[{"key":"K"}]}]"#,
            "users[0].subscriptions[0].key",
            "not used; give licenses[0] a used_by",
        ),
        (
            r#""users": [{"name":"a","subscriptions":[{"expires_at":1,"timeleft":1}]}]"#,
            "users[0].subscriptions[0].expires_in",
            "the place of expires_at",
        ),
        (r#""relays": [{"id":"a"}]"#, "relays[0]", "missing field `url`"),
        (r#""relays": [{"id":"","url":"https://example.com"}]"#, "relays[0].id", "1 to 10 bytes"),
        (r#""relays": [{"id":"a","url":"http://127.0.0.1/"}]"#, "relays[0].url", "--allow-target"),
        (r#""relays": [{"id":"a","url":"ftp://example.com/"}]"#, "relays[0].url", "http"),
        (
            r#""relays": [{"id":"a","url":"https://example.com","user_agent":"ü"}]"#,
            "relays[0].user_agent",
            "visible ASCII",
        ),
        (
            r#""relays": [{"id":"a","url":"https://example.com"},{"id":"a","url":"https://example.com"}]"#,
            "relays[1].id",
            "same as relays[0].id",
        ),
        (r#""files": [{"id":"1","name":"a"}]"#, "files[0]", "exactly one of url and content_base64"),
        (r#""files": [{"id":"1","name":"a","content_base64":"?"}]"#, "files[0].content_base64", "in base64"),
        (r#""files": [{"id":"1","name":"a","content_base64":""}]"#, "files[0].content_base64", "empty"),
        (r#""files": [{"id":"1","name":"","content_base64":"eA=="}]"#, "files[0].name", "1 to 49 bytes"),
        (r#""files": [{"id":"1 2","name":"a","content_base64":"eA=="}]"#, "files[0].id", "1 to 49 bytes"),
        (r#""files": [{"id":"1","name":"a","url":"http://[::1]/"}]"#, "files[0].url", "--allow-target"),
        (r#""tokens": [""]"#, "tokens[0].token", "1 to 64 visible"),
        (r#""tokens": ["a","a"]"#, "tokens[1].token", "same as tokens[0].token"),
        (r#""tokens": [{"token":"a","key":"K"}]"#, "tokens[0].key", "names a license"),
        (r#""tokens": [{"token":"a","banned":false,"ban_reason":"b"}]"#, "tokens[0].ban_reason", "banned is false"),
        (r#""chats": [" a"]"#, "chats[0].name", "1 to 50 bytes"),
        (r#""chats": ["a","a"]"#, "chats[1].name", "same as chats[0].name"),
        (r#""chats": [{"name":"a","delay":"2d"}]"#, "chats[0].delay", "at most a day"),
        (
            r#""chats": [{"name":"a","messages":[{"author":"b","text":""}]}]"#,
            "chats[0].messages[0].text",
            "1 to 2000 bytes",
        ),
        (
            r#""chats": [{"name":"a","messages":[{"user":"b","text":"c"}]}]"#,
            "chats[0].messages[0].user",
            "names a user",
        ),
        (r#""chats": [{"name":"a","messages":[{"text":"c"}]}]"#, "chats[0].messages[0].author", "1 to 70 bytes"),
        (r#""logs": [{"message":""}]"#, "logs[0].message", "1 to 275 bytes"),
        (r#""logs": [{"message":"a","ip":"here"}]"#, "logs[0].ip", "IPv4 or IPv6"),
        (
            r#""users": [{"name":"a","variables":[{"name":"","value":"b"}]}]"#,
            "users[0].variables[0].name",
            "1 to 99 bytes",
        ),
        (
            r#""users": [{"name":"a","variables":[{"name":"b","value":""}]}]"#,
            "users[0].variables[0].value",
            "1 to 500 bytes",
        ),
        (r#""users": [{"name":"a","two_factor":"no"}]"#, "users[0].two_factor", "in base32"),
        (r#""users": [{"name":"a","muted_until":"soon"}]"#, "users[0].muted_until", "seconds since 1970"),
    ] {
        let said = problems(&format!("{{\"name\": \"demo\", {rest}}}"));
        let (at, text) = said.split_once(": ").unwrap_or((&said, ""));
        assert_eq!(at, path, "{rest}: {said}");
        assert!(text.contains(says), "{rest}: {said}");
        assert!(!said.contains('\n'), "one problem only: {said}");
    }
    for (text, says) in [
        ("", "document: takes one JSON object"),
        ("[]", "document: takes one JSON object"),
        ("{", "document: EOF"),
        ("{} {}", "document: one JSON object, and nothing after it"),
        ("{}", "name: is missing"),
        (r#"{"name": "0"}"#, "name: an app's name"),
        (r#"{"name": "a", "name": "b"}"#, "duplicate field `name`"),
        (&format!(r#"{{"name": "{long}"}}"#), "name: an app's name"),
    ] {
        let said = problems(text);
        assert!(said.contains(says), "{text}: {said}");
    }
    assert_eq!(problems("\u{feff}{\"name\": \"demo\"}"), "fits", "a byte order mark is no problem");
}

#[test]
fn secrets_are_not_quoted_in_problems() {
    let said = problems(r#"{"name": "d", "users": [{"name": "a", "password": 31415926}]}"#);
    assert!(!said.contains("31415926"), "{said}");
    let said = problems(r#"{"name": "d", "users": [{"name": "a", "subscriptions": "hunter2, expected nothing"}]}"#);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn all_problems_are_told_and_nothing_is_written() {
    let licenses: Vec<_> = (0..50).map(|_| json!({ "key": "", "level": "" })).collect();
    let text = json!({ "name": "demo", "licenses": licenses }).to_string();
    let Err(found) = check(parse(text.as_bytes()).expect("shape"), &Overrides::default(), &rules(), NOW) else {
        panic!()
    };
    assert_eq!(found.told().len(), 20);
    assert!(found.to_string().ends_with("and 80 more"), "{found}");

    let dir = tempfile::tempdir().expect("folder");
    let out = keystead(&dir.path().join("k.db"), &["import", "-"], Some(&text));
    assert_eq!(out.status.code(), Some(1));
    assert!(!dir.path().join("k.db").exists(), "a bad document makes no database");
}
