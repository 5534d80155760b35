//! A request and its answer, as the plain rooms see them. Owned data only: nothing of hyper, nothing of a socket.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::app::App;
use super::time::Time;

/// Who is counted as one when addresses are counted: a subscriber has a whole /64 of IPv6 addresses, and could use a new
/// one for each request.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// The methods that matter to a form API. Whatever is not listed reads its query only (contract 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Query only.
    Get,
    /// As `Get`; the answer goes out without its body.
    Head,
    /// Body and query.
    Post,
    /// A browser asking whether it may call.
    Options,
    /// Anything else.
    Other,
}

/// One request, complete: the body has been read within its limit.
#[derive(Clone)]
pub struct Request {
    /// Counts up from 1 for each server process; names the request in the log.
    pub id: u64,
    /// The client's address: the socket's, or what a trusted proxy says.
    pub peer: IpAddr,
    /// When the request was complete.
    pub now: Time,
    /// The method.
    pub method: Method,
    /// What stands in the path where the family's table has `{}`; empty where it has none.
    pub place: Box<str>,
    /// The headers that the door asks for, in the order of arrival: names in lower case, values as text.
    pub headers: Vec<(&'static str, Box<str>)>,
    /// The text after `?`, still encoded; empty if there is none.
    pub query: Bytes,
    /// The `Content-Type` header, if it is readable text.
    pub content_type: Option<Box<str>>,
    /// The body; empty unless the method is `Post`.
    pub body: Bytes,
    /// When it began, since the server's start: a time that does not jump, for what counts how much somebody may ask.
    pub since_start: Duration,
    /// Set when this address has used up its share: how long until it may ask again. The family refuses such a
    /// request in its own words, and does nothing else; unless it comes from who is logged in, and has room of its own.
    pub limited: Option<Duration>,
}

impl Request {
    /// The value of a header that is there exactly once. Two of a kind mean that somebody on the way reads another one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(given, _)| *given == name);
        found.next().filter(|_| found.next().is_none()).map(|(_, value)| &**value)
    }

    /// The value of a cookie, in whichever of the `cookie` headers it is.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.headers.iter().filter(|(header, _)| *header == "cookie");
        let mut pairs = lines.flat_map(|(_, line)| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(given, _)| *given == name).map(|(_, value)| value.trim_matches('"'))
    }
}

/// Who asks and how: what is asked holds passwords, secrets and tokens.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { id, peer, method, .. } = self;
        f.debug_struct("Request").field("id", id).field("peer", peer).field("method", method).finish_non_exhaustive()
    }
}

/// The answer to one request.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case, with their values; sent in this order.
    pub headers: Vec<(&'static str, HeaderValue)>,
    /// The exact bytes sent (and signed).
    pub body: Bytes,
    /// What the log line says about it.
    pub note: Note,
}

/// A header's value: mostly fixed texts, sometimes a signature.
#[derive(Clone, Debug)]
pub enum HeaderValue {
    /// Known when the program was built.
    Fixed(&'static str),
    /// Made for this answer; visible ASCII.
    Made(String),
}

/// What one log line tells: never a secret, a whole key or a whole session id.
#[derive(Clone, Debug, Default)]
pub struct Note {
    /// The app, once it is known; its name is told.
    pub app: Option<Arc<App>>,
    /// The `type` (or endpoint) that answered; empty if none was found.
    pub call: &'static str,
    /// `OK`, or the refusal's stable code.
    pub outcome: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_nothing_of_what_was_sent() {
        let secret = || Box::<str>::from("hidden");
        let request = Request {
            id: 7,
            peer: IpAddr::V6(Ipv6Addr::LOCALHOST),
            now: Time(0),
            method: Method::Post,
            place: secret(),
            headers: vec![("x-api-secret", secret())],
            query: Bytes::from_static(b"hidden"),
            content_type: Some(secret()),
            body: Bytes::from_static(b"hidden"),
            since_start: Duration::ZERO,
            limited: None,
        };
        let shown = format!("{request:?}");
        assert!(shown.contains("id: 7") && !shown.contains("hidden"), "{shown}");
    }
}
