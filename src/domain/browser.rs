//! Browsers of Wacht's format: finding one by its token, signing up and in on it, switching between who is signed in,
//! signing out (wacht sections 1 and 2). Who is signed in is held by a session of its own, so that whatever ends sessions
//! ends a sign-in too. Draws no id, knows no cookie.

use std::net::IpAddr;

use crate::model::app::App;
use crate::model::browser::{Browser, Held, NewSignIn, SignIn};
use crate::model::ids::{BrowserId, SignInId};
use crate::model::time::Time;
use crate::store::{self, Tx, browsers, sessions, users};

use super::lists::Lists;
use super::secret::{self, Proof, token_hash};
use super::user::{self, Claim, Entered, SignUp, Terms};
use super::{Refusal, Stop, app, license, session};

/// How long a browser is known after it was made, in seconds (wacht W44).
pub const LIFE_SECONDS: i64 = 30 * 86_400;

/// How long without being used.
pub const IDLE_SECONDS: i64 = 7 * 86_400;

/// How long without being used, if nobody is signed in there: it is deleted then.
pub const ALONE_SECONDS: i64 = 86_400;

/// A use is noted when the last one noted is so old: most requests write nothing.
const NOTED_SECONDS: i64 = 3_600;

/// How many sign-ins a browser has at most, those that have ended with them: all of them are read and shown with nearly
/// every call, and signing up may cost nothing.
pub const MAX_SIGN_INS: usize = 50;

/// How many browsers one clean-up step deletes.
pub const CLEAN_STEP: i64 = 100;

/// The least characters of a password (wacht W14), and the most of an e-mail address (W10).
const MIN_PASSWORD: usize = 8;
const MAX_EMAIL: usize = 254;

/// What a browser that is not known yet becomes.
#[derive(Clone, Copy)]
pub struct NewBrowser<'a> {
    /// Random.
    pub id: BrowserId,
    /// Random, and known to the browser alone.
    pub token: &'a str,
    /// The address that it comes from.
    pub ip: IpAddr,
}

/// Where somebody signs up or in, and what becomes of it: the browser gets the new token. Whoever knew the old one, be it
/// that they had planted it there, knows nothing any more.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The browser.
    pub browser: &'a Browser,
    /// Its new token; and what it is called if there has to be another one.
    pub fresh: NewBrowser<'a>,
}

/// By what somebody signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The e-mail address.
    Email,
    /// The username.
    Username,
}

/// Something that no two users of an app have.
#[derive(Clone, Copy)]
pub enum Identifier<'a> {
    /// An e-mail address.
    Email(&'a str),
    /// A username.
    Username(&'a str),
    /// A phone number.
    Phone(&'a str),
}

/// The app's browser with this token, unless it is over (wacht W42).
pub fn find(tx: &mut Tx<'_>, app: &App, token: &str, now: Time) -> Result<Option<Browser>, store::Error> {
    let found = browsers::by_token(tx, app.id, &token_hash(token))?;
    Ok(found.filter(|known| now < known.created_at + LIFE_SECONDS && now < known.used_at + IDLE_SECONDS))
}

/// Whether this use of a browser should be noted.
pub fn is_to_be_noted(browser: &Browser, now: Time) -> bool {
    now >= browser.used_at + NOTED_SECONDS
}

/// The app's browser with this token, its use noted; else a new one.
pub fn open(
    tx: &mut Tx<'_>,
    app: &App,
    token: Option<&str>,
    new: NewBrowser<'_>,
    now: Time,
) -> Result<Browser, store::Error> {
    let known = match token {
        Some(token) => find(tx, app, token, now)?,
        None => None,
    };
    if let Some(known) = known {
        browsers::set_used(tx, known.id, now)?;
        return Ok(Browser { used_at: known.used_at.max(now), ..known });
    }
    insert(tx, app, new, now)
}

fn insert(tx: &mut Tx<'_>, app: &App, new: NewBrowser<'_>, now: Time) -> Result<Browser, store::Error> {
    let token_hash = token_hash(new.token);
    let browser = Browser { id: new.id, app: app.id, token_hash, created_at: now, used_at: now, active: None };
    browsers::insert(tx, &browser, new.ip)?;
    Ok(browser)
}

/// The browser as it is inside this transaction, with all who ever signed in on it; nobody did, if its token is another
/// one by now.
pub fn state(tx: &mut Tx<'_>, browser: &Browser, now: Time) -> Result<(Browser, Vec<SignIn>), store::Error> {
    match current(tx, browser)? {
        Some(current) => Ok((current, browsers::sign_ins(tx, browser.id, now)?)),
        None => Ok((browser.clone(), Vec::new())),
    }
}

/// The browser inside this transaction. Who found it by a token that has ended since has nothing of it.
fn current(tx: &mut Tx<'_>, browser: &Browser) -> Result<Option<Browser>, store::Error> {
    Ok(browsers::by_id(tx, browser.id)?.filter(|current| current.token_hash == browser.token_hash))
}

/// An e-mail address in the one form in which it is kept, if it looks like one (wacht W10).
pub fn email(text: &str) -> Result<String, Refusal> {
    let text = text.trim().to_lowercase();
    let fits = match text.split_once('@') {
        Some((local, domain)) => !local.is_empty() && domain.contains('.') && !domain.contains('@'),
        None => false,
    };
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if fits && is_plain && text.chars().count() <= MAX_EMAIL { Ok(text) } else { Err(Refusal::EmailUnfit) }
}

/// Whether a user of the app has this already.
pub fn is_taken(tx: &mut Tx<'_>, app: &App, identifier: Identifier<'_>) -> Result<bool, store::Error> {
    match identifier {
        Identifier::Email(email) => users::has_email(tx, app.id, &secret::email_sha1(email)),
        Identifier::Username(name) => users::by_name(tx, app.id, name).map(|user| user.is_some()),
        Identifier::Phone(phone) => users::has_phone(tx, app.id, phone),
    }
}

/// Makes a user and signs it in (wacht section 1). The checks stand in the order of W30. Where the app asks for an
/// invitation, that is the license to redeem; elsewhere none is looked at. Answers the browser as it is then.
pub fn sign_up(
    tx: &mut Tx<'_>,
    app: &App,
    lists: &Lists,
    at: At<'_>,
    by: &SignUp<'_>,
    new: &NewSignIn,
    proof: Option<&Proof>,
) -> Result<Browser, Stop> {
    if by.password.is_some_and(|password| password.chars().count() < MIN_PASSWORD) {
        return Err(Refusal::PasswordTooShort(MIN_PASSWORD).into());
    }
    let is_invited = app.settings.wacht_sign_up == "invitation";
    let by = SignUp { key: by.key.filter(|_| is_invited), ..by.clone() };
    user::check_new(app, lists, &by)?;
    app::check_open(app)?;
    // Before what is taken: who may not sign up learns nothing about those who did.
    match &*app.settings.wacht_sign_up {
        "open" => {}
        "invitation" => drop(license::redeemable(tx, app.id, by.key, &license::By::anybody(by.guess), by.now)?),
        _ => return Err(Refusal::SignUpClosed.into()),
    }
    let entered = user::sign_up(tx, app, lists, &by, proof)?;
    attach(tx, app, at, &entered, new, true)
}

/// Signs a user in by its password (wacht 2.1). Asks for neither a device nor a subscription. It costs the same work
/// whether or not there is such a user, and whatever opens it. Answers the browser as it is then.
pub fn sign_in(
    tx: &mut Tx<'_>,
    app: &App,
    at: At<'_>,
    by: By,
    claim: &Claim<'_>,
    new: &NewSignIn,
    proof: Option<&Proof>,
) -> Result<Browser, Stop> {
    let entered = match by {
        By::Email => user::login_by_email(tx, app, claim, Terms::Page, proof)?,
        By::Username => user::login(tx, app, claim, Terms::Page, proof)?,
    };
    attach(tx, app, at, &entered, new, false)
}

/// One more sign-in on a browser; it is the one that counts from now on (wacht W29).
fn attach(
    tx: &mut Tx<'_>,
    app: &App,
    at: At<'_>,
    entered: &Entered,
    new: &NewSignIn,
    signed_up: bool,
) -> Result<Browser, Stop> {
    let browser = renew(tx, app, at, new.now)?;
    let is_same = |sign_in: &SignIn| sign_in.held.as_ref().is_some_and(|held| held.user == entered.user.id);
    let known = browsers::sign_ins(tx, browser.id, new.now)?;
    if known.iter().any(is_same) {
        return Err(Refusal::SignedInAlready.into());
    }
    make_room(tx, app, known, new.now)?;
    session::open_sign_in(tx, app, entered, new.session, new.ip, new.now, browser.created_at + LIFE_SECONDS)?;
    browsers::insert_sign_in(tx, browser.id, new, signed_up)?;
    browsers::set_active(tx, browser.id, Some(new.id))?;
    Ok(browser)
}

/// Forgets what a browser has too many of, so that it can have one more: those that have ended first, then the oldest.
fn make_room(tx: &mut Tx<'_>, app: &App, mut known: Vec<SignIn>, now: Time) -> Result<(), store::Error> {
    let surplus = (known.len() + 1).saturating_sub(MAX_SIGN_INS);
    known.sort_by_key(|sign_in| sign_in.held.is_some());
    for SignIn { id, held, .. } in known.into_iter().take(surplus) {
        if let Some(held) = held {
            sessions::end(tx, held.session, app.id, now)?;
        }
        browsers::delete_sign_in(tx, id)?;
    }
    Ok(())
}

/// The same browser under another token. If it was renewed since it was found, this is about another one: the two who
/// knew the old token need not be the same person.
fn renew(tx: &mut Tx<'_>, app: &App, at: At<'_>, now: Time) -> Result<Browser, store::Error> {
    let token_hash = token_hash(at.fresh.token);
    if browsers::set_token(tx, at.browser, &token_hash)? {
        return Ok(Browser { token_hash, ..at.browser.clone() });
    }
    insert(tx, app, at.fresh, now)
}

/// Makes another sign-in of a browser the one that counts.
pub fn switch(tx: &mut Tx<'_>, browser: &Browser, to: SignInId, now: Time) -> Result<(), Stop> {
    let known = live(tx, browser, now)?;
    if !known.iter().any(|(id, _)| *id == to) {
        return Err(Refusal::SignInNotFound.into());
    }
    Ok(browsers::set_active(tx, browser.id, Some(to))?)
}

/// Ends one sign-in of a browser, or all of them. Which other one counts then, only the user says.
pub fn sign_out(tx: &mut Tx<'_>, app: &App, browser: &Browser, which: Option<SignInId>, now: Time) -> Result<(), Stop> {
    let known = live(tx, browser, now)?;
    let (ends, stays): (Vec<_>, Vec<_>) = known.into_iter().partition(|(id, _)| which.is_none_or(|which| which == *id));
    if which.is_some() && ends.is_empty() {
        return Err(Refusal::SignInNotFound.into());
    }
    for (_, held) in ends {
        sessions::end(tx, held.session, app.id, now)?;
    }
    // While somebody is signed in, the browser is kept as one of these; the sign-in that counted may be gone.
    if stays.is_empty() && current(tx, browser)?.is_some() {
        browsers::set_active(tx, browser.id, None)?;
    }
    Ok(())
}

fn live(tx: &mut Tx<'_>, browser: &Browser, now: Time) -> Result<Vec<(SignInId, Held)>, store::Error> {
    let (_, all) = state(tx, browser, now)?;
    Ok(all.into_iter().filter_map(|sign_in| Some((sign_in.id, sign_in.held?))).collect())
}

/// Deletes some of the browsers that are over, and ends the sessions of who is signed in there. Answers how many.
pub fn clean(tx: &mut Tx<'_>, now: Time) -> Result<u64, store::Error> {
    let over = browsers::unused(tx, now + -IDLE_SECONDS, now + -ALONE_SECONDS, CLEAN_STEP)?;
    for id in &over {
        if let Some(browser) = browsers::by_id(tx, *id)? {
            for (_, held) in live(tx, &browser, now)? {
                sessions::end(tx, held.session, browser.app, now)?;
            }
            browsers::delete(tx, *id)?;
        }
    }
    Ok(over.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_looks_like_one() {
        for (text, kept) in [
            (" Mia@Example.COM ", Some("mia@example.com")),
            ("ÄÖ@example.com", Some("äö@example.com")),
            ("a@b.", Some("a@b.")),
            ("", None),
            ("mia", None),
            ("@example.com", None),
            ("mia@", None),
            ("mia@example", None),
            ("mia@@example.com", None),
            ("mia@x@example.com", None),
            ("mia smith@example.com", None),
            ("mia\u{a0}@example.com", None),
            ("mia\u{7}@example.com", None),
        ] {
            assert_eq!(email(text).ok().as_deref(), kept, "{text:?}");
        }
        let long = |length: usize| format!("{}@example.com", "x".repeat(length - "@example.com".len()));
        assert!(email(&long(254)).is_ok());
        assert!(email(&long(255)).is_err());
    }
}
