//! Sockets and the runtime: accepting, limits, timeouts, the graceful stop. The only room that knows hyper.
//! Knows no format and no rule: it finds the family by the path and hands the request over.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch as watch_channel};
use tokio::time::{sleep, timeout};

use self::count::Counts;
use self::farewell::Farewell;
use self::places::{Place, Places};
use self::probes::Listening;
use self::route::Routes;
use self::watch::Times;
use crate::clock::Clock;
use crate::config::Config;
use crate::limit::Limit;
use crate::metrics::Metrics;
use crate::wire::limits::Shares;
use crate::wire::{Ctx, FAMILIES, Family};

mod answer;
mod conn;
mod convert;
mod count;
mod exposition;
mod farewell;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod lengths;
pub mod log;
mod log_out;
mod notify;
pub mod passed;
mod places;
mod probes;
mod process;
mod proxy;
mod route;
mod signal;
#[cfg(test)]
mod tests;
mod watch;

/// Connections that the system may hold for us until we accept them.
const BACKLOG: u32 = 4096;

/// How long a server that stops waits for a client that has connected and not asked anything yet; where the drain timeout is
/// short, half of that.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// How many clients beyond the limit are told so at one time; more are just closed.
const REFUSALS: usize = 64;

/// A server that has its address and accepts nobody yet.
///
/// ```no_run
/// # fn example(config: &keystead::config::Config, ctx: std::sync::Arc<keystead::wire::Ctx>) -> std::io::Result<()> {
/// let server = keystead::http::Server::bind(config)?;
/// let stop = server.stop();
/// println!("{}", server.address());
/// std::thread::spawn(move || server.run(ctx));
/// stop.stop();
/// # Ok(())
/// # }
/// ```
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    stop: Stop,
    metrics: Arc<Metrics>,
    /// The operator's listener, if there is one.
    probes: Option<Listening>,
}

/// Ends a server: it accepts nobody more, finishes what is running and returns from [`Server::run`].
#[derive(Clone)]
pub struct Stop(Arc<watch_channel::Sender<bool>>);

/// What every connection needs.
struct Shared {
    ctx: Arc<Ctx>,
    routes: Routes,
    limit: Option<Limit<IpAddr>>,
    places: Option<Arc<Places>>,
    trusted: Vec<IpNet>,
    times: Times,
    body_limit: usize,
    /// The memory that bodies take on their way; and what all else takes of requests that are half here. Apart, so that a
    /// few large bodies do not keep out small requests that come in two pieces.
    bodies: Shares,
    unfinished: Shares,
    header_limit: usize,
    /// How long a server that stops waits for the first request of a client.
    first_word: Duration,
    /// The next request's id.
    ids: AtomicU64,
    /// Times within the process are counted from here.
    start: Instant,
    metrics: Arc<Metrics>,
    /// Counted only where somebody can ask for it.
    counts: Option<Arc<Counts>>,
}

impl Stop {
    /// Asks for the end. Asking again changes nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// Takes the address of `config.listen`. Clients can connect from now on; they are answered by [`Server::run`].
    pub fn bind(config: &Config) -> io::Result<Server> {
        Server::on(config, || open(config.listen))
    }

    /// Takes a listening socket that somebody else opened, in place of `config.listen`.
    pub fn take(config: &Config, socket: std::net::TcpListener) -> io::Result<Server> {
        Server::on(config, || TcpListener::from_std(socket))
    }

    fn on(config: &Config, listener: impl FnOnce() -> io::Result<TcpListener>) -> io::Result<Server> {
        let runtime = Builder::new_multi_thread().thread_name("http").enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            listener()?
        };
        let address = listener.local_addr()?;
        let stop = Stop(Arc::new(watch_channel::Sender::new(false)));
        let metrics = Arc::default();
        Ok(Server { runtime, listener, address, config: config.clone(), stop, metrics, probes: None })
    }

    /// Begins to answer `/livez`, `/readyz` and `/metrics` at this address, until [`Server::run`] ends. Answers the
    /// address taken.
    pub fn answer_probes(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let counts = Arc::new(Counts::new(&self.families(), self.runtime.metrics().num_workers()));
        let _inside = self.runtime.enter();
        let listening = Listening::start(open(address)?, counts, Arc::clone(&self.metrics), Clock::System.now())?;
        let address = listening.address;
        self.probes = Some(listening);
        Ok(address)
    }

    /// Tells the operator's listener and the service manager that this server is ready: [`Server::run`] comes next, and
    /// who connects before waits for it.
    pub fn tell_ready(&self, ctx: &Arc<Ctx>) {
        if let Some(listening) = &self.probes {
            listening.probes.serving(ctx);
        }
        notify::tell(notify::READY);
    }

    /// What is counted beside the parts that count for themselves.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The address taken; its port is real even if port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that stops the server.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// From now on SIGTERM and SIGINT stop the server; the second of them ends the process at once.
    pub fn stop_on_signals(&self) -> io::Result<()> {
        let _inside = self.runtime.enter();
        signal::stop_on_signals(self.stop())
    }

    /// Answers until stopped, then waits for what is running, at most `drain-timeout`. Answers what is left of that.
    pub fn run(self, ctx: Arc<Ctx>) -> io::Result<Duration> {
        let families = self.families();
        self.run_families(ctx, &families)
    }

    fn families(&self) -> Vec<&'static Family> {
        let served = |family: &&&Family| family.name == "pages" || self.config.formats.contains(&family.name);
        FAMILIES.iter().filter(served).copied().collect()
    }

    fn run_families(self, ctx: Arc<Ctx>, families: &[&'static Family]) -> io::Result<Duration> {
        let Server { runtime, listener, config, stop, metrics, probes, .. } = self;
        raise_file_limit(config.max_connections);
        let routes = Routes::new(families, &ctx.public_url).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            ctx,
            routes,
            limit: config.rate_limit.map(Limit::new),
            places: config.rate_limit.map(|_| {
                let Config { connections_per_address, max_connections, trusted_proxy, .. } = &config;
                Arc::new(Places::new(*connections_per_address, *max_connections, trusted_proxy.clone()))
            }),
            trusted: config.trusted_proxy,
            times: Times { header: config.header_timeout, idle: config.idle_timeout, stall: config.body_timeout },
            body_limit: config.body_limit,
            bodies: Shares::new(config.body_memory),
            unfinished: Shares::new(config.body_memory),
            header_limit: config.header_limit,
            first_word: FIRST_WORD.min(config.drain_timeout / 2),
            ids: AtomicU64::new(1),
            start: Instant::now(),
            metrics,
            counts: probes.as_ref().map(|listening| Arc::clone(&listening.probes.counts)),
        });
        let left = runtime.block_on(async {
            accept(listener, shared, stop.0.subscribe(), config.max_connections).await;
            let stopping = Instant::now();
            if let Some(listening) = &probes {
                listening.probes.stopping();
            }
            notify::tell(notify::STOPPING);
            // Each connection, and each answer whose client is gone, holds a receiver.
            if timeout(config.drain_timeout, stop.0.closed()).await.is_err() {
                let left = stop.0.receiver_count();
                tracing::warn!(left, "the drain timeout is over: what still runs is cut off");
            }
            if let Some(listening) = probes {
                listening.end().await;
            }
            config.drain_timeout.saturating_sub(stopping.elapsed())
        });
        runtime.shutdown_background();
        Ok(left)
    }
}

/// Opens a listening socket. Must be called inside the runtime.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server must not wait for old connections; elsewhere than on Unix the flag means other things.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until the server stops. The listener goes with it: late clients are refused by the system.
async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: watch_channel::Receiver<bool>, most: usize) {
    let places = Arc::new(Semaphore::new(most));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut failures = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stopping| *stopping) => return,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                back_off(&error, &mut failures).await;
                continue;
            }
        };
        failures = 0;
        // Answers are small and complete: waiting to fill a packet only delays them.
        let _ = socket.set_nodelay(true);
        let peer = IpAddr::to_canonical(&peer.ip());
        let own = match &shared.places {
            Some(own) => own.take(peer),
            None => Some(Place::uncounted()),
        };
        let Some(own) = own else {
            shared.metrics.turned_away.one();
            refuse(socket, peer, &shared, &refusals, &farewell::CROWDED);
            continue;
        };
        match room(&places, &shared).await {
            Some(place) => {
                let shared = Arc::clone(&shared);
                let stop = stop.clone();
                let open = Open::new(&shared.metrics);
                tokio::spawn(async move {
                    conn::serve(socket, peer, own, shared, stop).await;
                    drop((place, open));
                });
            }
            None => {
                shared.metrics.turned_away.one();
                refuse(socket, peer, &shared, &refusals, &farewell::FULL);
            }
        }
    }
}

/// Room for one more connection; if there is none, that of one which rests.
async fn room(all: &Arc<Semaphore>, shared: &Shared) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(all).try_acquire_owned() {
        return Some(place);
    }
    if !shared.places.as_ref().is_some_and(|places| places.end_one()) {
        return None;
    }
    // It needs only to be told.
    timeout(Duration::from_secs(1), Arc::clone(all).acquire_owned()).await.ok()?.ok()
}

/// A connection in the figures, until it is dropped.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Open {
        metrics.accepted.one();
        Open(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended.one();
    }
}

fn refuse(socket: TcpStream, peer: IpAddr, shared: &Shared, refusals: &Arc<Semaphore>, why: &'static Farewell) {
    if let Ok(turn) = Arc::clone(refusals).try_acquire_owned() {
        why.log(shared, peer, Duration::ZERO);
        tokio::spawn(async move {
            why.say(socket).await;
            drop(turn);
        });
    }
}

/// Each connection is a file to the system, and the usual limit is far below ours. The hard limit is the operator's.
#[cfg(unix)]
fn raise_file_limit(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// For the database, its readers, the log.
    const OTHERS: u64 = 256;
    let wanted = connections as u64 + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let reachable = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum });
    if raised.is_err() || reachable < wanted {
        tracing::warn!(wanted, reachable, "the limit of open files is below max-connections: raise it (ulimit -n)");
    }
}

#[cfg(not(unix))]
fn raise_file_limit(_: usize) {}

/// A client that was gone before it was accepted is nothing; anything else (no file handles left) needs a pause, or the
/// loop would spin.
async fn back_off(error: &io::Error, failures: &mut u32) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return;
    }
    if *failures == 0 {
        tracing::error!(%error, "cannot accept connections; trying on");
    }
    *failures += 1;
    sleep(Duration::from_millis(5 << (*failures).min(8))).await;
}
