//! The pages that a customer sees in a browser. Plain HTML from templates, no script, nothing loaded from elsewhere.
//! Decides no rule, knows no SQL.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;

use crate::domain::{Refusal, Stop};
use crate::model::exchange::{HeaderValue, Note, Request, Response};
use crate::store;

use super::{Answer, Ctx, Door, Family, Fault};

mod reset;

/// This family.
pub static FAMILY: Family = Family {
    name: "pages",
    base: None,
    calls: || vec!["reset", "style"],
    paths: &[("/reset", &RESET), ("/style.css", &STYLE)],
};

static RESET: Door = Door { answer: |ctx, request| later(ctx, request, reset::answer), headers: &[], fault };
static STYLE: Door = Door { answer: |_, _| Answer::Now(style()), headers: &[], fault };

/// What a page may do in the browser: show itself, and send its form back here.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page that only tells something.
#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    title: &'a str,
    text: &'a str,
}

fn later<F>(ctx: &Arc<Ctx>, request: Request, answer: fn(Arc<Ctx>, Request) -> F) -> Answer
where
    F: Future<Output = Response> + Send + 'static,
{
    match request.limited {
        Some(_) => Answer::Now(refused(&Refusal::RateLimited(request.limited.unwrap_or_default()))),
        None => Answer::Later(Box::pin(answer(Arc::clone(ctx), request))),
    }
}

/// A page, and its line in the log.
fn page(status: u16, page: &impl Template, call: &'static str, outcome: &'static str) -> Response {
    match page.render() {
        Ok(html) => send(status, "text/html; charset=utf-8", html.into(), Note { app: None, call, outcome }),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            send(
                500,
                "text/plain; charset=utf-8",
                Bytes::from_static(b"Something broke on our side."),
                Note { app: None, call, outcome: "INTERNAL" },
            )
        }
    }
}

fn notice(status: u16, title: &str, text: &str, call: &'static str, outcome: &'static str) -> Response {
    page(status, &Notice { title, text }, call, outcome)
}

fn refused(refusal: &Refusal) -> Response {
    let code = refusal.code();
    match refusal {
        Refusal::RateLimited(_) | Refusal::Busy => {
            notice(429, "Too many requests", "Wait a minute, then load this page again.", "", code)
        }
        _ => notice(
            410,
            "This link does not work any more",
            "It was used already, it is older than a day, or a newer one was sent. Ask for a new one in the program.",
            "",
            code,
        ),
    }
}

/// What a customer is told when a call stopped.
fn stopped(stop: &Stop) -> Response {
    match stop {
        Stop::Refused(refusal) => refused(refusal),
        Stop::Failed(store::Error::Busy) => refused(&Refusal::Busy),
        Stop::Failed(error) => {
            tracing::error!(%error, "a page could not be answered");
            let text = "The server cannot do this now. Nothing was changed; try again in a minute.";
            notice(503, "Not now", text, "", "UNAVAILABLE")
        }
        Stop::Prove(_) => notice(500, "Something broke", "It is our fault. Nothing was changed.", "", "INTERNAL"),
    }
}

fn fault(_: &Ctx, fault: Fault) -> Response {
    let (status, text, code) = match fault {
        Fault::BodyTooLarge(_) => (413, "What was sent is too large.", "BODY_TOO_LARGE"),
        Fault::BodyTimeout => (408, "It did not arrive in time. Send it again.", "BODY_TIMEOUT"),
        Fault::BodyBroken => (400, "It could not be read to its end. Send it again.", "BODY_BROKEN"),
        Fault::NoRoom => (503, "Too much is being sent to this server. Try again in a moment.", "BUSY"),
        Fault::Panicked => (500, "It is our fault. Nothing was changed.", "INTERNAL"),
    };
    notice(status, "That did not work", text, "", code)
}

fn style() -> Response {
    let note = Note { app: None, call: "style", outcome: "OK" };
    let mut response =
        send(200, "text/css; charset=utf-8", Bytes::from_static(include_bytes!("../../../templates/style.css")), note);
    response.headers.retain(|(name, _)| *name != "cache-control");
    response.headers.push(("cache-control", HeaderValue::Fixed("public, max-age=3600")));
    response
}

fn send(status: u16, kind: &'static str, body: Bytes, note: Note) -> Response {
    let headers = vec![
        ("content-type", HeaderValue::Fixed(kind)),
        // Links hold a secret: they are neither kept nor told to others.
        ("cache-control", HeaderValue::Fixed("no-store")),
        ("referrer-policy", HeaderValue::Fixed("no-referrer")),
        ("content-security-policy", HeaderValue::Fixed(POLICY)),
        ("x-content-type-options", HeaderValue::Fixed("nosniff")),
    ];
    Response { status, headers, body, note }
}
