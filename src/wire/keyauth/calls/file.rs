//! `file`: hands out a file as hex (contract 4.17).

use bytes::Bytes;

use crate::domain::{Refusal, Stop, file};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::files::{self, Content};
use crate::wire::keyauth::versions::V1_0;
use crate::wire::reply::Json;

use super::{Call, Errand, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "file",
    help: "hands out a file as hex",
    aliases: &[],
    fields: &[Field { name: "fileid", help: "the file's id; exact" }],
    refuses: &[Refusal::FileNotFound, Refusal::SessionNotValidated, Refusal::FileUnavailable],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Outside(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>) -> Result<Errand, Stop> {
    let file = file::find(tx, session, req.form.text("fileid"))?;
    Ok(match files::content(tx, req.limits, req.ip, session.app, &file)? {
        Content::Here(bytes, room) => Errand::Done(Reply { room: Some(room), ..reply(bytes) }),
        Content::At(ask) => Errand::Fetch(ask, |got| files::fetched(got).map(reply)),
    })
}

fn reply(content: Bytes) -> Reply {
    Reply::with("File download successful", vec![("contents", Json::Hex(content))])
}
