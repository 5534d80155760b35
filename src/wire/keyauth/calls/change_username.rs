//! `changeUsername`: another name for the user who is logged in (contract 4.20).

use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop, user};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "changeUsername",
    help: "gives the user who is logged in another name, and ends all its sessions",
    aliases: &[],
    fields: &[Field { name: "newUsername", help: "at most 70 bytes" }],
    refuses: &[
        Refusal::SessionNotValidated,
        Refusal::UsernameTooLong,
        Refusal::UsernameTooShort,
        Refusal::RenameFailed,
        Refusal::NewUsernameTaken,
    ],
    settings: &["minUsernameLength"],
    since: &V1_0,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    user::rename(tx, req.app, session, req.form.text("newUsername"), req.now)?;
    Ok(Reply::message("Successfully changed username, user logged out."))
}
