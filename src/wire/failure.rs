//! What is our fault, sorted by what a client is told; logged here, once. Says nothing itself: every format has its own
//! words and statuses.

use crate::domain::{Refusal, Stop};
use crate::store;

/// What became of a call that did not go through.
pub(super) enum Outcome {
    /// A rule said no.
    Refused(Refusal),
    /// The database cannot be reached now; nothing was written.
    Unavailable,
    /// A bug; nothing was written.
    Internal,
}

/// Sorts it. The cause goes to the log, not to the client.
pub(super) fn outcome(stop: Stop) -> Outcome {
    match stop {
        Stop::Refused(refusal) => Outcome::Refused(refusal),
        // More than can be queued is like too many requests: nothing broke.
        Stop::Failed(store::Error::Busy) => Outcome::Refused(Refusal::Busy),
        Stop::Failed(error @ (store::Error::Locked | store::Error::Unavailable(_) | store::Error::Unfit(_))) => {
            tracing::error!(%error, "the store is unavailable");
            Outcome::Unavailable
        }
        Stop::Failed(error @ store::Error::Bug(_)) => {
            tracing::error!(%error, "a call failed");
            Outcome::Internal
        }
        Stop::Prove(_) => {
            tracing::error!("a call stopped where it must not");
            Outcome::Internal
        }
    }
}
