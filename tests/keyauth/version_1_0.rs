//! Version 1.0: the envelope (contract 3.4), and where it cannot be: which answers go out in the clear, what a request
//! that does not open is told, what is shared with the other versions. The envelope of these tests is their own.

use crate::support::{
    Envelope, Fixture, INIT_IV, OTHER_SECRET, OWNERID, Reply, SECRET, Seal, Server, Session, post_bytes,
};

const FORM: &str = "application/x-www-form-urlencoded";
const ENCKEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OPEN: &[(&str, &str)] = &[("ver", "1.0"), ("enckey", ENCKEY)];

fn server_with(flags: &[&str]) -> Server {
    let db = Fixture::new();
    db.license("KEY-1");
    db.user("mia");
    db.serve(&[&["--api-1-0=true"], flags].concat())
}

fn server() -> Server {
    server_with(&[])
}

/// Posts these pairs as they are.
fn post(server: &Server, target: &str, pairs: &[(&str, &str)]) -> Reply {
    let body = serde_urlencoded::to_string(pairs).unwrap();
    server.raw(&post_bytes(target, FORM, body.as_bytes()))
}

fn hex(text: &str) -> String {
    hex::encode(text)
}

#[track_caller]
fn assert_plain(reply: &Reply, code: &str) {
    reply.assert_usual();
    reply.assert_sealed(&Seal::None);
    assert_eq!(reply.error(), code, "{reply:?}");
}

#[test]
fn it_is_off_unless_the_operator_switches_it_on() {
    let server = Fixture::new().serve(&[]);
    for reply in [
        server.call_1_0(SECRET, "init", OPEN),
        post(&server, "/1.0", &[]),
        post(&server, "/api/1.0", &[("type", "zz"), ("ver", "zz")]),
        server.get("/api/1.0/?type=init"),
    ] {
        assert_plain(&reply, "VERSION_OFF");
        assert!(reply.message().contains("1.2 or 1.3"), "says what to do: {reply:?}");
    }
    assert!(server.call_by("1.1", "init", &[]).success(), "the others are on");
}

#[test]
fn a_session_from_beginning_to_end() {
    let server = server();
    let session = server.init_with("1.0", OPEN);
    assert_eq!(session.call("check", &[]).error(), "SESSION_NOT_VALIDATED");
    assert_eq!(session.call("login", &[("username", "mia"), ("pass", "wrong")]).error(), "INVALID_PASSWORD");
    let license = session.call("license", &[("key", "KEY-1"), ("hwid", "grüße & co=1+1%")]);
    assert_eq!(license.json()["info"]["hwid"], "grüße & co=1+1%");
    assert!(license.json().get("nonce").is_none(), "{license:?}");
    assert!(session.is_validated());
    let again = server.init_with("1.0", OPEN);
    let pairs = [("username", "mia"), ("pass", "secret"), ("hwid", "")];
    assert!(again.call("login", &pairs).success(), "what is empty when it is opened is missing");
    server.change(|db| db.setting("forceHwid", "1"));
    assert_eq!(again.call("login", &pairs).error(), "HWID_MISSING");
}

#[test]
fn each_exchange_has_its_own_init_iv() {
    let server = server();
    let session = server.init_with("1.0", OPEN);
    for init_iv in ["", "x", ENCKEY] {
        // The last one counts; the enciphering is by that one, too.
        let envelope = Envelope::new(ENCKEY, init_iv);
        let body = envelope.form([
            ("username", "mia"),
            ("pass", "secret"),
            ("type", "login"),
            ("name", "demo"),
            ("ownerid", OWNERID),
            ("sessionid", session.id.as_str()),
            ("init_iv", init_iv),
        ]);
        let reply = server.raw(&post_bytes("/api/1.0/", FORM, body.as_bytes())).opened(ENCKEY, init_iv);
        assert!(reply.success(), "{init_iv:?}: {reply:?}");
    }
    let (kind, name, ownerid, id) = (hex("check"), hex("demo"), hex(OWNERID), hex(&session.id));
    let pairs = [("type", kind.as_str()), ("name", &name), ("ownerid", &ownerid), ("sessionid", &id)];
    assert!(post(&server, "/api/1.0/", &pairs).opened(ENCKEY, "").success(), "none at all is an empty one");
}

#[test]
fn only_the_body_of_a_post_is_read() {
    let server = server();
    let form = Envelope::new(SECRET, INIT_IV).form(
        [("type", "init"), ("name", "demo"), ("ownerid", OWNERID), ("init_iv", INIT_IV)]
            .into_iter()
            .chain(OPEN.to_vec()),
    );
    assert_plain(&server.get(&format!("/api/1.0/?{form}")), "OWNERID_MISSING");
    let in_query = server.raw(&post_bytes(&format!("/api/1.0/?{form}"), FORM, b""));
    assert_plain(&in_query, "OWNERID_MISSING");
    let target = format!("/api/1.0/?type={}&name=zz", hex("nonsense"));
    let both = server.raw(&post_bytes(&target, FORM, form.as_bytes()));
    assert!(both.opened(SECRET, INIT_IV).success(), "the query is not looked at");
    let boundary = "multipart/form-data; boundary=b";
    let parts: String = form
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"))
        .collect();
    let multipart = server.raw(&post_bytes("/api/1.0/", boundary, format!("{parts}--b--\r\n").as_bytes()));
    assert!(multipart.opened(SECRET, INIT_IV).success());
}

#[test]
fn what_goes_out_in_the_clear() {
    let server = server();
    let (init, name, ownerid) = (hex("init"), hex("demo"), hex(OWNERID));
    assert_plain(&post(&server, "/api/1.0/", &[]), "OWNERID_MISSING");
    assert_plain(&post(&server, "/api/1.0/", &[("ownerid", &hex("0")), ("name", &name)]), "OWNERID_MISSING");
    assert_plain(&post(&server, "/api/1.0/", &[("ownerid", &ownerid)]), "APP_NAME_MISSING");
    let short = hex("AbCdEfGh1");
    assert_plain(&post(&server, "/api/1.0/", &[("ownerid", &short), ("name", &name)]), "OWNERID_LENGTH");
    let none = hex("none");
    let reply = post(&server, "/api/1.0/", &[("ownerid", &ownerid), ("name", &none), ("type", &init)]);
    assert_eq!(reply.text(), "KeyAuth_Invalid");
    assert_plain(&server.call_1_0(SECRET, "Init", &[]), "UNKNOWN_TYPE");
    for id in ["", "none", "00000000000000000000000000000000"] {
        assert_plain(&server.call_1_0(ENCKEY, "check", &[("sessionid", id)]), "SESSION_NOT_FOUND");
    }
    let large = server.raw(&post_bytes("/api/1.0/", FORM, &vec![b'x'; 2 << 20]));
    assert_eq!((large.status, large.error().as_str()), (413, "BODY_TOO_LARGE"));
    let session = server.init_with("1.0", OPEN);
    for newer in ["logout", "forgot"] {
        let reply = server.call_1_0(ENCKEY, newer, &[("sessionid", &session.id)]);
        assert_plain(&reply, "UNKNOWN_TYPE");
    }
}

#[test]
fn what_is_refused_after_a_key_is_known_is_enciphered() {
    let server = server();
    let sealed = |text: &str, name: &str, pairs: &[(&str, &str)]| {
        let reply = server.call_1_0(text, name, pairs).opened(text, INIT_IV);
        reply.assert_sealed(&Seal::None);
        reply.error()
    };
    let session = server.init_with("1.0", OPEN);
    let (ended, expired) = (server.init_with("1.0", OPEN), server.init_with("1.0", OPEN));
    let by_1_2 = Session { server: &server, version: "1.2", id: ended.id.clone(), seal: Seal::session(ENCKEY) };
    assert!(by_1_2.call("logout", &[]).success(), "a session is the same in all versions, and so is its key");
    server.change(|db| db.expire_session(&expired.id));
    assert_eq!(sealed(ENCKEY, "check", &[("sessionid", &ended.id)]), "SESSION_NOT_FOUND");
    assert_eq!(sealed(ENCKEY, "check", &[("sessionid", &expired.id)]), "SESSION_EXPIRED");
    assert_eq!(sealed(SECRET, "init", &[("ver", "9"), ("enckey", ENCKEY)]), "VERSION_MISMATCH");
    assert_eq!(sealed(SECRET, "init", &[("enckey", ENCKEY)]), "VERSION_MISMATCH", "here it must be sent");
    assert_eq!(sealed(SECRET, "init", &[("ver", "1.0")]), "ENCRYPTION_REQUIRED", "and so must this");
    server.change(|db| db.setting("banned", "1"));
    assert_eq!(sealed(SECRET, "init", OPEN), "APP_BANNED");
    assert_eq!(sealed(ENCKEY, "check", &[("sessionid", &session.id)]), "APP_BANNED");
    let limited = server_with(&["--rate-limit", "1/h burst 1"]);
    let session = limited.init_with("1.0", OPEN);
    assert_eq!(session.call("check", &[]).error(), "RATE_LIMITED");
    let init = limited.call_1_0(SECRET, "init", OPEN);
    assert!(init.header("retry-after").is_some(), "{init:?}");
    assert_eq!(init.opened(SECRET, INIT_IV).error(), "RATE_LIMITED");
}

#[test]
fn what_does_not_open_is_said_so_and_changes_nothing() {
    let server = server();
    let sealed_by = |text: &str, value: &str| Envelope::new(text, INIT_IV).close(value.as_bytes());
    let refused = |reply: Reply, text: &str, field: &str| {
        let reply = reply.opened(text, INIT_IV);
        assert_eq!(reply.error(), "INVALID_REQUEST", "{reply:?}");
        assert!(reply.message().contains(&format!("\"{field}\"")), "{reply:?}");
    };
    let wrong = Envelope::new(OTHER_SECRET, INIT_IV).form(
        [("type", "init"), ("name", "demo"), ("ownerid", OWNERID), ("init_iv", INIT_IV)]
            .into_iter()
            .chain(OPEN.to_vec()),
    );
    refused(server.raw(&post_bytes("/api/1.0/", FORM, wrong.as_bytes())), SECRET, "ver");
    let session = server.init_with("1.0", OPEN);
    let (kind, name, ownerid, id) = (hex("license"), hex("demo"), hex(OWNERID), hex(&session.id));
    let good = sealed_by(ENCKEY, "KEY-1");
    for broken in ["KEY-1", "zz", &good[1..], &good[..30], &format!("{good}00"), &sealed_by(SECRET, "KEY-1")] {
        let usual = [("type", kind.as_str()), ("name", &name), ("ownerid", &ownerid), ("sessionid", &id)];
        let reply = post(&server, "/api/1.0/", &[&usual[..], &[("init_iv", INIT_IV), ("key", broken)]].concat());
        refused(reply, ENCKEY, "key");
    }
    let nul = session.call("license", &[("key", "KEY\0-1")]);
    assert_eq!(nul.error(), "INVALID_REQUEST", "what is not allowed in the clear is not allowed inside either");
    server.change(|db| assert!(db.license_now("KEY-1").used_at.is_none()));
    assert!(session.call("license", &[("key", "KEY-1")]).success(), "and the session lives on");
}

#[test]
fn a_program_hash_comes_in_the_clear_or_enciphered() {
    let hash = "0123456789abcdef0123456789abcdef";
    let server = server();
    server.change(|db| {
        db.setting("hashcheck", "1");
        db.setting("hash", hash);
    });
    let init = |sent: &str| {
        let pairs = [OPEN, &[("hash", sent)]].concat();
        server.call_1_0(SECRET, "init", &pairs).opened(SECRET, INIT_IV)
    };
    let enciphered = |text: &str| Envelope::new(SECRET, INIT_IV).close(text.as_bytes());
    assert!(init(hash).success());
    assert!(init(&enciphered(hash)).success(), "one client enciphers it");
    assert_eq!(init(&enciphered("another")).error(), "INVALID_HASH");
    assert_eq!(init("no hash at all").error(), "INVALID_HASH", "a wrong one, not a broken request");
}

#[test]
fn a_session_is_the_same_in_all_versions() {
    let server = server();
    let session = server.init_with("1.0", OPEN);
    let by = |version, seal| Session { server: &server, version, id: session.id.clone(), seal };
    assert!(by("1.1", Seal::None).call("login", &[("username", "mia"), ("pass", "secret")]).success());
    assert!(session.is_validated());
    assert!(by("1.2", Seal::session(ENCKEY)).is_validated(), "in 1.2 the key is the enckey and the secret");
    assert!(by("1.3", Seal::Server).is_validated());

    let of_1_2 = server.init();
    let by_1_0 = |id: &str, text: &str| Session {
        server: &server,
        version: "1.0",
        id: id.to_owned(),
        seal: Seal::Envelope(text.to_owned()),
    };
    assert!(by_1_0(&of_1_2.id, "k").call("login", &[("username", "mia"), ("pass", "secret")]).success());
    assert!(of_1_2.is_validated());

    let other = server.post("1.2", &[("type", "init"), ("name", "other"), ("ownerid", OWNERID), ("enckey", "k")]);
    let other = other.json()["sessionid"].as_str().unwrap().to_owned();
    let reply = server.call_1_0("k", "check", &[("sessionid", &other)]);
    assert_plain(&reply, "SESSION_NOT_FOUND");

    let without_key = server.init_with("1.1", &[]);
    let reply = server.call_1_0("", "check", &[("sessionid", &without_key.id)]);
    assert_plain(&reply, "SESSION_NOT_VALIDATED");
}
