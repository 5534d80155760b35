//! `init` (contract 1.5).

use serde_json::{Value, json};

use super::support::{Fixture, OTHER_SECRET, OWNERID, Server};
use super::{Client, granted, hello, post, refused, refused_as, shop, with};

fn init(server: &Server, change: &Value) -> super::Reply {
    post(server, "init", &with(hello(), change))
}

#[test]
fn l21_init_opens_a_session_of_64_hex_characters() {
    let server = shop().serve(&[]);
    let body = granted(&init(&server, &json!({})), "Init success");
    let id = body["session_id"].as_str().unwrap();
    let wanted = json!({
        "success": true, "message": "Init success", "session_id": id, "owner_id": OWNERID, "app_name": "demo", "version": "1.0",
    });
    assert_eq!(body, wanted);
    assert!(id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    let session = server.db.session_now(id).expect("stored");
    assert!(session.sign_key.is_none() && session.user.is_none());
    assert_eq!(session.expires_at - session.created_at, 21_600, "the app's session life");
    granted(&server.post_json("/api/v1/init", &[], &hello()), "Init success");
}

#[test]
fn l11_init_wants_its_four_fields() {
    let server = shop().serve(&[]);
    for field in ["owner_id", "app_name", "secret", "version"] {
        for value in [json!(null), json!(""), json!(1)] {
            let mut body = hello();
            body[field] = value;
            refused(&post(&server, "init", &body), 400, "MISSING_FIELDS", "Required fields are missing");
        }
    }
}

#[test]
fn l10_owner_app_and_secret_belong_together() {
    let server = shop().serve(&[]);
    for owner in ["zzzzzzzzzz", "short", &"x".repeat(500)] {
        refused_as(&init(&server, &json!({"owner_id": owner})), 404, "OWNER_NOT_FOUND");
    }
    for name in ["Demo", "none", &"x".repeat(500)] {
        refused_as(&init(&server, &json!({"app_name": name})), 404, "APP_NOT_FOUND");
    }
    for secret in [OTHER_SECRET, "x", &super::SECRET.to_uppercase()] {
        refused_as(&init(&server, &json!({"secret": secret})), 401, "INVALID_SECRET");
    }
    // Who does not know the secret is not told what the app wants.
    server.change(|db| db.setting("enabled", "0"));
    refused_as(&init(&server, &json!({"secret": OTHER_SECRET, "version": "0"})), 401, "INVALID_SECRET");
    assert_eq!(server.db.count("SELECT count(*) FROM sessions WHERE length(id) = 64"), 0);
}

#[test]
fn l4_another_version_is_426_with_the_download_if_there_is_one() {
    let db = shop();
    db.setting("ver", "2.0");
    let server = db.serve(&[]);
    refused_as(&init(&server, &json!({})), 426, "VERSION_MISMATCH");
    server.change(|db| db.setting("download", "https://example.test/new.zip"));
    let reply = init(&server, &json!({}));
    let body = reply.json();
    assert_eq!((reply.status, &body["success"], &body["code"]), (426, &json!(false), &json!("UPDATE_REQUIRED")));
    let update = json!({
        "available": true, "latest_version": "2.0", "download_url": "https://example.test/new.zip",
        "auto_update_enabled": true, "force_update": true, "show_reminder": false, "reminder_message": null,
        "allowed_until": null,
    });
    assert_eq!(body["update"], update);
    assert_eq!(body.as_object().unwrap().len(), 4);
    let current = granted(&init(&server, &json!({"version": "2.0"})), "Init success");
    assert!(current.get("update").is_none() && current["version"] == "2.0");
}

#[test]
fn l4_the_hash_of_the_program() {
    let db = shop();
    let good = "ab".repeat(32);
    db.setting("hashcheck", "1");
    let server = db.serve(&[]);
    // A first program that says none, or no SHA-256, teaches nothing.
    refused_as(&init(&server, &json!({})), 400, "HASH_REQUIRED");
    refused_as(&init(&server, &json!({"hash": ""})), 400, "HASH_REQUIRED");
    for bad in ["UNKNOWN_HASH", &"ab".repeat(16), &"zz".repeat(32)] {
        refused_as(&init(&server, &json!({"hash": bad})), 401, "INVALID_HASH");
    }
    granted(&init(&server, &json!({"hash": good})), "Init success");
    granted(&init(&server, &json!({"hash": good.to_uppercase()})), "Init success");
    refused_as(&init(&server, &json!({"hash": "cd".repeat(32)})), 401, "INVALID_HASH");
    refused_as(&init(&server, &json!({"hash": good, "version": "0"})), 426, "VERSION_MISMATCH");
}

#[test]
fn l4_networks_of_vpns() {
    let db = shop();
    db.setting("vpnblock", "1");
    let list = db.file("vpn.txt", "127.0.0.0/8\n");
    let server = db.serve(&["--vpn-list", &list]);
    refused_as(&init(&server, &json!({})), 403, "VPN_BLOCKED");
    server.change(|db| db.allow_network("127.0.0.1"));
    granted(&init(&server, &json!({})), "Init success");
}

/// The app has no session without the format, and the paths are gone where the server does not serve it.
#[test]
fn l34_the_format_switched_off_for_an_app_and_for_the_server() {
    let db = shop();
    db.setting("authly", "0");
    let server = db.serve(&[]);
    refused_as(&init(&server, &json!({})), 403, "APP_DISABLED");
    let server = Fixture::new().serve(&["--formats", "keyauth"]);
    let reply = server.post_json("/api/v2/init", &[], &hello());
    assert_eq!(reply.status, 404, "{reply:?}");
}

#[test]
fn l31_a_session_of_a_keyauth_init_opens_register() {
    let server = shop().serve(&[]);
    let session = server.init();
    let client = Client { server: &server, session: session.id.clone() };
    let body = granted(&client.call("register", &super::alice()), "User registered successfully");
    assert!(client.is_in(body["session_id"].as_str().unwrap()));
    // And the other way round: both kinds of client are in, on both sessions, by the same rules.
    assert!(session.is_validated());
    let new = super::support::Session {
        server: &server,
        version: "1.2",
        id: body["session_id"].as_str().unwrap().to_owned(),
        seal: super::support::Seal::Literal,
    };
    assert!(new.is_validated(), "a session without an enckey");
}
