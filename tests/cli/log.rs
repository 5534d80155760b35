//! `keystead log`, and the webhook that lines are posted to.

use keystead::model::log::LogLine;
use keystead::model::time::Time;
use keystead::store::logs;

use super::*;

/// Logs a line at this time.
fn add(keystead: &Keystead, at: i64, message: &str, credential: Option<&str>) {
    let line = LogLine {
        logged_at: Time(at),
        message: message.to_owned(),
        credential: credential.map(str::to_owned),
        pc_user: Some("PC".to_owned()),
        ip: "203.0.113.9".to_owned(),
    };
    in_store(keystead, move |tx| {
        let app = apps::all(tx)?.remove(0);
        logs::insert(tx, app.id, &line)
    });
}

#[test]
fn lines_are_listed_and_cleared() {
    let keystead = Keystead::with_app();
    // 2026-01-31 00:00:00 UTC
    const DAY_START: i64 = 1_769_817_600;
    add(&keystead, DAY_START - 1, "old", None);
    add(&keystead, DAY_START, "steer \u{1b}[2J", Some("Mia"));
    add(&keystead, DAY_START + 60, "newest", Some("tom"));

    let all = list(&keystead, &["log", "list"]);
    assert_eq!(keys(&all[0]), ["credential", "ip", "logged_at", "message", "pc_user"]);
    assert_eq!(all.iter().map(|line| &line["message"]).collect::<Vec<_>>(), ["newest", "steer \u{1b}[2J", "old"]);
    assert_eq!(all[2]["credential"], Value::Null);
    let of_mia = list(&keystead, &["log", "list", "--user", "mia"]);
    assert!(matches!(&of_mia[..], [line] if line["credential"] == "Mia" && line["logged_at"] == DAY_START));
    let some = keystead.run(&["log", "list", "--limit", "2"]);
    assert!(some.out.contains("2026-01-31 00:01:00") && !some.out.contains("old"), "{}", some.out);
    assert!(!some.out.contains('\u{1b}') && some.err.contains("raise --limit"), "{}", some.err);

    let cleared = |more: &[&str]| keystead.json(&[&["log", "clear"], more].concat())["deleted"].clone();
    assert_eq!(cleared(&["--before", "2026-01-31"]), 1);
    assert_eq!(cleared(&["--before", "2026-01-31T00:00:01"]), 1);
    assert_eq!(cleared(&["--before", "2026-01-31 00:01:00"]), 0);
    assert_eq!(cleared(&[]), 1);
    assert_eq!(keystead.ok(&["log", "clear"]), "deleted 0 lines of demo\n");
    keystead.fails(&["log", "clear", "--before", "yesterday"], 2, "2026-01-31");
    keystead.fails(&["log", "list", "--app", "none"], 1, "there is no app");
}

#[test]
fn a_webhook_is_public_or_allowed() {
    let keystead = Keystead::with_app();
    keystead.ok(&["app", "set", "webhook=https://discord.com/api/webhooks/1/secret"]);
    for url in ["http://127.0.0.1/x", "http://[::1]/x", "http://localhost/x", "http://10.0.0.1/x"] {
        let told = keystead.fails(&["app", "set", &format!("webhook={url}")], 1, "--allow-target");
        assert!(told.contains("KEYSTEAD_ALLOW_TARGET"), "{told}");
    }
    keystead.fails(&["app", "set", "webhook=discord"], 2, "webhook: this is no URL");
    keystead.fails(&["app", "set", "webhook=ftp://example.com"], 2, "https://");
    let shown = || keystead.json(&["app", "show"])["settings"]["webhook"].clone();
    assert_eq!(shown(), "https://discord.com/api/webhooks/1/secret", "what was refused changed nothing");
    let mut allowed = keystead.command(&["app", "set", "webhook=http://10.0.0.1/x"]);
    assert!(allowed.env("KEYSTEAD_ALLOW_TARGET", "10.0.0.0/8").output().expect("runs").status.success());
    assert_eq!(shown(), "http://10.0.0.1/x");
    keystead.ok(&["app", "set", "webhook="]);
    assert_eq!(shown(), "");
}
