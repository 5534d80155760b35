//! `log`: keeps a line, and posts it to where the app wants to read it (contract 4.16).

use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop, log};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::discord;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "log",
    help: "keeps a line, and posts it to the app's webhook if it has one",
    aliases: &[],
    fields: &[
        Field { name: "message", help: "the line; at most 275 bytes" },
        Field { name: "pcuser", help: "what the client calls its machine's user; cut to 32 bytes" },
    ],
    refuses: &[Refusal::LogMessageMissing, Refusal::LogMessageTooLong],
    settings: &["webhook"],
    since: &V1_0,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    let line = log::line(session, req.form.text("message"), req.form.text("pcuser"), req.ip, req.now)?;
    let webhook = req.app.settings.webhook.trim();
    let post = (!webhook.is_empty()).then(|| discord::log_line(webhook, &line));
    log::add(tx, req.app.id, &line, post.as_ref(), req.vault, &mut rand::rng())?;
    Ok(Reply::message("Successfully logged"))
}
