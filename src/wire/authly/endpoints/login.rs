//! `login`: logs a user in by name and password (contract 2.1).

use crate::domain::Stop;
use crate::domain::secret::Proof;
use crate::domain::user::{self, Claim, Terms};
use crate::model::app::App;
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::authly::answer::Reply;
use crate::wire::authly::person;

use super::{CODE, Call, DEVICE, Endpoint, Run, SESSION, anything, required};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "login",
    aliases: &[],
    help: "logs a user in by name and password",
    fields: &[
        SESSION,
        required(&["username"], "compared without regard to case"),
        required(&["password"], "the password"),
        required(DEVICE, "the device; the first one is bound, see the setting hwidcheck"),
        CODE,
    ],
    settings: &["minHwid", "hwidcheck", "deviceLimit", "killOtherSessions"],
    first: anything,
    run: Run::Password(run),
};

fn run(call: &Call, app: &App, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let claim = Claim { username: call.text("username"), password: call.text("password"), ..person::claim(call) };
    let entered = user::login(tx, app, &claim, Terms::Program, proof)?;
    let id = person::take_seat(call, app, session, tx, &entered)?;
    let fields = vec![("user", person::user(call, app, tx, &entered)?)];
    Ok(Reply { message: "Login success", session: Some(id), fields })
}
