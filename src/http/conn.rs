//! One connection, from its first byte to its last. Decides when it ends; what is answered is decided elsewhere.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::answer::answer;
use super::watch::{Due, Watch, Watched};

/// Who is at the other end, and what is known about the connection.
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    /// The socket's address; a proxy's, if one stands between.
    pub(super) peer: IpAddr,
    pub(super) watch: Arc<Watch>,
    /// The server does not stop while anybody holds one of these, unless it has waited long enough.
    pub(super) _running: watch::Receiver<bool>,
}

/// How a connection ended.
enum End {
    /// hyper is done with it.
    Done(hyper::Result<()>),
    /// The request's head took too long.
    Late,
    /// Nobody expects anything more.
    Quiet,
}

/// Serves one connection until it ends.
pub(super) async fn serve(socket: TcpStream, peer: IpAddr, shared: Arc<Shared>, stopping: watch::Receiver<bool>) {
    let watch = Arc::new(Watch::new(shared.start));
    let io = TokioIo::new(Watched::new(socket, Arc::clone(&watch)));
    let times = shared.times;
    let header_limit = shared.header_limit;
    let mut stop = stopping.clone();
    let client = Arc::new(Client { shared, peer, watch: Arc::clone(&watch), _running: stopping });
    let mut conn = http1::Builder::new()
        // A client that has said all it wants to say (and shut its side) still gets its answer.
        .half_close(true)
        .keep_alive(true)
        .max_buf_size(header_limit)
        .header_read_timeout(None)
        .serve_connection(io, service_fn(|request| answer(Arc::clone(&client), request)));

    let end = {
        // Set once and then only when it fires: requests do not touch it.
        let mut timer = pin!(sleep(Duration::ZERO));
        let mut stop = pin!(stop.wait_for(|stopping| *stopping));
        let (mut stopping, mut told) = (false, false);
        poll_fn(|cx| {
            loop {
                // Before the connection: a request that comes with the stop must hear that it is the last.
                if !stopping && stop.as_mut().poll(cx).is_ready() {
                    stopping = true;
                    watch.set_last();
                }
                if let Poll::Ready(done) = Pin::new(&mut conn).poll(cx) {
                    return Poll::Ready(End::Done(done));
                }
                if stopping && watch.is_quiet() {
                    return Poll::Ready(End::Quiet);
                }
                // A request whose head is half here still gets its answer.
                if stopping && !told && !watch.is_reading_head() {
                    told = true;
                    Pin::new(&mut conn).graceful_shutdown();
                    continue;
                }
                break;
            }
            while timer.as_mut().poll(cx).is_ready() {
                match watch.due(&times) {
                    Due::Later(more) => timer.as_mut().reset(Instant::now() + more),
                    Due::Late => return Poll::Ready(End::Late),
                    Due::Close => return Poll::Ready(End::Quiet),
                }
            }
            Poll::Pending
        })
        .await
    };

    match end {
        End::Done(Ok(())) | End::Quiet => {}
        End::Done(Err(error)) => tracing::debug!(target: "connection", %peer, %error, "ended"),
        End::Late => {
            tracing::debug!(target: "connection", %peer, "the request's head took too long");
            farewell(conn.into_parts().io.into_inner(), &LATE).await;
        }
    }
}

/// A whole answer that needs no request.
pub(super) struct Farewell {
    status: &'static str,
    extra: &'static str,
    body: &'static str,
}

static LATE: Farewell = Farewell {
    status: "408 Request Timeout",
    extra: "",
    body: r#"{"success":false,"message":"The request took too long to arrive. Send it again."}"#,
};

/// To clients beyond the connection limit.
pub(super) static FULL: Farewell = Farewell {
    status: "503 Service Unavailable",
    extra: "retry-after: 1\r\n",
    body: r#"{"success":false,"message":"The server has too many connections. Try again in a moment."}"#,
};

/// To clients at an address that has as many as one may have.
pub(super) static CROWDED: Farewell = Farewell {
    status: "503 Service Unavailable",
    extra: "retry-after: 1\r\n",
    body: r#"{"success":false,"message":"There are too many connections from your address. Try again in a moment."}"#,
};

static HEAD_TOO_LARGE: Farewell = Farewell {
    status: "431 Request Header Fields Too Large",
    extra: "",
    body: r#"{"success":false,"message":"The request's address and headers are too large. Send parameters in the body of a POST."}"#,
};

static NOT_HTTP: Farewell = Farewell {
    status: "400 Bad Request",
    extra: "",
    body: r#"{"success":false,"message":"This is not a request that can be read. Send HTTP/1.1, with everything but ASCII percent-encoded in the address."}"#,
};

/// What to say instead of hyper's own refusal of a request's head, which has no body. None: this is no such refusal.
pub(super) fn instead_of(refusal: &[u8]) -> Option<String> {
    let ends_here = refusal.windows(19).any(|w| w.eq_ignore_ascii_case(b"content-length: 0\r\n"));
    match refusal.get(..13) {
        Some(b"HTTP/1.1 431 " | b"HTTP/1.1 414 ") if ends_here => Some(HEAD_TOO_LARGE.text()),
        Some(b"HTTP/1.1 400 ") if ends_here => Some(NOT_HTTP.text()),
        _ => None,
    }
}

impl Farewell {
    fn text(&self) -> String {
        let Farewell { status, extra, body } = self;
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\n{extra}\
             access-control-allow-origin: *\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    }
}

/// Says one last thing, then waits shortly for the client to have read it.
pub(super) async fn farewell(mut socket: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, what: &Farewell) {
    let text = what.text();
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
