//! `change-password`: gives the user who is logged in another password, for the one it has (contract 2.5).

use crate::domain::Stop;
use crate::domain::secret::Proof;
use crate::domain::user::{self, Caller};
use crate::model::app::App;
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::authly::answer::Reply;

use super::{Call, Endpoint, Run, SESSION, anything, required};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "change-password",
    aliases: &[],
    help: "gives the user who is logged in another password; its other sessions are logged out",
    fields: &[
        SESSION,
        required(&["old_password"], "the password as it is"),
        required(&["new_password"], "another one; at most 1,024 bytes"),
    ],
    settings: &["blockLeakedPasswords"],
    first: anything,
    run: Run::Password(run),
};

fn run(call: &Call, app: &App, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let text = |name| call.text(name).unwrap_or_default();
    let passwords = (text("old_password"), text("new_password"));
    let by = Caller { guess: call.guess(), ip: call.ip, now: call.now };
    user::change_password(tx, app, &call.ctx.lists, session, passwords, &by, proof)?;
    Ok(Reply::with("Password changed successfully", Vec::new()))
}
