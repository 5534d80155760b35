//! Licenses as data.

use super::ids::{LicenseId, UserId};
use super::time::{Span, Time};

/// A key with a level, a duration and a state.
#[derive(Clone)]
pub struct License {
    /// Row.
    pub id: LicenseId,
    /// As first written; compared without regard to ASCII case. At most 70 bytes.
    pub key: String,
    /// What it gives: every plan of this level. At most 12 bytes.
    pub level: String,
    /// Counted from redemption.
    pub duration: Span,
    /// The operator's own words, at most 69 bytes.
    pub note: Option<String>,
    /// Who made it.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it was redeemed; none while it is unused.
    pub used_at: Option<Time>,
    /// Who redeemed it; none if unused, if that user was deleted, or if that user is opened by its name (`license::delete`).
    pub used_by: Option<UserId>,
    /// Whether it is banned, whatever else it is.
    pub banned: bool,
    /// Why it is banned, at most 99 bytes.
    pub ban_reason: Option<String>,
    /// Whether the operator has stopped it for a while.
    pub paused: bool,
    /// From when on it cannot be redeemed. What it gives a new user ends then at the latest; a user who holds something
    /// gets at most the time that is left until then.
    pub expires_at: Option<Time>,
}

/// The state that decides what a license may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LicenseState {
    /// May be redeemed.
    Unused,
    /// Was redeemed.
    Used,
    /// May not be redeemed until the operator lets it run again.
    Paused,
    /// May not be redeemed, and does not open its license-only user.
    Banned,
}

impl LicenseState {
    /// KeyAuth's word for it (contract section 6), and Authly's where it has none.
    pub fn label(self) -> &'static str {
        match self {
            LicenseState::Unused => "Not Used",
            LicenseState::Used => "Used",
            LicenseState::Paused => "Paused",
            LicenseState::Banned => "Banned",
        }
    }
}

impl License {
    /// Banned counts before used, used before paused.
    pub fn state(&self) -> LicenseState {
        match (self.banned, self.used_at, self.paused) {
            (true, ..) => LicenseState::Banned,
            (false, Some(_), _) => LicenseState::Used,
            (false, None, true) => LicenseState::Paused,
            (false, None, false) => LicenseState::Unused,
        }
    }

    /// Whether its absolute end has come.
    pub fn is_over(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// What it gives when it is redeemed at `now`: its duration, but not past its absolute end.
    pub fn gives(&self, now: Time) -> Span {
        match (self.duration, self.expires_at.map(|end| end - now)) {
            (Span::Lifetime, Some(left)) => Span::Seconds(left),
            (Span::Seconds(seconds), Some(left)) => Span::Seconds(seconds.min(left)),
            (duration, None) => duration,
        }
    }
}

impl std::fmt::Debug for License {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("License").field("id", &self.id).field("state", &self.state()).finish_non_exhaustive()
    }
}
