//! `forgot` from the call to the login with the new password, and what becomes of mails that cannot be sent.

use std::fs;

use keystead::domain::secret::email_sha1;
use keystead::model::user::Credential;

use super::support::smtp::{Arrived, MailServer, Manners, Spoken};
use super::support::tls::Certificate;
use super::support::web::silent;
use super::support::{Fixture, Keystead, Reply, Server, password_hash, post_bytes, until};

const PUBLIC: &str = "https://keys.example.com";

/// A database with the user mia, who has an address.
fn db() -> Fixture {
    let db = Fixture::new();
    let id = db.bare_user("mia", Credential::Password(password_hash("secret")), |user| {
        user.email_sha1 = Some(email_sha1("mia@example.com"));
    });
    db.subscription(id, |_| {});
    db
}

/// The flags for a mail server on this port of this machine, with these more.
fn flags(port: u16, more: &[&str]) -> Vec<String> {
    let port = port.to_string();
    let usual = ["--smtp-port", port.as_str(), "--smtp-from", "Keys <keys@example.com>", "--public-url", PUBLIC];
    [&usual[..], more].concat().iter().map(|flag| (*flag).to_owned()).collect()
}

const PLAIN: &[&str] = &["--smtp-host", "127.0.0.1", "--smtp-tls", "none"];

fn refs(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

fn forgot(server: &Server) -> Reply {
    server.init().call("forgot", &[("username", "mia"), ("email", "Mia@example.com")])
}

/// The one mail that has arrived, and the token of its link.
fn token(mail: &MailServer) -> String {
    until("a mail arrives", || !mail.arrived().is_empty());
    let arrived = mail.arrived();
    let [Arrived { data, .. }] = &arrived[..] else { panic!("one mail: {arrived:?}") };
    let link = data.split_whitespace().find(|word| word.contains("://")).unwrap_or_else(|| panic!("a link: {data}"));
    link.strip_prefix(&format!("{PUBLIC}/reset?token=")).unwrap_or_else(|| panic!("a public link: {link}")).to_owned()
}

/// Follows the link, types a new password, and logs in with it.
fn set_password(server: &Server, token: &str) {
    let page = server.get(&format!("/reset?token={token}")).text();
    assert!(page.contains("mia") && page.contains("<form"), "{page}");
    let body = format!("token={token}&password=new-password&again=new-password");
    let done = server.raw(&post_bytes("/reset", "application/x-www-form-urlencoded", body.as_bytes())).text();
    assert!(done.contains("Your password is set"), "{done}");
    let session = server.init();
    let login = |pass| session.call("login", &[("username", "mia"), ("pass", pass)]);
    assert!(!login("secret").success());
    assert!(login("new-password").success());
}

fn waiting(db: &Fixture) -> i64 {
    db.count("SELECT count(*) FROM outbox")
}

#[test]
fn a_forgotten_password_is_set_by_mail() {
    let certificate = Certificate::new();
    let login = || Manners { login: Some(("keys".to_owned(), "hunter2".to_owned())), ..Manners::default() };
    for (mode, spoken, manners) in [
        ("none", Spoken::Plain, Manners::default()),
        ("starttls", Spoken::StartTls(certificate.clone()), login()),
        ("tls", Spoken::Tls(certificate.clone()), login()),
    ] {
        let (db, mail) = (db(), MailServer::start(spoken, manners));
        let (ca, password) = (db.file("ca.pem", &certificate.pem), db.file("password", "hunter2\n"));
        let trust = ["--smtp-ca", &ca, "--smtp-user", "keys", "--smtp-password-file", &password];
        let how = ["--smtp-host", "localhost", "--smtp-tls", mode];
        let more = if mode == "none" { how.to_vec() } else { [&how[..], &trust].concat() };
        let server = db.serve(&refs(&flags(mail.address.port(), &more)));
        let reply = forgot(&server);
        assert!(reply.success(), "{mode}: {reply:?}");
        assert_eq!(reply.message(), "Successfully sent email to change password.");
        let token = token(&mail);
        let arrived = mail.arrived().remove(0);
        assert_eq!(arrived.header("To"), Some("Mia@example.com"), "as typed: {arrived:?}");
        assert!(arrived.header("From").is_some_and(|from| from.contains("keys@example.com")), "{arrived:?}");
        assert_eq!(arrived.header("Subject"), Some("Your password for demo"));

        let again = forgot(&server);
        assert_eq!(again.error(), "RATE_LIMITED", "{again:?}");
        let wait: u64 = again.header("retry-after").expect("when to come back").parse().expect("seconds");
        assert!((1..=61).contains(&wait), "{wait}");
        set_password(&server, &token);
        until("what was sent is deleted", || waiting(&server.db) == 0);
        assert_eq!(mail.arrived().len(), 1, "{mode}: the refused call sent none");
    }
}

#[test]
fn a_mail_waits_for_its_mail_server_and_for_a_killed_server() {
    let mail = MailServer::start(Spoken::Plain, Manners::default());
    mail.set_down(true);
    let flags = flags(mail.address.port(), PLAIN);
    let mut server = db().serve(&refs(&flags));
    assert!(forgot(&server).success(), "the client is not told of a mail server that is down");
    let tries = |server: &Server| server.db.count("SELECT max(tries) FROM outbox");
    until("it is tried", || tries(&server) >= 1);
    server.kill();
    server.start_again(&refs(&flags));
    // What it was put off for is over.
    server.db.sql("UPDATE outbox SET due_at = 0");
    until("it is tried again", || tries(&server) >= 2);
    assert!(mail.arrived().is_empty());
    mail.set_down(false);
    server.db.sql("UPDATE outbox SET due_at = 0");
    set_password(&server, &token(&mail));
    until("what was sent is deleted", || waiting(&server.db) == 0);
}

#[test]
fn what_can_never_be_sent_is_given_up_and_no_secret_told() {
    let recipient = Some((550, "no such mia".to_owned()));
    let mail = MailServer::start(Spoken::Plain, Manners { recipient, ..Manners::default() });
    let server = db().serve(&refs(&flags(mail.address.port(), PLAIN)));
    assert!(forgot(&server).success());
    until("it is given up", || waiting(&server.db) == 0);
    assert!(mail.arrived().is_empty());
    let (_, log) = server.stop();
    let told: Vec<_> = log.iter().filter(|line| line.contains("gave up sending")).collect();
    assert!(matches!(told[..], [line] if line.contains("550 no such mia") && line.contains("WARN")), "{log:?}");
    assert!(log.iter().all(|line| !line.contains("token=")), "{log:?}");
}

#[test]
fn what_has_waited_for_a_day_is_not_sent_any_more() {
    let mail = MailServer::start(Spoken::Plain, Manners::default());
    mail.set_down(true);
    let flags = flags(mail.address.port(), PLAIN);
    let mut server = db().serve(&refs(&flags));
    assert!(forgot(&server).success());
    until("it is tried", || server.db.count("SELECT max(tries) FROM outbox") >= 1);
    server.kill();
    mail.set_down(false);
    server.db.sql("UPDATE outbox SET due_at = 0, created_at = created_at - 86500");
    server.start_again(&refs(&flags));
    until("it is given up", || waiting(&server.db) == 0);
    assert!(mail.arrived().is_empty(), "its link is no good any more");
}

#[test]
fn a_silent_mail_server_does_not_hold_up_the_end() {
    let (listener, address) = silent();
    listener.set_nonblocking(true).unwrap();
    let more = [PLAIN, &["--drain-timeout", "100ms"]].concat();
    let mut server = db().serve(&refs(&flags(address.port(), &more)));
    assert!(forgot(&server).success());
    let mut held = None;
    until("the mail server is asked", || {
        held = held.take().or_else(|| listener.accept().ok());
        held.is_some()
    });
    assert!(server.terminate().success());
    // Had it waited until the mail server was given up, that would have been noted.
    assert_eq!(server.db.count("SELECT tries FROM outbox"), 0, "the next server sends it");
}

#[test]
fn wrong_mail_settings_end_the_start() {
    let keystead = Keystead::new();
    fs::write(keystead.path("empty.pem"), "no certificate").unwrap();
    fn serve<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["serve", "--listen", "127.0.0.1:0"], more].concat()
    }
    let host = ["--smtp-host", "localhost", "--smtp-from", "keys@example.com"];
    for (more, saying) in [
        (&["--smtp-ca", "no.pem"][..], "no.pem"),
        (&["--smtp-ca", "empty.pem"], "there is none in it"),
        (&["--smtp-user", "keys", "--smtp-password-file", "none"], "none"),
    ] {
        keystead.fails(&serve(&[&host[..], more].concat()), 3, saying);
    }
    keystead.fails(&serve(&["--smtp-host", "localhost", "--smtp-from", "a b@example.com"]), 3, "smtp-from takes");
    assert!(!keystead.database().exists(), "a start that fails leaves nothing behind");
}
