//! One connection, from its first byte to its last. Decides when it ends; what is answered is decided elsewhere.

use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::answer::answer;
use super::farewell::{self, Farewell};
use super::places::Place;
use super::watch::{Due, Watch, Watched};
use crate::wire::limits::Share;

/// Who is at the other end, and what is known about the connection.
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    /// The socket's address; a proxy's, if one stands between.
    pub(super) peer: IpAddr,
    pub(super) watch: Arc<Watch>,
    /// The server does not stop while anybody holds one of these, unless it has waited long enough.
    pub(super) running: watch::Receiver<bool>,
}

/// What is kept for a request of which a part is here, beside the bytes themselves: room for more of them.
pub(super) const HALF: usize = 20 << 10;

/// How a time of requests ended.
enum End {
    /// hyper is done with the connection.
    Done(hyper::Result<()>),
    /// The request's head took too long.
    Late,
    /// The request's head is half here, and there is no memory to wait for the rest.
    Unfinished,
    /// Nobody expects anything more.
    Quiet,
    /// The client may ask again, but does not now.
    Rest,
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    socket: TcpStream,
    peer: IpAddr,
    mut place: Place,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let watch = Arc::new(Watch::new(shared.start));
    let mut io = Watched::new(socket, Arc::clone(&watch));
    let client = Arc::new(Client { shared, peer, watch, running: stop.clone() });
    // Most connections say nothing most of the time: hyper, with its buffers, is there only while there is something to
    // read, and out of this future, which lives as long as the connection.
    while asks(&io, &mut place, &client, &mut stop).await {
        match Box::pin(requests(io, &client, &mut stop)).await {
            Some(resting) => io = resting,
            None => return,
        }
    }
}

/// Waits until the client says something. Not, if it takes too long, or the server stops or somebody else at its address
/// needs the place meanwhile.
async fn asks(io: &Watched, place: &mut Place, client: &Client, stop: &mut watch::Receiver<bool>) -> bool {
    let silence = client.shared.times.silence(&client.watch);
    let given_away = place.rest();
    let stopped = async {
        let _ = stop.wait_for(|stopping| *stopping).await;
        // A client that loses a connection which it has used before asks again on another, as HTTP tells it to. One that
        // loses its first reports a failure: its request is almost here.
        if client.watch.is_fresh() {
            sleep(client.shared.first_word).await;
        }
    };
    let said = async {
        tokio::select! {
            biased;
            () = io.readable() => true,
            () = stopped => false,
            () = ended(given_away) => false,
        }
    };
    let said = timeout(silence, said).await.unwrap_or(false);
    // Both may have come at one moment; the place is somebody else's then.
    place.wake() && said
}

async fn ended(place: Option<oneshot::Receiver<()>>) {
    match place {
        Some(place) => drop(place.await),
        None => pending().await,
    }
}

/// Answers requests until the connection ends, or the client makes a pause: then its socket comes back.
async fn requests(io: Watched, client: &Arc<Client>, stop: &mut watch::Receiver<bool>) -> Option<Watched> {
    let Client { shared, peer, watch, .. } = &**client;
    let mut conn = http1::Builder::new()
        // A client that has said all it wants to say (and shut its side) still gets its answer.
        .half_close(true)
        .keep_alive(true)
        .max_buf_size(shared.header_limit)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(io), service_fn(|request| answer(Arc::clone(client), request)));

    let end = {
        // Set once and then only when it fires: requests do not touch it.
        let mut timer = pin!(sleep(Duration::ZERO));
        let mut stop = pin!(stop.wait_for(|stopping| *stopping));
        let (mut stopping, mut told) = (false, false);
        // Whether both have been polled once. They then wake this task, whoever polls it, and need no second look before
        // they have come.
        let mut set = false;
        let mut half: Option<Share> = None;
        poll_fn(|cx| {
            loop {
                // Before the connection: a request that comes with the stop must hear that it is the last.
                let look = !set || client.running.has_changed().unwrap_or(true);
                if !stopping && look && stop.as_mut().poll(cx).is_ready() {
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
            match watch.half_head() {
                None => half = None,
                Some(bytes) => {
                    let held = half.as_ref().map_or(0, Share::amount);
                    let more = (HALF + bytes).saturating_sub(held);
                    let has_room = match &mut half {
                        Some(share) => more == 0 || share.grow(more),
                        None => {
                            half = shared.unfinished.take(*peer, more);
                            half.is_some()
                        }
                    };
                    if !has_room {
                        return Poll::Ready(End::Unfinished);
                    }
                }
            }
            if set && !timer.is_elapsed() {
                return Poll::Pending;
            }
            set = true;
            while timer.as_mut().poll(cx).is_ready() {
                match watch.due(&shared.times) {
                    Due::Later(more) => timer.as_mut().reset(Instant::now() + more),
                    Due::Late => return Poll::Ready(End::Late),
                    Due::Close => return Poll::Ready(End::Quiet),
                    Due::Rest => return Poll::Ready(End::Rest),
                }
            }
            Poll::Pending
        })
        .await
    };

    match end {
        End::Quiet => None,
        End::Rest => {
            let parts = conn.into_parts();
            let mut io = parts.io.into_inner();
            io.unread(&parts.read_buf);
            Some(io)
        }
        End::Done(done) => {
            let refused = conn.into_parts().io.into_inner().refused();
            match (refused, done) {
                (Some((refused, took)), _) => refused.log(shared, *peer, took),
                (None, Err(error)) => tracing::debug!(target: "connection", %peer, %error, "ended"),
                (None, Ok(())) => {}
            }
            None
        }
        End::Late | End::Unfinished => {
            let why = if matches!(end, End::Late) { &farewell::LATE } else { &farewell::UNFINISHED };
            // What hyper has read is not kept until the client has read this.
            let io = conn.into_parts().io.into_inner();
            leave(why, client, io).await
        }
    }
}

/// Answers a head that is not waited for.
async fn leave(why: &'static Farewell, client: &Client, io: Watched) -> Option<Watched> {
    why.log(&client.shared, client.peer, client.watch.head_took());
    why.say(io).await;
    None
}
