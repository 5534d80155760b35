//! `license`: redeems a license, or logs in the user that it made (contract 4.4).

use crate::domain::Stop;
use crate::domain::secret::Proof;
use crate::domain::user::{self, Claim};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_1;

use super::{Call, Field, Reply, Req, Run, entered};

pub(super) const CALL: Call = Call {
    name: "license",
    help: "logs in with nothing but a license; its first use redeems it",
    fields: &[
        Field { name: "key", help: "the license" },
        Field { name: "hwid", help: "the device; the first one is bound, see the setting hwidcheck" },
    ],
    since: &V1_1,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let claim = entered::claim(req);
    let claim = Claim { username: claim.key, password: claim.key, email: None, ..claim };
    let entered = user::enter_by_license(tx, req.app, req.lists, session, &claim, proof)?;
    Ok(entered::reply(req, entered))
}
