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

/// How much of one kind an app may have waiting.
const MOST_OF_APP: i64 = 1_000;

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
    /// Whether all of an app's go to one place: what cannot take one of them now cannot take the others.
    const ONE_PLACE: bool;
}

impl Sendable for Mail {
    const KIND: Kind = Kind::Mail;
    const ONE_PLACE: bool = false;
}

impl Sendable for Post {
    const KIND: Kind = Kind::Post;
    const ONE_PLACE: bool = true;
}

/// Something that is due.
pub struct Due<T> {
    /// Its place in the queue.
    pub ticket: Ticket,
    /// What it is; none if it cannot be read any more: it was sealed with another key.
    pub what: Option<T>,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    id: i64,
    /// Whose it is.
    pub app: Option<AppId>,
    created_at: Time,
    tries: i64,
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

/// Whether an app has so much of this kind waiting that no more is queued.
pub fn is_full<T: Sendable>(tx: &mut Tx<'_>, app: AppId) -> Result<bool, store::Error> {
    Ok(outbox::count_of_app(tx, app, T::KIND, MOST_OF_APP)? >= MOST_OF_APP)
}

/// At most `limit` things that are due: the longest waiting of each app first.
pub fn due<T: Sendable>(tx: &mut Tx<'_>, vault: &Vault, now: Time, limit: i64) -> Result<Vec<Due<T>>, store::Error> {
    let waiting = outbox::due(tx, T::KIND, now, now + LONGEST_DELAY, limit)?;
    let read = |payload: &str| serde_json::from_slice(&vault.open(Purpose::Outbox, payload).ok()?).ok();
    Ok(waiting
        .into_iter()
        .map(|w| {
            let ticket = Ticket { id: w.id, app: w.app, created_at: w.created_at, tries: w.tries };
            Due { ticket, what: read(&w.payload) }
        })
        .collect())
}

/// Whether it has waited so long that it is not even tried any more, by a clock that does not jump.
pub fn is_stale(ticket: Ticket, steady: Time) -> bool {
    steady - ticket.created_at > GIVEN_UP_AFTER
}

/// It was sent, or never can be.
pub fn done(tx: &mut Tx<'_>, ticket: Ticket) -> Result<(), store::Error> {
    outbox::delete(tx, ticket.id)
}

/// It could not be sent now. `asked` is how long the other side asked us to wait, in seconds; `steady` is the time by a
/// clock that does not jump, which decides whether it is given up.
pub fn failed<T: Sendable>(
    tx: &mut Tx<'_>,
    ticket: Ticket,
    asked: Option<i64>,
    now: Time,
    steady: Time,
) -> Result<Next, store::Error> {
    let next = next(ticket.created_at, ticket.tries, asked, now, steady);
    match next {
        Next::Again(at) => {
            outbox::later(tx, ticket.id, at)?;
            if let Some(app) = ticket.app.filter(|_| T::ONE_PLACE) {
                outbox::all_later(tx, app, T::KIND, at)?;
            }
        }
        Next::GivenUp => outbox::delete(tx, ticket.id)?,
    }
    Ok(next)
}

/// When something queued at `created_at`, tried `tries` times before in vain, is tried again after failing `now`.
fn next(created_at: Time, tries: i64, asked: Option<i64>, now: Time, steady: Time) -> Next {
    let growing = FIRST_DELAY.saturating_mul(1 << tries.clamp(0, 20)).min(LONGEST_DELAY);
    let wait = growing.max(asked.unwrap_or_default().clamp(0, LONGEST_DELAY));
    if steady + wait - created_at > GIVEN_UP_AFTER { Next::GivenUp } else { Next::Again(now + wait) }
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
            match next(made, tries, None, now, now) {
                Next::Again(at) => waits.push(at - now),
                Next::GivenUp => break,
            }
            now = now + waits[waits.len() - 1];
        }
        assert_eq!(&waits[..11], [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        assert!(waits[10..].iter().all(|wait| *wait == 3600) && now - made <= GIVEN_UP_AFTER);
        assert_eq!(next(made, 0, Some(60), made, made), Next::Again(made + 60), "who asks us to wait longer is heard");
        assert_eq!(next(made, 0, Some(i64::MAX), made, made), Next::Again(made + 3600), "within reason");
        let ahead = made + 10 * GIVEN_UP_AFTER;
        assert_eq!(next(made, 0, None, ahead, made), Next::Again(ahead + 5), "a clock that jumped gives nothing up");
    }
}
