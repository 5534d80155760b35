//! `keystead serve`: takes the lock, opens the database and answers clients until a signal comes.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::cleanup::CleanUp;
use super::schedule::Schedule;
use super::{Code, Exit, Global};
use crate::clock::{Clock, Steady};
use crate::config::{Config, Flags, Rate, strangers};
use crate::domain::guesses::{self, Allowance, Guesses};
use crate::domain::hashing::Hashing;
use crate::domain::lists::Lists;
use crate::domain::sealing;
use crate::domain::target::Targets;
use crate::domain::vault::Vault;
use crate::http::{self, Server};
use crate::limit::Limit;
use crate::model::time::Time;
use crate::outside::delivery::{self, Delivery};
use crate::outside::fetch::Fetcher;
use crate::outside::mail::Mailer;
use crate::store::backup::Status;
use crate::store::lock::{self, Holder, Lock, LockError};
use crate::store::{self, Store, apps};
use crate::wire::Ctx;
use crate::wire::limits::Limits;
use crate::wire::server_key::Held;

/// The options of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keystead serve
  keystead serve --database /var/lib/keystead/keystead.db --listen 0.0.0.0:8080
  keystead serve --config /etc/keystead/keystead.toml
  KEYSTEAD_LISTEN=[::]:8080 keystead serve --trusted-proxy 127.0.0.1

Stops on SIGTERM and SIGINT: running requests are finished first.")]
pub(super) struct Arguments {
    #[command(flatten)]
    flags: Flags,
}

/// Runs `serve`.
pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    serve(&global.load(arguments.flags)?, |_, _| Ok(()))
}

/// Serves with this configuration until a signal comes. `ready` runs when the address is taken and the store is open,
/// before the first request is answered.
pub(super) fn serve(config: &Config, ready: impl FnOnce(&Ctx, SocketAddr) -> Result<(), Exit>) -> Result<(), Exit> {
    let handed = http::passed::socket().map_err(|error| {
        Exit::new(Code::Configuration, format!("cannot use the socket that was handed over: {error}"))
    })?;
    let lock = take_lock(config, handed.is_some()).map_err(|error| locked(&config.database, error))?;
    let log = http::log::start(config)
        .map_err(|error| Exit::failure(format!("cannot start the thread that writes the log: {error}")))?;
    for stranger in strangers() {
        let (variable, nearest) = (stranger.name, stranger.nearest);
        tracing::warn!(variable, "this variable is no setting{nearest}; `keystead config show` lists them all");
    }
    let lists = Lists::load(config.vpn_list.as_deref(), config.leaked_passwords.as_deref())
        .map_err(|error| Exit::new(Code::Configuration, error.to_string()))?;
    let vault = Vault::read(config.vault_key.as_deref())?;
    let mailer = mailer(config)?;
    // The address first: a start that fails on it leaves no new database behind.
    let mut server = match handed {
        Some(socket) => {
            tracing::info!("answering on the listening socket that was handed over; --listen does not count");
            Server::take(config, socket)?
        }
        None => Server::bind(config).map_err(|error| cannot_listen(config.listen, "--listen", &error))?,
    };
    let probes = match config.metrics_listen {
        Some(at) => {
            let address = server.answer_probes(at).map_err(|error| cannot_listen(at, "--metrics-listen", &error))?;
            let _ = writeln!(io::stderr(), "probes and metrics on http://{address}");
            Some(address)
        }
        None => None,
    };
    let store = Store::open(&options(config, &lock)).map_err(|error| {
        Exit::new(Code::Database, format!("cannot open the database {}: {error}", config.database.display()))
    })?;
    super::db::tell_upgrade(&store, &config.database);
    let address = server.address();
    server.stop_on_signals()?;
    let clock = Clock::default();
    // It is for people only: a disk that is too full for it may still have room for answers.
    if let Err(error) = lock.describe(address, probes, clock.now()) {
        tracing::warn!(%error, "cannot write into the lock file who serves this database");
    }
    let ctx = Arc::new(Ctx {
        store,
        hashing: Hashing::start(config.hash_threads, config.hash_queue)?,
        guesses: Guesses::new(guess_limits(config)),
        // Whoever lifts the limit on requests needs none of these.
        own_shares: config.rate_limit.and(config.user_rate_limit).map(Limit::new).into(),
        clock,
        lists,
        public_url: config.public_url(address),
        vault: Arc::new(vault),
        server_key: Held::default(),
        fetcher: Fetcher::new(Targets::new(config.allow_target.clone()), config.fetch_timeout),
        limits: Limits::new(config.relay_limit, config.file_limit),
        mail: mailer.is_some(),
        serves_1_0: config.api_1_0,
        ascii_only: config.ascii_only,
    });
    // Before the first answer: a database whose secrets this process cannot open is not served.
    let sealed_by = Arc::clone(&ctx.vault);
    ctx.store.read(move |tx| sealing::check(tx, &sealed_by)).wait()?;
    sealing::seal_the_rest(&ctx.store, &ctx.vault)?;
    ctx.server_key.load(&ctx.store, &ctx.vault, ctx.clock.now())?;
    // Also for whoever watches this server.
    let backups = Arc::new(Status::default());
    let schedule = Schedule::start(&ctx.clock, config, &backups)?;
    let told = Arc::clone(&backups);
    server.metrics().last_backup.ask(move || told.last().success);
    let mut clean_up = CleanUp::start(ctx.store.clone(), ctx.clock.clone(), config, Arc::clone(server.metrics()))?;
    ready(&ctx, address)?;
    server.tell_ready(&ctx);
    // Plain text whatever the log is like: people and programs wait for this line.
    let _ = writeln!(io::stderr(), "listening on http://{address}");
    if ctx.mail && config.public_url.is_none() {
        let link = &ctx.public_url;
        tracing::warn!(
            link,
            "mails to customers will link to this address; say with --public-url which one they can reach"
        );
    }
    if ctx.store.read(apps::all).wait()?.is_empty() {
        let database = config.database.display().to_string();
        tracing::warn!(database, "there is no app yet; `keystead app create NAME` makes one, also while this runs");
    }
    let delivery = Delivery::start(&delivery::Tools {
        store: ctx.store.clone(),
        clock: ctx.clock.clone(),
        steady: Arc::new(Steady::new(ctx.clock.clone())),
        vault: Arc::clone(&ctx.vault),
        fetcher: ctx.fetcher.clone(),
        mailer,
        metrics: Arc::clone(server.metrics()),
    })?;
    let ended = server.run(Arc::clone(&ctx));
    // It notes in the store what was sent; a slow mail server does not hold up the end longer than a slow client may.
    delivery.stop(ended.as_ref().copied().unwrap_or_default());
    drop(schedule);
    // The store first: the clean-up may be waiting for it.
    clean_up.stop();
    ctx.store.close();
    drop(clean_up);
    drop(log);
    ended?;
    Ok(())
}

/// Takes the database's lock. Who hands a socket on to us may have started us before the server before has ended; its
/// clients wait in that socket meanwhile, and so do we.
fn take_lock(config: &Config, handed: bool) -> Result<Lock, LockError> {
    match lock::hold(&config.database) {
        Err(LockError::Held(holder)) if handed && !config.lock_wait.is_zero() => {
            let who = holder.map_or_else(|| "the server before".to_owned(), |holder| format!("process {}", holder.pid));
            let database = config.database.display();
            // The log is not started yet: this may be all that this process ever says.
            let _ = writeln!(io::stderr(), "waiting for {who} to let go of {database}");
            lock::hold_within(&config.database, config.lock_wait)
        }
        done => done,
    }
}

/// What sends mail, if a mail server is set.
fn mailer(config: &Config) -> Result<Option<Mailer>, Exit> {
    let wrong = |text: String| Exit::new(Code::Configuration, text);
    let smtp = config.smtp().map_err(|error| wrong(error.to_string()))?;
    smtp.map(|smtp| Mailer::new(&smtp)).transpose().map_err(|error| wrong(error.to_string()))
}

/// What may be guessed wrong. Whoever lifts the limit on requests lifts this one too.
fn guess_limits(config: &Config) -> Option<guesses::Limits> {
    let allowance = |rate: Rate| Allowance { interval: rate.interval, burst: rate.burst };
    let (address, app) = (config.guess_limit.map(allowance), config.app_guess_limit.map(allowance));
    let sign_ups = config.sign_up_limit.map(allowance);
    config.rate_limit.map(|_| guesses::Limits { address, app, sign_ups })
}

/// How this configuration opens the database.
fn options(config: &Config, lock: &Lock) -> store::Options {
    store::Options {
        path: config.database.clone(),
        lock: Some(lock.clone()),
        readers: config.readers,
        reader_queue: config.reader_queue,
        writer_queue: config.writer_queue,
        busy_timeout: config.busy_timeout,
        session_cache: config.session_cache,
        app_cache: config.app_cache,
        variable_cache: config.variable_cache,
        // Whoever lifts the limit on requests lifts this one too.
        unvalidated: config
            .rate_limit
            .map(|_| store::Most { address: config.unvalidated_per_address, app: config.unvalidated_per_app }),
    }
}

/// Why a database's lock was not to be had.
pub(super) fn locked(database: &Path, error: LockError) -> Exit {
    let database = database.display();
    match error {
        LockError::Held(Some(Holder { pid, listen, since, .. })) => Exit::new(
            Code::Locked,
            format!(
                "another server uses {database}: process {pid} on {listen}, since {}. Stop it first, or name another \
                 --database",
                date(Time(since))
            ),
        ),
        LockError::Held(None) => Exit::new(
            Code::Locked,
            format!("another server that is just starting uses {database}. Stop it first, or name another --database"),
        ),
        error @ LockError::File { .. } => Exit::new(Code::Database, error.to_string()),
    }
}

fn date(time: Time) -> String {
    let date = chrono::DateTime::from_timestamp(time.0, 0).unwrap_or_default();
    date.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn cannot_listen(address: SocketAddr, flag: &str, error: &io::Error) -> Exit {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => Some("another program answers there; choose another address"),
        io::ErrorKind::PermissionDenied => Some("ports below 1024 need a privilege; choose another"),
        io::ErrorKind::AddrNotAvailable => Some("this machine does not have that address; choose another"),
        _ => None,
    };
    let hint = why.map(|why| format!(": {why} with {flag}")).unwrap_or_default();
    Exit::failure(format!("cannot listen on {address}{hint} ({error})"))
}
