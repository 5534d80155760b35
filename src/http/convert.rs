//! Between hyper's messages and the plain ones of `model::exchange`. Bounds what is read; decides nothing else.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName};
use tokio::time::{Sleep, sleep};

use super::watch::Watch;
use crate::model::exchange::{HeaderValue, Method, Response};
use crate::wire::Fault;
use crate::wire::limits::{Share, Shares};

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

/// Whether a body is chunked and nothing else: we undo no other coding, and chunking twice is for those who hide something.
pub(super) fn is_plainly_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    chunked && codings.next().is_none()
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

/// A body takes so much that is not counted by itself: what is taken while it is waited for is for that, too.
const UNCOUNTED: usize = 4 << 10;

/// What a body may take.
pub(super) struct Room<'a> {
    /// Its most bytes.
    pub(super) limit: usize,
    /// How long it may take to arrive.
    pub(super) time: Duration,
    /// The memory that all bodies share.
    pub(super) memory: &'a Shares,
    /// The memory that all share who wait for the rest of a request, and what this one takes of it while it does.
    pub(super) unfinished: &'a Shares,
    pub(super) waiting: usize,
    /// Who takes of them.
    pub(super) client: IpAddr,
    /// The connection that the body comes on.
    pub(super) watch: &'a Watch,
}

/// The wait for the rest of a body: up to when, and what it is paid with.
struct Wait {
    timer: Pin<Box<Sleep>>,
    _share: Share,
}

/// A body in more than one piece.
struct Joined {
    bytes: BytesMut,
    /// What it has of the memory that all share; none while it is small.
    share: Option<Share>,
}

impl Joined {
    /// Makes it large enough for `need` bytes; `announced` is what the client says it will be.
    fn reserve(&mut self, need: usize, announced: usize, room: &Room<'_>) -> Result<(), Fault> {
        if need <= self.bytes.capacity() {
            return Ok(());
        }
        // In steps, so that copying stays cheap and nobody reserves memory by a header.
        let ahead = need.max(2 * self.bytes.capacity()).max(UNCOUNTED);
        let ahead = if announced > 0 { ahead.min(announced) } else { ahead.min(room.limit) }.max(need);
        if ahead > UNCOUNTED {
            let held = self.share.as_ref().map_or(0, Share::amount);
            let has_room = match &mut self.share {
                Some(share) => share.grow(ahead - held),
                None => {
                    self.share = room.memory.take(room.client, ahead);
                    self.share.is_some()
                }
            };
            if !has_room {
                return Err(Fault::NoRoom);
            }
        }
        self.bytes.reserve(ahead - self.bytes.len());
        Ok(())
    }

    fn finish(self) -> Bytes {
        let bytes = self.bytes.freeze();
        match self.share {
            Some(share) => share.hold(bytes),
            None => bytes,
        }
    }
}

/// The whole body, if there is room for it and it arrives in time. A length that is announced too large is refused
/// before a byte is read.
pub(super) async fn body(mut body: Incoming, room: &Room<'_>) -> Result<Bytes, Fault> {
    let limit = room.limit;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Fault::BodyTooLarge(limit));
    }
    let mut first = Bytes::new();
    let mut all: Option<Joined> = None;
    // Most bodies are here already, in one piece: no wait and no copy for them.
    let mut wait: Option<Wait> = None;
    loop {
        match frame(&mut body, &mut wait, room).await? {
            None => return Ok(all.map_or(first, Joined::finish)),
            Some(frame) => {
                let Ok(data) = frame.into_data() else {
                    // Something stood behind the last chunk. hyper reads it up to an empty line; who stands between and
                    // ends lines otherwise may have seen the next request there, which will not be answered.
                    room.watch.set_last();
                    continue;
                };
                let held = all.as_ref().map_or(first.len(), |all| all.bytes.len());
                if data.len() > limit - held {
                    return Err(Fault::BodyTooLarge(limit));
                }
                if all.is_none() && first.is_empty() {
                    first = data;
                    continue;
                }
                let all = all.get_or_insert_with(|| Joined { bytes: BytesMut::new(), share: None });
                all.reserve(held + data.len(), announced as usize, room)?;
                all.bytes.extend_from_slice(&std::mem::take(&mut first));
                all.bytes.extend_from_slice(&data);
            }
        }
    }
}

async fn frame(body: &mut Incoming, wait: &mut Option<Wait>, room: &Room<'_>) -> Result<Option<Frame<Bytes>>, Fault> {
    let mut body = pin!(body);
    poll_fn(|cx| match body.as_mut().poll_frame(cx) {
        Poll::Ready(None) => Poll::Ready(Ok(None)),
        Poll::Ready(Some(Ok(frame))) => Poll::Ready(Ok(Some(frame))),
        Poll::Ready(Some(Err(_))) => Poll::Ready(Err(Fault::BodyBroken)),
        Poll::Pending => {
            if wait.is_none() {
                let Some(share) = room.unfinished.take(room.client, room.waiting) else {
                    return Poll::Ready(Err(Fault::NoRoom));
                };
                *wait = Some(Wait { timer: Box::pin(sleep(room.time)), _share: share });
            }
            let ended = wait.as_mut().map_or(Poll::Ready(()), |wait| wait.timer.as_mut().poll(cx));
            ended.map(|()| Err(Fault::BodyTimeout))
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
            HeaderValue::Fixed(text) => Ok(fixed(text)),
            HeaderValue::Made(text) => header::HeaderValue::from_maybe_shared(Bytes::from(text)),
        };
        match value {
            Ok(value) => drop(headers.append(named(name), value)),
            // A broken header costs itself, not the answer; its text may be a secret.
            Err(_) => tracing::error!(name, "a header's value is not visible ASCII"),
        }
    }
    if close {
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    out
}

/// The name as hyper knows it. Those that every answer has are made when the program is built, not for each answer.
fn named(name: &'static str) -> HeaderName {
    const SIGNATURE: HeaderName = HeaderName::from_static("signature");
    match name {
        "content-type" => header::CONTENT_TYPE,
        "access-control-allow-origin" => header::ACCESS_CONTROL_ALLOW_ORIGIN,
        "access-control-expose-headers" => header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "signature" => SIGNATURE,
        _ => HeaderName::from_static(name),
    }
}

/// The value as hyper knows it; likewise.
fn fixed(text: &'static str) -> header::HeaderValue {
    const JSON: header::HeaderValue = header::HeaderValue::from_static("application/json; charset=utf-8");
    const ANYBODY: header::HeaderValue = header::HeaderValue::from_static("*");
    const EXPOSED_TEXT: &str = "signature, x-signature-ed25519, x-signature-timestamp";
    const EXPOSED: header::HeaderValue = header::HeaderValue::from_static(EXPOSED_TEXT);
    match text {
        "application/json; charset=utf-8" => JSON,
        "*" => ANYBODY,
        EXPOSED_TEXT => EXPOSED,
        _ => header::HeaderValue::from_static(text),
    }
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
