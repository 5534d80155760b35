//! How many connections one address may have at one time: nobody takes all of them. Proxies that are trusted stand for
//! many clients and are not counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use crate::model::exchange::subscriber;

/// The share of all connections that one address has unless it is set, and what it has at least.
const SHARE: usize = 8;
const LEAST: usize = 64;

/// Who has how many.
pub(super) struct Places {
    most: usize,
    trusted: Vec<IpNet>,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; it is free again when this is dropped.
pub(super) struct Place(Option<(Arc<Places>, IpAddr)>);

impl Places {
    /// With this many for one address; 0 is a share of all.
    pub(super) fn new(most: usize, all: usize, trusted: Vec<IpNet>) -> Places {
        let most = if most == 0 { (all / SHARE).max(LEAST) } else { most };
        Places { most, trusted, taken: Mutex::default() }
    }

    /// A place for this address; none if it has as many as it may have.
    pub(super) fn take(self: &Arc<Places>, peer: IpAddr) -> Option<Place> {
        if self.trusted.iter().any(|network| network.contains(&peer)) {
            return Some(Place(None));
        }
        let address = subscriber(peer);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), address))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, address)) = self.0.take() else { return };
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places_and_a_proxy_as_many_as_it_wants() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("address");
        let places = Arc::new(Places::new(2, 1_000, vec!["10.0.0.0/8".parse().expect("network")]));
        let held: Vec<_> = ["2001:db8:1:2::1", "2001:db8:1:2::2"].map(|text| places.take(ip(text))).into();
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(ip("2001:db8:1:2::3")).is_none());
        assert!(places.take(ip("2001:db8:1:3::3")).is_some());
        assert!((0..99).map(|_| places.take(ip("10.1.2.3"))).collect::<Vec<_>>().iter().all(Option::is_some));
        drop(held);
        assert!(places.take(ip("2001:db8:1:2::3")).is_some());
        assert!(places.taken.lock().expect("lock").is_empty());
    }

    #[test]
    fn unless_it_is_set_it_is_a_share() {
        assert_eq!(Places::new(0, 10_000, Vec::new()).most, 1_250);
        assert_eq!(Places::new(0, 4, Vec::new()).most, LEAST);
        assert_eq!(Places::new(7, 10_000, Vec::new()).most, 7);
    }
}
