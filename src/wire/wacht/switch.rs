//! `POST /session/switch-sign-in`: makes another user who is signed in on this browser the one that counts (2.2).

use crate::domain::{Refusal, Stop, browser as rules};
use crate::model::exchange::Method;
use crate::model::ids::SignInId;
use crate::store::Tx;
use crate::wire::reply::Json;

use super::shown::{self, Detail};
use super::{Endpoint, Field, Place, Req, Run, answer, door};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    name: "switch-sign-in",
    paths: ["/session/switch-sign-in", "/wacht/{}/session/switch-sign-in"],
    method: Method::Post,
    help: "makes another user who is signed in on this browser the one that counts",
    place: Place::Query,
    fields: &[Field { name: "sign_in_id", help: "required; the id of one of `signins`" }],
    door: door(|ctx, request| answer(ctx, request, &ENDPOINT)),
    run: Run::Write(run),
};

fn run(req: &Req, tx: &mut Tx<'_>) -> Result<Json, Stop> {
    let to = wanted(req)?.ok_or_else(unfit)?;
    rules::switch(tx, &req.browser, to, req.request.now)?;
    shown::whole(req, tx, &req.browser, Detail::Full)
}

/// The sign-in that a request names, if it names one.
pub(super) fn wanted(req: &Req) -> Result<Option<SignInId>, Refusal> {
    let id = |text: &str| text.parse().map(SignInId).map_err(|_| unfit());
    req.form.text("sign_in_id").map(id).transpose()
}

fn unfit() -> Refusal {
    Refusal::InvalidRequest("Invalid sign in ID".to_owned())
}
