//! `sdk patch`: what it writes, keeps, tells and refuses, with the real program on real files.

use std::fs;
use std::path::Path;

use super::*;

const URL: &str = "https://auth.example.com";
const KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
const THEIRS: &str = "5586b4bc69c7a4b487e4563a4cd96afd39140f919bd31cea7d1c6a1e8439422b";

fn python() -> String {
    format!("# client\r\nreply = post('https://keyauth.win/api/1.3/', form)\r\ncheck(reply, '{THEIRS}')\r\n")
}

fn patch<'a>(files: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["sdk", "patch", "--url", URL, "--public-key", KEY], more, files].concat()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn a_client_is_patched_shown_and_kept() {
    let keystead = Keystead::new();
    let (file, copy) = (keystead.path("client.py"), keystead.path("client.py.orig"));
    fs::write(&file, python()).expect("writes");
    let dry = keystead.ok(&patch(&["client.py"], &["--dry-run"]));
    assert!(dry.contains("not written") && dry.contains("+reply = post('https://auth.example.com/api/1.3/'"), "{dry}");
    assert_eq!(
        (fs::read_to_string(&file).expect("reads"), names(file.parent().expect("a folder")).len()),
        (python(), 1)
    );

    let told = keystead.ok(&patch(&["client.py"], &[]));
    for want in [
        "client.py (Python):",
        "line 2: https://keyauth.win becomes https://auth.example.com",
        "line 3: the public key",
        "--- client.py\n+++ client.py\n@@ -1,3 +1,3 @@\n # client\n",
        "-reply = post('https://keyauth.win/api/1.3/', form)",
        "25 seconds",
        "client.py.orig",
    ] {
        assert!(told.contains(want), "{want}: {told}");
    }
    assert!(!told.contains('\u{1b}'), "no colours for programs");
    let want = python().replace("https://keyauth.win", URL).replace(THEIRS, KEY);
    assert_eq!(fs::read_to_string(&file).expect("reads"), want);
    assert_eq!(fs::read_to_string(&copy).expect("reads"), python());

    let again = keystead.ok(&patch(&["client.py"], &[]));
    assert!(again.contains("nothing to change, it is patched already"), "{again}");
    assert_eq!(names(file.parent().expect("a folder")), ["client.py", "client.py.orig"]);

    // Another server: the first copy stays what it is.
    fs::write(&file, python()).expect("writes");
    fs::write(&copy, "mine").expect("writes");
    keystead.ok(&patch(&["client.py"], &[]));
    assert_eq!(names(file.parent().expect("a folder")), ["client.py", "client.py.orig", "client.py.orig.1"]);
    assert_eq!(fs::read_to_string(&copy).expect("reads"), "mine");
}

#[test]
fn the_hidden_key_of_the_cpp_library() {
    let keystead = Keystead::new();
    let masked = |key: &str, mask: u8| {
        let rows: Vec<String> = key
            .as_bytes()
            .chunks(16)
            .map(|row| row.iter().map(|byte| format!("0x{:02x}", byte ^ mask)).collect::<Vec<_>>().join(", "))
            .collect();
        format!("{{\n    {}\n}};\n", rows.join(",\n    "))
    };
    // The checksums are written out: they were computed elsewhere.
    let source = |key: &str, sum: &str| {
        format!(
            "const u64 sum = {sum}ULL;\nconst u8 one[64] = {}const u8 two[64] = {}",
            masked(key, 0x5a),
            masked(key, 0xa5)
        )
    };
    fs::write(keystead.path("auth.cpp"), source(THEIRS, "0x7553f24ca052d4b1")).expect("writes");
    fs::write(keystead.path("main.cpp"), "url = \"https://keyauth.win/api/1.3/\";\n").expect("writes");
    let done = keystead.json(&patch(&["auth.cpp", "main.cpp"], &[]));
    let forms: Vec<(&Value, &Value)> =
        done[0]["keys"].as_array().expect("keys").iter().map(|key| (&key["form"], &key["line"])).collect();
    assert_eq!(forms, [(&json!("checksum"), &json!(1)), (&json!("masked"), &json!(3)), (&json!("masked"), &json!(9)),]);
    assert_eq!(done[0]["keys"][2]["mask"], 0xa5);
    let new = fs::read_to_string(keystead.path("auth.cpp")).expect("reads");
    assert_eq!(new, source(KEY, "0x757ed173d45f331c"));
    assert_eq!(
        done[1]["urls"][0],
        json!({
            "line": 1, "old": "https://keyauth.win", "new": URL, "api": "1.3", "changed": true,
        })
    );
    assert!(done[1]["notes"].to_string().contains("port 443"), "{}", done[1]);
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let keystead = Keystead::new();
    fs::write(keystead.path("client.py"), python()).expect("writes");
    fs::write(keystead.path("other.txt"), "nothing here: https://keyauth.cc/app/\n").expect("writes");
    fs::write(keystead.path("wide.cs"), b"\xff\xfeu\0r\0l\0").expect("writes");
    fs::write(keystead.path("client.exe"), b"MZ\0https://keyauth.win/api/1.3/\0").expect("writes");
    fs::create_dir(keystead.path("src")).expect("a folder");
    let files = ["missing.cs", "other.txt", "wide.cs", "client.exe", "src", "client.py"];
    let ran = keystead.run(&patch(&files, &[]));
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("4 of 6 files are not patched"), "{}", ran.err);
    for want in
        ["missing.cs: No such file", "other.txt (text): nothing of KeyAuth's", "UTF-16", "no source text", "a folder"]
    {
        assert!(ran.out.contains(want), "{want}: {}", ran.out);
    }
    assert!(fs::read_to_string(keystead.path("client.py")).expect("reads").contains(URL));
    let folder = keystead.path("");
    let all = ["client.exe", "client.py", "client.py.orig", "other.txt", "src", "wide.cs"];
    assert_eq!(names(&folder), all);

    let ran = keystead.run(&patch(&files, &["--json"]));
    let done: Value = serde_json::from_str(&ran.out).expect("a document");
    let errors: Vec<bool> = done.as_array().expect("an array").iter().map(|file| file["error"].is_string()).collect();
    assert_eq!((ran.code, errors), (1, vec![true, true, true, true, true, false]));
    let members = ["changed", "copy", "error", "file", "keys", "kind", "notes", "urls"];
    assert_eq!(keys(&done[5]), members);
    assert_eq!((&done[5]["changed"], &done[5]["copy"]), (&json!(false), &Value::Null));
}

#[test]
fn a_file_with_nothing_of_keyauths_is_no_failure() {
    let keystead = Keystead::new();
    fs::write(keystead.path("client.py"), python()).expect("writes");
    fs::write(keystead.path("other.py"), "print('hi')\n").expect("writes");
    let files = ["client.py", "other.py"];
    for _ in 0..2 {
        let ran = keystead.run(&patch(&files, &[]));
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out.contains("other.py (Python): nothing of KeyAuth's"), "{}", ran.out);
    }
    keystead.fails(&patch(&files[1..], &[]), 1, "the file is not patched");
}

#[test]
fn a_file_that_was_patched_for_another_host_is_told_apart() {
    let keystead = Keystead::new();
    fs::write(keystead.path("client.py"), python()).expect("writes");
    let with = |url| ["sdk", "patch", "client.py", "--public-key", KEY, "--url", url];
    keystead.ok(&with("https://auth.exmaple.com"));
    let ran = keystead.run(&with(URL));
    assert_eq!(ran.code, 1, "{}", ran.out);
    for want in ["the API at https://auth.exmaple.com is neither", "`cp client.py.orig client.py`"] {
        assert!(ran.out.contains(want), "{want}: {}", ran.out);
    }
    fs::copy(keystead.path("client.py.orig"), keystead.path("client.py")).expect("copies");
    keystead.ok(&with(URL));
}

#[cfg(unix)]
#[test]
fn rights_and_links_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let keystead = Keystead::new();
    let file = keystead.path("client.py");
    fs::write(&file, python()).expect("writes");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o750)).expect("sets");
    symlink("client.py", keystead.path("link.py")).expect("links");
    keystead.ok(&patch(&["link.py"], &[]));
    assert!(fs::symlink_metadata(keystead.path("link.py")).expect("there").is_symlink());
    assert!(fs::read_to_string(&file).expect("reads").contains(URL));
    for name in ["client.py", "client.py.orig"] {
        let mode = fs::metadata(keystead.path(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o750, "{name}");
    }
}

#[test]
fn the_server_is_named_or_configured() {
    let keystead = Keystead::new();
    fs::write(keystead.path("client.rs"), "new(\"https://keyauth.win/api/1.2/\")").expect("writes");
    keystead.fails(&["sdk", "patch", "client.rs", "--public-key", KEY], 2, "which server?");
    for (url, saying) in [
        ("auth.example.com", "give one like https://auth.example.com"),
        ("https://auth.example.com/api/1.2/", "leave out /api"),
        ("https://keyauth.win", "KeyAuth's own server"),
        ("https://a.example/'+x+'", "no address"),
    ] {
        keystead.fails(&["sdk", "patch", "client.rs", "--public-key", KEY, "--url", url], 2, saying);
    }
    keystead.fails(&["sdk", "patch", "client.rs", "--url", URL, "--public-key", "abc"], 2, "64 hex characters");
    keystead.fails(&["sdk", "patch", "client.rs", "--url", URL, "--public-key", THEIRS], 2, "KeyAuth's own public key");
    keystead.fails(&["sdk", "patch"], 2, "FILE");
    assert_eq!(names(&keystead.path("")), ["client.rs"]);

    let mut command = keystead.command(&["sdk", "patch", "client.rs", "--public-key", KEY]);
    let output = command.env("KEYSTEAD_PUBLIC_URL", "https://keys.example.com/").output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    let new = fs::read_to_string(keystead.path("client.rs")).expect("reads");
    assert_eq!(new, "new(\"https://keys.example.com/api/1.2/\")");
}

#[test]
fn the_key_comes_from_the_database() {
    let keystead = Keystead::new();
    fs::write(keystead.path("client.py"), python()).expect("writes");
    let command = ["sdk", "patch", "client.py", "--url", URL];
    let told = keystead.fails(&command, 4, "there is no database");
    assert!(told.contains("--public-key HEX") && !told.contains("quickstart"), "{told}");
    keystead.ok(&["app", "create", "demo"]);
    keystead.fails(&command, 1, "keystead config public-key");
    assert_eq!(fs::read_to_string(keystead.path("client.py")).expect("reads"), python());
    // The key that is shown is the key that is written, and after a rotation the new one takes its place.
    for make in [&["config", "public-key"][..], &["config", "rotate-key", "--yes"]] {
        let key = keystead.ok(make).trim().to_owned();
        keystead.ok(&command);
        let new = fs::read_to_string(keystead.path("client.py")).expect("reads");
        assert_eq!(new, python().replace("https://keyauth.win", URL).replace(THEIRS, &key), "{make:?}");
    }
}
