//! `webhook`: asks an address that the client does not see, and hands back what it answers (contract 4.15).

use crate::domain::{Refusal, Stop, relay};
use crate::model::session::Session;
use crate::outside::fetch::{Ask, FetchError, Fetched, Method};
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Errand, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "webhook",
    help: "asks an address that the client does not see, and hands back what it answers",
    aliases: &[],
    fields: &[
        Field { name: "webid", help: "the relay's id; exact" },
        Field {
            name: "params",
            help: "appended to the relay's URL, decoded once more than the form; at most 4096 bytes",
        },
        Field { name: "body", help: "sent there as it is, by POST; without it the address is asked by GET" },
        Field { name: "conttype", help: "the body's Content-Type; none unless given" },
    ],
    refuses: &[Refusal::RelayNotFound, Refusal::SessionNotValidated, Refusal::RelayFailed],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Outside(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>) -> Result<Errand, Stop> {
    let relay = relay::find(tx, session, req.form.text("webid"))?;
    // The one value that is not cleaned (contract 1.4).
    let body = req.form.raw("body").unwrap_or_default();
    let ask = Ask {
        url: relay::address(&relay, req.form.text("params"))?,
        method: if body.is_empty() { Method::Get } else { Method::Post },
        body: body.into(),
        content_type: req.form.text("conttype").map(str::to_owned),
        user_agent: relay.user_agent,
        limit: req.limits.relay,
    };
    Ok(Errand::Fetch(ask, answered))
}

/// A success whatever the status was.
fn answered(got: Result<Fetched, FetchError>) -> Result<Reply, Refusal> {
    match got {
        Ok(got) => {
            let response = String::from_utf8_lossy(&got.body).into_owned();
            Ok(Reply::with("Webhook request successful", vec![("response", response.into())]))
        }
        Err(FetchError::Busy) => Err(Refusal::Busy),
        Err(_) => Err(Refusal::RelayFailed),
    }
}
