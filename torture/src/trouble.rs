//! The disk fails: writes and syncs that come back with an error, a file that is read-only, a disk that is slow. Who was
//! answered loses nothing, also when the power goes afterwards; who could not be served is told so; and when the disk works
//! again, so does the server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rand::RngExt;

use crate::Torture;
use crate::disk::{Base, Left, Notes, Syncs, write};
use crate::doors::{self, Outcome};
use crate::history::{History, judge, next, tell};
use crate::http::Client;
use crate::load::Scene;
use crate::observe::observe;
use crate::room::{EACCES, EIO, EROFS, Trouble, until};
use crate::visit::{compare, furnish, reader};

const KEYS: usize = 4_000;

pub fn run(torture: &mut Torture) {
    let rounds = if torture.long { 8 } else { 2 };
    for _ in 0..rounds {
        writing_fails(torture);
    }
    for _ in 0..rounds {
        syncing_fails(torture);
    }
    a_slow_disk(torture);
    nothing_may_be_opened(torture);
}

/// EIO on every write; then a file system that has become read-only, as Linux makes it after an error.
fn writing_fails(torture: &mut Torture) {
    let room = torture.room();
    let (state, mut keys) = furnish(&room, KEYS);
    let mut history = History::since(state, Vec::new());
    for (load, error) in [(1, EIO), (2, EROFS)] {
        let mut server = room.serve(&[]);
        let (ticket, reading) = reader(&server.address, &mut keys, &history);
        let scene = Scene::new(&room, &server.address, &history, load, keys);
        let seed = torture.rng.random();
        scene.run(seed, false, || {
            scene.wait_for(30);
            room.set(Trouble::WriteError, error);
            if error == EROFS {
                room.set(Trouble::OpenError, error);
            }
            assert!(scene.wait_for_not_now(60), "no write works, and nobody is told: {:?}", scene.wrong);
            reading.assert_goes_on(&mut Client::new(&server.address, "192.0.2.1"), &ticket);
            let (code, _, err) = room.run(&["var", "set", "--app", "demo", "x", "y"]);
            assert!(code == 4 && err.len() > 20, "{code}: {err}");
            room.heal();
            scene.wait_for(60);
        });
        torture.sums.not_now += scene.not_now.load(Ordering::SeqCst);
        keys = scene.end();
        let found = observe(&room).unwrap_or_else(|wrong| panic!("after failed writes: {wrong}"));
        let verdict = judge(&history.inner().without_told_no(), u64::MAX, &found);
        assert!(verdict.wrong.is_empty(), "after failed writes:\n{}", tell(&verdict.wrong));
        server.kill();
        let inner = history.inner();
        let (found, verdict, server) = compare(&room, &inner, u64::MAX, &mut torture.rng, &[]);
        torture.sums.add(&verdict);
        history = next(&inner, u64::MAX, found);
        drop(server);
    }
    room.remove();
    torture.say("failing writes, a read-only disk: \"not now\", and it recovered by itself");
}

/// A failed sync is the last that is heard of it: the next one comes back well without having written what the failed one
/// was for. Whoever was answered must be there all the same when the power goes afterwards.
fn syncing_fails(torture: &mut Torture) {
    let room = torture.room();
    let (state, keys) = furnish(&room, KEYS);
    let _ = std::fs::remove_file(&room.notes);
    let base = Base::read(&room.data);
    let history = History::since(state, Vec::new());
    let mut server = room.serve(&[]);
    let scene = Scene::new(&room, &server.address, &history, 1, keys);
    let (seed, operator) = (torture.rng.random(), torture.rng.random_bool(0.5));
    let times: Vec<(usize, i64)> =
        (0..6).map(|_| (torture.rng.random_range(1..60), torture.rng.random_range(1..6))).collect();
    scene.run(seed, operator, || {
        for (answers, fails) in &times {
            scene.wait_for(*answers);
            room.set(Trouble::SyncError, EIO);
            room.set(Trouble::SyncFails, *fails);
            until("syncs have failed", || room.value(Trouble::SyncFails) <= 0 || scene.is_over());
        }
        room.heal();
        scene.wait_for(40);
    });
    torture.sums.not_now += scene.not_now.load(Ordering::SeqCst);
    assert!(scene.not_now.load(Ordering::SeqCst) > 0, "syncs failed, and nobody was told: {:?}", scene.wrong);
    torture.sums.commands_killed += scene.killed();
    scene.end();
    let found = observe(&room).unwrap_or_else(|wrong| panic!("after failed syncs: {wrong}"));
    let inner = history.inner();
    let verdict = judge(&inner.clone().without_told_no(), u64::MAX, &found);
    assert!(verdict.wrong.is_empty(), "after failed syncs:\n{}", tell(&verdict.wrong));
    server.kill();
    let notes = Notes::read(&room.notes);
    for _ in 0..if torture.long { 12 } else { 5 } {
        let moments = notes.after(b"SFD");
        let at = moments[torture.rng.random_range(moments.len() / 4..moments.len())];
        let left = [Left::Nothing, Left::Sectors(512, 0.5), Left::Sectors(4096, 0.5)][torture.rng.random_range(0..3)];
        let files = notes.cut(&base, at, left, Syncs::Honest, &mut torture.rng);
        let other = torture.room();
        write(&files, &other.data);
        let (_, verdict, server) = compare(&other, &inner, at, &mut torture.rng, &[]);
        torture.sums.add(&verdict);
        torture.sums.cuts += 1;
        drop(server);
        other.remove();
    }
    room.remove();
    torture.say("failing syncs: nobody was answered by them, and nothing is believed that is not on the disk");
}

/// While a sync takes for ever, whoever needs none is answered; and all that waited for it share the next.
fn a_slow_disk(torture: &mut Torture) {
    const WAITING: usize = 20;
    let room = torture.room();
    let (state, mut keys) = furnish(&room, 100);
    let history = History::since(state, Vec::new());
    let server = room.serve(&[]);
    let (ticket, reading) = reader(&server.address, &mut keys, &history);
    room.set(Trouble::SyncWait, i64::from(u32::MAX));
    let sent = AtomicUsize::new(0);
    let one_more = || {
        let mut client = Client::new(&server.address, "192.0.2.2");
        doors::send_keyauth(&mut client, "1.2", "init", &[("ver", "1.0")]).expect("sends");
        sent.fetch_add(1, Ordering::SeqCst);
        doors::receive(&mut client)
    };
    thread::scope(|scope| {
        let init = || doors::keyauth(&mut Client::new(&server.address, "192.0.2.2"), "1.2", "init", &[("ver", "1.0")]);
        let first = scope.spawn(init);
        until("a sync has begun", || room.value(Trouble::Syncing) > 0);
        let more: Vec<_> = (0..WAITING).map(|_| scope.spawn(one_more)).collect();
        until("all have asked", || sent.load(Ordering::SeqCst) == WAITING);
        let mut client = Client::new(&server.address, "192.0.2.1");
        for _ in 0..50 {
            reading.assert_goes_on(&mut client, &ticket);
        }
        assert!(!first.is_finished() && more.iter().all(|one| !one.is_finished()), "answered before it was synced");
        let before = room.value(Trouble::Syncs);
        room.set(Trouble::SyncWait, 0);
        for one in more.into_iter().chain([first]) {
            assert!(matches!(one.join().expect("asks"), Outcome::Done(_)));
        }
        let syncs = room.value(Trouble::Syncs) - before;
        assert!(syncs < WAITING as i64, "{syncs} syncs for {WAITING} calls that waited together");
    });
    assert!(server.stop().success());
    room.remove();
    torture.say("a slow disk: who needs no sync is answered meanwhile, who does shares one");
}

/// A start where the files may not be opened for writing.
fn nothing_may_be_opened(torture: &mut Torture) {
    for error in [EACCES, EROFS] {
        let room = torture.room();
        furnish(&room, 10);
        room.set(Trouble::OpenError, error);
        let (status, said) = room.try_serve(&[]).err().expect("no server without its file");
        assert!(status.code() == Some(4) && said.contains("keystead.db"), "{status}: {said}");
        let (code, _, said) = room.run(&["app", "create", "another"]);
        assert!(code == 4 && said.contains("keystead.db"), "{code}: {said}");
        room.heal();
        room.serve(&[]);
        room.remove();
    }
    torture.say("a file that may not be written: exit code 4, and a sentence");
}
