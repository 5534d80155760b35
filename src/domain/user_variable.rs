//! Variables of single users (contract 4.9, 4.10): texts that a client keeps for the user who is logged in.

use crate::model::ids::UserId;
use crate::model::session::Session;
use crate::store::user_variables::{self, UserVariable};
use crate::store::{self, Tx};

use super::session::user_on;
use super::{Refusal, Stop};

/// The longest name, in bytes (contract section 5).
pub const MAX_NAME: usize = 99;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 500;
/// The most variables that one user has: clients name them as they like.
pub const MAX_COUNT: i64 = 1_000;

/// Why an operator's variable was not set.
#[derive(Debug, thiserror::Error)]
pub enum UserVariableError {
    /// The name is blank or too long.
    #[error("a user's variable has a name of 1 to {MAX_NAME} bytes and no blanks around it")]
    Name,
    /// The value is blank or too long.
    #[error("a user's variable has a value of 1 to {MAX_VALUE} bytes")]
    Value,
    /// The user has as many as one may have.
    #[error("a user has at most {MAX_COUNT} variables; delete one with `keystead var delete NAME --user USER`")]
    TooMany,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Adds or replaces a variable of the user on this session, unless the operator made it read-only.
pub fn write(tx: &mut Tx<'_>, session: &Session, name: Option<&str>, value: Option<&str>) -> Result<(), Stop> {
    let user = user_on(session)?.id;
    let name = name.ok_or(Refusal::VariableNameMissing)?;
    let value = value.ok_or(Refusal::VariableDataMissing)?;
    if value.len() > MAX_VALUE {
        return Err(Refusal::VariableDataTooLong.into());
    }
    if name.len() > MAX_NAME {
        return Err(Refusal::VariableNameTooLong.into());
    }
    if user_variables::change(tx, user, name, value)? {
        return Ok(());
    }
    if !user_variables::add(tx, user, name, value)? {
        return Err(Refusal::VariableReadOnly.into());
    }
    if user_variables::count(tx, user)? > MAX_COUNT {
        return Err(Refusal::TooManyVariables.into());
    }
    Ok(())
}

/// The value of a variable of the user on this session.
pub fn read(tx: &mut Tx<'_>, session: &Session, name: Option<&str>) -> Result<String, Stop> {
    let user = user_on(session)?.id;
    let found = match name {
        Some(name) => user_variables::find(tx, user, name)?,
        None => None,
    };
    found.map(|variable| variable.value).ok_or_else(|| Refusal::UserVariableNotFound.into())
}

/// Adds or replaces a variable as the operator wants it.
pub fn set(tx: &mut Tx<'_>, user: UserId, variable: &UserVariable) -> Result<(), UserVariableError> {
    check(variable)?;
    user_variables::set(tx, user, variable)?;
    if user_variables::count(tx, user)? > MAX_COUNT { Err(UserVariableError::TooMany) } else { Ok(()) }
}

/// Whether a user may have this variable.
pub fn check(variable: &UserVariable) -> Result<(), UserVariableError> {
    let name = &variable.name;
    if name.is_empty() || name.trim() != name || name.len() > MAX_NAME || name.contains('\0') {
        return Err(UserVariableError::Name);
    }
    if variable.value.is_empty() || variable.value.len() > MAX_VALUE || variable.value.contains('\0') {
        return Err(UserVariableError::Value);
    }
    Ok(())
}
