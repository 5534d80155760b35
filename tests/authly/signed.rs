//! Signed answers, where the app asks for them (contract 1.6). Verified by another implementation than the server's, over
//! what a client makes of the body: parsed, and written again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::support::{Fixture, OWNERID, PUBLIC_KEY, Reply, Server, now};
use super::{Client, alice, granted, hello, mia, refused, shop, with};

/// A shop whose answers are signed.
fn signing() -> Server {
    let db = shop();
    db.setting("authlySigned", "1");
    db.serve(&[])
}

/// What clients write of what they have read: sorted names, no blanks, UTF-8.
fn canonical(body: &Value) -> String {
    match body {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{:?}:{}", name, canonical(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Whether the answer is signed for this request. `None`: it has no signature at all.
#[track_caller]
fn verified(reply: &Reply, request_id: &str, nonce: &str, body: &Value) -> Option<bool> {
    let signature = reply.header("x-v2-signature")?;
    let time = reply.header("x-v2-signature-ts").expect("a time");
    assert!((time.parse::<i64>().unwrap() / 1_000 - now().0).abs() < 60 && time.len() == 13, "milliseconds: {time}");
    assert_eq!(reply.header("x-v2-signature-kid"), Some(&PUBLIC_KEY[..16]));
    assert_eq!(reply.header("x-v2-request-id").unwrap_or_default(), request_id, "{reply:?}");
    assert_eq!(reply.header("x-v2-nonce").unwrap_or_default(), nonce, "{reply:?}");
    let message = format!("{time}\n{request_id}\n{nonce}\n{}", canonical(body));
    let key = hex::decode(PUBLIC_KEY).unwrap();
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key);
    Some(key.verify(message.as_bytes(), &STANDARD.decode(signature).expect("base64")).is_ok())
}

/// Posts this as the Python client does, and verifies the answer.
#[track_caller]
fn ask(server: &Server, path: &str, body: &Value) -> Reply {
    let ids = json!({"request_id": "4d3c2b1a-0000", "nonce": "00ff00ff", "timestamp": 1});
    let headers = [("x-request-id", "4d3c2b1a-0000"), ("x-auth-nonce", "00ff00ff"), ("x-auth-timestamp", "1")];
    let reply = server.post_json(&format!("/api/v2/{path}"), &headers, &with(body.clone(), &ids));
    assert_eq!(verified(&reply, "4d3c2b1a-0000", "00ff00ff", &reply.json()), Some(true), "{reply:?}");
    assert_eq!(reply.text(), canonical(&reply.json()), "what is signed is exactly what is sent");
    reply
}

#[test]
fn l4_every_answer_is_signed_where_the_app_asks_for_it() {
    let server = signing();
    server.change(|db| {
        db.variable("odd", "Grüße 日本 🔑 \"<b>&'=\"\t\u{1}\u{7f}\\/", false);
    });
    let session = granted(&ask(&server, "init", &hello()), "Init success")["session_id"].clone();
    let call = |path: &str, body: &Value| ask(&server, path, &with(body.clone(), &json!({"session_id": session})));
    granted(&call("register", &alice()), "User registered successfully");
    granted(&call("login", &mia()), "Login success");
    granted(&call("variables", &json!({"var_key": "odd"})), "Variable retrieved successfully");
    granted(&call("chats/send", &json!({"channel_name": "lobby", "message": "hi"})), "Message sent successfully");
    granted(&call("chats/get", &json!({"channel_name": "lobby"})), "Messages retrieved successfully");
    granted(&call("validate-session", &json!({})), "Session is valid");
    // Refusals too, also those that come before the session is looked at.
    for (path, body, code) in [
        ("register", alice(), "USERNAME_TAKEN"),
        ("register", json!({"username": ""}), "MISSING_FIELDS"),
        ("login", with(mia(), &json!({"password": "wrong"})), "INVALID_PASSWORD"),
        ("variables", json!({"var_key": "none"}), "VARIABLE_NOT_FOUND"),
    ] {
        assert_eq!(call(path, &body).json()["code"], code);
    }
    for (change, code) in [
        (json!({"secret": "wrong"}), "INVALID_SECRET"),
        (json!({"version": "0"}), "VERSION_MISMATCH"),
        (json!({"version": null}), "MISSING_FIELDS"),
    ] {
        assert_eq!(ask(&server, "init", &with(hello(), &change)).json()["code"], code);
    }
    server.change(|db| db.setting("enabled", "0"));
    assert_eq!(call("validate", &json!({})).json()["code"], "APP_DISABLED");
    server.change(|db| db.expire_session(session.as_str().unwrap()));
    assert_eq!(call("validate", &json!({})).json()["code"], "SESSION_EXPIRED");
    // A session that is none says nothing of an app; but some clients name the app in every call.
    let unknown = json!({"session_id": "0".repeat(64), "owner_id": OWNERID, "app_name": "demo"});
    assert_eq!(ask(&server, "validate", &unknown).json()["code"], "INVALID_SESSION");
}

#[test]
fn l4_a_changed_answer_is_not_what_was_signed() {
    let server = signing();
    let reply = ask(&server, "init", &hello());
    let good = reply.json();
    for change in
        [json!({"success": false}), json!({"session_id": "0".repeat(64)}), json!({"more": 1}), json!({"message": null})]
    {
        assert_eq!(
            verified(&reply, "4d3c2b1a-0000", "00ff00ff", &with(good.clone(), &change)),
            Some(false),
            "{change}"
        );
    }
    // Nor is it the answer to another request.
    let again = ask(&server, "init", &hello());
    assert_eq!(verified(&again, "4d3c2b1a-0000", "00ff00ff", &good), Some(false));
}

#[test]
fn l4_without_the_setting_nothing_is_signed() {
    let server = shop().serve(&[]);
    let headers = [("x-request-id", "r"), ("x-auth-nonce", "n")];
    let reply = server.post_json("/api/v2/init", &headers, &hello());
    granted(&reply, "Init success");
    assert!(!reply.head.to_ascii_lowercase().contains("\r\nx-v2"), "{reply:?}");
    assert!(reply.text().starts_with(r#"{"success":true,"message":"Init success","session_id":"#), "{reply:?}");
    // Nor where no app is known: nobody has asked for it.
    let server = signing();
    let none = server.post_json("/api/v2/validate", &headers, &json!({"session_id": "none"}));
    refused(&none, 401, "INVALID_SESSION", "Invalid session");
    assert!(!none.head.contains("\r\nx-v2"), "{none:?}");
}

#[test]
fn l5_where_the_ids_of_a_request_are_looked_for() {
    let server = signing();
    let long = "x".repeat(129);
    for (headers, fields, request_id, nonce) in [
        (vec![("x-v2-request-id", "a"), ("x-v2-nonce", "b")], json!({}), "a", "b"),
        (vec![("x-auth-request-id", "a"), ("x-auth-nonce", "b")], json!({}), "a", "b"),
        (vec![("x-request-id", "a")], json!({}), "a", ""),
        // A proxy has put its own in the place of the client's.
        (vec![("x-request-id", "proxy"), ("x-auth-nonce", "b")], json!({"request_id": "a", "nonce": "b"}), "a", "b"),
        (vec![], json!({"request_id": "a", "nonce": "b"}), "a", "b"),
        (vec![], json!({}), "", ""),
        // What may not stand in a header counts as not sent.
        (vec![("x-v2-nonce", &long)], json!({"request_id": "a b"}), "", ""),
        (vec![], json!({"request_id": "a\r\nx-evil: 1", "nonce": "é"}), "", ""),
        (vec![("x-v2-nonce", "b"), ("x-v2-nonce", "c")], json!({"request_id": 7}), "", ""),
    ] {
        let reply = server.post_json("/api/v2/init", &headers, &with(hello(), &fields));
        granted(&reply, "Init success");
        assert_eq!(verified(&reply, request_id, nonce, &reply.json()), Some(true), "{headers:?} {fields}");
        assert!(!reply.head.contains("x-evil"), "{reply:?}");
    }
}

#[test]
fn l37_too_many_requests_are_signed_by_what_is_at_hand() {
    let db = shop();
    db.setting("authlySigned", "1");
    let server = db.serve(&["--rate-limit", "1/h burst 2"]);
    let session = granted(&ask(&server, "init", &hello()), "Init success")["session_id"].clone();
    ask(&server, "validate", &json!({"session_id": session}));
    let limited = ask(&server, "validate", &json!({"session_id": session}));
    refused(&limited, 429, "RATE_LIMITED", "Too many requests");
}

#[test]
fn l31_a_new_key_of_the_server_signs_at_once() {
    let server = signing();
    ask(&server, "init", &hello());
    let seed = [7; 32];
    let public = server.change(|db: &Fixture| {
        use keystead::domain::server_key::ServerKey;
        use keystead::domain::vault::{Purpose, Vault};
        let public = ServerKey::of_seed(seed).public_key().to_owned();
        let kept = public.clone();
        db.write(move |tx| {
            let sealed = Vault::default().seal(Purpose::ServerKey, &seed, &mut rand::rng());
            keystead::store::server_keys::replace(tx, &sealed, &kept, now()).unwrap();
        });
        public
    });
    let client = Client::open(&server);
    let reply = client.call("validate", &json!({}));
    assert_eq!(reply.header("x-v2-signature-kid"), Some(&public[..16]));
}
