//! Devices: what a client may call its device, and to which device a user is bound.

use crate::model::app::App;
use crate::model::ban::MAX_HWID;
use crate::model::time::Time;
use crate::model::user::{Device, User};
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

/// Whether a client says which device it is, where the app wants to know (authgate 2.6): a format whose clients always can.
pub fn check_given(app: &App, hwid: Option<&str>) -> Result<(), Refusal> {
    let wanted = app.settings.hwid_check || app.settings.force_hwid;
    if wanted && hwid.is_none() { Err(Refusal::HwidMissing) } else { Ok(()) }
}

/// Holds a user to its devices: the first ones given are bound, as many as it may have; later ones must be among the
/// bound. Answers the device
/// that the client is shown.
pub fn bind(tx: &mut Tx<'_>, app: &App, user: &User, hwid: Option<&str>, now: Time) -> Result<Option<String>, Stop> {
    let bound = devices::of_user(tx, user.id)?;
    if app.settings.hwid_check {
        match hwid {
            Some(hwid) if is_among(&bound, Some(hwid)) => {}
            Some(hwid) if (bound.len() as i64) < limit(app, user) => {
                devices::insert(tx, user.id, hwid, now)?;
                return Ok(Some(hwid.to_owned()));
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

/// How many devices a user may have.
pub fn limit(app: &App, user: &User) -> i64 {
    user.device_limit.unwrap_or(app.settings.device_limit)
}

fn is_among(bound: &[Device], hwid: Option<&str>) -> bool {
    bound.iter().any(|device| Some(device.hwid.as_str()) == hwid)
}
