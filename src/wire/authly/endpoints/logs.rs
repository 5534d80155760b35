//! `logs`: keeps a line, and posts it to where the app wants to read it (contract 2.8).

use crate::domain::secret::Proof;
use crate::domain::{Stop, log};
use crate::model::app::App;
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::authly::answer::Reply;
use crate::wire::discord;

use super::{Call, Endpoint, Run, SESSION, anything, required};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "logs",
    aliases: &[],
    help: "keeps a line, and posts it to the app's webhook if it has one",
    fields: &[SESSION, required(&["message"], "the line; at most 275 bytes")],
    settings: &["webhook"],
    first: anything,
    run: Run::Write(run),
};

fn run(call: &Call, app: &App, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    let line = log::line(session, call.text("message"), None, call.ip, call.now)?;
    let webhook = app.settings.webhook.trim();
    let post = (!webhook.is_empty()).then(|| discord::log_line(webhook, &line));
    log::add(tx, app.id, &line, post.as_ref(), &call.ctx.vault, &mut rand::rng())?;
    Ok(Reply::with("Log saved successfully", Vec::new()))
}
