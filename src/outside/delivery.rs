//! Two threads beside a server that send what waits in the outbox: mails and posts. What was sent is deleted, what could
//! not be sent is put off, what never can be is given up. At least once: if the server dies between sending and
//! deleting, it is sent again. Decides no delays: they are `domain::outbox`'s. Logs no mail, no URL, no post.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{sleep, timeout};

use crate::clock::{Clock, Steady};
use crate::domain::outbox::{self, Due, Mail, Next, Post, Sendable, Ticket};
use crate::domain::vault::Vault;
use crate::metrics::{Metrics, Sendings};
use crate::model::ids::AppId;
use crate::store::{self, Store};

use super::fetch::{Ask, FetchError, Fetched, Fetcher, Method};
use super::mail::Mailer;

/// How often it is looked what is due.
const LOOK: Duration = Duration::from_millis(500);

/// How long to wait before the database is asked again after it failed.
const BROKEN: Duration = Duration::from_secs(5);

/// The two kinds, as the log names them.
const MAIL: &str = "mail";
const POST: &str = "posts";

/// How many posts may be on their way at one time, each of another app: an app's own go one after the other.
const POSTS: usize = 16;

/// How many mails may. There is one mail server, and its library waits on the thread.
const MAILS: usize = 1;

/// The longest answer to a post. Nobody reads it.
const ANSWER_LIMIT: usize = 64 << 10;

/// What the sending threads need.
#[derive(Clone)]
pub struct Tools {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The time by which something is given up.
    pub steady: Arc<Steady>,
    /// Opens what waits.
    pub vault: Arc<Vault>,
    /// Sends posts.
    pub fetcher: Fetcher,
    /// Sends mails; none if no mail server is set.
    pub mailer: Option<Mailer>,
    /// Where it is counted what became of them.
    pub metrics: Arc<Metrics>,
}

/// The running threads.
pub struct Delivery {
    stop: watch::Sender<bool>,
    ended: Receiver<()>,
}

/// What came of trying to send something.
enum Outcome {
    Sent,
    /// Not now.
    Later {
        why: String,
        /// How long the other side asked us to wait, in seconds.
        asked: Option<i64>,
    },
    /// Never.
    Never(String),
}

impl Delivery {
    /// Starts the threads.
    pub fn start(tools: &Tools) -> io::Result<Delivery> {
        let stop = watch::Sender::new(false);
        let (alive, ended) = channel();
        start::<Mail, _>(MAIL, MAILS, mail, tools.clone(), stop.subscribe(), alive.clone())?;
        start::<Post, _>(POST, POSTS, post, tools.clone(), stop.subscribe(), alive)?;
        Ok(Delivery { stop, ended })
    }

    /// Begins nothing more, and waits at most so long for what is being sent. What is not done by then is sent again by
    /// the next server.
    pub fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        // Nobody ever sends: this ends when both threads have.
        if self.ended.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("stopped while something was being sent: the next server may send it again");
        }
    }
}

/// Starts a thread that sends one kind of thing. `alive` ends with it.
fn start<T, F>(
    name: &'static str,
    most: usize,
    send: fn(Tools, T) -> F,
    tools: Tools,
    stop: watch::Receiver<bool>,
    alive: Sender<()>,
) -> io::Result<()>
where
    T: Sendable + Send + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    Builder::new().name(name.to_owned()).spawn(move || {
        runtime.block_on(deliver(name, most, send, &tools, stop));
        // A name that is still being resolved holds up nobody.
        runtime.shutdown_background();
        drop(alive);
    })?;
    Ok(())
}

async fn deliver<T, F>(
    kind: &'static str,
    most: usize,
    send: fn(Tools, T) -> F,
    tools: &Tools,
    mut stop: watch::Receiver<bool>,
) where
    T: Sendable + Send + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    let mut whose: HashMap<Id, Option<AppId>> = HashMap::new();
    while !*stop.borrow_and_update() {
        let mut pause = LOOK;
        // Of each app the first is enough, and what is under way is among them.
        match due::<T>(tools, most + whose.len()).await {
            Ok(found) => {
                for Due { ticket, what } in found {
                    if under_way.len() < most && !whose.values().any(|app| *app == ticket.app) {
                        let (tools, stop) = (tools.clone(), stop.clone());
                        let task = under_way.spawn(one(kind, send, tools, ticket, what, stop));
                        whose.insert(task.id(), ticket.app);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(kind, %error, "cannot see what is to be sent; trying again");
                pause = BROKEN;
            }
        }
        tokio::select! {
            Some(done) = under_way.join_next_with_id() => {
                let id = match done {
                    Ok((id, ())) => id,
                    Err(error) => {
                        tracing::error!(kind, %error, "internal error while sending");
                        // It is due again at once, and may end so again.
                        sleep(BROKEN).await;
                        error.id()
                    }
                };
                whose.remove(&id);
            }
            () = sleep(pause) => {}
            // Nobody left who could stop us: the server is gone.
            changed = stop.changed() => if changed.is_err() { break },
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn due<T: Sendable + Send + 'static>(tools: &Tools, most: usize) -> Result<Vec<Due<T>>, store::Error> {
    let (vault, now) = (Arc::clone(&tools.vault), tools.clock.now());
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    tools.store.read(move |tx| outbox::due(tx, &vault, now, most)).await
}

/// Sends one thing and notes what came of it.
async fn one<T, F>(
    kind: &'static str,
    send: fn(Tools, T) -> F,
    tools: Tools,
    ticket: Ticket,
    what: Option<T>,
    mut stop: watch::Receiver<bool>,
) where
    T: Sendable + Send + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let outcome = match what {
        None => Outcome::Never("it was sealed with another key".to_owned()),
        Some(_) if outbox::is_stale(ticket, tools.steady.now()) => Outcome::Never("it has waited too long".to_owned()),
        Some(what) => send(tools.clone(), what).await,
    };
    let counted: &Sendings = if kind == MAIL { &tools.metrics.mails } else { &tools.metrics.posts };
    match &outcome {
        Outcome::Sent => counted.sent.one(),
        Outcome::Later { .. } => counted.put_off.one(),
        Outcome::Never(_) => counted.given_up.one(),
    }
    // Until this is noted the thing counts as due: it must not be looked at again before.
    while let Err(error) = note::<T>(kind, &tools, ticket, &outcome).await {
        tracing::warn!(kind, %error, "cannot note that something was sent; trying again, lest it is sent twice");
        if timeout(BROKEN, stop.wait_for(|stopping| *stopping)).await.is_ok() {
            return;
        }
    }
}

async fn note<T: Sendable>(
    kind: &'static str,
    tools: &Tools,
    ticket: Ticket,
    outcome: &Outcome,
) -> Result<(), store::Error> {
    let (now, steady) = (tools.clock.now(), tools.steady.now());
    let app = ticket.app.map(|app| app.0);
    match outcome {
        Outcome::Sent => tools.store.write(move |tx| outbox::done(tx, ticket)).await?,
        Outcome::Never(why) => {
            tools.store.write(move |tx| outbox::done(tx, ticket)).await?;
            tracing::warn!(kind, app, why, "gave up sending");
        }
        Outcome::Later { why, asked } => {
            let asked = *asked;
            match tools.store.write(move |tx| outbox::failed::<T>(tx, ticket, asked, now, steady)).await? {
                Next::Again(at) => tracing::warn!(kind, app, why, again_in_s = at - now, "could not send"),
                Next::GivenUp => tracing::warn!(kind, app, why, "gave up sending"),
            }
        }
    }
    Ok(())
}

/// Blocks its thread: nobody else is on it.
async fn mail(tools: Tools, mail: Mail) -> Outcome {
    let Some(mailer) = &tools.mailer else {
        return Outcome::Later { why: "no mail server is set any more (smtp-host)".to_owned(), asked: None };
    };
    match mailer.send(&mail) {
        Ok(()) => Outcome::Sent,
        Err(error) if error.is_permanent() => Outcome::Never(without_links(&error.to_string(), &mail.text)),
        Err(error) => Outcome::Later { why: without_links(&error.to_string(), &mail.text), asked: None },
    }
}

/// A mail server may say which link of a mail it does not like, and a link may be as good as a password.
fn without_links(said: &str, mail: &str) -> String {
    let links = mail.split_whitespace().filter(|word| word.contains("://"));
    let secrets = links.flat_map(|link| [Some(link), link.rsplit_once('=').map(|(_, value)| value)]).flatten();
    secrets.filter(|secret| !secret.is_empty()).fold(said.to_owned(), |said, secret| said.replace(secret, "(hidden)"))
}

async fn post(tools: Tools, post: Post) -> Outcome {
    let ask = Ask {
        url: post.url,
        method: Method::Post,
        body: post.body.into_bytes(),
        content_type: Some(post.content_type),
        user_agent: concat!("Keystead/", env!("CARGO_PKG_VERSION")).to_owned(),
        limit: ANSWER_LIMIT,
    };
    judge(&tools.fetcher.fetch(ask).await)
}

fn judge(fetched: &Result<Fetched, FetchError>) -> Outcome {
    match fetched {
        // Whoever answers so much has read the post.
        Err(FetchError::TooLarge(_)) => Outcome::Sent,
        Err(error @ (FetchError::Target(_) | FetchError::Header(_) | FetchError::Redirect)) => {
            Outcome::Never(error.to_string())
        }
        Err(error) => Outcome::Later { why: error.to_string(), asked: None },
        Ok(Fetched { status: 200..300, .. }) => Outcome::Sent,
        Ok(Fetched { status: status @ (408 | 425 | 429 | 500..), retry_after, .. }) => {
            // Rounded up: a part of a second too early is too early.
            let seconds = |wait: Duration| i64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX);
            Outcome::Later { why: format!("answered with status {status}"), asked: retry_after.map(seconds) }
        }
        Ok(Fetched { status, .. }) => Outcome::Never(format!("refused with status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<Duration>) -> Outcome {
        judge(&Ok(Fetched { status, body: Default::default(), retry_after }))
    }

    #[test]
    fn what_an_answer_means() {
        for status in [200, 204] {
            assert!(matches!(answered(status, None), Outcome::Sent), "{status}");
        }
        for status in [408, 429, 500, 502, 503] {
            assert!(matches!(answered(status, None), Outcome::Later { asked: None, .. }), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 410] {
            assert!(matches!(answered(status, None), Outcome::Never(_)), "{status}");
        }
        let wait = Some(Duration::from_millis(65_001));
        assert!(matches!(answered(429, wait), Outcome::Later { asked: Some(66), .. }));
        assert!(matches!(judge(&Err(FetchError::Timeout)), Outcome::Later { .. }));
        assert!(matches!(judge(&Err(FetchError::TooLarge(1))), Outcome::Sent));
    }

    #[test]
    fn a_mail_server_that_repeats_a_link_tells_no_secret() {
        let mail = "Take this:\n\nhttps://k.example/reset?token=abc123\n\nBye.\n";
        let said = "550 spam: https://k.example/reset?token=abc123 (abc123)";
        assert_eq!(without_links(said, mail), "550 spam: (hidden) ((hidden))");
    }
}
