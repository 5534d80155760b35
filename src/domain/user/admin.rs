//! Users that an operator makes, not a license. Hashes nothing: the caller brings the hash.

use uuid::Uuid;

use crate::model::app::App;
use crate::model::ids::UserId;
use crate::model::time::{Span, Time};
use crate::model::user::{Credential, User};
use crate::store::{self, Tx, plans, users};

use super::super::secret::{MAX_EMAIL, MAX_PASSWORD, email_sha1};
use super::super::subscription;
use super::MAX_USERNAME;

/// Why a user was not made.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The name is blank or too long.
    #[error("a username has 1 to {MAX_USERNAME} bytes, no control characters and no blanks around it")]
    Name,
    /// The address is not one.
    #[error("an e-mail address is like mia@example.com and has at most {MAX_EMAIL} bytes")]
    Email,
    /// A limit that is none.
    #[error("a user may have 1 to {MAX_LIMIT} devices or session tokens")]
    Limit,
    /// The password is empty or too long.
    #[error("a password has 1 to {MAX_PASSWORD} bytes")]
    Password,
    /// The name is taken.
    #[error("the app has a user of this name already; see `keystead user list`")]
    Taken,
    /// The user signs in by its address, and another one does by this.
    #[error("another user of the app signs in by this e-mail address")]
    EmailTaken,
    /// The app has no plan of this name.
    #[error("there is no plan {0:?}; see `keystead plan list`")]
    NoPlan(String),
    /// The app has several plans or none, and none was named.
    #[error("say which plan the user is to hold, with --plan NAME (see `keystead plan list`)")]
    WhichPlan,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What a new user is to be.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Random.
    pub uuid: Uuid,
    /// Unique without regard to case.
    pub name: String,
    /// How it proves who it is.
    pub credential: Credential,
    /// What it is to hold, and for how long; nothing if none. The plan may be left out if the app has a single one.
    pub holds: Option<(Option<String>, Span)>,
}

/// Makes a user without a license.
pub fn create(tx: &mut Tx<'_>, app: &App, new: &NewUser, now: Time) -> Result<UserId, UserError> {
    let name = &new.name;
    let unfit = name.is_empty() || name.trim() != name || name.chars().any(char::is_control);
    if unfit || name.len() > MAX_USERNAME {
        return Err(UserError::Name);
    }
    let user = User::new(new.uuid, name.clone(), new.credential.clone(), now);
    let id = users::insert(tx, app.id, &user)?.ok_or(UserError::Taken)?;
    if let Some((plan, duration)) = &new.holds {
        let mut all = plans::all(tx, app.id)?;
        let plan = match plan {
            Some(name) => all.into_iter().find(|p| p.name == *name).ok_or_else(|| UserError::NoPlan(name.clone()))?,
            None if all.len() == 1 => all.remove(0),
            None => return Err(UserError::WhichPlan),
        };
        subscription::give(tx, id, &plan, *duration, now)?;
    }
    Ok(id)
}

/// How many devices and session tokens a user may have: 1 to this.
pub const MAX_LIMIT: i64 = 1_000;

/// Changes how many devices and session tokens a user may have; none: as the app's settings say.
pub fn set_limits(tx: &mut Tx<'_>, user: UserId, devices: Option<i64>, sessions: Option<i64>) -> Result<(), UserError> {
    if ![devices, sessions].into_iter().flatten().all(|limit| (1..=MAX_LIMIT).contains(&limit)) {
        return Err(UserError::Limit);
    }
    users::set_limits(tx, user, devices, sessions)?;
    Ok(())
}

/// Changes a user's e-mail address; none takes it away.
pub fn set_email(tx: &mut Tx<'_>, user: UserId, email: Option<&str>) -> Result<(), UserError> {
    let fits = |email: &str| {
        let parts = email.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        parts && email.len() <= MAX_EMAIL && !email.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    if !email.is_none_or(fits) {
        return Err(UserError::Email);
    }
    if users::set_email(tx, user, email, email.map(email_sha1).as_deref())? {
        Ok(())
    } else {
        Err(UserError::EmailTaken)
    }
}

/// Whether a password can be one.
pub fn check_password(password: &str) -> Result<(), UserError> {
    if password.is_empty() || password.len() > MAX_PASSWORD { Err(UserError::Password) } else { Ok(()) }
}
