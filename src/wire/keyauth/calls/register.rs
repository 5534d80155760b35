//! `register`: makes a user with a license and logs it in (contract 4.2).

use crate::domain::secret::Proof;
use crate::domain::{Stop, user};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_1;

use super::{Call, Field, Reply, Req, Run, entered};

pub(super) const CALL: Call = Call {
    name: "register",
    help: "makes a user with a license and logs it in",
    fields: &[
        Field { name: "username", help: "at most 70 bytes" },
        Field { name: "pass", help: "the password, at most 1,024 bytes" },
        Field { name: "key", help: "an unused license" },
        Field { name: "hwid", help: "the device; bound if given" },
        Field { name: "email", help: "kept as SHA-1 of the lower-cased address" },
    ],
    since: &V1_1,
    run: Run::Password(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let entered = user::register(tx, req.app, req.lists, session, &entered::claim(req), proof)?;
    Ok(entered::reply(req, entered))
}
