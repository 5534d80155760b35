//! `fetchStats`: how many users, users online and licenses the app has (contract 4.8).

use crate::domain::{Stop, online};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_2;

use super::{Call, Reply, Req, Run, anything, app_info};

pub(super) const CALL: Call = Call {
    name: "fetchStats",
    help: "tells how many users, users online and licenses the app has, counted now",
    aliases: &[],
    fields: &[],
    refuses: &[],
    settings: &["ver"],
    since: &V1_2,
    first: anything,
    run: Run::Read(run),
};

fn run(req: &Req<'_>, _: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let counts = online::counts(tx, req.app, req.now)?;
    let numbers = [counts.users, counts.online, counts.licenses].map(|number| number.to_string().into());
    Ok(Reply::with("Successfully fetched stats", vec![("appinfo", app_info::object(req, numbers))]))
}
