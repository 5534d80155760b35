//! `file`: hands out a file as hex (contract 4.17).

use bytes::Bytes;

use crate::domain::{Refusal, Stop, file};
use crate::model::session::Session;
use crate::outside::fetch::{Ask, FetchError, Fetched, Method};
use crate::store::Tx;
use crate::store::files::Place;
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

/// Who asks for files that are kept elsewhere.
const USER_AGENT: &str = concat!("Keystead/", env!("CARGO_PKG_VERSION"));

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>) -> Result<Errand, Stop> {
    let file = file::find(tx, session, req.form.text("fileid"))?;
    match &file.place {
        Place::At(url) => {
            let ask = Ask {
                url: url.clone(),
                method: Method::Get,
                body: Vec::new(),
                content_type: None,
                user_agent: USER_AGENT.to_owned(),
                limit: req.limits.file,
            };
            Ok(Errand::Fetch(ask, fetched))
        }
        Place::Here(length) if *length > req.limits.file => {
            tracing::warn!(file = file.id, length, "a file is larger than the setting file-limit allows");
            Err(Refusal::FileUnavailable.into())
        }
        Place::Here(length) => {
            // Before the file is read: what has no room does not take any.
            let room = req.limits.room(req.ip, *length).ok_or(Refusal::Busy)?;
            let reply = reply(file::content(tx, session.app, &file)?);
            Ok(Errand::Done(Reply { room: Some(room), ..reply }))
        }
    }
}

fn fetched(got: Result<Fetched, FetchError>) -> Result<Reply, Refusal> {
    match got {
        Ok(got) if (200..300).contains(&got.status) && !got.body.is_empty() => Ok(reply(got.body)),
        Ok(got) => {
            tracing::warn!(status = got.status, length = got.body.len(), "a file's URL answers with no file");
            Err(Refusal::FileUnavailable)
        }
        Err(FetchError::Busy) => Err(Refusal::Busy),
        Err(_) => Err(Refusal::FileUnavailable),
    }
}

fn reply(content: Bytes) -> Reply {
    Reply::with("File download successful", vec![("contents", Json::Hex(content))])
}
