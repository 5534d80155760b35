//! `login`: logs a user in by name and password (contract 4.3).

use crate::domain::Stop;
use crate::domain::secret::Proof;
use crate::domain::user::{self, Claim, Terms};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything, entered};

pub(super) const CALL: Call = Call {
    name: "login",
    help: "logs a user in by name and password",
    aliases: &[],
    fields: &[
        Field { name: "username", help: "compared without regard to case" },
        Field { name: "pass", help: "the password" },
        Field { name: "token", help: "1.1 and later: a token of the web loader, once, in place of the password" },
        Field { name: "hwid", help: "the device; the first one is bound, see the setting hwidcheck" },
        Field { name: "code", help: "the code of the second factor, where the user has one" },
    ],
    refuses: entered::LOGIN_REFUSES,
    settings: entered::LOGIN_SETTINGS,
    since: &V1_0,
    first: anything,
    run: Run::Password(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let claim = Claim { token: req.login_token, key: None, email: None, ..entered::claim(req) };
    let entered = user::login(tx, req.app, &claim, Terms::Program, proof)?;
    entered::take_seat(req, session, tx, &entered)?;
    Ok(entered::reply(req, entered))
}
