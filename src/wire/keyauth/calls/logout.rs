//! `logout`: ends the session (contract 4.21).

use crate::domain::secret::Proof;
use crate::domain::{Stop, session};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_2;

use super::{Call, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "logout",
    aliases: &[],
    help: "ends the session",
    fields: &[],
    refuses: &[],
    settings: &[],
    since: &V1_2,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    session::end(tx, req.app, session.id, req.now)?;
    Ok(Reply::message("Successfully logged out."))
}
