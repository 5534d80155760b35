//! `licenses`: redeems a license, or logs in the user that it made (contract 2.2).

use crate::domain::Stop;
use crate::domain::secret::Proof;
use crate::domain::user::{self, Claim};
use crate::model::app::App;
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::authly::answer::Reply;
use crate::wire::authly::person;

use super::{CODE, Call, DEVICE, Endpoint, Run, SESSION, anything, required, text};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "licenses",
    aliases: &["license-login"],
    help: "logs in with nothing but a license; its first use redeems it",
    fields: &[
        SESSION,
        required(&["license_key", "key"], "the license"),
        text(DEVICE, "the device; the first one is bound, see the setting hwidcheck"),
        CODE,
    ],
    settings: &["minHwid", "forceHwid", "hwidcheck", "deviceLimit", "minUsernameLength", "killOtherSessions"],
    first: anything,
    run: Run::Write(run),
};

fn run(call: &Call, app: &App, session: &Session, tx: &mut Tx<'_>, proof: Option<&Proof>) -> Result<Reply, Stop> {
    let key = call.text("license_key");
    let claim = Claim { username: key, password: key, key, ..person::claim(call) };
    let entered = user::enter_by_license(tx, app, &call.ctx.lists, &claim, proof)?;
    let id = person::take_seat(call, app, session, tx, &entered)?;
    let fields = vec![("license", person::license(call, key.unwrap_or_default(), &entered))];
    Ok(Reply { message: "Login success", session: Some(id), fields })
}
