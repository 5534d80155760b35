//! The command line, black box: every command right and wrong, exit codes, JSON shapes, what is never printed.

mod app;
mod backup;
mod chat;
mod doctor;
mod general;
mod keys;
mod license;
mod log;
mod outside;
mod quickstart;
mod restore;
mod sdk;
#[path = "../support/mod.rs"]
mod support;
mod token;
mod upgrade;
mod user;

use keystead::clock::Clock;
use keystead::model::ids::SessionId;
use keystead::model::session::{Session, SessionKind, SessionUser};
use keystead::store::{Error, Options, Store, apps, licenses, sessions, users};
use serde_json::{Value, json};
use support::Keystead;

const DAY: i64 = 86_400;

fn now() -> i64 {
    Clock::System.now().0
}

/// Whether a time lies where it should, give or take what the test itself takes.
fn about(found: &Value, expected: i64) -> bool {
    found.as_i64().is_some_and(|found| (found - expected).abs() < 120)
}

fn keys(document: &Value) -> Vec<&str> {
    document.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn list(keystead: &Keystead, arguments: &[&str]) -> Vec<Value> {
    keystead.json(arguments).as_array().expect("an array").clone()
}

/// Works on the database as the server would.
fn in_store<T: Send + 'static>(
    keystead: &Keystead,
    work: impl FnMut(&mut keystead::store::Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> T {
    let store = Store::open(&Options::small(keystead.database())).expect("opens");
    let done = store.write(work).wait().expect("writes");
    store.close();
    done
}

fn redeem(keystead: &Keystead, key: &str, user: &str) {
    let (key, user) = (key.to_owned(), user.to_owned());
    in_store(keystead, move |tx| {
        let app = apps::all(tx)?.remove(0);
        let license = licenses::by_key(tx, app.id, &key)?.expect("the license");
        let user = users::by_name(tx, app.id, &user)?.expect("the user");
        assert!(licenses::redeem(tx, license.id, user.id, Clock::System.now())?);
        let plans = keystead::store::plans::of_level(tx, app.id, &license.level)?;
        keystead::domain::subscription::grant(tx, user.id, &plans, &license, Clock::System.now()).expect("grants");
        Ok(())
    });
}

fn open_session(keystead: &Keystead, bits: u128, user: Option<&str>) -> SessionId {
    let user = user.map(str::to_owned);
    in_store(keystead, move |tx| {
        let (app, now) = (apps::all(tx)?.remove(0), Clock::System.now());
        let id = SessionId::from_random(bits);
        let session = Session {
            id,
            app: app.id,
            sign_key: None,
            ip: "203.0.113.9".to_owned(),
            created_at: now,
            expires_at: now + 600,
            ended_at: None,
            user: None,
            kind: Default::default(),
            hwid: None,
        };
        sessions::insert(tx, session.clone())?;
        if let Some(name) = &user {
            let user = users::by_name(tx, app.id, name)?.expect("the user");
            let user = SessionUser { id: user.id, credential: name.as_str().into() };
            assert!(sessions::validate(tx, &session, user, now)?);
        }
        Ok(id)
    })
}
