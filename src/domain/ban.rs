//! Bans: devices and addresses that an app keeps out.

use std::net::IpAddr;

use crate::model::ids::AppId;
use crate::store::bans::{self, Hit};
use crate::store::{self, Tx};

use super::Refusal;

/// The refusal that the app's bans have for this device and address, if any.
pub fn find(tx: &mut Tx<'_>, app: AppId, hwid: Option<&str>, ip: IpAddr) -> Result<Option<Refusal>, store::Error> {
    Ok(bans::hit(tx, app, hwid, ip)?.map(|hit| match hit {
        Hit::Hwid => Refusal::HwidBanned,
        Hit::Address => Refusal::AddressBanned,
    }))
}
