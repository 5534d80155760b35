//! Kills: the server is killed at random instants, also while it starts and while commands run beside it, again and again
//! on the same file. The system survives, so that everything written is there, synced or not.

use std::thread;
use std::time::Duration;

use rand::RngExt;

use crate::Torture;
use crate::history::{History, next};
use crate::load::Scene;
use crate::visit::{compare, furnish, old_sessions};

/// Kills on one database, then another begins: with its size, reading all of it takes longer.
const ON_ONE: usize = 12;
const KEYS: usize = 4_000;

pub fn run(torture: &mut Torture) {
    let kills = if torture.long { 240 } else { 14 };
    let mut done = 0;
    while done < kills {
        let some = ON_ONE.min(kills - done);
        on_one_database(torture, some);
        done += some;
        torture.say(&format!("{done} of {kills} kills, {} acknowledged", torture.sums.acknowledged));
    }
}

fn on_one_database(torture: &mut Torture, kills: usize) {
    let room = torture.room();
    let (state, mut keys) = furnish(&room, KEYS);
    old_sessions(&room);
    let _ = std::fs::remove_file(&room.notes);
    let mut history = History::since(state, Vec::new());
    for load in 1..=kills {
        // Some never get to answer anybody.
        for _ in 0..torture.rng.random_range(0..3) {
            let mut child = room.spawn(&[]);
            thread::sleep(Duration::from_micros(torture.rng.random_range(0..60_000)));
            child.kill().expect("kills");
            child.wait().expect("ends");
            torture.sums.kills += 1;
        }
        let mut server = room.serve(&[]);
        let scene = Scene::new(&room, &server.address, &history, load, keys);
        let seed = torture.rng.random();
        let (answers, after) = (torture.rng.random_range(0..150), torture.rng.random_range(0..20_000));
        scene.run(seed, true, || {
            scene.wait_for(answers);
            thread::sleep(Duration::from_micros(after));
            server.kill();
        });
        torture.sums.kills += 1;
        torture.sums.commands_killed += scene.killed();
        keys = scene.end();
        let inner = history.inner();
        let (found, verdict, server) = compare(&room, &inner, u64::MAX, &mut torture.rng, &[]);
        torture.sums.add(&verdict);
        history = next(&inner, u64::MAX, found);
        // In turns: one that closed its file, one that did not.
        if torture.rng.random_bool(0.5) {
            assert!(server.stop().success(), "SIGTERM ends it with 0");
        }
        let _ = std::fs::remove_file(&room.notes);
    }
    room.remove();
}
