//! One request: who answers it, the answer, and its log line. A bug in the answering code costs one request; a client
//! that hangs up does not stop what it has started.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{HOST, TRANSFER_ENCODING};
use tokio::runtime::Handle;

use super::conn::{Client, HALF};
use super::route::{Route, preflight, unclear_host, unclear_length};
use super::{convert, log, proxy};
use crate::model::exchange::{Method, Request, Response, subscriber};
use crate::wire::{Answer, Ctx, Door, Fault};

/// Answers one request of a connection.
pub(super) async fn answer(
    client: Arc<Client>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let shared = &client.shared;
    let _under_way = shared.counts.as_ref().map(|counts| counts.begin());
    let method = convert::method(request.method());
    let line = Line {
        id: shared.ids.fetch_add(1, Ordering::Relaxed),
        family: "",
        began: client.watch.busy(),
        peer: proxy::client(client.peer, request.headers(), &shared.trusted),
    };
    if method != Method::Post && !request.body().is_end_stream() {
        // hyper closes the connection if this body, which nobody reads, is not here already.
        client.watch.linger();
    }
    let route = match method {
        // hyper would read it, and who stands between may have read something else.
        _ if request.headers().contains_key(TRANSFER_ENCODING)
            && (!client.watch.has_one_length() || !convert::is_plainly_chunked(request.headers())) =>
        {
            client.watch.set_last();
            Err(unclear_length())
        }
        _ if request.headers().get_all(HOST).iter().nth(1).is_some() => {
            client.watch.set_last();
            Err(unclear_host())
        }
        Method::Options => Err(preflight()),
        _ => match shared.routes.find(request.uri().path(), matches!(method, Method::Get | Method::Head)) {
            Route::Family(family, door, place) => Ok((family, door, Box::<str>::from(place))),
            Route::Hello => Err(shared.routes.hello()),
            Route::Nothing => Err(shared.routes.nothing()),
        },
    };
    let out = match route {
        Ok((family, door, place)) => {
            let line = Line { family: family.name, ..line };
            ask_family(&client, (door, place), method, request, line).await
        }
        Err(response) => {
            if !request.body().is_end_stream() {
                client.watch.linger();
            }
            line.write(&client, &response);
            convert::outgoing(response, client.watch.is_last())
        }
    };
    client.watch.answered(out.body().size_hint().lower());
    Ok(out)
}

async fn ask_family(
    client: &Arc<Client>,
    (door, place): (&'static Door, Box<str>),
    method: Method,
    request: hyper::Request<Incoming>,
    line: Line,
) -> hyper::Response<Full<Bytes>> {
    let shared = &client.shared;
    let limited = shared.limit.as_ref().and_then(|limit| limit.ask(subscriber(line.peer), line.began));
    let (head, body) = request.into_parts();
    // The rest of the head is not kept while a body is waited for.
    let query = head.uri.query().map_or_else(Bytes::new, |query| Bytes::copy_from_slice(query.as_bytes()));
    let (headers, content_type) = (convert::headers(&head.headers, door.headers), convert::content_type(&head.headers));
    drop(head);
    let body = match method {
        Method::Post if !body.is_end_stream() => {
            let room = convert::Room {
                limit: shared.body_limit,
                time: shared.times.stall,
                memory: &shared.bodies,
                unfinished: &shared.unfinished,
                waiting: HALF + client.watch.head_bytes(),
                client: line.peer,
                watch: &client.watch,
            };
            match convert::body(body, &room).await {
                Ok(body) => body,
                Err(fault) => {
                    client.watch.linger();
                    let response = (door.fault)(&shared.ctx, fault);
                    line.write(client, &response);
                    return convert::outgoing(response, true);
                }
            }
        }
        _ => Bytes::new(),
    };
    let request = Request {
        id: line.id,
        peer: line.peer,
        now: shared.ctx.clock.now(),
        method,
        place,
        headers,
        query,
        content_type,
        body,
        since_start: line.began,
        limited,
    };
    let response = match catch_unwind(AssertUnwindSafe(|| (door.answer)(&shared.ctx, request))) {
        Ok(Answer::Now(response)) => response,
        Ok(Answer::Later(answer)) => {
            let job = Job { answer, door, line, client: Arc::clone(client) };
            let response = Finish(Some(job)).await;
            return convert::outgoing(response, client.watch.is_last());
        }
        Err(_) => panicked(&shared.ctx, door, &line),
    };
    line.write(client, &response);
    convert::outgoing(response, client.watch.is_last())
}

fn panicked(ctx: &Ctx, door: &Door, line: &Line) -> Response {
    tracing::error!(id = line.id, family = line.family, "answering this request panicked");
    (door.fault)(ctx, Fault::Panicked)
}

/// What the log line says that is known before the answer.
#[derive(Clone, Copy)]
struct Line {
    id: u64,
    family: &'static str,
    began: Duration,
    peer: IpAddr,
}

impl Line {
    fn write(&self, client: &Client, response: &Response) {
        let now = client.watch.made();
        let took = now.saturating_sub(self.began);
        if let Some(counts) = &client.shared.counts {
            counts.answered(self.family, &response.note, took);
        }
        log::request(self.id, self.family, self.peer, response, took);
    }
}

/// An answer that waits for another thread, with its log line.
struct Job {
    answer: Pin<Box<dyn Future<Output = Response> + Send>>,
    door: &'static Door,
    line: Line,
    client: Arc<Client>,
}

impl Future for Job {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let response = match catch_unwind(AssertUnwindSafe(|| self.answer.as_mut().poll(cx))) {
            Ok(polled) => ready!(polled),
            Err(_) => panicked(&self.client.shared.ctx, self.door, &self.line),
        };
        self.line.write(&self.client, &response);
        Poll::Ready(response)
    }
}

/// Waits for a job, and if the client hangs up before, leaves it running by itself: what has been started is finished.
struct Finish(Option<Job>);

impl Future for Finish {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let Some(job) = self.0.as_mut() else { return Poll::Pending };
        let response = ready!(Pin::new(job).poll(cx));
        self.0 = None;
        Poll::Ready(response)
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        if let (Some(job), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(job);
        }
    }
}
