//! App variables: texts handed to clients.

use crate::model::app::App;
use crate::model::ids::AppId;
use crate::model::session::Session;
use crate::model::time::Time;
use crate::store::variables::{self, Variable};
use crate::store::{self, Tx};

use super::session::user_on;
use super::{Refusal, Stop};

/// The longest name, in bytes (contract section 5).
pub const MAX_NAME: usize = 49;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 1_000;

/// How many variables an app has at most by what its users add. The operator may add more.
pub const MAX_BY_USERS: i64 = 1_000;

/// Why a variable was not set.
#[derive(Debug, thiserror::Error)]
pub enum VariableError {
    /// The name is blank or too long.
    #[error("a variable's name has 1 to {MAX_NAME} bytes and no blanks around it")]
    Name,
    /// The value is blank or too long. Clients get it as the message, which may not be empty.
    #[error("a variable's value has 1 to {MAX_VALUE} bytes")]
    Value,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Adds or replaces a variable.
pub fn set(tx: &mut Tx<'_>, app: AppId, variable: &Variable) -> Result<(), VariableError> {
    check(variable)?;
    variables::set(tx, app, variable).map_err(VariableError::Store)
}

/// Whether an app may have this variable.
pub fn check(variable: &Variable) -> Result<(), VariableError> {
    let name = &variable.name;
    if name.is_empty() || name.trim() != name || name.len() > MAX_NAME || name.contains('\0') {
        return Err(VariableError::Name);
    }
    if variable.value.is_empty() || variable.value.len() > MAX_VALUE || variable.value.contains('\0') {
        return Err(VariableError::Value);
    }
    Ok(())
}

/// All variables of an app that a user, or anybody, may read; by name.
pub fn all_for(tx: &mut Tx<'_>, app: AppId, is_user: bool) -> Result<Vec<Variable>, Stop> {
    Ok(variables::all(tx, app)?.into_iter().filter(|variable| is_user || !variable.authenticated).collect())
}

/// A variable, for this session (contract 4.11).
pub fn find(tx: &mut Tx<'_>, session: &Session, name: Option<&str>) -> Result<Variable, Stop> {
    let variable = match name {
        Some(name) => variables::find(tx, session.app, name)?,
        None => None,
    };
    may_read(session, variable.as_ref())?;
    variable.ok_or(Refusal::VariableNotFound.into())
}

/// The variable, if there is one and this session may read it.
pub fn may_read<'a>(session: &Session, variable: Option<&'a Variable>) -> Result<&'a Variable, Refusal> {
    let variable = variable.ok_or(Refusal::VariableNotFound)?;
    if variable.authenticated && session.user.is_none() {
        return Err(Refusal::SessionNotValidated);
    }
    Ok(variable)
}

/// Gives a variable another value for the user on this session, or adds one that only logged-in users read. Where the app
/// does not let its users do that, only the operator may.
pub fn set_by_user(
    tx: &mut Tx<'_>,
    app: &App,
    session: &Session,
    (name, value): (&str, &str),
    now: Time,
) -> Result<Variable, Stop> {
    if !app.settings.authly_sets_variables {
        return Err(Refusal::VariableReadOnly.into());
    }
    user_on(session)?;
    let held = variables::find(tx, app.id, name)?;
    if held.is_none() && variables::count(tx, app.id)? >= MAX_BY_USERS {
        return Err(Refusal::TooManyVariables.into());
    }
    let authenticated = held.is_none_or(|held| held.authenticated);
    let variable = Variable { name: name.to_owned(), value: value.to_owned(), authenticated, updated_at: now };
    set(tx, app.id, &variable).map_err(|error| match error {
        VariableError::Store(error) => Stop::Failed(error),
        VariableError::Name => Refusal::VariableNameTooLong.into(),
        VariableError::Value => Refusal::VariableDataTooLong.into(),
    })?;
    Ok(variable)
}
