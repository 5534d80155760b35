//! `register`: makes a user with a license and logs it in (contract 1.1 to 1.4).

use crate::domain::secret::{Proof, new_uuid};
use crate::domain::user::{self, Name, SignUp};
use crate::domain::{Refusal, Stop};
use crate::model::app::App;
use crate::model::session::Session;
use crate::model::user::Profile;
use crate::store::Tx;
use crate::wire::authly::answer::Reply;
use crate::wire::authly::person;
use crate::wire::reply::Json;

use super::{Call, DEVICE, Endpoint, Run, SESSION, required, text};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "register",
    aliases: &[],
    help: "makes a user with an unused license and logs it in",
    fields: &[
        SESSION,
        required(&["username"], "at most 70 bytes"),
        required(&["password"], "at most 1,024 bytes"),
        required(&["key", "license_key"], "an unused license"),
        text(&["email"], "kept and shown as it is"),
        text(DEVICE, "the device; bound if given"),
    ],
    settings: &["minUsernameLength", "blockLeakedPasswords", "killOtherSessions"],
    first,
    run: Run::Password(run),
};

fn first(call: &Call) -> Result<(), Refusal> {
    sign_up(call).check()
}

fn run(call: &Call, app: &App, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let entered = user::sign_up(tx, app, &call.ctx.lists, &sign_up(call), proof)?;
    let id = person::take_seat(call, app, session, tx, &entered)?;
    let fields = vec![("user", Json::Object(person::new_user(&entered)))];
    Ok(Reply { message: "User registered successfully", session: Some(id), fields })
}

fn sign_up(call: &Call) -> SignUp<'_> {
    SignUp {
        name: Name::Given(call.text("username").unwrap_or_default()),
        password: call.text("password"),
        key: call.text("key"),
        hwid: call.text("sid"),
        email: call.text("email"),
        claims_email: false,
        profile: Profile::default(),
        ip: call.ip,
        now: call.now,
        uuid: new_uuid(&mut rand::rng()),
        guess: call.guess(),
    }
}
