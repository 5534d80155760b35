//! The clock jumps while the server runs: ahead by hours and years, back by as much. What ends, ends by the clock as it is
//! asked; nothing is changed or deleted because of a jump, so that with the right time everything is as it was.

use rand::RngExt;
use serde_json::json;

use crate::Torture;
use crate::doors::{self, Outcome, PASSWORD, Ticket, device, is_in};
use crate::history::{History, judge, tell};
use crate::http::Client;
use crate::load::Scene;
use crate::observe::observe;
use crate::room::{Room, Server, Trouble, until};
use crate::visit::{compare, furnish, reader};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

pub fn run(torture: &mut Torture) {
    jumps(torture);
    under_load(torture);
}

/// One customer of each kind, and what becomes of them at other times.
fn jumps(torture: &mut Torture) {
    let room = torture.room();
    let (state, mut keys) = furnish(&room, 20);
    let history = History::since(state, Vec::new());
    let mut server = room.serve(&[]);
    let (ticket, reading) = reader(&server.address, &mut keys, &history);
    let mut client = Client::new(&server.address, "192.0.2.1");
    let key = keys.pop_front().expect("a key");
    let mia = Mia::sign_up(&mut client, &key);
    client_logs(&room, &server, &ticket);

    // Within the session, within the day of the license; then past them; then far away; each time back again.
    for (ahead, in_session, holds) in [
        (HOUR, true, true),
        (DAY + HOUR, false, false),
        (-HOUR, true, true),
        (YEAR, false, false),
        (-YEAR, true, true),
        (30 * YEAR, false, false),
        (-10 * YEAR, true, true),
    ] {
        room.set(Trouble::Clock, ahead);
        assert_eq!(is_in(&mut client, &ticket), in_session, "a session, {ahead} s ahead");
        mia.assert_enters(&mut client, holds, ahead);
        // What is made at the wrong time works at that time.
        let fresh = doors::init(&mut client, "1.3").unwrap_or_else(|outcome| panic!("{ahead} s ahead: {outcome:?}"));
        match doors::keyauth(&mut client, "1.3", "check", &[("sessionid", &fresh)]) {
            Outcome::Refused(reply) => assert_eq!(reply.json["error"], "SESSION_NOT_VALIDATED", "{ahead} s ahead"),
            other => panic!("{ahead} s ahead: {other:?}"),
        }
        room.ok(&["check"]);
        room.set(Trouble::Clock, 0);
        reading.assert_goes_on(&mut client, &ticket);
        mia.assert_enters(&mut client, true, 0);
    }
    clean_up(torture, &room, &server, &ticket);
    bans_and_pauses(&room, &mut client, &mia);
    server.kill();
    room.remove();
    torture.say("jumps from -10 to +30 years: what ends, ends by the clock; with the right time all is as it was");
}

/// What a client tells the operator: kept for a time, then deleted, and therefore in danger.
fn client_logs(room: &Room, server: &Server, ticket: &Ticket) {
    let Ticket::Session(session) = ticket else { return };
    let mut client = Client::new(&server.address, "192.0.2.1");
    let outcome = doors::keyauth(&mut client, "1.2", "log", &[("sessionid", session), ("message", "started")]);
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert!(log_lines(room).contains("started"));
}

fn log_lines(room: &Room) -> String {
    room.ok(&["log", "list", "--app", doors::APP])
}

/// The clean-up has looked at a clock that is years ahead, and deleted nothing.
fn clean_up(torture: &Torture, room: &Room, server: &Server, ticket: &Ticket) {
    if !torture.long {
        return;
    }
    room.set(Trouble::Clock, 5 * YEAR);
    // It looks every 30 seconds: two looks, whatever they find.
    std::thread::sleep(std::time::Duration::from_secs(65));
    room.set(Trouble::Clock, 0);
    let mut client = Client::new(&server.address, "192.0.2.1");
    assert!(is_in(&mut client, ticket), "deleted by a clock that was wrong");
    assert!(log_lines(room).contains("started"), "deleted by a clock that was wrong");
    torture.say("the clean-up deletes nothing by a clock that has jumped");
}

/// A pause while the clock goes back takes nothing from anybody; a ban knows no time.
fn bans_and_pauses(room: &Room, client: &mut Client, mia: &Mia) {
    let app = ["--app", doors::APP];
    room.ok(&["app", "pause", doors::APP]);
    room.set(Trouble::Clock, -DAY);
    room.ok(&["app", "resume", doors::APP]);
    room.set(Trouble::Clock, 0);
    until("the app goes on", || doors::init(client, "1.2").is_ok());
    mia.assert_enters(client, true, 0);
    room.ok(&[&["user", "ban", &mia.name], &app[..]].concat());
    for ahead in [0, YEAR, -YEAR] {
        room.set(Trouble::Clock, ahead);
        assert_eq!(mia.log_in(client), "USER_BANNED", "{ahead} s ahead");
    }
    room.set(Trouble::Clock, 0);
}

/// A customer with a license of one day.
struct Mia {
    name: String,
}

impl Mia {
    fn sign_up(client: &mut Client, key: &str) -> Mia {
        let mia = Mia { name: "mia".to_owned() };
        let session = doors::authly_init(client).unwrap_or_else(|outcome| panic!("{outcome:?}"));
        let body = json!({"session_id": session, "username": mia.name, "password": PASSWORD, "key": key,
            "sid": device(&mia.name)});
        let outcome = doors::authly(client, "/register", &body);
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        mia
    }

    /// What is said to her; nothing, if she gets in.
    fn log_in(&self, client: &mut Client) -> String {
        let session = doors::init(client, "1.2").unwrap_or_else(|outcome| panic!("{outcome:?}"));
        let hwid = device(&self.name);
        let pairs = [("sessionid", &*session), ("username", &self.name), ("pass", PASSWORD), ("hwid", &hwid)];
        match doors::keyauth(client, "1.2", "login", &pairs) {
            Outcome::Done(_) => String::new(),
            Outcome::Refused(reply) => doors::text(&reply, "error"),
            other => panic!("{other:?}"),
        }
    }

    fn assert_enters(&self, client: &mut Client, enters: bool, ahead: i64) {
        assert_eq!(self.log_in(client), if enters { "" } else { "USER_EXPIRED" }, "{ahead} s ahead");
    }
}

/// The clock jumps about while customers of all formats are served: it costs nobody what was answered.
fn under_load(torture: &mut Torture) {
    let room = torture.room();
    let (state, keys) = furnish(&room, 3_000);
    let history = History::since(state, Vec::new());
    let mut server = room.serve(&[]);
    let scene = Scene::new(&room, &server.address, &history, 1, keys);
    let (seed, jumps) = (torture.rng.random(), if torture.long { 40 } else { 8 });
    let offsets: Vec<i64> = (0..jumps).map(|_| torture.rng.random_range(-HOUR..HOUR)).collect();
    scene.run(seed, false, || {
        for offset in offsets {
            room.set(Trouble::Clock, offset);
            scene.wait_for(25);
        }
        room.set(Trouble::Clock, 0);
    });
    scene.end();
    history.forget_what_fades();
    let found = observe(&room).unwrap_or_else(|wrong| panic!("{wrong}"));
    let verdict = judge(&history.inner(), u64::MAX, &found);
    assert!(verdict.wrong.is_empty(), "after jumps:\n{}", tell(&verdict.wrong));
    server.kill();
    let (_, verdict, server) = compare(&room, &history.inner(), u64::MAX, &mut torture.rng, &[]);
    torture.sums.add(&verdict);
    drop(server);
    room.remove();
    torture.say("jumps by up to an hour under load: every answer holds");
}
