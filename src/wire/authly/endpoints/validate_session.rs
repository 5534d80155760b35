//! `validate-session`: whether a session may still be used (contract 2.8).

use crate::model::session::Session;
use crate::wire::authly::answer::Reply;

use super::{Endpoint, Run, SESSION, anything};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "validate-session",
    aliases: &["validate"],
    help: "tells whether a session may still be used; whether anybody is logged in on it does not matter",
    fields: &[SESSION],
    settings: &[],
    first: anything,
    run: Run::Session(run),
};

/// One client looks for the word "valid" in the message, the others at the field.
fn run(session: &Session) -> Reply {
    Reply { message: "Session is valid", session: Some(session.id), fields: vec![("valid", true.into())] }
}
