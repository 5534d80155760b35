//! `variables`: hands out an app variable (contract 2.6).

use crate::domain::{Stop, variable};
use crate::model::app::App;
use crate::model::session::Session;
use crate::model::time::Time;
use crate::store::Tx;
use crate::store::variables::Variable;
use crate::wire::authly::answer::Reply;
use crate::wire::authly::person::date_ms;
use crate::wire::reply::Json;

use super::{Call, Endpoint, Run, SESSION, anything, required};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "variables",
    aliases: &["variables/get"],
    help: "hands out an app variable",
    fields: &[SESSION, required(&["var_key"], "the variable's name; exact")],
    settings: &[],
    first: anything,
    run: Run::Read(run),
};

fn run(call: &Call, _: &App, session: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let found = variable::find(tx, session, call.text("var_key"))?;
    Ok(Reply::with("Variable retrieved successfully", vec![("variable", shown(found))]))
}

/// A variable as clients see it.
pub(super) fn shown(variable: Variable) -> Json {
    // Of one from before times were kept it is not known.
    let updated_at = Some(variable.updated_at).filter(|at| *at != Time(0));
    Json::Object(vec![
        ("var_key", variable.name.into()),
        ("var_value", variable.value.into()),
        ("updated_at", updated_at.map(date_ms).into()),
    ])
}
