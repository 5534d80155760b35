//! The database's files go away under the server: moved, replaced, the log removed. What would be lost is not accepted, what
//! was accepted is kept, and the server says what to do.

use std::fs;

use rand::RngExt;

use crate::Torture;
use crate::doors::{self, Outcome};
use crate::history::History;
use crate::http::Client;
use crate::load::Scene;
use crate::room::{Room, Server, until};
use crate::visit::{compare, furnish, reader};

pub fn run(torture: &mut Torture) {
    for _ in 0..if torture.long { 6 } else { 1 } {
        moved_and_put_back(torture);
        replaced(torture);
        for endings in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
            removed_beside(torture, endings, true);
            removed_beside(torture, endings, false);
        }
    }
    a_foreign_lock(torture);
}

fn init(server: &Server) -> Outcome {
    doors::keyauth(&mut Client::new(&server.address, "192.0.2.9"), "1.2", "init", &[("ver", "1.0")])
}

/// Some load, then this, then everything is compared.
fn with_load(torture: &mut Torture, then: impl FnOnce(&Room, &History, Server, &dyn Fn(&Server))) {
    let room = torture.room();
    let (state, mut keys) = furnish(&room, 1_000);
    let history = History::since(state, Vec::new());
    let server = room.serve(&[]);
    let (ticket, reading) = reader(&server.address, &mut keys, &history);
    let scene = Scene::new(&room, &server.address, &history, 1, keys);
    let seed = torture.rng.random();
    scene.run(seed, true, || scene.wait_for(60));
    scene.end();
    let goes_on = |server: &Server| reading.assert_goes_on(&mut Client::new(&server.address, "192.0.2.1"), &ticket);
    then(&room, &history, server, &goes_on);
    let (_, verdict, server) = compare(&room, &history.inner(), u64::MAX, &mut torture.rng, &[]);
    torture.sums.add(&verdict);
    drop(server);
    room.remove();
}

fn moved_and_put_back(torture: &mut Torture) {
    with_load(torture, |room, _, mut server, goes_on| {
        let away = room.data.join("away.db");
        fs::rename(room.database(), &away).expect("moves");
        assert!(matches!(init(&server), Outcome::NotNow), "written to a file that is not there");
        goes_on(&server);
        fs::rename(&away, room.database()).expect("moves back");
        assert!(matches!(init(&server), Outcome::Done(_)), "the file is there again");
        server.kill();
    });
    torture.say("the file moved away and put back: \"not now\" meanwhile, nothing lost");
}

fn replaced(torture: &mut Torture) {
    with_load(torture, |room, _, server, goes_on| {
        let (away, new) = (room.data.join("away.db"), room.data.join("new.db"));
        fs::write(&new, "").expect("writes");
        fs::rename(room.database(), &away).expect("moves");
        fs::rename(&new, room.database()).expect("moves");
        assert!(matches!(init(&server), Outcome::NotNow), "written to a file that is not there");
        goes_on(&server);
        until("the log says what to do", || server.log().contains("put that one back, or stop and start again"));
        assert!(server.stop().success());
        fs::rename(&away, room.database()).expect("moves back");
    });
    torture.say("the file replaced: \"not now\", the log says what to do, nothing lost");
}

/// Somebody tidies up, and a command writes while the server still runs. What is in the log's file is folded into the
/// database before that can be lost. Without the file of the locks nobody can be kept from writing, so the server leaves
/// everything to the others.
fn removed_beside(torture: &mut Torture, endings: &[&str], kill: bool) {
    with_load(torture, |room, history, mut server, goes_on| {
        for ending in endings {
            fs::remove_file(room.data.join(format!("keystead.db{ending}"))).expect("was there");
        }
        // It looks by itself, too; asking makes it look at once.
        assert!(matches!(init(&server), Outcome::NotNow), "written beside what others write");
        let locks = endings == ["-wal"];
        if locks {
            goes_on(&server);
        }
        until("the server says what to do", || server.log().contains("stop and start again"));
        // A command that is kept out waits for long.
        for n in 0..if locks { 1 } else { 20 } {
            let name = format!("beside{n}");
            let number = history.ask(0, vec![vec![(format!("app variable {name}"), Some("a text".to_owned()))]]);
            let arguments = ["var", "set", "--app", "demo", &name, "a text"];
            let (code, out, err) = room.run(&arguments);
            assert_eq!(code, if locks { 4 } else { 0 }, "{out}{err}");
            if code == 0 {
                history.done(number, 0, 0);
            }
            assert!(matches!(init(&server), Outcome::NotNow), "written beside what others write");
        }
        if kill {
            server.kill();
        } else {
            assert!(server.stop().success());
        }
    });
    let how = if kill { "killed" } else { "stopped" };
    torture.say(&format!("{} removed, commands, the server {how}: nothing lost", endings.join(" and ")));
}

/// Another process holds the write lock, and goes on holding it: SIGTERM ends the server all the same.
fn a_foreign_lock(torture: &mut Torture) {
    let room = torture.room();
    let (state, mut keys) = furnish(&room, 10);
    let history = History::since(state, Vec::new());
    let server = room.serve(&["--busy-timeout", "1h", "--drain-timeout", "100ms"]);
    let (ticket, reading) = reader(&server.address, &mut keys, &history);
    let other = rusqlite::Connection::open(room.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| init(&server));
        reading.assert_goes_on(&mut Client::new(&server.address, "192.0.2.1"), &ticket);
        server.ask_to_stop();
        let outcome = waiting.join().expect("asks");
        assert!(!matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    });
    assert!(server.stop_waiting().success(), "it ended well");
    drop(other);
    room.ok(&["check"]);
    room.remove();
    torture.say("SIGTERM while another process holds the write lock: it ends, with 0");
}
