//! From an outcome to a response: the fields in order, the words of a refusal, headers. The only place that builds answers
//! of this family. Signs nothing itself (`seal.rs`).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::Refusal;
use crate::model::app::App;
use crate::model::exchange::{HeaderValue, Note, Response};
use crate::model::ids::SessionId;
use crate::wire::reply::{Fields, Json, encode};
use crate::wire::{Ctx, Fault};

use super::endpoints::Endpoint;
use super::seal::{self, Seal};
use super::words::{INTERNAL, NO_SUCH_PATH, NOT_POST, No, words};

/// A success: its message, the session to go on with, and what follows, in order.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: &'static str,
    pub(super) session: Option<SessionId>,
    pub(super) fields: Fields,
}

impl Reply {
    /// A success with these fields.
    pub(super) fn with(message: &'static str, fields: Fields) -> Reply {
        Reply { message, session: None, fields }
    }
}

/// Writes an answer, and signs it if the app wants that.
pub(super) fn finish(
    ctx: &Ctx,
    endpoint: &Endpoint,
    app: Option<&Arc<App>>,
    seal: Option<Seal>,
    outcome: Result<Reply, No>,
) -> Response {
    let mut headers = headers();
    let (status, code, mut fields) = match outcome {
        Ok(reply) => (200, "OK", success(reply)),
        Err(no) => {
            if let Some(seconds) = retry_after(&no) {
                headers.push(("retry-after", HeaderValue::Made(seconds.to_string())));
            }
            let (status, code, message) = words(&no, app.map(|app| &**app));
            let mut fields = failure(code, message);
            if let (No::Refused(Refusal::VersionMismatch), Some(app)) = (&no, app) {
                fields.extend(update(app));
            }
            (status, code, fields)
        }
    };
    let body = match seal {
        Some(seal) => {
            seal::sort(&mut fields);
            let body = encode(&fields, false);
            headers.extend(seal.close(&body, ctx.clock.now()));
            body
        }
        None => encode(&fields, false),
    };
    let note = Note { app: app.cloned(), call: endpoint.name, outcome: code };
    Response { status, headers, body: Bytes::from(body), note }
}

fn success(reply: Reply) -> Fields {
    let mut fields = Vec::with_capacity(reply.fields.len() + 3);
    fields.push(("success", Json::Bool(true)));
    fields.push(("message", reply.message.into()));
    fields.extend(reply.session.map(|id| ("session_id", id.to_string().into())));
    fields.extend(reply.fields);
    fields
}

fn failure(code: &'static str, message: Cow<'static, str>) -> Fields {
    vec![("success", Json::Bool(false)), ("code", code.into()), ("message", message.into())]
}

/// Where the current program is, if the app says (contract 1.5). Clients offer the download.
fn update(app: &App) -> Option<(&'static str, Json)> {
    let settings = &app.settings;
    let update = vec![
        ("available", true.into()),
        ("latest_version", settings.version.clone().into()),
        ("download_url", settings.download.clone().into()),
        ("auto_update_enabled", true.into()),
        ("force_update", true.into()),
        ("show_reminder", false.into()),
        ("reminder_message", Json::Null),
        ("allowed_until", Json::Null),
    ];
    (!settings.download.is_empty()).then_some(("update", Json::Object(update)))
}

fn retry_after(no: &No) -> Option<u64> {
    match no {
        No::Refused(Refusal::RateLimited(wait) | Refusal::TwoFactorBlocked(wait)) => Some(wait.as_secs() + 1),
        No::Refused(Refusal::Busy) | No::Unavailable => Some(1),
        _ => None,
    }
}

/// The answer to another method than POST.
pub(super) fn not_post(endpoint: &Endpoint) -> Response {
    let mut response = plain(NOT_POST.0, NOT_POST.1, NOT_POST.2.into(), endpoint.name);
    response.headers.push(("allow", HeaderValue::Fixed("POST")));
    response
}

/// The answer at a path at which there is no endpoint.
pub(super) fn nothing() -> Response {
    plain(NO_SUCH_PATH.0, NO_SUCH_PATH.1, NO_SUCH_PATH.2.into(), "")
}

/// The answer when there is no request to answer: too large, too slow, broken, or a bug. Nobody knows then which app is
/// meant, and whether it wants a signature.
pub(super) fn fault(fault: Fault) -> Response {
    let (status, code, message): (u16, _, Cow<'static, str>) = match fault {
        Fault::BodyTooLarge(limit) => {
            (413, "BODY_TOO_LARGE", format!("The request is too large: at most {limit} bytes are taken").into())
        }
        Fault::BodyTimeout => (408, "BODY_TIMEOUT", "The request did not arrive in time. Send it again".into()),
        Fault::BodyBroken => (400, "BODY_BROKEN", "The request could not be read to its end. Send it again".into()),
        Fault::NoRoom => (503, "BUSY", "The server is busy. Try again in a moment".into()),
        Fault::Panicked => (INTERNAL.0, INTERNAL.1, INTERNAL.2.into()),
    };
    let mut response = plain(status, code, message, "");
    if fault == Fault::NoRoom {
        response.headers.push(("retry-after", HeaderValue::Fixed("1")));
    }
    response
}

fn plain(status: u16, code: &'static str, message: Cow<'static, str>, call: &'static str) -> Response {
    let body = encode(&failure(code, message), false);
    Response { status, headers: headers(), body: body.into(), note: Note { app: None, call, outcome: code } }
}

/// What every answer carries.
fn headers() -> Vec<(&'static str, HeaderValue)> {
    let mut headers = Vec::with_capacity(10);
    headers.push(("content-type", HeaderValue::Fixed("application/json; charset=utf-8")));
    headers.push(("access-control-allow-origin", HeaderValue::Fixed("*")));
    headers.push(("access-control-expose-headers", HeaderValue::Fixed(seal::EXPOSED)));
    headers
}
