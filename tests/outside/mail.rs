//! Mail, against a mail server that keeps what it gets: by the program's own command, as an operator would try it.

use std::fs;

use keystead::config::{MailTls, Smtp};
use keystead::domain::outbox::Mail;
use keystead::outside::mail::{MailError, Mailer};
use serde_json::Value;

use super::support::smtp::{MailServer, Manners, Spoken};
use super::support::tls::Certificate;
use super::support::web::nobody;
use super::support::{Keystead, Ran};

/// Sends a test mail with these flags more.
fn send(keystead: &Keystead, server: std::net::SocketAddr, more: &[&str]) -> Ran {
    let port = server.port().to_string();
    let usual = ["config", "send-test-mail", "mia@example.com", "--smtp-port", port.as_str()];
    keystead.run(&[&usual[..], &["--smtp-from", "Example Keys <keys@example.com>"], more].concat())
}

fn fails(ran: &Ran, code: i32, saying: &str) {
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains(saying), "{saying}: {}", ran.err);
}

fn login() -> Manners {
    Manners { login: Some(("mia".to_owned(), "hunter2".to_owned())), ..Manners::default() }
}

#[test]
fn a_mail_arrives_whole() {
    let keystead = Keystead::new();
    let server = MailServer::start(Spoken::Plain, Manners::default());
    let ran = send(&keystead, server.address, &["--smtp-host", "127.0.0.1", "--smtp-tls", "none", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&told["sent"], &told["to"]), (&Value::Bool(true), &Value::from("mia@example.com")));
    let arrived = server.arrived();
    let [mail] = &arrived[..] else { panic!("one mail: {arrived:?}") };
    assert!(mail.from.contains("keys@example.com") && mail.to.concat().contains("mia@example.com"), "{mail:?}");
    assert_eq!(mail.header("From"), Some("\"Example Keys\" <keys@example.com>"), "{mail:?}");
    assert_eq!(mail.header("To"), Some("mia@example.com"));
    assert_eq!(mail.header("Subject"), Some("Keystead can send mail"));
    assert_eq!(mail.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert!(mail.header("Date").is_some_and(|date| date.contains(':')), "{mail:?}");
    let id = mail.header("Message-ID").expect("a message id");
    assert!(id.starts_with('<') && id.ends_with("@example.com>"), "by the sender's domain, not the machine's: {id}");
}

/// A mailer without the program around it.
fn mailer(server: &MailServer) -> Mailer {
    let (host, from) = ("127.0.0.1".to_owned(), "keys@example.com".to_owned());
    let smtp = Smtp { host, port: server.address.port(), tls: MailTls::None, login: None, from, ca: None };
    Mailer::new(&smtp).expect("settings that fit")
}

fn mail(to: &str, subject: &str, text: &str) -> Mail {
    Mail { to: to.to_owned(), subject: subject.to_owned(), text: text.to_owned() }
}

#[test]
fn what_is_written_into_a_mail_stays_in_its_place() {
    let server = MailServer::start(Spoken::Plain, Manners::default());
    let text = format!(".\r\n..\nQUIT\r\n{}end\n", "long ".repeat(500));
    mailer(&server).send(&mail("mia@example.com", "a\r\nBcc: eve@example.com\r\n\r\nb", &text)).expect("sent");
    mailer(&server).send(&mail("mia@example.com", "Schlüssel", "für Mia\n")).expect("sent");
    for to in ["mia@example.com, eve@example.com", "mia@example.com\r\nBcc: eve@example.com", "<mia@example.com>", ""] {
        let refused = mailer(&server).send(&mail(to, "a", "b")).expect_err(to);
        assert!(refused.is_permanent() && matches!(refused, MailError::Address(..)), "{to:?}: {refused}");
    }
    let arrived = server.arrived();
    let [plain, letters] = &arrived[..] else { panic!("two mails: {arrived:?}") };
    assert_eq!(plain.to.len(), 1);
    assert!(plain.header("Bcc").is_none() && !plain.to.concat().contains("eve"), "{plain:?}");
    assert!(plain.data.lines().all(|line| line.len() <= 998), "no line is longer than mail allows");
    let unfolded = plain.data.replace("=\r\n", "").replace("\r\n", "\n");
    assert!(unfolded.contains(&text.replace("\r\n", "\n")), "{plain:?}");
    assert!(letters.header("Subject").is_some_and(|subject| subject.starts_with("=?utf-8?")), "{letters:?}");
    assert!(letters.data.is_ascii(), "any mail server can carry it");
}

#[test]
fn whether_to_try_again() {
    for (code, permanent) in [(550, true), (553, true), (451, false), (452, false)] {
        let recipient = Some((code, "no".to_owned()));
        let server = MailServer::start(Spoken::Plain, Manners { recipient, ..Manners::default() });
        let error = mailer(&server).send(&mail("mia@example.com", "a", "b")).expect_err("refused");
        assert_eq!(error.is_permanent(), permanent, "{code}: {error}");
    }
}

#[test]
fn starttls_and_tls_with_a_login() {
    let keystead = Keystead::new();
    let certificate = Certificate::new();
    fs::write(keystead.path("ca.pem"), &certificate.pem).unwrap();
    fs::write(keystead.path("password"), "hunter2\n").unwrap();
    for (mode, spoken) in
        [("starttls", Spoken::StartTls(certificate.clone())), ("tls", Spoken::Tls(certificate.clone()))]
    {
        let server = MailServer::start(spoken, login());
        let usual = ["--smtp-host", "localhost", "--smtp-tls", mode, "--smtp-user", "mia"];
        let trusting = [&usual[..], &["--smtp-ca", "ca.pem"]].concat();
        let ran = send(&keystead, server.address, &[&trusting[..], &["--smtp-password-file", "password"]].concat());
        assert_eq!(ran.code, 0, "{mode}: {}", ran.err);
        let ran = send(&keystead, server.address, &[&trusting[..], &["--smtp-password", "hunter2"]].concat());
        assert_eq!(ran.code, 0, "{mode}: {}", ran.err);
        assert_eq!(server.arrived().len(), 2, "{mode}");
        let ran = send(&keystead, server.address, &[&usual[..], &["--smtp-password", "hunter2"]].concat());
        fails(&ran, 1, "smtp-ca");
        let ran = send(&keystead, server.address, &[&trusting[..], &["--smtp-password", "hunter3"]].concat());
        fails(&ran, 1, "check smtp-user and the password");
        assert_eq!(server.arrived().len(), 2, "{mode}: nothing came without trust or login");
    }
}

#[test]
fn nothing_is_sent_in_the_clear_by_mistake() {
    let keystead = Keystead::new();
    let server = MailServer::start(Spoken::Plain, Manners::default());
    let ran = send(&keystead, server.address, &["--smtp-host", "127.0.0.1"]);
    fails(&ran, 1, "must offer STARTTLS");
    let ran = send(&keystead, server.address, &["--smtp-host", "127.0.0.1", "--smtp-tls", "tls"]);
    fails(&ran, 1, "this port may want smtp-tls starttls");
    let ran = send(&keystead, server.address, &["--smtp-host", "mail.example.com", "--smtp-tls", "none"]);
    fails(&ran, 3, "on this machine only");
    assert!(server.arrived().is_empty());
    let ran = send(&keystead, server.address, &["--smtp-host", "127.0.0.1", "--smtp-tls", "insecure"]);
    assert_eq!((ran.code, server.arrived().len()), (0, 1), "{}", ran.err);
}

#[test]
fn a_password_is_not_told_even_if_the_mail_server_repeats_it() {
    let keystead = Keystead::new();
    let repeats = "AHdyb25nAGh1bnRlcjI= (wrong, hunter2, aHVudGVyMg==) is wrong".to_owned();
    let server = MailServer::start(Spoken::Plain, Manners { refused_login: Some(repeats), ..login() });
    let mut command = keystead.command(&["config", "send-test-mail", "mia@example.com"]);
    for (name, value) in [
        ("HOST", "127.0.0.1"),
        ("PORT", &server.address.port().to_string()),
        ("TLS", "none"),
        ("FROM", "keys@example.com"),
        ("USER", "wrong"),
        ("PASSWORD", "hunter2"),
    ] {
        command.env(format!("KEYSTEAD_SMTP_{name}"), value);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && told.contains("535 (hidden) (wrong, (hidden), (hidden))"), "{told}");
    for json in [&[][..], &["--json"]] {
        let mut command = keystead.command(&["config", "show"]);
        command.args(json).env("KEYSTEAD_SMTP_PASSWORD", "hunter2").env("KEYSTEAD_SMTP_HOST", "localhost");
        command.env("KEYSTEAD_SMTP_FROM", "keys@example.com").env("KEYSTEAD_SMTP_USER", "mia");
        let output = command.output().unwrap();
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(shown.contains("(hidden)") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn what_went_wrong_and_what_to_look_at() {
    let keystead = Keystead::new();
    let local = ["--smtp-host", "127.0.0.1", "--smtp-tls", "none"];
    let refuses = |code, text: &str| {
        let recipient = Some((code, text.to_owned()));
        MailServer::start(Spoken::Plain, Manners { recipient, ..Manners::default() })
    };
    fails(&send(&keystead, refuses(550, "who is mia?").address, &local), 1, "550 who is mia?; check the address");
    fails(&send(&keystead, refuses(451, "not now").address, &local), 1, "451 not now; try again later");
    fails(&send(&keystead, nobody(), &local), 1, "check smtp-host, smtp-port and the firewall");
    keystead.fails(&["config", "send-test-mail", "mia@example.com"], 3, "no mail server is set");
    let bad = ["config", "send-test-mail", "mia", "--smtp-from", "a@example.com"];
    keystead.fails(&[&bad[..], &local].concat(), 1, "\"mia\" is no mail address");
    let bad = ["config", "send-test-mail", "mia@example.com", "--smtp-from", "a b@example.com"];
    keystead.fails(&[&bad[..], &local].concat(), 3, "smtp-from takes");
    keystead.fails(&["config", "send-test-mail", "mia@example.com", "--smtp-host", "localhost"], 3, "smtp-from is not");
    fs::write(keystead.path("empty.pem"), "no certificate").unwrap();
    let trusting = ["--smtp-host", "localhost", "--smtp-ca", "empty.pem"];
    fails(&send(&keystead, nobody(), &trusting), 3, "there is none in it");
    fails(&send(&keystead, nobody(), &["--smtp-host", "localhost", "--smtp-ca", "no.pem"]), 3, "no.pem");
}
