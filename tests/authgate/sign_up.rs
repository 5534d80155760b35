//! `POST /sign_up` (contract 1.2).

use keystead::model::user::Credential;
use serde_json::json;

use crate::client::{Client, assert_denied, password_of, without_devices, written};
use crate::support::{Fixture, Server};

fn server(prepare: impl FnOnce(&Fixture)) -> Server {
    let db = Fixture::new();
    prepare(&db);
    db.serve(&[])
}

#[test]
fn g10_g11_g12_g20_the_answer_is_id_name_and_no_membership_and_no_token() {
    let server = server(|_| ());
    let reply = Client::new(&server).post(
        "/sign_up",
        &json!({"username": " Alice7 ", "password": "s3cret-pw", "hardware_id": "hw-01", "unknown": [1, {"a": null}]}),
    );
    let user = server.db.user_now("alice7").expect("a user");
    let expected = format!(r#"{{"id":"{}","username":"Alice7","membership":{{"is_active":false}}}}"#, user.uuid);
    assert_eq!((reply.status, reply.text()), (200, expected));
    assert_eq!(user.uuid.get_version_num(), 4);
    assert_eq!(written(&server.db), [1, 0, 0, 1, 0], "a user and its device, no session, nothing held");
}

#[test]
fn g10_the_id_stays_the_same_for_ever() {
    let server = server(|db| {
        db.license("KEY-1");
    });
    let client = Client::new(&server);
    let id = client.sign_up("alice7", "s3cret-pw").json()["id"].clone();
    let credentials = json!({"username": "alice7", "password": "s3cret-pw"});
    let activated =
        client.post("/activate_license", &json!({"code": "KEY-1", "username": "alice7", "password": "s3cret-pw"}));
    assert_eq!(activated.status, 200, "{activated:?}");
    let token = client.token(&credentials, "hw-01");
    assert_eq!(client.get_as(&token, "/app_context").json()["user"]["id"], id);
    server.change(|db| db.sql("UPDATE users SET name = 'renamed'"));
    assert_eq!(client.get_as(&token, "/app_context").json()["user"]["id"], id);
}

#[test]
fn g13_username_taken_is_422() {
    let server = server(|db| {
        db.user("mia");
    });
    let client = Client::new(&server);
    let before = written(&server.db);
    for name in ["mia", "MIA", "  mia "] {
        assert_denied(&client.sign_up(name, "another"), 422, "Username is already taken");
    }
    assert_eq!(written(&server.db), before);
    assert_eq!(Client::of_other(&server).sign_up("mia", "another").status, 200, "the name is free elsewhere");
}

#[test]
fn g14_missing_fields_are_422_and_unknown_ones_are_nothing() {
    let server = server(|_| ());
    let client = Client::new(&server);
    let before = written(&server.db);
    for nothing in [json!(null), json!(""), json!("  "), json!(1), json!(1.5), json!(true), json!([]), json!({})] {
        let body = json!({"username": nothing, "password": "secret", "hardware_id": "hw"});
        assert_denied(&client.post("/sign_up", &body), 422, "Field required: username");
        let body = json!({"username": "mia", "password": nothing, "hardware_id": "hw"});
        assert_denied(&client.post("/sign_up", &body), 422, "Field required: password");
    }
    assert_denied(&client.post("/sign_up", &json!({})), 422, "Field required: username");
    for no_object in [json!([]), json!(null), json!("mia"), json!(1), json!([{"username": "mia"}])] {
        assert_denied(&client.post("/sign_up", &no_object), 422, "Request body must be a JSON object");
    }
    assert_eq!(written(&server.db), before);
}

#[test]
fn g15_g16_devices_on_wants_one_and_binds_it() {
    let server = server(|_| ());
    let client = Client::new(&server);
    for nothing in [json!(null), json!(""), json!(7)] {
        let body = json!({"username": "mia", "password": "secret", "hardware_id": nothing});
        assert_denied(&client.post("/sign_up", &body), 422, "Device authentication is required");
    }
    let body = json!({"username": "mia", "password": "secret"});
    assert_denied(&client.post("/sign_up", &body), 422, "Device authentication is required");
    assert_eq!(written(&server.db), [0; 5]);
    assert_eq!(client.sign_up("mia", "secret").status, 200);
    let mia = server.db.user_now("mia").unwrap().id;
    assert_eq!(server.db.devices_of(mia), ["hw-01"]);
    // It is what the user is held to from the first login on.
    server.change(|db| db.subscription(mia, |_| {}));
    assert_denied(&client.login(&password_of("mia"), "hw-02"), 401, "Maximum number of devices reached");
    assert_eq!(client.login(&password_of("mia"), "hw-01").status, 200);
}

#[test]
fn g17_devices_off_notes_one_and_holds_nobody_to_it() {
    let server = server(|db| {
        without_devices(db);
        db.ban_hwid("banned");
    });
    let client = Client::new(&server);
    assert_eq!(client.sign_up("mia", "secret").status, 200);
    assert_eq!(client.post("/sign_up", &json!({"username": "leo", "password": "secret"})).status, 200);
    let mia = server.db.user_now("mia").unwrap().id;
    assert_eq!(server.db.devices_of(mia), ["hw-01"]);
    let body = json!({"username": "eve", "password": "secret", "hardware_id": "banned"});
    assert_denied(&client.post("/sign_up", &body), 403, "Banned");
    server.change(|db| db.subscription(mia, |_| {}));
    assert_eq!(client.login(&password_of("mia"), "hw-02").status, 200);
    assert_eq!(client.post("/auth/login", &json!({"credentials": password_of("mia")})).status, 200);
    assert_eq!(server.db.devices_of(mia), ["hw-01"]);
}

#[test]
fn g18_the_callers_address_is_kept() {
    let db = Fixture::new();
    let server = db.serve(&["--trusted-proxy", "127.0.0.1"]);
    let client = Client::new(&server);
    let body = json!({"username": "mia", "password": "secret", "hardware_id": "hw"}).to_string();
    let reply = client.ask("POST", "/sign_up", &[("x-forwarded-for", "203.0.113.7")], body.as_bytes());
    assert_eq!(reply.status, 200);
    assert_eq!(server.db.user_now("mia").unwrap().ip.as_deref(), Some("203.0.113.7"));
    assert_eq!(client.sign_up("leo", "secret").status, 200);
    assert_eq!(server.db.user_now("leo").unwrap().ip.as_deref(), Some("127.0.0.1"));
}

#[test]
fn g19_banned_addresses_and_devices_are_403_and_make_nothing() {
    let by_device = server(|db| db.ban_hwid("hw-01"));
    let by_address = server(|db| db.ban_network("127.0.0.0/8"));
    for server in [&by_device, &by_address] {
        let client = Client::new(server);
        assert_denied(&client.sign_up("mia", "secret"), 403, "Banned");
        // Bans come before what is taken.
        server.change(|db| db.bare_user("leo", Credential::Locked, |_| {}));
        assert_denied(&client.sign_up("leo", "secret"), 403, "Banned");
        assert_eq!(written(&server.db), [1, 0, 0, 0, 0]);
    }
}

#[test]
fn g21_the_password_is_stored_as_a_hash_and_said_nowhere() {
    const PASSWORD: &str = "s3cret-pw-Xy";
    let server = server(|_| ());
    let reply = Client::new(&server).sign_up("mia", PASSWORD);
    assert!(!format!("{reply:?}").contains(PASSWORD));
    let stored = server.db.sql_text("SELECT secret FROM users WHERE name = 'mia'");
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    let mut folder: Vec<_> = std::fs::read_dir(server.db.folder()).unwrap().map(|file| file.unwrap().path()).collect();
    folder.retain(|path| path.is_file());
    assert!(folder.len() >= 2, "{folder:?}");
    for path in folder {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()), "{path:?}");
    }
    let (_, log) = server.stop();
    assert!(!log.join("\n").contains(PASSWORD), "{log:?}");
}

#[test]
fn what_the_core_limits_is_an_invalid_value() {
    let db = Fixture::new();
    let list = db.file("leaked.txt", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8\n");
    db.setting("blockLeakedPasswords", "1");
    db.setting("minUsernameLength", "3");
    let server = db.serve(&["--leaked-passwords", &list]);
    let client = Client::new(&server);
    let long = |length| "x".repeat(length);
    for (name, password, hwid, what) in [
        (long(71), long(9), long(9), "username"),
        ("xy".to_owned(), long(9), long(9), "username"),
        ("a\u{7}b".to_owned(), long(9), long(9), "username"),
        ("a\0b".to_owned(), long(9), long(9), "username"),
        ("mia".to_owned(), "a\0b".to_owned(), long(9), "password"),
        ("mia".to_owned(), long(1_025), long(9), "password"),
        ("mia".to_owned(), "password".to_owned(), long(9), "password"),
        ("mia".to_owned(), long(9), long(2_001), "hardware_id"),
        ("mia".to_owned(), long(9), "a\0b".to_owned(), "hardware_id"),
    ] {
        let body = json!({"username": name, "password": password, "hardware_id": hwid});
        assert_denied(&client.post("/sign_up", &body), 422, &format!("Invalid value: {what}"));
    }
    assert_eq!(written(&server.db), [0; 5]);
    let body = json!({"username": long(70), "password": long(1_024), "hardware_id": long(2_000)});
    assert_eq!(client.post("/sign_up", &body).status, 200);
}

#[test]
fn names_and_passwords_are_any_text() {
    let server = server(|_| ());
    let client = Client::new(&server);
    let (name, password) = ("Mia \"Söhne\" 🦀", "pä ss\twörd \\ \u{2028}");
    let reply = client.sign_up(name, password);
    assert_eq!(reply.json()["username"], name);
    assert!(reply.body.is_ascii(), "as all formats spell it: {reply:?}");
    let mia = server.db.user_now(name).unwrap().id;
    server.change(|db| db.subscription(mia, |_| {}));
    client.token(&json!({"username": name, "password": password}), "hw-01");
}
