//! Authgate's format: bytes to domain and back. The protocol as we serve it is described in the README beside this file.
//! Decides no rule, knows no SQL.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::domain::secret::same;
use crate::domain::{Refusal, Stop, app};
use crate::model::app::App;
use crate::model::exchange::{Method, Request, Response};
use crate::model::session::SessionKind;
use crate::store::apps::{self, Named};

use super::{Answer, Ctx, Door, Family, Fault};

mod activate_license;
mod answer;
mod app_context;
mod body;
mod caller;
mod download;
mod login;
mod sign_up;
mod sign_up_with_license_code;
mod words;

use answer::{Denied, No, Reply};
use words::Asked;

/// Where the endpoints are. Each is also at its bare path: the product's own pages print them so.
pub const BASE: &str = "/api/integration";

/// This family.
pub static FAMILY: Family = Family {
    name: "authgate",
    base: Some(BASE),
    calls: || ENDPOINTS.iter().map(|endpoint| endpoint.path.trim_start_matches('/')).collect(),
    paths: &[
        ("/api/integration/sign_up", &sign_up::ENDPOINT.door),
        ("/sign_up", &sign_up::ENDPOINT.door),
        ("/api/integration/sign_up_with_license_code", &sign_up_with_license_code::ENDPOINT.door),
        ("/sign_up_with_license_code", &sign_up_with_license_code::ENDPOINT.door),
        ("/api/integration/auth/login", &login::ENDPOINT.door),
        ("/auth/login", &login::ENDPOINT.door),
        ("/api/integration/app_context", &app_context::ENDPOINT.door),
        ("/app_context", &app_context::ENDPOINT.door),
        ("/api/integration/activate_license", &activate_license::ENDPOINT.door),
        ("/activate_license", &activate_license::ENDPOINT.door),
        ("/api/integration/files/{}/download", &download::ENDPOINT.door),
        ("/files/{}/download", &download::ENDPOINT.door),
        ("/api/integration/{*}", &NOTHING),
    ],
};

/// All endpoints, in the order of the contract.
pub static ENDPOINTS: &[&Endpoint] = &[
    &sign_up::ENDPOINT,
    &sign_up_with_license_code::ENDPOINT,
    &login::ENDPOINT,
    &app_context::ENDPOINT,
    &activate_license::ENDPOINT,
    &download::ENDPOINT,
];

/// One path, with one method.
pub struct Endpoint {
    /// Its path after [`BASE`].
    pub path: &'static str,
    /// How it is asked; a `Get` answers `Head` too.
    pub method: Method,
    /// What it does, in one line.
    pub help: &'static str,
    /// What it reads beside the two headers that every call has.
    pub fields: &'static [Field],
    door: Door,
    /// How it says no to credentials and licenses.
    asked: Asked,
    run: fn(Call) -> Run,
}

/// A call on its way.
type Run = Pin<Box<dyn Future<Output = Result<Reply, No>> + Send>>;

/// Something that an endpoint reads: a field of the body, a header, or the place in the path.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub help: &'static str,
}

/// The headers that name an application and prove it.
const APP_HEADERS: &[&str] = &["x-api-key", "x-api-secret"];

/// Those, and the ones that name a user.
const USER_HEADERS: &[&str] = &[
    "x-api-key",
    "x-api-secret",
    "authorization",
    "x-api-username",
    "x-api-password",
    "x-api-license-code",
    "x-hardware-id",
];

/// What every endpoint that takes a user reads of it.
const USER_FIELDS: &[Field] = &[
    Field { name: "Authorization", help: "`Bearer` and a session token" },
    Field { name: "x-api-username", help: "in place of a token: the username (setting authgateLegacy)" },
    Field { name: "x-api-password", help: "the password that belongs to it" },
    Field { name: "x-api-license-code", help: "in place of these two: the license code of a license-only user" },
    Field { name: "x-hardware-id", help: "the device, with credentials in headers" },
];

/// Compared with when nobody has the API key: as long as a secret, and none.
const NO_SECRET: &str = "----------------------------------------------------------------";

/// A request of an application that is known, and open to its clients.
struct Call {
    ctx: Arc<Ctx>,
    app: Arc<App>,
    request: Request,
}

/// Anything else under [`BASE`].
static NOTHING: Door = Door {
    answer: |ctx, _| Answer::Now(answer::send(ctx, "", None, Err(Denied::NO_SUCH_PATH.into()), Asked::Entry)),
    headers: &[],
    fault,
};

fn answer(ctx: &Arc<Ctx>, mut request: Request, endpoint: &'static Endpoint) -> Answer {
    if request.limited.is_some() && is_spared(ctx, &request) {
        request.limited = None;
    }
    let method = if request.method == Method::Head { Method::Get } else { request.method };
    let refused = match (method == endpoint.method, request.limited) {
        (false, _) => No::Denied(Denied::wrong_method(endpoint.method)),
        (true, Some(wait)) => Refusal::RateLimited(wait).into(),
        (true, None) => return Answer::Later(Box::pin(respond(Arc::clone(ctx), request, endpoint))),
    };
    Answer::Now(answer::send(ctx, endpoint.path, None, Err(refused), endpoint.asked))
}

async fn respond(ctx: Arc<Ctx>, request: Request, endpoint: &'static Endpoint) -> Response {
    let (app, outcome) = match application(&ctx, &request).await {
        Ok(app) => {
            let named = Arc::clone(&app);
            let outcome = match is_open(&app) {
                Ok(()) => (endpoint.run)(Call { ctx: Arc::clone(&ctx), app, request }).await,
                Err(refusal) => Err(refusal.into()),
            };
            (Some(named), outcome)
        }
        Err(no) => (None, Err(no)),
    };
    answer::send(&ctx, endpoint.path, app, outcome, endpoint.asked)
}

/// The application that asks. Whatever is wrong with its two headers, the answer is the same, and so is what is done:
/// a secret is compared in any case.
async fn application(ctx: &Ctx, request: &Request) -> Result<Arc<App>, No> {
    let app = match request.header("x-api-key") {
        Some(key) => apps::lookup_named(&ctx.store, Named::ApiKey(key)).await.map_err(Stop::Failed)?,
        None => None,
    };
    let secret = request.header("x-api-secret").unwrap_or_default();
    let proven = same(secret, app.as_ref().map_or(NO_SECRET, |app| &app.api_secret));
    app.filter(|_| proven).ok_or(No::Denied(Denied::WRONG_APP))
}

/// Whether it comes with the session token of somebody who is known in memory, and has room of its own.
fn is_spared(ctx: &Ctx, request: &Request) -> bool {
    let app = request.header("x-api-key").and_then(|key| apps::known_named(&ctx.store, Named::ApiKey(key)));
    let id = request.header("authorization").and_then(caller::bearer);
    let (Some(app), Some(session)) = (app, id.and_then(|id| ctx.store.cache().session(id))) else { return false };
    let proven = same(request.header("x-api-secret").unwrap_or_default(), &app.api_secret);
    let is_own = session.app == app.id && session.kind == SessionKind::Token;
    proven && is_own && ctx.own_shares.take(&session, request)
}

fn is_open(app: &App) -> Result<(), Refusal> {
    if app.settings.authgate { app::check_open(app) } else { Err(Refusal::FormatOff) }
}

fn fault(ctx: &Ctx, fault: Fault) -> Response {
    answer::send(ctx, "", None, Err(No::Denied(Denied::fault(fault))), Asked::Entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_at_both_of_its_paths_and_says_what_it_is() {
        for endpoint in ENDPOINTS {
            for path in [endpoint.path.to_owned(), format!("{BASE}{}", endpoint.path)] {
                let found = FAMILY.paths.iter().find(|(known, _)| *known == path);
                assert!(found.is_some_and(|(_, door)| std::ptr::eq(*door, &raw const endpoint.door)), "{path}");
            }
            assert!(!endpoint.help.is_empty() && endpoint.fields.iter().all(|field| !field.help.is_empty()));
        }
        assert_eq!(FAMILY.paths.len(), ENDPOINTS.len() * 2 + 1);
        assert_eq!(NO_SECRET.len(), 64);
    }
}
