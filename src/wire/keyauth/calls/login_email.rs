//! `loginEmail`: logs a user in by e-mail address and password (contract 4.23).

use crate::domain::Stop;
use crate::domain::secret::Proof;
use crate::domain::user::{self, Claim, Terms};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_3;

use super::{Call, Field, Reply, Req, Run, anything, entered};

pub(super) const CALL: Call = Call {
    name: "loginEmail",
    help: "logs a user in by e-mail address and password",
    aliases: &[],
    fields: &[
        Field { name: "email", help: "the address, in any case; one that several users have is nobody's" },
        Field { name: "pass", help: "the password" },
        Field { name: "hwid", help: "the device; the first one is bound, see the setting hwidcheck" },
        Field { name: "code", help: "the code of the second factor, where the user has one" },
    ],
    refuses: entered::LOGIN_REFUSES,
    settings: entered::LOGIN_SETTINGS,
    since: &V1_3,
    first: anything,
    run: Run::Password(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let claim = Claim { username: None, key: None, ..entered::claim(req) };
    let entered = user::login_by_email(tx, req.app, &claim, Terms::Program, proof)?;
    entered::take_seat(req, session, tx, &entered)?;
    Ok(entered::reply(req, entered))
}
