//! `setvar`: keeps a text for the user who is logged in (contract 4.9).

use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop, user_variable};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "setvar",
    help: "keeps a text for the user who is logged in",
    aliases: &[],
    fields: &[
        Field { name: "var", help: "the variable's name, at most 99 bytes; exact" },
        Field { name: "data", help: "its new value, at most 500 bytes" },
    ],
    refuses: &[
        Refusal::SessionNotValidated,
        Refusal::VariableNameMissing,
        Refusal::VariableDataMissing,
        Refusal::VariableDataTooLong,
        Refusal::VariableNameTooLong,
        Refusal::VariableReadOnly,
        Refusal::TooManyVariables,
    ],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    user_variable::write(tx, session, req.form.text("var"), req.form.text("data"))?;
    Ok(Reply::message("Successfully set variable"))
}
