//! What was meant for one app, version, session or device is no good for another; as far as the protocol can tell them
//! apart. What it cannot, docs/threat-model.md says.

use crate::support::{Fixture, OTHER_SECRET, OWNERID, SECRET, Seal, Session, hmac_hex};

fn shop() -> Fixture {
    let db = Fixture::new();
    db.license("KEY-1");
    db
}

#[test]
fn a_session_belongs_to_the_app_that_opened_it() {
    let server = shop().serve(&[]);
    let session = server.init();
    assert!(session.call("license", &[("key", "KEY-1")]).success());
    for version in ["1.1", "1.2", "1.3"] {
        let pairs = [("type", "check"), ("name", "other"), ("ownerid", OWNERID), ("sessionid", &session.id)];
        let reply = server.post(version, &pairs);
        assert_eq!(reply.error(), "SESSION_NOT_FOUND", "{version}");
        let signature = reply.header("signature");
        let known = [format!("k-{SECRET}"), SECRET.to_owned(), format!("k-{OTHER_SECRET}")];
        assert!(known.iter().all(|key| signature != Some(&hmac_hex(key, &reply.body))), "{version}: {reply:?}");
    }
    assert!(session.is_validated());
}

#[test]
fn nobody_chooses_the_id_of_a_session() {
    let server = shop().serve(&[]);
    let planted = "0123456789abcdef0123456789abcdef";
    for _ in 0..2 {
        let reply = server.call("init", &[("sessionid", planted), ("enckey", "k")]);
        let id = reply.json()["sessionid"].as_str().expect("an id").to_owned();
        assert!(id != planted && id.len() == 32, "{id}");
    }
    let session = Session { server: &server, version: "1.2", id: planted.to_owned(), seal: Seal::None };
    assert_eq!(session.call("license", &[("key", "KEY-1")]).error(), "SESSION_NOT_FOUND");
    assert!(server.db.license_now("KEY-1").used_at.is_none());
}

#[test]
fn an_answer_of_one_session_does_not_verify_on_another() {
    let server = shop().serve(&[]);
    let open = |enckey: &str| server.init_with("1.2", &[("enckey", enckey)]);
    let (first, second) = (open("one"), open("two"));
    let reply = first.call("license", &[("key", "KEY-1")]);
    let signature = reply.header("signature").expect("signed");
    assert_eq!(signature, hmac_hex(&format!("one-{SECRET}"), &reply.body));
    for other in [format!("two-{SECRET}"), SECRET.to_owned(), format!("-{SECRET}"), format!("one-{OTHER_SECRET}")] {
        assert_ne!(signature, hmac_hex(&other, &reply.body), "{other}");
    }
    assert_eq!(second.call("check", &[]).error(), "SESSION_NOT_VALIDATED", "each session is logged in by itself");
    // Not even two answers to the same question are the same.
    assert_ne!(first.call("check", &[]).body, first.call("check", &[]).body);
}

#[test]
fn an_enckey_is_a_part_of_the_key_and_nothing_else() {
    let server = shop().serve(&[]);
    let longest = "x".repeat(36);
    for enckey in ["-", "one-", SECRET.split_at(30).0, "\u{fc}", "' OR 1=1 --", &longest] {
        let session = server.init_with("1.2", &[("enckey", enckey)]);
        session.call("check", &[]);
    }
    let reply = server.call("init", &[("enckey", &"x".repeat(37))]);
    assert_eq!(reply.error(), "ENCKEY_TOO_LONG");
    // A later call does not change it.
    let session = server.init();
    session.call("check", &[("enckey", "mine")]);
}

#[test]
fn versions_sign_in_their_own_way_only() {
    let server = shop().serve(&[]);
    let session = server.init();
    assert!(session.call("license", &[("key", "KEY-1")]).success());
    // What 1.1 answers on the same session is signed by nothing: it passes for no answer of 1.2 or 1.3.
    let plain = Session { server: &server, version: "1.1", id: session.id.clone(), seal: Seal::None };
    assert!(plain.call("check", &[]).success());
    let newest = Session { server: &server, version: "1.3", id: session.id.clone(), seal: Seal::Server };
    let reply = newest.call("check", &[]);
    assert_eq!(reply.header("signature"), None, "{reply:?}");
    assert_eq!(reply.json()["ownerid"], OWNERID, "1.3 says for whose app it is");
}

#[test]
fn another_device_is_another_device_however_it_is_spelled() {
    let server = shop().serve(&[]);
    let enter = |hwid: Option<&str>| {
        let pairs: Vec<_> = [("key", "KEY-1")].into_iter().chain(hwid.map(|hwid| ("hwid", hwid))).collect();
        server.init().call("license", &pairs)
    };
    assert!(enter(Some("Machine-1")).success());
    for other in [Some("machine-1"), Some("Machine-1\u{200b}"), Some("Machine-2"), Some("Machine"), None] {
        assert_eq!(enter(other).error(), "HWID_MISMATCH", "{other:?}");
    }
    assert!(enter(Some("Machine-1")).success());
}
