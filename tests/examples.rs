//! The examples do what they say, each against a real server of its own. Those in shell and Python are left out where
//! their tool is missing; the one in Rust always runs.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn is_there(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        println!("{tool} is missing: its example is left out");
    }
    there
}

fn run(example: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("examples/run"))
        .arg(example)
        .env("KEYSTEAD_BIN", env!("CARGO_BIN_EXE_keystead"))
        .output()
        .expect("examples/run starts (it needs bash)");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{example}: {}\n{out}\n{err}", output.status);
}

#[test]
fn the_rust_client_runs() {
    run("rust");
}

#[test]
fn the_rust_client_of_1_3_runs() {
    run("rust_1_3");
}

#[test]
fn the_curl_script_runs() {
    if is_there("curl") {
        run("curl");
    }
}

#[test]
fn the_python_client_runs() {
    if is_there("python3") {
        run("python");
    }
}

#[test]
fn the_python_client_of_1_3_runs() {
    if is_there("python3") {
        run("python_1_3");
    }
}

#[test]
fn what_keyauth_told_is_turned_into_a_document() {
    if !is_there("jq") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let files = [
        (
            "keys",
            r#"{"success":true,"keys":[
            {"key":"KEY-NEW","note":"","expires":"2592000","status":"Not Used","level":"1","gendate":"1735689601","usedon":null,"usedby":null,"banned":null},
            {"key":"KEY-TOM","note":"vip","expires":"315569260","status":"Used","level":"1","gendate":"1735689602","usedon":"1738368000","usedby":"Tom","banned":null},
            {"key":"KEY-BAD","note":null,"expires":"86400","status":"Banned","level":"1","gendate":"1735689603","usedon":"1738368001","usedby":"ghost","banned":"resold"},
            {"key":"KEY-ONLY","note":null,"expires":"86400","status":"Used","level":"1","gendate":"1735689604","usedon":"1738368001","usedby":"KEY-ONLY","banned":null}]}"#,
        ),
        // The hash is that of docs/app-json.md: "swordfish".
        (
            "users",
            r#"{"success":true,"users":[
            {"username":"tom","email":"7deb40064d66ba3e57d4e7a8c24ec8b3bb797af8","password":"$2b$10$j7CSt7D7H2I3pY16G3TisudfUIQVujTkDU86L9FHeM4f0FOJ194f.","hwid":"PC-1","createdate":"1738368003","lastlogin":"1738368004","banned":null,"ip":"192.0.2.1"},
            {"username":"KEY-ONLY","email":null,"password":null,"hwid":null,"createdate":"1738368003","lastlogin":null,"banned":null,"ip":null},
            {"username":"zoe","email":null,"password":null,"hwid":"","createdate":"1738368003","lastlogin":"1738368009","banned":"chargeback","ip":null}]}"#,
        ),
        ("subs", r#"{"success":true,"subs":[{"name":"default","level":"1"}]}"#),
        ("vars", r#"{"success":true,"vars":[{"varid":"motd","msg":"hi","authed":"0"},{"varid":"x","msg":"1"}]}"#),
        ("blacks", r#"{"success":false,"message":"No blacklists found"}"#),
        (
            "held",
            r#"{"success":true,"username":"tom","subscriptions":[{"subscription":"default","expiry":"2053937260","timeleft":5}]}
            {"success":true,"username":"KEY-ONLY","subscriptions":[]}
            {"success":true,"username":"zoe","subscriptions":[]}"#,
        ),
    ];
    let made = to_app(folder.path(), &files);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(folder.path().join("app.json"), made.stdout).expect("writes");
    let keystead = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        let output = command.current_dir(folder.path()).args(arguments).output().expect("runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    keystead(&["import", "app.json"]);
    let exported: serde_json::Value = serde_json::from_str(&keystead(&["export", "--app", "demo"])).expect("JSON");
    let named = |list: &str, by: &str, name: &str| {
        let found = exported[list].as_array().into_iter().flatten().find(|entry| entry[by] == name);
        found.unwrap_or_else(|| panic!("{list} has {name}: {exported}")).clone()
    };
    let tom = named("users", "name", "tom");
    assert_eq!((&tom["devices"][0]["hwid"], &tom["ip"]), (&"PC-1".into(), &"192.0.2.1".into()));
    assert_eq!(tom["subscriptions"][0]["expires_at"], 2_053_937_260);
    assert!(tom["password_hash"].as_str().is_some_and(|hash| hash.starts_with("$2b$")), "{tom}");
    assert_eq!(named("users", "name", "KEY-ONLY")["login"], "license");
    let zoe = named("users", "name", "zoe");
    assert_eq!((&zoe["login"], &zoe["ban_reason"]), (&"locked".into(), &"chargeback".into()));
    let license = named("licenses", "key", "KEY-TOM");
    assert_eq!((&license["used_by"], &license["duration"]), (&"tom".into(), &"lifetime".into()));
    let banned = named("licenses", "key", "KEY-BAD");
    assert_eq!(
        (&banned["banned"], &banned["ban_reason"], &banned["used_by"]),
        (&true.into(), &"resold".into(), &().into())
    );
    assert_eq!(named("licenses", "key", "KEY-NEW")["used_at"], serde_json::Value::Null);
    assert_eq!(named("variables", "name", "motd")["authenticated"], false);
    assert_eq!(named("variables", "name", "x")["authenticated"], true);
}

/// What examples/keyauth-to-app.jq makes of these files.
fn to_app(folder: &Path, files: &[(&str, &str)]) -> Output {
    let mut jq = Command::new("jq");
    jq.args(["-n", "-f"]).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/keyauth-to-app.jq"));
    jq.args(["--arg", "name", "demo", "--arg", "ownerid", "AbCdEfGh12", "--arg", "secret", &"0f".repeat(32)]);
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("writes");
        jq.args([if *name == "held" { "--rawfile" } else { "--slurpfile" }, name]).arg(path);
    }
    jq.output().expect("jq runs")
}

#[test]
fn an_answer_that_is_no_list_is_not_taken_for_an_empty_one() {
    if !is_there("jq") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let empty = [
        ("keys", r#"{"success":false,"message":"No License Keys Found"}"#),
        ("users", r#"{"success":true,"users":[{"username":"tom"}]}"#),
        ("subs", r#"{"success":false,"message":"No subscriptions found"}"#),
        ("vars", r#"{"success":false,"message":"No variables Found"}"#),
        ("blacks", r#"{"success":false,"message":"No blacklists found"}"#),
        ("held", r#"{"success":true,"username":"tom","subscriptions":[]}"#),
    ];
    let with = |file: &str, text| {
        let files = empty.map(|(name, good)| (name, if name == file { text } else { good }));
        to_app(folder.path(), &files)
    };
    let made = with("", "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let none = r#"{"success":false,"message":"No Users Found"}"#;
    for (file, text, says) in [
        (
            "users",
            r#"{"success":false,"message":"The seller key you have provided is not valid."}"#,
            "users.json: KeyAuth says \"The seller key",
        ),
        (
            "keys",
            r#"{"success":false,"message":"No application with specified seller key found"}"#,
            "keys.json: KeyAuth says",
        ),
        ("subs", r#"{"status":false,"message":"You've been rate limited"}"#, "subs.json: KeyAuth says \"You've been"),
        ("vars", r#"{"success":true}"#, "vars.json: it has no list"),
        ("blacks", "", "blacks.json has 0 answers"),
        ("keys", none, "keys.json: KeyAuth says"),
        ("held", r#"{"success":false,"message":"User not found"}"#, "held.json, line 1, user tom: KeyAuth says"),
        ("held", "error code: 1015", "held.json, line 1, user tom: this is no answer"),
        ("held", r#"{"success":true,"username":"mia","subscriptions":[]}"#, "held.json, line 1, user tom"),
        ("held", "", "held.json has 0 lines for the 1 users"),
    ] {
        let made = with(file, text);
        let error = String::from_utf8_lossy(&made.stderr);
        assert!(!made.status.success() && made.stdout.is_empty(), "{file} {text}");
        assert!(error.contains(says), "{file} {text}: {error}");
    }
}
