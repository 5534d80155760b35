//! The operator's own listener: `/livez`, `/readyz` and `/metrics`. Small limits, no log lines, nothing for clients. It
//! answers from before the database is opened until the last answer is out.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::count::Counts;
use super::exposition::{self, Scrape};
use crate::metrics::Metrics;
use crate::model::time::Time;
use crate::wire::Ctx;

/// Connections at one time; more wait.
const CONNECTIONS: usize = 16;

/// How long a connection may take, from its first byte to its last: it is asked one thing.
const CONNECTION: Duration = Duration::from_secs(10);

/// How long it may say nothing, or only a part of its request: so long others may have to wait for its place.
const HEAD: Duration = Duration::from_secs(1);

/// The longest request, without a body.
const REQUEST: usize = 8 << 10;

/// How long the database may take to be read and written.
const WITHIN: Duration = Duration::from_secs(3);

/// So long the last look at the database counts: however often it is asked, there is one small write a second.
const FRESH: Duration = Duration::from_secs(1);

// What the server is doing.
const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

/// What the listener tells.
pub(super) struct Probes {
    phase: AtomicU8,
    ctx: OnceLock<Arc<Ctx>>,
    pub(super) counts: Arc<Counts>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) started: Time,
    /// When the database was last tried, and what came of it. Held while it is tried: nobody tries it beside us.
    tried: Mutex<Option<(Instant, Result<(), String>)>>,
}

/// The listener at work.
pub(super) struct Listening {
    pub(super) probes: Arc<Probes>,
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Begins to answer. Must be called inside the runtime.
    pub(super) fn start(
        listener: TcpListener,
        counts: Arc<Counts>,
        metrics: Arc<Metrics>,
        started: Time,
    ) -> std::io::Result<Listening> {
        let address = listener.local_addr()?;
        let probes = Arc::new(Probes {
            phase: AtomicU8::new(STARTING),
            ctx: OnceLock::new(),
            counts,
            metrics,
            started,
            tried: Mutex::new(None),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&probes)));
        Ok(Listening { probes, address, task })
    }

    /// Ends it; when this is done the address is free for the next server.
    pub(super) async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl Probes {
    /// Clients are answered from now on.
    pub(super) fn serving(&self, ctx: &Arc<Ctx>) {
        let _ = self.ctx.set(Arc::clone(ctx));
        self.phase.store(SERVING, Ordering::Release);
    }

    /// No new clients from now on.
    pub(super) fn stopping(&self) {
        self.phase.store(STOPPING, Ordering::Release);
    }

    /// Whether clients should be sent here, and if not, why.
    async fn readiness(&self) -> (bool, Value) {
        let server = match self.phase.load(Ordering::Acquire) {
            STARTING => "starting",
            SERVING => "serving",
            _ => "stopping",
        };
        let Some(ctx) = self.ctx.get().filter(|_| server == "serving") else {
            return (false, json!({ "ready": false, "server": server }));
        };
        match self.try_out(ctx).await {
            Ok(()) => (true, json!({ "ready": true, "server": server, "database": "ok" })),
            Err(why) => (false, json!({ "ready": false, "server": server, "database": format!("unavailable: {why}") })),
        }
    }

    async fn try_out(&self, ctx: &Ctx) -> Result<(), String> {
        let mut tried = self.tried.lock().await;
        if let Some((when, result)) = &*tried
            && when.elapsed() < FRESH
        {
            return result.clone();
        }
        let late = |_| Err(format!("it did not answer within {} s; another process may be writing", WITHIN.as_secs()));
        let result = timeout(WITHIN, ctx.store.try_out()).await.unwrap_or_else(late);
        *tried = Some((Instant::now(), result.clone()));
        result
    }

    async fn metrics(&self) -> Option<String> {
        let ctx = self.ctx.get().cloned();
        let outbox = match &ctx {
            // Beside the figures that need no database this one is not worth waiting for.
            Some(ctx) => timeout(exposition::PATIENCE, ctx.store.outbox()).await.ok().and_then(Result::ok),
            None => None,
        };
        let scrape = Scrape {
            counts: Arc::clone(&self.counts),
            metrics: Arc::clone(&self.metrics),
            ctx,
            started: self.started,
            outbox: outbox.map(|outbox| [("mail", outbox.mails), ("post", outbox.posts)]),
        };
        match spawn_blocking(move || exposition::text(scrape)).await {
            Ok(Ok(text)) => Some(text),
            failed => {
                tracing::error!(?failed, "the figures could not be written down");
                None
            }
        }
    }
}

async fn accept(listener: TcpListener, probes: Arc<Probes>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, _)) => {
                let probes = Arc::clone(&probes);
                tokio::spawn(async move {
                    let _ = timeout(CONNECTION, serve(socket, &probes)).await;
                    drop(place);
                });
            }
            // Perhaps no file handle is left; the other listener says so in the log.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(socket: TcpStream, probes: &Probes) -> hyper::Result<()> {
    http1::Builder::new()
        .half_close(true)
        .keep_alive(false)
        .max_buf_size(REQUEST)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(socket), service_fn(|request| answer(probes, request)))
        .await
}

async fn answer(probes: &Probes, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let asked = matches!(*request.method(), Method::GET | Method::HEAD).then(|| request.uri().path());
    Ok(match asked {
        Some("/livez") => document(StatusCode::OK, &json!({ "alive": true })),
        Some("/readyz") => {
            let (ready, said) = probes.readiness().await;
            document(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &said)
        }
        Some("/metrics") => match probes.metrics().await {
            Some(text) => page(StatusCode::OK, exposition::CONTENT_TYPE, text),
            None => document(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "see the log" })),
        },
        _ => document(StatusCode::NOT_FOUND, &json!({ "error": "ask GET /livez, /readyz or /metrics" })),
    })
}

fn document(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    page(status, "application/json", format!("{value}\n"))
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
