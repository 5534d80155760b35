//! The table `bans`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::ban::{BanTarget, parse_network};
use crate::model::ids::AppId;
use crate::model::time::Time;

use super::{Error, Result, Row, Tx};

const HIT: &str = "SELECT kind FROM bans WHERE app_id = $1 AND kind = 'hwid' AND value = $2 \
                   UNION ALL SELECT kind FROM bans WHERE app_id = $1 AND kind = 'ip' AND value = $3 \
                   UNION ALL SELECT kind FROM bans WHERE app_id = $1 AND kind = 'network' \
                   AND first_address <= $4 AND last_address >= $4 LIMIT 1";
const ALL: &str = "SELECT kind, value, note, created_at FROM bans WHERE app_id = $1 ORDER BY id";
const INSERT: &str = "INSERT INTO bans (app_id, kind, value, first_address, last_address, note, created_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM bans WHERE app_id = $1 AND kind = $2 AND value = $3";

/// A ban as it stands.
#[derive(Clone, Debug)]
pub struct Ban {
    /// What it is on.
    pub target: BanTarget,
    /// The operator's own words.
    pub note: Option<String>,
    /// When it was made.
    pub created_at: Time,
}

/// What a ban was found on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// The device.
    Hwid,
    /// The address, by itself or within a network.
    Address,
}

/// Whether the app bans this device or this address; the device is looked at first.
pub fn hit(tx: &mut Tx<'_>, app: AppId, hwid: Option<&str>, ip: IpAddr) -> Result<Option<Hit>> {
    let (text, bytes) = (ip.to_string(), address_bytes(ip));
    // No ban is on an empty hwid.
    let values = [app.0.into(), hwid.unwrap_or_default().into(), (&text).into(), bytes.as_slice().into()];
    tx.row(HIT, &values, |row| Ok(if row.text(0)? == "hwid" { Hit::Hwid } else { Hit::Address }))
}

/// All bans of an app, oldest first.
pub fn all(tx: &mut Tx<'_>, app: AppId) -> Result<Vec<Ban>> {
    tx.rows(ALL, &[app.0.into()], ban)
}

/// Adds a ban. False: it was there.
pub fn insert(tx: &mut Tx<'_>, app: AppId, new: &Ban) -> Result<bool> {
    let (kind, value) = columns(&new.target);
    let (first, last) = match &new.target {
        BanTarget::Network(net) if kind == "network" => {
            (Some(address_bytes(net.network())), Some(address_bytes(net.broadcast())))
        }
        _ => (None, None),
    };
    let values = [
        app.0.into(),
        kind.into(),
        (&value).into(),
        first.as_ref().map(<[u8; 16]>::as_slice).into(),
        last.as_ref().map(<[u8; 16]>::as_slice).into(),
        new.note.as_ref().into(),
        new.created_at.0.into(),
    ];
    tx.exec(INSERT, &values).map(|n| n == 1)
}

/// Lifts a ban. False: there was none.
pub fn delete(tx: &mut Tx<'_>, app: AppId, target: &BanTarget) -> Result<bool> {
    let (kind, value) = columns(target);
    tx.exec(DELETE, &[app.0.into(), kind.into(), (&value).into()]).map(|n| n == 1)
}

fn columns(target: &BanTarget) -> (&'static str, String) {
    let kind = match target {
        BanTarget::Hwid(_) => "hwid",
        BanTarget::Network(net) if is_single(net) => "ip",
        BanTarget::Network(_) => "network",
    };
    (kind, target.to_string())
}

fn is_single(net: &IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

/// Sixteen bytes, IPv4 as IPv4-mapped IPv6: "inside a network" is then a comparison of bytes on any engine.
fn address_bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn ban(row: &Row<'_>) -> Result<Ban> {
    let (kind, value) = (row.text(0)?, row.text(1)?);
    let target = if kind == "hwid" {
        BanTarget::Hwid(value)
    } else {
        BanTarget::Network(parse_network(&value).map_err(|_| Error::Bug(format!("a ban on {value:?}")))?)
    };
    Ok(Ban { target, note: row.opt_text(2)?, created_at: Time(row.int(3)?) })
}
