//! `POST /auth/login`: a session token for credentials (contract 2.1). It lives for five minutes; then the client logs in
//! again.

use crate::model::exchange::Method;
use crate::wire::Door;

use super::answer::{Denied, No, Reply};
use super::caller::{Credentials, Stay, enter};
use super::words::Asked;
use super::{APP_HEADERS, Call, Endpoint, Field, answer, body, fault};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/auth/login",
    method: Method::Post,
    help: "gives a session token for five minutes",
    fields: &[
        Field { name: "credentials", help: "an object: `username` and `password`, or `code`" },
        Field { name: "hardware_id", help: "the device; required where the setting hwidcheck is 1" },
        Field { name: "two_factor_code", help: "the code of the second factor, if the user has one" },
    ],
    door: Door { answer: |ctx, request| answer(ctx, request, &ENDPOINT), headers: APP_HEADERS, fault },
    asked: Asked::Entry,
    run: |call| Box::pin(run(call)),
};

async fn run(call: Call) -> Result<Reply, No> {
    let object = body::read(&call.request)?;
    let given = object.object("credentials").ok_or_else(|| Denied::missing("credentials"))?;
    let credentials = match body::optional(given, "code")? {
        Some(code) => Credentials::Code(code),
        None => Credentials::Password(body::required(given, "username")?, body::required(given, "password")?),
    };
    let hwid = body::optional(&object, "hardware_id")?;
    let code = body::optional(&object, "two_factor_code")?;
    if !call.app.settings.authgate_tokens {
        return Err(Denied::NO_TOKENS.into());
    }
    let (_, token) = enter(&call, credentials, hwid, code, Stay::Token).await?;
    Ok(Reply::Json(vec![("session_token", token.to_string().into())]))
}
