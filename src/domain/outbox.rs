//! What is to be sent to the outside: put into the database with the change that asks for it, sent after the commit by
//! somebody else, tried again with growing delay. Sends nothing. Payloads are JSON, sealed: they hold links and
//! addresses.

use rand::CryptoRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::ids::AppId;
use crate::model::time::Time;
use crate::store::outbox::{self, Kind};
use crate::store::{self, Tx};

use super::vault::{Purpose, Vault};

/// The wait after the first failure, and the longest one, in seconds.
const FIRST_DELAY: i64 = 5;
const LONGEST_DELAY: i64 = 3600;

/// After so long it is given up, in seconds.
const GIVEN_UP_AFTER: i64 = 86_400;

/// A mail to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// A POST to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// What the body is.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// What can be sent.
pub trait Sendable: Serialize + DeserializeOwned {
    /// Who sends it.
    const KIND: Kind;
}

impl Sendable for Mail {
    const KIND: Kind = Kind::Mail;
}

impl Sendable for Post {
    const KIND: Kind = Kind::Post;
}

/// Something that is due.
pub struct Due<T> {
    /// Row.
    pub id: i64,
    /// What it is; none if it cannot be read any more: it was sealed with another key.
    pub what: Option<T>,
    /// When it was queued.
    pub created_at: Time,
    /// How often it was tried in vain.
    pub tries: i64,
}

/// What becomes of something that could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again at that time.
    Again(Time),
    /// It was deleted.
    GivenUp,
}

/// Queues something; it is sent after this transaction is on disk.
pub fn queue<T: Sendable>(
    tx: &mut Tx<'_>,
    vault: &Vault,
    rng: &mut impl CryptoRng,
    app: Option<AppId>,
    what: &T,
    now: Time,
) -> Result<(), store::Error> {
    let payload = serde_json::to_vec(what).map_err(|error| store::Error::Bug(error.to_string()))?;
    outbox::insert(tx, app, T::KIND, &vault.seal(Purpose::Outbox, &payload, rng), now)
}

/// At most `limit` things that are due, the longest waiting first.
pub fn due<T: Sendable>(tx: &mut Tx<'_>, vault: &Vault, now: Time, limit: i64) -> Result<Vec<Due<T>>, store::Error> {
    let waiting = outbox::due(tx, T::KIND, now, limit)?;
    let read = |payload: &str| serde_json::from_slice(&vault.open(Purpose::Outbox, payload).ok()?).ok();
    Ok(waiting
        .into_iter()
        .map(|w| Due { id: w.id, what: read(&w.payload), created_at: w.created_at, tries: w.tries })
        .collect())
}

/// It was sent.
pub fn sent(tx: &mut Tx<'_>, id: i64) -> Result<(), store::Error> {
    outbox::delete(tx, id)
}

/// It could not be sent now. `asked` is how long the other side asked us to wait, in seconds.
pub fn failed<T>(tx: &mut Tx<'_>, due: &Due<T>, asked: Option<i64>, now: Time) -> Result<Next, store::Error> {
    let next = next(due.created_at, due.tries, asked, now);
    match next {
        Next::Again(at) => outbox::later(tx, due.id, at)?,
        Next::GivenUp => outbox::delete(tx, due.id)?,
    }
    Ok(next)
}

/// When something queued at `created_at`, tried `tries` times before in vain, is tried again after failing `now`.
fn next(created_at: Time, tries: i64, asked: Option<i64>, now: Time) -> Next {
    let growing = FIRST_DELAY.saturating_mul(1 << tries.clamp(0, 20)).min(LONGEST_DELAY);
    let at = now + growing.max(asked.unwrap_or_default().clamp(0, LONGEST_DELAY));
    if at - created_at > GIVEN_UP_AFTER { Next::GivenUp } else { Next::Again(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_end() {
        let mut now = Time(1_000_000);
        let made = now;
        let mut waits = Vec::new();
        for tries in 0.. {
            match next(made, tries, None, now) {
                Next::Again(at) => waits.push(at - now),
                Next::GivenUp => break,
            }
            now = now + waits[waits.len() - 1];
        }
        assert_eq!(&waits[..11], [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        assert!(waits[10..].iter().all(|wait| *wait == 3600) && now - made <= GIVEN_UP_AFTER);
        assert_eq!(next(made, 0, Some(60), made), Next::Again(made + 60), "who asks us to wait longer is heard");
        assert_eq!(next(made, 0, Some(i64::MAX), made), Next::Again(made + 3600), "within reason");
    }
}
