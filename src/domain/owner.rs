//! Owners: accounts that have apps.

use rand::CryptoRng;

use crate::model::app::Owner;
use crate::model::time::Time;
use crate::store::{self, Tx, owners};

use super::secret::new_ownerid;

/// The longest name an owner may have, in bytes.
pub const MAX_NAME: usize = 70;

/// Why an owner was not made.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The name is empty, too long, or holds a control character.
    #[error("an owner's name has 1 to {MAX_NAME} bytes and no control characters")]
    Name,
    /// The name is taken.
    #[error("there is an owner of this name already; see `keystead owner list`")]
    Taken,
    /// The ownerid is not ten alphanumerics, or another owner has it.
    #[error("an ownerid has ten letters or digits, and no two owners share one")]
    OwnerId,
    /// Which owner is meant cannot be told.
    #[error("there are several owners: say which with --owner NAME (see `keystead owner list`)")]
    Which,
    /// No owner has this name.
    #[error("there is no owner {0:?}; make one with `keystead owner create`, or see `keystead owner list`")]
    Unknown(String),
    /// Name and ownerid belong to different owners.
    #[error("the owner {0:?} has another ownerid, or this ownerid another name; see `keystead owner list`")]
    Mismatch(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Makes an owner. `ownerid` is given when an account moves in with clients that know it.
pub fn create(
    tx: &mut Tx<'_>,
    name: &str,
    ownerid: Option<&str>,
    now: Time,
    rng: &mut impl CryptoRng,
) -> Result<Owner, OwnerError> {
    check_name(name)?;
    if owners::by_name(tx, name)?.is_some() {
        return Err(OwnerError::Taken);
    }
    let ownerid = match ownerid {
        Some(given) if !is_ownerid(given) => return Err(OwnerError::OwnerId),
        Some(given) => given.to_owned(),
        None => new_ownerid(rng),
    };
    if !owners::insert(tx, name, &ownerid, now)? {
        return Err(OwnerError::OwnerId);
    }
    owners::by_name(tx, name)?.ok_or(OwnerError::Taken)
}

/// The owner of the first app, when none is named.
pub const DEFAULT_NAME: &str = "owner";

/// The owner that a new app is to have. None need be named while there is at most one; the first one, and one that
/// moves in with its ownerid, is made on the way.
pub fn choose(
    tx: &mut Tx<'_>,
    name: Option<&str>,
    ownerid: Option<&str>,
    now: Time,
    rng: &mut impl CryptoRng,
) -> Result<Owner, OwnerError> {
    let mut all = owners::all(tx)?;
    let known = |o: &Owner| {
        ownerid.is_none_or(|id| id == &*o.ownerid) && name.is_none_or(|name| name.eq_ignore_ascii_case(&o.name))
    };
    match (name, ownerid) {
        (None, None) if all.len() > 1 => Err(OwnerError::Which),
        _ if all.iter().any(known) => {
            all.retain(known);
            Ok(all.swap_remove(0))
        }
        (Some(name), Some(id)) if all.iter().any(|o| name.eq_ignore_ascii_case(&o.name) || id == &*o.ownerid) => {
            Err(OwnerError::Mismatch(name.to_owned()))
        }
        (Some(name), None) if !all.is_empty() => Err(OwnerError::Unknown(name.to_owned())),
        (name, id) => {
            let taken = all.iter().any(|o| DEFAULT_NAME.eq_ignore_ascii_case(&o.name));
            let free = if taken { id.unwrap_or(DEFAULT_NAME) } else { DEFAULT_NAME };
            create(tx, name.unwrap_or(free), id, now, rng)
        }
    }
}

/// Whether an owner may have this name.
pub fn check_name(name: &str) -> Result<(), OwnerError> {
    let fits = name.trim() == name && !name.is_empty() && name.len() <= MAX_NAME;
    if fits && !name.chars().any(char::is_control) { Ok(()) } else { Err(OwnerError::Name) }
}

/// Whether a text has the shape of an ownerid.
pub fn is_ownerid(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
