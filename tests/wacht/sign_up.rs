//! `POST /auth/signup`: what makes a user, and what is refused (W10 to W19, W30, W31, W33, W34).

use keystead::domain::secret::Hasher;
use keystead::model::user::Credential;

use crate::support::Fixture;
use crate::{Browser, check_refused, data, demo};

const PASSWORD: (&str, &str) = ("password", "hunter22");

#[test]
fn w10_an_address_is_kept_in_one_form_and_is_one_users() {
    let server = demo(|db| {
        db.bare_user("kim", Credential::Locked, |user| {
            user.email_sha1 = Some(keystead::domain::secret::email_sha1("kim@example.com"));
        });
    });
    let browser = Browser::new(&server);
    data(&browser.sign_up(&[("email", "  Mia.Smith@Example.COM\n"), ("username", "mia")]));
    assert_eq!(server.db.user_now("mia").unwrap().email.as_deref(), Some("mia.smith@example.com"));
    for email in ["mia.smith@example.com", "MIA.SMITH@EXAMPLE.COM", "kim@example.com"] {
        let reply = Browser::new(&server).sign_up(&[("email", email)]);
        check_refused(&reply, 400, "Field errors", &["EMAIL_EXISTS"]);
        assert_eq!(reply.json()["errors"][0]["message"], "This email address is already in use.");
    }
    check_refused(&Browser::new(&server).sign_up(&[]), 400, "Email is required", &["BAD_REQUEST_BODY"]);
    check_refused(&Browser::new(&server).sign_up(&[("email", " ")]), 400, "Email is required", &["BAD_REQUEST_BODY"]);
    let long = format!("{}@example.com", "x".repeat(243));
    for email in ["mia", "@example.com", "mia@", "mia@example", "m@a@example.com", "mia smith@example.com", &long] {
        let reply = Browser::new(&server).sign_up(&[("email", email)]);
        check_refused(&reply, 400, "Email is invalid", &["BAD_REQUEST_BODY"]);
    }
    data(&Browser::new(&server).sign_up(&[("email", &long[1..])]));
    assert_eq!(server.db.users(), 3);
}

#[test]
fn w11_an_empty_field_was_not_sent() {
    let server = demo(|_| {});
    let empty =
        ["first_name", "last_name", "username", "phone_number", "phone_country_code", "password", "invite_token"];
    let mut pairs: Vec<_> = empty.iter().map(|name| (*name, "")).collect();
    pairs.push(("email", "mia@example.com"));
    data(&Browser::new(&server).sign_up(&pairs));
    pairs.last_mut().unwrap().1 = "ben@example.com";
    data(&Browser::new(&server).sign_up(&pairs));
    let user = server.db.user_now("mia@example.com").expect("named by its address");
    assert_eq!((user.profile.phone, user.profile.first_name, user.credential), (None, None, Credential::Locked));
}

#[test]
fn w12_a_username_is_one_users_in_all_formats() {
    let server = demo(|db| {
        db.user("ben");
        db.user("nina@example.com");
        db.license("KEY-1");
    });
    let sign_up = |pairs: &[(&str, &str)]| Browser::new(&server).sign_up(pairs);
    let reply = sign_up(&[("email", "ben@example.com"), ("username", "BEN")]);
    check_refused(&reply, 400, "Field errors", &["USERNAME_EXISTS"]);
    assert_eq!(reply.json()["errors"][0]["message"], "This username is already taken.");
    data(&sign_up(&[("email", "mia@example.com"), ("username", "mia")]));
    let register = [("username", "Mia"), ("pass", "x"), ("key", "KEY-1")];
    assert_eq!(server.init().call("register", &register).error(), "USERNAME_TAKEN");

    let name_of = |email: &str| server.db.sql_text(&format!("SELECT name FROM users WHERE email = '{email}'"));
    data(&sign_up(&[("email", "Kim@example.com")]));
    assert_eq!(name_of("kim@example.com"), "kim@example.com");
    let long = format!("{}@example.com", "x".repeat(59));
    assert_eq!(long.len(), 71);
    for email in ["nina@example.com", &long] {
        data(&sign_up(&[("email", email)]));
        let name = name_of(email);
        let drawn = name.strip_prefix("user_").expect("drawn");
        assert!(drawn.len() == 12 && drawn.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')), "{name}");
    }
    data(&sign_up(&[("email", &long[1..])]));
    assert_eq!(name_of(&long[1..]), long[1..], "70 bytes are a name");
}

#[test]
fn w13_a_phone_number_is_one_users() {
    let server = demo(|_| {});
    let sign_up = |email: &str, phone: &str| {
        let pairs = [("email", email), ("phone_number", phone), ("phone_country_code", "+1")];
        Browser::new(&server).sign_up(&pairs)
    };
    data(&sign_up("mia@example.com", "+1234567890"));
    let profile = server.db.user_now("mia@example.com").unwrap().profile;
    assert_eq!((profile.phone.as_deref(), profile.phone_country_code.as_deref()), (Some("+1234567890"), Some("+1")));
    let reply = sign_up("ben@example.com", " +1234567890 ");
    check_refused(&reply, 400, "Field errors", &["PHONE_NUMBER_EXISTS"]);
    let text = "This phone number is already associated with an account.";
    assert_eq!(reply.json()["errors"][0]["message"], text);
    let reply = sign_up("ben@example.com", &"1".repeat(33));
    check_refused(&reply, 400, "Name or phone number is invalid", &["BAD_REQUEST_BODY"]);
    data(&sign_up("ben@example.com", &"1".repeat(32)));
}

#[test]
fn w14_a_password_has_eight_characters() {
    let server = demo(|_| {});
    for (password, fits) in [("1234567", false), ("äöüäöüä", false), ("  1234567  ", false), ("äöüäöüäö", true)]
    {
        let reply = Browser::new(&server).sign_up(&[("email", "mia@example.com"), ("password", password)]);
        if fits {
            data(&reply);
        } else {
            check_refused(&reply, 400, "Password must be at least 8 characters", &["BAD_REQUEST_BODY"]);
        }
    }
    let Credential::Password(hash) = server.db.user_now("mia@example.com").unwrap().credential else { panic!() };
    assert!(Hasher::default().verify("äöüäöüäö", &hash));
}

#[test]
fn w15_without_a_password_no_password_opens_the_user() {
    let server = demo(|_| {});
    data(&Browser::new(&server).sign_up(&[("email", "mia@example.com")]));
    for password in ["hunter22", "mia@example.com", "x"] {
        let login = server.init().call("login", &[("username", "mia@example.com"), ("pass", password)]);
        assert_eq!(login.error(), "INVALID_PASSWORD");
        let pairs = [("strategy", "plain_email"), ("email", "mia@example.com"), ("password", password)];
        let reply = Browser::new(&server).post("/auth/signin", &pairs);
        check_refused(&reply, 401, "Invalid credentials", &["INVALID_CREDENTIALS"]);
    }
    assert_eq!(server.db.user_now("mia@example.com").unwrap().credential, Credential::Locked);
}

#[test]
fn w16_w17_an_open_app_looks_at_no_invitation_and_gives_no_subscription() {
    let server = demo(|db| {
        db.license("KEY-1");
        db.license("KEY-2");
    });
    let long = "x".repeat(200);
    for (email, invitation) in
        [("mia@example.com", "KEY-1"), ("ben@example.com", "nonsense"), ("kim@example.com", &long)]
    {
        data(&Browser::new(&server).sign_up(&[("email", email), PASSWORD, ("invite_token", invitation)]));
        assert!(server.db.held_by(server.db.user_now(email).unwrap().id).is_empty());
    }
    assert!(server.db.license_now("KEY-1").used_at.is_none());
    let session = server.init();
    let login = [("username", "mia@example.com"), ("pass", "hunter22")];
    assert_eq!(session.call("login", &login).error(), "USER_EXPIRED");
    assert!(session.call("upgrade", &[("username", "mia@example.com"), ("key", "KEY-2")]).success());
    assert!(session.call("login", &login).success(), "with a key redeemed");
}

#[test]
fn w18_w19_the_user_is_signed_in_at_once_and_no_secret_comes_back() {
    let server = demo(|db| {
        db.setting("wachtSignUp", "invitation");
        db.license("KEY-INVITES");
    });
    let browser = Browser::new(&server);
    let reply = browser.sign_up(&[
        ("email", "mia@example.com"),
        ("password", "hunter22-secret"),
        ("phone_number", "+1234567890"),
        ("phone_country_code", "+49"),
        ("invite_token", "KEY-INVITES"),
        ("username", "mia"),
    ]);
    assert_eq!(data(&reply)["signins"].as_array().map(Vec::len), Some(1));
    assert_eq!(browser.names(), ["mia"], "no verification in between");
    let stored = format!("{:?}", server.db.user_now("mia").unwrap().credential);
    for secret in ["hunter22", "1234567890", "+49", "KEY-INVITES", "argon2"] {
        assert!(!reply.text().contains(secret) && !reply.head.contains(secret), "{secret}: {reply:?}");
    }
    assert_eq!(stored, "Password(…)");
    let (_, log) = server.stop();
    for secret in ["hunter22", "1234567890", "KEY-INVITES", "mia@example"] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{secret}: {log:?}");
    }
}

#[test]
fn w30_what_is_wrong_is_told_in_one_order() {
    let server = demo(|db| {
        db.user("mia");
        db.setting("wachtSignUp", "closed");
    });
    let sign_up = |pairs: &[(&str, &str)]| Browser::new(&server).sign_up(pairs);
    let (short, bad) = (("password", "x"), ("email", "mia"));
    let taken = [("email", "mia@example.com"), ("username", "mia")];
    let twice = [bad, short, bad];
    check_refused(&sign_up(&twice), 400, "Bad request body", &["BAD_REQUEST_BODY"]);
    check_refused(&sign_up(&[short, bad]), 400, "Email is invalid", &["BAD_REQUEST_BODY"]);
    let reply = sign_up(&[taken[0], taken[1], short]);
    check_refused(&reply, 400, "Password must be at least 8 characters", &["BAD_REQUEST_BODY"]);
    check_refused(&sign_up(&taken), 403, "Sign up is restricted", &["SIGNUP_RESTRICTED"]);
    server.change(|db| db.setting("wachtSignUp", "open"));
    check_refused(&sign_up(&taken), 400, "Field errors", &["USERNAME_EXISTS"]);
    data(&sign_up(&[taken[0], ("username", "nina"), ("phone_number", "1")]));
    let all = [taken[0], taken[1], ("phone_number", "1")];
    check_refused(&sign_up(&all), 400, "Field errors", &["EMAIL_EXISTS", "USERNAME_EXISTS", "PHONE_NUMBER_EXISTS"]);
    check_refused(&sign_up(&[all[0], all[2]]), 400, "Field errors", &["EMAIL_EXISTS", "PHONE_NUMBER_EXISTS"]);
    assert_eq!(server.db.users(), 2);
}

#[test]
fn w31_a_failure_writes_nothing_but_a_session() {
    let server = demo(|db| {
        db.user("mia");
        db.setting("wachtSignUp", "invitation");
        db.license("KEY-1");
    });
    let rows = |table: &str| server.db.count(&format!("SELECT count(*) FROM {table}"));
    let browser = Browser::new(&server);
    let before = rows("sessions");
    for pairs in [
        &[("email", "x"), ("invite_token", "KEY-1")][..],
        &[("email", "x@example.com"), ("username", "mia"), ("invite_token", "KEY-1")],
        &[("email", "x@example.com"), ("password", "1"), ("invite_token", "KEY-1")],
        &[("email", "x@example.com")],
    ] {
        assert!(browser.sign_up(pairs).status >= 400);
        assert_eq!((rows("users"), rows("sessions"), rows("sign_ins"), rows("browsers")), (1, before, 0, 1));
        assert!(server.db.license_now("KEY-1").used_at.is_none());
    }
}

#[test]
fn w33_w34_who_may_sign_up() {
    let server = demo(|db| {
        db.setting("wachtSignUp", "invitation");
        db.license("KEY-1");
        db.license("KEY-OPEN");
        db.license_with("KEY-BANNED", |license| license.banned = true);
        db.license_with("KEY-PAUSED", |license| license.paused = true);
        db.license_with("KEY-OVER", |license| license.expires_at = Some(crate::support::now() + -1));
        db.license_with("KEY-NOTHING", |license| license.level = "9".into());
    });
    let sign_up = |email: &str, invitation: &str| {
        Browser::new(&server).sign_up(&[("email", email), PASSWORD, ("invite_token", invitation)])
    };
    let long = "x".repeat(71);
    for key in ["", "nonsense", "KEY-BANNED", "KEY-PAUSED", "KEY-OVER", "KEY-NOTHING", &long] {
        check_refused(&sign_up("mia@example.com", key), 403, "Sign up is restricted", &["SIGNUP_RESTRICTED"]);
    }
    data(&sign_up("mia@example.com", "key-1"));
    let mia = server.db.user_now("mia@example.com").unwrap();
    assert_eq!(server.db.license_now("KEY-1").used_by, Some(mia.id));
    assert_eq!(server.db.held_by(mia.id)[0].plan, "default");
    assert!(server.init().call("login", &[("username", "mia@example.com"), ("pass", "hunter22")]).success());
    check_refused(&sign_up("ben@example.com", "KEY-1"), 403, "Sign up is restricted", &["SIGNUP_RESTRICTED"]);
    // Who may not sign up learns nothing about those who did; a wrong invitation is no wrong password either.
    check_refused(&sign_up("mia@example.com", "KEY-1"), 403, "Sign up is restricted", &["SIGNUP_RESTRICTED"]);

    server.change(|db| db.setting("wachtSignUp", "closed"));
    for email in ["mia@example.com", "ben@example.com"] {
        check_refused(&sign_up(email, "KEY-OPEN"), 403, "Sign up is restricted", &["SIGNUP_RESTRICTED"]);
    }
    server.change(|db| db.setting("wachtSignUp", "open"));
    data(&sign_up("ben@example.com", "KEY-OPEN"));
    assert!(server.db.license_now("KEY-OPEN").used_at.is_none());
}

#[test]
fn an_app_that_takes_nobody_in_says_so() {
    let server = demo(|db| db.ban_network("127.0.0.0/8"));
    let email = ("email", "mia@example.com");
    let sign_up = || Browser::new(&server).sign_up(&[email]);
    check_refused(&sign_up(), 403, "Sign up is restricted", &["SIGNUP_RESTRICTED"]);
    server.change(|db| db.sql("DELETE FROM bans"));
    for (setting, off, on) in [("enabled", "0", "1"), ("paused", "1", "0"), ("banned", "1", "0")] {
        server.change(|db| db.setting(setting, off));
        check_refused(&sign_up(), 403, "Sign up is restricted", &["SIGNUP_RESTRICTED"]);
        let browser = Browser::new(&server);
        check_refused(&browser.get("/session"), 403, "Access is restricted", &["ACCESS_RESTRICTED"]);
        server.change(|db| db.setting(setting, on));
    }
    data(&sign_up());
}

#[test]
fn the_settings_of_the_app_hold_here_too() {
    let db = Fixture::new();
    db.setting("wachtDefault", "1");
    db.setting("minUsernameLength", "4");
    db.setting("blockLeakedPasswords", "1");
    // The SHA-1 of "password".
    let list = db.file("leaked.txt", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8\n");
    let server = db.serve(&["--leaked-passwords", &list]);
    let sign_up = |pairs: &[(&str, &str)]| Browser::new(&server).sign_up(pairs);
    for name in ["mia", &"x".repeat(71), "m\u{1}ia"] {
        let reply = sign_up(&[("email", "mia@example.com"), ("username", name)]);
        check_refused(&reply, 400, "Username is invalid", &["BAD_REQUEST_BODY"]);
    }
    for password in ["password", &"x".repeat(1_025)] {
        let reply = sign_up(&[("email", "mia@example.com"), ("password", password)]);
        check_refused(&reply, 400, "Password is invalid", &["BAD_REQUEST_BODY"]);
    }
    data(&sign_up(&[("email", "mia@example.com"), ("password", &"x".repeat(1_024))]));
}
