//! `GET /auth/identifier-availability`: whether a user has an address, a name or a phone number already (2.3). By its
//! nature it tells who has an account; what holds against asking for many is the rate limit.

use crate::domain::browser::{self as rules, Identifier};
use crate::domain::{Refusal, Stop};
use crate::model::exchange::Method;
use crate::store::Tx;
use crate::wire::reply::Json;

use super::{Endpoint, Field, Place, Req, Run, answer, door, missing};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    name: "identifier-availability",
    paths: ["/auth/identifier-availability", "/wacht/{}/auth/identifier-availability"],
    method: Method::Get,
    help: "says whether a user has this already",
    place: Place::Query,
    fields: &[
        Field { name: "identifier", help: "required; what to look for" },
        Field { name: "type", help: "required; what it is: email, username or phone" },
    ],
    door: door(|ctx, request| answer(ctx, request, &ENDPOINT)),
    run: Run::Read(run),
};

fn run(req: &Req, tx: &mut Tx<'_>) -> Result<Json, Stop> {
    let text = req.form.text("identifier").ok_or_else(|| missing("Identifier"))?;
    let identifier = match req.form.text("type") {
        Some("email") => Identifier::Email(text),
        Some("username") => Identifier::Username(text),
        Some("phone") => Identifier::Phone(text),
        _ => return Err(Refusal::InvalidRequest("Invalid or missing type".to_owned()).into()),
    };
    let exists = rules::is_taken(tx, &req.app, identifier)?;
    Ok(Json::Object(vec![("exists", exists.into())]))
}
