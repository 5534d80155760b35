//! The pages that a browser sees, against the real server: the link of a mail sets a password once, for its user only,
//! and shows nothing to others. How a link is mailed is tested elsewhere.

mod support;

use keystead::domain::secret::token_hash;
use keystead::model::user::Credential;
use keystead::store::one_time_secrets::{self, Kind};
use support::{Fixture, Reply, Server, now, password_hash, post_bytes};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A server with the user mia, who has this link.
fn with_link(prepare: impl FnOnce(&Fixture)) -> Server {
    let db = Fixture::new();
    let user = db.user("mia");
    db.write(move |tx| {
        one_time_secrets::replace(tx, user, Kind::Reset, &token_hash(TOKEN), now(), now() + 60).unwrap()
    });
    prepare(&db);
    db.serve(&[])
}

fn show(server: &Server, token: &str) -> Reply {
    server.get(&format!("/reset?token={token}"))
}

fn submit(server: &Server, password: &str, again: &str) -> Reply {
    let body = format!("token={TOKEN}&password={password}&again={again}");
    server.raw(&post_bytes("/reset", "application/x-www-form-urlencoded", body.as_bytes()))
}

fn status(reply: &Reply) -> &str {
    reply.head.split(' ').nth(1).unwrap()
}

fn logs_in(server: &Server, password: &str) -> bool {
    server.init().call("login", &[("username", "mia"), ("pass", password)]).success()
}

#[test]
fn the_page_names_the_user_and_the_app_and_changes_nothing() {
    let server = with_link(|_| ());
    for _ in 0..2 {
        let reply = show(&server, TOKEN);
        assert_eq!(status(&reply), "200");
        insta::assert_snapshot!("reset_page", reply.text());
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert!(reply.header("content-security-policy").unwrap().contains("default-src 'none'"));
    }
    assert_eq!(status(&submit(&server, "new", "new")), "200", "looking uses nothing up");
}

#[test]
fn the_form_sets_the_password_once_and_logs_out_everywhere() {
    let server = with_link(|_| ());
    let session = server.init();
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success());
    let reply = submit(&server, "n%C3%A9w+pass", "n%C3%A9w+pass");
    assert!(reply.text().contains("Your password is set"), "{}", reply.text());
    assert!(!session.is_validated(), "nobody is logged in with the old one");
    assert!(!logs_in(&server, "secret"));
    assert!(logs_in(&server, "néw pass"));
    let again = submit(&server, "third", "third");
    assert_eq!(status(&again), "410");
    assert!(again.text().contains("does not work any more"));
    assert!(logs_in(&server, "néw pass"), "a used link changes nothing");
}

#[test]
fn of_two_forms_at_once_one_wins() {
    let server = with_link(|_| ());
    let replies: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = ["one", "two", "three", "four"]
            .map(|password| {
                let server = &server;
                scope.spawn(move || (password, submit(server, password, password)))
            })
            .into_iter()
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<_> =
        replies.iter().filter(|(_, reply)| status(reply) == "200").map(|(password, _)| *password).collect();
    assert_eq!(won.len(), 1, "{won:?}");
    assert!(logs_in(&server, won[0]));
}

#[test]
fn unfit_passwords_keep_the_link_good() {
    let server = with_link(|_| ());
    for (password, again, says) in [
        ("one", "two", "not the same"),
        ("", "", "Type a password"),
        ("+", "+", "Type a password"),
        (&"x".repeat(2_000), &"x".repeat(2_000), "too long"),
        ("a%00b", "a%00b", "could not be read"),
    ] {
        let reply = submit(&server, password, again);
        assert!(reply.text().contains(says), "{says}: {}", reply.text());
        assert!(reply.text().contains("<form"), "one can try again");
    }
    assert!(logs_in(&server, "secret"));
    assert_eq!(status(&submit(&server, "fits", "fits")), "200");
}

#[test]
fn what_is_no_good_link_shows_nobody() {
    let server = with_link(|_| ());
    for token in ["", "0", &"f".repeat(32), &TOKEN.to_uppercase(), &format!("{TOKEN}0")] {
        let reply = show(&server, token);
        assert_eq!(status(&reply), "410", "{token}");
        assert!(!reply.text().contains("mia"));
    }
    assert_eq!(status(&server.get("/reset")), "410");

    let expired = with_link(|db| db.sql("UPDATE one_time_secrets SET expires_at = expires_at - 61"));
    assert_eq!(status(&show(&expired, TOKEN)), "410");
    assert_eq!(status(&submit(&expired, "new", "new")), "410");

    let login = with_link(|db| db.sql("UPDATE one_time_secrets SET kind = 'login'"));
    assert_eq!(status(&show(&login, TOKEN)), "410", "a token for something else is no link");
}

/// Contract, Appendix D: a license-only user never gets a password.
#[test]
fn a_license_only_user_gets_no_password() {
    let server = with_link(|db| db.sql("UPDATE users SET login = 'license', secret = NULL"));
    assert_eq!(status(&submit(&server, "new", "new")), "410");
    server.change(|db| assert!(matches!(db.user_now("mia").unwrap().credential, Credential::License)));
}

#[test]
fn names_are_text_and_not_html() {
    let server = with_link(|db| {
        db.sql("UPDATE users SET name = '<script>alert(1)</script>\"'");
        db.sql("UPDATE apps SET name = 'A & <b>B</b>' WHERE name = 'demo'");
    });
    let text = show(&server, TOKEN).text();
    assert!(!text.contains("<script>") && !text.contains("<b>"), "{text}");
    assert!(text.contains("&#60;script&#62;"), "{text}");
}

#[test]
fn the_style_is_there_and_nothing_is_loaded_from_elsewhere() {
    let server = with_link(|_| ());
    let style = server.get("/style.css");
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    for text in [style.text(), show(&server, TOKEN).text()] {
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("url("), "{text}");
    }
    assert_eq!(status(&server.raw(b"HEAD /reset HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")), "410");
}

/// Contract 4.6, each refusal in its order, as far as it needs no mail server.
#[test]
fn forgot_refuses_what_it_should() {
    let db = Fixture::new();
    db.bare_user("mia", Credential::Password(password_hash("secret")), |user| {
        user.email_sha1 = Some(keystead::domain::secret::email_sha1("Mia@Example.com"));
    });
    db.user("without");
    db.bare_user("KEY-1", Credential::License, |user| {
        user.email_sha1 = Some(keystead::domain::secret::email_sha1("key@example.com"));
    });
    let server = db.serve(&[]);
    let session = server.init();
    let forgot = |username, email| session.call("forgot", &[("username", username), ("email", email)]);
    forgot("nobody", "mia@example.com").assert_refused("USER_NOT_FOUND", "No user found with that username!");
    forgot("", "mia@example.com").assert_refused("USER_NOT_FOUND", "No user found with that username!");
    let missing = "Email address not provided during register, ask developer to edit your account and change email.";
    forgot("without", "mia@example.com").assert_refused("EMAIL_MISSING", missing);
    forgot("KEY-1", "key@example.com").assert_refused("EMAIL_MISSING", missing);
    forgot("mia", "other@example.com").assert_refused("EMAIL_MISMATCH", "Email address doesn't match!");
    forgot("mia", "").assert_refused("EMAIL_MISMATCH", "Email address doesn't match!");
    forgot("MIA", "mia@EXAMPLE.com")
        .assert_refused("MAIL_UNAVAILABLE", "This server sends no mail. Ask the developer to reset your password.");
}
