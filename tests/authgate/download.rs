//! `GET /files/{file_id}/download` (contract 2.5).

use crate::client::{Client, assert_denied, password_of};
use crate::support::Fixture;
use crate::support::web::{Web, answer};

#[test]
fn a_file_comes_as_it_is() {
    let web = Web::start(|asked| match asked.line() {
        "GET /data" => answer(200, &[], b"\xffdata"),
        _ => answer(500, &[], b"no"),
    });
    let large: Vec<u8> = (0..3 << 20).map(|n: usize| (n ^ n >> 8 ^ n >> 16) as u8).collect();
    let db = Fixture::new();
    db.user("mia");
    db.kept_file("123456", b"\0\xff{}/", true);
    db.kept_file("large", &large, true);
    db.kept_file("a/b%ü", b"slash", true);
    db.file_at("at", &web.url("/data"), true);
    db.file_at("broken", &web.url("/broken"), true);
    let server = db.serve(&["--allow-target", "127.0.0.1"]);
    let client = Client::new(&server);
    let token = client.token(&password_of("mia"), "hw-01");
    for (id, content) in
        [("123456", &b"\0\xff{}/"[..]), ("large", &large), ("at", b"\xffdata"), ("a%2Fb%25%C3%BC", b"slash")]
    {
        let reply = client.get_as(&token, &format!("/files/{id}/download"));
        assert_eq!(reply.status, 200, "{id}: {}", reply.head);
        assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
        assert!(reply.body == content, "{id}: other content");
    }
    for id in ["nothing", "%FF", "12345", "123456%00"] {
        assert_denied(&client.get_as(&token, &format!("/files/{id}/download")), 404, "File not found");
    }
    assert_denied(&client.get_as(&token, "/files/broken/download"), 503, "File is not available now");
    let bearer = format!("Bearer {token}");
    let bare = [&client.headers()[..], &[("authorization", bearer.as_str())]].concat();
    assert_eq!(server.ask("GET", "/files/123456/download", &bare, b"").body, b"\0\xff{}/");
    let head = server.ask("HEAD", "/files/123456/download", &bare, b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")), "{head:?}");
    let other = Client::of_other(&server);
    assert_denied(&other.get_as(&token, "/files/123456/download"), 401, "Session token is invalid or expired");
}

#[test]
fn private_files_need_a_user() {
    let db = Fixture::new();
    db.kept_file("public", b"x", false);
    db.kept_file("private", b"y", true);
    db.setting("authgateAnonymous", "1");
    let server = db.serve(&[]);
    let client = Client::new(&server);
    assert_eq!(client.get("/files/public/download", &[]).body, b"x");
    let private = client.get("/files/private/download", &[]);
    assert_denied(&private, 401, "Only logged in users are allowed to access");
    server.change(|db| db.setting("authgateAnonymous", "0"));
    let public = client.get("/files/public/download", &[]);
    assert_denied(&public, 401, "Only logged in users are allowed to access");
}
