//! Users: registering, redeeming, upgrading, banning (contract of KeyAuth, 4.2 and 4.5). The checks stand in the order
//! in which the contract lists them. Logging in is in `login`, signing up in the way of the other formats in `sign_up`.
//!
//! A call that needs a password hashed is run twice: without a proof it makes the checks that come before the
//! password, writes nothing and stops with [`Stop::Prove`]; with the proof it makes all checks again and then writes.

use std::net::IpAddr;

use uuid::Uuid;

use crate::model::app::{App, Plan};
use crate::model::ids::{UserId, fold};
use crate::model::license::License;
use crate::model::time::{Span, Time};
use crate::model::user::{Credential, Subscription, User};
use crate::store::{self, Tx, devices, licenses, one_time_secrets, plans, sessions, subscriptions, users};

use super::guesses::Guess;
use super::license::By;
use super::lists::Lists;
use super::secret::{self, MAX_EMAIL, MAX_PASSWORD, Proof, Work};
use super::two_factor::{self, Factor};
use super::{Refusal, Stop, ban, license, subscription};

use self::attempt::Attempt;

mod admin;
mod attempt;
mod login;
mod own;
mod sign_up;

pub use admin::{MAX_LIMIT, NewUser, UserError, check_password, create, set_email, set_limits};
pub use login::{Terms, enter_by_license, has_made, is_opened_by, login, login_by_email, login_by_license};
pub use own::{Caller, ban_own, change_password, of_session, of_token, rename};
pub use sign_up::{MAX_NAME_PART, MAX_PHONE, Name, SignUp, Taken, check_new, sign_up};

/// The longest username, in bytes (contract 4.2).
pub const MAX_USERNAME: usize = 70;

/// What a client sends to register, to log in, or to do either with a license.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    /// The username as typed; the key, for a license.
    pub username: Option<&'a str>,
    /// The password; the key, for a license.
    pub password: Option<&'a str>,
    /// What a login gives in place of the password, once.
    pub token: Option<&'a str>,
    /// The license to redeem; none for a login.
    pub key: Option<&'a str>,
    /// The device, if the client says.
    pub hwid: Option<&'a str>,
    /// The e-mail address, if the client says.
    pub email: Option<&'a str>,
    /// The client's address.
    pub ip: IpAddr,
    /// Now.
    pub now: Time,
    /// What a new user's id becomes.
    pub uuid: Uuid,
    /// The code of the second factor, if the client sends one.
    pub factor: Factor<'a>,
}

impl<'a> Claim<'a> {
    fn attempt(&self) -> Attempt<'a> {
        Attempt { guess: self.factor.guess, ip: self.ip, hwid: self.hwid }
    }
}

/// Who is in now, and with what.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The user, as it was before.
    pub user: User,
    /// The name as typed.
    pub username: String,
    /// What runs; never empty after the login of a program.
    pub subscriptions: Vec<Subscription>,
    /// The device to show.
    pub hwid: Option<String>,
}

/// Registers a user with a license (contract 4.2).
pub fn register(
    tx: &mut Tx<'_>,
    app: &App,
    lists: &Lists,
    claim: &Claim<'_>,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    let is_hashed = matches!(proof, Some(Proof::Hashed { .. }));
    let (license, plans) = may_register(tx, app, lists, claim, is_hashed)?;
    // A user whose name and password are its license is a license-only user, whichever call made it.
    let license_only = [claim.username, claim.password].iter().all(|text| text.map(fold) == Some(fold(&license.key)));
    let credential = match (license_only, proof) {
        (true, Some(_)) => Credential::License,
        (true, None) => return Err(Stop::Prove(Work::Nothing)),
        (false, Some(Proof::Hashed { hash })) => Credential::Password(hash.clone()),
        (false, _) => return Err(Stop::Prove(Work::Hash { password: claim.password.unwrap_or_default().to_owned() })),
    };
    make(tx, app, claim, &license, &plans, credential)
}

/// Everything that can refuse a registration.
fn may_register(
    tx: &mut Tx<'_>,
    app: &App,
    lists: &Lists,
    claim: &Claim<'_>,
    is_hashed: bool,
) -> Result<(License, Vec<Plan>), Stop> {
    let username = claim.username.unwrap_or_default();
    if username.len() > MAX_USERNAME {
        return Err(Refusal::UsernameTooLong.into());
    }
    if claim.key.is_some_and(|key| key.len() > license::MAX_KEY) {
        return Err(Refusal::KeyTooLong.into());
    }
    if username.is_empty() || (username.len() as i64) < app.settings.min_username_length {
        return Err(Refusal::UsernameTooShort.into());
    }
    let password = claim.password.ok_or(Refusal::PasswordMismatch)?;
    if password.len() > MAX_PASSWORD {
        return Err(Refusal::PasswordTooLong.into());
    }
    // Not again in the write, which others wait for; a license, which is hashed nowhere, is looked at once.
    if app.settings.block_leaked_passwords && !is_hashed && lists.is_leaked(password) {
        return Err(Refusal::PasswordLeaked.into());
    }
    if users::by_name(tx, app.id, username)?.is_some() {
        return Err(Refusal::UsernameTaken.into());
    }
    let license = license::redeemable(tx, app.id, claim.key, &By::anybody(claim.factor.guess), claim.now)?;
    if claim.hwid.is_some_and(|hwid| hwid.len() > crate::model::ban::MAX_HWID) {
        return Err(Refusal::HwidTooLong.into());
    }
    if let Some(refusal) = ban::find(tx, app.id, claim.hwid, claim.ip)? {
        return Err(refusal.into());
    }
    let plans = plans::of_level(tx, app.id, &license.level)?;
    if plans.is_empty() {
        return Err(Refusal::LicenseNotEligible.into());
    }
    Ok((license, plans))
}

/// The user, its license used up, what it gives, its device: all of it, or nothing.
fn make(
    tx: &mut Tx<'_>,
    app: &App,
    claim: &Claim<'_>,
    license: &License,
    plans: &[Plan],
    credential: Credential,
) -> Result<Entered, Stop> {
    let username = claim.username.unwrap_or_default().to_owned();
    let mut user = User {
        // This format takes anything for an address; what none could show is known by its SHA-1 only.
        email: claim
            .email
            .filter(|email| email.len() <= MAX_EMAIL && !email.contains(char::is_control))
            .map(str::to_owned),
        email_sha1: claim.email.map(secret::email_sha1),
        ip: Some(claim.ip.to_string()),
        ..User::new(claim.uuid, username.clone(), credential, claim.now)
    };
    user.id = users::insert(tx, app.id, &user)?.ok_or(Refusal::UsernameTaken)?;
    redeem(tx, license, plans, user.id, claim.now)?;
    if let Some(hwid) = claim.hwid {
        devices::insert(tx, user.id, hwid, claim.now)?;
    }
    claim.factor.guess.welcome(app.id, user.id);
    let held = subscriptions::of_user(tx, user.id)?;
    // A license of no duration gives nothing that runs; the client still reads the first entry.
    let running = subscription::running(app, held.clone(), claim.now).unwrap_or(held);
    let hwid = claim.hwid.map(str::to_owned);
    Ok(Entered { user, username, subscriptions: running, hwid })
}

/// Uses a license up for a new user, who gets what it gives.
fn redeem(tx: &mut Tx<'_>, license: &License, plans: &[Plan], user: UserId, now: Time) -> Result<(), Stop> {
    if !licenses::redeem(tx, license.id, user, now)? {
        return Err(Refusal::LicenseInUse.into());
    }
    subscription::grant(tx, user, plans, license, now)
}

/// What an upgrade did.
#[derive(Clone, Debug)]
pub struct Upgraded {
    /// Whose it was.
    pub user: User,
    /// The license that is used up now.
    pub license: License,
    /// What it gave.
    pub gave: Span,
}

/// Redeems a license for a user that exists (contract 4.5). Asks for no password and validates no session.
pub fn upgrade(
    tx: &mut Tx<'_>,
    app: &App,
    username: Option<&str>,
    key: Option<&str>,
    by: &By<'_>,
    now: Time,
) -> Result<Upgraded, Stop> {
    let license = license::redeemable(tx, app.id, key, by, now)?;
    let plan = plans::of_level(tx, app.id, &license.level)?.into_iter().next().ok_or(Refusal::LicenseNotEligible)?;
    let gave = license.gives(now);
    if matches!(gave, Span::Seconds(seconds) if seconds < 0) {
        return Err(Refusal::ExpiryInPast.into());
    }
    let user = find_guarded(tx, app, username, &by.guess)?;
    if gave == Span::Seconds(0) {
        return Err(Refusal::NothingToGrant.into());
    }
    let noted_for = noted_for(tx, &license, &user)?;
    if !licenses::redeem(tx, license.id, noted_for, now)? {
        return Err(Refusal::LicenseInUse.into());
    }
    subscription::prolong(tx, app, user.id, &plan, gave, now)?;
    Ok(Upgraded { user, license, gave })
}

/// For whom an upgrade is noted: for nobody, if it would open a license-only user in the place of what does. That is its
/// name, where no license of its own is left; and where one is, a license that happens to be called like the user is none.
fn noted_for(tx: &mut Tx<'_>, license: &License, user: &User) -> Result<Option<UserId>, store::Error> {
    if user.credential != Credential::License {
        return Ok(Some(user.id));
    }
    let has_own = licenses::first_of_user(tx, user.id)?.is_some();
    let is_its_name = fold(&user.name) == fold(&license.key);
    Ok((has_own != is_its_name).then_some(user.id))
}

/// Redeems a license for the user who proves to be it by name and password (authgate 2.4). A license-only user has no
/// password: it stays what its license made it. Nothing about a user is told to who does not have its password, neither
/// by words nor by how long it takes. Before the password is proven, nothing is written.
pub fn activate(tx: &mut Tx<'_>, app: &App, claim: &Claim<'_>, proof: Option<&Proof>) -> Result<Upgraded, Stop> {
    if let Some(refusal) = ban::find(tx, app.id, claim.hwid, claim.ip)? {
        return Err(refusal.into());
    }
    let name = claim.username.unwrap_or_default();
    // What the first login would make its password is none yet.
    let user = users::by_name(tx, app.id, name)?.map(|user| match user.credential {
        Credential::Claimable => User { credential: Credential::Locked, ..user },
        _ => user,
    });
    let (user, _) = login::prove_discreetly(tx, app, claim, (user, name), proof)?;
    if user.banned {
        return Err(Refusal::UserBanned(user.ban_reason).into());
    }
    if user.credential == Credential::License {
        return Err(Refusal::PasswordMismatch.into());
    }
    two_factor::pass(tx, &user, &claim.factor)?;
    let by = By::user(claim.factor.guess, user.id);
    upgrade(tx, app, Some(&user.name), claim.key, &by, claim.now)
}

/// The user of this name.
pub fn find(tx: &mut Tx<'_>, app: &App, name: Option<&str>) -> Result<User, Stop> {
    let user = match name {
        Some(name) => users::by_name(tx, app.id, name)?,
        None => None,
    };
    user.ok_or_else(|| Refusal::UserNotFound.into())
}

/// The same for a client: asking for too many that there are not is refused.
pub fn find_guarded(tx: &mut Tx<'_>, app: &App, name: Option<&str>, guess: &Guess<'_>) -> Result<User, Stop> {
    let name = name.unwrap_or_default();
    let user = users::by_name(tx, app.id, name)?;
    attempt::found(user, app, guess, name)
}

/// Bans a user; nobody is logged in as it any more.
pub fn ban_user(tx: &mut Tx<'_>, user: UserId, reason: Option<&str>) -> Result<(), Stop> {
    users::ban(tx, user, reason)?;
    sessions::invalidate_user(tx, user)?;
    Ok(())
}

/// Deletes a user; nobody is logged in as it any more. Its licenses stay used.
pub fn delete(tx: &mut Tx<'_>, user: UserId) -> Result<(), Stop> {
    sessions::invalidate_user(tx, user)?;
    users::delete(tx, user)?;
    Ok(())
}

/// Gives a user a new way to prove who it is; nobody is logged in as it any more, and what was given out to log in or to
/// set a password is no good any more.
pub fn set_credential(tx: &mut Tx<'_>, user: UserId, credential: &Credential) -> Result<(), Stop> {
    one_time_secrets::delete_of_user(tx, user)?;
    users::set_credential(tx, user, credential)?;
    sessions::invalidate_user(tx, user)?;
    Ok(())
}
