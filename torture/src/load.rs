//! The load: customers of all formats and an operator, each with names and keys of its own, who ask one thing after the
//! other and note in the history what they ask and what they are told. Decides nothing about what is right.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::doors::{self, Outcome, PASSWORD, Ticket, device};
use crate::history::{Change, History, Number};
use crate::http::{Client, Reply};
use crate::observe::{license_state, user_state};
use crate::room::{PATIENCE, Room};

/// Customers at one time.
pub const CUSTOMERS: usize = 10;

/// How long a load waits for its answers on a busy machine.
const LONG_ENOUGH: Duration = Duration::from_secs(4);

/// What everybody shares.
pub struct Scene<'a> {
    pub room: &'a Room,
    pub address: String,
    pub history: &'a History,
    /// Tells customers of different loads on one database apart.
    pub load: usize,
    /// Keys that nobody has used yet.
    pub keys: Mutex<VecDeque<String>>,
    /// Users that their customers leave to the operator: name, days, the keys they used.
    left: Mutex<Vec<Mine>>,
    /// The load is to end.
    pub over: AtomicBool,
    /// How much was answered well, and how often the answer was "not now".
    pub answered: AtomicUsize,
    pub not_now: AtomicUsize,
    pub killed: AtomicUsize,
    /// What went wrong at once: a "no" that nobody has deserved.
    pub wrong: Mutex<Vec<String>>,
}

impl<'a> Scene<'a> {
    pub fn new(room: &'a Room, address: &str, history: &'a History, load: usize, keys: VecDeque<String>) -> Scene<'a> {
        Scene {
            room,
            address: address.to_owned(),
            history,
            load,
            keys: Mutex::new(keys),
            left: Mutex::default(),
            over: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
            not_now: AtomicUsize::new(0),
            killed: AtomicUsize::new(0),
            wrong: Mutex::default(),
        }
    }

    /// Everybody at once, until told to end or until the server is gone. `meanwhile` runs beside.
    pub fn run(&self, seed: u64, operator: bool, meanwhile: impl FnOnce()) {
        thread::scope(|scope| {
            for number in 0..CUSTOMERS {
                scope.spawn(move || Actor::new(self, number, seed).visit());
            }
            if operator {
                scope.spawn(move || crate::operator::work(self, seed));
            }
            meanwhile();
            self.over.store(true, Ordering::SeqCst);
        });
    }

    pub fn complain(&self, what: String) {
        self.wrong.lock().expect("no panic").push(what);
        self.over.store(true, Ordering::SeqCst);
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Waits until so much more was answered well; not for ever.
    pub fn wait_for(&self, answers: usize) {
        let (end, began) = (Instant::now() + LONG_ENOUGH, self.answered.load(Ordering::SeqCst));
        while self.answered.load(Ordering::SeqCst) < began + answers && Instant::now() < end && !self.is_over() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until "not now" was the answer so much more often; whether that came.
    pub fn wait_for_not_now(&self, answers: usize) -> bool {
        let (end, began) = (Instant::now() + PATIENCE, self.not_now.load(Ordering::SeqCst));
        while self.not_now.load(Ordering::SeqCst) < began + answers && Instant::now() < end && !self.is_over() {
            thread::sleep(Duration::from_millis(1));
        }
        self.not_now.load(Ordering::SeqCst) >= began + answers
    }

    /// How many commands were killed.
    pub fn killed(&self) -> usize {
        self.killed.load(Ordering::SeqCst)
    }

    /// The keys that are left. What went wrong at once is told now.
    pub fn end(self) -> VecDeque<String> {
        let wrong = self.wrong.into_inner().expect("no panic");
        assert!(wrong.is_empty(), "refused without a reason:\n{}", crate::history::tell(&wrong));
        self.keys.into_inner().expect("no panic")
    }

    /// One of the users that are left to the operator.
    pub fn leave_taken(&self) -> Option<Mine> {
        self.left.lock().expect("no panic").pop()
    }
}

/// A user of one customer's.
#[derive(Clone, Debug)]
pub struct Mine {
    pub name: String,
    pub keys: Vec<String>,
    devices: Vec<String>,
    address: String,
    ticket: Option<Ticket>,
}

impl Mine {
    fn fact(&self) -> (String, Option<String>) {
        (format!("user {}", self.name), Some(user_state(self.keys.len(), false, &self.devices)))
    }

    /// As it is when it is banned.
    pub fn banned(&self) -> (String, Option<String>) {
        (format!("user {}", self.name), Some(user_state(self.keys.len(), true, &self.devices)))
    }
}

/// A license that this user has used.
pub fn used(key: &str, by: &str) -> (String, Option<String>) {
    (format!("license {key}"), Some(license_state(Some(Some(by)), false)))
}

struct Actor<'a> {
    scene: &'a Scene<'a>,
    client: Client,
    rng: StdRng,
    name: String,
    made: usize,
    users: Vec<Mine>,
    /// The server is gone.
    gone: bool,
    /// How often it was told "not now".
    refused: usize,
}

impl<'a> Actor<'a> {
    fn new(scene: &'a Scene<'a>, number: usize, seed: u64) -> Actor<'a> {
        let rng = StdRng::seed_from_u64(seed ^ (number as u64) << 32);
        let from = format!("10.{}.{}.{number}", scene.load / 250 % 250, scene.load % 250);
        let client = Client::new(&scene.address, &from);
        let name = format!("l{}c{number}", scene.load);
        Actor { scene, client, rng, name, made: 0, users: Vec::new(), gone: false, refused: 0 }
    }

    fn visit(&mut self) {
        while !self.gone && !self.scene.is_over() {
            let version = if self.rng.random_bool(0.5) { "1.2" } else { "1.3" };
            match self.rng.random_range(0..100) {
                0..6 => self.register(version),
                6..28 => self.license(version),
                28..48 => self.upgrade(version),
                48..52 => self.log_in(version),
                52..67 => self.set_variable(version),
                67..71 => self.ban(version),
                71..75 => self.log_out(version),
                75..78 => self.sign_up_authgate(),
                78..80 => self.activate(),
                80..83 => self.register_authly(),
                83..90 => self.extend(),
                90..93 => self.sign_up_wacht(),
                93..95 => self.sign_out_wacht(),
                95..98 => self.two_want_one_key(version),
                _ => self.leave(),
            }
        }
    }

    // ---- asking

    /// Notes it, asks it, notes the answer.
    fn ask(&mut self, change: Change, call: impl FnOnce(&mut Client) -> Outcome) -> Option<(Number, Reply)> {
        let number = self.scene.history.ask(self.scene.room.noted(), vec![change]);
        let before = self.refused;
        let Some(reply) = self.answer(call) else {
            if self.refused > before {
                self.scene.history.told_no(number);
            }
            return None;
        };
        self.scene.history.done(number, self.scene.room.noted(), 0);
        Some((number, reply))
    }

    /// The answer, if it was a yes.
    fn answer(&mut self, call: impl FnOnce(&mut Client) -> Outcome) -> Option<Reply> {
        match call(&mut self.client) {
            Outcome::Done(reply) => {
                self.scene.answered.fetch_add(1, Ordering::SeqCst);
                return Some(reply);
            }
            Outcome::NotNow => {
                self.refused += 1;
                self.scene.not_now.fetch_add(1, Ordering::SeqCst);
            }
            Outcome::Refused(reply) => self.scene.complain(format!("{}: refused: {reply:?}", self.name)),
            Outcome::Silence => self.gone = true,
        }
        None
    }

    fn init(&mut self, version: &str) -> Option<String> {
        let reply = self.answer(|client| doors::keyauth(client, version, "init", &[("ver", "1.0")]))?;
        Some(doors::text(&reply, "sessionid"))
    }

    fn key(&self) -> Option<String> {
        self.scene.keys.lock().expect("no panic").pop_front()
    }

    fn new_user(&mut self, key: Option<String>) -> Mine {
        self.made += 1;
        let name = key.clone().unwrap_or_else(|| format!("{}u{}", self.name, self.made));
        let devices = vec![device(&name)];
        let address = format!("{}.{}", self.name.replace(['l', 'c'], "."), self.made);
        Mine { name, keys: key.into_iter().collect(), devices, address, ticket: None }
    }

    /// Takes out one of its users: whoever does not get an answer about one knows nothing of it any more.
    fn a_user(&mut self, fits: impl Fn(&Mine) -> bool) -> Option<Mine> {
        let fitting: Vec<_> = (0..self.users.len()).filter(|i| fits(&self.users[*i])).collect();
        if fitting.is_empty() {
            return None;
        }
        let index = fitting[self.rng.random_range(0..fitting.len())];
        Some(self.users.swap_remove(index))
    }

    fn keep(&mut self, number: Number, mut user: Mine, ticket: Option<Ticket>) {
        if let Some(ticket) = &ticket {
            self.scene.history.let_in(number, &user.name, ticket.clone());
        }
        user.ticket = ticket.or(user.ticket);
        self.users.push(user);
    }

    // ---- KeyAuth

    fn register(&mut self, version: &str) {
        let (Some(session), Some(key)) = (self.init(version), self.key()) else { return };
        let mut user = self.new_user(None);
        user.keys.push(key.clone());
        let change = vec![user.fact(), used(&key, &user.name)];
        let hwid = device(&user.name);
        let pairs =
            [("sessionid", &*session), ("username", &user.name), ("pass", PASSWORD), ("key", &key), ("hwid", &hwid)];
        let done = self.ask(change, |client| doors::keyauth(client, version, "register", &pairs));
        let Some((number, _)) = done else { return };
        self.keep(number, user, Some(Ticket::Session(session)));
    }

    fn license(&mut self, version: &str) {
        let (Some(session), Some(key)) = (self.init(version), self.key()) else { return };
        let user = self.new_user(Some(key.clone()));
        let hwid = device(&key);
        let pairs = [("sessionid", &*session), ("key", &key), ("hwid", &hwid)];
        let change = vec![user.fact(), used(&key, &key)];
        let done = self.ask(change, |client| doors::keyauth(client, version, "license", &pairs));
        let Some((number, _)) = done else { return };
        self.keep(number, user, Some(Ticket::Session(session)));
    }

    fn upgrade(&mut self, version: &str) {
        let Some(mut user) = self.a_user(|_| true) else { return };
        let (Some(session), Some(key)) = (self.init(version), self.key()) else { return };
        user.keys.push(key.clone());
        let pairs = [("sessionid", &*session), ("username", &user.name), ("key", &key)];
        let change = vec![user.fact(), used(&key, &user.name)];
        let done = self.ask(change, |client| doors::keyauth(client, version, "upgrade", &pairs));
        let Some((number, _)) = done else { return };
        self.keep(number, user, None);
    }

    fn log_in(&mut self, version: &str) {
        let Some(user) = self.a_user(|user| !user.keys.is_empty()) else { return };
        let Some(session) = self.init(version) else { return };
        let hwid = device(&user.name);
        let only_license = user.keys[0] == user.name;
        let mut pairs = vec![("sessionid", &*session), ("hwid", &hwid)];
        let call = if only_license { "license" } else { "login" };
        pairs.extend(if only_license { vec![("key", &*user.name)] } else { vec![("username", &*user.name), ("pass", PASSWORD)] });
        let mut user = user.clone();
        // Who signed up where there are no devices has none yet.
        if user.devices.is_empty() {
            user.devices.push(hwid.clone());
        }
        let done = self.ask(vec![user.fact()], |client| doors::keyauth(client, version, call, &pairs));
        let Some((number, _)) = done else { return };
        self.keep(number, user, Some(Ticket::Session(session)));
    }

    fn on_a_session(&mut self) -> Option<(Mine, String)> {
        let user = self.a_user(|user| matches!(user.ticket, Some(Ticket::Session(_))))?;
        let Some(Ticket::Session(session)) = user.ticket.clone() else { return None };
        Some((user, session))
    }

    fn set_variable(&mut self, version: &str) {
        let Some((user, session)) = self.on_a_session() else { return };
        let value = format!("value {}", self.rng.random_range(0..1_000_000));
        let change = vec![(format!("variable of {}", user.name), Some(value.clone()))];
        let pairs = [("sessionid", &*session), ("var", "score"), ("data", &*value)];
        if self.ask(change, |client| doors::keyauth(client, version, "setvar", &pairs)).is_some() {
            self.users.push(user);
        }
    }

    fn ban(&mut self, version: &str) {
        let Some((user, session)) = self.on_a_session() else { return };
        let hwid = device(&user.name);
        // An address of its own: it is banned, too.
        let from = std::mem::replace(&mut self.client.from, format!("2001:db8:{}", user.address.replace('.', ":")));
        let from_here = format!("2001:db8:{}", user.address.replace('.', ":"));
        let change = vec![
            user.banned(),
            (format!("ban {}", canonical(&from_here)), Some(String::new())),
            (format!("ban {hwid}"), Some(String::new())),
        ];
        let number = self.scene.history.ask(self.scene.room.noted(), vec![change]);
        self.scene.history.put_out(number, |stay| stay.user == user.name);
        let pairs = [("sessionid", &*session), ("reason", "a cheat"), ("hwid", &*hwid)];
        if self.answer(|client| doors::keyauth(client, version, "ban", &pairs)).is_some() {
            self.scene.history.done(number, self.scene.room.noted(), 0);
        }
        self.client.from = from;
    }

    fn log_out(&mut self, version: &str) {
        let Some((mut user, session)) = self.on_a_session() else { return };
        let ticket = Ticket::Session(session.clone());
        let number = self.scene.history.ask(self.scene.room.noted(), vec![vec![]]);
        self.scene.history.put_out(number, |stay| stay.ticket == ticket);
        if self.answer(|client| doors::keyauth(client, version, "logout", &[("sessionid", &session)])).is_some() {
            self.scene.history.done(number, self.scene.room.noted(), 0);
            user.ticket = None;
            self.users.push(user);
        }
    }

    /// Two users ask for one key at the same moment: one gets it.
    fn two_want_one_key(&mut self, version: &str) {
        let Some(key) = self.key() else { return };
        let mut other = Client::new(&self.scene.address, &self.client.from);
        let (Some(first), Ok(second)) = (self.init(version), doors::init(&mut other, version)) else { return };
        let (mut a, mut b) = (self.new_user(None), self.new_user(None));
        a.keys.push(key.clone());
        b.keys.push(key.clone());
        let ways = vec![vec![a.fact(), used(&key, &a.name)], vec![b.fact(), used(&key, &b.name)]];
        let number = self.scene.history.ask(self.scene.room.noted(), ways);
        let send = |client: &mut Client, session: &str, user: &Mine| {
            let hwid = device(&user.name);
            let (name, pass) = (("username", &*user.name), ("pass", PASSWORD));
            let pairs = [("sessionid", session), name, pass, ("key", &key), ("hwid", &hwid)];
            doors::send_keyauth(client, version, "register", &pairs)
        };
        let sent = [send(&mut self.client, &first, &a), send(&mut other, &second, &b)];
        let mut winners = Vec::new();
        let clients = [&mut self.client, &mut other];
        for (way, (sent, client)) in sent.into_iter().zip(clients).enumerate() {
            let outcome = if sent.is_ok() { doors::receive(client) } else { Outcome::Silence };
            match outcome {
                Outcome::Done(_) => {
                    self.scene.history.done(number, self.scene.room.noted(), way);
                    self.scene.answered.fetch_add(1, Ordering::SeqCst);
                    winners.push(way);
                }
                Outcome::Refused(reply) if reply.json["error"] == "LICENSE_IN_USE" => self.scene.history.one_of(number),
                Outcome::Refused(reply) => self.scene.complain(format!("{}: {reply:?}", self.name)),
                Outcome::NotNow => drop(self.scene.not_now.fetch_add(1, Ordering::SeqCst)),
                Outcome::Silence => self.gone = true,
            }
        }
        match winners[..] {
            [] => {}
            [way] => {
                let (user, session) = if way == 0 { (a, first) } else { (b, second) };
                self.keep(number, user, Some(Ticket::Session(session)));
            }
            _ => self.scene.complain(format!("{key}: redeemed twice, for {} and {}", a.name, b.name)),
        }
    }

    // ---- the other formats

    fn sign_up_authgate(&mut self) {
        let user = self.new_user(None);
        let body = json!({"username": user.name, "password": PASSWORD, "hardware_id": device(&user.name)});
        let done = self.ask(vec![user.fact()], |client| doors::authgate(client, "/sign_up", &body));
        let Some((number, _)) = done else { return };
        self.keep(number, user, None);
    }

    fn activate(&mut self) {
        let Some(mut user) = self.a_user(|user| user.keys.first() != Some(&user.name)) else { return };
        let Some(key) = self.key() else { return };
        user.keys.push(key.clone());
        let body = json!({"code": key, "username": user.name, "password": PASSWORD});
        let change = vec![user.fact(), used(&key, &user.name)];
        let done = self.ask(change, |client| doors::authgate(client, "/activate_license", &body));
        let Some((number, _)) = done else { return };
        let body = json!({"credentials": {"username": user.name, "password": PASSWORD}, "hardware_id": device(&user.name)});
        if user.devices.is_empty() {
            user.devices.push(device(&user.name));
        }
        self.keep(number, user, None);
        let user = self.users.pop().expect("just kept");
        let done = self.ask(vec![user.fact()], |client| doors::authgate(client, "/auth/login", &body));
        let Some((number, reply)) = done else { return };
        let token = Ticket::Token(doors::text(&reply, "session_token"));
        self.scene.history.let_in(number, &user.name, token);
        self.users.push(user);
    }

    fn register_authly(&mut self) {
        let Some(key) = self.key() else { return };
        let session = match doors::authly_init(&mut self.client) {
            Ok(session) => session,
            Err(outcome) => return drop(self.answer(|_| outcome)),
        };
        let mut user = self.new_user(None);
        user.keys.push(key.clone());
        let body = json!({"session_id": session, "username": user.name, "password": PASSWORD, "key": key,
            "sid": device(&user.name)});
        let change = vec![user.fact(), used(&key, &user.name)];
        let done = self.ask(change, |client| doors::authly(client, "/register", &body));
        let Some((number, _)) = done else { return };
        self.keep(number, user, None);
    }

    fn extend(&mut self) {
        let Some(mut user) = self.a_user(|_| true) else { return };
        let Some(key) = self.key() else { return };
        let session = match doors::authly_init(&mut self.client) {
            Ok(session) => session,
            Err(outcome) => return drop(self.answer(|_| outcome)),
        };
        user.keys.push(key.clone());
        let body = json!({"session_id": session, "username": user.name, "license_key": key, "sid": device(&user.name)});
        let change = vec![user.fact(), used(&key, &user.name)];
        let done = self.ask(change, |client| doors::authly(client, "/extend", &body));
        let Some((number, _)) = done else { return };
        self.keep(number, user, None);
    }

    fn sign_up_wacht(&mut self) {
        let mut user = self.new_user(None);
        user.devices.clear();
        let email = format!("{}@example.com", user.name);
        let pairs = [("username", &*user.name), ("email", &*email), ("password", PASSWORD)];
        let done = self.ask(vec![user.fact()], |client| doors::wacht(client, "/auth/signup", None, &pairs));
        let Some((number, reply)) = done else { return };
        self.keep(number, user, Some(Ticket::Cookie(doors::cookie(&reply))));
    }

    fn sign_out_wacht(&mut self) {
        let Some(mut user) = self.a_user(|user| matches!(user.ticket, Some(Ticket::Cookie(_)))) else { return };
        let Some(Ticket::Cookie(cookie)) = user.ticket.take() else { return };
        let number = self.scene.history.ask(self.scene.room.noted(), vec![vec![]]);
        let ticket = Ticket::Cookie(cookie.clone());
        self.scene.history.put_out(number, |stay| stay.ticket == ticket);
        let out = |client: &mut Client| doors::wacht(client, "/session/sign-out", Some(&cookie), &[]);
        if self.answer(out).is_some() {
            self.scene.history.done(number, self.scene.room.noted(), 0);
            self.users.push(user);
        }
    }

    /// The operator may have one of them.
    fn leave(&mut self) {
        if let Some(user) = self.a_user(|_| true) {
            self.scene.left.lock().expect("no panic").push(user);
        }
    }
}

/// An address as the server shows it.
fn canonical(address: &str) -> String {
    address.parse::<std::net::IpAddr>().map_or_else(|_| address.to_owned(), |ip| ip.to_string())
}
