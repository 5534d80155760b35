//! Power cuts: under load the shim notes what is written and what is synced, and afterwards the power is cut at any of those
//! moments, many times: what was not synced is lost, or comes in pieces and in any order. Whatever had been answered by
//! then must be there. Two disks that lie show that this finds a loss.

use std::thread;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rusqlite::Connection;

use crate::Torture;
use crate::copies;
use crate::disk::{Base, Files, Left, Notes, Syncs, write};
use crate::history::{History, Inner, judge, next};
use crate::load::Scene;
use crate::observe::observe;
use crate::visit::{compare, furnish, old_sessions};

/// Loads on one database, each on what the last cut has left.
const ON_ONE: usize = 5;
const KEYS: usize = 4_000;

pub fn run(torture: &mut Torture) {
    let (loads, cuts) = if torture.long { (30, 12) } else { (3, 7) };
    let mut done = 0;
    while done < loads {
        let some = ON_ONE.min(loads - done);
        on_one_database(torture, some, cuts);
        done += some;
        torture.say(&format!("{done} of {loads} loads, {} cuts, no loss", torture.sums.cuts));
    }
}

/// The same while a database is made, upgraded, copied and replaced.
pub fn making(torture: &mut Torture) {
    let cuts = if torture.long { 12 } else { 7 };
    new_database(torture, cuts);
    upgrade(torture, cuts);
    copies::backup(torture, cuts);
    copies::restore(torture, cuts);
}

fn on_one_database(torture: &mut Torture, loads: usize, cuts: usize) {
    let room = torture.room();
    let (state, mut keys) = furnish(&room, KEYS);
    old_sessions(&room);
    let mut history = History::since(state, Vec::new());
    for load in 1..=loads {
        let _ = std::fs::remove_file(&room.notes);
        let base = Base::read(&room.data);
        let mut server = room.serve(&[]);
        let scene = Scene::new(&room, &server.address, &history, load, keys);
        let (seed, answers) = (torture.rng.random(), torture.rng.random_range(50..400));
        // The end is noted, too: a server that stops folds its log into the file.
        let (kill, mut stopped) = (torture.rng.random_bool(0.6), None);
        scene.run(seed, true, || {
            scene.wait_for(answers);
            if kill {
                server.kill();
            } else {
                stopped = Some(server.stop());
            }
        });
        assert!(stopped.is_none_or(|status| status.success()), "SIGTERM ends it with 0");
        torture.sums.commands_killed += scene.killed();
        keys = scene.end();
        let (inner, notes) = (history.inner(), Notes::read(&room.notes));
        for _ in 0..cuts {
            let at = moment(&notes, &inner, &mut torture.rng);
            cut(torture, &base, &notes, &inner, at);
        }
        for syncs in [Syncs::NotOfTheLog, Syncs::None] {
            a_disk_that_lies(torture, &base, &notes, &inner, syncs);
        }
        let at = notes.length();
        let files = notes.cut(&base, at, left(&mut torture.rng), Syncs::Honest, &mut torture.rng);
        write(&files, &room.data);
        let found = observe(&room).expect("sound");
        history = next(&inner, at, found);
    }
    room.remove();
}

/// Any moment, or one at which much is at stake: just after an answer, or while the log is folded into the file.
fn moment(notes: &Notes, inner: &Inner, rng: &mut StdRng) -> u64 {
    let moments = match rng.random_range(0..4) {
        0 => notes.after(b"CWTSFDRU"),
        1 => notes.after(b"TSDRUC"),
        2 => notes.after_in("keystead.db"),
        _ => inner.askings.iter().filter_map(|asking| asking.done.map(|(clock, _)| clock)).collect(),
    };
    if moments.is_empty() { notes.length() } else { moments[rng.random_range(0..moments.len())] }
}

pub fn left(rng: &mut StdRng) -> Left {
    let size = if rng.random_bool(0.5) { 512 } else { 4096 };
    match rng.random_range(0..3) {
        0 => Left::Nothing,
        1 => Left::Sectors(size, 0.5),
        _ => Left::Sectors(size, if rng.random_bool(0.5) { 0.95 } else { 0.1 }),
    }
}

/// The power is cut at this moment, and perhaps once more while the next server starts; then everything is compared.
fn cut(torture: &mut Torture, base: &Base, notes: &Notes, inner: &Inner, at: u64) {
    let left_over = left(&mut torture.rng);
    let mut files = notes.cut(base, at, left_over, Syncs::Honest, &mut torture.rng);
    let room = torture.room();
    torture.sums.cuts += 1;
    if torture.rng.random_bool(0.3) {
        write(&files, &room.data);
        let base = Base::read(&room.data);
        let mut child = room.spawn(&[]);
        thread::sleep(Duration::from_micros(torture.rng.random_range(0..60_000)));
        child.kill().expect("kills");
        child.wait().expect("ends");
        let notes = Notes::read(&room.notes);
        let moments = notes.after(b"CWTSFDRU");
        let at = if moments.is_empty() { 0 } else { moments[torture.rng.random_range(0..moments.len())] };
        files = notes.cut(&base, at, left(&mut torture.rng), Syncs::Honest, &mut torture.rng);
        let _ = std::fs::remove_file(&room.notes);
        torture.sums.cuts += 1;
    }
    write(&files, &room.data);
    let (_, verdict, server) = compare(&room, inner, at, &mut torture.rng, &[]);
    torture.sums.add(&verdict);
    drop(server);
    room.remove();
}

/// A disk that says "synced" and has done nothing must be found out, or all of this shows nothing.
fn a_disk_that_lies(torture: &mut Torture, base: &Base, notes: &Notes, inner: &Inner, syncs: Syncs) {
    let found_out = [1.0, 0.9, 0.8, 0.7].iter().any(|part| {
        let at = (notes.length() as f64 * part) as u64;
        let files = notes.cut(base, at, Left::Nothing, syncs, &mut torture.rng);
        let room = torture.room();
        write(&files, &room.data);
        let found = observe(&room);
        room.remove();
        found.map_or(true, |found| !judge(inner, at, &found).wrong.is_empty())
    });
    assert!(found_out, "a disk that lies ({syncs:?}) has lost nothing that this notices");
}

/// While a database is made nothing is promised, but the next command must get along with whatever is left, also with
/// nothing. Once somebody has said that it is there, it is: the server by listening, the command by its exit code.
fn new_database(torture: &mut Torture, cuts: usize) {
    let making = ["app", "create", "demo", "--json"];
    for served in [false, true] {
        let room = torture.room();
        let base = Base::read(&room.data);
        let server = served.then(|| room.serve(&[]));
        let there = if served { room.noted() } else { u64::MAX };
        room.ok(&making);
        let made = room.noted();
        drop(server);
        let notes = Notes::read(&room.notes);
        let moments = notes.after(b"CWTSFDRU");
        for number in 0..cuts * 2 {
            let at = match number {
                0 => made,
                1 => made.min(there),
                _ => moments[torture.rng.random_range(0..moments.len())],
            };
            let left = left(&mut torture.rng);
            let files = notes.cut(&base, at, left, Syncs::Honest, &mut torture.rng);
            let other = torture.room();
            write(&files, &other.data);
            let when = format!("{left:?} at {at}, listening at {there}, made at {made}");
            if files.contains_key("keystead.db") {
                let apps = other.ok(&["app", "list", "--json"]);
                assert!(at < made || apps.contains("\"demo\""), "the app was made, and is gone ({when}): {apps}");
                other.ok(&["check"]);
                if apps.contains("\"demo\"") {
                    other.ok(&["app", "show", "demo"]);
                } else {
                    other.ok(&making);
                }
            } else {
                assert!(at < made.min(there), "the database was made, and is gone ({when}): {:?}", files.keys());
                other.ok(&making);
            }
            other.remove();
            torture.sums.cuts += 1;
        }
        room.remove();
    }
    torture.say("a database whose making was cut off is made by the next command");
}

/// An upgrade that is cut off leaves the old database or the new one; and once it is the new one, the copy of the old
/// one is there, whole.
fn upgrade(torture: &mut Torture, cuts: usize) {
    let room = torture.room();
    let old = include_str!("../../tests/schema/2.sql");
    // As a server that was killed has left it: with its log beside it, so that nobody makes a new one and syncs the folder.
    let db = Connection::open(room.database()).expect("a database");
    db.execute_batch("PRAGMA journal_mode = WAL").expect("a pragma");
    db.execute_batch(old).expect("the old schema");
    let crashed = Base::read(&room.data).into_files();
    drop(db);
    write(&crashed, &room.data);
    let base = Base::read(&room.data);
    room.ok(&["app", "list", "--json"]);
    let notes = Notes::read(&room.notes);
    let mut moments = notes.after(b"CTSFDRU");
    moments.extend(notes.after_in("keystead.db"));
    moments.extend(notes.after_in("keystead.db-wal"));
    for _ in 0..cuts * 4 {
        let at = moments[torture.rng.random_range(0..moments.len())];
        let left = left(&mut torture.rng);
        let files: Files = notes.cut(&base, at, left, Syncs::Honest, &mut torture.rng);
        let other = torture.room();
        write(&files, &other.data);
        let version = |name: &str| {
            let db = Connection::open(other.data.join(name)).ok()?;
            db.query_row("SELECT version FROM schema_version", [], |row| row.get::<_, i64>(0)).ok()
        };
        let copy = || files.keys().find(|name| name.contains("before-schema") && !name.contains(".part"));
        match version("keystead.db") {
            Some(2) => {}
            Some(_) => {
                let copy = copy().unwrap_or_else(|| panic!("upgraded, and no copy ({left:?} at {at})"));
                assert_eq!(version(copy), Some(2), "upgraded, and the copy is none ({left:?} at {at})");
            }
            None => panic!("neither the old nor the new ({left:?} at {at})"),
        }
        other.ok(&["app", "list", "--json"]);
        other.ok(&["check"]);
        other.remove();
        torture.sums.cuts += 1;
    }
    room.remove();
    torture.say("an upgrade that was cut off lost nothing");
}
