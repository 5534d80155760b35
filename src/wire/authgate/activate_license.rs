//! `POST /activate_license`: more time for a user who proves to be it by name and password (contract 2.4).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::domain::license;
use crate::domain::secret::{Proof, new_uuid};
use crate::domain::two_factor::Factor;
use crate::domain::user::{self, Claim, Upgraded};
use crate::model::app::App;
use crate::model::exchange::Method;
use crate::model::time::{Span, Time};
use crate::store::Tx;
use crate::wire::reply::{Fields, Json};
use crate::wire::{Door, turns};

use super::answer::{No, Reply, utc};
use super::words::Asked;
use super::{APP_HEADERS, Call, Endpoint, Field, answer, body, fault};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/activate_license",
    method: Method::Post,
    help: "redeems a license for a user, whose membership gets longer",
    fields: &[
        Field { name: "code", help: "the license" },
        Field { name: "username", help: "the user" },
        Field { name: "password", help: "its password" },
        Field { name: "two_factor_code", help: "the code of the second factor, if the user has one" },
    ],
    door: Door { answer: |ctx, request| answer(ctx, request, &ENDPOINT), headers: APP_HEADERS, fault },
    asked: Asked::Activation,
    run: |call| Box::pin(run(call)),
};

async fn run(call: Call) -> Result<Reply, No> {
    let object = body::read(&call.request)?;
    let key = body::required(&object, "code")?;
    let (username, password) = (body::required(&object, "username")?, body::required(&object, "password")?);
    let code = body::optional(&object, "two_factor_code")?;
    let uuid = new_uuid(&mut rand::rng());
    let (ctx, app) = (Arc::clone(&call.ctx), Arc::clone(&call.app));
    let (ip, now, guessed) = (call.request.peer, call.request.now, AtomicBool::new(false));
    let since_start = call.request.since_start;
    let work = move |tx: &mut Tx<'_>, proof: Option<&Proof>| {
        let guess = ctx.guesses.guess(&guessed, ip, since_start);
        let factor = Factor { code: code.as_deref(), ip, now, vault: &ctx.vault, guess };
        let claim = Claim {
            username: Some(&username),
            password: Some(&password),
            token: None,
            key: Some(&key),
            hwid: None,
            email: None,
            ip,
            now,
            uuid,
            factor,
        };
        user::activate(tx, &app, &claim, proof)
    };
    let upgraded = turns::run(&call.ctx, ip, work).await?;
    Ok(Reply::Json(adjustment(&call.app, &upgraded, now)))
}

fn adjustment(app: &App, upgraded: &Upgraded, now: Time) -> Fields {
    let minutes = match upgraded.gave {
        Span::Seconds(seconds) => Json::Int(seconds / 60),
        Span::Lifetime => Json::Null,
    };
    vec![
        ("id", license::uuid(app, &upgraded.license, "adjustment").to_string().into()),
        ("occurred_at", utc(now)),
        ("minutes", minutes),
        ("grants_lifetime_access", (upgraded.gave == Span::Lifetime).into()),
        ("revokes_lifetime_access", false.into()),
        ("license_id", license::uuid(app, &upgraded.license, "license").to_string().into()),
        ("type", "license".into()),
    ]
}
