//! Licenses: making, listing, banning, prolonging.

use super::*;

#[test]
fn licenses_are_made_from_settings_and_options() {
    let keystead = Keystead::with_app();
    let made = keystead.run(&["license", "create"]);
    assert_eq!((made.code, made.out.lines().count(), made.out.trim().len()), (0, 1, 41), "{}", made.out);
    assert!(made.err.contains("made 1 license of demo: level 1, 30d from redemption"), "{}", made.err);
    keystead.ok(&["app", "set", "format=SET-**************", "amount=2", "lvl=5", "note=from settings", "duration=3"]);
    let made = keystead.run(&["license", "create", "--json"]);
    assert!(made.err.contains("no plan has level 5"), "{}", made.err);
    let made: Vec<String> = serde_json::from_str(&made.out).expect("an array of keys");
    assert_eq!(made.len(), 2);
    let shown = keystead.json(&["license", "show", &made[0].to_lowercase()]);
    let members = [
        "ban_reason",
        "created_at",
        "created_by",
        "duration",
        "expires_at",
        "key",
        "level",
        "note",
        "paused",
        "state",
        "used_at",
        "used_by",
    ];
    assert_eq!(keys(&shown), members);
    assert_eq!((&shown["key"], &shown["duration"]), (&json!(made[0]), &json!(3 * DAY)));
    assert_eq!((&shown["level"], &shown["note"]), (&json!("5"), &json!("from settings")));
    assert_eq!((&shown["state"], &shown["used_by"]), (&json!("unused"), &Value::Null));
    keystead.ok(&["app", "set", "unit=315569260"]);
    let key = keystead.json(&["license", "create", "--count", "1", "--mask", "UP-************", "--alphabet", "upper"]);
    let key = key[0].as_str().expect("a key");
    assert!(key.starts_with("UP-") && !key.contains(|c: char| c.is_ascii_lowercase()), "{key}");
    assert_eq!(keystead.json(&["license", "show", key])["duration"], "lifetime");
    let few = keystead.run(&["license", "create", "--mask", "A-****", "--days", "1", "--level", "1"]);
    assert!(few.code == 0 && few.err.contains("4 random characters"), "{}", few.err);
    // Nothing of this was written back.
    assert_eq!(keystead.json(&["app", "show"])["settings"]["amount"], "2");

    keystead.fails(&["license", "create", "--days", "0"], 2, "invalid value");
    keystead.fails(&["license", "create", "--duration", "0d"], 2, "longer than nothing");
    keystead.fails(&["license", "create", "--duration", "soon"], 2, "expected a number and a unit");
    keystead.fails(&["license", "create", "--days", "1", "--duration", "1d"], 2, "cannot be used with");
    keystead.fails(&["license", "create", "--count", "2", "--mask", "FIXED"], 1, "at least one *");
    keystead.fails(&["license", "create", "--note", &"x".repeat(70)], 1, "at most 69 bytes");
}

#[test]
fn ten_thousand_licenses_are_made_all_or_none() {
    let keystead = Keystead::with_app();
    let made = list(&keystead, &["license", "create", "--count", "10000"]);
    let distinct: std::collections::HashSet<String> =
        made.iter().map(|key| key.as_str().expect("a key").to_ascii_lowercase()).collect();
    assert_eq!(distinct.len(), 10_000);
    assert_eq!(keystead.json(&["app", "show"])["licenses"], 10_000);
    // A mask with 46,656 different keys, asked until it is used up: the last try made some, and none of them stays.
    keystead.ok(&["app", "create", "small"]);
    for whole in 0.. {
        let ran = keystead.run(&["license", "create", "--app", "small", "--count", "10000", "--mask", "X-***"]);
        if ran.code == 0 {
            continue;
        }
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        assert!(ran.err.contains("too few different keys left"), "{}", ran.err);
        assert!(whole > 0, "the first 10,000 fit");
        assert_eq!(keystead.json(&["app", "show", "small"])["licenses"], whole * 10_000);
        break;
    }
}

#[test]
fn more_than_one_batch_tells_what_was_made() {
    let keystead = Keystead::with_app();
    let made = keystead.ok(&["license", "create", "--count", "20001"]);
    assert_eq!(made.lines().count(), 20_001);
    let ran = keystead.run(&["license", "create", "--count", "50000", "--mask", "X-***", "--json"]);
    assert_eq!(ran.code, 1);
    let told: Vec<String> = serde_json::from_str(&ran.out).expect("an array of what was made");
    assert!(!told.is_empty() && told.len().is_multiple_of(10_000));
    assert!(ran.err.contains(&format!("made only {} of 50000", told.len())), "{}", ran.err);
    assert_eq!(keystead.json(&["app", "show"])["licenses"], 20_001 + told.len());
}

#[test]
fn licenses_are_listed_in_pages_and_by_state() {
    let keystead = Keystead::with_app();
    let made = keystead.json(&["license", "create", "--count", "5"]);
    let made: Vec<_> = made.as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
    keystead.ok(&["user", "create", "mia"]);
    redeem(&keystead, made[1], "mia");
    keystead.ok(&["license", "ban", made[3], "--reason", "chargeback"]);
    let list = |arguments: &[&str]| {
        let all = list(&keystead, &[&["license", "list"], arguments].concat());
        all.iter().map(|l| l["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), made);
    assert_eq!(list(&["--limit", "2"]), made[..2]);
    assert_eq!(list(&["--limit", "2", "--after", made[1]]), made[2..4]);
    assert_eq!(list(&["--state", "unused"]), [made[0], made[2], made[4]]);
    assert_eq!(list(&["--state", "unused", "--limit", "1", "--after", made[0]]), [made[2]]);
    assert_eq!(list(&["--state", "used"]), [made[1]]);
    assert_eq!(list(&["--state", "banned"]), [made[3]]);
    let more = keystead.run(&["license", "list", "--limit", "2"]);
    assert!(more.err.contains(&format!("there are more: --after {}", made[1])), "{}", more.err);
    assert_eq!(more.out.lines().count(), 3, "a heading and two rows");
    assert!(more.out.contains("mia"));
    keystead.fails(&["license", "list", "--after", "no-such-key"], 1, "there is no such license");
    keystead.fails(&["license", "list", "--state", "gone"], 2, "invalid value");
}

#[test]
fn licenses_end_at_a_date() {
    let keystead = Keystead::with_app();
    let end = 1_924_905_600; // 2030-12-31
    for text in ["2030-12-31", "2030-12-31T01:00:00+01:00", "2030-12-31T00:00:00", "1924905600"] {
        let made = keystead.json(&["license", "create", "--count", "1", "--duration", "lifetime", "--expires", text]);
        let key = made[0].as_str().expect("a key");
        assert_eq!(keystead.json(&["license", "show", key])["expires_at"], json!(end), "{text}");
        assert!(keystead.ok(&["license", "show", key]).contains("ends      2030-12-31 00:00:00 at the latest"));
    }
    let listed = keystead.ok(&["license", "list"]);
    assert!(listed.contains("ENDS (UTC)") && listed.contains("2030-12-31 00:00:00"), "{listed}");
    keystead.fails(&["license", "create", "--expires", "2020-01-31"], 1, "has to be in the future");
    keystead.fails(&["license", "create", "--expires", "1924905600000"], 1, "this looks like milliseconds");
    keystead.fails(&["license", "create", "--expires", "tomorrow"], 2, "a moment is written");
    assert_eq!(list(&keystead, &["license", "list"]).len(), 4, "what was refused made none");
}

#[test]
fn licenses_are_paused_and_resumed() {
    let keystead = Keystead::with_app();
    let made = keystead.json(&["license", "create", "--count", "3", "--days", "30"]);
    let key = |i: usize| made[i].as_str().expect("a key").to_owned();
    keystead.ok(&["user", "create", "mia"]);
    redeem(&keystead, &key(2), "mia");

    let paused = keystead.json(&["license", "pause", &key(0).to_lowercase()]);
    assert_eq!((&paused["state"], &paused["paused"]), (&json!("paused"), &json!(true)));
    keystead.fails(&["license", "pause", &key(0)], 1, "is paused already");
    // One that was used before: what it gave stays, and the command says so.
    let ran = keystead.run(&["license", "pause", &key(2)]);
    assert!(ran.code == 0 && ran.err.contains("user mia keeps what it gave"), "{}", ran.err);
    assert!(keystead.ok(&["license", "show", &key(2)]).contains("used, paused"));

    let keys_in = |state: &str| {
        let all = list(&keystead, &["license", "list", "--state", state]);
        all.iter().map(|license| license["key"].as_str().expect("a key").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys_in("paused"), [key(0), key(2)]);
    assert_eq!(keys_in("unused"), [key(1)]);
    assert_eq!(keys_in("used"), [key(2)]);

    let resumed = keystead.json(&["license", "resume", &key(0)]);
    assert_eq!((&resumed["state"], &resumed["paused"]), (&json!("unused"), &json!(false)));
    keystead.fails(&["license", "resume", &key(0)], 1, "is not paused");
    keystead.fails(&["license", "pause", "NOTHING"], 1, "there is no such license");
}

#[test]
fn licenses_are_banned_and_deleted() {
    let keystead = Keystead::with_app();
    let key = keystead.ok(&["license", "create"]).trim().to_owned();
    let banned = keystead.json(&["license", "ban", &key, "--reason", "chargeback"]);
    assert_eq!((&banned["state"], &banned["ban_reason"]), (&json!("banned"), &json!("chargeback")));
    assert_eq!(keystead.json(&["license", "unban", &key])["state"], "unused");
    keystead.fails(&["license", "unban", &key], 1, "is not banned");
    keystead.fails(&["license", "ban", &key, "--reason", &"x".repeat(100)], 1, "at most 99 bytes");
    assert_eq!(keystead.json(&["license", "show", &key])["state"], "unused", "a reason that is too long bans nobody");
    keystead.ok(&["license", "delete", &key]);
    for verb in ["show", "ban", "unban", "delete"] {
        keystead.fails(&["license", verb, &key], 1, "there is no such license");
    }
}

#[test]
fn licenses_are_prolonged_unused_and_used() {
    let keystead = Keystead::with_app();
    let key = keystead.ok(&["license", "create", "--days", "10"]).trim().to_owned();
    assert_eq!(keystead.json(&["license", "extend", &key, "--days", "5"])["duration"], 15 * DAY);
    keystead.ok(&["user", "create", "mia"]);
    redeem(&keystead, &key, "mia");
    let extended = keystead.json(&["license", "extend", &key, "--duration", "1w"]);
    assert_eq!((&extended["extended_subscriptions"], &extended["duration"]), (&json!(1), &json!(15 * DAY)));
    let held = keystead.json(&["user", "show", "mia"])["subscriptions"][0].clone();
    assert!(about(&held["expires_at"], now() + 22 * DAY), "{held}");
    assert_eq!(held["license"], key);
    keystead.ok(&["license", "extend", &key, "--duration", "lifetime"]);
    assert_eq!(keystead.json(&["user", "show", "mia"])["subscriptions"][0]["expires_at"], Value::Null);
    keystead.fails(&["license", "extend", &key, "--days", "1"], 1, "lifetime already");
    keystead.fails(&["license", "extend", &key], 2, "--days or --duration");
    keystead.ok(&["user", "delete", "mia"]);
    keystead.fails(&["license", "extend", &key, "--days", "1"], 1, "was deleted");
    let key = keystead.ok(&["license", "create", "--days", "1"]).trim().to_owned();
    assert_eq!(keystead.json(&["license", "extend", &key, "--duration", "lifetime"])["duration"], "lifetime");
    keystead.fails(&["license", "extend", &key, "--days", "1"], 1, "lifetime already");
}
