//! Owners, apps, settings, plans, variables, bans.

use super::*;

#[test]
fn the_first_app_needs_one_step() {
    let keystead = Keystead::new();
    let made = keystead.json(&["app", "create", "demo"]);
    let members = ["api_key", "api_secret", "created_at", "id", "name", "owner", "ownerid", "secret", "sellerkey"];
    assert_eq!(keys(&made), members);
    assert_eq!(made["id"].as_str().map(str::len), Some(36));
    assert_eq!(made["api_key"].as_str().map(str::len), Some(32));
    assert_eq!(made["api_secret"].as_str().map(str::len), Some(64));
    assert_eq!((&made["name"], &made["owner"]), (&json!("demo"), &json!("owner")));
    assert_eq!(made["ownerid"].as_str().map(str::len), Some(10));
    assert_eq!(made["secret"].as_str().map(str::len), Some(64));
    assert_eq!(made["sellerkey"].as_str().map(str::len), Some(32));
    assert!(about(&made["created_at"], now()));
    // The second app has the same owner.
    let second = keystead.json(&["app", "create", "--name", "second"]);
    assert_eq!(second["ownerid"], made["ownerid"]);
    assert_eq!(keystead.json(&["plan", "list", "--app", "second"]), json!([{ "name": "default", "level": "1" }]));
    keystead.fails(&["app", "create", "demo"], 1, "has an app of this name already; `keystead app show`");
    keystead.fails(&["app", "create", " "], 1, "an app's name has 1 to 40 bytes");
    keystead.fails(&["app", "create"], 2, "required");
    keystead.fails(&["app", "create", "a", "--name", "b"], 2, "cannot be used with");
}

#[test]
fn wachts_addresses_are_taken_only_if_they_can_work() {
    let keystead = Keystead::new();
    keystead.json(&["app", "create", "demo"]);
    keystead.json(&["app", "create", "second"]);
    keystead.ok(&["app", "set", "demo", "wachtHost=Login.example.com"]);
    let taken = "app owner/demo has this host name already; empty its setting wachtHost first";
    keystead.fails(&["app", "set", "second", "wachtHost=login.example.com"], 1, taken);
    keystead.ok(&["app", "set", "demo", "wachtHost="]);
    keystead.ok(&["app", "set", "second", "wachtHost=login.example.com"]);
    keystead.fails(&["app", "set", "demo", "wachtOrigins=shop.example.com"], 2, "origins like https://example.com");
    keystead.ok(&["app", "set", "demo", "wachtOrigins=https://shop.example.com http://localhost:3000/"]);
    keystead.ok(&["app", "set", "demo", "wachtOrigins="]);
}

#[test]
fn an_app_says_where_its_clients_find_it() {
    let keystead = Keystead::new();
    let id = keystead.json(&["app", "create", "demo"])["id"].as_str().expect("an id").to_owned();
    keystead.ok(&["app", "set", "demo", "authgate=0"]);
    let shown = keystead.json(&["app", "show"]);
    let apis = shown["apis"].as_object().expect("an object");
    assert!(apis.keys().eq(["authly", "keyauth", "wacht"]), "{apis:?}");
    assert_eq!(apis["keyauth"], shown["api"]);
    assert_eq!(apis["wacht"], format!("http://127.0.0.1:8080/wacht/{id}"));
    let told = keystead.ok(&["app", "show"]);
    assert!(told.contains("authly     http://127.0.0.1:8080/api/v2\n") && !told.contains("authgate  "), "{told}");
}

#[test]
fn an_apps_api_key_is_shown_and_rotated() {
    let keystead = Keystead::new();
    let made = keystead.json(&["app", "create", "demo"]);
    let text = |document: &Value, name: &str| document[name].as_str().expect("a text").to_owned();
    let shown = keystead.json(&["app", "show"]);
    let told = keystead.ok(&["app", "show"]);
    for (name, label) in [("id", "id         "), ("api_key", "api_key    "), ("api_secret", "api_secret ")] {
        assert_eq!(shown[name], made[name]);
        assert!(told.contains(&format!("{label}{}\n", text(&made, name))), "{told}");
    }

    let new = keystead.json(&["app", "rotate-api-key", "demo"]);
    assert_eq!(keys(&new), ["api_key", "api_secret", "id", "name"]);
    assert_eq!(new["id"], made["id"], "the app is the same");
    assert!(new["api_key"] != made["api_key"] && new["api_secret"] != made["api_secret"]);
    let shown = keystead.json(&["app", "show"]);
    assert_eq!((&shown["api_key"], &shown["api_secret"]), (&new["api_key"], &new["api_secret"]));
    assert_eq!((&shown["secret"], &shown["sellerkey"]), (&made["secret"], &made["sellerkey"]));
    let ran = keystead.run(&["app", "rotate-api-key", "demo"]);
    assert!(ran.code == 0 && ran.err.contains("x-api-key") && ran.err.contains("refused"), "{}", ran.err);
    assert!(!ran.out.contains(&text(&new, "api_key")), "another one again");
    keystead.fails(&["app", "rotate-api-key", "nothing"], 1, "there is no app");
}

#[test]
fn owners_are_chosen_and_move_in() {
    let keystead = Keystead::new();
    let (secret, sellerkey) = ("0f".repeat(32), "ab".repeat(16));
    let arguments =
        ["app", "create", "demo", "--ownerid", "AbCdEfGh12", "--secret", &secret, "--sellerkey", &sellerkey];
    let moved = keystead.json(&[&arguments[..], &["--owner", "acme"]].concat());
    assert_eq!(moved["ownerid"], "AbCdEfGh12");
    assert_eq!((&moved["secret"], &moved["sellerkey"]), (&json!(secret), &json!(sellerkey)));
    let same = keystead.json(&["app", "create", "b", "--ownerid", "AbCdEfGh12"]);
    assert_eq!(same["owner"], "acme", "the ownerid alone finds its owner");
    keystead.fails(&["app", "create", "c", "--owner", "acme", "--ownerid", "ZZZZZZZZZZ"], 1, "another ownerid");
    keystead.fails(&["app", "create", "c", "--owner", "acmee"], 1, "no owner \"acmee\"");
    keystead.fails(&["app", "create", "c", "--secret", "short"], 1, "64 lower-case hex characters");
    keystead.ok(&["owner", "create", "second"]);
    keystead.fails(&["app", "create", "c"], 1, "say which with --owner NAME");
    // Two apps of one name are told apart by their owners.
    keystead.ok(&["app", "create", "demo", "--owner", "Second"]);
    keystead.fails(&["app", "show", "demo"], 2, "say --app OWNER/NAME");
    assert_eq!(keystead.json(&["app", "show", "second/demo"])["owner"], "second");
    keystead.fails(&["plan", "list"], 2, "say which with --app NAME");
    assert_eq!(list(&keystead, &["owner", "list"]).len(), 2);
}

#[test]
fn settings_are_set_in_every_form() {
    let keystead = Keystead::with_app();
    let set = |arguments: &[&str]| keystead.json(&[&["app", "set"], arguments].concat());
    assert_eq!(set(&["demo", "ver=2.0", "hwidcheck=off"]), json!({ "ver": "2.0", "hwidcheck": "0" }));
    assert_eq!(set(&["ver=2.1", "--app", "demo"]), json!({ "ver": "2.1" }));
    assert_eq!(set(&["--app", "demo", "ver", "2.2"]), json!({ "ver": "2.2" }));
    assert_eq!(set(&["download", "https://example.com/?a=b"]), json!({ "download": "https://example.com/?a=b" }));
    assert_eq!(set(&["note=--x"]), json!({ "note": "--x" }));
    assert_eq!(set(&["download="]), json!({ "download": "" }));
    assert_eq!(set(&["demo", "--unset", "ver"]), json!({ "ver": "1.0" }));
    let settings = keystead.json(&["app", "show"])["settings"].clone();
    assert_eq!(settings, json!({ "hwidcheck": "0", "download": "", "note": "--x" }), "what was unset is gone");

    keystead.fails(&["app", "set", "demo", "nonsense=1"], 2, "there is no setting \"nonsense\"");
    keystead.fails(&["app", "set", "demo", "session=0"], 2, "session takes a whole number from 1 to 604800");
    keystead.fails(&["app", "set", "demo", "loggedInMsg="], 2, "not blank");
    keystead.fails(&["app", "set", "demo"], 2, "nothing to set");
    keystead.fails(&["app", "set", "other", "ver=2"], 1, "there is no app \"other\"");
    // All or nothing.
    keystead.fails(&["app", "set", "demo", "ver=9", "enabled=maybe"], 2, "0 or 1");
    assert_eq!(keystead.json(&["app", "show"])["settings"]["ver"], Value::Null);

    assert!(keystead.run(&["app", "set", "customDomain=example.com"]).err.contains("kept for exchange"));
    assert!(keystead.run(&["app", "set", "vpnblock=1"]).err.contains("--vpn-list"));
    assert!(keystead.run(&["app", "set", "blockLeakedPasswords=1"]).err.contains("--leaked-passwords"));
    assert_eq!(keystead.run(&["app", "set", "vpnblock=0"]).err, "");
    let help = keystead.ok(&["app", "set", "--help"]);
    for setting in keystead::model::settings::TABLE {
        assert!(help.contains(setting.name), "the help names {}", setting.name);
    }
}

#[test]
fn a_paused_app_stands_still() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia", "--days", "3"]);
    assert_eq!(keystead.json(&["app", "pause", "demo"])["state"], "paused");
    assert_eq!(keystead.json(&["user", "show", "mia"])["subscriptions"][0]["state"], "paused");
    assert_eq!(keystead.json(&["app", "show"])["settings"]["paused"], "1");
    assert_eq!(keystead.json(&["app", "resume"])["state"], "enabled");
    keystead.ok(&["app", "set", "paused=1"]);
    assert_eq!(list(&keystead, &["app", "list"])[0]["state"], "paused");
    keystead.ok(&["app", "set", "--unset", "paused"]);
    let held = keystead.json(&["user", "show", "mia"])["subscriptions"][0].clone();
    assert_eq!(held["state"], "running");
    assert!(about(&held["expires_at"], now() + 3 * DAY));
}

#[test]
fn an_app_is_deleted_with_all_it_holds() {
    let keystead = Keystead::with_app();
    keystead.ok(&["license", "create", "--count", "5000"]);
    keystead.ok(&["user", "create", "mia", "--days", "3"]);
    keystead.ok(&["ban", "add", "--ip", "203.0.113.7"]);
    open_session(&keystead, 7, Some("mia"));
    keystead.fails(&["app", "delete", "demo"], 2, "--yes");
    assert_eq!(list(&keystead, &["app", "list"]).len(), 1);
    let deleted = keystead.json(&["app", "delete", "demo", "--yes"]);
    assert_eq!(deleted, json!({ "deleted": "demo", "licenses": 5000, "users": 1 }));
    assert_eq!(keystead.json(&["app", "list"]), json!([]));
    keystead.fails(&["app", "delete", "demo", "--yes"], 1, "there is no app");
    assert_eq!(keystead.json(&["check"])["sound"], true);
    keystead.ok(&["app", "create", "demo"]);
    assert_eq!(keystead.json(&["app", "show"])["licenses"], 0);
}

#[test]
fn networks_are_allowed_and_bans_are_kept() {
    let keystead = Keystead::with_app();
    keystead.ok(&["app", "allow", "add", "203.0.113.7/24", "--app", "demo"]);
    keystead.ok(&["app", "allow", "add", "203.0.113.0/24"]);
    assert_eq!(keystead.json(&["app", "allow", "list"]), json!(["203.0.113.0/24"]));
    keystead.ok(&["app", "allow", "remove", "203.0.113.0/24"]);
    keystead.fails(&["app", "allow", "remove", "203.0.113.0/24"], 1, "is not on the list");
    keystead.fails(&["app", "allow", "add", "nowhere"], 2, "invalid value");

    let banned = keystead.json(&["ban", "add", "--ip", "203.0.113.7", "--note", "guessing"]);
    assert_eq!(keys(&banned), ["created_at", "kind", "note", "value"]);
    keystead.ok(&["ban", "add", "--hwid", "-S-1-5"]);
    keystead.ok(&["ban", "add", "--ip", "2001:db8::/32"]);
    assert!(keystead.ok(&["ban", "add", "--hwid", "-S-1-5"]).contains("already"));
    let all = list(&keystead, &["ban", "list"]);
    let found: Vec<_> = all.iter().map(|b| (b["kind"].as_str().unwrap(), b["value"].as_str().unwrap())).collect();
    assert_eq!(found, [("ip", "203.0.113.7"), ("hwid", "-S-1-5"), ("ip", "2001:db8::/32")]);
    keystead.ok(&["ban", "remove", "--ip", "203.0.113.7"]);
    keystead.fails(&["ban", "remove", "--ip", "203.0.113.7"], 1, "is not banned");
    keystead.fails(&["ban", "add"], 2, "required");
    keystead.fails(&["ban", "add", "--ip", "1.2.3.4", "--hwid", "x"], 2, "cannot be used with");
    keystead.fails(&["ban", "add", "--hwid", ""], 1, "1 to 2000 bytes");
    keystead.fails(&["ban", "add", "--hwid", "x", "--note", &"x".repeat(100)], 1, "at most 99 bytes");
}

#[test]
fn plans_and_variables_come_and_go() {
    let keystead = Keystead::with_app();
    assert_eq!(
        keystead.json(&["plan", "create", "premium", "--level", "2"]),
        json!({ "name": "premium", "level": "2" })
    );
    keystead.fails(&["plan", "create", "premium", "--level", "3"], 1, "already");
    keystead.fails(&["plan", "create", "x", "--level", "1234567890123"], 1, "a level has 1 to 12 bytes");
    keystead.fails(&["plan", "create", "x"], 2, "--level");
    assert_eq!(list(&keystead, &["plan", "list"]).len(), 2);
    keystead.ok(&["plan", "delete", "premium"]);
    keystead.fails(&["plan", "delete", "premium"], 1, "there is no plan");

    keystead.ok(&["var", "set", "motd", "--", "-5 degrees"]);
    keystead.ok(&["var", "set", "news", "out now", "--public", "--app", "demo"]);
    assert_eq!(
        keystead.json(&["var", "list"]),
        json!([
            { "name": "motd", "value": "-5 degrees", "authenticated": true },
            { "name": "news", "value": "out now", "authenticated": false },
        ])
    );
    keystead.fails(&["var", "set", &"n".repeat(50), "x"], 1, "1 to 49 bytes");
    keystead.fails(&["var", "set", "n", ""], 1, "1 to 1000 bytes");
    keystead.ok(&["var", "delete", "motd"]);
    keystead.fails(&["var", "delete", "motd"], 1, "there is no such variable");
}
