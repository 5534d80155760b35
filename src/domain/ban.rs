//! Bans: devices and addresses that an app keeps out. Knows no clock and no wire.

use std::net::IpAddr;

use crate::model::ban::{BanTarget, MAX_HWID};
use crate::model::ids::AppId;
use crate::store::bans::{self, Ban, Hit};
use crate::store::{self, Tx};

use super::Refusal;
use super::license::MAX_REASON;

/// The longest note on a ban, in bytes.
pub const MAX_NOTE: usize = MAX_REASON;

/// Why nothing was banned.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// Customers read the reason: it has a limit (contract section 5).
    #[error("a ban's reason has at most {MAX_REASON} bytes and no control characters")]
    Reason,
    /// The note is too long.
    #[error("a note on a ban has at most {MAX_NOTE} bytes and no control characters")]
    Note,
    /// The hwid is empty or too long.
    #[error("a hwid has 1 to {MAX_HWID} bytes")]
    Hwid,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The refusal that the app's bans have for this device and address, if any.
pub fn find(tx: &mut Tx<'_>, app: AppId, hwid: Option<&str>, ip: IpAddr) -> Result<Option<Refusal>, store::Error> {
    Ok(bans::hit(tx, app, hwid, ip)?.map(|hit| match hit {
        Hit::Hwid => Refusal::HwidBanned,
        Hit::Address => Refusal::AddressBanned,
    }))
}

/// Adds a ban. False: it was there.
pub fn add(tx: &mut Tx<'_>, app: AppId, new: &Ban) -> Result<bool, BanError> {
    if let BanTarget::Hwid(hwid) = &new.target
        && (hwid.is_empty() || hwid.len() > MAX_HWID || hwid.contains('\0'))
    {
        return Err(BanError::Hwid);
    }
    if !new.note.as_deref().is_none_or(|note| fits(note, MAX_NOTE)) {
        return Err(BanError::Note);
    }
    bans::insert(tx, app, new).map_err(BanError::Store)
}

/// The reason of a ban on a user or a license, if it is fit; a blank one is none.
pub fn reason(text: Option<&str>) -> Result<Option<&str>, BanError> {
    match text.filter(|text| !text.trim().is_empty()) {
        Some(text) if !fits(text, MAX_REASON) => Err(BanError::Reason),
        other => Ok(other),
    }
}

fn fits(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_a_limit() {
        assert_eq!(reason(None).unwrap(), None);
        assert_eq!(reason(Some("  ")).unwrap(), None);
        assert_eq!(reason(Some(&"x".repeat(99))).unwrap().map(str::len), Some(99));
        assert!(matches!(reason(Some(&"x".repeat(100))), Err(BanError::Reason)));
        assert!(matches!(reason(Some("a\nb")), Err(BanError::Reason)));
    }
}
