//! The session of a browser: its cookie, its life, and what ends who is signed in (W29, W40 to W44).

use keystead::domain::browser::{self, ALONE_SECONDS, IDLE_SECONDS, LIFE_SECONDS};
use keystead::domain::secret::token_hash;
use keystead::domain::{session, user};
use keystead::model::ids::{SessionId, UserId};
use keystead::store::sessions;

use crate::support::{Fixture, now};
use crate::{Browser, data, demo, demo_with, ids};

#[test]
fn w29_a_second_sign_up_adds_a_sign_in_that_counts() {
    let server = demo(|_| {});
    let browser = Browser::new(&server);
    let one = data(&browser.sign_up(&[("email", "mia@example.com"), ("username", "mia")]));
    let two = data(&browser.sign_up(&[("email", "ben@example.com"), ("username", "ben")]));
    assert_eq!(one["id"], two["id"]);
    let first = one["active_signin_id"].as_str().unwrap().to_owned();
    let second = two["active_signin_id"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    let mut both = ids(&two["signins"]);
    both.sort();
    let mut known = vec![first, second];
    known.sort();
    assert_eq!(both, known);
    assert_eq!(browser.session()["active_signin"]["user"]["username"], "ben");
    let mut names = browser.names();
    names.sort();
    assert_eq!(names, ["ben", "mia"]);
}

#[test]
fn w40_the_cookie_is_for_this_server_alone() {
    let server = demo(|_| {});
    let set = |path: &str| {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let reply = server.ask("POST", path, &form, b"");
        let cookie = reply.header("set-cookie").expect("a cookie").to_owned();
        assert_eq!(reply.head.matches("set-cookie").count(), 1);
        assert_eq!(reply.header("x-development-session"), None);
        let (token, attributes) = cookie.split_once("; ").expect("attributes");
        let token = token.strip_prefix("__session=").expect("its name").to_owned();
        assert!(token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
        attributes.to_owned()
    };
    assert_eq!(set("/auth/signup"), "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
    let uuid = server.db.app().uuid.clone();
    let path = format!("/wacht/{uuid}");
    let by_path = format!("Path={path}; Max-Age=2592000; HttpOnly; SameSite=Lax");
    assert_eq!(set(&format!("{path}/auth/signup")), by_path);

    let server = demo_with(&["--public-url", "https://keys.example.com/keystead"], |_| {});
    let uuid = server.db.app().uuid.clone();
    let cookie = |path: &str| server.get(path).header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie("/session").ends_with("; HttpOnly; SameSite=Lax; Secure"));
    assert!(cookie(&format!("/wacht/{uuid}/session")).contains(&format!("; Path=/keystead/wacht/{uuid}; ")));
}

#[test]
fn w41_in_staging_the_token_is_in_a_header_and_a_parameter_too() {
    let server = demo(|db| {
        db.setting("wachtStaging", "1");
        db.user("mia");
    });
    let browser = Browser::new(&server);
    let reply = browser.get("/session");
    let token = reply.header("x-development-session").expect("in staging").to_owned();
    assert_eq!(token, browser.token());
    let id = reply.json()["session"]["id"].clone();
    let target = format!("/session?__dev_session__={token}");
    assert_eq!(Browser::new(&server).get(&target).json()["session"]["id"], id);
    let other_way = Browser::new(&server);
    assert_eq!(other_way.get(&target).header("set-cookie"), None, "a link plants no cookie");
    let pairs = [("strategy", "plain_username"), ("username", "mia"), ("password", "secret")];
    let reply = other_way.post(&format!("/auth/signin?__dev_session__={token}"), &pairs);
    assert_eq!(data(&reply)["id"], id, "one browser by whichever way");
    assert_eq!(browser.names(), [""; 0], "who knew the token before knows nothing now");
    let token = reply.header("x-development-session").expect("in staging").to_owned();
    assert_eq!((&token, other_way.names()), (&other_way.token(), vec!["mia".to_owned()]));
    let target = format!("/session?__dev_session__={token}");
    for bad in ["", "x", &"0".repeat(32), &format!("{token}&__dev_session__={token}")] {
        let reply = Browser::new(&server).get(&format!("/session?__dev_session__={bad}"));
        assert_ne!(reply.json()["session"]["id"], id, "{bad}");
    }

    server.change(|db| db.setting("wachtStaging", "0"));
    let reply = Browser::new(&server).get(&target);
    assert_eq!(reply.header("x-development-session"), None);
    assert_ne!(reply.json()["session"]["id"], id, "the cookie only");
}

#[test]
fn w42_a_token_that_is_none_gives_a_new_session() {
    let server = demo(|_| {});
    let browser = Browser::new(&server);
    data(&browser.sign_up(&[("email", "mia@example.com")]));
    let (token, id) = (browser.token(), browser.session()["id"].clone());
    let tampered = token.chars().map(|c| if c == '0' { '1' } else { '0' }).collect::<String>();
    let hash = token_hash(&token);
    for bad in ["", "x", &tampered, &token.to_uppercase(), &token[1..], &format!("{token}0"), &hash, &"9".repeat(4_000)]
    {
        let other = Browser::with(&server, bad);
        let session = other.session();
        if bad == token {
            continue; // All digits: the same in upper case.
        }
        assert_ne!(session["id"], id, "{bad}");
        assert_eq!(session["signins"], serde_json::json!([]), "{bad}");
        assert_ne!(other.token(), token);
    }
    let other_app =
        server.db.sql_text("SELECT uuid FROM app_names n JOIN apps a ON a.id = n.app_id WHERE a.name = 'other'");
    let elsewhere = Browser::with(&server, &token).get(&format!("/wacht/{other_app}/session")).json();
    assert_ne!(elsewhere["session"]["id"], id, "another app's browser is none");
    assert_eq!(elsewhere["data"]["signins"], serde_json::json!([]));
    assert_eq!(Browser::with(&server, &token).session()["id"], id, "still there");
}

#[test]
fn w43_the_token_is_kept_as_its_hash() {
    let server = demo(|_| {});
    let (one, two) = (Browser::new(&server), Browser::new(&server));
    one.session();
    two.session();
    assert_ne!(one.token(), two.token());
    for token in [one.token(), two.token()] {
        let hash = token_hash(&token);
        assert_eq!(server.db.count(&format!("SELECT count(*) FROM browsers WHERE token_hash = '{hash}'")), 1);
        for file in std::fs::read_dir(server.db.folder()).unwrap().map(Result::unwrap) {
            let bytes = std::fs::read(file.path()).unwrap();
            assert!(!bytes.windows(32).any(|window| window == token.as_bytes()), "{:?}", file.path());
        }
    }
}

#[test]
fn w44_a_session_is_over_after_30_days_and_after_7_without_use() {
    let server = demo(|_| {});
    let cases = [
        (LIFE_SECONDS, 0, false),
        (LIFE_SECONDS - 60, 0, true),
        (IDLE_SECONDS, IDLE_SECONDS, false),
        (IDLE_SECONDS, IDLE_SECONDS - 60, true),
    ];
    for (n, (age, unused, lives)) in cases.into_iter().enumerate() {
        let browser = Browser::new(&server);
        let known = data(&browser.sign_up(&[("email", &format!("u{n}@example.com"))]));
        let id = known["id"].as_str().unwrap();
        let (created, used) = (now().0 - age, now().0 - unused);
        server.db.sql(&format!("UPDATE browsers SET created_at = {created}, used_at = {used} WHERE id = {id}"));
        let session = browser.session();
        assert_eq!(session["id"] == id, lives, "{age} {unused}");
        assert_eq!(session["signins"].as_array().unwrap().is_empty(), !lives);
        if lives {
            let noted = server.db.count(&format!("SELECT used_at FROM browsers WHERE id = {id}"));
            assert!(now().0 - noted < 3_600, "this use counts from now on");
        }
    }
    // Its sign-ins end with it.
    let ends = "SELECT max(s.expires_at - b.created_at) FROM sign_ins i JOIN browsers b ON b.id = i.browser_id \
                JOIN sessions s ON s.id = i.session_id WHERE b.created_at > unixepoch() - 60";
    let browser = Browser::new(&server);
    data(&browser.sign_up(&[("email", "last@example.com")]));
    assert_eq!(server.db.count(ends), LIFE_SECONDS);
}

#[test]
fn a_use_is_written_once_an_hour() {
    let server = demo(|_| {});
    let browser = Browser::new(&server);
    browser.session();
    let used = || server.db.count("SELECT used_at FROM browsers");
    let set = |seconds: i64| {
        let at = now().0 - seconds;
        server.db.sql(&format!("UPDATE browsers SET used_at = {at}"));
        at
    };
    let before = set(3_000);
    browser.session();
    assert_eq!(used(), before);
    let before = set(3_700);
    browser.session();
    assert!(used() > before);
}

#[test]
fn whatever_ends_a_users_sessions_signs_it_out() {
    type End = fn(&Fixture, UserId);
    let ends: [(&str, End); 5] = [
        ("ban", |db, id| db.write(move |tx| user::ban_user(tx, id, None).unwrap())),
        ("delete", |db, id| db.write(move |tx| user::delete(tx, id).unwrap())),
        ("kill", |db, id| {
            db.write(move |tx| sessions::end_of_user(tx, id, now()).unwrap());
        }),
        ("password", |db, id| {
            let credential = keystead::model::user::Credential::Locked;
            db.write(move |tx| user::set_credential(tx, id, &credential).unwrap());
        }),
        ("one session", |db, id| {
            let text = db.sql_text(&format!("SELECT id FROM sessions WHERE user_id = {}", id.0));
            let (app, session): (_, SessionId) = (db.app().clone(), text.parse().unwrap());
            db.write(move |tx| session::end(tx, &app, session, now()).unwrap());
        }),
    ];
    let server = demo(|_| {});
    for (n, (name, end)) in ends.into_iter().enumerate() {
        let browser = Browser::new(&server);
        let (mia, ben) = (format!("mia{n}"), format!("ben{n}"));
        data(&browser.sign_up(&[("email", &format!("{ben}@example.com")), ("username", &ben)]));
        data(&browser.sign_up(&[("email", &format!("{mia}@example.com")), ("username", &mia)]));
        let id = server.db.user_now(&mia).unwrap().id;
        server.change(|db| end(db, id));
        assert_eq!(browser.names(), [ben.as_str()], "{name}");
        let session = browser.session();
        assert_eq!(
            (&session["active_signin_id"], &session["active_signin"]),
            (&serde_json::Value::Null, &serde_json::Value::Null)
        );
        assert_eq!(ids(&session["signins"]).len(), 1, "{name}");
    }
}

#[test]
fn an_app_may_want_one_session_for_each_user() {
    let server = demo(|db| {
        db.setting("killOtherSessions", "1");
        db.user("mia");
    });
    let (one, two) = (Browser::new(&server), Browser::new(&server));
    one.sign_in("mia", "secret");
    two.sign_in("mia", "secret");
    assert_eq!((one.names(), two.names()), (vec![], vec!["mia".to_owned()]));
}

#[test]
fn browsers_that_nobody_uses_are_deleted_with_who_is_signed_in_there() {
    let db = Fixture::new();
    db.user("mia");
    db.setting("wachtDefault", "1");
    let server = db.serve(&[]);
    let (alone, signed_in, signed_out) = (Browser::new(&server), Browser::new(&server), Browser::new(&server));
    let alone_id = alone.session()["id"].clone();
    let signed_in_id = signed_in.sign_in("mia", "secret")["id"].clone();
    let signed_out_id = signed_out.sign_in("mia", "secret")["id"].clone();
    data(&signed_out.post("/session/sign-out", &[]));
    let left = |ago: i64| {
        server.db.sql(&format!("UPDATE browsers SET used_at = {}", now().0 - ago));
        server.db.write(|tx| browser::clean(tx, now()).unwrap());
        let known = |id: &serde_json::Value| {
            server.db.count(&format!("SELECT count(*) FROM browsers WHERE id = {}", id.as_str().unwrap())) == 1
        };
        (known(&alone_id), known(&signed_in_id), known(&signed_out_id))
    };
    let live = || {
        let sql =
            "SELECT count(*) FROM sessions WHERE kind = 'sign-in' AND ended_at IS NULL AND expires_at > unixepoch()";
        server.db.count(sql)
    };
    assert_eq!(left(ALONE_SECONDS - 60), (true, true, true));
    assert_eq!(left(ALONE_SECONDS + 60), (false, true, false));
    assert_eq!(left(IDLE_SECONDS - 60), (false, true, false));
    assert_eq!(live(), 1);
    assert_eq!(left(IDLE_SECONDS + 60), (false, false, false));
    assert_eq!(live(), 0);
}

#[test]
fn the_database_finds_what_to_delete_by_an_index() {
    let db = Fixture::new();
    for (state, index) in [("IS NULL", "browsers_by_use_alone"), ("IS NOT NULL", "browsers_by_use")] {
        let connection = rusqlite::Connection::open(db.path()).unwrap();
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT id FROM browsers WHERE active {state} AND used_at < 7 ORDER BY used_at LIMIT 9"
        );
        let plan: String = connection.query_row(&sql, [], |row| row.get(3)).unwrap();
        assert!(plan.contains(&format!("INDEX {index} (used_at<?)")), "{plan}");
    }
}
