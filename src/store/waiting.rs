//! Rows that came of a request anybody can send, and of which nobody has made anything yet: sessions on which nobody has
//! logged in, browsers on which nobody has signed in. Says which of them have to go so that one address, one app and all
//! apps together have no more than so many; the oldest go first. Only the writer has one, so that it needs no lock. It is
//! in memory only: what was there before a start is not counted, and ends when its time is over. Knows no SQL.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
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

/// Those of one kind.
pub(super) struct Waiting<Id> {
    places: HashMap<Id, (AppId, IpAddr)>,
    lines: HashMap<Scope, Line<Id>>,
}

/// What has a limit of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Scope {
    Address(AppId, IpAddr),
    App(AppId),
    All,
}

/// In the order in which they came; those that do not wait any more are still among them for a while.
struct Line<Id> {
    order: VecDeque<Id>,
    count: usize,
}

/// So many that do not wait any more are always put up with in a line.
const SLACK: usize = 32;

impl<Id> Default for Waiting<Id> {
    fn default() -> Waiting<Id> {
        Waiting { places: HashMap::new(), lines: HashMap::new() }
    }
}

fn scopes((app, address): (AppId, IpAddr)) -> [Scope; 3] {
    [Scope::Address(app, address), Scope::App(app), Scope::All]
}

impl<Id: Copy + Eq + Hash> Waiting<Id> {
    /// One more waits. Answers those that have to go for it; they do not wait any more.
    pub(super) fn add(&mut self, id: Id, app: AppId, address: IpAddr, most: Most) -> Vec<Id> {
        let place = (app, subscriber(address));
        let mut gone = Vec::new();
        for scope in scopes(place) {
            let limit = match scope {
                Scope::Address(..) => most.address,
                Scope::App(_) => most.app,
                Scope::All => most.app.saturating_mul(2),
            };
            while let Some(oldest) = self.oldest_beyond(scope, limit) {
                self.remove(oldest);
                gone.push(oldest);
            }
        }
        self.places.insert(id, place);
        for scope in scopes(place) {
            let line = self.lines.entry(scope).or_insert_with(|| Line { order: VecDeque::new(), count: 0 });
            line.order.push_back(id);
            line.count += 1;
        }
        gone
    }

    /// It does not wait any more, if it did.
    pub(super) fn remove(&mut self, id: Id) {
        let Some(place) = self.places.remove(&id) else { return };
        for scope in scopes(place) {
            let Some(line) = self.lines.get_mut(&scope) else { continue };
            line.count -= 1;
            if line.count == 0 {
                self.lines.remove(&scope);
            } else if line.order.len() > 2 * line.count + SLACK {
                line.order.retain(|id| self.places.contains_key(id));
            }
        }
    }

    /// The one that waits longest, if there is no room for one more.
    fn oldest_beyond(&mut self, scope: Scope, limit: usize) -> Option<Id> {
        let line = self.lines.get_mut(&scope).filter(|line| line.count >= limit.max(1))?;
        while line.order.front().is_some_and(|id| !self.places.contains_key(id)) {
            line.order.pop_front();
        }
        line.order.front().copied()
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
        assert_eq!(add(&mut waiting, 21, 3, 1), [4], "ten in all");
        assert_eq!(waiting.places.len(), 10);
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
        assert!(waiting.lines.is_empty() && waiting.places.is_empty());
    }
}
