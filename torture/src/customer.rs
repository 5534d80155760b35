//! One customer of the load: signs up, logs in, redeems, sets variables, is banned, leaves; through all formats, with users
//! and keys of its own, and notes each asking and each answer in the history. Decides nothing about what is right.

use std::sync::atomic::Ordering;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::doors::{self, Outcome, PASSWORD, Ticket, device};
use crate::history::{Change, Number, Stay};
use crate::http::{Client, Reply};
use crate::load::{Mine, Scene, used};

pub struct Customer<'a> {
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

impl<'a> Customer<'a> {
    pub fn new(scene: &'a Scene<'a>, number: usize, seed: u64) -> Customer<'a> {
        let rng = StdRng::seed_from_u64(seed ^ (number as u64) << 32);
        let from = format!("10.{}.{}.{number}", scene.load / 250 % 250, scene.load % 250);
        let client = Client::new(&scene.address, &from);
        let name = format!("l{}c{number}", scene.load);
        Customer { scene, client, rng, name, made: 0, users: Vec::new(), gone: false, refused: 0 }
    }

    /// One call after the other, until the load is over or the server is gone.
    pub fn visit(&mut self) {
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
        pairs.extend(if only_license {
            vec![("key", &*user.name)]
        } else {
            vec![("username", &*user.name), ("pass", PASSWORD)]
        });
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
        let body =
            json!({"credentials": {"username": user.name, "password": PASSWORD}, "hardware_id": device(&user.name)});
        if user.devices.is_empty() {
            user.devices.push(device(&user.name));
        }
        self.keep(number, user, None);
        let user = self.users.pop().expect("just kept");
        // It ends the older tokens of the same device.
        let number = self.scene.history.ask(self.scene.room.noted(), vec![vec![user.fact()]]);
        let a_token = |stay: &Stay| stay.user == user.name && matches!(stay.ticket, Ticket::Token(_));
        self.scene.history.put_out(number, a_token);
        let Some(reply) = self.answer(|client| doors::authgate(client, "/auth/login", &body)) else { return };
        self.scene.history.done(number, self.scene.room.noted(), 0);
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
            self.scene.leave(user);
        }
    }
}

/// An address as the server shows it.
fn canonical(address: &str) -> String {
    address.parse::<std::net::IpAddr>().map_or_else(|_| address.to_owned(), |ip| ip.to_string())
}
