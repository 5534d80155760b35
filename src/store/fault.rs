//! Faults on demand, in test builds only: the n-th call to the engine fails, as if the disk had. Never part of a
//! normal build.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::{Error, Result};

/// Which call is to fail.
#[derive(Debug)]
pub struct Plan {
    left: AtomicI64,
    hits: AtomicU64,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { left: AtomicI64::new(-1), hits: AtomicU64::new(0) }
    }
}

impl Plan {
    /// The n-th engine call from now fails, once; n counts from 1.
    pub fn fail_nth(&self, n: u64) {
        self.left.store(i64::try_from(n).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Nothing fails any more.
    pub fn clear(&self) {
        self.left.store(-1, Ordering::SeqCst);
    }

    /// How many faults have been raised.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    pub(super) fn point(&self) -> Result<()> {
        if self.left.load(Ordering::SeqCst) < 0 || self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return Ok(());
        }
        self.clear();
        self.hits.fetch_add(1, Ordering::SeqCst);
        Err(Error::Unavailable("fault injected by a test".to_owned()))
    }
}
