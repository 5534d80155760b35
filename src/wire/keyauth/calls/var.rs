//! `var`: an app variable; the message is its value (contract 4.11).

use crate::domain::{Refusal, variable};
use crate::model::session::Session;
use crate::store::variables::Variable;
use crate::wire::form::Form;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Run, anything};

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
    run: Run::Variable(name, run),
};

fn name(form: &Form) -> Option<&str> {
    form.text("varid").or_else(|| form.text("var"))
}

fn run(session: &Session, variable: Option<&Variable>) -> Result<Reply, Refusal> {
    variable::may_read(session, variable).map(|variable| Reply::message(variable.value.clone()))
}
