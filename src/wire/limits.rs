//! What answers may take that are large, or come from elsewhere: the longest of them, how many are fetched at a time,
//! how much memory they take together until they are sent. Nobody takes all of it alone: what is to be had in parts
//! are [`Shares`], for others too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::model::exchange::subscriber;

/// How many answers of clients may be fetched from elsewhere at one time.
const FETCHES: usize = 128;

/// How much memory a byte of content takes on its way: itself, and its two hex digits.
const WEIGHT: usize = 3;

/// So many of the largest may be on their way at one time.
const LARGEST: usize = 4;

/// The limits of one server.
pub struct Limits {
    /// The longest answer of a relay, in bytes.
    pub relay: usize,
    /// The largest file, in bytes.
    pub file: usize,
    fetches: Shares,
    memory: Shares,
}

impl Limits {
    /// Answers of relays and files of at most so many bytes.
    pub fn new(relay: usize, file: usize) -> Limits {
        let memory = relay.max(file) * WEIGHT * LARGEST;
        Limits { relay, file, fetches: Shares::new(FETCHES), memory: Shares::new(memory) }
    }

    /// A place among those for whom something is fetched; none if there are too many already.
    pub fn fetch(&self, client: IpAddr) -> Option<Share> {
        self.fetches.take(client, 1)
    }

    /// Room for an answer with so many bytes of content; none if too much is on its way already.
    pub fn room(&self, client: IpAddr, length: usize) -> Option<Share> {
        self.memory.take(client, length.saturating_mul(WEIGHT))
    }
}

/// Something to be had in parts by many.
pub struct Shares(Arc<Mutex<Taken>>);

struct Taken {
    left: usize,
    by: HashMap<IpAddr, usize>,
}

/// A part; it is given back when it is dropped.
pub struct Share {
    of: Arc<Mutex<Taken>>,
    client: IpAddr,
    amount: usize,
}

impl Shares {
    /// So much of it.
    pub fn new(left: usize) -> Shares {
        Shares(Arc::new(Mutex::new(Taken { left, by: HashMap::new() })))
    }

    /// A part for this client, unless the client had more with it than is left now: one gets half, two get a third
    /// each, and mostly somebody else still gets something.
    pub fn take(&self, client: IpAddr, amount: usize) -> Option<Share> {
        let mut share = Share { of: Arc::clone(&self.0), client: subscriber(client), amount: 0 };
        share.grow(amount).then_some(share)
    }
}

impl Share {
    /// Makes it larger by so much, under the same condition; false, and nothing changes, if that cannot be.
    pub fn grow(&mut self, by: usize) -> bool {
        let mut taken = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let had = taken.by.get(&self.client).copied().unwrap_or_default();
        let Some(with_it) = had.checked_add(by).filter(|with_it| *with_it <= taken.left) else { return false };
        taken.left -= by;
        taken.by.insert(self.client, with_it);
        self.amount += by;
        true
    }

    /// How much it is.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// How many bytes of content it is for, where it is one of the memory.
    pub fn content(&self) -> usize {
        self.amount / WEIGHT
    }

    /// The same bytes; they keep the share for as long as anybody has them.
    pub fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _share: self })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        taken.left += self.amount;
        if let Some(had) = taken.by.get_mut(&self.client) {
            *had -= self.amount;
            if *had == 0 {
                taken.by.remove(&self.client);
            }
        }
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Share").field("amount", &self.amount).finish_non_exhaustive()
    }
}

struct Held {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_of_it_alone() {
        let limits = Limits::new(1, 100);
        let take = |client: &str, length| {
            let client: IpAddr = client.parse().expect("an address");
            std::iter::from_fn(|| limits.room(client, length)).collect::<Vec<_>>()
        };
        let (a, b, c) = (take("1.1.1.1", 100), take("2.2.2.2", 100), take("3.3.3.3", 100));
        assert_eq!((a.len(), b.len(), c.len()), (2, 1, 1));
        assert!(take("4.4.4.4", 1).is_empty());
        drop(b);
        assert_eq!(take("4.4.4.4", 100).len(), 1);
        let held = a.into_iter().map(|share| share.hold(Bytes::from_static(b"xy"))).collect::<Vec<_>>();
        let (first, copy) = (held[0].slice(..), held[0].slice(1..));
        drop((held, first));
        assert_eq!(take("1.1.1.1", 50).len(), 1, "one is held by what is left of its bytes");
        drop((copy, c));
        assert_eq!(limits.memory.0.lock().expect("whole").left, 1200);
        assert!(limits.memory.0.lock().expect("whole").by.is_empty());
    }

    #[test]
    fn a_whole_ipv6_network_is_one_client() {
        let limits = Limits::new(1, 1);
        let places: Vec<_> = (0..200u128)
            .filter_map(|n| limits.fetch(std::net::Ipv6Addr::from_bits(0x2a00 << 112 | n).into()))
            .collect();
        assert_eq!(places.len(), FETCHES / 2);
        assert!(limits.fetch(IpAddr::from([1, 1, 1, 1])).is_some());
    }
}
