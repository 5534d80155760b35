//! A file's content on its way to a client, for every format: kept here, or fetched from where it is kept. Decides who
//! may have it no more than its callers do; writes no answer.

use bytes::Bytes;

use crate::domain::{Refusal, Stop, file};
use crate::model::ids::AppId;
use crate::outside::fetch::{Ask, FetchError, Fetched, Method};
use crate::store::Tx;
use crate::store::files::{File, Place};

use super::limits::{Limits, Share};

/// Who asks for files that are kept elsewhere.
const USER_AGENT: &str = concat!("Keystead/", env!("CARGO_PKG_VERSION"));

/// Where the content of a file comes from.
pub(super) enum Content {
    /// It is here, with the room that it takes until it is sent.
    Here(Bytes, Share),
    /// It has to be asked for; not inside a transaction.
    At(Ask),
}

/// What a file holds, for this client.
pub(super) fn content(
    tx: &mut Tx<'_>,
    limits: &Limits,
    client: std::net::IpAddr,
    app: AppId,
    file: &File,
) -> Result<Content, Stop> {
    match &file.place {
        Place::At(url) => Ok(Content::At(Ask {
            url: url.clone(),
            method: Method::Get,
            body: Vec::new(),
            content_type: None,
            user_agent: USER_AGENT.to_owned(),
            limit: limits.file,
        })),
        Place::Here(length) if *length > limits.file => {
            tracing::warn!(file = file.id, length, "a file is larger than the setting file-limit allows");
            Err(Refusal::FileUnavailable.into())
        }
        Place::Here(length) => {
            // Before the file is read: what has no room does not take any.
            let room = limits.room(client, *length).ok_or(Refusal::Busy)?;
            Ok(Content::Here(file::content(tx, app, file)?, room))
        }
    }
}

/// The content in what came back.
pub(super) fn fetched(got: Result<Fetched, FetchError>) -> Result<Bytes, Refusal> {
    match got {
        Ok(got) if (200..300).contains(&got.status) && !got.body.is_empty() => Ok(got.body),
        Ok(got) => {
            tracing::warn!(status = got.status, length = got.body.len(), "a file's URL answers with no file");
            Err(Refusal::FileUnavailable)
        }
        Err(FetchError::Busy) => Err(Refusal::Busy),
        Err(_) => Err(Refusal::FileUnavailable),
    }
}
