//! The token system (contract 4.1, step 6) and tokens that log in once (4.24).

use keystead::model::user::Credential;

use crate::support::{Envelope, Fixture, INIT_IV, OWNERID, Reply, Server, at_once, now, post_bytes};

const TOKEN: &str = "00112233445566778899aabbccddeeff";
const LOGIN: &str = "ffeeddccbbaa99887766554433221100";

fn hash(digit: &str) -> String {
    digit.repeat(64)
}

fn init(server: &Server, token: &str, hash: &str) -> Reply {
    server.call("init", &[("enckey", "k"), ("ver", "1.0"), ("token", token), ("thash", hash)])
}

fn with_token() -> Fixture {
    let db = Fixture::new();
    db.setting("tokensystem", "1");
    db.token(TOKEN, |_| {});
    db
}

#[test]
fn the_first_file_is_the_tokens_file() {
    let server = with_token().serve(&[]);
    assert!(init(&server, TOKEN, &hash("A")).success());
    assert_eq!(server.db.token_now(TOKEN).file_hash, Some(hash("a")), "lower-cased");
    assert!(init(&server, TOKEN, &hash("a")).success(), "case does not count");
    let reply = init(&server, TOKEN, &hash("b"));
    reply.assert_refused("TOKEN_HASH_MISMATCH", "Token File Hashes Must Be The Same");
    assert_eq!(server.db.token_now(TOKEN).file_hash, Some(hash("a")), "another hash never passes");
    assert_eq!(init(&server, TOKEN, &hash("b")).error(), "TOKEN_HASH_MISMATCH", "nor the second time");
}

#[test]
fn clients_send_the_file_as_they_read_it_and_a_path_for_its_hash() {
    let server = with_token().serve(&[]);
    let path = "C:\\Users\\Mia\\Token.txt";
    for text in [TOKEN, &format!(" {TOKEN}\r\n"), &format!("{TOKEN}\r\nsecond line\n"), &format!("\n{TOKEN} \nmore")] {
        assert!(init(&server, text, path).success(), "{text:?}");
    }
    assert_eq!(init(&server, TOKEN, "C:\\Users\\Bob\\Token.txt").error(), "TOKEN_HASH_MISMATCH");
    server.db.token("fresh", |_| {});
    assert_eq!(init(&server, "fresh", &"x".repeat(257)).error(), "TOKEN_HASH_MISMATCH", "over the limit");
    assert_eq!(server.db.token_now("fresh").file_hash, None);
    assert!(init(&server, "fresh", &"x".repeat(256)).success());
}

#[test]
fn checks_are_made_in_their_order() {
    let db = Fixture::new();
    db.setting("tokensystem", "1");
    db.setting("tokeninvalid", "Who are you?");
    db.setting("paused", "1");
    let server = db.serve(&[]);
    let try_with = |pairs: &[(&str, &str)]| server.call("init", &[&[("ver", "9.9")], pairs].concat());
    assert_eq!(try_with(&[]).error(), "APP_PAUSED", "before the token");
    server.change(|db| db.setting("paused", "0"));
    try_with(&[("thash", "x")]).assert_refused("TOKEN_MISSING", "Token Must Be Provided");
    try_with(&[("token", TOKEN)]).assert_refused("TOKEN_HASH_MISSING", "Hash Must Be Provided");
    let both = &[("token", TOKEN), ("thash", "x")];
    try_with(both).assert_refused("INVALID_TOKEN", "Who are you?");
    server.db.token(TOKEN, |token| {
        token.file_hash = Some("y".to_owned());
        (token.banned, token.ban_reason) = (true, Some("passed on".to_owned()));
    });
    let banned = "The Token Has Been Blacklisted For The Following Reason: passed on Contact Application Developer If \
                  This Is A Mistake";
    try_with(both).assert_refused("TOKEN_BANNED", banned);
    server.db.sql("UPDATE tokens SET banned = 0");
    assert_eq!(try_with(both).error(), "TOKEN_HASH_MISMATCH");
    server.db.sql("UPDATE tokens SET file_hash = NULL");
    assert_eq!(try_with(both).error(), "VERSION_MISMATCH", "after the token");
    assert_eq!(server.db.token_now(TOKEN).file_hash, None, "a refused init binds nothing");
}

#[test]
fn a_token_of_another_app_is_none() {
    let db = Fixture::new();
    db.setting("tokensystem", "1");
    db.sql(&format!(
        "INSERT INTO tokens (app_id, token, created_at) SELECT id, '{TOKEN}', 1 FROM apps WHERE name = 'other'"
    ));
    let server = db.serve(&[]);
    assert_eq!(init(&server, TOKEN, &hash("a")).error(), "INVALID_TOKEN");
}

#[test]
fn newer_protocols_have_the_token_system_and_older_ones_do_not() {
    let server = with_token().serve(&["--api-1-0=true"]);
    for version in ["1.2", "1.3"] {
        assert_eq!(server.call_by(version, "init", &[]).json()["error"], "TOKEN_MISSING", "{version}");
        server.init_with(version, &[("token", TOKEN), ("thash", &hash("a")), ("enckey", "k")]);
    }
    server.init_with("1.1", &[]);
    server.init_with("1.0", &[("enckey", "k"), ("ver", "1.0")]);
}

#[test]
fn without_the_setting_nobody_is_asked() {
    let server = Fixture::new().serve(&[]);
    assert!(init(&server, "anything", "at all").success());
}

#[test]
fn of_many_files_at_one_moment_one_is_bound() {
    let server = with_token().serve(&[]);
    let replies = at_once(16, |i| init(&server, TOKEN, &hash(&format!("{:x}", i / 2))));
    let bound = server.db.token_now(TOKEN).file_hash.expect("one is bound");
    for (i, reply) in replies.iter().enumerate() {
        if hash(&format!("{:x}", i / 2)) == bound {
            assert!(reply.success(), "{i}: the same file twice: {reply:?}");
        } else {
            assert_eq!(reply.error(), "TOKEN_HASH_MISMATCH", "{i}");
        }
    }
}

#[test]
fn a_login_token_opens_its_user_once() {
    let db = Fixture::new();
    db.user("mia");
    db.user("bob");
    db.login_token("mia", LOGIN, now() + 300);
    let server = db.serve(&[]);
    let session = server.init();
    let try_as = |name: &str, token: &str| session.call("login", &[("username", name), ("token", token)]);
    for (name, token) in [("bob", LOGIN), ("mia", TOKEN), ("mia", "")] {
        assert_eq!(try_as(name, token).error(), "INVALID_PASSWORD", "{name} {token:?}");
    }
    let with_password = [("username", "mia"), ("pass", "secret"), ("token", TOKEN)];
    assert_eq!(session.call("login", &with_password).error(), "INVALID_PASSWORD", "the token counts");
    assert!(!session.is_validated());
    let reply = try_as("MIA", LOGIN);
    assert_eq!((reply.message().as_str(), &reply.json()["info"]["username"]), ("Logged in!", &"MIA".into()));
    assert!(session.is_validated());
    assert_eq!(try_as("mia", LOGIN).error(), "INVALID_PASSWORD", "used up");
    assert!(session.call("login", &[("username", "mia"), ("pass", "secret")]).success(), "her password stays");
}

#[test]
fn the_newest_token_counts_and_only_in_its_time() {
    let db = Fixture::new();
    db.user("mia");
    db.login_token("mia", LOGIN, now());
    let server = db.serve(&[]);
    let session = server.init();
    let try_with = |token: &str| session.call("login", &[("username", "mia"), ("token", token)]);
    assert_eq!(try_with(LOGIN).error(), "INVALID_PASSWORD", "its time is over");
    server.db.login_token("mia", LOGIN, now() + 300);
    server.db.login_token("mia", TOKEN, now() + 300);
    assert_eq!(try_with(LOGIN).error(), "INVALID_PASSWORD", "replaced");
    assert!(try_with(TOKEN).success());
}

#[test]
fn all_other_checks_apply_and_a_refused_login_uses_nothing_up() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.device(mia, "PC-1");
    db.login_token("mia", LOGIN, now() + 300);
    let server = db.serve(&[]);
    let session = server.init();
    let try_from = |hwid: &str| session.call("login", &[("username", "mia"), ("token", LOGIN), ("hwid", hwid)]).error();
    assert_eq!(try_from("PC-2"), "HWID_MISMATCH");
    server.db.sql("UPDATE users SET banned = 1");
    assert_eq!(try_from("PC-1"), "USER_BANNED");
    server.db.sql("UPDATE users SET banned = 0; UPDATE subscriptions SET expires_at = 1");
    assert_eq!(try_from("PC-1"), "USER_EXPIRED");
    server.db.subscription(mia, |_| {});
    assert_eq!(try_from("PC-1"), "");
}

#[test]
fn a_banned_license_is_not_opened_by_a_token() {
    let db = Fixture::new();
    let made = db.bare_user("mia", Credential::License, |_| {});
    db.subscription(made, |_| {});
    db.license_with("KEY-1", |license| {
        (license.used_at, license.used_by) = (Some(now()), Some(made));
        (license.banned, license.ban_reason) = (true, Some("chargeback".to_owned()));
    });
    db.login_token("mia", LOGIN, now() + 300);
    let server = db.serve(&[]);
    let session = server.init();
    for pairs in [&[("username", "mia"), ("token", LOGIN)][..], &[("username", "mia"), ("token", LOGIN), ("pass", "x")]]
    {
        assert_eq!(session.call("login", pairs).error(), "LICENSE_BANNED");
    }
    server.db.sql("UPDATE licenses SET banned = 0");
    assert!(session.call("login", &[("username", "mia"), ("token", LOGIN)]).success());
}

#[test]
fn a_new_password_ends_a_token() {
    let db = Fixture::new();
    let mia = db.user("mia");
    db.login_token("mia", LOGIN, now() + 300);
    db.write(move |tx| keystead::domain::user::set_credential(tx, mia, &Credential::Claimable).unwrap());
    let server = db.serve(&[]);
    assert_eq!(server.init().call("login", &[("username", "mia"), ("token", LOGIN)]).error(), "INVALID_PASSWORD");
}

#[test]
fn the_oldest_protocol_reads_no_login_token() {
    let db = Fixture::new();
    db.user("mia");
    db.login_token("mia", LOGIN, now() + 300);
    let server = db.serve(&["--api-1-0=true"]);
    let old = server.init_with("1.0", &[("enckey", "k"), ("ver", "1.0")]);
    // The protocol does not say how its clients would send one: here, as it is.
    let login = |token: &str, more: &[(&str, &str)]| {
        let usual = [
            ("type", "login"),
            ("name", "demo"),
            ("ownerid", OWNERID),
            ("sessionid", old.id.as_str()),
            ("init_iv", INIT_IV),
            ("username", "mia"),
        ];
        let form = Envelope::new("k", INIT_IV).form([&usual, more].concat());
        let body = format!("{form}&token={token}");
        let reply = server.raw(&post_bytes("/api/1.0/", "application/x-www-form-urlencoded", body.as_bytes()));
        reply.opened("k", INIT_IV)
    };
    assert_eq!(login(LOGIN, &[]).error(), "INVALID_PASSWORD", "no password");
    assert!(login(TOKEN, &[("pass", "secret")]).success());
    let new = server.init_with("1.1", &[]);
    assert!(new.call("login", &[("username", "mia"), ("token", LOGIN)]).success());
}

#[test]
fn of_many_logins_with_one_token_one_succeeds() {
    let db = Fixture::new();
    db.user("mia");
    db.login_token("mia", LOGIN, now() + 300);
    let server = db.serve(&[]);
    let sessions: Vec<_> = (0..16).map(|_| server.init()).collect();
    let replies = at_once(sessions.len(), |i| sessions[i].call("login", &[("username", "mia"), ("token", LOGIN)]));
    assert_eq!(replies.iter().filter(|reply| reply.success()).count(), 1, "{replies:?}");
    assert!(replies.iter().all(|reply| reply.success() || reply.error() == "INVALID_PASSWORD"), "{replies:?}");
    assert_eq!(sessions.iter().filter(|session| session.is_validated()).count(), 1);
}
