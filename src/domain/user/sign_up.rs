//! Signing up in the way of Authgate, Authly and Wacht: with a license or without, with a password or without. One order
//! of checks serves all three (authgate 1.4, authly 1.4, wacht W30): limits, the app, bans, what is taken, the license.
//! Opens no session.

use std::net::IpAddr;

use uuid::Uuid;

use crate::model::app::{App, Plan};
use crate::model::ban::MAX_HWID;
use crate::model::ids::fold;
use crate::model::license::License;
use crate::model::time::Time;
use crate::model::user::{Credential, Profile, User};
use crate::store::{Tx, devices, plans, subscriptions, users};

use super::super::guesses::Guess;
use super::super::license::By;
use super::super::lists::Lists;
use super::super::secret::{self, MAX_EMAIL, MAX_PASSWORD, Proof, Work};
use super::super::{Refusal, Stop, app, ban, license, subscription};
use super::{Entered, MAX_USERNAME, redeem};

/// The longest first or last name, in bytes. The phone has a limit of its own (wacht W13).
pub const MAX_NAME_PART: usize = 100;
/// The longest phone number, and the longest country code, in bytes.
pub const MAX_PHONE: usize = 32;

/// What a new user is called.
#[derive(Clone, Copy, Debug)]
pub enum Name<'a> {
    /// This, or nothing.
    Given(&'a str),
    /// This, or if it cannot be, a drawn one.
    Wished {
        /// The name.
        name: &'a str,
        /// What was drawn.
        drawn: &'a str,
    },
    /// What was drawn.
    Drawn(&'a str),
}

/// What a client sends to sign up.
#[derive(Clone)]
pub struct SignUp<'a> {
    /// What the user is to be called.
    pub name: Name<'a>,
    /// The password. Without one the license opens the user; without a license, nothing does.
    pub password: Option<&'a str>,
    /// The license to redeem.
    pub key: Option<&'a str>,
    /// The device.
    pub hwid: Option<&'a str>,
    /// The e-mail address.
    pub email: Option<&'a str>,
    /// Whether the address is to be this user's alone.
    pub claims_email: bool,
    /// What it says about itself.
    pub profile: Profile,
    /// The client's address.
    pub ip: IpAddr,
    /// Now.
    pub now: Time,
    /// What the user's id becomes.
    pub uuid: Uuid,
    /// Counts what is guessed wrong.
    pub guess: Guess<'a>,
}

/// What of a sign-up is another user's already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The e-mail address.
    pub email: bool,
    /// The username.
    pub username: bool,
    /// The phone number.
    pub phone: bool,
}

impl SignUp<'_> {
    /// The limits that hold in every app.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Name::Given(name) = self.name {
            if name.len() > MAX_USERNAME {
                return Err(Refusal::UsernameTooLong);
            }
            if name.is_empty() {
                return Err(Refusal::UsernameTooShort);
            }
            if name.chars().any(char::is_control) {
                return Err(Refusal::UsernameUnfit);
            }
        }
        if self.password.is_some_and(|password| password.len() > MAX_PASSWORD) {
            return Err(Refusal::PasswordTooLong);
        }
        if self.key.is_some_and(|key| key.len() > license::MAX_KEY) {
            return Err(Refusal::KeyTooLong);
        }
        if self.hwid.is_some_and(|hwid| hwid.len() > MAX_HWID) {
            return Err(Refusal::HwidTooLong);
        }
        if self.email.is_some_and(|email| email.len() > MAX_EMAIL || email.chars().any(char::is_control)) {
            return Err(Refusal::EmailUnfit);
        }
        let Profile { first_name, last_name, phone, phone_country_code } = &self.profile;
        let fits = |text: &Option<String>, most: usize| {
            text.as_ref().is_none_or(|text| text.len() <= most && !text.chars().any(char::is_control))
        };
        let names = fits(first_name, MAX_NAME_PART) && fits(last_name, MAX_NAME_PART);
        if names && fits(phone, MAX_PHONE) && fits(phone_country_code, MAX_PHONE) {
            Ok(())
        } else {
            Err(Refusal::ProfileUnfit)
        }
    }
}

/// Makes the user: with its password's hash, with what its license gives, with its device; all of it, or nothing.
pub fn sign_up(
    tx: &mut Tx<'_>,
    app: &App,
    lists: &Lists,
    by: &SignUp<'_>,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    let (name, license) = may_sign_up(tx, app, lists, by)?;
    // A user whose name and password are its license is a license-only user, whichever call made it.
    let is_license = |text: &str| license.as_ref().is_some_and(|(license, _)| fold(&license.key) == fold(text));
    let needs_no_hash = by.password.is_none_or(|password| is_license(password) && is_license(&name));
    let credential = match (needs_no_hash, proof) {
        (true, Some(_)) if license.is_some() => Credential::License,
        (true, Some(_)) => Credential::Locked,
        (true, None) => return Err(Stop::Prove(Work::Nothing)),
        (false, Some(Proof::Hashed { hash })) => Credential::Password(hash.clone()),
        (false, _) => return Err(Stop::Prove(Work::Hash { password: by.password.unwrap_or_default().to_owned() })),
    };
    let mut user = User {
        email: by.email.map(str::to_owned),
        email_sha1: by.email.map(secret::email_sha1),
        email_claimed: by.claims_email && by.email.is_some(),
        profile: by.profile.clone(),
        ip: Some(by.ip.to_string()),
        ..User::new(by.uuid, name.clone(), credential, by.now)
    };
    user.id = users::insert(tx, app.id, &user)?.ok_or(Refusal::UsernameTaken)?;
    if let Some((license, plans)) = &license {
        redeem(tx, license, plans, user.id, by.now)?;
        by.guess.welcome(app.id, user.id);
    } else {
        by.guess.signed_up();
    }
    if let Some(hwid) = by.hwid {
        devices::insert(tx, user.id, hwid, by.now)?;
    }
    let held = subscriptions::of_user(tx, user.id)?;
    let running = subscription::running(app, held.clone(), by.now).unwrap_or(held);
    Ok(Entered { user, username: name, subscriptions: running, hwid: by.hwid.map(str::to_owned) })
}

type Redeemed = (License, Vec<Plan>);

/// What can be refused by what was sent alone: the limits that hold everywhere, and the app's own.
pub fn check_new(app: &App, lists: &Lists, by: &SignUp<'_>) -> Result<(), Refusal> {
    by.check()?;
    let least = app.settings.min_username_length;
    if matches!(by.name, Name::Given(name) if (name.len() as i64) < least) {
        return Err(Refusal::UsernameTooShort);
    }
    if app.settings.block_leaked_passwords && by.password.is_some_and(|password| lists.is_leaked(password)) {
        return Err(Refusal::PasswordLeaked);
    }
    Ok(())
}

/// Everything that can refuse a sign-up. Answers what the user is called, and what it redeems.
fn may_sign_up(tx: &mut Tx<'_>, app: &App, lists: &Lists, by: &SignUp<'_>) -> Result<(String, Option<Redeemed>), Stop> {
    check_new(app, lists, by)?;
    app::check_open(app)?;
    if let Some(refusal) = ban::find(tx, app.id, by.hwid, by.ip)? {
        return Err(refusal.into());
    }
    let name = name(tx, app, by)?;
    let license = match by.key {
        Some(key) => {
            let license = license::redeemable(tx, app.id, Some(key), &By::anybody(by.guess), by.now)?;
            let plans = plans::of_level(tx, app.id, &license.level)?;
            if plans.is_empty() {
                return Err(Refusal::LicenseNotEligible.into());
            }
            Some((license, plans))
        }
        None => match by.guess.sign_up_wait() {
            Some(wait) => return Err(Refusal::RateLimited(wait).into()),
            None => None,
        },
    };
    Ok((name, license))
}

/// What the user is called; refused with all that is another user's.
fn name(tx: &mut Tx<'_>, app: &App, by: &SignUp<'_>) -> Result<String, Stop> {
    let mut free = |name: &str| users::by_name(tx, app.id, name).map(|user| user.is_none());
    let (name, is_free) = match by.name {
        Name::Given(name) | Name::Drawn(name) => (name, free(name)?),
        Name::Wished { name, drawn } => {
            let fits = name.len() <= MAX_USERNAME && !name.chars().any(char::is_control);
            if fits && free(name)? { (name, true) } else { (drawn, free(drawn)?) }
        }
    };
    let email = match by.email {
        Some(email) if by.claims_email => users::has_email(tx, app.id, &secret::email_sha1(email))?,
        _ => false,
    };
    let phone = match &by.profile.phone {
        Some(phone) => users::has_phone(tx, app.id, phone)?,
        None => false,
    };
    let taken = Taken { email, username: !is_free, phone };
    match taken {
        Taken { email: false, username: false, phone: false } => Ok(name.to_owned()),
        Taken { email: false, username: true, phone: false } => Err(Refusal::UsernameTaken.into()),
        taken => Err(Refusal::Taken(taken).into()),
    }
}
