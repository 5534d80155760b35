//! `register`: makes a user with a license and logs it in (contract 4.2).

use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop, user};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything, entered};

pub(super) const CALL: Call = Call {
    name: "register",
    help: "makes a user with a license and logs it in",
    aliases: &[],
    fields: &[
        Field { name: "username", help: "at most 70 bytes" },
        Field { name: "pass", help: "the password, at most 1,024 bytes" },
        Field { name: "key", help: "an unused license" },
        Field { name: "hwid", help: "the device; bound if given" },
        Field { name: "email", help: "kept as it is, and as SHA-1 of the lower-cased address" },
    ],
    refuses: &[
        Refusal::UsernameTooLong,
        Refusal::KeyTooLong,
        Refusal::UsernameTooShort,
        Refusal::PasswordMismatch,
        Refusal::PasswordTooLong,
        Refusal::PasswordLeaked,
        Refusal::UsernameTaken,
        Refusal::LicenseNotFound,
        Refusal::LicenseInUse,
        Refusal::LicenseBanned(None),
        Refusal::HwidTooLong,
        Refusal::HwidBanned,
        Refusal::AddressBanned,
        Refusal::LicensePaused,
        Refusal::LicenseExpired,
        Refusal::LicenseNotEligible,
    ],
    settings: &["minUsernameLength", "blockLeakedPasswords", "loggedInMsg"],
    since: &V1_0,
    first: anything,
    run: Run::Password(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let entered = user::register(tx, req.app, req.lists, &entered::claim(req), proof)?;
    entered::take_seat(req, session, tx, &entered)?;
    Ok(entered::reply(req, entered))
}
