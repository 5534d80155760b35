//! Logging in: by name, by e-mail address, by license; what each format's login shares (contract of KeyAuth, 4.3 and
//! 4.4). The checks stand in the order in which that contract lists them. Opens and validates no session: that is
//! `domain::session`, after this.

use crate::model::app::App;
use crate::model::ids::{AppId, fold};
use crate::model::license::{License, LicenseState};
use crate::model::user::{Credential, User};
use crate::store::{self, Tx, licenses, subscriptions, users};

use super::super::lists::Lists;
use super::super::secret::{self, MAX_PASSWORD, Proof, Work};
use super::super::{Refusal, Stop, ban, device, license, login_token, subscription, two_factor};
use super::attempt::{self, Attempt};
use super::{Claim, Entered, register};

/// What a login asks for beside the right secret, and what it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// A licensed program: it runs on a device that the user may have, with a subscription that runs. It is told whether
    /// there is such a user, and of a ban, whatever the password.
    Program,
    /// The same, but nothing about a user is told to who does not have its password, neither by words nor by how long it
    /// takes: what would need no hash has one verified all the same.
    Discreet,
    /// A web page: as discreet, with neither device nor subscription. It gets nothing of what licenses give.
    Page,
}

/// Logs a user in by name and password (contract 4.3).
pub fn login(
    tx: &mut Tx<'_>,
    app: &App,
    claim: &Claim<'_>,
    terms: Terms,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    check_device(app, claim, terms)?;
    let name = claim.username.unwrap_or_default();
    let user = users::by_name(tx, app.id, name)?;
    login_as(tx, app, claim, (user, name), terms, proof)
}

/// The same by e-mail address and password (contract 4.23). The address is that of the user who claims it; one of several
/// users of whom none does is nobody's.
pub fn login_by_email(
    tx: &mut Tx<'_>,
    app: &App,
    claim: &Claim<'_>,
    terms: Terms,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    check_device(app, claim, terms)?;
    let Some(sha1) = claim.email.map(secret::email_sha1) else { return Err(Refusal::UserNotFound.into()) };
    let user = match users::by_claimed_email(tx, app.id, &sha1)? {
        Some(user) => Some(user),
        None => users::by_email(tx, app.id, &sha1)?,
    };
    login_as(tx, app, &Claim { username: None, ..*claim }, (user, &sha1), terms, proof)
}

/// A page has no device, whatever the app asks of programs.
fn check_device(app: &App, claim: &Claim<'_>, terms: Terms) -> Result<(), Refusal> {
    match terms {
        Terms::Program | Terms::Discreet => device::check_shape(app, claim.hwid),
        Terms::Page => Ok(()),
    }
}

fn login_as(
    tx: &mut Tx<'_>,
    app: &App,
    claim: &Claim<'_>,
    (user, name): (Option<User>, &str),
    terms: Terms,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    if terms != Terms::Program {
        not_banned_here(tx, app, claim)?;
        let (user, renewed) = prove_discreetly(tx, app, claim, (user, name), proof)?;
        may_enter(&user, made_by(tx, app, claim, &user)?.as_ref())?;
        return enter(tx, app, claim, user, terms, renewed);
    }
    let user = attempt::found(user, app, &claim.factor.guess, name)?;
    may_enter(&user, made_by(tx, app, claim, &user)?.as_ref())?;
    not_banned_here(tx, app, claim)?;
    if let Some(token) = claim.token {
        login_token::take(tx, user.id, token, proof, claim.now)?;
        return enter(tx, app, claim, user, terms, None);
    }
    let renewed = prove(tx, app, &claim.attempt(), claim.password, &user, proof)?;
    enter(tx, app, claim, user, terms, renewed)
}

/// The user of this name, if there is one and this is its password; what it costs and what is said does not tell which
/// of the two was wrong.
pub(super) fn prove_discreetly(
    tx: &mut Tx<'_>,
    app: &App,
    claim: &Claim<'_>,
    (user, name): (Option<User>, &str),
    proof: Option<&Proof>,
) -> Result<(User, Option<Credential>), Stop> {
    let attempt = claim.attempt();
    let proven = match user {
        Some(user) => prove(tx, app, &attempt, claim.password, &user, proof).map(|renewed| (user, renewed)),
        None => attempt.at_nobody(app, name, proof.is_some()),
    };
    at_one_cost(proven, claim.password, proof)
}

/// Whether this password is the user's: asks for what has to be hashed, until that is proven. Answers what is to be
/// stored in place of what is. Who has guessed wrong too often is refused before anything is hashed.
pub(super) fn prove(
    tx: &mut Tx<'_>,
    app: &App,
    attempt: &Attempt<'_>,
    password: Option<&str>,
    user: &User,
    proof: Option<&Proof>,
) -> Result<Option<Credential>, Stop> {
    attempt.guarded(tx, app, user, |tx| look(tx, app, password, user, proof))
}

fn look(
    tx: &mut Tx<'_>,
    app: &App,
    password: Option<&str>,
    user: &User,
    proof: Option<&Proof>,
) -> Result<Option<Credential>, Stop> {
    let renewed = match (&user.credential, proof) {
        (Credential::Password(hash), Some(Proof::Verified { against, right, renewed })) if against == hash => {
            if !right {
                return Err(Refusal::PasswordMismatch.into());
            }
            renewed.clone().map(Credential::Password)
        }
        (Credential::Claimable, Some(Proof::Hashed { hash })) => Some(Credential::Password(hash.clone())),
        (Credential::License, Some(_)) => {
            opens(tx, app, password, user)?;
            None
        }
        // Not proven yet, or what was proven is no longer what is stored.
        _ => return Err(Stop::Prove(work(password, user)?)),
    };
    Ok(renewed)
}

/// The same at one cost, whether or not there is such a user and whatever opens it: what would need no hash has one
/// verified all the same.
fn at_one_cost<T>(outcome: Result<T, Stop>, password: Option<&str>, proof: Option<&Proof>) -> Result<T, Stop> {
    match outcome {
        Err(Stop::Refused(Refusal::UserNotFound | Refusal::PasswordMismatch) | Stop::Prove(Work::Nothing))
            if proof.is_none() =>
        {
            Err(Stop::Prove(secret::decoy(password.unwrap_or_default())))
        }
        outcome => outcome,
    }
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
    claim: &Claim<'_>,
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    if claim.key.is_some_and(|key| key.len() > license::MAX_KEY) {
        return Err(Refusal::KeyTooLong.into());
    }
    device::check_shape(app, claim.hwid)?;
    match license_user(tx, app, claim.key)? {
        Some(found) => login_by_license_as(tx, app, claim, found, proof),
        None => register(tx, app, lists, claim, Some(&Proof::Nothing)),
    }
}

/// The second half of [`enter_by_license`] alone: a license that nobody has redeemed opens nothing.
pub fn login_by_license(tx: &mut Tx<'_>, app: &App, claim: &Claim<'_>, proof: Option<&Proof>) -> Result<Entered, Stop> {
    if claim.key.is_some_and(|key| key.len() > license::MAX_KEY) {
        return Err(Refusal::KeyTooLong.into());
    }
    device::check_shape(app, claim.hwid)?;
    match license_user(tx, app, claim.key)? {
        Some(found) => login_by_license_as(tx, app, claim, found, proof),
        None => Err(license::unknown(app.id, claim.key, &claim.factor.guess).into()),
    }
}

fn login_by_license_as(
    tx: &mut Tx<'_>,
    app: &App,
    claim: &Claim<'_>,
    (user, license): (User, Option<License>),
    proof: Option<&Proof>,
) -> Result<Entered, Stop> {
    let attempt = claim.attempt();
    let key = claim.key.unwrap_or_default();
    attempt.may_use(tx, app, key, &user)?;
    let of_its_own = license.as_ref().filter(|_| user.credential == Credential::License);
    may_enter(&user, of_its_own)?;
    not_banned_here(tx, app, claim)?;
    let renewed = match &user.credential {
        Credential::License => {
            // No guess at this user: a license is found by itself or not at all.
            let is_opened = is_opened_by(tx, app.id, key, license.as_ref(), &user)?;
            if !is_opened {
                claim.factor.guess.unknown(app.id, key);
            }
            opened(is_opened)?;
            None
        }
        Credential::Password(hash) if secret::is_bcrypt(hash) || matches!(proof, Some(Proof::Verified { .. })) => {
            attempt.guarded(tx, app, &user, |_| was_its_password(claim, hash, proof))?
        }
        // A named user. One whose password is its name and its license would be a license-only user.
        _ => return Err(Refusal::PasswordMismatch.into()),
    };
    if renewed == Some(Credential::License) {
        may_enter(&user, license.as_ref())?;
    }
    enter(tx, app, claim, user, Terms::Program, renewed)
}

/// What is stored for an imported user from now on whose password was its key, if it was.
fn was_its_password(claim: &Claim<'_>, hash: &str, proof: Option<&Proof>) -> Result<Option<Credential>, Stop> {
    match proof {
        Some(Proof::Verified { against, right: true, .. }) if against == hash => Ok(Some(Credential::License)),
        Some(Proof::Nothing) | None if secret::is_bcrypt(hash) => {
            let password = claim.key.unwrap_or_default().to_owned();
            Err(Stop::Prove(Work::Verify { password, against: hash.to_owned(), renew: false }))
        }
        _ => Err(Refusal::PasswordMismatch.into()),
    }
}

/// The user that a license opens, of the key's name or made by the license of that key under another name; and that license.
fn license_user(
    tx: &mut Tx<'_>,
    app: &App,
    key: Option<&str>,
) -> Result<Option<(User, Option<License>)>, store::Error> {
    let Some(key) = key else { return Ok(None) };
    let license = licenses::by_key(tx, app.id, key)?;
    let user = match license.as_ref().and_then(|license| license.used_by) {
        Some(id) => users::by_id(tx, app.id, id)?,
        None => None,
    };
    // Nearly always it is both, and need not be looked for by its name.
    let is_named_so = user.as_ref().is_some_and(|user| fold(&user.name) == fold(key));
    if !is_named_so && let Some(named) = users::by_name(tx, app.id, key)? {
        return Ok(Some((named, license)));
    }
    let (Some(user), Some(license)) = (user, license) else { return Ok(None) };
    let opens = is_named_so || user.credential == Credential::License && has_made(tx, app.id, &license, &user)?;
    Ok(opens.then_some((user, Some(license))))
}

/// Whether this license made this license-only user. One that came as an upgrade opens nothing: anybody may redeem one
/// for anybody, and it would open what the ban of the first license has closed.
pub fn has_made(tx: &mut Tx<'_>, app: AppId, license: &License, user: &User) -> Result<bool, store::Error> {
    if license.used_by != Some(user.id) {
        return Ok(false);
    }
    if fold(&license.key) == fold(&user.name) {
        return Ok(true);
    }
    if is_of_its_name(tx, app, user)? {
        return Ok(false);
    }
    let mut given = subscriptions::of_user(tx, user.id)?.into_iter().filter_map(|held| held.license).peekable();
    if given.peek().is_none() {
        // What it gave is not known to have come from it, as with users from elsewhere.
        return Ok(licenses::first_of_user(tx, user.id)?.map(|first| first.id) == Some(license.id));
    }
    Ok(given.any(|id| id == license.id))
}

/// Whether a user has redeemed the license that it is named like: that one made it, then, and no other.
fn is_of_its_name(tx: &mut Tx<'_>, app: AppId, user: &User) -> Result<bool, store::Error> {
    Ok(licenses::by_key(tx, app, &user.name)?.is_some_and(|license| license.used_by == Some(user.id)))
}

/// Whether this secret is the license of a license-only user.
fn opens(tx: &mut Tx<'_>, app: &App, given: Option<&str>, user: &User) -> Result<(), Stop> {
    let given = given.filter(|key| key.len() <= license::MAX_KEY).ok_or(Refusal::PasswordMismatch)?;
    let license = licenses::by_key(tx, app.id, given)?;
    opened(is_opened_by(tx, app.id, given, license.as_ref(), user)?)
}

fn opened(is_opened: bool) -> Result<(), Stop> {
    if is_opened { Ok(()) } else { Err(Refusal::PasswordMismatch.into()) }
}

/// Whether a key, with the license of that key if there is one, opens this license-only user.
pub fn is_opened_by(
    tx: &mut Tx<'_>,
    app: AppId,
    key: &str,
    license: Option<&License>,
    user: &User,
) -> Result<bool, store::Error> {
    if let Some(license) = license
        && has_made(tx, app, license, user)?
    {
        return Ok(true);
    }
    // The license is gone, and the user has its name. One with a name of its own never is without a license
    // (`own::rename`, `license::delete`): that name is known to everybody and opens nothing.
    let is_named_so = secret::same(&fold(key), &fold(&user.name));
    Ok(is_named_so && licenses::first_of_user(tx, user.id)?.is_none())
}

/// The license that a license-only user comes with.
fn made_by(tx: &mut Tx<'_>, app: &App, claim: &Claim<'_>, user: &User) -> Result<Option<License>, store::Error> {
    match claim.token {
        _ if user.credential != Credential::License => Ok(None),
        // A token names no license: it is the one of its name, if that made it, or else the one that did.
        Some(_) => {
            let named_so = licenses::by_key(tx, app.id, &user.name)?;
            match licenses::first_of_user(tx, user.id)? {
                Some(first) => Ok(named_so.filter(|license| license.used_by == Some(user.id)).or(Some(first))),
                None => Ok(named_so),
            }
        }
        None => licenses::by_key(tx, app.id, claim.key.or(claim.password).unwrap_or(&user.name)),
    }
}

/// What keeps a known user out: a ban, or what is wrong with the license that it comes with.
fn may_enter(user: &User, license: Option<&License>) -> Result<(), Refusal> {
    if user.banned {
        return Err(Refusal::UserBanned(user.ban_reason.clone()));
    }
    match license {
        Some(license) if license.state() == LicenseState::Banned => {
            Err(Refusal::LicenseBanned(license.ban_reason.clone()))
        }
        Some(license) if license.paused => Err(Refusal::LicensePaused),
        _ => Ok(()),
    }
}

/// What keeps everybody out who comes from this device or address.
fn not_banned_here(tx: &mut Tx<'_>, app: &App, claim: &Claim<'_>) -> Result<(), Stop> {
    match ban::find(tx, app.id, claim.hwid, claim.ip)? {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// The last checks, and the login itself.
fn enter(
    tx: &mut Tx<'_>,
    app: &App,
    claim: &Claim<'_>,
    user: User,
    terms: Terms,
    renewed: Option<Credential>,
) -> Result<Entered, Stop> {
    let held = subscriptions::of_user(tx, user.id)?;
    let (hwid, running) = match terms {
        Terms::Program | Terms::Discreet => {
            let hwid = device::bind(tx, app, &user, claim.hwid, claim.now)?;
            (hwid, subscription::running(app, held, claim.now)?)
        }
        Terms::Page => (None, subscription::running(app, held, claim.now).unwrap_or_default()),
    };
    two_factor::pass(tx, &user, &claim.factor)?;
    if let Some(credential) = renewed {
        users::set_credential(tx, user.id, &credential)?;
        if credential == Credential::License && !is_of_its_name(tx, app.id, &user)? {
            // Its name opens it from now on, as `license::delete` has it.
            licenses::release_of_user(tx, user.id)?;
        }
    }
    users::logged_in(tx, user.id, &claim.ip.to_string(), claim.now)?;
    // A user can be had for nothing, where sign-ups are free.
    if !running.is_empty() {
        claim.factor.guess.welcome(app.id, user.id);
    }
    let username = claim.username.unwrap_or(&user.name).to_owned();
    Ok(Entered { user, username, subscriptions: running, hwid })
}
