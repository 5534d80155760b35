//! `var`: an app variable; the message is its value (contract 4.11).

use crate::domain::{Refusal, Stop, variable};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "var",
    help: "hands out an app variable: the message is its value",
    aliases: &[],
    fields: &[
        Field { name: "varid", help: "the variable's name; exact" },
        Field { name: "var", help: "the same, read if varid is missing" },
    ],
    refuses: &[Refusal::VariableNotFound, Refusal::SessionNotValidated],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Read(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let name = req.form.text("varid").or_else(|| req.form.text("var"));
    variable::find(tx, session, name).map(|variable| Reply::message(variable.value))
}
