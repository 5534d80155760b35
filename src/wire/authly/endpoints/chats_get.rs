//! `chats/get`: a page of a channel's messages (contract 2.7): the newest ones, and with a cursor those before it.

use crate::domain::{Stop, chat};
use crate::model::app::App;
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::authly::answer::Reply;
use crate::wire::reply::Json;

use super::chats_send::shown;
use super::{Call, Endpoint, Field, Kind, Run, SESSION, anything, required};

/// How many messages a page has if none is said, and at most.
const LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 100;

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "chats/get",
    aliases: &[],
    help: "hands out a page of a chat channel's messages, oldest first; without a cursor the newest page",
    fields: &[
        SESSION,
        required(&["channel_name"], "the channel's name; exact"),
        Field { names: &["limit"], kind: Kind::Number, help: "how many messages; 1 to 100, else 50" },
        Field { names: &["cursor"], kind: Kind::Number, help: "next_cursor of the page before" },
    ],
    settings: &[],
    first: anything,
    run: Run::Read(run),
};

fn run(call: &Call, _: &App, session: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let limit = call.number("limit").unwrap_or(LIMIT).clamp(1, MAX_LIMIT);
    // One more than is asked for tells whether there are more.
    let mut page = chat::page(tx, session, call.text("channel_name"), call.number("cursor"), limit + 1)?;
    let has_more = page.len() as i64 > limit;
    page.truncate(limit as usize);
    let cursor: Json = page.last().filter(|_| has_more).map(|(number, _)| number.to_string()).into();
    let messages: Vec<Json> = page.into_iter().rev().map(shown).collect();
    // Some clients read these two here, others in `pagination`.
    let pagination = vec![("limit", limit.into()), ("next_cursor", cursor.clone()), ("has_more", has_more.into())];
    let data = vec![
        ("channel_name", call.text("channel_name").map(str::to_owned).into()),
        ("messages", messages.into()),
        ("next_cursor", cursor),
        ("has_more", has_more.into()),
        ("pagination", Json::Object(pagination)),
    ];
    Ok(Reply::with("Messages retrieved successfully", vec![("data", Json::Object(data))]))
}
