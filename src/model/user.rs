//! Users, what they hold and where they log in from, as data.

use std::fmt;

use uuid::Uuid;

use super::ids::{LicenseId, SubscriptionId, UserId};
use super::time::Time;

/// A user of one app.
#[derive(Clone, Debug)]
pub struct User {
    /// Row.
    pub id: UserId,
    /// Random, and the same for ever.
    pub uuid: Uuid,
    /// As first written; compared without regard to ASCII case. At most 70 bytes.
    pub name: String,
    /// How this user proves who it is.
    pub credential: Credential,
    /// The e-mail address as it was given; of users from elsewhere often only its SHA-1 is known.
    pub email: Option<String>,
    /// SHA-1 of the lower-cased e-mail address, in hex.
    pub email_sha1: Option<String>,
    /// Whether the address is this user's alone, so that it can sign in by it.
    pub email_claimed: bool,
    /// What it says about itself.
    pub profile: Profile,
    /// How many devices it may have; none: as many as the app says.
    pub device_limit: Option<i64>,
    /// How many session tokens it may have at one time; none: as many as the app says.
    pub session_limit: Option<i64>,
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

/// What a user says about itself when it signs up in a browser.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Phone number; no two users of an app have the same.
    pub phone: Option<String>,
    /// What stands before it, like `+1`.
    pub phone_country_code: Option<String>,
}

impl User {
    /// The number that Wacht's clients know it by: of its UUID's random bits, positive, below 2^63 and never used again
    /// (wacht W23), as row numbers are.
    pub fn number(&self) -> u64 {
        self.uuid.as_u64_pair().1 >> 1
    }

    /// A new user that has nothing yet.
    pub fn new(uuid: Uuid, name: String, credential: Credential, now: Time) -> User {
        User {
            id: UserId(0),
            uuid,
            name,
            credential,
            email: None,
            email_sha1: None,
            email_claimed: false,
            profile: Profile::default(),
            device_limit: None,
            session_limit: None,
            ip: None,
            created_at: now,
            last_login_at: now,
            banned: false,
            ban_reason: None,
        }
    }
}

/// How many of it are set only: people are not for logs.
impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [&self.first_name, &self.last_name, &self.phone, &self.phone_country_code];
        f.debug_struct("Profile").field("set", &set.into_iter().flatten().count()).finish_non_exhaustive()
    }
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
