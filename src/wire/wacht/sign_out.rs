//! `POST /session/sign-out`: signs one user out of this browser, or all (2.2). The browser keeps its session.

use crate::domain::{Stop, browser as rules};
use crate::model::exchange::Method;
use crate::store::Tx;
use crate::wire::reply::Json;

use super::shown::{self, Detail};
use super::{Endpoint, Field, Place, Req, Run, answer, door, switch};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    name: "sign-out",
    paths: ["/session/sign-out", "/wacht/{}/session/sign-out"],
    method: Method::Post,
    help: "signs one user out of this browser, or all",
    place: Place::Query,
    fields: &[Field { name: "sign_in_id", help: "the id of one of `signins`; without it all end" }],
    door: door(|ctx, request| answer(ctx, request, &ENDPOINT)),
    run: Run::Write(run),
};

fn run(req: &Req, tx: &mut Tx<'_>) -> Result<Json, Stop> {
    rules::sign_out(tx, &req.app, &req.browser, switch::wanted(req)?, req.request.now)?;
    shown::whole(req, tx, &req.browser, Detail::Full)
}
