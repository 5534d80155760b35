//! The relays and files of a document: where they lead, what they hold.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::file::{self, FileError};
use crate::domain::relay::{self, RelayError};
use crate::store::files::{NewFile, Source};
use crate::store::relays::Relay;

use super::super::{File as GivenFile, Relay as GivenRelay};
use super::{Context, Findings, Time};

pub(super) fn relays(given: Vec<GivenRelay>, context: &Context<'_>, found: &mut Findings) -> Vec<Relay> {
    let mut seen = HashMap::new();
    let mut relays = Vec::with_capacity(given.len());
    for (i, GivenRelay { id, url, user_agent, authenticated }) in given.into_iter().enumerate() {
        let relay = Relay { id, url, user_agent, authenticated };
        match relay::check(context.targets, &relay) {
            Ok(()) => found.unique(&mut seen, relay.id.clone(), i, "relays", ".id"),
            Err(error @ RelayError::Id) => found.add(format_args!("relays[{i}].id"), error),
            Err(error @ RelayError::UserAgent) => found.add(format_args!("relays[{i}].user_agent"), error),
            Err(error) => found.add(format_args!("relays[{i}].url"), error),
        }
        relays.push(relay);
    }
    relays
}

/// The files, each with when it was added.
pub(super) fn files(given: Vec<GivenFile>, context: &Context<'_>, found: &mut Findings) -> Vec<(NewFile, Time)> {
    let mut seen = HashMap::new();
    let mut files = Vec::with_capacity(given.len());
    for (i, given) in given.into_iter().enumerate() {
        let path = format!("files[{i}]");
        let created_at = found.time(given.created_at, format_args!("{path}.created_at")).unwrap_or(context.now);
        let source = match (given.url, given.content_base64) {
            (Some(url), None) => Source::Url(url),
            (None, Some(text)) => match STANDARD.decode(text) {
                Ok(bytes) => Source::Bytes(bytes.into()),
                Err(_) => {
                    found.add(format_args!("{path}.content_base64"), "takes bytes in base64, with padding");
                    continue;
                }
            },
            _ => {
                found.add(&path, "takes exactly one of url and content_base64");
                continue;
            }
        };
        let file = NewFile { id: given.id, name: given.name, authenticated: given.authenticated, source };
        match file::check(context.targets, context.file_limit, &file) {
            Ok(()) => found.unique(&mut seen, file.id.clone(), i, "files", ".id"),
            Err(error @ FileError::Id) => found.add(format_args!("{path}.id"), error),
            Err(error @ FileError::Name) => found.add(format_args!("{path}.name"), error),
            Err(error @ (FileError::Empty | FileError::TooLarge(_))) => {
                found.add(format_args!("{path}.content_base64"), error);
            }
            Err(error) => found.add(format_args!("{path}.url"), error),
        }
        files.push((file, created_at));
    }
    files
}
