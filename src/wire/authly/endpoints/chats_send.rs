//! `chats/send`: writes in a channel (contract 2.7).

use crate::domain::secret::Proof;
use crate::domain::{Stop, chat};
use crate::model::app::App;
use crate::model::session::Session;
use crate::store::Tx;
use crate::store::chats::Message;
use crate::wire::authly::answer::Reply;
use crate::wire::authly::person::date;
use crate::wire::reply::Json;

use super::{Call, Endpoint, Run, SESSION, anything, required};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "chats/send",
    aliases: &[],
    help: "writes in a chat channel, which keeps its newest 50 messages",
    fields: &[
        SESSION,
        required(&["channel_name"], "the channel's name; exact"),
        required(&["message"], "at most 2,000 bytes"),
    ],
    settings: &[],
    first: anything,
    run: Run::Write(run),
};

fn run(call: &Call, _: &App, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    let sent = chat::send(tx, session, call.text("channel_name"), call.text("message"), call.now)?;
    Ok(Reply::with("Message sent successfully", vec![("data", shown(sent))]))
}

/// A message with its number, as clients see it.
pub(super) fn shown((number, message): (i64, Message)) -> Json {
    Json::Object(vec![
        ("id", Json::Int(number)),
        ("username", message.author.into()),
        ("message", message.text.into()),
        ("created_at", date(message.sent_at).into()),
    ])
}
