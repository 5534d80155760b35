//! Plans: what a license level gives.

use crate::model::ids::AppId;
use crate::store::{self, Tx, plans};

use super::license::MAX_LEVEL;

/// The longest name a plan may have, in bytes.
pub const MAX_NAME: usize = 70;

/// Why a plan was not made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The name is blank or too long.
    #[error("a plan's name has 1 to {MAX_NAME} bytes")]
    Name,
    /// The level is blank or too long.
    #[error("a level has 1 to {MAX_LEVEL} bytes")]
    Level,
    /// The name is taken.
    #[error("the app has a plan of this name already; see `keystead plan list`")]
    Taken,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Makes a plan.
pub fn create(tx: &mut Tx<'_>, app: AppId, name: &str, level: &str) -> Result<(), PlanError> {
    check(name, level)?;
    if plans::insert(tx, app, name, level)? { Ok(()) } else { Err(PlanError::Taken) }
}

/// Whether an app may have this plan, as far as its name and level go.
pub fn check(name: &str, level: &str) -> Result<(), PlanError> {
    if name.trim().is_empty() || name.len() > MAX_NAME || name.contains('\0') {
        return Err(PlanError::Name);
    }
    if level.trim().is_empty() || level.len() > MAX_LEVEL || level.contains('\0') {
        return Err(PlanError::Level);
    }
    Ok(())
}
