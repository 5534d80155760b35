//! `check`: whether somebody is logged in on this session (contract 4.19). Answered from memory.

use crate::domain::Refusal;
use crate::model::session::Session;
use crate::wire::keyauth::versions::V1_1;

use super::{Call, Reply, Req, Run};

pub(super) const CALL: Call = Call {
    name: "check",
    help: "tells whether somebody is logged in on this session",
    fields: &[],
    since: &V1_1,
    run: Run::Session(run),
};

fn run(_: &Req<'_>, session: &Session) -> Result<Reply, Refusal> {
    if session.user.is_none() {
        return Err(Refusal::SessionNotValidated);
    }
    Ok(Reply::message("Session is validated."))
}
