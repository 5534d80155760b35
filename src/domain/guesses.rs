//! How often secrets may be guessed: codes of a second factor, passwords, licenses. Counted per user, per device of a
//! user, then per address, then per app; kept in the memory of the process, because what is refused writes nothing to
//! the database; a restart forgives. A guess that comes too early is not looked at: nothing is hashed for it, and it is
//! not told whether it was right. Knows no clock, and keeps no secret: what was guessed is remembered as a keyed hash.
//!
//! Who is attacked must get in all the same, and so must who shares an address with an attacker. Therefore guesses count
//! by where they come from: those from a device that is bound to the user count for that device alone; those from the
//! address of the user's last login, its home, count for the user at this address; only those of strangers count for the
//! user, for the address and for the app as a whole, and only strangers wait for these. What a device is called is no
//! secret: who sends its name from elsewhere does not keep it out at home.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;

use crate::model::exchange::subscriber;
use crate::model::ids::{AppId, UserId, fold};

use self::growing::{Waits, Wrong};
pub use self::steady::Allowance;

mod growing;
mod steady;
#[cfg(test)]
mod tests;

/// Codes of a second factor: per user, not per address, because the password was right already.
const CODES: Waits = Waits { free: 5, kept: Duration::MAX };

/// Passwords: per user and address, or per user and bound device; licenses redeemed by who is logged in: per user.
const SECRETS: Waits = Waits { free: 10, kept: Duration::from_secs(86_400) };

/// Passwords of one user, by strangers, from all addresses together.
const STRANGERS: Allowance = Allowance { interval: Duration::from_secs(120), burst: 30 };

/// What strangers may get wrong in an app that is under attack, at the addresses from which one user came in last.
const GUESTS: Allowance = Allowance { interval: Duration::from_secs(720), burst: 5 };

/// At so many addresses a user vouches for strangers.
const PLACES: usize = 3;

/// So many records of each kind are kept; beyond that, those used last.
const REMEMBERED: usize = 50_000;

/// What strangers may get wrong.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From one address: licenses and names that there are not, and users whose passwords were wrong, each counted once.
    pub address: Option<Allowance>,
    /// The same for one app from all addresses; where a customer came in before, a few more are let through.
    pub app: Option<Allowance>,
    /// New users from one address that bring no license.
    pub sign_ups: Option<Allowance>,
}

/// All wrong guesses. One for the whole server.
pub struct Guesses {
    codes: Mutex<Cache<UserId, Wrong>>,
    /// None: only codes are counted.
    limits: Option<Limits>,
    secrets: Mutex<Secrets>,
    hasher: RandomState,
}

/// Each record is found by the keyed hash of what it is about.
struct Secrets {
    wrong: Cache<u64, Wrong>,
    strangers: Cache<u64, Duration>,
    addresses: Cache<u64, Duration>,
    apps: Cache<u64, Duration>,
    /// What was counted from an address: the same again is no other guess.
    counted: Cache<u64, ()>,
    /// Addresses from which a user came in, and who it was. Who sits there is let into an app under attack, at this
    /// user's cost: a license of one's own buys few guesses, wherever it is used and however often.
    welcome: Cache<u64, UserId>,
    hosts: Cache<UserId, Host>,
}

/// A user who vouches for strangers.
#[derive(Clone, Copy, Default)]
struct Host {
    /// Where, the newest last.
    places: [u64; PLACES],
    /// Up to when what they may get wrong is used.
    used: Option<Duration>,
}

/// One request's guess. A call may run more than once for one request: its guess counts once.
#[derive(Clone, Copy)]
pub struct Guess<'a> {
    guesses: &'a Guesses,
    counted: &'a AtomicBool,
    from: IpAddr,
    now: Duration,
}

/// Whose secret is guessed.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Whom<'a> {
    /// This user's.
    User(UserId),
    /// That of an app's user whom there is not: who asks must not see the difference.
    Nobody(AppId, &'a str),
}

/// Where a guess comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// This device, which is bound to the user, at the address of the user's last login.
    DeviceAtHome(&'a str),
    /// This device, anywhere else.
    Device(&'a str),
    /// The address of the user's last login.
    Home,
    /// Anywhere else.
    Elsewhere,
}

/// How long a password is not looked at, by where it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    device_at_home: Option<Duration>,
    device: Option<Duration>,
    home: Option<Duration>,
    elsewhere: Option<Duration>,
}

impl Wait {
    /// Whether it is looked at wherever it comes from.
    pub fn is_none(&self) -> bool {
        *self == Wait::default()
    }

    /// From there.
    pub fn of(&self, source: Source<'_>) -> Option<Duration> {
        match source {
            Source::DeviceAtHome(_) => self.device_at_home,
            Source::Device(_) => self.device,
            Source::Home => self.home,
            Source::Elsewhere => self.elsewhere,
        }
    }
}

/// Why a guess was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It is wrong.
    Wrong,
    /// It was not looked at; the next one may come after this time.
    Blocked(Duration),
}

impl Default for Guesses {
    /// Counts codes only.
    fn default() -> Guesses {
        Guesses::new(None)
    }
}

impl Guesses {
    /// Counts with these limits; without, only the codes of second factors.
    pub fn new(limits: Option<Limits>) -> Guesses {
        let secrets = Secrets {
            wrong: Cache::new(REMEMBERED),
            strangers: Cache::new(REMEMBERED),
            addresses: Cache::new(REMEMBERED),
            apps: Cache::new(REMEMBERED),
            counted: Cache::new(2 * REMEMBERED),
            welcome: Cache::new(REMEMBERED),
            hosts: Cache::new(REMEMBERED),
        };
        let (codes, secrets) = (Mutex::new(Cache::new(REMEMBERED)), Mutex::new(secrets));
        Guesses { codes, limits, secrets, hasher: RandomState::new() }
    }

    /// The guess of one request, from this address; `counted` is the request's own, false at its start. `now` is a time
    /// since the server's start: the machine's clock may jump, and nobody is to wait longer or shorter for that.
    pub fn guess<'a>(&'a self, counted: &'a AtomicBool, ip: IpAddr, now: Duration) -> Guess<'a> {
        Guess { guesses: self, counted, from: subscriber(ip), now }
    }

    fn hash(&self, what: impl Hash) -> u64 {
        self.hasher.hash_one(what)
    }

    fn secrets(&self) -> MutexGuard<'_, Secrets> {
        // Whole whatever a panicking holder did: each change is one step.
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guess<'_> {
    /// What `check` finds, if it may be asked now: none is a wrong code, anything else clears the user's record.
    pub fn judge<T>(&self, user: UserId, check: impl FnOnce() -> Option<T>) -> Result<T, Missed> {
        // Held while the code is looked at: of many guesses at one moment each must know of the one before.
        let mut all = self.guesses.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = all.get(&user).copied();
        if !self.counted.load(Ordering::Relaxed)
            && let Some(wait) = CODES.wait(wrong, self.now)
        {
            return Err(Missed::Blocked(wait));
        }
        if let Some(right) = check() {
            all.remove(&user);
            return Ok(right);
        }
        if !self.counted.swap(true, Ordering::Relaxed) {
            all.insert(user, CODES.add(wrong, self.now));
        }
        Err(Missed::Wrong)
    }

    /// The limits, unless there are none or this request was counted before: what it counted does not stop itself.
    fn limits(&self) -> Option<Limits> {
        self.guesses.limits.filter(|_| !self.counted.load(Ordering::Relaxed))
    }

    /// The limits for what is to be counted now.
    fn count(&self) -> Option<Limits> {
        self.guesses.limits.filter(|_| !self.counted.swap(true, Ordering::Relaxed))
    }

    /// How long no password for this user is looked at; `hwid` is what the client calls its device.
    pub fn password_wait(&self, app: AppId, whom: Whom<'_>, hwid: Option<&str>) -> Wait {
        let Some(limits) = self.limits() else { return Wait::default() };
        let secrets = self.guesses.secrets();
        // Only a device that is bound has a record.
        let of = |source| self.wrong_wait(&secrets, self.own(whom, source));
        let device_at_home = hwid.and_then(|hwid| of(Source::DeviceAtHome(hwid)));
        let device = hwid.and_then(|hwid| of(Source::Device(hwid)));
        let home = of(Source::Home);
        let known = STRANGERS.wait(secrets.strangers.get(&self.guesses.hash(whom)).copied(), self.now);
        let elsewhere = [home, known, self.address_wait(&secrets, limits, app)].into_iter().flatten().max();
        Wait { device_at_home, device, home, elsewhere }
    }

    /// It was wrong.
    pub fn wrong(&self, app: AppId, whom: Whom<'_>, source: Source<'_>) {
        let Some(limits) = self.count() else { return };
        let mut secrets = self.guesses.secrets();
        self.add_wrong(&mut secrets, self.own(whom, source));
        if source == Source::Elsewhere {
            let user = self.guesses.hash(whom);
            let used = STRANGERS.add(secrets.strangers.get(&user).copied(), self.now);
            secrets.strangers.insert(user, used);
            self.add_stranger(&mut secrets, limits, app, whom);
        }
    }

    /// Whether anything was guessed wrong that a right one could clear.
    pub fn is_any_wrong(&self) -> bool {
        self.guesses.limits.is_some() && !self.guesses.secrets().wrong.is_empty()
    }

    /// It was right: who guessed wrong before from the same place had only mistyped.
    pub fn right(&self, whom: Whom<'_>, source: Source<'_>) {
        self.guesses.secrets().wrong.remove(&self.own(whom, source));
    }

    /// How long nothing is looked at that strangers at this address say: licenses nobody has redeemed, names. The same
    /// wrong text as before is looked at, so that it is told the same.
    pub fn stranger_wait(&self, app: AppId, text: &str) -> Option<Duration> {
        let limits = self.limits()?;
        let secrets = self.guesses.secrets();
        let wait = self.address_wait(&secrets, limits, app)?;
        let known = self.guesses.hash((self.from, app, fold(text).as_str()));
        secrets.counted.get(&known).is_none().then_some(wait)
    }

    /// The app has nothing of this name, or no such license.
    pub fn unknown(&self, app: AppId, text: &str) {
        if let Some(limits) = self.count() {
            self.add_stranger(&mut self.guesses.secrets(), limits, app, fold(text).as_str());
        }
    }

    /// How long nobody signs up from this address without a license.
    pub fn sign_up_wait(&self) -> Option<Duration> {
        let limit = self.limits()?.sign_ups?;
        limit.wait(self.guesses.secrets().addresses.get(&self.sign_ups()).copied(), self.now)
    }

    /// Somebody did.
    pub fn signed_up(&self) {
        if let Some(limit) = self.count().and_then(|limits| limits.sign_ups) {
            let addresses = &mut self.guesses.secrets().addresses;
            let used = limit.add(addresses.get(&self.sign_ups()).copied(), self.now);
            addresses.insert(self.sign_ups(), used);
        }
    }

    fn sign_ups(&self) -> u64 {
        self.guesses.hash(("sign-ups", self.from))
    }

    /// How long no license is looked at for a user who is logged in.
    pub fn own_wait(&self, user: UserId) -> Option<Duration> {
        self.limits()?;
        self.wrong_wait(&self.guesses.secrets(), self.own_licenses(user))
    }

    /// There is no such license.
    pub fn own_unknown(&self, user: UserId) {
        if self.count().is_some() {
            self.add_wrong(&mut self.guesses.secrets(), self.own_licenses(user));
        }
    }

    /// This user, who holds something, came in from here.
    pub fn welcome(&self, app: AppId, user: UserId) {
        if self.guesses.limits.is_none_or(|limits| limits.app.is_none()) {
            return;
        }
        let here = self.guesses.hash((app, self.from));
        let secrets = &mut *self.guesses.secrets();
        let mut host = secrets.hosts.get(&user).copied().unwrap_or_default();
        if !host.places.contains(&here) {
            let oldest = host.places[0];
            // Unless it is somebody else's by now.
            if secrets.welcome.get(&oldest) == Some(&user) {
                secrets.welcome.remove(&oldest);
            }
            host.places.rotate_left(1);
            host.places[PLACES - 1] = here;
            secrets.hosts.insert(user, host);
        }
        if secrets.welcome.get(&here) != Some(&user) {
            secrets.welcome.insert(here, user);
        }
    }

    /// The record of what was guessed wrong from there.
    fn own(&self, whom: Whom<'_>, source: Source<'_>) -> u64 {
        match source {
            Source::DeviceAtHome(hwid) => self.guesses.hash(("device", whom, hwid, self.from)),
            Source::Device(hwid) => self.guesses.hash(("device", whom, hwid)),
            Source::Home | Source::Elsewhere => self.guesses.hash(("place", whom, self.from)),
        }
    }

    /// The record of a user's licenses.
    fn own_licenses(&self, user: UserId) -> u64 {
        self.guesses.hash(("licenses", user))
    }

    fn wrong_wait(&self, secrets: &Secrets, record: u64) -> Option<Duration> {
        SECRETS.wait(secrets.wrong.get(&record).copied(), self.now)
    }

    fn add_wrong(&self, secrets: &mut Secrets, what: u64) {
        let wrong = SECRETS.add(secrets.wrong.get(&what).copied(), self.now);
        secrets.wrong.insert(what, wrong);
    }

    fn address_wait(&self, secrets: &Secrets, limits: Limits, app: AppId) -> Option<Duration> {
        let here = || secrets.addresses.get(&self.guesses.hash(self.from)).copied();
        let address = limits.address.filter(|_| !secrets.addresses.is_empty());
        let address = address.and_then(|limit| limit.wait(here(), self.now));
        address.max(self.app_wait(secrets, limits, app).filter(|_| self.host(secrets, app).is_none()))
    }

    fn app_wait(&self, secrets: &Secrets, limits: Limits, app: AppId) -> Option<Duration> {
        let limit = limits.app.filter(|_| !secrets.apps.is_empty())?;
        limit.wait(secrets.apps.get(&self.guesses.hash(app)).copied(), self.now)
    }

    /// At whose cost strangers here are let into an app under attack.
    fn host(&self, secrets: &Secrets, app: AppId) -> Option<UserId> {
        let user = *secrets.welcome.get(&self.guesses.hash((app, self.from)))?;
        let used = secrets.hosts.get(&user).and_then(|host| host.used);
        GUESTS.wait(used, self.now).is_none().then_some(user)
    }

    fn add_stranger(&self, secrets: &mut Secrets, limits: Limits, app: AppId, what: impl Hash) {
        let what = self.guesses.hash((self.from, app, what));
        if secrets.counted.get(&what).is_some() {
            return;
        }
        secrets.counted.insert(what, ());
        if self.app_wait(secrets, limits, app).is_some()
            && let Some(user) = self.host(secrets, app)
        {
            let host = secrets.hosts.get(&user).copied().unwrap_or_default();
            secrets.hosts.insert(user, Host { used: Some(GUESTS.add(host.used, self.now)), ..host });
        }
        if let Some(limit) = limits.address {
            let here = self.guesses.hash(self.from);
            let used = limit.add(secrets.addresses.get(&here).copied(), self.now);
            secrets.addresses.insert(here, used);
        }
        if let Some(limit) = limits.app {
            let used = limit.add(secrets.apps.get(&self.guesses.hash(app)).copied(), self.now);
            secrets.apps.insert(self.guesses.hash(app), used);
        }
    }
}
