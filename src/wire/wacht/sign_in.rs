//! `POST /auth/signin`: signs a user in by its password (2.1).

use crate::domain::browser::{self as rules, By};
use crate::domain::secret::{Proof, new_long_session_id, new_number, new_uuid};
use crate::domain::two_factor::Factor;
use crate::domain::user::Claim;
use crate::domain::{Refusal, Stop};
use crate::model::browser::NewSignIn;
use crate::model::exchange::Method;
use crate::model::ids::SignInId;
use crate::store::Tx;

use super::shown::{self, Detail};
use super::{Endpoint, Entered, Field, Place, Req, Run, answer, door, missing};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    name: "signin",
    paths: ["/auth/signin", "/wacht/{}/auth/signin"],
    method: Method::Post,
    help: "signs a user in by its password",
    place: Place::Body,
    fields: &[
        Field { name: "strategy", help: "required; plain_email or plain_username" },
        Field { name: "email", help: "required with plain_email" },
        Field { name: "username", help: "required with plain_username" },
        Field { name: "password", help: "required" },
        Field { name: "two_factor_code", help: "the code of the second factor, where the user has one" },
    ],
    door: door(|ctx, request| answer(ctx, request, &ENDPOINT)),
    run: Run::Password(run),
};

fn run(req: &Req, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Entered, Stop> {
    let (form, ip, now) = (&req.form, req.request.peer, req.request.now);
    let (by, name, title) = match form.text("strategy") {
        Some("plain_email") => (By::Email, "email", "Email"),
        Some("plain_username") => (By::Username, "username", "Username"),
        _ => return Err(Refusal::InvalidRequest("Invalid or missing strategy".to_owned()).into()),
    };
    let name = form.text(name).ok_or_else(|| missing(title))?;
    let password = form.text("password").ok_or_else(|| missing("Password"))?;
    let claim = Claim {
        username: (by == By::Username).then_some(name),
        email: (by == By::Email).then_some(name),
        password: Some(password),
        token: None,
        key: None,
        hwid: None,
        ip,
        now,
        uuid: new_uuid(&mut rand::rng()),
        factor: Factor { code: form.text("two_factor_code"), ip, now, vault: &req.ctx.vault, guess: req.guess() },
    };
    let browser = rules::sign_in(tx, &req.app, req.at(), by, &claim, &drawn(req), proof)?;
    Ok((shown::whole(req, tx, &browser, Detail::Full)?, browser))
}

/// What a new sign-in is called.
pub(super) fn drawn(req: &Req) -> NewSignIn {
    let rng = &mut rand::rng();
    NewSignIn {
        id: SignInId(new_number(rng)),
        attempt: new_number(rng),
        session: new_long_session_id(rng),
        ip: req.request.peer,
        now: req.request.now,
    }
}
