//! `POST /auth/signup`: makes a user and signs it in (section 1).

use crate::domain::Stop;
use crate::domain::browser as rules;
use crate::domain::secret::{Proof, new_username, new_uuid};
use crate::domain::user::{Name, SignUp};
use crate::model::exchange::Method;
use crate::model::user::Profile;
use crate::store::Tx;

use super::shown::{self, Detail};
use super::sign_in::drawn;
use super::{Endpoint, Entered, Field, Place, Req, Run, answer, door, missing};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    name: "signup",
    paths: ["/auth/signup", "/wacht/{}/auth/signup"],
    method: Method::Post,
    help: "makes a user and signs it in",
    place: Place::Body,
    fields: &[
        Field { name: "email", help: "required; one user of the app for each address" },
        Field { name: "first_name", help: "given name" },
        Field { name: "last_name", help: "family name" },
        Field { name: "username", help: "one user of the app for each; without it the address, or a drawn one" },
        Field { name: "phone_number", help: "one user of the app for each" },
        Field { name: "phone_country_code", help: "what stands before it, like +1" },
        Field { name: "password", help: "at least eight characters; without it no password opens the user" },
        Field { name: "invite_token", help: "an unused license, where the app's wachtSignUp is invitation" },
    ],
    door: door(|ctx, request| answer(ctx, request, &ENDPOINT)),
    run: Run::Password(run),
};

fn run(req: &Req, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Entered, Stop> {
    let form = &req.form;
    let email = rules::email(form.text("email").ok_or_else(|| missing("Email"))?)?;
    let rng = &mut rand::rng();
    let wished = new_username(rng);
    let owned = |name| form.text(name).map(str::to_owned);
    let by = SignUp {
        name: match form.text("username") {
            Some(name) => Name::Given(name),
            None => Name::Wished { name: &email, drawn: &wished },
        },
        password: form.text("password"),
        key: form.text("invite_token"),
        hwid: None,
        email: Some(&email),
        claims_email: true,
        profile: Profile {
            first_name: owned("first_name"),
            last_name: owned("last_name"),
            phone: owned("phone_number"),
            phone_country_code: owned("phone_country_code"),
        },
        ip: req.request.peer,
        now: req.request.now,
        uuid: new_uuid(rng),
        guess: req.guess(),
    };
    let browser = rules::sign_up(tx, &req.app, &req.ctx.lists, req.at(), &by, &drawn(req), proof)?;
    Ok((shown::whole(req, tx, &browser, Detail::Bare)?, browser))
}
