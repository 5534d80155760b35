//! `2fadisable`: takes the user's second factor off (contract 4.22).

use std::time::Duration;

use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop, two_factor};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::form::Form;
use crate::wire::keyauth::versions::V1_2;

use super::{Call, Field, Reply, Req, Run, entered};

pub(super) const CALL: Call = Call {
    name: "2fadisable",
    help: "takes the second factor off, for a right code",
    aliases: &[],
    fields: &[Field { name: "code", help: "six digits; looked at before the session is" }],
    refuses: &[
        Refusal::TwoFactorCodeMissing,
        Refusal::SessionNotValidated,
        Refusal::TwoFactorOff,
        Refusal::TwoFactorSetupWrong,
        Refusal::TwoFactorBlocked(Duration::ZERO),
    ],
    settings: &[],
    since: &V1_2,
    first: |form: &Form| form.text("code").map(|_| ()).ok_or(Refusal::TwoFactorCodeMissing),
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    two_factor::switch_off(tx, req.app, session, &entered::factor(req))?;
    Ok(Reply::message("2fa successfully disabled"))
}
