//! `blacklist/check`: whether a device or the client's address is banned (contract 2.8).

use crate::domain::{Stop, ban};
use crate::model::app::App;
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::authly::answer::Reply;

use super::{Call, DEVICE, Endpoint, Run, SESSION, anything, text};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "blacklist/check",
    aliases: &[],
    help: "tells whether this device or this address is banned; the address is the one that asks",
    fields: &[SESSION, text(DEVICE, "the device; without it only the address is looked at")],
    settings: &[],
    first: anything,
    run: Run::Read(run),
};

fn run(call: &Call, app: &App, _: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let banned = ban::find(tx, app.id, call.text("sid"), call.ip)?.is_some();
    let message = if banned { "This device or IP address is blocked" } else { "Not blocked" };
    Ok(Reply::with(message, vec![("blacklisted", banned.into())]))
}
