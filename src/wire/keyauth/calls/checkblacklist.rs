//! `checkblacklist`: whether the device or the address is banned (contract 4.12). "Not banned" is the failure.

use crate::domain::{Refusal, Stop, ban};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;

use super::{Call, Field, Reply, Req, Run, anything};

pub(super) const CALL: Call = Call {
    name: "checkblacklist",
    help: "tells whether this device or this address is banned; success means banned",
    aliases: &["checkBlack"],
    fields: &[Field { name: "hwid", help: "the device; without it only the address is looked at" }],
    refuses: &[Refusal::NotBanned],
    settings: &[],
    since: &V1_0,
    first: anything,
    run: Run::Read(run),
};

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    match ban::find(tx, session.app, req.form.text("hwid"), req.ip)? {
        Some(_) => Ok(Reply::message("Client is blacklisted")),
        None => Err(Refusal::NotBanned.into()),
    }
}
