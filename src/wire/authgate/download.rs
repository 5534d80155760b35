//! `GET /files/{file_id}/download`: the content of a file, as it is (contract 2.5). How Authgate enciphers files is not
//! public: they are not enciphered here, and the list of files says so.

use percent_encoding::percent_decode_str;

use crate::domain::{Refusal, file};
use crate::model::exchange::Method;
use crate::wire::Door;
use crate::wire::files::{self, Content};

use super::answer::{No, Reply};
use super::words::Asked;
use super::{Call, Endpoint, USER_FIELDS, USER_HEADERS, answer, caller, fault};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/files/{}/download",
    method: Method::Get,
    help: "hands out a file",
    fields: USER_FIELDS,
    door: Door { answer: |ctx, request| answer(ctx, request, &ENDPOINT), headers: USER_HEADERS, fault },
    asked: Asked::Entry,
    run: |call| Box::pin(run(call)),
};

async fn run(call: Call) -> Result<Reply, No> {
    let is_user = caller::identify(&call).await?.is_some();
    let id = percent_decode_str(&call.request.place).decode_utf8().map_err(|_| Refusal::FileNotFound)?.into_owned();
    let (ctx, app, peer) = (std::sync::Arc::clone(&call.ctx), call.app.id, call.request.peer);
    let content = call.ctx.store.read(move |tx| {
        let file = file::find_for(tx, app, is_user, &id)?;
        files::content(tx, &ctx.limits, peer, app, &file)
    });
    let (bytes, room) = match content.await? {
        Content::Here(bytes, room) => (bytes, room),
        Content::At(ask) => {
            let limits = &call.ctx.limits;
            let _place = limits.fetch(peer).ok_or(Refusal::Busy)?;
            let bytes = files::fetched(call.ctx.fetcher.fetch(ask).await)?;
            let room = limits.room(peer, bytes.len()).ok_or(Refusal::Busy)?;
            (bytes, room)
        }
    };
    Ok(Reply::File(room.hold(bytes)))
}
