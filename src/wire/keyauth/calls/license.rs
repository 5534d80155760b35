//! `license`: redeems a license, or logs in the user that it made (contract 4.4).

use std::time::Duration;

use crate::domain::secret::Proof;
use crate::domain::user::{self, Claim};
use crate::domain::{Refusal, Stop};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything, entered};

pub(super) const CALL: Call = Call {
    name: "license",
    help: "logs in with nothing but a license; its first use redeems it",
    aliases: &[],
    fields: &[
        Field { name: "key", help: "the license" },
        Field { name: "hwid", help: "the device; the first one is bound, see the setting hwidcheck" },
        Field { name: "code", help: "the code of the second factor, where the user has one" },
    ],
    refuses: &[
        Refusal::KeyTooLong,
        Refusal::HwidTooLong,
        Refusal::HwidTooShort(0),
        Refusal::HwidMissing,
        Refusal::UsernameTooShort,
        Refusal::PasswordLeaked,
        Refusal::LicenseNotFound,
        Refusal::LicenseInUse,
        Refusal::LicenseBanned(None),
        Refusal::LicensePaused,
        Refusal::LicenseExpired,
        Refusal::LicenseNotEligible,
        Refusal::UserBanned(None),
        Refusal::HwidBanned,
        Refusal::AddressBanned,
        Refusal::PasswordMismatch,
        Refusal::HwidMismatch,
        Refusal::SubscriptionPaused,
        Refusal::NoActiveSubscription,
        Refusal::TwoFactorRequired,
        Refusal::TwoFactorWrong,
        Refusal::TwoFactorBlocked(Duration::ZERO),
    ],
    settings: &[
        "minHwid",
        "forceHwid",
        "hwidcheck",
        "minUsernameLength",
        "blockLeakedPasswords",
        "killOtherSessions",
        "loggedInMsg",
    ],
    since: &V1_0,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let claim = entered::claim(req);
    let claim = Claim { username: claim.key, password: claim.key, email: None, ..claim };
    let entered = user::enter_by_license(tx, req.app, req.lists, &claim, proof)?;
    entered::take_seat(req, session, tx, &entered)?;
    Ok(entered::reply(req, entered))
}
