//! The envelope that every answer has, and its headers (W20 to W28, 1.5). Decides no rule.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::secret::new_number;
use crate::model::app::App;
use crate::model::browser::Browser;
use crate::model::exchange::{HeaderValue, Note, Request, Response};
use crate::model::ids::{AppId, BrowserId};
use crate::model::time::Time;
use crate::wire::reply::{Fields, Json, encode};
use crate::wire::{Ctx, Fault};

use super::words::{self, Words};
use super::{Endpoint, cookie, shown};

/// The browser that a request comes from, and its token.
pub(super) struct Seen {
    pub(super) browser: Browser,
    pub(super) token: String,
    /// Whether the token was drawn for this answer.
    pub(super) is_new: bool,
}

/// What answers to a request have in common.
pub(super) struct Frame<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) request: &'a Request,
    pub(super) endpoint: &'static Endpoint,
    /// None only if it is not known.
    pub(super) app: Option<&'a Arc<App>>,
}

impl Frame<'_> {
    /// Puts an answer in its envelope. A browser that could not be opened is shown one that is not kept.
    pub(super) fn finish(&self, seen: Option<&Seen>, outcome: Result<Json, Words>) -> Response {
        let session = match seen {
            Some(seen) => shown::session(&seen.browser),
            None => unkept(self.request.now),
        };
        let note = Note { app: self.app.cloned(), call: self.endpoint.name, outcome: "OK" };
        let mut response = match outcome {
            Ok(data) => success(self.ctx, data, session, note),
            Err(words) => failure(self.ctx, words, session, note),
        };
        let made = |name, value| (name, HeaderValue::Made(value));
        if response.status == 405 {
            response.headers.push(("allow", HeaderValue::Fixed(words::method(self.endpoint.method))));
        }
        let Some(app) = self.app else { return response };
        let is_staging = app.settings.wacht_staging;
        // A token that the browser has already is not set again: it may have ended while this answer was on its way.
        if let Some(Seen { browser, token, is_new: true }) = seen {
            let cookie = cookie::set(self.ctx, app, self.request, browser, token);
            response.headers.push(made("set-cookie", cookie));
            if is_staging {
                response.headers.push(made("x-development-session", token.clone()));
            }
        }
        if let Some(origin) = self.request.header("origin").filter(|origin| is_listed(app, origin)) {
            response.headers.push(made("access-control-allow-origin", origin.to_owned()));
            response.headers.push(("access-control-allow-credentials", HeaderValue::Fixed("true")));
            response.headers.push(("vary", HeaderValue::Fixed("origin")));
            if is_staging {
                response.headers.push(("access-control-expose-headers", HeaderValue::Fixed("x-development-session")));
            }
        }
        response
    }
}

/// Whether pages of this origin may call with the cookie and read the answers.
fn is_listed(app: &App, origin: &str) -> bool {
    let mut listed = app.settings.wacht_origins.split_whitespace();
    listed.any(|listed| listed.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

/// The one answer without an envelope: nobody knows whose it would be (W5).
pub(super) fn no_app(endpoint: &'static Endpoint) -> Response {
    let note = Note { app: None, call: endpoint.name, outcome: "APP_NOT_FOUND" };
    send(404, Bytes::from_static(br#"{"message":"Deployment not found"}"#), note)
}

/// The answer when there is no request to answer: too large, too slow, broken, or a bug.
pub(super) fn fault(ctx: &Ctx, fault: Fault) -> Response {
    failure(ctx, words::fault(fault), unkept(ctx.clock.now()), Note::default())
}

/// What is shown where no session could be opened (W28): it is nowhere kept, and no cookie leads to it.
fn unkept(now: Time) -> Json {
    let id = BrowserId(new_number(&mut rand::rng()));
    let browser = Browser { id, app: AppId(0), token_hash: String::new(), created_at: now, used_at: now, active: None };
    shown::session(&browser)
}

fn success(ctx: &Ctx, data: Json, session: Json, note: Note) -> Response {
    let fields = envelope(200, "".into(), data, session, Json::Null);
    send(200, encode(&fields, ctx.ascii_only).into(), note)
}

fn failure(ctx: &Ctx, words: Words, session: Json, note: Note) -> Response {
    let Words { status, message, errors, outcome, retry_after } = words;
    let error = |(code, text)| Json::Object(vec![("code", Json::from(code)), ("message", Json::Text(text))]);
    let errors = errors.into_iter().map(error).collect::<Vec<_>>();
    let fields = envelope(status, message.into(), Json::Null, session, errors.into());
    let mut response = send(status, encode(&fields, ctx.ascii_only).into(), Note { outcome, ..note });
    if let Some(seconds) = retry_after {
        response.headers.push(("retry-after", HeaderValue::Made(seconds.to_string())));
    }
    response
}

fn envelope(status: u16, message: Json, data: Json, session: Json, errors: Json) -> Fields {
    vec![
        ("status", Json::Int(status.into())),
        ("message", message),
        ("data", data),
        ("session", session),
        ("errors", errors),
    ]
}

fn send(status: u16, body: Bytes, note: Note) -> Response {
    let headers = vec![
        ("content-type", HeaderValue::Fixed("application/json; charset=utf-8")),
        ("cache-control", HeaderValue::Fixed("no-store")),
    ];
    Response { status, headers, body, note }
}
