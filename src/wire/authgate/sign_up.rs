//! `POST /sign_up`: a new user with a name and a password (contract 1.2). It has no membership, and is not logged in.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::domain::secret::{Proof, new_uuid};
use crate::domain::user::{self, Entered, Name, SignUp};
use crate::domain::{device, subscription};
use crate::model::app::App;
use crate::model::exchange::Method;
use crate::model::time::Time;
use crate::model::user::Profile;
use crate::store::Tx;
use crate::wire::reply::{Fields, Json};
use crate::wire::{Door, turns};

use super::answer::{No, Reply};
use super::words::Asked;
use super::{APP_HEADERS, Call, Endpoint, Field, answer, body, fault};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/sign_up",
    method: Method::Post,
    help: "makes a user with a name and a password",
    fields: &[
        Field { name: "username", help: "what it is to be called" },
        Field { name: "password", help: "its password" },
        Field { name: "hardware_id", help: "its device; required where the setting hwidcheck is 1" },
    ],
    door: Door { answer: |ctx, request| answer(ctx, request, &ENDPOINT), headers: APP_HEADERS, fault },
    asked: Asked::SignUp,
    run: |call| Box::pin(run(call)),
};

/// What a new user brings along.
pub(super) struct Wanted {
    /// Its name and password, if it chose them.
    pub(super) chosen: Option<(String, String)>,
    /// What it is called if it did not.
    pub(super) drawn: String,
    /// The license to redeem.
    pub(super) code: Option<String>,
    /// Its device.
    pub(super) hwid: Option<String>,
}

async fn run(call: Call) -> Result<Reply, No> {
    let object = body::read(&call.request)?;
    let chosen = (body::required(&object, "username")?, body::required(&object, "password")?);
    let hwid = body::optional(&object, "hardware_id")?;
    sign_up(call, Wanted { chosen: Some(chosen), drawn: String::new(), code: None, hwid }).await
}

/// Signs somebody up, and says who it is.
pub(super) async fn sign_up(call: Call, wanted: Wanted) -> Result<Reply, No> {
    device::check_given(&call.app, wanted.hwid.as_deref())?;
    let uuid = new_uuid(&mut rand::rng());
    let (ctx, app) = (Arc::clone(&call.ctx), Arc::clone(&call.app));
    let (ip, now, guessed) = (call.request.peer, call.request.now, AtomicBool::new(false));
    let since_start = call.request.since_start;
    let work = move |tx: &mut Tx<'_>, proof: Option<&Proof>| {
        let (name, password) = match &wanted.chosen {
            Some((name, password)) => (Name::Given(name), Some(password.as_str())),
            None => (Name::Drawn(&wanted.drawn), None),
        };
        let by = SignUp {
            name,
            password,
            key: wanted.code.as_deref(),
            hwid: wanted.hwid.as_deref(),
            email: None,
            claims_email: false,
            profile: Profile::default(),
            ip,
            now,
            uuid,
            guess: ctx.guesses.guess(&guessed, ip, since_start),
        };
        user::sign_up(tx, &app, &ctx.lists, &by, proof)
    };
    let entered = turns::run(&call.ctx, ip, work).await?;
    Ok(Reply::Json(new_user(&call.app, &entered, now)))
}

fn new_user(app: &App, entered: &Entered, now: Time) -> Fields {
    let is_active = subscription::membership(app, &entered.subscriptions, now).is_active;
    vec![
        ("id", entered.user.uuid.to_string().into()),
        ("username", entered.user.name.clone().into()),
        ("membership", Json::Object(vec![("is_active", is_active.into())])),
    ]
}
