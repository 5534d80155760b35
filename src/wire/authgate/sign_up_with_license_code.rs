//! `POST /sign_up_with_license_code`: a new user made by a license, with a name that is drawn and no password (contract
//! 1.3). Its membership runs at once; it is not logged in.

use crate::domain::secret::new_username;
use crate::model::exchange::Method;
use crate::wire::Door;

use super::answer::{No, Reply};
use super::sign_up::{Wanted, sign_up};
use super::words::Asked;
use super::{APP_HEADERS, Call, Endpoint, Field, answer, body, fault};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/sign_up_with_license_code",
    method: Method::Post,
    help: "makes a user of a license, which is used up",
    fields: &[
        Field { name: "code", help: "the license; from then on it is what the user logs in with" },
        Field { name: "hardware_id", help: "its device; required where the setting hwidcheck is 1" },
    ],
    door: Door { answer: |ctx, request| answer(ctx, request, &ENDPOINT), headers: APP_HEADERS, fault },
    asked: Asked::SignUp,
    run: |call| Box::pin(run(call)),
};

async fn run(call: Call) -> Result<Reply, No> {
    let object = body::read(&call.request)?;
    let code = Some(body::required(&object, "code")?);
    let hwid = body::optional(&object, "hardware_id")?;
    let drawn = new_username(&mut rand::rng());
    sign_up(call, Wanted { chosen: None, drawn, code, hwid }).await
}
