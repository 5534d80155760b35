//! Users: registering, logging in, redeeming, upgrading, banning (contract 4.2 to 4.5). The checks stand in the order
//! in which the contract lists them.
//!
//! A call that needs a password hashed is run twice: without a proof it makes the checks that come before the
//! password, writes nothing and stops with [`Stop::Prove`]; with the proof it makes all checks again and then writes.

use std::net::IpAddr;

use crate::model::app::{App, Plan};
use crate::model::ids::{UserId, fold};
use crate::model::license::{License, LicenseState};
use crate::model::session::{Session, SessionUser};
use crate::model::time::{Span, Time};
use crate::model::user::{Credential, Subscription, User};
use crate::store::{Tx, devices, licenses, one_time_secrets, plans, sessions, subscriptions, users};

use super::lists::Lists;
use super::secret::{self, MAX_PASSWORD, Proof, Work};
use super::two_factor::{self, Factor};
use super::{Refusal, Stop, ban, device, license, login_token, subscription};

mod admin;
mod own;

pub use admin::{NewUser, UserError, check_password, create, set_email};
pub use own::{ban_own, of_session, rename};

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
    /// The code of the second factor, if the client sends one.
    pub factor: Factor<'a>,
}

/// Who is logged in now, and with what.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The name as typed.
    pub username: String,
    /// What runs; never empty.
    pub subscriptions: Vec<Subscription>,
    /// The device to show.
    pub hwid: Option<String>,
    /// When the user was created.
    pub created_at: Time,
}

/// Registers a user with a license (contract 4.2).
pub fn register(
    tx: &mut Tx<'_>,
    app: &App,
    lists: &Lists,
    session: &Session,
    claim: &Claim<'_>,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    let (license, plans) = may_register(tx, app, lists, claim)?;
    // A user whose name and password are its license is a license-only user, whichever call made it.
    let license_only = [claim.username, claim.password].iter().all(|text| text.map(fold) == Some(fold(&license.key)));
    let credential = match (license_only, proof) {
        (true, Some(_)) => Credential::License,
        (true, None) => return Err(Stop::Prove(Work::Nothing)),
        (false, Some(Proof::Hashed { hash })) => Credential::Password(hash.clone()),
        (false, _) => return Err(Stop::Prove(Work::Hash { password: claim.password.unwrap_or_default().to_owned() })),
    };
    make(tx, app, session, claim, &license, &plans, credential)
}

/// Everything that can refuse a registration.
fn may_register(tx: &mut Tx<'_>, app: &App, lists: &Lists, claim: &Claim<'_>) -> Result<(License, Vec<Plan>), Stop> {
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
    if app.settings.block_leaked_passwords && lists.is_leaked(password) {
        return Err(Refusal::PasswordLeaked.into());
    }
    if users::by_name(tx, app.id, username)?.is_some() {
        return Err(Refusal::UsernameTaken.into());
    }
    let license = license::redeemable(tx, app.id, claim.key)?;
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

/// The user, its license used up, what it gives, its device, its session: all of it, or nothing.
fn make(
    tx: &mut Tx<'_>,
    app: &App,
    session: &Session,
    claim: &Claim<'_>,
    license: &License,
    plans: &[Plan],
    credential: Credential,
) -> Result<Entered, Stop> {
    let username = claim.username.unwrap_or_default().to_owned();
    let user = User {
        id: UserId(0),
        name: username.clone(),
        credential,
        email_sha1: claim.email.map(secret::email_sha1),
        ip: Some(claim.ip.to_string()),
        created_at: claim.now,
        last_login_at: claim.now,
        banned: false,
        ban_reason: None,
    };
    let id = users::insert(tx, app.id, &user)?.ok_or(Refusal::UsernameTaken)?;
    if !licenses::redeem(tx, license.id, id, claim.now)? {
        return Err(Refusal::LicenseInUse.into());
    }
    subscription::grant(tx, id, plans, license, claim.now)?;
    if let Some(hwid) = claim.hwid {
        devices::insert(tx, id, hwid, claim.now)?;
    }
    validate(tx, session, id, &username, claim.now)?;
    let held = subscriptions::of_user(tx, id)?;
    // A license of no duration gives nothing that runs; the client still reads the first entry.
    let running = subscription::running(app, held.clone(), claim.now).unwrap_or(held);
    let hwid = claim.hwid.map(str::to_owned);
    Ok(Entered { username, subscriptions: running, hwid, created_at: claim.now })
}

/// Logs a user in by name and password (contract 4.3).
pub fn login(
    tx: &mut Tx<'_>,
    app: &App,
    session: &Session,
    claim: &Claim<'_>,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    device::check_shape(app, claim.hwid)?;
    let user = find(tx, app, claim.username)?;
    login_as(tx, app, session, claim, user, proof)
}

/// The same by e-mail address and password (contract 4.23). An address of several users is nobody's.
pub fn login_by_email(
    tx: &mut Tx<'_>,
    app: &App,
    session: &Session,
    claim: &Claim<'_>,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    device::check_shape(app, claim.hwid)?;
    let user = match claim.email {
        Some(email) => users::by_email(tx, app.id, &secret::email_sha1(email))?,
        None => None,
    };
    let user = user.ok_or(Refusal::UserNotFound)?;
    login_as(tx, app, session, &Claim { username: None, ..*claim }, user, proof)
}

fn login_as(
    tx: &mut Tx<'_>,
    app: &App,
    session: &Session,
    claim: &Claim<'_>,
    user: User,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    may_enter(tx, app, claim, &user)?;
    if let Some(token) = claim.token {
        login_token::take(tx, user.id, token, proof, claim.now)?;
        return enter(tx, app, session, claim, &user, None);
    }
    let renewed = match (&user.credential, proof) {
        (Credential::Password(hash), Some(Proof::Verified { against, right, renewed })) if against == hash => {
            if !right {
                return Err(Refusal::PasswordMismatch.into());
            }
            renewed.clone().map(Credential::Password)
        }
        (Credential::Claimable, Some(Proof::Hashed { hash })) => Some(Credential::Password(hash.clone())),
        (Credential::License, Some(_)) => {
            opens(tx, app, claim.password, &user)?;
            None
        }
        // Not proven yet, or what was proven is no longer what is stored.
        _ => return Err(Stop::Prove(work(claim.password, &user)?)),
    };
    enter(tx, app, session, claim, &user, renewed)
}

/// What has to be hashed before this user can log in with this password.
fn work(password: Option<&str>, user: &User) -> Result<Work, Refusal> {
    let password = password.filter(|p| p.len() <= MAX_PASSWORD).ok_or(Refusal::PasswordMismatch)?.to_owned();
    match &user.credential {
        Credential::Password(hash) => Ok(Work::Verify { password, against: hash.clone(), renew: true }),
        Credential::Claimable => Ok(Work::Hash { password }),
        Credential::License => Ok(Work::Nothing),
        Credential::Locked => Err(Refusal::PasswordMismatch),
    }
}

/// Redeems a license, or logs its license-only user in (contract 4.4). Hashes nothing: a key is a strong secret by
/// itself. The exception is an imported user whose password was its key: its bcrypt hash is verified once, and then it
/// is a license-only user.
pub fn enter_by_license(
    tx: &mut Tx<'_>,
    app: &App,
    lists: &Lists,
    session: &Session,
    claim: &Claim<'_>,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    if claim.key.is_some_and(|key| key.len() > license::MAX_KEY) {
        return Err(Refusal::KeyTooLong.into());
    }
    device::check_shape(app, claim.hwid)?;
    let Some(user) = license_user(tx, app, claim.key)? else {
        return register(tx, app, lists, session, claim, Some(&Proof::Nothing));
    };
    may_enter(tx, app, claim, &user)?;
    let renewed = match (&user.credential, proof) {
        (Credential::License, _) => {
            opens(tx, app, claim.key, &user)?;
            None
        }
        (Credential::Password(hash), Some(Proof::Verified { against, right: true, .. })) if against == hash => {
            Some(Credential::License)
        }
        (Credential::Password(hash), Some(Proof::Nothing) | None) if secret::is_bcrypt(hash) => {
            let password = claim.key.unwrap_or_default().to_owned();
            return Err(Stop::Prove(Work::Verify { password, against: hash.clone(), renew: false }));
        }
        // A named user. One whose password is its name and its license would be a license-only user.
        _ => return Err(Refusal::PasswordMismatch.into()),
    };
    enter(tx, app, session, claim, &user, renewed)
}

/// The user that a license opens: of that name, or made by it under another name.
fn license_user(tx: &mut Tx<'_>, app: &App, key: Option<&str>) -> Result<Option<User>, Stop> {
    let Some(key) = key else { return Ok(None) };
    if let Some(user) = users::by_name(tx, app.id, key)? {
        return Ok(Some(user));
    }
    let Some(license) = licenses::by_key(tx, app.id, key)? else { return Ok(None) };
    let Some(id) = license.used_by else { return Ok(None) };
    match users::by_id(tx, app.id, id)? {
        Some(user) if user.credential == Credential::License && has_made(tx, &license, &user)? => Ok(Some(user)),
        _ => Ok(None),
    }
}

/// Whether this license made this license-only user. One that came as an upgrade opens nothing: anybody may redeem one
/// for anybody, and it would open what the ban of the first license has closed.
fn has_made(tx: &mut Tx<'_>, license: &License, user: &User) -> Result<bool, Stop> {
    if license.used_by != Some(user.id) {
        return Ok(false);
    }
    if fold(&license.key) == fold(&user.name) {
        return Ok(true);
    }
    let mut given = subscriptions::of_user(tx, user.id)?.into_iter().filter_map(|held| held.license).peekable();
    if given.peek().is_none() {
        // What it gave is not known to have come from it, as with users from elsewhere.
        return Ok(licenses::first_of_user(tx, user.id)?.map(|first| first.id) == Some(license.id));
    }
    Ok(given.any(|id| id == license.id))
}

/// Whether this secret is the license of a license-only user.
fn opens(tx: &mut Tx<'_>, app: &App, given: Option<&str>, user: &User) -> Result<(), Stop> {
    let given = given.filter(|key| key.len() <= license::MAX_KEY).ok_or(Refusal::PasswordMismatch)?;
    if let Some(license) = licenses::by_key(tx, app.id, given)?
        && has_made(tx, &license, user)?
    {
        return Ok(());
    }
    // The license is gone, and the user has its name. One with a name of its own never is without a license
    // (`own::rename`, `license::delete`): that name is known to everybody and opens nothing.
    let is_named_so = secret::same(&fold(given), &fold(&user.name));
    if is_named_so && licenses::first_of_user(tx, user.id)?.is_none() {
        return Ok(());
    }
    Err(Refusal::PasswordMismatch.into())
}

/// What keeps a known user out before its password is looked at.
fn may_enter(tx: &mut Tx<'_>, app: &App, claim: &Claim<'_>, user: &User) -> Result<(), Stop> {
    if user.banned {
        return Err(Refusal::UserBanned(user.ban_reason.clone()).into());
    }
    if user.credential == Credential::License {
        let made_by = match claim.token {
            // A token names no license.
            Some(_) => licenses::first_of_user(tx, user.id)?,
            None => licenses::by_key(tx, app.id, claim.key.or(claim.password).unwrap_or(&user.name))?,
        };
        if let Some(license) = made_by
            && license.state() == LicenseState::Banned
        {
            return Err(Refusal::LicenseBanned(license.ban_reason).into());
        }
    }
    match ban::find(tx, app.id, claim.hwid, claim.ip)? {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// The last checks, and the login itself.
fn enter(
    tx: &mut Tx<'_>,
    app: &App,
    session: &Session,
    claim: &Claim<'_>,
    user: &User,
    renewed: Option<Credential>,
) -> Result<Entered, Stop> {
    let hwid = device::bind(tx, app, user.id, claim.hwid, claim.now)?;
    let running = subscription::running(app, subscriptions::of_user(tx, user.id)?, claim.now)?;
    two_factor::pass(tx, user, &claim.factor)?;
    if let Some(credential) = renewed {
        users::set_credential(tx, user.id, &credential)?;
    }
    users::logged_in(tx, user.id, &claim.ip.to_string(), claim.now)?;
    let username = claim.username.unwrap_or(&user.name).to_owned();
    validate(tx, session, user.id, &username, claim.now)?;
    if app.settings.kill_other_sessions {
        sessions::invalidate_others(tx, user.id, session.id)?;
    }
    Ok(Entered { username, subscriptions: running, hwid, created_at: user.created_at })
}

fn validate(tx: &mut Tx<'_>, session: &Session, user: UserId, username: &str, now: Time) -> Result<(), Stop> {
    let user = SessionUser { id: user, credential: username.into() };
    if sessions::validate(tx, session, user, now)? { Ok(()) } else { Err(Refusal::SessionNotFound.into()) }
}

/// Redeems a license for a user that exists (contract 4.5). Asks for no password and validates no session.
pub fn upgrade(tx: &mut Tx<'_>, app: &App, username: Option<&str>, key: Option<&str>, now: Time) -> Result<(), Stop> {
    let license = license::redeemable(tx, app.id, key)?;
    let plan = plans::of_level(tx, app.id, &license.level)?.into_iter().next().ok_or(Refusal::LicenseNotEligible)?;
    if matches!(license.duration, Span::Seconds(seconds) if seconds < 0) {
        return Err(Refusal::ExpiryInPast.into());
    }
    let user = find(tx, app, username)?;
    if license.duration == Span::Seconds(0) {
        return Err(Refusal::NothingToGrant.into());
    }
    if !licenses::redeem(tx, license.id, user.id, now)? {
        return Err(Refusal::LicenseInUse.into());
    }
    subscription::prolong(tx, app, user.id, &plan, license.duration, now)
}

/// The user of this name.
pub fn find(tx: &mut Tx<'_>, app: &App, name: Option<&str>) -> Result<User, Stop> {
    let user = match name {
        Some(name) => users::by_name(tx, app.id, name)?,
        None => None,
    };
    user.ok_or_else(|| Refusal::UserNotFound.into())
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
