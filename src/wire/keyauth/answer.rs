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
use crate::wire::Fault;
use crate::wire::reply::{Fields, Json, encode};

use super::calls::Call;
use super::seal::Seal;
use super::versions::Version;
use super::words;

/// A success: its message and what stands between the message and the nonce, in order.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: Cow<'static, str>,
    pub(super) fields: Fields,
}

impl Reply {
    /// A success that is only a message.
    pub(super) fn message(message: impl Into<Cow<'static, str>>) -> Reply {
        Reply { message: message.into(), fields: Vec::new() }
    }
}

/// A request whose app, session and call are known as far as they can be; or a refusal of it.
pub(super) struct Opened {
    version: &'static Version,
    ascii_only: bool,
    pub(super) app: Option<Arc<App>>,
    pub(super) session: Option<Arc<Session>>,
    pub(super) call: Option<&'static Call>,
    pub(super) seal: Seal,
    pub(super) refusal: Option<Refusal>,
}

impl Opened {
    pub(super) fn unknown(version: &'static Version, ascii_only: bool, seal: Seal) -> Opened {
        Opened { version, ascii_only, app: None, session: None, call: None, seal, refusal: None }
    }

    /// From here on, refusals are in the app's words and signed with its secret, until a session is known.
    pub(super) fn know_app(&mut self, app: &Arc<App>) {
        self.app = Some(Arc::clone(app));
        self.seal = Seal::key(self.version, &app.secret);
    }

    pub(super) fn refuse(mut self, refusal: Refusal) -> Opened {
        self.refusal = Some(refusal);
        self
    }

    /// Whether it can be answered without the database.
    pub(super) fn is_immediate(&self) -> bool {
        self.refusal.is_some() || matches!(self.call, Some(Call { run: super::Run::Session(_), .. }))
    }

    pub(super) fn fail(self, error: &store::Error) -> Response {
        self.finish(Err(Stop::Failed(error.clone())))
    }

    /// Writes, steps down and seals the answer.
    pub(super) fn finish(self, outcome: Result<Reply, Stop>) -> Response {
        let mut status = 200;
        let mut retry_after = None;
        let (fields, code) = match outcome {
            Ok(reply) => (success(reply), "OK"),
            Err(Stop::Refused(Refusal::AppNotFound)) => return self.not_found(),
            Err(Stop::Refused(refusal)) => {
                match &refusal {
                    Refusal::RateLimited(wait) => retry_after = Some(wait.as_secs() + 1),
                    Refusal::Busy => retry_after = Some(1),
                    _ => {}
                }
                let code = refusal.code();
                (refused(&refusal, self.app.as_deref()), code)
            }
            Err(stop) => {
                let (failed_status, message, code) = failure(&stop);
                status = failed_status;
                retry_after = (code == "UNAVAILABLE" || code == "BUSY").then_some(1);
                (failed(message.into(), code), code)
            }
        };
        let mut fields = fields;
        (self.version.step_down)(&mut fields);
        let body = Bytes::from(encode(&fields, self.ascii_only));
        self.send(status, body, code, retry_after)
    }

    /// The bare text that every client knows (contract 1.8).
    fn not_found(self) -> Response {
        self.send(200, Bytes::from_static(b"KeyAuth_Invalid"), Refusal::AppNotFound.code(), None)
    }

    fn send(self, status: u16, body: Bytes, outcome: &'static str, retry_after: Option<u64>) -> Response {
        let mut headers = headers();
        if let Some(signature) = self.seal.close(&body) {
            headers.push(("signature", signature));
        }
        if let Some(seconds) = retry_after {
            headers.push(("retry-after", HeaderValue::Made(seconds.to_string())));
        }
        let note =
            Note { app: self.app.map(|app| Arc::clone(&app.name)), call: self.call.map_or("", |c| c.name), outcome };
        Response { status, headers, body, note }
    }
}

fn success(reply: Reply) -> Fields {
    let mut fields = Vec::with_capacity(reply.fields.len() + 3);
    fields.push(("success", Json::Bool(true)));
    fields.push(("message", Json::Text(reply.message)));
    fields.extend(reply.fields);
    fields.push(("nonce", Json::Text(new_nonce(&mut rand::rng()).into())));
    fields
}

fn refused(refusal: &Refusal, app: Option<&App>) -> Fields {
    let mut fields = failed(words::text(refusal, app), refusal.code());
    if *refusal == Refusal::VersionMismatch {
        let download = app.map_or(Cow::Borrowed(""), |app| app.settings.download.clone());
        fields.insert(2, ("download", Json::Text(download)));
    }
    fields
}

fn failed(message: Cow<'static, str>, code: &'static str) -> Fields {
    vec![("success", Json::Bool(false)), ("message", Json::Text(message)), ("error", Json::Text(code.into()))]
}

/// Status, text and code of what is our fault. The cause goes to the log, not to the client.
fn failure(stop: &Stop) -> (u16, &'static str, &'static str) {
    match stop {
        // More than can be queued is like too many requests: nothing broke, and the client lives on.
        Stop::Failed(store::Error::Busy) => (200, "The server is busy. Try again in a moment.", "BUSY"),
        Stop::Failed(error @ (store::Error::Locked | store::Error::Unavailable(_) | store::Error::Unfit(_))) => {
            tracing::error!(%error, "the store is unavailable");
            (503, "The server cannot reach its database now. Try again in a moment.", "UNAVAILABLE")
        }
        Stop::Failed(error @ store::Error::Bug(_)) => {
            tracing::error!(%error, "a call failed");
            (500, "Error: internal server error. Tell the operator, who finds it in the log.", "INTERNAL")
        }
        Stop::Refused(_) | Stop::Prove(_) => {
            tracing::error!("a call stopped where it must not");
            (500, "Error: internal server error. Tell the operator, who finds it in the log.", "INTERNAL")
        }
    }
}

/// What every answer carries (contract 1.5).
fn headers() -> Vec<(&'static str, HeaderValue)> {
    let mut headers = Vec::with_capacity(5);
    headers.push(("content-type", HeaderValue::Fixed("application/json; charset=utf-8")));
    headers.push(("access-control-allow-origin", HeaderValue::Fixed("*")));
    headers.push((
        "access-control-expose-headers",
        HeaderValue::Fixed("signature, x-signature-ed25519, x-signature-timestamp"),
    ));
    headers
}

/// The answer when there is no request to answer: too large, too slow, broken, or a bug.
pub(super) fn fault(fault: Fault) -> Response {
    let (status, message, code): (u16, Cow<'static, str>, _) = match fault {
        Fault::BodyTooLarge(limit) => {
            (413, format!("The request is too large: at most {limit} bytes are taken.").into(), "BODY_TOO_LARGE")
        }
        Fault::BodyTimeout => (408, "The request did not arrive in time. Send it again.".into(), "BODY_TIMEOUT"),
        Fault::BodyBroken => (400, "The request could not be read to its end. Send it again.".into(), "BODY_BROKEN"),
        Fault::Panicked => {
            (500, "Error: internal server error. Tell the operator, who finds it in the log.".into(), "INTERNAL")
        }
    };
    let body = Bytes::from(encode(&failed(message, code), true));
    let note = Note { app: None, call: "", outcome: code };
    Response { status, headers: headers(), body, note }
}
