//! Authly's format: JSON bodies, one path for each call, statuses and codes; a session from `init` stands for the app. The
//! protocol as we serve it is described in the README beside this file. Decides no rule; knows no SQL.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::domain::secret::Proof;
use crate::domain::session::{check_live, live};
use crate::domain::{Refusal, Stop, app};
use crate::model::app::App;
use crate::model::exchange::{Method, Request, Response};
use crate::model::ids::SessionId;
use crate::model::session::{Session, SessionKind};
use crate::store::apps::{self, Named};
use crate::store::{self, sessions};

use super::json::{self, JsonFault, Object};
use super::{Answer, Ctx, Door, Family, turns};

mod answer;
pub mod endpoints;
mod person;
mod seal;
mod words;

use answer::Reply;
use endpoints::{Call, Endpoint, Run, init};
use seal::Seal;
use words::No;

/// The paths of an endpoint, at both versions of the API: nobody documents a difference between them but the signature.
macro_rules! paths {
    ($($endpoint:ident: $($path:literal),+;)*) => {
        &[$($(
            (concat!("/api/v2/", $path), &door(|ctx, request| answer(ctx, request, &endpoints::$endpoint::ENDPOINT))),
            (concat!("/api/v1/", $path), &door(|ctx, request| answer(ctx, request, &endpoints::$endpoint::ENDPOINT))),
        )+)*
            ("/api/v2/{*}", &NOTHING),
            ("/api/v1/{*}", &NOTHING),
        ]
    };
}

/// This family. A line for each endpoint of [`endpoints::TABLE`], with its name and its aliases.
pub static FAMILY: Family = Family {
    name: "authly",
    base: Some("/api/v2"),
    calls: || endpoints::TABLE.iter().map(|endpoint| endpoint.name).collect(),
    paths: paths! {
        init: "init";
        register: "register";
        login: "login";
        licenses: "licenses", "license-login";
        extend: "extend";
        change_password: "change-password";
        variables: "variables", "variables/get";
        variables_set: "variables/set";
        chats_send: "chats/send";
        chats_get: "chats/get";
        logs: "logs";
        validate_session: "validate-session", "validate";
        blacklist_check: "blacklist/check";
    },
};

/// Anything else below these paths.
static NOTHING: Door = door(|_, _| Answer::Now(answer::nothing()));

const fn door(answer: super::Answerer) -> Door {
    Door { answer, headers: seal::HEADERS, fault: |_, fault| answer::fault(fault) }
}

fn answer(ctx: &Arc<Ctx>, request: Request, endpoint: &'static Endpoint) -> Answer {
    if request.method != Method::Post {
        return Answer::Now(answer::not_post(endpoint));
    }
    let ctx = Arc::clone(ctx);
    Answer::Later(Box::pin(async move { exchange(ctx, request, endpoint).await }))
}

async fn exchange(ctx: Arc<Ctx>, mut request: Request, endpoint: &'static Endpoint) -> Response {
    let body = json::read(request.content_type.as_deref(), &request.body);
    let fields = body.as_ref().ok();
    // First of all, because even what cannot be read is refused with a signature where the app wants one.
    let (known, failed) = match who(&ctx, &request, endpoint, fields).await {
        Ok(known) => (known, None),
        Err(error) => (Known::default(), Some(error)),
    };
    if request.limited.is_some()
        && let Known { app: Some(_), session: Some(session) } = &known
        && ctx.own_shares.take(session, &request)
    {
        request.limited = None;
    }
    let app = known.app.clone();
    let seal = Seal::new(&ctx, app.as_deref(), &request, fields).await;
    let outcome = match failed {
        Some(error) => Err(No::from(Stop::Failed(error))),
        None => run(&ctx, &request, endpoint, body, known).await,
    };
    answer::finish(&ctx, endpoint, app.as_ref(), seal, outcome)
}

/// Whom a request is about, as far as it is known.
#[derive(Default)]
struct Known {
    app: Option<Arc<App>>,
    session: Option<Arc<Session>>,
}

/// The session that a request names, and its app. Without one, the app that it names by its owner's id and its name:
/// `init` does, and other calls may. For an address that asks too often only what is in memory is looked at.
async fn who(
    ctx: &Ctx,
    request: &Request,
    endpoint: &Endpoint,
    fields: Option<&Object>,
) -> Result<Known, store::Error> {
    let (Some(fields), store) = (fields, &ctx.store) else { return Ok(Known::default()) };
    let ask = request.limited.is_none();
    let id = fields.text("session_id").and_then(|text| text.parse::<SessionId>().ok());
    if let Some(id) = id.filter(|_| !endpoint.opens()) {
        let found = if ask { sessions::lookup(store, id).await? } else { store.cache().session(id) };
        // Tokens and sign-ins of other formats are no sessions of a program.
        if let Some(session) = found.filter(|session| session.kind == SessionKind::Init) {
            let named = Named::Row(session.app);
            let app = if ask { apps::lookup_named(store, named).await? } else { apps::known_named(store, named) };
            return Ok(Known { app, session: Some(session) });
        }
    }
    let (Some(owner), Some(name)) = (fields.text("owner_id"), fields.text("app_name")) else {
        return Ok(Known::default());
    };
    let app = if ask { apps::lookup(store, owner, name).await? } else { store.cache().app(owner, name) };
    Ok(Known { app, session: None })
}

/// The checks in the order of the contract's section 1.4, and then the call itself.
async fn run(
    ctx: &Arc<Ctx>,
    request: &Request,
    endpoint: &'static Endpoint,
    body: Result<Object, JsonFault>,
    known: Known,
) -> Result<Reply, No> {
    if let Some(wait) = request.limited {
        return Err(Refusal::RateLimited(wait).into());
    }
    let body = body.map_err(|fault| match fault {
        JsonFault::ContentType => No::NotJson,
        JsonFault::Unreadable | JsonFault::TooManyFields => No::MissingFields,
    })?;
    let call = Call {
        ctx: Arc::clone(ctx),
        endpoint,
        body,
        ip: request.peer,
        now: request.now,
        since_start: request.since_start,
        guessed: AtomicBool::new(false),
    };
    call.check()?;
    (endpoint.first)(&call)?;
    if let Run::Open(run) = endpoint.run {
        let app = init::admit(&call, known.app).await?;
        check_open(&app)?;
        let hash_is_missing = call.text("hash").is_none();
        let opened = ctx.store.write(move |tx| run(&call, &app, tx)).await;
        return opened.map_err(|stop| No::of_init(stop, hash_is_missing));
    }
    let (Some(session), Some(app)) = (known.session, known.app) else {
        return Err(Refusal::SessionNotFound.into());
    };
    check_live(&session, &app, call.now)?;
    check_open(&app)?;
    Ok(call_on(call, app, session).await?)
}

/// Whether the app answers clients of this format now.
fn check_open(app: &App) -> Result<(), Refusal> {
    if app.settings.authly { app::check_open(app) } else { Err(Refusal::FormatOff) }
}

/// Runs a call that has a session: where it needs to be run, and in as many turns as it needs proofs.
async fn call_on(call: Call, app: Arc<App>, session: Arc<Session>) -> Result<Reply, Stop> {
    let (ctx, ip, id) = (Arc::clone(&call.ctx), call.ip, session.id);
    let call = Arc::new(call);
    match call.endpoint.run {
        Run::Open(_) => Err(Refusal::SessionNotFound.into()),
        Run::Session(run) => Ok(run(&session)),
        Run::Read(run) => ctx.store.read(move |tx| run(&call, &app, &session, tx)).await,
        Run::Password(run) => {
            // The session as it is now: it may have ended since it was looked up.
            turns::run(&ctx, ip, move |tx, proof| run(&call, &app, &live(tx, &app, id, call.now)?, tx, proof)).await
        }
        Run::Write(run) => {
            let mut proof = Proof::Nothing;
            for _ in 0..turns::TRIES {
                let (call, app) = (Arc::clone(&call), Arc::clone(&app));
                let written =
                    ctx.store.write(move |tx| run(&call, &app, &live(tx, &app, id, call.now)?, tx, Some(&proof))).await;
                match written {
                    Err(Stop::Prove(work)) => proof = turns::prove(&ctx, ip, work).await?,
                    written => return written,
                }
            }
            Err(Refusal::Busy.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_answers_at_its_name_and_its_aliases_in_both_versions() {
        let mut wanted: Vec<String> = Vec::new();
        for endpoint in endpoints::TABLE {
            for name in std::iter::once(&endpoint.name).chain(endpoint.aliases) {
                wanted.extend([format!("/api/v2/{name}"), format!("/api/v1/{name}")]);
            }
        }
        wanted.extend(["/api/v2/{*}", "/api/v1/{*}"].map(str::to_owned));
        let served: Vec<_> = FAMILY.paths.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(served, wanted);
    }
}
