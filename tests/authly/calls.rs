//! Variables, chats, logs and the blacklist (contract 2.6 to 2.8).

use keystead::model::ban::BanTarget;
use keystead::store::logs;
use serde_json::{Value, json};

use super::support::now;
use super::{Client, granted, mia, refused, refused_as, shop, with, written};

/// One on whose session mia is logged in.
fn entered(server: &super::Server) -> Client<'_> {
    let client = Client::open(server);
    granted(&client.call("login", &mia()), "Login success");
    client
}

#[test]
fn l4_a_variable_is_handed_out() {
    let db = shop();
    db.variable("motd", "Grüße <b>&</b> \"x\"", false);
    let server = db.serve(&[]);
    let client = Client::open(&server);
    for path in ["variables", "variables/get"] {
        let body = granted(&client.call(path, &json!({"var_key": "motd"})), "Variable retrieved successfully");
        let variable = &body["variable"];
        assert_eq!((&variable["var_key"], &variable["var_value"]), (&json!("motd"), &json!("Grüße <b>&</b> \"x\"")));
        let updated = variable["updated_at"].as_str().unwrap();
        assert!(updated.len() == 24 && updated.ends_with(".000Z"), "{updated}");
    }
    refused(&client.call("variables", &json!({"var_key": "none"})), 404, "VARIABLE_NOT_FOUND", "Variable not found");
    refused_as(&client.call("variables", &json!({"var_key": "secret"})), 403, "USERNAME_NOT_LINKED");
    server.change(|db| db.sql("UPDATE variables SET updated_at = 0"));
    let old = client.call("variables", &json!({"var_key": "motd"})).json();
    assert_eq!(old["variable"]["updated_at"], json!(null), "from before times were kept");
}

#[test]
fn l5_a_variable_is_set_only_where_the_operator_lets_users_do_it() {
    let db = shop();
    db.variable("open", "old", false);
    let server = db.serve(&[]);
    let (user, nobody) = (entered(&server), Client::open(&server));
    let set =
        |client: &Client<'_>, name: &str| client.call("variables/set", &json!({"var_key": name, "var_value": "new"}));
    let before = written(&server.db);
    refused_as(&set(&user, "open"), 403, "PERMISSION_DENIED");
    server.change(|db| db.setting("authlySetsVariables", "1"));
    refused_as(&set(&nobody, "open"), 403, "USERNAME_NOT_LINKED");
    for (field, value) in [("var_key", "x".repeat(50)), ("var_value", "x".repeat(1_001))] {
        let body = with(json!({"var_key": "x", "var_value": "x"}), &json!({field: value}));
        let message = refused_as(&user.call("variables/set", &body), 400, "MISSING_FIELDS");
        assert!(message.starts_with(field), "{message}");
    }
    assert_eq!(written(&server.db), before);
    let body = granted(&set(&user, "open"), "Variable updated successfully");
    assert_eq!((&body["variable"]["var_key"], &body["variable"]["var_value"]), (&json!("open"), &json!("new")));
    granted(&nobody.call("variables", &json!({"var_key": "open"})), "Variable retrieved successfully");
    granted(&set(&user, "made"), "Variable updated successfully");
    refused_as(&nobody.call("variables", &json!({"var_key": "made"})), 403, "USERNAME_NOT_LINKED");
}

#[test]
fn l5_users_do_not_add_variables_without_end() {
    let db = shop();
    db.setting("authlySetsVariables", "1");
    db.sql("DELETE FROM variables");
    db.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
         INSERT INTO variables (app_id, name, value, authenticated, updated_at) \
         SELECT a.id, 'v' || i, 'old', 0, 0 FROM n, apps a WHERE a.name = 'demo'",
    );
    let server = db.serve(&[]);
    let user = entered(&server);
    let set = |name: &str| user.call("variables/set", &json!({"var_key": name, "var_value": "new"}));
    granted(&set("last"), "Variable updated successfully");
    refused_as(&set("one more"), 403, "PERMISSION_DENIED");
    granted(&set("last"), "Variable updated successfully");
    granted(&set("v1"), "Variable updated successfully");
    assert_eq!(server.db.sql_text("SELECT count(*) || '' FROM variables"), "1000");
}

#[test]
fn l4_a_message_is_sent() {
    let server = shop().serve(&[]);
    let client = entered(&server);
    let send =
        |channel: &str, text: &str| client.call("chats/send", &json!({"channel_name": channel, "message": text}));
    let data = granted(&send("lobby", "hello"), "Message sent successfully")["data"].clone();
    assert_eq!(data.as_object().unwrap().keys().collect::<Vec<_>>(), ["created_at", "id", "message", "username"]);
    assert_eq!((&data["username"], &data["message"]), (&json!("mia"), &json!("hello")));
    assert!(data["id"].is_i64());
    refused(&send("none", "hello"), 404, "CHANNEL_NOT_FOUND", "Channel not found");
    refused_as(&send("lobby", &"x".repeat(2_001)), 400, "MISSING_FIELDS");
    let nobody = Client::open(&server);
    let unknown = nobody.call("chats/send", &json!({"channel_name": "lobby", "message": "x"}));
    refused_as(&unknown, 403, "USERNAME_NOT_LINKED");
    server.change(|db| db.mute("mia", now() + 600));
    refused_as(&send("lobby", "hello"), 403, "USER_MUTED");
    server.change(|db| {
        db.mute("mia", now() + -1);
        db.sql("UPDATE chat_channels SET delay = 86400");
    });
    refused_as(&send("lobby", "hello"), 429, "RATE_LIMITED");
    assert_eq!(server.db.count("SELECT count(*) FROM chat_messages"), 1);
}

#[test]
fn l4_messages_come_in_pages_with_both_shapes_of_pagination() {
    let db = shop();
    for i in 1..=5 {
        db.message("lobby", "mia", &format!("m{i}"), now());
    }
    let server = db.serve(&[]);
    let client = entered(&server);
    let get = |more: &Value| {
        let reply = client.call("chats/get", &with(json!({"channel_name": "lobby"}), more));
        let data = granted(&reply, "Messages retrieved successfully")["data"].clone();
        assert_eq!(data["channel_name"], "lobby");
        let pagination = &data["pagination"];
        assert_eq!((&data["next_cursor"], &data["has_more"]), (&pagination["next_cursor"], &pagination["has_more"]));
        let texts: Vec<_> =
            data["messages"].as_array().unwrap().iter().map(|m| m["message"].as_str().unwrap().to_owned()).collect();
        (texts, data["next_cursor"].clone(), data["has_more"].as_bool().unwrap(), pagination["limit"].clone())
    };
    assert_eq!(
        get(&json!({})),
        (vec!["m1".into(), "m2".into(), "m3".into(), "m4".into(), "m5".into()], json!(null), false, json!(50))
    );
    let (texts, cursor, more, limit) = get(&json!({"limit": 2}));
    assert_eq!((texts, more, limit), (vec!["m4".to_owned(), "m5".to_owned()], true, json!(2)));
    let (texts, cursor, more, _) = get(&json!({"limit": "2", "cursor": cursor}));
    assert_eq!((texts, more), (vec!["m2".to_owned(), "m3".to_owned()], true));
    let as_number: i64 = cursor.as_str().unwrap().parse().unwrap();
    let (texts, cursor, more, _) = get(&json!({"limit": 2, "cursor": as_number}));
    assert_eq!((texts, cursor, more), (vec!["m1".to_owned()], json!(null), false));
    for (limit, kept) in [(json!(0), 1), (json!(-7), 1), (json!(i64::MAX), 100), (json!(null), 50), (json!(""), 50)] {
        assert_eq!(get(&json!({"limit": limit})).3, kept);
    }
    for (field, value) in
        [("limit", json!("many")), ("limit", json!(1e300)), ("cursor", json!([1])), ("cursor", json!("x"))]
    {
        let reply = client.call("chats/get", &with(json!({"channel_name": "lobby"}), &json!({field: value})));
        assert!(refused_as(&reply, 400, "MISSING_FIELDS").starts_with(field));
    }
    refused_as(&client.call("chats/get", &json!({"channel_name": "none"})), 404, "CHANNEL_NOT_FOUND");
    let nobody = Client::open(&server).call("chats/get", &json!({"channel_name": "lobby"}));
    refused_as(&nobody, 403, "USERNAME_NOT_LINKED");
}

/// What opens a license-only user is its key, and others read the chat.
#[test]
fn l18_a_license_is_not_shown_in_the_chat() {
    let db = shop();
    let key = "ABCDEF-GHIJKL-MNOPQR";
    db.license(key);
    let server = db.serve(&[]);
    let client = Client::open(&server);
    granted(&client.call("licenses", &json!({"license_key": key})), "Login success");
    let sent = client.call("chats/send", &json!({"channel_name": "lobby", "message": "hi"}));
    granted(&sent, "Message sent successfully");
    let read = client.call("chats/get", &json!({"channel_name": "lobby"}));
    granted(&read, "Messages retrieved successfully");
    assert!(!sent.text().contains(key) && !read.text().contains(key), "{sent:?} {read:?}");
}

#[test]
fn l4_a_line_is_logged() {
    let server = shop().serve(&[]);
    let client = entered(&server);
    granted(&client.call("logs", &json!({"message": "started"})), "Log saved successfully");
    granted(&Client::open(&server).call("logs", &json!({"message": "by nobody"})), "Log saved successfully");
    refused_as(&client.call("logs", &json!({"message": "x".repeat(276)})), 400, "MISSING_FIELDS");
    let app = server.db.app().id;
    let lines = server.db.write(move |tx| logs::newest(tx, app, None, 10).unwrap());
    let told: Vec<_> = lines.iter().map(|line| (line.message.as_str(), line.credential.as_deref())).collect();
    assert!(
        told.contains(&("started", Some("mia"))) && told.contains(&("by nobody", None)) && told.len() == 2,
        "{told:?}"
    );
}

#[test]
fn l35_the_blacklist_is_asked() {
    let server = shop().serve(&[]);
    let client = Client::open(&server);
    let app = server.db.app().id;
    server.change(|db| {
        db.write(move |tx| {
            let target = BanTarget::Hwid("bad".to_owned());
            let new = keystead::store::bans::Ban { target, note: None, created_at: now() };
            keystead::store::bans::insert(tx, app, &new).unwrap();
        });
    });
    for (body, listed) in [
        (json!({"hwid": "bad", "ip": "198.51.100.7"}), true),
        (json!({"sid": "bad"}), true),
        (json!({"hwid": "good"}), false),
        (json!({}), false),
    ] {
        let reply = client.call("blacklist/check", &body).json();
        assert_eq!((&reply["success"], &reply["blacklisted"]), (&json!(true), &json!(listed)), "{body}");
    }
}
