//! Devices: what a client may call its device, and to which device a user is bound.

use crate::model::app::App;
use crate::model::ban::MAX_HWID;
use crate::model::ids::UserId;
use crate::model::time::Time;
use crate::model::user::Device;
use crate::store::{Tx, devices};

use super::{Refusal, Stop};

/// Whether a hwid (or its absence) is acceptable before anything else is looked at (contract 4.3, checks 2 and 3).
pub fn check_shape(app: &App, hwid: Option<&str>) -> Result<(), Refusal> {
    let least = app.settings.min_hwid;
    match hwid {
        Some(hwid) if (hwid.len() as i64) < least => Err(Refusal::HwidTooShort(least)),
        Some(hwid) if hwid.len() > MAX_HWID => Err(Refusal::HwidTooLong),
        None if app.settings.force_hwid => Err(Refusal::HwidMissing),
        _ => Ok(()),
    }
}

/// Holds a user to its device: the first one given is bound, later ones must be among the bound. Answers the device
/// that the client is shown.
pub fn bind(tx: &mut Tx<'_>, app: &App, user: UserId, hwid: Option<&str>, now: Time) -> Result<Option<String>, Stop> {
    let bound = devices::of_user(tx, user)?;
    if app.settings.hwid_check {
        match hwid {
            Some(hwid) if bound.is_empty() => {
                devices::insert(tx, user, hwid, now)?;
            }
            // Leaving the hwid out does not open the lock (Appendix D).
            _ if !bound.is_empty() && !is_among(&bound, hwid) => return Err(Refusal::HwidMismatch.into()),
            _ => {}
        }
    }
    if is_among(&bound, hwid) || bound.is_empty() {
        return Ok(hwid.map(str::to_owned));
    }
    Ok(bound.into_iter().next().map(|device| device.hwid))
}

fn is_among(bound: &[Device], hwid: Option<&str>) -> bool {
    bound.iter().any(|device| Some(device.hwid.as_str()) == hwid)
}
