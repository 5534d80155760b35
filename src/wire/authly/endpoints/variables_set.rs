//! `variables/set`: sets an app variable, where the app lets its users do that (contract 2.6).

use crate::domain::secret::Proof;
use crate::domain::{Stop, variable};
use crate::model::app::App;
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::authly::answer::Reply;

use super::variables::shown;
use super::{Call, Endpoint, Run, SESSION, anything, required};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "variables/set",
    aliases: &[],
    help: "sets an app variable; for users who are logged in, where the setting authlySetsVariables is 1",
    fields: &[
        SESSION,
        required(&["var_key"], "the variable's name; exact, at most 49 bytes"),
        required(&["var_value"], "at most 1,000 bytes"),
    ],
    settings: &["authlySetsVariables"],
    first: anything,
    run: Run::Write(run),
};

fn run(call: &Call, app: &App, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    let text = |name| call.text(name).unwrap_or_default();
    let set = variable::set_by_user(tx, app, session, (text("var_key"), text("var_value")), call.now)?;
    Ok(Reply::with("Variable updated successfully", vec![("variable", shown(set))]))
}
