//! `GET /session`: who is signed in on this browser (2.2).

use crate::domain::Stop;
use crate::model::exchange::Method;
use crate::store::Tx;
use crate::wire::reply::Json;

use super::shown::{self, Detail};
use super::{Endpoint, Place, Req, Run, answer, door};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    name: "session",
    paths: ["/session", "/wacht/{}/session"],
    method: Method::Get,
    help: "says who is signed in on this browser",
    place: Place::Query,
    fields: &[],
    door: door(|ctx, request| answer(ctx, request, &ENDPOINT)),
    run: Run::Read(run),
};

fn run(req: &Req, tx: &mut Tx<'_>) -> Result<Json, Stop> {
    shown::whole(req, tx, &req.browser, Detail::Full)
}
