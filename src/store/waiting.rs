//! Rows that came of a request anybody can send, and of which nobody has made anything yet: sessions on which nobody has
//! logged in, browsers on which nobody has signed in. Says which of them have to go so that one address, one app and all
//! apps together have no more than so many; the oldest go first, and where it is too many in all apps together, the oldest
//! of the app that has most: who floods some apps pushes out nobody of another. Only the writer has one, so that it needs no lock. It is
//! in memory only: what was there before a start is not counted, and ends when its time is over. Knows no SQL.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;

use crate::model::exchange::subscriber;
use crate::model::ids::{AppId, BrowserId, SessionId};

/// How many may wait.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// From one address, in one app.
    pub address: usize,
    /// In one app. Twice as many in all of them together.
    pub app: usize,
}

/// All that wait. Empty on connections that do not count.
#[derive(Default)]
pub(super) struct AllWaiting {
    pub(super) most: Option<Most>,
    pub(super) sessions: Waiting<SessionId>,
    pub(super) browsers: Waiting<BrowserId>,
}

/// Those of one kind. Ids are long and stand in two lines: there, and as keys, they go by a keyed hash of theirs.
pub(super) struct Waiting<Id> {
    hasher: RandomState,
    places: HashMap<u64, (Id, AppId, IpAddr)>,
    lines: HashMap<Scope, Line>,
    /// How many wait in each app.
    apps: BTreeSet<(usize, i64)>,
}

/// What has a limit of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Scope {
    Address(AppId, IpAddr),
    App(AppId),
}

/// In the order in which they came; those that do not wait any more are still among them for a while.
struct Line {
    order: VecDeque<u64>,
    count: usize,
}

/// So many that do not wait any more are always put up with in a line.
const SLACK: usize = 32;

impl<Id> Default for Waiting<Id> {
    fn default() -> Waiting<Id> {
        Waiting { hasher: RandomState::new(), places: HashMap::new(), lines: HashMap::new(), apps: BTreeSet::new() }
    }
}

fn scopes((app, address): (AppId, IpAddr)) -> [Scope; 2] {
    [Scope::Address(app, address), Scope::App(app)]
}

impl<Id: Copy + Eq + Hash> Waiting<Id> {
    /// One more waits. Answers those that have to go for it; they do not wait any more.
    pub(super) fn add(&mut self, id: Id, app: AppId, address: IpAddr, most: Most) -> Vec<Id> {
        let place = (app, subscriber(address));
        let mut gone = Vec::new();
        for (scope, limit) in scopes(place).into_iter().zip([most.address, most.app]) {
            while self.lines.get(&scope).is_some_and(|line| line.count >= limit.max(1)) {
                let Some(oldest) = self.leave_oldest(scope) else { break };
                gone.push(oldest);
            }
        }
        while self.places.len() >= most.app.saturating_mul(2).max(1) {
            let Some(&(_, largest)) = self.apps.last() else { break };
            let Some(oldest) = self.leave_oldest(Scope::App(AppId(largest))) else { break };
            gone.push(oldest);
        }
        let hash = self.hasher.hash_one(id);
        self.places.insert(hash, (id, app, place.1));
        for scope in scopes(place) {
            let line = self.lines.entry(scope).or_insert_with(|| Line { order: VecDeque::new(), count: 0 });
            line.order.push_back(hash);
            line.count += 1;
        }
        self.recount(app, |after| after - 1);
        gone
    }

    /// It does not wait any more, if it did.
    pub(super) fn remove(&mut self, id: Id) {
        self.leave(self.hasher.hash_one(id));
    }

    fn leave(&mut self, hash: u64) -> Option<Id> {
        let (id, app, address) = self.places.remove(&hash)?;
        for scope in scopes((app, address)) {
            let Some(line) = self.lines.get_mut(&scope) else { continue };
            line.count -= 1;
            if line.count == 0 {
                self.lines.remove(&scope);
            } else if line.order.len() > 2 * line.count + SLACK {
                line.order.retain(|hash| self.places.contains_key(hash));
            }
        }
        self.recount(app, |after| after + 1);
        Some(id)
    }

    /// The line of this app has changed; this is how long it was before.
    fn recount(&mut self, app: AppId, before: impl Fn(usize) -> usize) {
        let now = self.lines.get(&Scope::App(app)).map_or(0, |line| line.count);
        self.apps.remove(&(before(now), app.0));
        if now > 0 {
            self.apps.insert((now, app.0));
        }
    }

    /// The one that waits longest in this line does not wait any more.
    fn leave_oldest(&mut self, scope: Scope) -> Option<Id> {
        let line = self.lines.get_mut(&scope)?;
        while line.order.front().is_some_and(|hash| !self.places.contains_key(hash)) {
            line.order.pop_front();
        }
        let oldest = *line.order.front()?;
        self.leave(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most { address: 3, app: 5 };

    fn add(waiting: &mut Waiting<BrowserId>, id: i64, app: i64, address: u8) -> Vec<i64> {
        let gone = waiting.add(BrowserId(id), AppId(app), [127, 0, 0, address].into(), MOST);
        gone.into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn the_oldest_of_the_address_go_then_of_the_app_then_of_all() {
        let mut waiting = Waiting::default();
        for id in 1..=3 {
            assert!(add(&mut waiting, id, 1, 1).is_empty());
        }
        assert_eq!(add(&mut waiting, 4, 1, 1), [1]);
        waiting.remove(BrowserId(2));
        assert!(add(&mut waiting, 5, 1, 1).is_empty(), "one of them is used by now");
        assert!(add(&mut waiting, 6, 1, 2).is_empty());
        assert!(add(&mut waiting, 7, 1, 3).is_empty());
        assert_eq!(add(&mut waiting, 8, 1, 4), [3], "five in an app");
        for (n, id) in (11..=15).enumerate() {
            assert!(add(&mut waiting, id, 2, n as u8).is_empty(), "another app");
        }
        assert_eq!(add(&mut waiting, 21, 3, 1), [11], "ten in all");
        assert_eq!(waiting.places.len(), 10);
    }

    #[test]
    fn flooded_apps_push_out_nobody_of_another() {
        let mut waiting = Waiting::default();
        assert!(add(&mut waiting, -3, 3, 1).is_empty(), "a customer of a third app, before all the others");
        for id in 0..200_u8 {
            assert!(!add(&mut waiting, id.into(), 1 + i64::from(id % 2), id).contains(&-3), "{id}");
        }
        assert!(add(&mut waiting, -4, 3, 2).iter().all(|&id| id >= 0));
        assert_eq!(waiting.lines[&Scope::App(AppId(3))].count, 2);
        assert_eq!(waiting.places.len(), 10);
        assert_eq!(waiting.apps.iter().map(|(count, _)| count).sum::<usize>(), 10);
    }

    /// A flood of `init` from 60,000 addresses, when nobody sets anything.
    #[test]
    fn what_waits_takes_little_memory() {
        let most = Most { address: 20_000, app: 100_000 };
        let mut waiting = Waiting::default();
        for n in 0..220_000_u32 {
            let id = BrowserId(n.into());
            waiting.add(id, AppId(i64::from(n % 3)), IpAddr::V4((n % 60_000).into()), most);
        }
        assert_eq!(waiting.places.len(), 200_000);
        let lines: usize = waiting.lines.values().map(|line| line.order.capacity() * size_of::<u64>()).sum();
        let places = waiting.places.capacity() * size_of::<(u64, (SessionId, AppId, IpAddr))>();
        let kept = (lines + places + waiting.lines.capacity() * size_of::<(Scope, Line)>()) >> 20;
        assert!(kept < 64, "{kept} MiB");
    }

    #[test]
    fn an_address_is_a_subscriber() {
        let mut waiting = Waiting::default();
        let gone: usize = (0..9_u16)
            .map(|n| waiting.add(BrowserId(n.into()), AppId(1), [0x2001, 0xdb8, 1, 2, n, 0, 0, 1].into(), MOST).len())
            .sum();
        assert_eq!(gone, 6);
    }

    #[test]
    fn what_does_not_wait_any_more_takes_no_room() {
        let mut waiting = Waiting::default();
        assert!(add(&mut waiting, -1, 1, 1).is_empty());
        for id in 0..10_000 {
            assert!(add(&mut waiting, id, 1, 1).is_empty());
            waiting.remove(BrowserId(id));
            waiting.remove(BrowserId(id));
        }
        assert!(waiting.lines.values().all(|line| line.order.len() <= SLACK + 3 && line.count == 1));
        waiting.remove(BrowserId(-1));
        assert!(waiting.lines.is_empty() && waiting.places.is_empty() && waiting.apps.is_empty());
    }
}
