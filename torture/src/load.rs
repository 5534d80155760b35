//! The load: customers of all formats and an operator, all at once, on one server; and what they share.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::customer::Customer;
use crate::doors::Ticket;
use crate::history::History;
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
                scope.spawn(move || Customer::new(self, number, seed).visit());
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

    /// A customer leaves this user to the operator.
    pub fn leave(&self, user: Mine) {
        self.left.lock().expect("no panic").push(user);
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
    pub devices: Vec<String>,
    pub address: String,
    pub ticket: Option<Ticket>,
}

impl Mine {
    /// As it is in an export.
    pub fn fact(&self) -> (String, Option<String>) {
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
