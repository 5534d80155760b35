//! `chatget`: the newest messages of a channel (contract 4.13).

use crate::domain::{Refusal, Stop, chat};
use crate::model::session::Session;
use crate::store::Tx;
use crate::store::chats::Message;
use crate::wire::keyauth::versions::V1_0;
use crate::wire::reply::Json;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "chatget",
    help: "hands out the newest 50 messages of a chat channel, oldest first; none if there is no such channel",
    aliases: &[],
    fields: &[Field { name: "channel", help: "the channel's name; exact" }],
    refuses: &[Refusal::SessionNotValidated],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Read(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let messages: Vec<Json> = chat::read(tx, session, req.form.text("channel"))?.into_iter().map(message).collect();
    Ok(Reply::with("Successfully retrieved chat messages", vec![("messages", messages.into())]))
}

fn message(message: Message) -> Json {
    Json::Object(vec![
        ("author", message.author.into()),
        ("message", message.text.into()),
        // A number: some clients throw on a text.
        ("timestamp", Json::Int(message.sent_at.0)),
    ])
}
