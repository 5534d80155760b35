//! How often somebody may try to come in: asks `domain::guesses` before a secret is looked at, and tells it what came of
//! that. Says where a guess comes from; how many are too many, it does not know.

use std::net::IpAddr;

use crate::model::app::App;
use crate::model::exchange::subscriber;
use crate::model::ids::fold;
use crate::model::user::User;
use crate::store::{self, Tx, devices};

use super::super::guesses::{Guess, Source, Whom};
use super::super::{Refusal, Stop};

/// Who tries.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// Counts what is guessed wrong.
    pub(super) guess: Guess<'a>,
    /// The client's address.
    pub(super) ip: IpAddr,
    /// The device, if the client says.
    pub(super) hwid: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    /// Looks at this user's secret, unless it was guessed wrong too often.
    pub(super) fn guarded<T>(
        &self,
        tx: &mut Tx<'_>,
        app: &App,
        user: &User,
        look: impl FnOnce(&mut Tx<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let whom = Whom::User(user.id);
        let wait = self.guess.password_wait(app.id, whom, self.hwid);
        if !wait.is_none()
            && let Some(wait) = wait.of(self.source(tx, user)?)
        {
            return Err(Refusal::RateLimited(wait).into());
        }
        let outcome = look(tx);
        match &outcome {
            Ok(_) if self.guess.is_any_wrong() => self.guess.right(whom, self.source(tx, user)?),
            Err(Stop::Refused(Refusal::PasswordMismatch)) => {
                self.guess.wrong(app.id, whom, self.source(tx, user)?);
            }
            _ => {}
        }
        outcome
    }

    /// What is said to who names a user whom there is not, where that must look like a wrong password: the same waits, and
    /// once something was hashed, the same counting.
    pub(super) fn at_nobody<T>(&self, app: &App, name: &str, hashed: bool) -> Result<T, Stop> {
        let name = fold(name);
        let whom = Whom::Nobody(app.id, &name);
        if let Some(wait) = self.guess.password_wait(app.id, whom, self.hwid).of(Source::Elsewhere) {
            return Err(Refusal::RateLimited(wait).into());
        }
        if hashed {
            self.guess.wrong(app.id, whom, Source::Elsewhere);
        }
        Err(Refusal::UserNotFound.into())
    }

    /// Whether a license of this user may be looked at: it comes from where the user is known, or not too much that there
    /// is not was asked for from there.
    pub(super) fn may_use(&self, tx: &mut Tx<'_>, app: &App, key: &str, user: &User) -> Result<(), Stop> {
        match self.guess.stranger_wait(app.id, key) {
            Some(wait) if self.source(tx, user)? == Source::Elsewhere => Err(Refusal::RateLimited(wait).into()),
            _ => Ok(()),
        }
    }

    /// Where it comes from.
    fn source(&self, tx: &mut Tx<'_>, user: &User) -> Result<Source<'a>, store::Error> {
        let last = user.ip.as_deref().and_then(|ip| ip.parse().ok());
        let is_home = last.is_some_and(|last: IpAddr| subscriber(last) == subscriber(self.ip));
        let bound = match self.hwid {
            Some(hwid) => devices::of_user(tx, user.id)?.iter().any(|device| device.hwid == hwid).then_some(hwid),
            None => None,
        };
        Ok(match (bound, is_home) {
            (Some(hwid), true) => Source::DeviceAtHome(hwid),
            (Some(hwid), false) => Source::Device(hwid),
            (None, true) => Source::Home,
            (None, false) => Source::Elsewhere,
        })
    }
}

/// The user, if there is one of this name; asking for too many that there are not is refused.
pub(super) fn found(user: Option<User>, app: &App, guess: &Guess<'_>, name: &str) -> Result<User, Stop> {
    if let Some(user) = user {
        return Ok(user);
    }
    if let Some(wait) = guess.stranger_wait(app.id, name) {
        return Err(Refusal::RateLimited(wait).into());
    }
    guess.unknown(app.id, name);
    Err(Refusal::UserNotFound.into())
}
