//! Asks other machines over HTTP, under limits: only addresses that [`Targets`] permits, a time, a size, a number at
//! once. A name is resolved once, and what was checked is what is connected to. Logs hosts only: paths and queries are
//! secrets.

use std::error::Error as _;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use url::Url;

use crate::domain::target::{TargetError, Targets};
use crate::metrics::Counter;

/// How many may be asked at one time.
const AT_ONCE: usize = 256;

/// How many names may be resolved at one time. The system's resolver cannot be interrupted: each takes a thread until
/// it gives up, long after we did.
const LOOKUPS: usize = 64;

/// How many bytes of unfinished answers may be kept at one time.
const UNFINISHED: usize = 256 << 20;

/// How many redirects are followed.
const REDIRECTS: usize = 3;

/// What to ask.
#[derive(Clone)]
pub struct Ask {
    /// Where.
    pub url: String,
    /// How.
    pub method: Method,
    /// What to send along; only with [`Method::Post`].
    pub body: Vec<u8>,
    /// What kind of thing that is; none sends no such header.
    pub content_type: Option<String>,
    /// Who asks.
    pub user_agent: String,
    /// The longest answer, in bytes. A longer one is no answer.
    pub limit: usize,
}

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To get something.
    Get,
    /// To hand something over.
    Post,
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The whole body, as it came.
    pub body: Bytes,
    /// How long the other side wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why nothing came back. The texts name no more of a URL than its host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody is asked there.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The content type or the user agent holds bytes that no header may have.
    #[error("the {0} holds bytes that no HTTP header may have")]
    Header(&'static str),
    /// Too many are being asked, or answer too much at once.
    #[error("too many requests to other machines, or too long answers, are under way; try again")]
    Busy,
    /// The name is unknown.
    #[error("the name {0} does not resolve to an address")]
    Unknown(String),
    /// It took too long.
    #[error("no complete answer in time (the setting fetch-timeout)")]
    Timeout,
    /// The answer is longer than this.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// It sends us to another host, or around in circles.
    #[error("it redirects to another host, or more than {REDIRECTS} times")]
    Redirect,
    /// The connection, its encryption or the answer is broken.
    #[error("{0}")]
    Broken(String),
}

/// Asks other machines. Cheap to clone; all clones share their connections and their limits.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

/// What is counted here.
#[derive(Debug, Default)]
pub struct Figures {
    /// Requests that were answered, with whatever status.
    pub answered: Counter,
    /// Those that were not.
    pub failed: Counter,
}

struct Inner {
    figures: Figures,
    targets: Targets,
    timeout: Duration,
    places: Semaphore,
    memory: Semaphore,
    lookups: Arc<Semaphore>,
    /// Made when it is first needed: reading the machine's certificates takes a while, and many servers ask nobody.
    client: OnceCell<reqwest::Client>,
}

impl Fetcher {
    /// Asks these targets, and waits so long for a whole answer.
    pub fn new(targets: Targets, timeout: Duration) -> Fetcher {
        Fetcher(Arc::new(Inner {
            figures: Figures::default(),
            targets,
            timeout,
            places: Semaphore::new(AT_ONCE),
            memory: Semaphore::new(UNFINISHED),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            client: OnceCell::new(),
        }))
    }

    /// What was counted since it was made.
    pub fn figures(&self) -> &Figures {
        &self.0.figures
    }

    /// Who may be asked.
    pub fn targets(&self) -> &Targets {
        &self.0.targets
    }

    /// Asks. Needs the runtime around it. A failure has been logged when it comes back.
    pub fn fetch(&self, ask: Ask) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let host = Url::parse(&ask.url).ok().and_then(|url| url.host_str().map(str::to_owned));
            let fetched = inner.fetch(ask).await;
            match &fetched {
                Ok(_) => inner.figures.answered.one(),
                Err(error) => {
                    inner.figures.failed.one();
                    tracing::warn!(host = host.as_deref().unwrap_or_default(), %error, "could not fetch");
                }
            }
            fetched
        })
    }
}

impl Inner {
    async fn fetch(&self, ask: Ask) -> Result<Fetched, FetchError> {
        let url = self.targets.check_url(&ask.url)?;
        let user_agent = header("user agent", &ask.user_agent)?;
        let content_type = ask.content_type.as_deref().map(|text| header("content type", text)).transpose()?;
        let _place = self.places.try_acquire().map_err(|_| FetchError::Busy)?;
        let asked = async {
            let client = self.client.get_or_try_init(|| self.connectable()).await?;
            let mut request = match ask.method {
                Method::Get => client.get(url),
                Method::Post => client.post(url).body(ask.body),
            };
            request = request.header(USER_AGENT, user_agent);
            if let Some(content_type) = content_type {
                request = request.header(CONTENT_TYPE, content_type);
            }
            read(request.send().await.map_err(failure)?, ask.limit, &self.memory).await
        };
        timeout(self.timeout, asked).await.unwrap_or(Err(FetchError::Timeout))
    }

    async fn connectable(&self) -> Result<reqwest::Client, FetchError> {
        let broken = |error: &dyn std::fmt::Display| FetchError::Broken(error.to_string());
        let tls = spawn_blocking(encryption).await.map_err(|error| broken(&error))?.map_err(|error| broken(&error))?;
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Resolver { targets: self.targets.clone(), lookups: Arc::clone(&self.lookups) })
            // A proxy would resolve names itself, and connect to whatever it finds.
            .no_proxy()
            .referer(false)
            .redirect(Policy::custom(redirect))
            .connect_timeout(self.timeout / 2)
            .pool_max_idle_per_host(8)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .map_err(failure)
    }
}

/// The answer, as long as it is not too long.
async fn read(mut answer: reqwest::Response, limit: usize, memory: &Semaphore) -> Result<Fetched, FetchError> {
    let too_large = || FetchError::TooLarge(limit);
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    // Taken as the answer grows: nobody knows before how long it will be.
    let mut kept = memory.try_acquire_many(0).map_err(|_| FetchError::Busy)?;
    while let Some(piece) = answer.chunk().await.map_err(failure)? {
        if piece.len() > limit - body.len() {
            return Err(too_large());
        }
        let more = u32::try_from(piece.len()).ok().and_then(|bytes| memory.try_acquire_many(bytes).ok());
        kept.merge(more.ok_or(FetchError::Busy)?);
        body.extend_from_slice(&piece);
    }
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| seconds(value.to_str().ok()?));
    Ok(Fetched { status: answer.status().as_u16(), body: body.into(), retry_after })
}

/// Seconds, also with a fraction. (A date is allowed too; nobody who limits rates sends one.)
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

fn header(name: &'static str, text: &str) -> Result<HeaderValue, FetchError> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| FetchError::Header(name))
}

/// Follows a redirect on the same host only: what was stored names this host and no other.
fn redirect(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let stays = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if stays && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.error(FetchError::Redirect) }
}

/// The HTTP client's error as ours: what we refused ourselves lies somewhere below it.
fn failure(error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::Timeout;
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        if let Some(ours) = cause.downcast_ref::<FetchError>() {
            return ours.clone();
        }
        text = cause.to_string();
        below = cause.source();
    }
    FetchError::Broken(text)
}

/// Resolves names, and keeps nothing back of what may not be connected to.
struct Resolver {
    targets: Targets,
    lookups: Arc<Semaphore>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let place = Arc::clone(&self.lookups).try_acquire_owned();
        let targets = self.targets.clone();
        Box::pin(async move {
            let place = place.map_err(|_| FetchError::Busy)?;
            let found = spawn_blocking(move || {
                let found = permitted(&targets, name.as_str());
                drop(place);
                found
            });
            Ok(Box::new(found.await??.into_iter()) as Addrs)
        })
    }
}

/// The addresses of this name that may be connected to.
fn permitted(targets: &Targets, name: &str) -> Result<Vec<SocketAddr>, FetchError> {
    let unknown = || FetchError::Unknown(name.to_owned());
    let mut found: Vec<SocketAddr> = (name, 0).to_socket_addrs().map_err(|_| unknown())?.collect();
    let first = found.first().ok_or_else(unknown)?.ip();
    found.retain(|address| targets.permits(address.ip()));
    if found.is_empty() {
        targets.check(first, name)?;
    }
    Ok(found)
}

/// TLS by this machine's certificates. Without any the server still runs, and whoever is asked by https fails.
fn encryption() -> Result<ClientConfig, rustls::Error> {
    let native = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(native.certs);
    if trusted == 0 {
        let error = native.errors.first().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            error,
            "this machine has no certificates to trust, so nothing can be fetched by https: install ca-certificates, \
             or let SSL_CERT_FILE name a PEM file, and start the server again"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Takes the next request and begins an answer of so many bytes.
    fn begin(listener: &TcpListener, length: usize, first: usize) -> TcpStream {
        let (mut socket, _) = listener.accept().expect("a client");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        write!(socket, "HTTP/1.1 200 x\r\ncontent-length: {length}\r\n\r\n").expect("sends");
        socket.write_all(&vec![b'x'; first]).expect("sends");
        socket
    }

    #[test]
    fn unfinished_answers_share_what_memory_there_is() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let (go_on, waiting) = mpsc::channel();
        let upstream = std::thread::spawn(move || {
            let mut first = begin(&listener, 1400, 1000);
            let second = begin(&listener, 1000, 1000);
            waiting.recv().expect("the test goes on");
            first.write_all(&[b'x'; 400]).expect("sends");
            drop(second);
        });
        let fetcher = Fetcher(Arc::new(Inner {
            figures: Figures::default(),
            targets: Targets::new(vec!["127.0.0.0/8".parse().expect("a network")]),
            timeout: LONG,
            places: Semaphore::new(AT_ONCE),
            memory: Semaphore::new(1500),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            client: OnceCell::new(),
        }));
        let ask = || Ask {
            url: url.clone(),
            method: Method::Get,
            body: Vec::new(),
            content_type: None,
            user_agent: "test".to_owned(),
            limit: 10_000,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let first = tokio::spawn(fetcher.fetch(ask()));
            while fetcher.0.memory.available_permits() > 500 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(fetcher.fetch(ask()).await.expect_err("no room is left"), FetchError::Busy);
            go_on.send(()).expect("the other side waits");
            assert_eq!(first.await.expect("ends").expect("an answer").body.len(), 1400);
            assert_eq!(fetcher.0.memory.available_permits(), 1500, "all of it is given back");
        });
        upstream.join().expect("ends");
    }
}
