//! Owners, apps and plans as data.

use std::fmt;
use std::sync::Arc;

use super::ids::{AppId, OwnerRow, PlanId};
use super::settings::Settings;
use super::sign_key::SignKey;
use super::time::Time;

/// An account that has apps. `ownerid` is what its clients send.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Row.
    pub id: OwnerRow,
    /// Unique without regard to case; part of the customer panel's link.
    pub name: Arc<str>,
    /// Ten alphanumerics, shared by all apps of the owner.
    pub ownerid: Arc<str>,
    /// When it was created.
    pub created_at: Time,
}

/// An app with everything that answering a call needs. Shared by all calls that are under way.
#[derive(Clone)]
pub struct App {
    /// Row.
    pub id: AppId,
    /// Unique for the owner; exact.
    pub name: Arc<str>,
    /// Its owner's `ownerid`.
    pub ownerid: Arc<str>,
    /// Its owner's name.
    pub owner: Arc<str>,
    /// 64 lower-case hex characters; signs 1.2 answers, and is inside every client.
    pub secret: String,
    /// The same, ready to sign.
    pub sign_key: Arc<SignKey>,
    /// 32 lower-case hex characters; opens the seller API.
    pub sellerkey: String,
    /// The id that clients of Authgate and Wacht know it by.
    pub uuid: Arc<str>,
    /// What Authgate's clients name it by: 32 lower-case hex characters, no secret.
    pub api_key: Arc<str>,
    /// What proves that: 64 lower-case hex characters.
    pub api_secret: String,
    /// When it was created.
    pub created_at: Time,
    /// When it was paused, if it is: from then on its running subscriptions stand still.
    pub paused_at: Option<Time>,
    /// Its settings.
    pub settings: Settings,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// KeyAuth's "subscription" of an app: the name that a license level gives.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Row.
    pub id: PlanId,
    /// Shown to the customer.
    pub name: String,
    /// Licenses of this level give this plan.
    pub level: String,
}
