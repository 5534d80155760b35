//! The server is killed (SIGKILL) in the middle of its work, again and again on the same file. What it acknowledged
//! stands, what it did not is done wholly or not at all, the file is sound, and the next server starts at once.
//!
//! The instants come from a seeded generator. A failing run prints its seed; `TORTURE_SEED=…` runs it again.
#![cfg(unix)]

#[path = "support/torture.rs"]
mod torture;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use keystead::domain::{Stop, license};
use keystead::model::ids::UserId;
use keystead::model::license::{License, LicenseState};
use keystead::model::user::Credential;
use keystead::store::{Options, Store, sessions, subscriptions, users, verify};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use torture::{Call, Client, DAY, Held, PLANS, Server, Shop, held, init};

const CLIENTS: usize = 16;
const ROUNDS: usize = 6;
/// More than a client gets through before the server is killed.
const KEYS: usize = 250;

/// What a client does all the time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Register,
    License,
    Upgrade,
}

/// What one client did in one round, in order: the last of `sent` may be one that was never answered.
struct Notes {
    kind: Kind,
    /// The keys that it was to redeem in this round.
    keys: Vec<String>,
    sent: usize,
    /// The session of each acknowledged redemption.
    acknowledged: Vec<String>,
}

impl Kind {
    /// Hashing is slow, so that most clients do what hashes nothing.
    fn of(client: usize) -> Kind {
        match client % 8 {
            0..3 => Kind::Register,
            3..6 => Kind::License,
            _ => Kind::Upgrade,
        }
    }

    /// The name of the user who is to have this key.
    fn user(self, client: usize, key: &str) -> String {
        match self {
            Kind::Register => format!("user of {key}"),
            Kind::License => key.to_owned(),
            Kind::Upgrade => format!("upgraded {client}"),
        }
    }

    /// The device that this key's user is bound to.
    fn hwid(key: &str) -> String {
        format!("device of {key}")
    }
}

/// How far the clients of a round are together.
#[derive(Default)]
struct Progress {
    begun: AtomicUsize,
    acknowledged: AtomicUsize,
}

/// Redeems one key after the other until the server is gone. A refusal is a failure: nobody else has these keys.
fn redeem_until_the_end(shop: &Shop, address: &str, client: usize, keys: Vec<String>, progress: &Progress) -> Notes {
    let kind = Kind::of(client);
    let mut notes = Notes { kind, keys, sent: 0, acknowledged: Vec::new() };
    let mut wire = Client::try_connect(address).expect("the server lives");
    let session = init(shop, &mut wire);
    progress.begun.fetch_add(1, Ordering::SeqCst);
    for key in &notes.keys {
        let (user, hwid) = (kind.user(client, key), Kind::hwid(key));
        // A session of its own for each user, but for the upgrades, which validate none.
        let mut session = session.clone();
        if kind != Kind::Upgrade {
            let opening = Call::new(shop, &[("type", "init"), ("ver", "1.0")]);
            let Ok(opened) = wire.try_call(&opening) else { return notes };
            opened.assert_success();
            session = opened.text("sessionid").to_owned();
        }
        let mut pairs = vec![("sessionid", session.as_str()), ("key", key)];
        pairs.extend(match kind {
            Kind::Register => vec![("type", "register"), ("username", &user), ("pass", "secret"), ("hwid", &hwid)],
            Kind::License => vec![("type", "license"), ("hwid", &hwid)],
            Kind::Upgrade => vec![("type", "upgrade"), ("username", &user)],
        });
        notes.sent += 1;
        // Half an answer is none: the connection broke off.
        let Ok(answer) = wire.try_call(&Call::new(shop, &pairs)) else { return notes };
        answer.assert_success();
        notes.acknowledged.push(session);
        progress.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    notes
}

/// Runs all clients, and kills the server this long after they have begun and some are past their first redemption.
fn round(shop: &Shop, server: Server, number: usize, after: Duration) -> Vec<Notes> {
    let keys: Vec<Vec<String>> =
        (0..CLIENTS).map(|c| (0..KEYS).map(|k| format!("ROUND{number}-CLIENT{c}-KEY{k}")).collect()).collect();
    shop.add_keys(&keys.concat());
    let progress = Progress::default();
    thread::scope(|scope| {
        let (progress, address) = (&progress, server.address.clone());
        let clients: Vec<_> = keys
            .into_iter()
            .enumerate()
            .map(|(client, keys)| {
                let address = address.clone();
                scope.spawn(move || redeem_until_the_end(shop, &address, client, keys, progress))
            })
            .collect();
        let waiting = || {
            progress.begun.load(Ordering::SeqCst) < CLIENTS || progress.acknowledged.load(Ordering::SeqCst) < number % 3
        };
        while waiting() && clients.iter().all(|client| !client.is_finished()) {
            thread::yield_now();
        }
        thread::sleep(after);
        server.kill();
        clients.into_iter().map(|client| client.join().expect("no client was refused anything")).collect()
    })
}

/// What the file says about one key.
struct Found {
    license: License,
    user: Option<Held>,
    /// Who is logged in on the session that redeemed it, if that was acknowledged.
    on_session: Option<UserId>,
}

/// Everything a round left behind, against what its clients noted. Answers how many keys of each client are used.
fn check(shop: &Shop, round: &[Notes]) -> Vec<usize> {
    let wanted: Vec<(String, String, Option<String>)> =
        round
            .iter()
            .enumerate()
            .flat_map(|(client, notes)| {
                notes.keys.iter().enumerate().map(move |(i, key)| {
                    (key.clone(), notes.kind.user(client, key), notes.acknowledged.get(i).cloned())
                })
            })
            .collect();
    let mut found = shop.read(move |tx, app| {
        wanted
            .iter()
            .map(|(key, user, session)| {
                let session = session.as_ref().map(|id| sessions::by_id(tx, id.parse().unwrap()).unwrap().unwrap());
                Found {
                    license: license::find(tx, app.id, key).map_err(|_: Stop| ()).expect("no key is lost"),
                    user: held(tx, app, user),
                    on_session: session.and_then(|session| session.user).map(|user| user.id),
                }
            })
            .collect::<Vec<_>>()
    });
    let mut used = Vec::new();
    for notes in round {
        let mut count = 0;
        for (i, found) in found.drain(..notes.keys.len()).enumerate() {
            let Found { license, user, on_session } = found;
            let key = &license.key;
            let is_used = license.state() == LicenseState::Used;
            count += usize::from(is_used);
            if i < notes.acknowledged.len() {
                assert!(is_used, "{key}: redeemed and acknowledged, but unused");
            } else if i >= notes.sent {
                assert!(!is_used, "{key}: nobody ever asked for it");
            }
            match (notes.kind, user, is_used) {
                (Kind::Upgrade, user, _) => {
                    let user = user.expect("it was there before").user.id;
                    assert_eq!(license.used_by, is_used.then_some(user), "{key}: used by whom it was for");
                }
                (_, None, false) => {}
                (_, Some(_), false) => panic!("{key}: half done, a user without its license used"),
                (_, None, true) => panic!("{key}: half done, used without a user"),
                (kind, Some(user), true) => {
                    user.assert_made_by(&license, &Kind::hwid(key));
                    assert_eq!(user.user.credential == Credential::License, kind == Kind::License, "{key}");
                    if i < notes.acknowledged.len() {
                        assert_eq!(on_session, Some(user.user.id), "{key}: logged in on its session");
                    }
                }
            }
        }
        used.push(count);
    }
    used
}

/// The upgraded users hold exactly as many days as licenses were used for them; there is no user but those known.
fn check_all(shop: &Shop, days: &[usize], made: usize) {
    let days: Vec<i64> = days.iter().map(|days| *days as i64).collect();
    shop.read(move |tx, app| {
        for (client, days) in days.iter().enumerate().filter(|(client, _)| Kind::of(*client) == Kind::Upgrade) {
            let user = users::by_name(tx, app.id, &Kind::Upgrade.user(client, "")).unwrap().unwrap();
            let held = subscriptions::of_user(tx, user.id).unwrap();
            let total: i64 = held.iter().map(|s| s.expires_at.unwrap() - s.granted_at).sum();
            assert_eq!(total, days * DAY, "{}: a day for each license", user.name);
            assert!(held.iter().all(|s| s.plan == PLANS[0]) && held.len() <= 1, "{held:?}");
        }
    });
    let names = shop.user_names();
    assert_eq!(names.len(), made, "users beyond those whose licenses are used");
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), made, "no name twice");
    shop.assert_sound();
}

/// The seed of this run's instants, and how to have them again.
fn instants() -> StdRng {
    let seed = std::env::var("TORTURE_SEED").ok().map_or_else(rand::random, |text| text.parse().expect("a number"));
    println!("TORTURE_SEED={seed} runs this again");
    StdRng::seed_from_u64(seed)
}

/// Also while it makes its database, where nothing is acknowledged yet.
#[test]
fn a_server_killed_while_it_starts_leaves_a_file_for_the_next_one() {
    let mut instants = instants();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10 {
        let path = folder.path().join(format!("{number}.db"));
        let flags = ["--listen", "127.0.0.1:0"];
        for _ in 0..3 {
            let mut child = Server::spawn(&path, &flags);
            thread::sleep(Duration::from_micros(instants.random_range(0..30_000)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        Server::start(&path, &flags).unwrap_or_else(|(status, log)| panic!("{status}: {log}")).stop();
        let store = Store::open(&Options::small(&path)).unwrap();
        assert_eq!(store.read(verify::problems).wait().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn what_was_acknowledged_stands_whenever_the_server_is_killed() {
    let mut instants = instants();
    let shop = Shop::open();
    let upgraders: Vec<_> = (0..CLIENTS).filter(|client| Kind::of(*client) == Kind::Upgrade).collect();
    for client in &upgraders {
        shop.add_user(&Kind::Upgrade.user(*client, ""));
    }
    let mut days = vec![0; CLIENTS];
    let mut made = upgraders.len();
    let mut acknowledged = 0;
    let mut rounds = Vec::new();
    let mut server = shop.serve(&[]);
    for number in 0..ROUNDS {
        let after = Duration::from_micros(instants.random_range(0..400_000));
        let notes = round(&shop, server, number, after);
        // In turns: the next server finds the file as the killed one left it, or somebody else has opened it before.
        let mut used = None;
        if number % 2 == 1 {
            used = Some(check(&shop, &notes));
        }
        server = shop.serve(&[]);
        let used = used.unwrap_or_else(|| check(&shop, &notes));
        for (client, used) in used.into_iter().enumerate() {
            if Kind::of(client) == Kind::Upgrade {
                days[client] += used;
            } else {
                made += used;
            }
        }
        check_all(&shop, &days, made);
        // Sessions outlive the server, too.
        for notes in notes.iter().filter(|notes| notes.kind != Kind::Upgrade) {
            if let Some(session) = notes.acknowledged.last() {
                let call = Call::new(&shop, &[("type", "check"), ("sessionid", session)]);
                Client::connect(&server).call(&call).assert_success();
            }
        }
        let count: usize = notes.iter().map(|notes| notes.acknowledged.len()).sum();
        println!("round {number}: killed after {after:?} with {count} redemptions acknowledged");
        acknowledged += count;
        rounds.push(notes);
    }
    server.stop();
    // A later crash undid nothing of an earlier round.
    let mut days = vec![0; CLIENTS];
    for notes in &rounds {
        for (client, used) in check(&shop, notes).into_iter().enumerate() {
            days[client] += used;
        }
    }
    check_all(&shop, &days, made);
    assert!(acknowledged > 0, "the kills came too early to show anything");
}
