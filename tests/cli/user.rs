//! Users and sessions.

use keystead::domain::secret::Hasher;

use super::*;

#[test]
fn users_are_made_with_and_without_a_password() {
    let keystead = Keystead::with_app();
    let locked = keystead.json(&["user", "create", "Mia"]);
    let members = [
        "ban_reason",
        "banned",
        "created_at",
        "device_limit",
        "devices",
        "email",
        "email_claimed",
        "first_name",
        "has_email",
        "id",
        "ip",
        "last_login_at",
        "last_name",
        "login",
        "name",
        "phone",
        "phone_country_code",
        "session_limit",
        "subscriptions",
        "two_factor",
    ];
    assert_eq!(keys(&locked), members);
    assert_eq!((&locked["login"], &locked["subscriptions"]), (&json!("locked"), &json!([])));
    keystead.fails(&["user", "create", "mIA"], 1, "a user of this name already");
    assert_eq!(keystead.json(&["user", "create", "claims", "--claimable"])["login"], "claimable");
    let ran = keystead
        .run_with(&["user", "create", "ann", "--password-stdin", "--plan", "default", "--days", "7"], "p w\r\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(hash_of(&keystead, "ann").is_some_and(|hash| Hasher::default().verify("p w", &hash)));
    let held = keystead.json(&["user", "show", "ANN"])["subscriptions"][0].clone();
    assert_eq!(keys(&held), ["expires_at", "granted_at", "level", "license", "paused_at", "plan", "state"]);
    assert!(about(&held["expires_at"], now() + 7 * DAY));

    for (stdin, saying) in [("", "1 to 1024 bytes"), ("a\nb\n", "one line"), (&"x".repeat(1025), "1 to 1024 bytes")] {
        let ran = keystead.run_with(&["user", "create", "bob", "--password-stdin"], stdin);
        assert!(ran.code != 0 && ran.err.contains(saying), "{}: {}", ran.code, ran.err);
    }
    keystead.fails(&["user", "create", "bob", "--password", "secret"], 2, "unexpected argument");
    keystead.fails(&["user", "create", "bob", "--plan", "default"], 2, "how long");
    keystead.fails(&["user", "create", "bob", "--plan", "gold", "--days", "1"], 1, "there is no plan \"gold\"");
    keystead.fails(&["user", "create", &"x".repeat(71)], 1, "1 to 70 bytes");
    keystead.fails(&["user", "show", "bob"], 1, "there is no such user");
    keystead.ok(&["plan", "create", "premium", "--level", "2"]);
    keystead.fails(&["user", "create", "bob", "--days", "1"], 1, "say which plan");
    keystead.fails(&["user", "show", "bob"], 1, "there is no such user");

    let names = |page: &[&str]| {
        let all = list(&keystead, &[&["user", "list"], page].concat());
        all.iter().map(|u| u["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["Mia", "claims", "ann"]);
    assert_eq!(names(&["--limit", "1", "--after", "mia"]), ["claims"]);
}

#[test]
fn users_are_managed() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia", "--days", "10"]);
    in_store(&keystead, |tx| {
        let app = apps::all(tx)?.remove(0);
        let user = users::by_name(tx, app.id, "mia")?.expect("the user");
        keystead::store::devices::insert(tx, user.id, "device-1", Clock::System.now())
    });
    assert_eq!(keystead.json(&["user", "show", "mia"])["devices"][0]["hwid"], "device-1");
    assert_eq!(keystead.json(&["user", "reset-device", "mia"])["devices"], json!([]));

    open_session(&keystead, 5, Some("mia"));
    let banned = keystead.json(&["user", "ban", "mia", "--reason", "chargeback"]);
    assert_eq!((&banned["banned"], &banned["ban_reason"]), (&json!(true), &json!("chargeback")));
    assert_eq!(list(&keystead, &["session", "list"])[0]["user"], Value::Null, "a ban logs its user out");
    assert_eq!(keystead.json(&["user", "unban", "mia"])["banned"], false);
    keystead.fails(&["user", "unban", "mia"], 1, "is not banned");

    let ran = keystead.run_with(&["user", "set-password", "mia"], "new password\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(hash_of(&keystead, "mia").is_some_and(|hash| Hasher::default().verify("new password", &hash)));
    assert_eq!(keystead.json(&["user", "set-password", "mia", "--claimable"])["login"], "claimable");

    assert_eq!(keystead.json(&["user", "pause", "mia"])["subscriptions"][0]["state"], "paused");
    keystead.fails(&["user", "pause", "mia"], 1, "holds nothing that runs");
    keystead.fails(&["user", "resume", "mia", "--plan", "other"], 1, "holds nothing that is paused");
    assert_eq!(keystead.json(&["user", "resume", "mia", "--plan", "default"])["subscriptions"][0]["state"], "running");

    let extended = keystead.json(&["user", "extend", "mia", "--days", "5"]);
    assert!(about(&extended["subscriptions"][0]["expires_at"], now() + 15 * DAY));
    keystead.ok(&["plan", "create", "premium", "--level", "2"]);
    let extended = keystead.json(&["user", "extend", "mia", "--plan", "premium", "--duration", "lifetime"]);
    assert_eq!(extended["subscriptions"][1]["plan"], "premium");
    assert_eq!(extended["subscriptions"][1]["expires_at"], Value::Null);
    keystead.fails(&["user", "extend", "mia", "--plan", "gold", "--days", "1"], 1, "there is no plan \"gold\"");
    keystead.fails(&["user", "extend", "mia"], 2, "--days or --duration");
    keystead.ok(&["user", "create", "bare"]);
    keystead.fails(&["user", "extend", "bare", "--days", "1"], 1, "name a plan");

    keystead.ok(&["user", "delete", "MIA"]);
    for verb in ["show", "ban", "unban", "reset-device", "set-password", "pause", "resume", "delete"] {
        keystead.fails(&["user", verb, "mia"], 1, "there is no such user");
    }
}

#[test]
fn users_have_limits_of_their_own_and_say_who_they_are() {
    let keystead = Keystead::with_app();
    let made = keystead.json(&["user", "create", "mia", "--email", "Mia@example.com"]);
    assert_eq!((&made["email"], &made["has_email"]), (&json!("Mia@example.com"), &json!(true)));
    assert_eq!(made["id"].as_str().map(str::len), Some(36));
    keystead.fails(&["user", "create", "leo", "--email", "nowhere"], 1, "an e-mail address is like");
    keystead.fails(&["user", "show", "leo"], 1, "there is no such user");

    let limits = |document: &Value| (document["device_limit"].clone(), document["session_limit"].clone());
    let set = |arguments: &[&str]| limits(&keystead.json(&[&["user", "set-limits", "mia"], arguments].concat()));
    assert_eq!(limits(&made), (Value::Null, Value::Null), "as the app says");
    assert_eq!(set(&["--devices", "3"]), (json!(3), Value::Null));
    assert_eq!(set(&["--sessions", "2"]), (json!(3), json!(2)), "what is not said stays");
    let told = keystead.ok(&["user", "set-limits", "mia", "--devices", "default"]);
    assert!(told.contains("mia: devices at most 1, session tokens at most 2"), "{told}");
    assert_eq!(limits(&keystead.json(&["user", "show", "mia"])), (Value::Null, json!(2)));
    keystead.fails(&["user", "set-limits", "mia"], 2, "required");
    for limit in ["0", "1001", "many"] {
        keystead.fails(&["user", "set-limits", "mia", "--devices", limit], 2, "1 to 1000, or default");
    }
    keystead.fails(&["user", "set-limits", "nobody", "--devices", "2"], 1, "there is no such user");

    in_store(&keystead, |tx| {
        let app = apps::all(tx)?.remove(0);
        let user = keystead::model::user::User {
            email_sha1: Some("7deb40064d66ba3e57d4e7a8c24ec8b3bb797af8".to_owned()),
            profile: keystead::model::user::Profile {
                first_name: Some("Ann".to_owned()),
                last_name: Some("Muster".to_owned()),
                phone: Some("5550100".to_owned()),
                phone_country_code: Some("+1".to_owned()),
            },
            ..keystead::model::user::User::new(
                keystead::domain::secret::new_uuid(&mut rand::rng()),
                "ann".to_owned(),
                keystead::model::user::Credential::Locked,
                Clock::System.now(),
            )
        };
        users::insert(tx, app.id, &user)
    });
    let told = keystead.ok(&["user", "show", "ann"]);
    for line in ["name        Ann Muster", "phone       5550100 (+1)", "e-mail      set; only its SHA-1 is known"] {
        assert!(told.contains(line), "{told}");
    }
    let told = keystead.ok(&["user", "show", "mia"]);
    for line in ["e-mail      Mia@example.com", "tokens      at most 2 session tokens"] {
        assert!(told.contains(line), "{told}");
    }
}

#[test]
fn sessions_are_listed_and_ended() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    let one = open_session(&keystead, 0xaaaa_bbbb_0000_0000_0000_0000_0000_0001, None);
    open_session(&keystead, 0xaaaa_bbbb_0000_0000_0000_0000_0000_0002, Some("mia"));
    open_session(&keystead, 0xcccc_dddd_0000_0000_0000_0000_0000_0003, Some("mia"));
    open_session(&keystead, 0xeeee_ffff_0000_0000_0000_0000_0000_0004, None);
    let all = list(&keystead, &["session", "list"]);
    assert_eq!(all.len(), 4);
    assert_eq!(keys(&all[0]), ["created_at", "expires_at", "id", "ip", "kind", "user"]);
    assert!(all.iter().all(|s| s["id"].as_str().unwrap().len() == 8));
    assert_eq!(list(&keystead, &["session", "list", "--limit", "2"]).len(), 2);

    keystead.fails(&["session", "kill", "aaaabbbb"], 1, "more than one, begins so");
    assert_eq!(keystead.json(&["session", "kill", &one.to_string()]), json!({ "ended": 1 }));
    keystead.fails(&["session", "kill", &one.to_string()], 1, "no live session");
    assert_eq!(keystead.json(&["session", "kill", "EEEEFFFF"]), json!({ "ended": 1 }));
    assert_eq!(keystead.json(&["session", "kill", "--user", "Mia"]), json!({ "ended": 2 }));
    assert_eq!(keystead.json(&["session", "list"]), json!([]));
    open_session(&keystead, 9, None);
    assert_eq!(keystead.json(&["session", "kill", "--all"]), json!({ "ended": 1 }));
    assert_eq!(keystead.json(&["session", "kill", "--all"]), json!({ "ended": 0 }));

    // What other formats open is listed with what it is for, and ended by its longer id.
    let long = SessionId::long_from_random([0x1234_0000_0000_0000_0000_0000_0000_0001, 5]);
    in_store(&keystead, move |tx| {
        let (app, now) = (apps::all(tx)?.remove(0), Clock::System.now());
        let user = users::by_name(tx, app.id, "mia")?.expect("the user").id;
        let session = Session {
            id: long,
            app: app.id,
            sign_key: None,
            ip: "203.0.113.9".to_owned(),
            created_at: now,
            expires_at: now + 600,
            ended_at: None,
            user: Some(SessionUser { id: user, credential: "mia".into() }),
            kind: SessionKind::Token,
            hwid: None,
        };
        sessions::insert(tx, session)
    });
    assert_eq!(list(&keystead, &["session", "list"])[0]["kind"], "token");
    assert!(keystead.ok(&["session", "list"]).contains("KIND"));
    keystead.fails(&["session", "kill", &"a".repeat(65)], 2, "4 to 64 hex characters");
    assert_eq!(keystead.json(&["session", "kill", &long.to_string()]), json!({ "ended": 1 }));

    keystead.fails(&["session", "kill", "--user", "nobody"], 1, "there is no such user");
    keystead.fails(&["session", "kill", "xyz!"], 2, "hex characters");
    keystead.fails(&["session", "kill"], 2, "required");
    keystead.fails(&["session", "kill", "aaaa", "--all"], 2, "cannot be used with");
}

#[test]
fn names_cannot_steer_the_terminal() {
    let keystead = Keystead::with_app();
    in_store(&keystead, |tx| {
        let app = apps::all(tx)?.remove(0);
        let user = keystead::model::user::User::new(
            keystead::domain::secret::new_uuid(&mut rand::rng()),
            "evil\u{1b}[2J".to_owned(),
            keystead::model::user::Credential::Locked,
            Clock::System.now(),
        );
        users::insert(tx, app.id, &user)
    });
    let shown = keystead.ok(&["user", "list"]) + &keystead.ok(&["user", "show", "evil\u{1b}[2J"]);
    assert!(!shown.contains('\u{1b}') && shown.contains("evil\\u{1b}[2J"), "{shown}");
}
fn hash_of(keystead: &Keystead, name: &str) -> Option<String> {
    let name = name.to_owned();
    in_store(keystead, move |tx| {
        let app = apps::all(tx)?.remove(0);
        Ok(match users::by_name(tx, app.id, &name)?.expect("the user").credential {
            keystead::model::user::Credential::Password(hash) => Some(hash),
            _ => None,
        })
    })
}
