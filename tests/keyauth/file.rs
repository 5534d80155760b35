//! `file`: kept in the database or elsewhere, small and large, and what is said when there is none.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::support::web::{Answered, Web, answer, nobody};
use super::support::{Fixture, OWNERID, PATIENCE, Reply, Session};

const UNAVAILABLE: (&str, &str) =
    ("FILE_UNAVAILABLE", "File no longer works, please notify the application developer.");

fn ask(session: &Session<'_>, id: &str) -> Reply {
    session.call("file", &[("fileid", id)])
}

#[track_caller]
fn assert_content(reply: &Reply, content: &[u8]) {
    assert!(reply.success(), "{}", reply.head);
    assert_eq!(reply.message(), "File download successful");
    assert!(reply.json()["contents"] == hex::encode(content), "other content");
}

/// Bytes that no text has, and no piece of which is like another.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n ^ n >> 8 ^ n >> 16) as u8).collect()
}

#[test]
fn in_every_version() {
    let db = Fixture::new();
    db.kept_file("123456", b"\0\xff/", false);
    let server = db.serve(&[]);
    for version in ["1.1", "1.2", "1.3"] {
        let session = server.init_with(version, &[("enckey", "k")][..usize::from(version == "1.2")]);
        let reply = ask(&session, "123456");
        assert_content(&reply, b"\0\xff/");
        assert!(reply.text().contains(r#","contents":"00ff2f""#), "{reply:?}");
        // One client asks for files, and only for them, by GET.
        let target =
            format!("/api/{version}/?type=file&fileid=123456&sessionid={}&name=demo&ownerid={OWNERID}", session.id);
        let reply = server.get(&target);
        assert_content(&reply, b"\0\xff/");
        reply.assert_sealed(&session.seal);
    }
}

#[test]
fn large_ones_come_whole_and_signed() {
    let db = Fixture::new();
    for mib in [1, 3] {
        db.kept_file(&mib.to_string(), &bytes(mib << 20), false);
    }
    let web = Web::start(|_| answer(200, &[], &bytes((2 << 20) + 1)));
    db.file_at("at", &web.url("/"), false);
    let server = db.serve(&["--allow-target", "127.0.0.1"]);
    let session = server.init();
    assert_content(&ask(&session, "1"), &bytes(1 << 20));
    assert_content(&ask(&session, "3"), &bytes(3 << 20));
    assert_content(&ask(&session, "at"), &bytes((2 << 20) + 1));
    assert_content(&ask(&server.init_with("1.3", &[]), "3"), &bytes(3 << 20));
}

#[test]
fn only_who_logged_in_gets_one_that_wants_that() {
    let db = Fixture::new();
    db.kept_file("123456", b"x", true);
    db.user("mia");
    let server = db.serve(&[]);
    let session = server.init();
    ask(&session, "123456").assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    assert_content(&ask(&session, "123456"), b"x");
}

#[test]
fn one_that_is_kept_elsewhere() {
    let web = Web::start(|asked| match asked.line() {
        "GET /data?key=SECRET" => answer(200, &[], b"\xffdata"),
        "GET /partial" => answer(206, &[], b"part"),
        "GET /moved" => answer(301, &[("location", "/data?key=SECRET")], b""),
        "GET /away" => answer(302, &[("location", "https://example.com/")], b""),
        "GET /empty" => answer(200, &[], b""),
        "GET /403" => answer(403, &[], b"no"),
        "GET /404" => answer(404, &[], b"no"),
        "GET /500" => answer(500, &[], b"no"),
        "GET /large" => answer(200, &[], &[b'x'; 2000]),
        _ => Answered::ThenSilence(b"HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nhalf".to_vec()),
    });
    let db = Fixture::new();
    for path in ["data?key=SECRET", "partial", "moved", "away", "empty", "403", "404", "500", "large", "half"] {
        db.file_at(path.split('?').next().unwrap(), &web.url(&format!("/{path}")), false);
    }
    db.file_at("gone", &format!("http://{}/", nobody()), false);
    db.file_at("private", "http://10.1.2.3/", false);
    let server = db.serve(&["--allow-target", "127.0.0.1", "--file-limit", "1999", "--fetch-timeout", "500ms"]);
    let session = server.init();
    for id in ["away", "empty", "403", "404", "500", "large", "half", "gone", "private"] {
        ask(&session, id).assert_refused(UNAVAILABLE.0, UNAVAILABLE.1);
    }
    assert_content(&ask(&session, "data"), b"\xffdata");
    assert_content(&ask(&session, "partial"), b"part");
    assert_content(&ask(&session, "moved"), b"\xffdata");
    let asked = web.asked();
    let data = asked.iter().find(|asked| asked.line().starts_with("GET /data")).unwrap();
    assert!(data.header("user-agent").unwrap().starts_with("Keystead/"));
    let (_, log) = server.stop();
    assert!(!log.join("\n").contains("SECRET"), "{log:?}");
}

#[test]
fn what_was_not_there_is_there_at_once() {
    let server = Fixture::new().serve(&[]);
    let session = server.init();
    ask(&session, "123456").assert_refused("FILE_NOT_FOUND", "File not Found");
    server.change(|db| db.kept_file("123456", b"x", false));
    assert_content(&ask(&session, "123456"), b"x");
}

#[test]
fn one_that_is_longer_than_the_limit_is_not_served() {
    let db = Fixture::new();
    db.kept_file("123456", &bytes(1025), false);
    let server = db.serve(&["--file-limit", "1KiB", "--relay-limit", "1KiB"]);
    ask(&server.init(), "123456").assert_refused(UNAVAILABLE.0, UNAVAILABLE.1);
}

/// Asks for a file from this address, and reads no more of the answer than its beginning.
fn begin(session: &Session<'_>, address: &str) -> (TcpStream, String) {
    let id = &session.id;
    let target = format!("/api/1.2/?type=file&fileid=123456&sessionid={id}&name=demo&ownerid={OWNERID}");
    let mut socket = TcpStream::connect(session.server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET {target} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {address}\r\n\r\n").unwrap();
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n{\"success\":true") && !text.ends_with(b"\"BUSY\"}") {
        socket.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    (socket, String::from_utf8(text).unwrap())
}

#[test]
fn those_who_read_slowly_do_not_fill_the_memory() {
    // Larger than what the system takes from us on its own, so that an answer nobody reads stays here.
    let db = Fixture::new();
    db.kept_file("123456", &bytes(16 << 20), false);
    let server = db.serve(&["--file-limit", "16MiB", "--body-timeout", "1h", "--trusted-proxy", "127.0.0.1"]);
    let session = server.init();
    let begun = |address: &str| {
        let (socket, text) = begin(&session, address);
        (!text.contains("BUSY")).then_some(socket)
    };
    let first: Vec<_> = (0..3).map(|_| begun("203.0.113.1")).collect();
    assert_eq!(first.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false], "half for one of them");
    let other = begun("203.0.113.2").expect("somebody else still gets it");
    let last = begun("203.0.113.3").expect("and the last of the four");
    assert!(begun("203.0.113.4").is_none());
    assert!(session.is_validated() || session.call("check", &[]).error() == "SESSION_NOT_VALIDATED", "others go on");
    drop((first, other, last));
    // The server notices that they are gone, and gives back what they had.
    while begun("203.0.113.4").is_none() {}
}
