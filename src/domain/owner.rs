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

/// Whether an owner may have this name.
pub fn check_name(name: &str) -> Result<(), OwnerError> {
    let fits = name.trim() == name && !name.is_empty() && name.len() <= MAX_NAME;
    if fits && !name.chars().any(char::is_control) { Ok(()) } else { Err(OwnerError::Name) }
}

/// Whether a text has the shape of an ownerid.
pub fn is_ownerid(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
