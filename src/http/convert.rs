//! Between hyper's messages and the plain ones of `model::exchange`. Bounds what is read; decides nothing else.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName};
use tokio::time::{Sleep, sleep};

use crate::model::exchange::{HeaderValue, Method, Response};
use crate::wire::Fault;

/// The methods that the plain rooms tell apart.
pub(super) fn method(method: &hyper::Method) -> Method {
    match *method {
        hyper::Method::POST => Method::Post,
        hyper::Method::GET => Method::Get,
        hyper::Method::HEAD => Method::Head,
        hyper::Method::OPTIONS => Method::Options,
        _ => Method::Other,
    }
}

/// The `Content-Type`, if it is readable.
pub(super) fn content_type(headers: &HeaderMap) -> Option<Box<str>> {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(Box::from)
}

/// The headers that a door asks for. One whose value is no text is there all the same, with a mark for what cannot be
/// read: who sends a credential that nobody can read is not one who sends none, and a cookie of somebody else's does not
/// take ours along.
pub(super) fn headers(headers: &HeaderMap, wanted: &[&'static str]) -> Vec<(&'static str, Box<str>)> {
    let values = |name: &&'static str| {
        let name = *name;
        headers.get_all(name).iter().map(move |v| (name, String::from_utf8_lossy(v.as_bytes()).into()))
    };
    wanted.iter().flat_map(values).collect()
}

/// The whole body, if it has at most `limit` bytes and arrives within `most`. A length that is announced too large is
/// refused before a byte is read.
pub(super) async fn body(mut body: Incoming, limit: usize, most: Duration) -> Result<Bytes, Fault> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Fault::BodyTooLarge(limit));
    }
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    // Most bodies are here already, in one piece: no timer and no copy for them.
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    loop {
        match frame(&mut body, &mut timer, most).await? {
            None => return Ok(all.map_or(first, BytesMut::freeze)),
            Some(frame) => {
                let Ok(data) = frame.into_data() else { continue };
                let held = all.as_ref().map_or(first.len(), BytesMut::len);
                if data.len() > limit - held {
                    return Err(Fault::BodyTooLarge(limit));
                }
                match &mut all {
                    Some(all) => all.extend_from_slice(&data),
                    None if first.is_empty() => first = data,
                    None => {
                        // What was announced is only believed up to a point: nobody reserves memory by a header.
                        let size = (first.len() + data.len()).max((announced as usize).min(64 << 10));
                        let mut joined = BytesMut::with_capacity(size);
                        joined.extend_from_slice(&first);
                        joined.extend_from_slice(&data);
                        all = Some(joined);
                    }
                }
            }
        }
    }
}

async fn frame(
    body: &mut Incoming,
    timer: &mut Option<Pin<Box<Sleep>>>,
    most: Duration,
) -> Result<Option<Frame<Bytes>>, Fault> {
    let mut body = pin!(body);
    poll_fn(|cx| match body.as_mut().poll_frame(cx) {
        Poll::Ready(None) => Poll::Ready(Ok(None)),
        Poll::Ready(Some(Ok(frame))) => Poll::Ready(Ok(Some(frame))),
        Poll::Ready(Some(Err(_))) => Poll::Ready(Err(Fault::BodyBroken)),
        Poll::Pending => {
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(most)));
            timer.as_mut().poll(cx).map(|()| Err(Fault::BodyTimeout))
        }
    })
    .await
}

/// The answer as hyper sends it. hyper writes `content-length` from the body, for HEAD too, where it leaves out the
/// body itself.
pub(super) fn outgoing(response: Response, close: bool) -> hyper::Response<Full<Bytes>> {
    let mut out = hyper::Response::new(Full::new(response.body));
    *out.status_mut() =
        hyper::StatusCode::from_u16(response.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = out.headers_mut();
    headers.reserve(response.headers.len() + usize::from(close));
    for (name, value) in response.headers {
        let value = match value {
            HeaderValue::Fixed(text) => Ok(header::HeaderValue::from_static(text)),
            HeaderValue::Made(text) => header::HeaderValue::from_maybe_shared(Bytes::from(text)),
        };
        match value {
            Ok(value) => drop(headers.append(HeaderName::from_static(name), value)),
            // A broken header costs itself, not the answer; its text may be a secret.
            Err(_) => tracing::error!(name, "a header's value is not visible ASCII"),
        }
    }
    if close {
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::exchange::Note;

    #[test]
    fn headers_go_out_as_given_and_a_broken_one_is_left_out() {
        let response = Response {
            status: 200,
            headers: vec![
                ("signature", HeaderValue::Made("ab12".to_owned())),
                ("broken", HeaderValue::Made("a\nb".to_owned())),
                ("content-type", HeaderValue::Fixed("text/plain")),
            ],
            body: Bytes::from_static(b"x"),
            note: Note::default(),
        };
        let out = outgoing(response, true);
        let names: Vec<_> = out.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["signature", "content-type", "connection"]);
        assert_eq!(out.headers()["signature"], "ab12");
    }
}
