//! `ban`: the program bans its own user, its address and its device (contract 4.18).

use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop, user};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "ban",
    help: "bans the user who is logged in, with address and device, and logs it out",
    aliases: &[],
    fields: &[
        Field {
            name: "reason",
            help: "at most 99 bytes; the user reads it where the setting userbanned says {reason}",
        },
        Field {
            name: "hwid",
            help: "the device to ban; without it, or with 0, none is, nor one that is not bound to the user where hwidcheck is on",
        },
    ],
    refuses: &[Refusal::SessionNotValidated, Refusal::BanReasonTooLong, Refusal::HwidTooLong],
    settings: &["hwidcheck"],
    since: &V1_0,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    let (reason, hwid) = (req.form.text("reason"), req.form.text_not_zero("hwid"));
    user::ban_own(tx, req.app, session, reason, hwid, req.ip, req.now)?;
    Ok(Reply::message("Successfully Banned User"))
}
