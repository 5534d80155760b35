//! Whoever signs up or in gets another token, so that one which was planted in the browser opens nothing afterwards (W29,
//! W42).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use keystead::domain::browser::{self, At, NewBrowser};
use keystead::domain::guesses::Guesses;
use keystead::domain::lists::Lists;
use keystead::domain::secret::Proof;
use keystead::domain::user::{Name, SignUp};
use keystead::model::browser::NewSignIn;
use keystead::model::ids::{BrowserId, SessionId, SignInId};
use keystead::model::user::Profile;

use crate::support::{Fixture, now};
use crate::{Browser, data, demo};

#[test]
fn w29_whoever_signs_up_or_in_gets_another_token() {
    let server = demo(|db| {
        db.user("ben");
    });
    let attacker = Browser::new(&server);
    let id = attacker.session()["id"].clone();
    let planted = attacker.token();
    let victim = Browser::with(&server, &planted);
    let mut known = vec![planted];
    let sign_in = |password| {
        victim.post("/auth/signin", &[("strategy", "plain_username"), ("username", "ben"), ("password", password)])
    };
    for enter in [&|| victim.sign_up(&[("email", "mia@example.com")]), &|| sign_in("secret")] as [&dyn Fn() -> _; 2] {
        for refused in [sign_in("wrong"), victim.sign_up(&[("email", "x")]), victim.get("/session")] {
            assert_eq!((refused.header("set-cookie"), &refused.json()["session"]["id"]), (None, &id), "{refused:?}");
        }
        let entered = enter();
        assert_eq!((&data(&entered)["id"], &entered.json()["session"]["id"]), (&id, &id));
        for old in &known {
            let other = Browser::with(&server, old);
            let session = other.session();
            assert_ne!(session["id"], id);
            assert_eq!(session["signins"], serde_json::json!([]));
            assert_ne!(other.token(), *old, "it has ended");
        }
        assert!(!known.contains(&victim.token()));
        known.push(victim.token());
    }
    assert_eq!(victim.names(), ["mia@example.com", "ben"]);
    assert_eq!(victim.session()["id"], id);
}

#[test]
fn who_came_with_a_token_that_has_ended_meanwhile_has_nothing_of_its_browser() {
    let db = Fixture::new();
    let (app, lists) = (db.app().clone(), Arc::new(Lists::default()));
    let sign_up = |found: &keystead::model::browser::Browser, n: i64| {
        let (app, lists, found) = (app.clone(), Arc::clone(&lists), found.clone());
        db.write(move |tx| {
            let (guesses, guessed) = (Guesses::default(), AtomicBool::new(false));
            let (email, token) = (format!("u{n}@example.com"), format!("{n:032x}"));
            let by = SignUp {
                name: Name::Given(&email),
                password: None,
                key: None,
                hwid: None,
                email: Some(&email),
                claims_email: true,
                profile: Profile::default(),
                ip: [127, 0, 0, 1].into(),
                now: now(),
                uuid: uuid::Uuid::from_u128(n as u128),
                guess: guesses.guess(&guessed, [127, 0, 0, 1].into(), Duration::ZERO),
            };
            let session = SessionId::long_from_random([7, n as u128]);
            let new = NewSignIn { id: SignInId(n), attempt: n, session, ip: by.ip, now: by.now };
            let at = At { browser: &found, fresh: NewBrowser { id: BrowserId(100 + n), token: &token, ip: by.ip } };
            browser::sign_up(tx, &app, &lists, at, &by, &new, Some(&Proof::Nothing)).unwrap()
        })
    };
    let of = app.clone();
    let found = db.write(move |tx| {
        browser::open(
            tx,
            &of,
            None,
            NewBrowser { id: BrowserId(100), token: &"0".repeat(32), ip: [127, 0, 0, 1].into() },
            now(),
        )
        .unwrap()
    });
    let first = sign_up(&found, 1);
    let second = sign_up(&found, 2);
    assert_eq!((first.id, second.id), (BrowserId(100), BrowserId(102)));
    db.write(move |tx| {
        let mut names = |of: &_| browser::state(tx, of, now()).unwrap().1.iter().map(|i| i.id.0).collect::<Vec<_>>();
        assert_eq!((names(&found), names(&first), names(&second)), (vec![], vec![1], vec![2]));
        assert!(browser::switch(tx, &found, SignInId(1), now()).is_err());
        browser::sign_out(tx, &app, &found, None, now()).unwrap();
        let (current, signed_in) = browser::state(tx, &first, now()).unwrap();
        assert!(signed_in[0].held.is_some() && current.active == Some(SignInId(1)), "still signed in, and it counts");
    });
}
