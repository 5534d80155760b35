//! `forgot`: mails a link that sets a new password (contract 4.6).

use std::time::Duration;

use crate::domain::reset::{self, Asked};
use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_2;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "forgot",
    help: "mails the user a link that sets a new password",
    aliases: &[],
    fields: &[
        Field { name: "username", help: "compared without regard to case" },
        Field { name: "email", help: "the address given at registration; the mail goes there" },
    ],
    refuses: &[
        Refusal::ResetUserNotFound,
        Refusal::EmailMissing,
        Refusal::EmailMismatch,
        Refusal::MailUnavailable,
        Refusal::RateLimited(Duration::ZERO),
    ],
    settings: &[],
    since: &V1_2,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, _: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    let asked = Asked {
        username: req.form.text("username"),
        email: req.form.text("email"),
        mail: req.mail,
        public_url: req.public_url,
        now: req.now,
        guess: req.guess,
    };
    reset::ask(tx, req.app, req.vault, &mut rand::rng(), &asked)?;
    Ok(Reply::message("Successfully sent email to change password."))
}
