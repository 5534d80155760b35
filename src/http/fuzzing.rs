//! A door for fuzzing and its replay: a request's head as far as a family sees it, without a socket. Not part of a
//! built server; adds no behaviour.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::route::{Route, Routes};
use super::{convert, proxy};
use crate::model::exchange::{Method, Request};
use crate::model::time::Time;
use crate::wire::{Door, FAMILIES, Family};

static ROUTES: LazyLock<Option<Routes>> = LazyLock::new(|| Routes::new(FAMILIES, "http://x").ok());

/// A head of which every part is one that hyper lets through.
pub struct Head {
    method: hyper::Method,
    uri: hyper::Uri,
    headers: HeaderMap,
}

/// Where a head leads.
pub enum Leads {
    /// To this family, with what it is handed.
    Family(&'static Family, &'static Door, Box<Request>),
    /// To the front door, to nobody, or to a browser's question.
    Elsewhere,
}

impl Head {
    /// Reads a request line and headers, one a line, up to an empty one; what hyper would refuse is left out. None: the
    /// request line is none. Beside it, where the body begins.
    pub fn read(text: &[u8]) -> Option<(Head, usize)> {
        let mut at = 0;
        let mut lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
            at += line.len();
            (line.trim_ascii_end(), at)
        });
        let (first, mut end) = lines.next()?;
        let mut parts = first.splitn(3, |byte| *byte == b' ');
        let method = hyper::Method::from_bytes(parts.next()?).ok()?;
        let uri = hyper::Uri::from_maybe_shared(Bytes::copy_from_slice(parts.next()?)).ok()?;
        let mut headers = HeaderMap::new();
        for (line, next) in lines {
            end = next;
            if line.is_empty() {
                break;
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let name = HeaderName::from_bytes(&line[..colon]);
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        Some((Head { method, uri, headers }, end))
    }

    /// The values of a header, in order.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        self.headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// Who the client is, behind these proxies.
    pub fn client(&self, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
        proxy::client(peer, &self.headers, trusted)
    }

    /// Who answers, and the request as it is handed over, with this body.
    pub fn leads(&self, peer: IpAddr, now: Time, body: Bytes) -> Leads {
        let Some(routes) = &*ROUTES else { return Leads::Elsewhere };
        let method = convert::method(&self.method);
        let reads = matches!(method, Method::Get | Method::Head);
        let Route::Family(family, door, place) = routes.find(self.path(), reads) else { return Leads::Elsewhere };
        if method == Method::Options {
            return Leads::Elsewhere;
        }
        let request = Request {
            id: 1,
            peer,
            now,
            method,
            place: Box::from(place),
            headers: convert::headers(&self.headers, door.headers),
            query: self.uri.query().map_or_else(Bytes::new, |query| Bytes::copy_from_slice(query.as_bytes())),
            content_type: convert::content_type(&self.headers),
            body: if method == Method::Post { body } else { Bytes::new() },
            since_start: Duration::ZERO,
            limited: None,
        };
        Leads::Family(family, door, Box::new(request))
    }
}
