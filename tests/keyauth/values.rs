//! How values are decoded and cleaned (contract 1.3 and 1.4), and how texts come back (1.7).

use crate::support::{Fixture, Session, post_bytes};

/// A variable whose name is asked for in bytes that are nothing but an urlencoded form.
fn value_of(session: &Session<'_>, raw_name: &[u8]) -> String {
    let common = format!("type=var&name=demo&ownerid=AbCdEfGh12&sessionid={}&varid=", session.id);
    let body = [common.as_bytes(), raw_name].concat();
    let reply = session.server.raw(&post_bytes("/api/1.2/", "application/x-www-form-urlencoded", &body));
    reply.assert_usual();
    reply.assert_sealed(&session.seal);
    reply.message()
}

#[test]
fn decoding_is_lenient() {
    let db = Fixture::new();
    for name in ["100%", "%zz", "a b", "a/b?c=d", "ü€😀", "a+b", "%41", "\u{FFFD}"] {
        db.variable(name, &format!("<{name}>"), false);
    }
    let server = db.serve(&[]);
    let session = server.init();
    for (sent, name) in [
        (&b"100%"[..], "100%"),
        (b"100%25", "100%"),
        (b"%zz", "%zz"),
        (b"a+b", "a b"),
        (b"a b", "a b"),
        (b"a%20b", "a b"),
        (b"a%2Bb", "a+b"),
        (b"a/b?c=d", "a/b?c=d"),
        (b"%2541", "%41"),
        ("ü€😀".as_bytes(), "ü€😀"),
        (b"%C3%BC%e2%82%ac%F0%9F%98%80", "ü€😀"),
        (b"\xFF", "\u{FFFD}"),
    ] {
        assert_eq!(value_of(&session, sent), format!("<{name}>"), "{:?}", String::from_utf8_lossy(sent));
    }
}

#[test]
fn values_are_trimmed_and_tags_stay() {
    let db = Fixture::new();
    db.variable("motd", "Hello", false);
    db.variable("a<b>c", "tags stay", false);
    let server = db.serve(&[]);
    let session = server.init();
    for sent in [&b"motd"[..], b"+motd+", b"%09%0A%0D%0B%00motd%00%0B%0D%0A%09", b"\tmotd\n"] {
        assert_eq!(value_of(&session, sent), "Hello", "{sent:?}");
    }
    assert_eq!(value_of(&session, b"a<b>c"), "tags stay");
    for sent in [&b"mo%20td"[..], b"%C2%A0motd", b"%0Cmotd", b"Motd"] {
        assert_eq!(value_of(&session, sent), "Variable not found.", "{sent:?}: only those six are trimmed");
    }
}

#[test]
fn the_machine_id_is_the_same_with_and_without_its_newline() {
    let db = Fixture::new();
    let mia = db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    let id = "4c4c4544003957108052b4c04f384833";
    let login = |hwid: &str| session.call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", hwid)]);
    assert!(login(&format!("{id}\n")).success());
    assert_eq!(session.server.db.devices_of(mia), [id]);
    let again = login(id);
    assert_eq!(again.json()["info"]["hwid"], id, "{again:?}");
    assert!(login(&format!(" {id} ")).success());
}

#[test]
fn blanks_around_passwords_and_keys_are_cut_off_too() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    let reply = session.call("register", &[("username", " mia\n"), ("pass", " secret "), ("key", "\tKEY-1 ")]);
    assert_eq!(reply.json()["info"]["username"], "mia", "{reply:?}");
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret\n")]).success());
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
}

#[test]
fn zero_is_a_value_but_not_a_version() {
    let db = Fixture::new();
    db.variable("0", "zero", false);
    db.license("0");
    let server = db.serve(&[]);
    assert!(server.call("init", &[("ver", "0")]).success(), "0 is no version to compare");
    assert!(server.call("init", &[("ver", " ")]).success(), "nor is nothing");
    let session = server.init();
    assert_eq!(session.call("var", &[("varid", "0")]).message(), "zero");
    let reply = session.call("register", &[("username", "0"), ("pass", "0"), ("key", "0"), ("hwid", "0")]);
    assert_eq!((&reply.json()["info"]["username"], &reply.json()["info"]["hwid"]), (&"0".into(), &"0".into()));
}

#[test]
fn undefined_and_null_are_texts_like_others() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.setting("hashcheck", "1");
    let server = db.serve(&[]);
    assert_eq!(server.call("init", &[("hash", "undefined")]).error(), "INVALID_HASH", "and it is not kept as one");
    assert_eq!(server.db.stored_setting("hash"), None);
    server.change(|db| db.setting("hashcheck", "0"));
    let session = server.init();
    let reply =
        session.call("login", &[("username", "mia"), ("pass", "secret"), ("hwid", "null"), ("code", "undefined")]);
    assert_eq!(reply.json()["info"]["hwid"], "null");
    assert_eq!(server.db.devices_of(mia), ["null"]);
}

#[test]
fn what_clients_send_empty_is_missing() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    let empty = [("hwid", ""), ("email", ""), ("code", ""), ("token", "")];
    let reply =
        session.call("register", &[&[("username", "mia"), ("pass", "p"), ("key", "KEY-1")], &empty[..]].concat());
    assert!(reply.json()["info"]["hwid"].is_null(), "{reply:?}");
    assert_eq!(server.db.user_now("mia").unwrap().email_sha1, None);
    let reply = session.call("login", &[&[("username", "mia"), ("pass", "p")], &empty[..]].concat());
    assert!(reply.success(), "{reply:?}");
}

#[test]
fn a_nul_inside_a_value_is_refused_and_writes_nothing() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[]);
    let session = server.init();
    let reply = session.call("register", &[("username", "m\0ia"), ("pass", "secret"), ("key", "KEY-1")]);
    assert_eq!((reply.success(), reply.error().as_str()), (false, "INVALID_REQUEST"));
    assert!(reply.message().contains("NUL") && reply.message().contains("username"), "{reply:?}");
    assert_eq!(server.db.users(), 0);
    assert!(session.call("register", &[("username", "mia\0"), ("pass", "secret"), ("key", "KEY-1")]).success());
}

#[test]
fn too_many_parameters_are_refused() {
    let server = Fixture::new().serve(&[]);
    let many: String = (0..1_001).map(|n| format!("&n{n}=")).collect();
    let body = format!("type=init&name=demo&ownerid=AbCdEfGh12{many}");
    let reply = server.raw(&post_bytes("/api/1.2/", "application/x-www-form-urlencoded", body.as_bytes()));
    assert_eq!(reply.error(), "INVALID_REQUEST");
}

#[test]
fn answers_are_ascii_unless_the_operator_says_otherwise() {
    let answer = |flags: &[&str]| {
        let db = Fixture::new();
        db.variable("motd", "Grüße, 😀 \"quoted\" \\ / <b>&'\u{7F}\u{1}\n", false);
        let server = db.serve(flags);
        let session = server.init();
        let target = format!("/api/1.2/?type=var&varid=motd&name=demo&ownerid=AbCdEfGh12&sessionid={}", session.id);
        let reply = server.get(&target);
        reply.assert_sealed(&session.seal);
        let text = reply.text();
        let (message, _) =
            text.strip_prefix("{\"success\":true,\"message\":").unwrap().split_once(",\"nonce\":").unwrap();
        message.to_owned()
    };
    let rest = "\\\"quoted\\\" \\\\ / <b>&'\u{7F}\\u0001\\n\"";
    assert_eq!(answer(&[]), format!("\"Gr\\u00fc\\u00dfe, \\ud83d\\ude00 {rest}"));
    assert_eq!(answer(&["--ascii-only", "false"]), format!("\"Grüße, 😀 {rest}"));
}
