//! The disk is full: clear answers ("not now", never "not found"), reading goes on, nothing is damaged, and when space
//! returns the server works again by itself. Also a full disk at the start, and under the log. By the shim, which works
//! everywhere; with a real small disk in `real.rs`.

use rand::RngExt;

use crate::Torture;
use crate::doors::{self, Outcome, Ticket};
use crate::history::{History, judge, next, tell};
use crate::http::Client;
use crate::load::Scene;
use crate::observe::observe;
use crate::room::{ENOSPC, Room, Trouble, until};
use crate::visit::{compare, furnish, reader};

const KEYS: usize = 4_000;

pub fn run(torture: &mut Torture) {
    for _ in 0..if torture.long { 10 } else { 2 } {
        let room = torture.room();
        let budget = torture.rng.random_range(0..400_000);
        let fill = |room: &Room| {
            room.set(Trouble::Budget, budget);
            room.set(Trouble::Limited, 1);
        };
        while_it_runs(torture, room, fill, |room| room.set(Trouble::Limited, 0));
    }
    room_in_the_log(torture);
    at_the_start(torture);
    under_the_log(torture);
}

/// A disk that fills up and is made empty again in these ways.
pub fn while_it_runs(torture: &mut Torture, room: Room, fill: impl Fn(&Room), empty: impl Fn(&Room)) {
    let (state, mut keys) = furnish(&room, KEYS);
    let mut history = History::since(state, Vec::new());
    for load in 1..=3 {
        let mut server = room.serve(&[]);
        let (ticket, reading) = reader(&server.address, &mut keys, &history);
        let scene = Scene::new(&room, &server.address, &history, load, keys);
        let seed = torture.rng.random();
        let mut after = 0;
        scene.run(seed, load > 1, || {
            scene.wait_for(40);
            fill(&room);
            assert!(scene.wait_for_not_now(60), "the disk is full, and nobody is told: {:?}", scene.wrong);
            let mut client = Client::new(&server.address, "192.0.2.1");
            reading.assert_goes_on(&mut client, &ticket);
            let (code, out, err) = room.run(&["check"]);
            assert!(code == 0, "`keystead check` on a full disk: {code} {out}{err}");
            command_says_so(&room, &history, load);
            // Space returns; nobody starts anything again.
            empty(&room);
            after = scene.not_now.load(std::sync::atomic::Ordering::SeqCst);
            scene.wait_for(60);
        });
        torture.sums.not_now += scene.not_now.load(std::sync::atomic::Ordering::SeqCst);
        torture.sums.commands_killed += scene.killed();
        assert!(server.lives());
        keys = scene.end();
        // The server that said it could not do it has not done it.
        let found = observe(&room).unwrap_or_else(|wrong| panic!("after a full disk: {wrong}"));
        let verdict = judge(&history.inner().without_told_no(), u64::MAX, &found);
        assert!(verdict.wrong.is_empty(), "after a full disk:\n{}", tell(&verdict.wrong));
        assert!(verdict.acknowledged > 0 && after > 0);
        server.kill();
        let inner = history.inner();
        let (found, verdict, server) = compare(&room, &inner, u64::MAX, &mut torture.rng, &[]);
        torture.sums.add(&verdict);
        history = next(&inner, u64::MAX, found);
        drop(server);
    }
    room.remove();
    torture.say("a full disk: \"not now\", reading went on, and it recovered by itself");
}

/// A command that cannot write says so, with the database's exit code.
fn command_says_so(room: &Room, history: &History, load: usize) {
    let (name, value) = (format!("full{load}"), "x".repeat(900));
    let number = history.ask(0, vec![vec![(format!("app variable {name}"), Some(value.clone()))]]);
    let (code, _, err) = room.run(&["var", "set", "--app", "demo", &name, &value]);
    // What is in the log's file already can be written over: then it goes well.
    match code {
        0 => history.done(number, 0, 0),
        _ => assert!(code == 4 && err.contains("full"), "{code}: {err}"),
    }
}

/// All that is missing is what the log takes: it is folded, and nobody is told "not now".
fn room_in_the_log(torture: &mut Torture) {
    let room = torture.room();
    let (state, mut keys) = furnish(&room, 10);
    let history = History::since(state, Vec::new());
    let server = room.serve(&[]);
    let (ticket, _) = reader(&server.address, &mut keys, &history);
    let Ticket::Session(session) = ticket else { unreachable!("a session of KeyAuth's") };
    let mut client = Client::new(&server.address, "192.0.2.1");
    for n in 0..200 {
        if n == 50 {
            room.set(Trouble::Limited, 1);
        }
        // Always the same page: the log grows, the database does not.
        let value = format!("here{}", n % 2);
        let pairs = [("sessionid", &*session), ("var", "score"), ("data", &*value)];
        let outcome = doors::keyauth(&mut client, "1.2", "setvar", &pairs);
        assert!(matches!(outcome, Outcome::Done(_)), "{n} writes, then {outcome:?}");
    }
    assert!(room.value(Trouble::Refused) > 0, "the disk was never full");
    drop(server);
    room.heal();
    room.ok(&["check"]);
    room.remove();
    torture.say("a disk that the log has filled: it is folded, and nobody notices");
}

/// A server that cannot start for want of space says that.
fn at_the_start(torture: &mut Torture) {
    let room = torture.room();
    furnish(&room, 10);
    let mut ended = 0;
    for budget in (0..100_000).step_by(if torture.long { 1_000 } else { 9_000 }) {
        for name in ["keystead.db.lock", "keystead.db-shm", "keystead.db-wal"] {
            let _ = std::fs::remove_file(room.data.join(name));
        }
        room.set(Trouble::Budget, budget);
        room.set(Trouble::Limited, 1);
        match room.try_serve(&[]) {
            // What it needs at the start was there: it serves, and refuses what it cannot write.
            Ok(server) => drop(server),
            Err((status, said)) => {
                ended += 1;
                assert_eq!(status.code(), Some(4), "{said}");
                assert!(said.contains("disk is full"), "it does not say what to do: {said}");
            }
        }
        room.heal();
    }
    assert!(ended > 0, "a server without any space started");
    room.ok(&["check"]);
    assert!(room.serve(&[]).stop().success());
    room.remove();
    torture.say("a full disk at the start: exit code 4, and a sentence");
}

/// The log's disk is full: its lines are lost, no answer is.
fn under_the_log(torture: &mut Torture) {
    let room = torture.room();
    let (state, keys) = furnish(&room, 500);
    let history = History::since(state, Vec::new());
    let mut server = room.serve(&["--log-level", "debug"]);
    room.set(Trouble::LogError, ENOSPC);
    let scene = Scene::new(&room, &server.address, &history, 1, keys);
    let seed = torture.rng.random();
    scene.run(seed, false, || scene.wait_for(150));
    scene.end();
    until("a line of the log was refused", || room.value(Trouble::Refused) > 0);
    room.heal();
    assert!(server.lives());
    server.kill();
    let (_, verdict, server) = compare(&room, &history.inner(), u64::MAX, &mut torture.rng, &[]);
    torture.sums.add(&verdict);
    drop(server);
    room.remove();
    torture.say("a full disk under the log: every answer came");
}
