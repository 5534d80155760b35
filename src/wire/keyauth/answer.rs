//! From an outcome to a response: words, fields in order, step down, seal, headers. The only place that builds answers
//! of this family.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::secret::new_nonce;
use crate::domain::{Refusal, Stop};
use crate::model::app::App;
use crate::model::exchange::{HeaderValue, Note, Response};
use crate::model::session::Session;
use crate::store;
use crate::store::variables::Variable;
use crate::wire::failure::{self, Outcome};
use crate::wire::form::Form;
use crate::wire::limits::Share;
use crate::wire::reply::{Fields, Json, encode};
use crate::wire::{Ctx, Fault};

use super::calls::{Call, Run};
use super::seal::{Seal, Sealer};
use super::versions::{About, Sealing, Version};
use super::words;

const UNAVAILABLE: &str = "The server cannot reach its database now. Try again in a moment.";
const INTERNAL: &str = "Error: internal server error. Tell the operator, who finds it in the log.";

/// A success: its message, what stands between the message and the nonce, and what follows the nonce, in order.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: Cow<'static, str>,
    pub(super) fields: Fields,
    pub(super) tail: Fields,
    /// The room that a large one takes until it is sent.
    pub(super) room: Option<Share>,
}

impl Reply {
    /// A success that is only a message.
    pub(super) fn message(message: impl Into<Cow<'static, str>>) -> Reply {
        Reply { message: message.into(), fields: Vec::new(), tail: Vec::new(), room: None }
    }

    /// A success with fields.
    pub(super) fn with(message: impl Into<Cow<'static, str>>, fields: Fields) -> Reply {
        Reply { message: message.into(), fields, tail: Vec::new(), room: None }
    }
}

/// A request whose app, session and call are known as far as they can be; or a refusal of it.
pub(super) struct Opened {
    pub(super) version: &'static Version,
    /// As sent; kept only where answers repeat it.
    ownerid: String,
    pub(super) app: Option<Arc<App>>,
    pub(super) session: Option<Arc<Session>>,
    pub(super) call: Option<&'static Call>,
    pub(super) seal: Seal,
    pub(super) refusal: Option<Refusal>,
    /// The variable that the call is about, where there is one.
    pub(super) variable: Option<Arc<Variable>>,
    /// The request as its client meant it, where it came enciphered.
    pub(super) form: Option<Form>,
}

impl Opened {
    pub(super) fn unknown(version: &'static Version, form: &Form, seal: Seal) -> Opened {
        let ownerid = match version.sealing {
            Sealing::Ed25519 => form.text("ownerid").unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        Opened {
            version,
            ownerid,
            app: None,
            session: None,
            call: None,
            seal,
            refusal: None,
            variable: None,
            form: None,
        }
    }

    pub(super) fn refuse(mut self, refusal: Refusal) -> Opened {
        self.refusal = Some(refusal);
        self
    }

    /// Whether it can be answered without the database.
    pub(super) fn is_immediate(&self) -> bool {
        self.refusal.is_some() || matches!(self.call, Some(Call { run: Run::Session(_) | Run::Variable(..), .. }))
    }

    pub(super) fn fail(self, ctx: &Ctx, error: &store::Error) -> Response {
        self.finish(ctx, Err(Stop::Failed(error.clone())))
    }

    /// Writes, steps down and seals the answer.
    pub(super) fn finish(self, ctx: &Ctx, outcome: Result<Reply, Stop>) -> Response {
        let mut status = 200;
        let mut retry_after = None;
        let mut room = None;
        let outcome = outcome.map_err(failure::outcome);
        let (mut fields, code) = match outcome {
            Ok(mut reply) => {
                room = reply.room.take();
                (success(reply), "OK")
            }
            Err(Outcome::Refused(Refusal::AppNotFound)) => return self.not_found(ctx),
            Err(Outcome::Refused(refusal)) => {
                match &refusal {
                    Refusal::RateLimited(wait) | Refusal::TwoFactorBlocked(wait) => {
                        retry_after = Some(wait.as_secs() + 1)
                    }
                    Refusal::Busy => retry_after = Some(1),
                    _ => {}
                }
                let code = refusal.code();
                (refused(&refusal, self.app.as_deref(), self.version), code)
            }
            Err(Outcome::Unavailable) => {
                (status, retry_after) = (503, Some(1));
                (failed(UNAVAILABLE.into(), "UNAVAILABLE"), "UNAVAILABLE")
            }
            Err(Outcome::Internal) => {
                status = 500;
                (failed(INTERNAL.into(), "INTERNAL"), "INTERNAL")
            }
        };
        let body = shaped(self.version, &self.ownerid, &mut fields, ctx);
        // What it was made of may be as large as the answer itself.
        drop(fields);
        let mut response = self.send(ctx, status, body, code, retry_after);
        if let Some(room) = room {
            response.body = room.hold(response.body);
        }
        response
    }

    /// The bare text that every client knows (contract 1.8).
    fn not_found(self, ctx: &Ctx) -> Response {
        self.send(ctx, 200, Bytes::from_static(b"KeyAuth_Invalid"), Refusal::AppNotFound.code(), None)
    }

    fn send(self, ctx: &Ctx, status: u16, body: Bytes, outcome: &'static str, retry_after: Option<u64>) -> Response {
        let mut headers = headers();
        let sealed = self.seal.close(body, || ctx.clock.now());
        headers.extend(sealed.headers.into_iter().flatten());
        if let Some(seconds) = retry_after {
            headers.push(("retry-after", HeaderValue::Made(seconds.to_string())));
        }
        let note = Note { app: self.app, call: self.call.map_or("", |c| c.name), outcome };
        Response { status, headers, body: sealed.body, note }
    }
}

/// The bytes of an answer in the shape of its version.
fn shaped(version: &Version, ownerid: &str, fields: &mut Fields, ctx: &Ctx) -> Bytes {
    let success = matches!(fields.first(), Some((_, Json::Bool(true))));
    (version.shape)(fields, &About { success, ownerid });
    Bytes::from(encode(fields, ctx.ascii_only))
}

fn success(reply: Reply) -> Fields {
    let mut fields = Vec::with_capacity(reply.fields.len() + reply.tail.len() + 5);
    fields.push(("success", Json::Bool(true)));
    fields.push(("message", Json::Text(reply.message)));
    fields.extend(reply.fields);
    fields.push(("nonce", Json::Text(new_nonce(&mut rand::rng()).into())));
    fields.extend(reply.tail);
    fields
}

fn refused(refusal: &Refusal, app: Option<&App>, version: &Version) -> Fields {
    let message = match refusal {
        Refusal::UnknownCall => version.unknown_type.into(),
        _ => words::text(refusal, app),
    };
    let mut fields = failed(message, refusal.code());
    if *refusal == Refusal::VersionMismatch {
        let download = app.map_or(Cow::Borrowed(""), |app| app.settings.download.clone());
        fields.insert(2, ("download", Json::Text(download)));
    }
    fields
}

fn failed(message: Cow<'static, str>, code: &'static str) -> Fields {
    vec![("success", Json::Bool(false)), ("message", Json::Text(message)), ("error", Json::Text(code.into()))]
}

/// What every answer carries (contract 1.5).
fn headers() -> Vec<(&'static str, HeaderValue)> {
    let mut headers = Vec::with_capacity(6);
    headers.push(("content-type", HeaderValue::Fixed("application/json; charset=utf-8")));
    headers.push(("access-control-allow-origin", HeaderValue::Fixed("*")));
    headers.push((
        "access-control-expose-headers",
        HeaderValue::Fixed("signature, x-signature-ed25519, x-signature-timestamp"),
    ));
    headers
}

/// The answer when there is no request to answer: too large, too slow, broken, or a bug. Signed where that takes
/// neither an app nor a session.
pub(super) fn fault(ctx: &Ctx, version: &'static Version, fault: Fault) -> Response {
    let (status, message, code): (u16, Cow<'static, str>, _) = match fault {
        Fault::BodyTooLarge(limit) => {
            (413, format!("The request is too large: at most {limit} bytes are taken.").into(), "BODY_TOO_LARGE")
        }
        Fault::BodyTimeout => (408, "The request did not arrive in time. Send it again.".into(), "BODY_TIMEOUT"),
        Fault::BodyBroken => (400, "The request could not be read to its end. Send it again.".into(), "BODY_BROKEN"),
        // Refused by the server's state, not by the request: clients know no other status than 200 for that.
        Fault::NoRoom => (200, words::text(&Refusal::Busy, None), Refusal::Busy.code()),
        Fault::Panicked => (500, INTERNAL.into(), "INTERNAL"),
    };
    let mut sealer = Sealer::new(version, None);
    if version.sealing == Sealing::Ed25519 {
        sealer.server_key = ctx.server_key.last();
    }
    let body = shaped(version, "", &mut failed(message, code), ctx);
    let sealed = sealer.none().close(body, || ctx.clock.now());
    let mut headers = headers();
    if fault == Fault::NoRoom {
        headers.push(("retry-after", HeaderValue::Fixed("1")));
    }
    headers.extend(sealed.headers.into_iter().flatten());
    Response { status, headers, body: sealed.body, note: Note { app: None, call: "", outcome: code } }
}
