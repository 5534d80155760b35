//! Backups while customers come: each holds every answer that was acknowledged before it began, and of the others all or
//! nothing. And kills (SIGKILL) in the middle: of a backup nothing is left under its name, of a restore the old database
//! stands there or the new one, whole.
//!
//! The instants come from a seeded generator. A failing run prints its seed; `TORTURE_SEED=…` runs it again.
#![cfg(unix)]

#[path = "support/torture.rs"]
mod torture;

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use keystead::domain::license::{self, Alphabet, Batch};
use keystead::model::license::LicenseState;
use keystead::model::time::Span;
use keystead::store::backup::{self, Contents, Watch};
use keystead::store::{Options, Store, verify};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use torture::{Call, Client, Shop, held, now, program};

const CLIENTS: usize = 6;
const BACKUPS: usize = 8;
/// More than a client gets through.
const KEYS: usize = 2_000;
/// Licenses that only make the file larger, twice.
const BULK: u32 = 10_000;
const KILLS: usize = 18;

fn fill(shop: &Shop) {
    shop.write(|tx, app| {
        let batch = Batch {
            expires_at: None,
            count: BULK,
            mask: "BULK-********-********".into(),
            alphabet: Alphabet::Upper,
            duration: Span::Seconds(60),
            level: "1".into(),
            note: None,
            created_by: None,
        };
        for _ in 0..2 {
            license::create(tx, app.id, &batch, now(), &mut rand::rng()).unwrap();
        }
    });
}

/// The program with these arguments, on the shop's database.
fn start(shop: &Shop, arguments: &[&str]) -> Child {
    let mut command = program(arguments, &shop.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
}

fn run(shop: &Shop, arguments: &[&str]) {
    let output = start(shop, arguments).wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a file holds, whatever lies beside it.
fn contents(path: &Path) -> Contents {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch { stop: Arc::default(), copied: &mut |_| {} };
    backup::make(path, &folder.path().join("copy.db"), false, &mut watch).expect("a sound database").contents
}

fn user(key: &str) -> String {
    format!("device of {key}")
}

/// Redeems one key after the other, each on a session and for a user of its own, and notes what was acknowledged.
fn redeem(shop: &Shop, address: &str, keys: &[String], done: &AtomicBool, acknowledged: &Mutex<Vec<String>>) {
    let mut wire = Client::try_connect(address).expect("the server lives");
    for key in keys {
        if done.load(Ordering::SeqCst) {
            return;
        }
        let opened = wire.call(&Call::new(shop, &[("type", "init"), ("ver", "1.0")]));
        opened.assert_success();
        let session = opened.text("sessionid").to_owned();
        let hwid = user(key);
        let pairs = [("type", "license"), ("sessionid", session.as_str()), ("key", key.as_str()), ("hwid", &hwid)];
        wire.call(&Call::new(shop, &pairs)).assert_success();
        acknowledged.lock().unwrap().push(key.clone());
    }
    panic!("the keys ran out: make more");
}

/// Fails unless the backup has each of `before` redeemed, and each other key wholly or not at all. How many it has.
fn check(shop: &Shop, path: &Path, keys: &[String], before: &[String]) -> usize {
    let store = Store::open(&Options::small(path)).unwrap();
    let (app, keys, before) = (shop.app.clone(), keys.to_vec(), before.to_vec());
    let used = store
        .read(move |tx| {
            assert_eq!(verify::problems(tx)?, Vec::<String>::new());
            let mut used = 0;
            for key in &keys {
                let license = license::find(tx, app.id, key).map_err(|_| ()).expect("no key is lost");
                let is_used = license.state() == LicenseState::Used;
                assert!(
                    is_used || !before.contains(key),
                    "{key}: acknowledged before the backup began, but unused in it"
                );
                match held(tx, &app, key) {
                    Some(user) if is_used => user.assert_made_by(&license, &self::user(key)),
                    None if !is_used => {}
                    user => panic!("{key}: half done: used is {is_used}, its user is there: {}", user.is_some()),
                }
                used += usize::from(is_used);
            }
            Ok::<_, keystead::store::Error>(used)
        })
        .wait()
        .unwrap();
    store.close();
    used
}

#[test]
fn a_backup_under_load_holds_what_was_acknowledged_and_nothing_by_half() {
    let shop = Shop::open();
    fill(&shop);
    let keys: Vec<Vec<String>> =
        (0..CLIENTS).map(|c| (0..KEYS).map(|k| format!("CLIENT{c}-KEY{k}")).collect()).collect();
    shop.add_keys(&keys.concat());
    let server = shop.serve(&[]);
    let (done, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let meanwhile = AtomicUsize::new(0);
    let folder = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        let clients: Vec<_> = keys
            .iter()
            .map(|keys| scope.spawn(|| redeem(&shop, &server.address, keys, &done, &acknowledged)))
            .collect();
        let count = || acknowledged.lock().unwrap().len();
        for number in 0..BACKUPS {
            // Somebody has come since the last one.
            let last = count();
            while count() == last && clients.iter().all(|client| !client.is_finished()) {
                thread::yield_now();
            }
            let before = acknowledged.lock().unwrap().clone();
            let file = folder.path().join(format!("{number}.db"));
            run(&shop, &["backup", file.to_str().unwrap()]);
            meanwhile.fetch_add(count() - before.len(), Ordering::SeqCst);
            let used = check(&shop, &file, &keys.concat(), &before);
            println!("backup {number}: {} acknowledged before, {used} in it, {} after", before.len(), count());
        }
        done.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().expect("no client was refused anything");
        }
    });
    assert!(meanwhile.into_inner() > 0, "nobody was answered while backups were made");
    server.stop();
}

/// The seed of this run's instants, and how to have them again.
fn instants() -> StdRng {
    let seed = std::env::var("TORTURE_SEED").ok().map_or_else(rand::random, |text| text.parse().expect("a number"));
    println!("TORTURE_SEED={seed} runs this again");
    StdRng::seed_from_u64(seed)
}

/// Runs this once to its end and then again and again, killed: at any instant up to a little more than the first one took,
/// soon after its first file is there, and soon after an old database has got its second name.
fn kill(shop: &Shop, folder: &Path, arguments: &[&str], mut after: impl FnMut(bool)) {
    let mut instants = instants();
    let began = Instant::now();
    run(shop, arguments);
    let whole = u64::try_from(began.elapsed().as_micros()).unwrap();
    after(true);
    for number in 0..KILLS {
        let before = names(folder);
        let mut child = start(shop, arguments);
        if number % 3 == 0 {
            thread::sleep(Duration::from_micros(instants.random_range(0..whole * 5 / 4)));
        } else {
            let awaited = if number % 3 == 1 { "" } else { ".before-restore-" };
            let new = |name: &String| !name.ends_with(".lock") && name.contains(awaited) && !before.contains(name);
            while child.try_wait().unwrap().is_none() && !names(folder).iter().any(new) {
                thread::yield_now();
            }
            thread::sleep(Duration::from_micros(instants.random_range(0..[1_000, 50_000][number / 3 % 2])));
        }
        let _ = child.kill();
        after(child.wait().unwrap().success());
    }
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn parts(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.contains(".part")).collect()
}

#[test]
fn a_killed_backup_leaves_nothing_under_its_name() {
    let shop = Shop::open();
    fill(&shop);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let whole = contents(&shop.path());
    let mut killed = 0;
    kill(&shop, folder.path(), &["backup", file.to_str().unwrap()], |ended| {
        if ended {
            assert!(file.exists());
        } else {
            killed += 1;
        }
        if file.exists() {
            assert_eq!(contents(&file), whole, "what has the name is whole");
            std::fs::remove_file(&file).unwrap();
        }
    });
    run(&shop, &["backup", file.to_str().unwrap()]);
    assert_eq!(parts(folder.path()), Vec::<String>::new(), "what the killed ones left is cleared away");
    assert_eq!(contents(&shop.path()), whole);
    println!("{killed} of {KILLS} were killed before they ended");
}

#[test]
fn a_killed_restore_leaves_the_old_database_or_the_new_one() {
    let shop = Shop::open();
    fill(&shop);
    let folder = shop.path().parent().unwrap().to_owned();
    let copy = folder.join("copy.db");
    run(&shop, &["backup", copy.to_str().unwrap()]);
    let new = contents(&copy);
    let old = std::cell::RefCell::new(new.clone());
    let change = |number: usize| {
        shop.add_keys(&[format!("SINCE-{number}")]);
        old.replace(contents(&shop.path()));
    };
    let (mut number, mut killed) = (0, 0);
    change(number);
    kill(&shop, &folder, &["restore", copy.to_str().unwrap(), "--force"], |ended| {
        let found = contents(&shop.path());
        assert!(found == new || (!ended && found == *old.borrow()), "neither the old one nor the new one");
        killed += usize::from(!ended);
        number += 1;
        change(number);
    });
    run(&shop, &["restore", copy.to_str().unwrap(), "--force"]);
    assert_eq!((contents(&shop.path()), parts(&folder)), (new, Vec::new()));
    println!("{killed} of {KILLS} were killed before they ended");
}
