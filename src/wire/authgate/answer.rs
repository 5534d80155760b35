//! From an outcome to a response: the only place that builds answers of this family. An error is always one object with
//! one text, `detail`.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::{Refusal, Stop};
use crate::model::app::App;
use crate::model::exchange::{HeaderValue, Method, Note, Response};
use crate::model::time::Time;
use crate::wire::failure::{self, Outcome};
use crate::wire::reply::{Fields, Json, encode};
use crate::wire::{Ctx, Fault};

use super::words::{self, Asked};

/// A success.
pub(super) enum Reply {
    /// An object.
    Json(Fields),
    /// The content of a file.
    File(Bytes),
}

/// Why not.
pub(super) enum No {
    /// Said by this room: the request is not what this format asks for.
    Denied(Denied),
    /// Said by a rule, or by a failure of ours.
    Stop(Stop),
}

/// A no as it is sent.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) status: u16,
    pub(super) detail: Cow<'static, str>,
    /// For the log.
    pub(super) code: &'static str,
    pub(super) header: Option<(&'static str, HeaderValue)>,
}

impl Denied {
    pub(super) const WRONG_APP: Denied = Denied::new(401, "Invalid API credentials", "API_CREDENTIALS");
    pub(super) const NO_SUCH_PATH: Denied = Denied::new(404, "Not found", "NO_SUCH_PATH");
    pub(super) const NO_OBJECT: Denied = Denied::new(422, "Request body must be a JSON object", "NO_OBJECT");
    pub(super) const TOO_MANY_FIELDS: Denied = Denied::new(422, "Request body has too many fields", "TOO_MANY_FIELDS");
    pub(super) const NO_USER: Denied = Denied::new(401, "Only logged in users are allowed to access", "NO_USER");
    pub(super) const NO_TOKENS: Denied =
        Denied::new(403, "Session tokens are switched off for this application", "TOKENS_OFF");
    pub(super) const NO_LEGACY: Denied =
        Denied::new(401, "Credentials in headers are switched off: log in and send the session token", "LEGACY_OFF");
    const UNAVAILABLE: Denied =
        Denied::new(503, "The server cannot reach its database now. Try again in a moment.", "UNAVAILABLE");
    const INTERNAL: Denied = Denied::new(500, "Internal server error", "INTERNAL");

    pub(super) const fn new(status: u16, detail: &'static str, code: &'static str) -> Denied {
        Denied { status, detail: Cow::Borrowed(detail), code, header: None }
    }

    pub(super) fn missing(field: &str) -> Denied {
        Denied { detail: format!("Field required: {field}").into(), ..Denied::new(422, "", "FIELD_REQUIRED") }
    }

    pub(super) fn unfit(field: &str) -> Denied {
        Denied { detail: format!("Invalid value: {field}").into(), ..Denied::new(422, "", "INVALID_VALUE") }
    }

    pub(super) fn wrong_method(right: Method) -> Denied {
        let allow = if right == Method::Post { "POST" } else { "GET, HEAD" };
        let header = Some(("allow", HeaderValue::Fixed(allow)));
        Denied { header, ..Denied::new(405, "Method not allowed", "METHOD_NOT_ALLOWED") }
    }

    pub(super) fn after(self, seconds: u64) -> Denied {
        Denied { header: Some(("retry-after", HeaderValue::Made(seconds.to_string()))), ..self }
    }

    pub(super) fn fault(fault: Fault) -> Denied {
        match fault {
            Fault::BodyTooLarge(limit) => Denied {
                detail: format!("Request body is too large: at most {limit} bytes are taken").into(),
                ..Denied::new(413, "", "BODY_TOO_LARGE")
            },
            Fault::BodyTimeout => Denied::new(408, "Request did not arrive in time. Send it again.", "BODY_TIMEOUT"),
            Fault::BodyBroken => {
                Denied::new(400, "Request could not be read to its end. Send it again.", "BODY_BROKEN")
            }
            Fault::NoRoom => Denied::new(503, "The server is busy. Try again in a moment.", "BUSY").after(1),
            Fault::Panicked => Denied::INTERNAL,
        }
    }
}

impl From<Denied> for No {
    fn from(denied: Denied) -> No {
        No::Denied(denied)
    }
}

impl From<Stop> for No {
    fn from(stop: Stop) -> No {
        No::Stop(stop)
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::Stop(refusal.into())
    }
}

/// Writes the answer of a call.
pub(super) fn send(
    ctx: &Ctx,
    call: &'static str,
    app: Option<Arc<App>>,
    outcome: Result<Reply, No>,
    asked: Asked,
) -> Response {
    // In the log, calls stand without the slash, as those of the other formats do.
    let call = call.trim_start_matches('/');
    let denied = match outcome {
        Ok(reply) => {
            let (kind, body) = match reply {
                Reply::Json(fields) => ("application/json", encode(&fields, ctx.ascii_only).into()),
                Reply::File(bytes) => ("application/octet-stream", bytes),
            };
            return Response { status: 200, headers: headers(kind), body, note: Note { app, call, outcome: "OK" } };
        }
        Err(No::Denied(denied)) => denied,
        Err(No::Stop(stop)) => match failure::outcome(stop) {
            Outcome::Refused(refusal) => words::denied(&refusal, asked),
            Outcome::Unavailable => Denied::UNAVAILABLE.after(1),
            Outcome::Internal => Denied::INTERNAL,
        },
    };
    let mut headers = headers("application/json");
    headers.extend(denied.header);
    let body = encode(&vec![("detail", denied.detail.into())], ctx.ascii_only).into();
    Response { status: denied.status, headers, body, note: Note { app, call, outcome: denied.code } }
}

/// What every answer carries. Answers hold tokens, and what only one user may see: nobody keeps them on the way.
fn headers(kind: &'static str) -> Vec<(&'static str, HeaderValue)> {
    vec![("content-type", HeaderValue::Fixed(kind)), ("cache-control", HeaderValue::Fixed("no-store"))]
}

/// A time as this format writes it: in UTC, to the second.
pub(super) fn utc(time: Time) -> Json {
    let date = chrono::DateTime::from_timestamp(time.0, 0).unwrap_or_default();
    date.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into()
}
