//! `check`: whether somebody is logged in on this session (contract 4.19). Answered from memory.

use crate::domain::Refusal;
use crate::model::session::Session;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "check",
    help: "tells whether somebody is logged in on this session",
    aliases: &[],
    fields: &[Field {
        name: "check_paid",
        help: "1: the answer's role is seller, which clients take for a paid plan; 1.3 only",
    }],
    refuses: &[Refusal::SessionNotValidated],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Session(run),
};

fn run(req: &Req<'_>, session: &Session) -> Result<Reply, Refusal> {
    if session.user.is_none() {
        return Err(Refusal::SessionNotValidated);
    }
    let role = if req.form.text("check_paid") == Some("1") { "seller" } else { "not_checked" };
    let mut reply = Reply::message("Session is validated.");
    reply.tail.push(("role", role.into()));
    Ok(reply)
}
