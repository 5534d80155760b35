//! `fetchOnline`: who is logged in (contract 4.7).

use crate::domain::{Refusal, Stop, online};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;
use crate::wire::reply::Json;

use super::{Call, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "fetchOnline",
    help: "lists who is logged in, each name once: ten characters, then a * for each further byte",
    aliases: &[],
    fields: &[],
    refuses: &[Refusal::NobodyOnline],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Read(run),
};

fn run(req: &Req<'_>, _: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let names = online::online(tx, req.app, req.now)?;
    let users: Vec<Json> = names.into_iter().map(|name| Json::Object(vec![("credential", name.into())])).collect();
    Ok(Reply::with("Successfully fetched online users.", vec![("users", users.into())]))
}
