//! What leads outside or goes out: relays and files.

use super::*;

const URL: &str = "https://api.example.com/notify?key=SECRET";

#[test]
fn relays() {
    let keystead = Keystead::with_app();
    let added = keystead.json(&["relay", "add", "notify", URL]);
    assert_eq!(keys(&added), ["authenticated", "id", "url", "user_agent"]);
    assert_eq!(added, json!({ "id": "notify", "url": URL, "user_agent": "KeyAuth", "authenticated": true }));
    let told = keystead.ok(&["relay", "add", "stock", URL, "--public", "--user-agent", "Demo/1 (x)"]);
    assert!(
        told.contains("everyone") && told.contains("https://api.example.com") && !told.contains("SECRET"),
        "{told}"
    );
    assert_eq!(keystead.json(&["relay", "show", "stock"])["user_agent"], "Demo/1 (x)");
    assert!(keystead.ok(&["relay", "show", "stock"]).contains(URL));
    let listed = list(&keystead, &["relay", "list"]);
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0], json!({ "id": "notify", "origin": "https://api.example.com", "authenticated": true }));
    assert!(!keystead.ok(&["relay", "list"]).contains("SECRET"));
    keystead.fails(&["relay", "add", "notify", URL], 1, "there is a relay notify already");
    assert_eq!(keystead.json(&["relay", "delete", "notify"]), json!({ "deleted": "notify" }));
    keystead.fails(&["relay", "delete", "notify"], 1, "keystead relay list");
    keystead.fails(&["relay", "show", "notify"], 1, "keystead relay list");
    for (arguments, saying) in [
        (["12345678901", URL], "1 to 10 bytes"),
        (["x", "notify"], "this is no URL"),
        (["x", "ftp://example.com/"], "https:// or http://"),
        (["x", "https://mia:x@example.com/"], "must not hold a user"),
        (["x", "https://example.com/#x"], "without #"),
    ] {
        keystead.fails(&[&["relay", "add"], &arguments[..]].concat(), 1, saying);
    }
    keystead.fails(&["relay", "add", "x", &format!("{URL}{}", "x".repeat(200))], 1, "at most 200 bytes");
    keystead.fails(&["relay", "add", "x", URL, "--user-agent", "a\nb"], 1, "visible ASCII");
}

#[test]
fn private_targets_are_refused_unless_they_are_allowed() {
    let keystead = Keystead::with_app();
    for url in ["http://127.0.0.1/SECRET", "http://localhost/SECRET", "http://2130706433/SECRET", "http://[::1]/SECRET"]
    {
        let relay = keystead.fails(&["relay", "add", "x", url], 1, "--allow-target ");
        let file = keystead.fails(&["file", "add", "--url", url], 1, "--allow-target ");
        assert!(!relay.contains("SECRET") && !file.contains("SECRET"), "{relay}{file}");
        for told in [relay, file] {
            assert!(told.contains("start the server with") && told.contains("give this command the same"), "{told}");
        }
    }
    keystead.ok(&["relay", "add", "flag", "http://10.1.2.3/", "--allow-target", "10.0.0.0/8"]);
    keystead.ok(&[
        "file",
        "add",
        "--url",
        "http://10.1.2.3/a.bin",
        "--allow-target",
        "192.168.0.0/16",
        "--allow-target",
        "10.1.2.3",
    ]);
    keystead.fails(&["relay", "add", "other", "http://10.1.2.3/", "--allow-target", "10.2.0.0/16"], 1, "10.1.2.3/32");
    keystead.fails(&["relay", "add", "other", "http://10.1.2.3/", "--allow-target", "ten"], 3, "allow-target");
    let mut command = keystead.command(&["relay", "add", "env", "http://10.1.2.3/"]);
    assert!(command.env("KEYSTEAD_ALLOW_TARGET", "10.1.2.3").status().expect("runs").success());
    std::fs::write(keystead.path("k.toml"), "allow-target = [\"10.1.2.3/32\"]\n").expect("writes");
    keystead.ok(&["relay", "add", "file", "http://10.1.2.3/", "--config", "k.toml"]);
    assert_eq!(list(&keystead, &["relay", "list"]).len(), 3);
}

#[test]
fn files() {
    let keystead = Keystead::with_app();
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::fs::write(keystead.path("data.bin"), &content).expect("writes");
    std::fs::write(keystead.path("empty.bin"), "").expect("writes");
    let added = keystead.json(&["file", "add", "data.bin"]);
    assert_eq!(keys(&added), ["authenticated", "created_at", "id", "name", "size", "url"]);
    let id = added["id"].as_str().expect("an id");
    assert!(id.len() == 6 && id.bytes().all(|b| b.is_ascii_digit()), "{id}");
    assert_eq!((&added["name"], &added["size"], &added["url"]), (&json!("data.bin"), &json!(100_000), &Value::Null));
    assert!(about(&added["created_at"], now()) && added["authenticated"] == true);
    keystead.ok(&["file", "get", id, "copy.bin"]);
    assert_eq!(std::fs::read(keystead.path("copy.bin")).expect("reads"), content);
    keystead.fails(&["file", "get", id, "copy.bin"], 1, "copy.bin exists");
    let output = keystead.command(&["file", "get", id, "-"]).output().expect("runs");
    assert!(output.status.success() && output.stdout == content);

    std::fs::write(keystead.path("other.bin"), "other").expect("writes");
    assert_eq!(keystead.json(&["file", "replace", id, "other.bin"]), json!({ "id": id, "size": 5 }));
    let shown = keystead.json(&["file", "show", id]);
    assert_eq!((&shown["name"], &shown["size"]), (&json!("data.bin"), &json!(5)));
    assert_eq!(keystead.ok(&["file", "get", id, "-"]), "other");

    let at = "https://cdn.example.com/files/setup.exe?key=SECRET";
    let added = keystead.json(&["file", "add", "--url", at, "--id", "setup", "--public"]);
    assert_eq!((&added["name"], &added["url"], &added["size"]), (&json!("setup.exe"), &json!(at), &Value::Null));
    assert!(keystead.ok(&["file", "show", "setup"]).contains(at));
    let listed = list(&keystead, &["file", "list"]);
    assert_eq!((listed.len(), &listed[1]["url"]), (2, &json!("https://cdn.example.com")));
    assert!(!keystead.ok(&["file", "list"]).contains("SECRET"));
    keystead.fails(&["file", "get", "setup", "x.bin"], 1, "not kept here");
    keystead.ok(&["file", "replace", "setup", "other.bin"]);
    assert_eq!(keystead.ok(&["file", "get", "setup", "-"]), "other", "now it is");

    keystead.fails(&["file", "add", "empty.bin"], 1, "is empty");
    keystead.fails(&["file", "replace", id, "empty.bin"], 1, "is empty");
    keystead.fails(&["file", "add", "none.bin"], 1, "none.bin");
    keystead.fails(&["file", "add", "data.bin", "--id", "setup"], 1, "there is a file setup already");
    keystead.fails(&["file", "add", "data.bin", "--name", &"n".repeat(50)], 1, "--name");
    keystead.fails(&["file", "add", "data.bin", "--url", at], 2, "cannot be used with");
    keystead.fails(&["file", "add"], 2, "required");
    std::fs::write(keystead.path("k.toml"), "file-limit = \"1KiB\"\n").expect("writes");
    keystead.fails(&["file", "add", "data.bin", "--config", "k.toml"], 1, "1024 bytes");
    for command in
        [&["file", "show", "none"][..], &["file", "get", "none", "x"], &["file", "replace", "none", "other.bin"]]
    {
        keystead.fails(command, 1, "there is no file none");
    }
    assert_eq!(keystead.json(&["file", "delete", id]), json!({ "deleted": id }));
    keystead.fails(&["file", "delete", id], 1, "there is no file");
}
