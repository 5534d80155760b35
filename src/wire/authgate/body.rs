//! The body of a request in this format: one JSON object, its fields asked for by name. Refuses what is missing; what a
//! value may be, the domain says.

use crate::model::exchange::Request;
use crate::wire::json::{self, JsonFault, Object};

use super::answer::Denied;

/// The object in the body.
pub(super) fn read(request: &Request) -> Result<Object, Denied> {
    json::read(request.content_type.as_deref(), &request.body).map_err(|fault| match fault {
        JsonFault::ContentType | JsonFault::Unreadable => Denied::NO_OBJECT,
        JsonFault::TooManyFields => Denied::TOO_MANY_FIELDS,
    })
}

/// The text of a field, if it is there.
pub(super) fn optional(object: &Object, name: &'static str) -> Result<Option<String>, Denied> {
    match object.nul(&[name]) {
        Some(name) => Err(Denied::unfit(name)),
        None => Ok(object.text(name).map(str::to_owned)),
    }
}

/// The text of a field.
pub(super) fn required(object: &Object, name: &'static str) -> Result<String, Denied> {
    optional(object, name)?.ok_or_else(|| Denied::missing(name))
}
