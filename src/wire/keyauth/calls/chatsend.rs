//! `chatsend`: writes in a channel (contract 4.14).

use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop, chat};
use crate::model::session::Session;
use crate::model::time::Time;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "chatsend",
    help: "writes in a chat channel, which keeps its newest 50 messages",
    aliases: &[],
    fields: &[
        Field { name: "channel", help: "the channel's name; exact" },
        Field { name: "message", help: "at most 2,000 bytes" },
    ],
    refuses: &[
        Refusal::SessionNotValidated,
        Refusal::ChannelNotFound,
        Refusal::ChatTooFast,
        Refusal::ChatMuted(Time(0)),
        Refusal::MessageBlank,
        Refusal::MessageTooLong,
    ],
    settings: &["chatHitDelay"],
    since: &V1_0,
    first: anything,
    run: Run::Write(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    chat::send(tx, session, req.form.text("channel"), req.form.text("message"), req.now)?;
    Ok(Reply::message("Successfully sent chat message"))
}
