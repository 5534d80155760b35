//! Everything at one moment, by whatever format: one key is used once, one name and one address are taken once, every
//! loser is told so in its format's words and has lost nothing. What is left behind is read from the file.

use serde_json::{Value, json};

use crate::doors::{DEVICE, Door, Doors, is_success};
use crate::support::{Fixture, Reply, at_once};

const PASSWORD: &str = "a good password";
const DAY: i64 = 86_400;

/// A way to use up a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    KeyAuthRegister,
    KeyAuthLicense,
    KeyAuthUpgrade,
    AuthgateSignUp,
    AuthgateActivate,
    AuthlyRegister,
    AuthlyLicenses,
    AuthlyExtend,
    WachtInvitation,
}

use Way::{
    AuthgateActivate, AuthgateSignUp, AuthlyExtend, AuthlyLicenses, AuthlyRegister, KeyAuthLicense, KeyAuthRegister,
    KeyAuthUpgrade, WachtInvitation,
};

/// A call that is ready to be sent: everything that needs an answer first has one.
enum Call<'a> {
    Form(String, Vec<(String, String)>),
    Json(String, Vec<(&'a str, &'a str)>, Value),
}

impl Call<'_> {
    fn send(&self, doors: &Doors) -> Reply {
        match self {
            Call::Form(path, pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                doors.server.post_form(path, &[], &pairs)
            }
            Call::Json(path, headers, body) => doors.server.post_json(path, headers, body),
        }
    }
}

fn keyauth<'a>(doors: &Doors, call: &str, pairs: &[(&str, &str)]) -> Call<'a> {
    let session = doors.server.init().id;
    let usual = [("type", call), ("sessionid", &session), ("name", "demo"), ("ownerid", crate::support::OWNERID)];
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Call::Form("/api/1.2/".to_owned(), usual.iter().chain(pairs).map(owned).collect())
}

fn authgate<'a>(doors: &'a Doors, call: &str, body: Value) -> Call<'a> {
    Call::Json(format!("/api/integration{call}"), doors.credentials().to_vec(), body)
}

fn authly<'a>(doors: &Doors, call: &str, mut body: Value) -> Call<'a> {
    body["session_id"] = doors.authly_session().into();
    Call::Json(format!("/api/v2{call}"), Vec::new(), body)
}

fn wacht<'a>(doors: &Doors, pairs: &[(&str, &str)]) -> Call<'a> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Call::Form(format!("/wacht/{}/auth/signup", doors.app), pairs.iter().map(owned).collect())
}

impl Way {
    /// The call that uses this key in this way; new users get a name of their own.
    fn call<'a>(self, doors: &'a Doors, key: &str, name: &str) -> Call<'a> {
        let email = format!("{name}@example.com");
        match self {
            KeyAuthRegister => {
                keyauth(doors, "register", &[("username", name), ("pass", PASSWORD), ("key", key), ("hwid", DEVICE)])
            }
            KeyAuthLicense => keyauth(doors, "license", &[("key", key), ("hwid", DEVICE)]),
            KeyAuthUpgrade => keyauth(doors, "upgrade", &[("username", "cid"), ("key", key)]),
            AuthgateSignUp => {
                authgate(doors, "/sign_up_with_license_code", json!({"code": key, "hardware_id": DEVICE}))
            }
            AuthgateActivate => {
                authgate(doors, "/activate_license", json!({"code": key, "username": "ann", "password": "secret"}))
            }
            AuthlyRegister => {
                let body = json!({"username": name, "password": PASSWORD, "key": key, "sid": DEVICE});
                authly(doors, "/register", body)
            }
            AuthlyLicenses => authly(doors, "/licenses", json!({"license_key": key, "sid": DEVICE})),
            AuthlyExtend => authly(doors, "/extend", json!({"username": "bob", "license_key": key, "sid": DEVICE})),
            WachtInvitation => {
                wacht(doors, &[("username", name), ("email", &email), ("password", PASSWORD), ("invite_token", key)])
            }
        }
    }

    /// What a loser is told.
    fn lost(self) -> (Door, &'static str) {
        match self {
            KeyAuthRegister | KeyAuthLicense | KeyAuthUpgrade => (Door::KeyAuth, "LICENSE_IN_USE"),
            AuthgateSignUp => (Door::Authgate, "422 Invalid or already used license code"),
            AuthgateActivate => (Door::Authgate, "401 "),
            AuthlyRegister | AuthlyLicenses | AuthlyExtend => (Door::Authly, "403 LICENSE_IN_USE"),
            WachtInvitation => (Door::Wacht, "403 SIGNUP_RESTRICTED"),
        }
    }

    /// Whether it also lets in whom the license has made.
    fn enters(self) -> bool {
        matches!(self, KeyAuthLicense | AuthlyLicenses)
    }
}

/// One key for all of these at one moment, so many times.
fn contest(ways: &[Way], rounds: usize) {
    let db = Fixture::new();
    db.setting("wachtSignUp", "invitation");
    // Each way has a turn at being sent first.
    let keys: Vec<String> = (0..rounds).map(|round| format!("ONE-KEY-{round}")).collect();
    for key in &keys {
        db.license(key);
    }
    for name in ["ann", "bob", "cid"] {
        db.bare_user(
            name,
            keystead::model::user::Credential::Password(crate::support::password_hash("secret")),
            |_| {},
        );
    }
    let doors = Doors::open_with(db, &["--rate-limit", "off"]);
    let mut prolonged = 0;
    for (round, key) in keys.iter().enumerate() {
        let mut turn = ways.to_vec();
        turn.rotate_left(round % ways.len());
        let names: Vec<String> = (0..turn.len()).map(|i| format!("user-{round}-{i}")).collect();
        let calls: Vec<Call<'_>> = turn.iter().zip(&names).map(|(way, name)| way.call(&doors, key, name)).collect();
        let before = doors.db().users();
        let replies = at_once(turn.len(), |i| calls[i].send(&doors));

        let used_by = doors.db().license_now(key).used_by.unwrap_or_else(|| panic!("somebody won: {replies:?}"));
        let winner = doors.db().sql_text(&format!("SELECT name FROM users WHERE id = {}", used_by.0));
        let made = doors.db().users() - before;
        let is_license =
            doors.db().count(&format!("SELECT login = 'license' FROM users WHERE id = {}", used_by.0)) == 1;
        let mut winners = Vec::new();
        for (way, reply) in turn.iter().zip(&replies) {
            if is_success(reply) {
                // Coming in by the license of a user that it made uses nothing up.
                if !(is_license && way.enters()) {
                    winners.push(*way);
                }
            } else {
                let (door, says) = way.lost();
                assert!(door.says(reply).starts_with(says), "{way:?}: {reply:?}");
            }
        }
        match winners.as_slice() {
            [] => assert!(is_license && turn.iter().any(|way| way.enters()), "{replies:?}"),
            [AuthgateActivate] => assert_eq!(winner, "ann"),
            [AuthlyExtend] => assert_eq!(winner, "bob"),
            [KeyAuthUpgrade] => assert_eq!(winner, "cid"),
            [AuthgateSignUp] => assert!(winner.starts_with("user_") && is_license, "{winner}"),
            [way] => {
                let at = turn.iter().position(|other| other == way).expect("its turn");
                assert_eq!(winner, names[at], "{way:?}");
            }
            several => panic!("one winner: {several:?} {replies:?}"),
        }
        let is_old = matches!(winner.as_str(), "ann" | "bob" | "cid");
        assert_eq!(made, usize::from(!is_old), "{winner}: {replies:?}");
        prolonged += i64::from(is_old);
        if !is_old {
            let held = doors.db().held_by(used_by);
            let [held] = held.as_slice() else { panic!("one subscription: {held:?}") };
            assert_eq!(held.expires_at.expect("an end") - held.granted_at, DAY);
        }
    }
    let given = "SELECT coalesce(sum(expires_at - granted_at), 0) FROM subscriptions s JOIN users u ON u.id = s.user_id \
                 WHERE u.name IN ('ann', 'bob', 'cid')";
    assert_eq!(doors.db().count(given), prolonged * DAY, "a day for each key that they won");
    doors.operate(&["check"]);
}

#[test]
fn one_key_is_used_by_one_of_all_calls_of_all_formats() {
    let ways = [
        KeyAuthRegister,
        AuthgateSignUp,
        AuthlyRegister,
        KeyAuthLicense,
        AuthgateActivate,
        AuthlyLicenses,
        WachtInvitation,
        KeyAuthUpgrade,
        AuthlyExtend,
    ];
    contest(&ways, 18);
}

/// Those that hash nothing are always first; here they are left out.
#[test]
fn one_key_is_used_by_one_of_the_calls_that_hash_a_password() {
    contest(&[KeyAuthRegister, AuthlyRegister, AuthgateActivate, WachtInvitation], 12);
}

#[test]
fn one_key_is_used_by_one_of_the_calls_that_hash_nothing() {
    contest(&[KeyAuthLicense, AuthgateSignUp, AuthlyLicenses, KeyAuthUpgrade, AuthlyExtend], 30);
}

/// A license-only user is made once, whoever opens it.
#[test]
fn one_key_makes_one_user_by_whichever_of_the_licenses_calls() {
    contest(&[KeyAuthLicense, AuthlyLicenses, KeyAuthLicense, AuthlyLicenses], 20);
}

#[test]
fn one_name_is_taken_once_by_all_formats() {
    let db = Fixture::new();
    const ROUNDS: usize = 12;
    for round in 0..ROUNDS {
        db.license(&format!("KEYAUTH-{round}"));
        db.license(&format!("AUTHLY-{round}"));
    }
    let doors = Doors::open_with(db, &["--rate-limit", "off"]);
    for round in 0..ROUNDS {
        let [lower, upper] = [format!("mia{round}"), format!("MIA{round}")];
        let [of_keyauth, of_authly] = [format!("KEYAUTH-{round}"), format!("AUTHLY-{round}")];
        let (body, email) = (json!({"username": upper, "password": PASSWORD}), format!("mia@{round}.example.com"));
        let mut calls = [
            keyauth(&doors, "register", &[("username", &lower), ("pass", PASSWORD), ("key", &of_keyauth)]),
            authgate(&doors, "/sign_up", {
                let mut body = body.clone();
                body["hardware_id"] = DEVICE.into();
                body
            }),
            authly(&doors, "/register", {
                let mut body = body;
                (body["username"], body["key"]) = (lower.clone().into(), of_authly.clone().into());
                body
            }),
            wacht(&doors, &[("username", &upper), ("email", &email), ("password", PASSWORD)]),
        ];
        let mut doors_in_turn = Door::ALL;
        calls.rotate_left(round % 4);
        doors_in_turn.rotate_left(round % 4);
        let replies = at_once(4, |i| calls[i].send(&doors));
        let winners: Vec<Door> =
            doors_in_turn.iter().zip(&replies).filter(|(_, reply)| is_success(reply)).map(|(door, _)| *door).collect();
        let [winner] = winners.as_slice() else { panic!("one winner: {replies:?}") };
        for (door, reply) in doors_in_turn.iter().zip(&replies).filter(|(door, _)| *door != winner) {
            let says = match door {
                Door::KeyAuth => "USERNAME_TAKEN",
                Door::Authgate => "422 Username is already taken",
                Door::Authly => "409 USERNAME_TAKEN",
                Door::Wacht => "400 USERNAME_EXISTS",
            };
            assert_eq!(door.says(reply), says, "{reply:?}");
        }
        assert_eq!(doors.db().users(), round + 1);
        for (door, key) in [(Door::KeyAuth, of_keyauth), (Door::Authly, of_authly)] {
            assert_eq!(doors.db().license_now(&key).used_at.is_some(), door == *winner, "{door:?}: {replies:?}");
        }
    }
    doors.operate(&["check"]);
}

#[test]
fn one_address_is_claimed_once() {
    let doors = Doors::open_with(Fixture::new(), &["--rate-limit", "off"]);
    for round in 0..10 {
        let calls: Vec<Call<'_>> = (0..4)
            .map(|i| {
                let (name, host) = (format!("user-{round}-{i}"), ["Example.com", "example.com"][i % 2]);
                wacht(&doors, &[("username", &name), ("email", &format!("Mia{round}@{host}")), ("password", PASSWORD)])
            })
            .collect();
        let replies = at_once(4, |i| calls[i].send(&doors));
        let lost: Vec<&Reply> = replies.iter().filter(|reply| !is_success(reply)).collect();
        assert_eq!(lost.len(), 3, "{replies:?}");
        for reply in lost {
            assert_eq!(Door::Wacht.says(reply), "400 EMAIL_EXISTS", "{reply:?}");
        }
        assert_eq!(doors.db().users(), round + 1);
    }
}
