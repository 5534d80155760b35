//! Users, what they hold and where they log in from, as data.

use std::fmt;

use super::ids::{LicenseId, SubscriptionId, UserId};
use super::time::Time;

/// A user of one app.
#[derive(Clone, Debug)]
pub struct User {
    /// Row.
    pub id: UserId,
    /// As first written; compared without regard to ASCII case. At most 70 bytes.
    pub name: String,
    /// How this user proves who it is.
    pub credential: Credential,
    /// SHA-1 of the lower-cased e-mail address, in hex.
    pub email_sha1: Option<String>,
    /// The address of the last login.
    pub ip: Option<String>,
    /// When it was created.
    pub created_at: Time,
    /// The last login; the creation counts.
    pub last_login_at: Time,
    /// Whether it is banned.
    pub banned: bool,
    /// Why it is banned, at most 99 bytes.
    pub ban_reason: Option<String>,
}

/// How a user proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A password's hash: PHC text (argon2id), or bcrypt of an imported user until its first login.
    Password(String),
    /// The license that made this user. No password, and none can be claimed.
    License,
    /// No password yet: the first login sets it. Only operators create such users.
    Claimable,
    /// Nothing opens this user until an operator sets a password.
    Locked,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credential::Password(_) => "Password(…)",
            Credential::License => "License",
            Credential::Claimable => "Claimable",
            Credential::Locked => "Locked",
        })
    }
}

/// What one user holds: a plan until some time.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Row.
    pub id: SubscriptionId,
    /// The plan's name.
    pub plan: String,
    /// The plan's level when it was granted.
    pub level: Option<String>,
    /// The license that gave it, if one did at registration.
    pub license: Option<LicenseId>,
    /// That license's key.
    pub key: Option<String>,
    /// When it was granted.
    pub granted_at: Time,
    /// When it ends; none is lifetime.
    pub expires_at: Option<Time>,
    /// When it was paused on its own, if it is. (An app that is paused pauses all that run.)
    pub paused_at: Option<Time>,
}

/// A device bound to a user.
#[derive(Clone, Debug)]
pub struct Device {
    /// What the client says its device is; exact. At most 2,000 bytes.
    pub hwid: String,
    /// When it was bound.
    pub bound_at: Time,
}
