//! How many connections one address may have at one time: nobody takes all of them. A connection that rests keeps nobody
//! out: it makes room for a new one of its address, or, where there is no room for anybody, of whoever comes. Proxies that
//! are trusted stand for many clients and are not counted.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::sync::oneshot;

use crate::model::exchange::subscriber;

/// The share of all connections that one address has unless it is set, and what it has at least.
const SHARE: usize = 8;
const LEAST: usize = 64;

/// Who has how many.
pub(super) struct Places {
    most: usize,
    trusted: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    by: HashMap<IpAddr, Own>,
    /// How often a connection has begun to rest.
    rests: u64,
}

/// The places of one address.
#[derive(Default)]
struct Own {
    count: usize,
    /// The connections that say nothing now, that which has for longest first. Dropping what stands here ends one.
    resting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One connection's place; it is free again when this is dropped.
pub(super) struct Place(Option<Seat>);

struct Seat {
    places: Arc<Places>,
    address: IpAddr,
    /// What it stands under while it rests.
    resting: Option<u64>,
}

impl Places {
    /// With this many for one address; 0 is a share of all.
    pub(super) fn new(most: usize, all: usize, trusted: Vec<IpNet>) -> Places {
        let most = if most == 0 { (all / SHARE).max(LEAST) } else { most };
        Places { most, trusted, taken: Mutex::default() }
    }

    /// A place for this address. If it has as many as it may have: instead of the connection that has rested for longest;
    /// none, if none rests.
    pub(super) fn take(self: &Arc<Places>, peer: IpAddr) -> Option<Place> {
        if self.is_proxy(peer) {
            return Some(Place(None));
        }
        let address = subscriber(peer);
        let mut taken = self.taken();
        let own = taken.by.entry(address).or_default();
        if own.count >= self.most && !own.end_oldest() {
            return None;
        }
        own.count += 1;
        Some(Place(Some(Seat { places: Arc::clone(self), address, resting: None })))
    }

    /// Ends the connection that has rested for longest of the address that has most. False: none rests.
    pub(super) fn end_one(&self) -> bool {
        let mut taken = self.taken();
        let most = taken.by.iter_mut().filter(|(_, own)| !own.resting.is_empty()).max_by_key(|(_, own)| own.count);
        let Some((&address, own)) = most else { return false };
        own.end_oldest();
        if own.count == 0 {
            taken.by.remove(&address);
        }
        true
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Whole whatever a panicking holder did: each change is one step.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Own {
    fn end_oldest(&mut self) -> bool {
        let ended = self.resting.pop_first().is_some();
        self.count -= usize::from(ended);
        ended
    }
}

impl Place {
    /// A place of nobody's, where nobody is counted.
    pub(super) fn uncounted() -> Place {
        Place(None)
    }

    /// Its connection says nothing from now on. What comes back ends when somebody else gets the place.
    pub(super) fn rest(&mut self) -> Option<oneshot::Receiver<()>> {
        let seat = self.0.as_mut()?;
        let (ends, ended) = oneshot::channel();
        let mut taken = seat.places.taken();
        taken.rests += 1;
        seat.resting = Some(taken.rests);
        let turn = taken.rests;
        taken.by.get_mut(&seat.address)?.resting.insert(turn, ends);
        Some(ended)
    }

    /// Its connection rests no more. False: somebody else has the place.
    pub(super) fn wake(&mut self) -> bool {
        let still = self.0.as_mut().is_none_or(Seat::wake);
        if !still {
            self.0 = None;
        }
        still
    }
}

impl Seat {
    fn wake(&mut self) -> bool {
        let Some(turn) = self.resting.take() else { return true };
        let mut taken = self.places.taken();
        taken.by.get_mut(&self.address).is_some_and(|own| own.resting.remove(&turn).is_some())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.wake() {
            return;
        }
        let Some(seat) = self.0.take() else { return };
        let mut taken = seat.places.taken();
        if let Some(own) = taken.by.get_mut(&seat.address) {
            own.count -= 1;
            if own.count == 0 {
                taken.by.remove(&seat.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn each_address_has_its_own_places_and_a_proxy_as_many_as_it_wants() {
        let places = Arc::new(Places::new(2, 1_000, vec!["10.0.0.0/8".parse().expect("network")]));
        let held: Vec<_> = ["2001:db8:1:2::1", "2001:db8:1:2::2"].map(|text| places.take(ip(text))).into();
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(ip("2001:db8:1:2::3")).is_none());
        assert!(places.take(ip("2001:db8:1:3::3")).is_some());
        assert!((0..99).map(|_| places.take(ip("10.1.2.3"))).collect::<Vec<_>>().iter().all(Option::is_some));
        drop(held);
        assert!(places.take(ip("2001:db8:1:2::3")).is_some());
        assert!(places.taken().by.is_empty());
    }

    #[test]
    fn who_rests_for_longest_makes_room() {
        let places = Arc::new(Places::new(3, 1_000, Vec::new()));
        let take = || places.take(ip("192.0.2.1"));
        let mut held: Vec<_> = (0..3).map(|_| take().expect("room")).collect();
        let mut rests: Vec<_> = [2, 0, 1].map(|n| (n, held[n].rest().expect("counted"))).into();
        assert!(held[0].wake(), "it says something");
        assert!(places.take(ip("192.0.2.2")).is_some(), "a neighbour is not in question");
        let mut ended =
            |n: usize| rests.iter_mut().find(|(of, _)| *of == n).is_some_and(|(_, end)| end.try_recv() != EMPTY);
        assert!(!ended(2) && !ended(1));
        let new = [take(), take()];
        assert!(new.iter().all(Option::is_some) && ended(2) && ended(1));
        assert!(take().is_none(), "nobody rests any more");
        // What it says now comes too late; and its place is not given back twice.
        assert!(!held[2].wake());
        drop(held);
        assert_eq!(places.taken().by[&ip("192.0.2.1")].count, 2);
        drop(new);
        assert!(places.taken().by.is_empty());
    }

    #[test]
    fn where_there_is_room_for_nobody_who_has_most_makes_it() {
        let places = Arc::new(Places::new(9, 1_000, Vec::new()));
        let mut few = places.take(ip("192.0.2.1")).expect("room");
        let mut many: Vec<_> = (0..3).map(|_| places.take(ip("192.0.2.2")).expect("room")).collect();
        assert!(!places.end_one(), "nobody rests");
        let (mut kept, mut ended) = (few.rest().expect("counted"), many[1].rest().expect("counted"));
        assert!(places.end_one());
        assert!(kept.try_recv() == EMPTY && ended.try_recv() != EMPTY);
        assert!(places.end_one(), "then somebody else's");
        assert!(kept.try_recv() != EMPTY && !places.end_one());
        assert!(!few.wake() && !many[1].wake());
        drop(many);
        assert!(places.taken().by.is_empty());
    }

    const EMPTY: Result<(), oneshot::error::TryRecvError> = Err(oneshot::error::TryRecvError::Empty);

    #[test]
    fn unless_it_is_set_it_is_a_share() {
        assert_eq!(Places::new(0, 10_000, Vec::new()).most, 1_250);
        assert_eq!(Places::new(0, 4, Vec::new()).most, LEAST);
        assert_eq!(Places::new(7, 10_000, Vec::new()).most, 7);
    }
}
