//! Whole answers to what never becomes a request: heads that cannot be read, clients beyond the limit. Each is the last
//! of its connection and has its log line. Decides nothing.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{Shared, log};
use crate::model::exchange::{Note, Response};

/// A whole answer that needs no request.
pub(super) struct Farewell {
    status: u16,
    reason: &'static str,
    extra: &'static str,
    body: &'static str,
    /// What the log says.
    outcome: &'static str,
}

/// To a head that does not come to its end.
pub(super) static LATE: Farewell = Farewell {
    status: 408,
    reason: "Request Timeout",
    extra: "",
    body: r#"{"success":false,"message":"The request took too long to arrive. Send it again."}"#,
    outcome: "HEAD_TIMEOUT",
};

/// To clients beyond the connection limit.
pub(super) static FULL: Farewell = Farewell {
    status: 503,
    reason: "Service Unavailable",
    extra: "retry-after: 1\r\n",
    body: r#"{"success":false,"message":"The server has too many connections. Try again in a moment."}"#,
    outcome: "TOO_MANY_CONNECTIONS",
};

/// To clients at an address that has as many as one may have.
pub(super) static CROWDED: Farewell = Farewell {
    status: 503,
    reason: "Service Unavailable",
    extra: "retry-after: 1\r\n",
    body: r#"{"success":false,"message":"There are too many connections from your address. Try again in a moment."}"#,
    outcome: "TOO_MANY_CONNECTIONS_FROM_ADDRESS",
};

/// To a head that is half here when too many are.
pub(super) static UNFINISHED: Farewell = Farewell {
    status: 503,
    reason: "Service Unavailable",
    extra: "retry-after: 1\r\n",
    body: r#"{"success":false,"message":"The server is waiting for the rest of too many requests. Try again in a moment."}"#,
    outcome: "TOO_MANY_UNFINISHED",
};

static HEAD_TOO_LARGE: Farewell = Farewell {
    status: 431,
    reason: "Request Header Fields Too Large",
    extra: "",
    body: r#"{"success":false,"message":"The request's address and headers are too large. Send parameters in the body of a POST."}"#,
    outcome: "HEAD_TOO_LARGE",
};

static NOT_HTTP: Farewell = Farewell {
    status: 400,
    reason: "Bad Request",
    extra: "",
    body: r#"{"success":false,"message":"This is not a request that can be read. Send HTTP/1.1, with everything but ASCII percent-encoded in the address."}"#,
    outcome: "NOT_HTTP",
};

/// What to say instead of hyper's own refusal of a request's head, which has no body. None: this is no such refusal.
pub(super) fn instead_of(refusal: &[u8]) -> Option<&'static Farewell> {
    // First what a glance shows: these may be megabytes of an answer that is long on its way.
    let ours = match refusal.get(..13) {
        Some(b"HTTP/1.1 431 " | b"HTTP/1.1 414 ") => &HEAD_TOO_LARGE,
        Some(b"HTTP/1.1 400 ") => &NOT_HTTP,
        _ => return None,
    };
    let ends_here = refusal.windows(19).any(|w| w.eq_ignore_ascii_case(b"content-length: 0\r\n"));
    ends_here.then_some(ours)
}

impl Farewell {
    /// Its bytes.
    pub(super) fn text(&self) -> String {
        let Farewell { status, reason, extra, body, .. } = self;
        let length = body.len();
        format!(
            "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json; charset=utf-8\r\n{extra}\
             access-control-allow-origin: *\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    }

    /// Its log line. Nothing is believed of a head that nobody could read: the address is the socket's.
    pub(super) fn log(&self, shared: &Shared, peer: IpAddr, took: Duration) {
        let note = Note { app: None, call: "", outcome: self.outcome };
        let response = Response { status: self.status, headers: Vec::new(), body: Bytes::new(), note };
        log::request(shared.ids.fetch_add(1, Ordering::Relaxed), "", peer, &response, took);
    }

    /// Says it, then waits shortly for the client to have read it.
    pub(super) async fn say(&self, mut socket: impl AsyncRead + AsyncWrite + Unpin) {
        let text = self.text();
        let _ = timeout(Duration::from_secs(1), async {
            socket.write_all(text.as_bytes()).await?;
            socket.shutdown().await?;
            // Closing with bytes unread would make the system throw the answer away.
            let mut space = [0; 1024];
            for _ in 0..64 {
                if socket.read(&mut space).await? == 0 {
                    break;
                }
            }
            std::io::Result::Ok(())
        })
        .await;
    }
}
