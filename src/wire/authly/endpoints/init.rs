//! `init`: opens a session for a program that knows the app's secret (contract 1.5).

use std::sync::Arc;

use crate::domain::secret::{new_long_session_id, same};
use crate::domain::session::{self, Enckey, HashKind, Opening};
use crate::domain::{Refusal, Stop, ban};
use crate::model::app::App;
use crate::store::{Tx, owners};
use crate::wire::authly::answer::Reply;
use crate::wire::authly::words::No;

use super::{Call, Endpoint, Run, anything, required, text};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "init",
    aliases: &[],
    help: "opens a session, which all other calls need",
    fields: &[
        required(&["owner_id"], "the owner's id"),
        required(&["app_name"], "the app's name; exact"),
        required(&["secret"], "the app's secret"),
        required(&["version"], "the program's version"),
        text(&["hash"], "SHA-256 of the program file in hex; for the setting hashcheck"),
    ],
    settings: &["vpnblock", "ver", "download", "hashcheck", "hashSha256", "session"],
    first: anything,
    run: Run::Open(run),
};

/// The app that the request names, if it proves that it may.
pub(in crate::wire::authly) async fn admit(call: &Call, app: Option<Arc<App>>) -> Result<Arc<App>, No> {
    let Some(app) = app else {
        let owner = call.text("owner_id").unwrap_or_default().to_owned();
        let known = call.ctx.store.read(move |tx| owners::by_ownerid(tx, &owner).map_err(Stop::Failed)).await?;
        return Err(known.map_or(No::OwnerNotFound, |_| Refusal::AppNotFound.into()));
    };
    if same(call.text("secret").unwrap_or_default(), &app.secret) { Ok(app) } else { Err(No::InvalidSecret) }
}

fn run(call: &Call, app: &App, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    if let Some(refusal) = ban::find(tx, app.id, None, call.ip)? {
        return Err(refusal.into());
    }
    let id = new_long_session_id(&mut rand::rng());
    let opening = Opening {
        id,
        enckey: Enckey::NotApplicable,
        token_file: None,
        version: call.text("version"),
        hash: call.text("hash"),
        hash_kind: HashKind::Sha256,
        ip: call.ip,
        now: call.now,
    };
    session::open(tx, app, &call.ctx.lists, &opening)?;
    let fields = vec![
        ("owner_id", app.ownerid.to_string().into()),
        ("app_name", app.name.to_string().into()),
        ("version", app.settings.version.clone().into()),
    ];
    Ok(Reply { message: "Init success", session: Some(id), fields })
}
