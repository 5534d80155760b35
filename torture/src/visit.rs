//! After a torture: the next server starts, the file is sound, it holds what it must, and customers are let in or kept out
//! as they were promised. Everything is compared with the history.

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::doors::{self, Outcome, PASSWORD, Ticket, device, document, is_in};
use crate::history::{History, Inner, State, Verdict, judge, stays, tell};
use crate::http::Client;
use crate::observe::{license_state, observe, user_state};
use crate::room::{Room, Server, Trouble};

/// How many tickets and users are tried at the doors each time.
const TRIED: usize = 4;

/// More than one step of the clean-up deletes.
const OLD_SESSIONS: usize = 1_200;

/// A new database with the app and so many keys. What it holds.
pub fn furnish(room: &Room, keys: usize) -> (State, VecDeque<String>) {
    let keys: Vec<String> = (0..keys).map(|i| format!("KEY-{i:06}")).collect();
    let (code, out, err) = room.run_with(&["import", "-"], &document(&keys));
    assert_eq!(code, 0, "{out}{err}");
    (observe(room).expect("a new database is sound"), keys.into())
}

/// Sessions that ended days ago: the clean-up of the next servers has something to do.
pub fn old_sessions(room: &Room) {
    room.set(Trouble::Clock, -3 * 86_400);
    let server = room.serve(&[]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::new(&server.address, "192.0.2.3");
                for _ in 0..OLD_SESSIONS / 8 {
                    doors::init(&mut client, "1.2").unwrap_or_else(|outcome| panic!("no session: {outcome:?}"));
                }
            });
        }
    });
    drop(server);
    room.set(Trouble::Clock, 0);
}

/// Compares everything; panics with what is wrong. What there is, and the server that was asked.
pub fn compare(room: &Room, history: &Inner, at: u64, rng: &mut StdRng, flags: &[&str]) -> (State, Verdict, Server) {
    // In turns: the server finds the file as it was left, or a command has opened it before.
    let before = rng.random_bool(0.5).then(|| observe(room).unwrap_or_else(|wrong| panic!("before a server: {wrong}")));
    let server = room.serve(flags);
    let found = observe(room).unwrap_or_else(|wrong| panic!("beside a server: {wrong}"));
    if let Some(before) = before {
        assert!(before == found, "the next server has changed what there was");
    }
    let verdict = judge(history, at, &found);
    assert!(verdict.wrong.is_empty(), "{} things are wrong:\n{}", verdict.wrong.len(), tell(&verdict.wrong));
    at_the_doors(&server, history, at, &found, rng);
    (found, verdict, server)
}

/// Reading that must go on whatever becomes of writing.
pub struct Reading;

/// Somebody who is in, by a session and by a user's variable.
pub fn reader(address: &str, keys: &mut VecDeque<String>, history: &History) -> (Ticket, Reading) {
    let key = keys.pop_front().expect("a key");
    let mut client = Client::new(address, "192.0.2.1");
    let session = doors::init(&mut client, "1.2").unwrap_or_else(|outcome| panic!("no session: {outcome:?}"));
    let hwid = device(&key);
    let change = vec![
        (format!("user {key}"), Some(user_state(1, false, std::slice::from_ref(&hwid)))),
        (format!("license {key}"), Some(license_state(Some(Some(&key)), false))),
        (format!("variable of {key}"), Some("here".to_owned())),
    ];
    let number = history.ask(0, vec![change]);
    for (call, pairs) in
        [("license", [("key", &*key), ("hwid", &*hwid)]), ("setvar", [("var", "score"), ("data", "here")])]
    {
        let outcome = doors::keyauth(&mut client, "1.2", call, &[&[("sessionid", &*session)], &pairs[..]].concat());
        assert!(matches!(outcome, Outcome::Done(_)), "{call}: {outcome:?}");
    }
    history.done(number, 0, 0);
    (Ticket::Session(session), Reading)
}

impl Reading {
    /// From memory, and from the database.
    pub fn assert_goes_on(&self, client: &mut Client, ticket: &Ticket) {
        assert!(is_in(client, ticket), "`check` does not go on");
        let Ticket::Session(session) = ticket else { return };
        match doors::keyauth(client, "1.2", "getvar", &[("sessionid", session), ("var", "score")]) {
            Outcome::Done(reply) => assert_eq!(reply.json["response"], "here"),
            other => panic!("`getvar` does not go on: {other:?}"),
        }
    }
}

fn at_the_doors(server: &Server, history: &Inner, at: u64, found: &State, rng: &mut StdRng) {
    let mut client = Client::new(&server.address, "192.0.2.1");
    let (inside, outside) = stays(history, at);
    for (stays, wanted) in [(inside, true), (outside, false)] {
        // The newest are in the greatest danger.
        for _ in 0..TRIED.min(stays.len()) {
            let back = rng.random_range(0..stays.len().min(4 * TRIED));
            let stay = stays[stays.len() - 1 - back];
            assert_eq!(is_in(&mut client, &stay.ticket), wanted, "{stay:?}");
        }
    }
    // Not those without a device: they would get one by it.
    let known = |state: &String| !state.contains("devices []");
    let users: Vec<_> = found.iter().filter(|(fact, state)| fact.starts_with("user l") && known(state)).collect();
    for _ in 0..2.min(users.len()) {
        let (fact, state) = users[rng.random_range(0..users.len())];
        let name = fact.trim_start_matches("user ");
        let session = doors::init(&mut client, "1.3").unwrap_or_else(|outcome| panic!("no session: {outcome:?}"));
        let hwid = device(name);
        let pairs = [("sessionid", &*session), ("username", name), ("pass", PASSWORD), ("hwid", &hwid)];
        let banned = state.ends_with(", banned");
        match doors::keyauth(&mut client, "1.3", "login", &pairs) {
            Outcome::Done(_) => assert!(!banned, "{name} is banned and gets in"),
            // A ban is told before anything else; who holds nothing is told so after the password.
            Outcome::Refused(reply) => {
                let error = reply.json["error"].as_str().unwrap_or_default();
                let empty = state.starts_with("0 days") && error == "USER_EXPIRED";
                assert!(
                    empty || banned && ["USER_BANNED", "SID_BLOCKED"].contains(&error),
                    "{name}, {state}: {reply:?}"
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
