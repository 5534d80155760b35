//! What who is logged in may ask when its address has used up its share: somebody else behind the same router may have
//! done that, and a program that is told "too many requests" may end itself. Asks no database: who is not in memory is
//! not known. Counted by user, so that nobody gets more by logging in more often.

use crate::limit::Limit;
use crate::model::exchange::Request;
use crate::model::ids::UserId;
use crate::model::session::Session;

/// Who has used how much of its own.
#[derive(Default)]
pub struct OwnShares(Option<Limit<UserId>>);

impl From<Option<Limit<UserId>>> for OwnShares {
    fn from(limit: Option<Limit<UserId>>) -> OwnShares {
        OwnShares(limit)
    }
}

impl OwnShares {
    /// Whether a request of an address that asks too often may be answered all the same. Takes one from the user's share,
    /// so ask once for each request.
    pub(super) fn take(&self, session: &Session, request: &Request) -> bool {
        let user = session.user.as_ref().filter(|_| session.is_live(request.now));
        match (&self.0, user) {
            (Some(limit), Some(user)) => limit.ask(user.id, request.since_start).is_none(),
            _ => false,
        }
    }
}
