//! `init`: its checks in their order, and the session it opens (contract 4.1).

use crate::support::{Fixture, SECRET, now};

#[test]
fn checks_are_made_in_their_order() {
    let db = Fixture::new();
    for (name, value) in [
        ("forceEncryption", "1"),
        ("vpnblock", "1"),
        ("enabled", "0"),
        ("paused", "1"),
        ("ver", "2.0"),
        ("hashcheck", "1"),
    ] {
        db.setting(name, value);
    }
    let list = db.file("vpn.txt", "127.0.0.0/8\n");
    let server = db.serve(&["--vpn-list", &list]);
    let code = |enckey: Option<&str>| {
        let enckey: Vec<_> = enckey.map(|enckey| ("enckey", enckey)).into_iter().collect();
        server.call("init", &[&enckey[..], &[("ver", "1.0")]].concat()).error()
    };
    assert_eq!(code(Some(&"x".repeat(37))), "ENCKEY_TOO_LONG");
    assert_eq!(code(None), "ENCRYPTION_REQUIRED");
    assert_eq!(code(Some("")), "ENCRYPTION_REQUIRED", "an empty one encrypts nothing");
    for (setting, value, then) in [
        ("vpnblock", "0", "APP_DISABLED"),
        ("enabled", "1", "APP_PAUSED"),
        ("paused", "0", "VERSION_MISMATCH"),
        ("ver", "1.0", "INVALID_HASH"),
        ("hashcheck", "0", ""),
    ] {
        assert_ne!(code(Some("k")), then);
        server.change(|db| db.setting(setting, value));
        assert_eq!(code(Some("k")), then, "after {setting}={value}");
    }
}

#[test]
fn an_enckey_has_at_most_36_bytes() {
    let server = Fixture::new().serve(&[]);
    for enckey in ["x".repeat(35), "x".repeat(36), "ü".repeat(18)] {
        assert!(server.call("init", &[("enckey", &enckey)]).success(), "{}", enckey.len());
    }
    for enckey in ["x".repeat(37), "ü".repeat(18) + "x"] {
        let reply = server.call("init", &[("enckey", &enckey)]);
        assert_eq!(reply.message(), "The paramater \"enckey\" is too long. Must be 35 characters or less.");
        let query = format!("/api/1.2/?type=init&name=demo&ownerid=AbCdEfGh12&enckey={}", "x".repeat(37));
        assert_eq!(server.get(&query).error(), "ENCKEY_TOO_LONG", "in the query as well");
    }
}

#[test]
fn forced_encryption_is_no_matter_of_1_1() {
    let db = Fixture::new();
    db.setting("forceEncryption", "1");
    let server = db.serve(&[]);
    assert_eq!(server.call("init", &[]).message(), "No encryption key supplied, encryption is forced.");
    server.init();
    server.init_with("1.1", &[]);
}

#[test]
fn the_vpn_block_knows_the_list_and_what_the_app_lets_through() {
    let db = Fixture::new();
    let list = db.file("vpn.txt", "# hosting\n203.0.113.0/24\n2001:db8::/32\n198.51.100.7\n");
    let server = db.serve(&["--vpn-list", &list, "--trusted-proxy", "127.0.0.1"]);
    let from = |address: &str| {
        let head = "GET /api/1.2/?type=init&name=demo&ownerid=AbCdEfGh12&enckey=k HTTP/1.1\r\nhost: x\r\n";
        server.raw(format!("{head}x-forwarded-for: {address}\r\n\r\n").as_bytes()).error()
    };
    assert_eq!(from("203.0.113.7"), "", "only if the app blocks");
    server.change(|db| db.setting("vpnblock", "1"));
    for (address, code) in [
        ("203.0.113.7", "VPN_BLOCKED"),
        ("203.0.114.7", ""),
        ("198.51.100.7", "VPN_BLOCKED"),
        ("198.51.100.8", ""),
        ("2001:db8:1::1", "VPN_BLOCKED"),
        ("2001:db9::1", ""),
        ("::ffff:203.0.113.7", "VPN_BLOCKED"),
    ] {
        assert_eq!(from(address), code, "{address}");
    }
    server.db.allow_network("203.0.113.0/29");
    server.db.allow_network("198.51.100.7");
    for (address, code) in [("203.0.113.7", ""), ("203.0.113.8", "VPN_BLOCKED"), ("198.51.100.7", "")] {
        assert_eq!(from(address), code, "{address}, let through");
    }
    assert_eq!(
        server.get("/api/1.2/?type=init&name=demo&ownerid=AbCdEfGh12").error(),
        "",
        "the proxy itself is not listed"
    );
}

#[test]
fn versions_are_compared_as_texts() {
    let server = Fixture::new().serve(&[]);
    for (ver, code) in [
        ("1.0", ""),
        ("", ""),
        ("0", ""),
        ("1", "VERSION_MISMATCH"),
        ("1.00", "VERSION_MISMATCH"),
        ("01.0", "VERSION_MISMATCH"),
    ] {
        assert_eq!(server.call("init", &[("ver", ver)]).error(), code, "{ver:?}");
    }
    assert!(server.call("init", &[("version", "9.9")]).success(), "another parameter");
}

#[test]
fn invalidver_always_has_its_download_as_a_text() {
    let server = Fixture::new().serve(&[]);
    let body = |version| server.call_by(version, "init", &[("ver", "2"), ("enckey", "k")]).text();
    for version in ["1.1", "1.2"] {
        assert_eq!(
            body(version),
            r#"{"success":false,"message":"invalidver","download":"","error":"VERSION_MISMATCH"}"#
        );
    }
    server.change(|db| db.setting("download", "https://example.test/ü/a.zip"));
    assert_eq!(
        body("1.2"),
        r#"{"success":false,"message":"invalidver","download":"https://example.test/\u00fc/a.zip","error":"VERSION_MISMATCH"}"#
    );
}

#[test]
fn the_first_program_hash_is_trusted_and_kept() {
    let db = Fixture::new();
    db.setting("hashcheck", "1");
    let server = db.serve(&[]);
    let (one, two) = ("0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff");
    let code = |hash: &str| server.call("init", &[("hash", hash)]).error();
    for short in ["", "0123456789abcdef", "0123456789abcdef0123456789abcdef0"] {
        assert_eq!(code(short), "INVALID_HASH", "{short:?} is not kept");
    }
    assert_eq!(server.db.stored_setting("hash"), None);
    assert_eq!(code(one), "");
    assert_eq!(server.db.stored_setting("hash").as_deref(), Some(one));
    assert_eq!((code(one).as_str(), code(two).as_str()), ("", "INVALID_HASH"));
    assert_eq!(code(&one.to_uppercase()), "", "hex in any case");
    server.change(|db| db.setting("hash", ""));
    assert_eq!(code(two), "", "emptied by the operator, the next one is kept");
    assert_eq!((code(two).as_str(), code(one).as_str()), ("", "INVALID_HASH"));
}

#[test]
fn several_program_hashes_stand_one_after_another() {
    let db = Fixture::new();
    let (one, two) = ("0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff");
    db.setting("hashcheck", "1");
    db.setting("hash", &format!("{one}{two}"));
    let server = db.serve(&[]);
    let code = |hash: &str| server.call("init", &[("hash", hash)]).error();
    assert_eq!((code(one), code(two)), (String::new(), String::new()));
    let across = format!("{}{}", &one[16..], &two[..16]);
    for wrong in [across.as_str(), &one[..16], "", "00000000000000000000000000000000"] {
        assert_eq!(code(wrong), "INVALID_HASH", "{wrong:?}: whole hashes only");
    }
}

#[test]
fn every_init_opens_a_session_of_its_own() {
    let db = Fixture::new();
    db.setting("session", "4321");
    db.setting("ver", "7.1");
    let server = db.serve(&["--public-url", "https://auth.example.test/"]);
    let (first, second) = (server.call("init", &[("enckey", "k")]), server.init());
    let id = first.json()["sessionid"].as_str().unwrap().to_owned();
    assert_ne!(id, second.id);
    assert!(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    let text = first.text();
    let na = "N/A - Use fetchStats() function in latest example";
    let start = format!(
        "{{\"success\":true,\"message\":\"Initialized\",\"sessionid\":\"{id}\",\"appinfo\":{{\"numUsers\":\"{na}\",\
         \"numOnlineUsers\":\"{na}\",\"numKeys\":\"{na}\",\"version\":\"7.1\",\
         \"customerPanelLink\":\"https://auth.example.test/panel/acme/demo/\"}},\"newSession\":true,\"nonce\":\""
    );
    assert!(text.starts_with(&start) && text.len() == start.len() + 32 + 2, "{text}");
    let stored = server.db.session_now(&id).unwrap();
    assert_eq!(stored.expires_at - stored.created_at, 4321);
    assert!((0..60).contains(&(now() - stored.created_at)));
    assert_eq!((stored.ip.as_str(), stored.user.is_none()), ("127.0.0.1", true));
    assert_eq!(stored.sign_key.as_deref().map(|key| key.text()), Some(format!("k-{SECRET}").as_str()));
}

#[test]
fn a_refused_init_opens_no_session() {
    let db = Fixture::new();
    db.setting("enabled", "0");
    let server = db.serve(&[]);
    assert_eq!(server.call("init", &[("enckey", "k")]).message(), "This application is disabled");
    let app = server.db.app().id;
    let open = server.db.write(move |tx| keystead::store::sessions::live_of_app(tx, app, now(), 10).unwrap());
    assert!(open.is_empty());
}

#[test]
fn what_init_refuses_stops_no_session_that_is_open() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    for (name, value) in
        [("enabled", "0"), ("ver", "2.0"), ("hashcheck", "1"), ("forceEncryption", "1"), ("paused", "1")]
    {
        server.change(|db| db.setting(name, value));
        assert!(!server.call("init", &[("ver", "1.0")]).success(), "{name}");
        assert!(session.is_validated(), "{name}");
    }
}

#[test]
fn init_takes_no_notice_of_what_a_registration_would_need() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let whole = [("username", "mia"), ("pass", "secret"), ("key", "KEY-1"), ("hwid", "PC-1")];
    let reply = server.call("init", &whole);
    assert_eq!(reply.message(), "Initialized");
    assert_eq!((server.db.users(), server.db.license_now("KEY-1").used_at), (0, None));
    let id = reply.json()["sessionid"].as_str().unwrap().to_owned();
    assert!(server.db.session_now(&id).unwrap().user.is_none());
}
