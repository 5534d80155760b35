//! `upgrade`: redeems a license for a user that exists (contract 4.5).

use crate::domain::license::By;
use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop, user};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "upgrade",
    help: "redeems a license for a user that exists; logs nobody in",
    aliases: &[],
    fields: &[Field { name: "username", help: "who gets it" }, Field { name: "key", help: "an unused license" }],
    refuses: &[
        Refusal::LicenseNotFound,
        Refusal::LicenseInUse,
        Refusal::LicenseBanned(None),
        Refusal::LicensePaused,
        Refusal::LicenseExpired,
        Refusal::LicenseNotEligible,
        Refusal::ExpiryInPast,
        Refusal::UserNotFound,
        Refusal::NothingToGrant,
    ],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    let by = By::user(req.guess, session.user.as_ref().map(|user| user.id));
    user::upgrade(tx, req.app, req.form.text("username"), req.form.text("key"), &by, req.now)?;
    Ok(Reply::message("Upgraded successfully"))
}
