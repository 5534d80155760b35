//! `getvar`: hands out what `setvar` or the operator kept for the user who is logged in (contract 4.10).

use crate::domain::{Refusal, Stop, user_variable};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "getvar",
    help: "hands out a text kept for the user who is logged in",
    aliases: &[],
    fields: &[Field { name: "var", help: "the variable's name; exact" }],
    refuses: &[Refusal::SessionNotValidated, Refusal::UserVariableNotFound],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Read(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let value = user_variable::read(tx, session, req.form.text("var"))?;
    Ok(Reply::with("Successfully retrieved variable", vec![("response", value.into())]))
}
