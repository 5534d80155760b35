//! Wacht's frontend API: find the app → open the browser's session → run → envelope. The protocol as we serve it is
//! described in the README beside this file. Decides no rule, knows no SQL.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use crate::domain::browser::{self, NewBrowser};
use crate::domain::guesses::Guess;
use crate::domain::secret::{Proof, new_number, new_token};
use crate::domain::{Refusal, Stop, app as app_rules};
use crate::model::app::App;
use crate::model::browser::Browser;
use crate::model::exchange::{Method, Request, Response};
use crate::model::ids::BrowserId;
use crate::store::apps::{self, Named};
use crate::store::{self, Tx};

use super::form::{self, Form};
use super::reply::Json;
use super::{Answer, Answerer, Ctx, Door, Family, turns};

mod answer;
mod availability;
mod cookie;
mod session;
mod shown;
mod sign_in;
mod sign_out;
mod sign_up;
mod switch;
mod words;

use answer::{Frame, Seen};
use words::Words;

/// This family.
pub static FAMILY: Family = Family {
    name: "wacht",
    base: Some("/wacht/ID"),
    calls: || ENDPOINTS.iter().map(|endpoint| endpoint.name).collect(),
    paths: &PATHS,
};

/// All endpoints.
pub static ENDPOINTS: &[&Endpoint] = &[
    &sign_up::ENDPOINT,
    &sign_in::ENDPOINT,
    &availability::ENDPOINT,
    &session::ENDPOINT,
    &switch::ENDPOINT,
    &sign_out::ENDPOINT,
];

static PATHS: [(&str, &Door); 2 * ENDPOINTS.len()] = {
    let mut paths = [("", &sign_up::ENDPOINT.door); 2 * ENDPOINTS.len()];
    let mut at = 0;
    while at < paths.len() {
        let endpoint = ENDPOINTS[at / 2];
        paths[at] = (endpoint.paths[at % 2], &endpoint.door);
        at += 1;
    }
    paths
};

/// One endpoint.
pub struct Endpoint {
    /// Its name in the log.
    pub name: &'static str,
    /// Its path where the host or the server's default says which app is meant, and where the path says it.
    pub paths: [&'static str; 2],
    /// Its method.
    pub method: Method,
    /// One line for people.
    pub help: &'static str,
    /// Where its fields are.
    pub place: Place,
    /// What it takes; anything else is left aside.
    pub fields: &'static [Field],
    door: Door,
    run: Run,
}

/// Where an endpoint's fields are. Those of the other place do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the body: urlencoded or multipart.
    Body,
    /// In the query.
    Query,
}

/// One field of a request.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
}

/// How an endpoint is run; each answers its `data`.
enum Run {
    /// Reads only.
    Read(fn(&Req, &mut Tx<'_>) -> Result<Json, Stop>),
    /// Writes, and needs no password hashed.
    Write(fn(&Req, &mut Tx<'_>) -> Result<Json, Stop>),
    /// Needs a password hashed; without the proof it must not write. Somebody is in then, and the browser has the token
    /// that was drawn for it.
    Password(fn(&Req, &mut Tx<'_>, Option<&Proof>) -> Result<Entered, Stop>),
}

/// What is shown when somebody is in, and the browser as it is then.
type Entered = (Json, Browser);

/// A request as an endpoint sees it: for an app, from a browser.
struct Req {
    ctx: Arc<Ctx>,
    app: Arc<App>,
    request: Request,
    form: Form,
    browser: Browser,
    /// Drawn for it, in case that somebody signs up or in.
    fresh: (BrowserId, String),
    /// Whether something that it guessed was counted as wrong.
    guessed: AtomicBool,
}

/// The query parameter that stands for the cookie, of apps in staging mode (W41).
const DEV_SESSION: &str = "__dev_session__";

/// Who answers for an endpoint.
const fn door(answer: Answerer) -> Door {
    Door { answer, headers: &["host", "cookie", "origin"], fault: answer::fault }
}

fn answer(ctx: &Arc<Ctx>, request: Request, endpoint: &'static Endpoint) -> Answer {
    if let Some(wait) = request.limited {
        // Not worth a question to the database; the app only says which pages may read the answer.
        let app = named(&request).iter().find_map(|name| apps::known_named(&ctx.store, name.as_named()));
        let frame = Frame { ctx, request: &request, endpoint, app: app.as_ref() };
        return Answer::Now(frame.finish(None, Err(words::stopped(Refusal::RateLimited(wait).into(), false))));
    }
    Answer::Later(Box::pin(respond(Arc::clone(ctx), request, endpoint)))
}

async fn respond(ctx: Arc<Ctx>, request: Request, endpoint: &'static Endpoint) -> Response {
    let app = match find_app(&ctx, &request).await {
        Ok(Some(app)) => app,
        Ok(None) => return answer::no_app(endpoint),
        Err(error) => {
            let frame = Frame { ctx: &ctx, request: &request, endpoint, app: None };
            return frame.finish(None, Err(words::stopped(error.into(), false)));
        }
    };
    let mut seen = match open(&ctx, &app, &request).await {
        Ok(seen) => seen,
        Err(error) => {
            let frame = Frame { ctx: &ctx, request: &request, endpoint, app: Some(&app) };
            return frame.finish(None, Err(words::stopped(error.into(), false)));
        }
    };
    let outcome = match read(&request, endpoint) {
        Ok(form) => {
            let (ctx, app, request) = (Arc::clone(&ctx), Arc::clone(&app), request.clone());
            let guessed = AtomicBool::new(false);
            let req = Req { ctx, app, request, form, browser: seen.browser.clone(), fresh: drawn(), guessed };
            match run(req, endpoint).await {
                Ok((data, renewed)) => {
                    seen = renewed.unwrap_or(seen);
                    Ok(data)
                }
                Err(stop) => Err(words::stopped(stop, endpoint.is_sign_up())),
            }
        }
        Err(words) => Err(words),
    };
    Frame { ctx: &ctx, request: &request, endpoint, app: Some(&app) }.finish(Some(&seen), outcome)
}

/// What a request says about the app it means; the first that is one counts (W5).
enum Name<'a> {
    Uuid(&'a str),
    Host(String),
    Default,
}

impl Name<'_> {
    fn as_named(&self) -> Named<'_> {
        match self {
            Name::Uuid(uuid) => Named::Uuid(uuid),
            Name::Host(host) => Named::Host(host),
            Name::Default => Named::Default,
        }
    }
}

fn named(request: &Request) -> Vec<Name<'_>> {
    if !request.place.is_empty() {
        return vec![Name::Uuid(&request.place)];
    }
    let host = request.header("host").map(|host| Name::Host(without_port(host).to_ascii_lowercase()));
    host.into_iter().chain([Name::Default]).collect()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Not inside the brackets of an IPv6 address.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

async fn find_app(ctx: &Ctx, request: &Request) -> Result<Option<Arc<App>>, store::Error> {
    for name in named(request) {
        if let Some(app) = apps::lookup_named(&ctx.store, name.as_named()).await? {
            return Ok(Some(app).filter(|app| app.settings.wacht));
        }
    }
    Ok(None)
}

/// The browser that a request comes from: known by its token, else a new one (W28, W42).
async fn open(ctx: &Ctx, app: &Arc<App>, request: &Request) -> Result<Seen, store::Error> {
    let token = cookie::token(app, request);
    let now = request.now;
    if let Some(given) = token.clone() {
        let of = Arc::clone(app);
        let found = ctx.store.read(move |tx| browser::find(tx, &of, &given, now)).await?;
        if let (Some(browser), Some(token)) = (found, &token)
            && !browser::is_to_be_noted(&browser, now)
        {
            return Ok(Seen { browser, token: token.clone(), is_new: false });
        }
    }
    let (id, drawn) = drawn();
    let (of, ip) = (Arc::clone(app), request.peer);
    let opened = ctx.store.write(move |tx| {
        let browser = browser::open(tx, &of, token.as_deref(), NewBrowser { id, token: &drawn, ip }, now)?;
        let known = token.clone().filter(|_| browser.id != id);
        let is_new = known.is_none();
        Ok(Seen { browser, token: known.unwrap_or_else(|| drawn.clone()), is_new })
    });
    opened.await
}

/// What a new browser is called, and its token.
fn drawn() -> (BrowserId, String) {
    let rng = &mut rand::rng();
    (BrowserId(new_number(rng)), new_token(rng))
}

/// The fields of a request, if its method and its form are as they must be.
fn read(request: &Request, endpoint: &Endpoint) -> Result<Form, Words> {
    let is_method = match request.method {
        Method::Head => endpoint.method == Method::Get,
        method => method == endpoint.method,
    };
    if !is_method {
        return Err(words::wrong_method());
    }
    let form = match endpoint.place {
        Place::Query => query(request),
        Place::Body => {
            let content_type = request.content_type.as_deref();
            // What says nothing about an empty body is a form without fields.
            if !content_type.map_or(request.body.is_empty(), form::is_form) {
                return Err(words::unreadable());
            }
            form::read(Method::Post, b"", content_type, &request.body)
        }
    };
    if form.fault().is_some() || form.repeats(endpoint.fields.iter().map(|field| field.name)) {
        return Err(words::unreadable());
    }
    Ok(form)
}

fn query(request: &Request) -> Form {
    form::read(Method::Get, &request.query, None, &Bytes::new())
}

/// Runs an endpoint. Answers its data, and the browser if that has another token now.
async fn run(req: Req, endpoint: &'static Endpoint) -> Result<(Json, Option<Seen>), Stop> {
    let (ctx, peer) = (Arc::clone(&req.ctx), req.request.peer);
    if !endpoint.is_sign_up() {
        // Signing up has it in an order of its own.
        app_rules::check_open(&req.app)?;
    }
    match endpoint.run {
        Run::Read(run) => ctx.store.read(move |tx| Ok((run(&req, tx)?, None))).await,
        Run::Write(run) => ctx.store.write(move |tx| Ok((run(&req, tx)?, None))).await,
        Run::Password(run) => {
            let token = req.fresh.1.clone();
            let (data, browser) = turns::run(&ctx, peer, move |tx, proof| run(&req, tx, proof)).await?;
            Ok((data, Some(Seen { browser, token, is_new: true })))
        }
    }
}

impl Req {
    /// Counts what this request guesses wrong.
    fn guess(&self) -> Guess<'_> {
        self.ctx.guesses.guess(&self.guessed, self.request.peer, self.request.since_start)
    }

    /// Where somebody signs up or in.
    fn at(&self) -> browser::At<'_> {
        let (id, token) = &self.fresh;
        browser::At { browser: &self.browser, fresh: NewBrowser { id: *id, token, ip: self.request.peer } }
    }
}

impl Endpoint {
    fn is_sign_up(&self) -> bool {
        std::ptr::eq(self, &sign_up::ENDPOINT)
    }
}

/// What is said when a field is not there.
fn missing(what: &str) -> Stop {
    Refusal::InvalidRequest(format!("{what} is required")).into()
}
