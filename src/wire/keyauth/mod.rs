//! The KeyAuth client API: open → find the call → run → step down → seal. The protocol as we serve it is described in
//! the README beside this file. Decides no rule; knows no SQL.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use crate::domain::secret::Proof;
use crate::domain::server_key::ServerKey;
use crate::domain::session::{Enckey, check_live};
use crate::domain::token::TokenFile;
use crate::domain::{Refusal, Stop};
use crate::model::app::App;
use crate::model::exchange::{Request, Response};
use crate::model::ids::{AppId, SessionId};
use crate::model::session::{Session, SessionKind};
use crate::pending::pending;
use crate::store::variables::Variable;
use crate::store::{self, apps, sessions, variables};

use super::form::{self, Form};
use super::{Answer, Ctx, Door, Family, Fault, turns};

mod answer;
pub mod calls;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod seal;
pub mod versions;
mod words;

use answer::{Opened, Reply};
use calls::{Call, Errand, Req, Run};
use seal::Sealer;
use versions::{Sealing, Version};

/// This family.
pub static FAMILY: Family = Family {
    name: "keyauth",
    base: Some("/api/1.2/"),
    calls: || calls::TABLE.iter().map(|call| call.name).collect(),
    paths: &[
        ("/api/1.2", &DOOR_1_2),
        ("/1.2", &DOOR_1_2),
        ("/api/1.3", &DOOR_1_3),
        ("/1.3", &DOOR_1_3),
        ("/api/1.1", &DOOR_1_1),
        ("/1.1", &DOOR_1_1),
        ("/api/1.0", &DOOR_1_0),
        ("/1.0", &DOOR_1_0),
    ],
};

static DOOR_1_3: Door = Door {
    answer: |ctx, request| answer(ctx, request, &versions::V1_3),
    headers: &[],
    fault: |ctx, fault| answer::fault(ctx, &versions::V1_3, fault),
};

static DOOR_1_2: Door = Door {
    answer: |ctx, request| answer(ctx, request, &versions::V1_2),
    headers: &[],
    fault: |ctx, fault| answer::fault(ctx, &versions::V1_2, fault),
};

static DOOR_1_1: Door = Door {
    answer: |ctx, request| answer(ctx, request, &versions::V1_1),
    headers: &[],
    fault: |ctx, fault| answer::fault(ctx, &versions::V1_1, fault),
};

static DOOR_1_0: Door = Door {
    answer: |ctx, request| answer(ctx, request, &versions::V1_0),
    headers: &[],
    fault: |ctx, fault| answer::fault(ctx, &versions::V1_0, fault),
};

/// What a customer reads when this is refused, where the app has no text of its own for it.
pub fn words_of(refusal: &Refusal) -> String {
    words::text(refusal, None).into_owned()
}

/// An answer with more content than this, in bytes, is made on a thread of its own.
const LARGE: usize = 1 << 20;

/// One request on its way through.
struct Exchange {
    ctx: Arc<Ctx>,
    request: Request,
    form: Form,
    version: &'static Version,
    /// Whether something that it guessed was counted as wrong.
    guessed: AtomicBool,
}

/// What has been looked up so far; the inner `None` is "there is none".
#[derive(Default)]
struct Known {
    server_key: Option<Arc<ServerKey>>,
    app: Option<Option<Arc<App>>>,
    session: Option<Option<Arc<Session>>>,
    variable: Option<Option<Arc<Variable>>>,
    /// Its address asks too often, but it comes from who is logged in.
    spared: bool,
}

/// What has to be looked up before the request can be opened.
enum Missing {
    ServerKey,
    App,
    Session(SessionId),
    Variable(AppId, String),
}

fn answer(ctx: &Arc<Ctx>, request: Request, version: &'static Version) -> Answer {
    let query: &[u8] = if version.reads_query { &request.query } else { &[] };
    let form = form::read(request.method, query, request.content_type.as_deref(), &request.body);
    let form = match version.unwrap {
        Some(unwrap) => unwrap(&form),
        None => form,
    };
    let mut exchange = Exchange { ctx: Arc::clone(ctx), request, form, version, guessed: AtomicBool::new(false) };
    let mut known = Known::default();
    // Calls that need only the app and a session, both in memory, are answered without waiting for anybody.
    match exchange.open(&mut known) {
        Ok(opened) if opened.is_immediate() => Answer::Now(exchange.run_now(opened)),
        Ok(opened) => Answer::Later(Box::pin(exchange.run(opened))),
        Err(missing) => Answer::Later(Box::pin(exchange.answer(known, missing))),
    }
}

impl Exchange {
    /// Looks up what is missing, one after the other, and answers.
    async fn answer(mut self, mut known: Known, mut missing: Missing) -> Response {
        let opened = loop {
            let looked_up = match missing {
                Missing::ServerKey => {
                    let Ctx { store, vault, clock, server_key, .. } = &*self.ctx;
                    server_key.lookup(store, vault, clock).await.map(|key| known.server_key = Some(key))
                }
                Missing::App => {
                    let (ownerid, name) = (self.form.text_not_zero("ownerid"), self.form.text_not_zero("name"));
                    apps::lookup(&self.ctx.store, ownerid.unwrap_or_default(), name.unwrap_or_default())
                        .await
                        .map(|app| known.app = Some(app))
                }
                Missing::Session(id) => {
                    sessions::lookup(&self.ctx.store, id).await.map(|session| known.session = Some(session))
                }
                Missing::Variable(app, name) => {
                    variables::lookup(&self.ctx.store, app, name).await.map(|found| known.variable = Some(found))
                }
            };
            if let Err(error) = looked_up {
                let mut sealer = Sealer::new(self.version, self.form.raw("init_iv"));
                if self.version.sealing == Sealing::Ed25519 {
                    sealer.server_key = known.server_key.or_else(|| self.ctx.server_key.last());
                }
                let seal = match (known.session.flatten(), known.app.flatten()) {
                    (Some(session), _) => sealer.of_session(&session),
                    (None, Some(app)) => sealer.secret(&app.sign_key),
                    (None, None) => sealer.none(),
                };
                return Opened::unknown(self.version, &self.form, seal).fail(&self.ctx, &error);
            }
            match self.open(&mut known) {
                Ok(opened) => break opened,
                Err(more) => missing = more,
            }
        };
        if opened.is_immediate() { self.run_now(opened) } else { self.run(opened).await }
    }

    /// The checks before dispatch, in the order of contract section 2. What is not in memory is asked for by `Err`.
    fn open(&self, known: &mut Known) -> Result<Opened, Missing> {
        let form = &self.form;
        let mut sealer = Sealer::new(self.version, form.raw("init_iv"));
        if self.version.sealing == Sealing::Ed25519 {
            let known_key = known.server_key.clone().or_else(|| self.ctx.server_key.fresh(&self.ctx.store));
            // An address that asks too often is answered by the key at hand.
            let key = known_key.or_else(|| self.request.limited.and(self.ctx.server_key.last()));
            sealer.server_key = Some(key.ok_or(Missing::ServerKey)?);
            known.server_key = sealer.server_key.clone();
        }
        let mut opened = Opened::unknown(self.version, form, sealer.none());
        if self.version.sealing == Sealing::Envelope && !self.ctx.serves_1_0 {
            return Ok(opened.refuse(Refusal::VersionOff));
        }
        // First, so that the log names the call of what is refused before it is dispatched.
        let call = form.raw("type").and_then(|name| calls::find(name, self.version));
        opened.call = call;
        let (Some(ownerid), name) = (form.text_not_zero("ownerid"), form.text_not_zero("name")) else {
            return Ok(opened.refuse(Refusal::OwnerIdMissing));
        };
        let Some(name) = name else { return Ok(opened.refuse(Refusal::AppNameMissing)) };
        if ownerid.len() != 10 {
            return Ok(opened.refuse(Refusal::OwnerIdLength));
        }
        let cache = self.ctx.store.cache();
        // Taken, and given back when something is missing: all threads count who holds the same few apps, so that each
        // further hold is a wait.
        let found = match known.app.take() {
            Some(found) => found,
            None => cache.app(ownerid, name).map(Some).or_else(|| self.unasked()).ok_or(Missing::App)?,
        };
        if found.is_none()
            && let Some(wait) = self.request.limited
        {
            return Ok(opened.refuse(Refusal::RateLimited(wait)));
        }
        let Some(app) = found else { return Ok(opened.refuse(Refusal::AppNotFound)) };

        // The one value that is exact: not even trimmed (contract 1.4).
        let id = form.text("sessionid").and_then(|text| text.parse().ok());
        let opens = matches!(call, Some(Call { run: Run::Open(_), .. }));
        let session = match (known.session.take(), id) {
            (None, Some(id)) if !opens => match cache.session(id).map(Some).or_else(|| self.unasked()) {
                Some(found) => found,
                None => {
                    known.app = Some(Some(app));
                    return Err(Missing::Session(id));
                }
            },
            (found, _) => found.flatten(),
        };
        // A session of another app is none, and its key is none of this app's business. What stands behind a token
        // or a browser of other formats is none either: they give it for less than a program's login asks.
        opened.session = session.filter(|session| session.app == app.id && session.kind == SessionKind::Init);
        // From here on, refusals are in the app's words and signed: with its secret, until a session is known.
        opened.seal = match &opened.session {
            Some(session) => sealer.of_session(session),
            None if opens => sealer.opening(&app.sign_key, form.raw("enckey").is_some()),
            None => sealer.secret(&app.sign_key),
        };
        let app = &*opened.app.insert(app);

        if let Some(wait) = self.request.limited.filter(|_| !known.spared) {
            let (own_shares, request) = (&self.ctx.own_shares, &self.request);
            known.spared = opened.session.as_ref().is_some_and(|session| own_shares.take(session, request));
            if !known.spared {
                return Ok(opened.refuse(Refusal::RateLimited(wait)));
            }
        }
        if !app.settings.keyauth {
            if opens {
                opened.seal = sealer.secret(&app.sign_key);
            }
            return Ok(opened.refuse(Refusal::FormatOff));
        }
        if app.settings.banned {
            if opens {
                opened.seal = sealer.secret(&app.sign_key);
            }
            return Ok(opened.refuse(Refusal::AppBanned));
        }
        if let Some(fault) = form.fault() {
            return Ok(opened.refuse(Refusal::InvalidRequest(fault.to_string())));
        }
        let Some(call) = call else {
            // The one refusal of 1.0 after the app is found that is not enciphered (contract section 2).
            if self.version.sealing == Sealing::Envelope {
                opened.seal = sealer.none();
            }
            return Ok(opened.refuse(Refusal::UnknownCall));
        };
        if let Err(refusal) = (call.first)(form) {
            return Ok(opened.refuse(refusal));
        }
        if !opens {
            match &opened.session {
                None => {
                    // Without a session nobody knows a key that the client would verify with.
                    opened.seal = sealer.none();
                    return Ok(opened.refuse(Refusal::SessionNotFound));
                }
                Some(session) => {
                    if let Err(refusal) = check_live(session, app, self.request.now) {
                        return Ok(opened.refuse(refusal));
                    }
                }
            }
        }
        if let Some(envelope) = opened.seal.envelope() {
            match envelope.open(form) {
                Ok(form) => opened.form = Some(form),
                Err(name) => return Ok(opened.refuse(Refusal::InvalidRequest(not_opened(name)))),
            }
            if let Some(fault) = opened.form.as_ref().and_then(Form::fault) {
                return Ok(opened.refuse(Refusal::InvalidRequest(fault.to_string())));
            }
        }
        if let Run::Variable(name, _) = call.run
            && let Some(name) = name(opened.form.as_ref().unwrap_or(form))
        {
            opened.variable = match known.variable.take().or_else(|| cache.variable(app.id, name).map(Some)) {
                Some(found) => found,
                None => {
                    let missing = Missing::Variable(app.id, name.to_owned());
                    (known.app, known.session) = (Some(opened.app), Some(opened.session));
                    return Err(missing);
                }
            };
        }
        Ok(opened)
    }

    /// An address that asks too often is not worth a question to the database: what is not in memory is not there.
    fn unasked<T>(&self) -> Option<Option<T>> {
        self.request.limited.map(|_| None)
    }

    fn enckey(&self) -> Enckey<'_> {
        match (self.version.has_enckey(), self.form.raw("enckey")) {
            (false, _) => Enckey::NotApplicable,
            (true, _) if self.version.sealing == Sealing::Envelope => {
                Enckey::Envelope(self.form.text("enckey").unwrap_or_default())
            }
            (true, None) => Enckey::Missing,
            (true, Some(raw)) => {
                Enckey::Given(self.form.text("enckey").unwrap_or(if raw.is_empty() { raw } else { "" }))
            }
        }
    }

    fn token_file(&self) -> Option<TokenFile<'_>> {
        let file = TokenFile { text: self.form.text("token"), hash: self.form.text("thash") };
        self.version.has_token_files().then_some(file)
    }

    fn run_now(&mut self, mut opened: Opened) -> Response {
        if let Some(refusal) = opened.refusal.clone() {
            return opened.finish(&self.ctx, Err(Stop::Refused(refusal)));
        }
        if let Some(form) = opened.form.take() {
            self.form = form;
        }
        let outcome = match (&opened.call, &opened.session, &opened.app) {
            (Some(Call { run: Run::Session(run), .. }), Some(session), Some(app)) => {
                run(&self.req(app), session).map_err(Stop::Refused)
            }
            (Some(Call { run: Run::Variable(_, run), .. }), Some(session), _) => {
                run(session, opened.variable.as_deref()).map_err(Stop::Refused)
            }
            _ => Err(Stop::Refused(Refusal::UnknownCall)),
        };
        opened.finish(&self.ctx, outcome)
    }

    fn req<'a>(&'a self, app: &'a App) -> Req<'a> {
        Req {
            app,
            form: &self.form,
            ip: self.request.peer,
            now: self.request.now,
            lists: &self.ctx.lists,
            public_url: &self.ctx.public_url,
            vault: &self.ctx.vault,
            limits: &self.ctx.limits,
            mail: self.ctx.mail,
            enckey: self.enckey(),
            token_file: self.token_file(),
            login_token: self.form.text("token").filter(|_| self.version.has_login_tokens()),
            guess: self.ctx.guesses.guess(&self.guessed, self.request.peer, self.request.since_start),
        }
    }

    /// Runs a call that needs the database, in as many turns as it needs proofs.
    async fn run(mut self, mut opened: Opened) -> Response {
        let ctx = Arc::clone(&self.ctx);
        let (Some(call), Some(app)) = (opened.call, opened.app.clone()) else {
            return opened.finish(&ctx, Err(Stop::Refused(Refusal::UnknownCall)));
        };
        if let Some(form) = opened.form.take() {
            self.form = form;
        }
        let session = opened.session.clone();
        let job = Arc::new((self, app, session));
        let mut proof = None;
        for _ in 0..turns::TRIES {
            let outcome = turn(&ctx.store, call, &job, proof.take()).await;
            let work = match outcome {
                Err(Stop::Prove(work)) => work,
                outcome => return finish(&ctx, opened, outcome).await,
            };
            proof = match turns::prove(&ctx, job.0.request.peer, work).await {
                Ok(proof) => Some(proof),
                Err(stop) => return opened.finish(&ctx, Err(stop)),
            };
        }
        opened.finish(&ctx, Err(Stop::Refused(Refusal::Busy)))
    }
}

/// What a client is told whose value is not enciphered with the key agreed on.
fn not_opened(name: &str) -> String {
    format!("The value of \"{name}\" is not enciphered as this API wants it. Check the app secret in the client.")
}

type Job = Arc<(Exchange, Arc<App>, Option<Arc<Session>>)>;

/// Runs a call once: on a reader or on the writer, as the call says and its proof allows.
async fn turn(store: &store::Store, call: &'static Call, job: &Job, proof: Option<Proof>) -> Result<Reply, Stop> {
    let job = Arc::clone(job);
    match call.run {
        Run::Open(run) => store.write(move |tx| run(&job.0.req(&job.1), tx)).await,
        // What memory answers was answered before.
        Run::Session(_) | Run::Variable(..) => Err(Refusal::UnknownCall.into()),
        Run::Read(run) => {
            store
                .read(move |tx| {
                    let session = job.2.as_deref().ok_or(Refusal::SessionNotFound)?;
                    run(&job.0.req(&job.1), session, tx)
                })
                .await
        }
        Run::Outside(run) => {
            let asking = Arc::clone(&job);
            let errand = store.read(move |tx| {
                let session = asking.2.as_deref().ok_or(Refusal::SessionNotFound)?;
                run(&asking.0.req(&asking.1), session, tx)
            });
            fulfil(&job.0, errand.await?).await
        }
        Run::Password(run) if proof.is_none() => {
            store
                .read(move |tx| {
                    let session = job.2.as_deref().ok_or(Refusal::SessionNotFound)?;
                    run(&job.0.req(&job.1), session, tx, None)
                })
                .await
        }
        Run::Write(run) | Run::Password(run) => {
            store
                .write(move |tx| {
                    let id = job.2.as_ref().ok_or(Refusal::SessionNotFound)?.id;
                    // The session as it is now: it may have ended since it was looked up.
                    let session = crate::domain::session::live(tx, &job.1, id, job.0.request.now)?;
                    run(&job.0.req(&job.1), &session, tx, proof.as_ref())
                })
                .await
        }
    }
}

/// Does what is left to do for an answer. Nothing of the database is held here.
async fn fulfil(exchange: &Exchange, errand: Errand) -> Result<Reply, Stop> {
    let (ask, answer) = match errand {
        Errand::Done(reply) => return Ok(reply),
        Errand::Fetch(ask, answer) => (ask, answer),
    };
    let (limits, client) = (&exchange.ctx.limits, exchange.request.peer);
    let _place = limits.fetch(client).ok_or(Refusal::Busy)?;
    let got = exchange.ctx.fetcher.fetch(ask).await;
    let room = match &got {
        Ok(got) => Some(limits.room(client, got.body.len()).ok_or(Refusal::Busy)?),
        Err(_) => None,
    };
    Ok(Reply { room, ..answer(got)? })
}

/// Writes and seals an answer; a large one on a thread of its own, because that takes a while, and others wait here. How
/// many such threads there are is bounded by the room that large answers share.
async fn finish(ctx: &Arc<Ctx>, opened: Opened, outcome: Result<Reply, Stop>) -> Response {
    let is_large = matches!(&outcome, Ok(Reply { room: Some(room), .. }) if room.content() > LARGE);
    if !is_large {
        return opened.finish(ctx, outcome);
    }
    let (version, (deliver, promise)) = (opened.version, pending());
    let there = Arc::clone(ctx);
    let work = move || deliver.deliver(opened.finish(&there, outcome));
    if let Err(error) = thread::Builder::new().name("large-answer".to_owned()).spawn(work) {
        tracing::error!(%error, "no thread for a large answer");
    }
    promise.await.unwrap_or_else(|_| answer::fault(ctx, version, Fault::Panicked))
}
