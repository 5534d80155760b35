//! Licenses: making keys from a mask, listing, banning, prolonging. Redemption is in `user.rs`, because it makes or prolongs users.

use rand::CryptoRng;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::model::app::App;
use crate::model::ids::{AppId, LicenseId, UserId, fold};
use crate::model::license::{License, LicenseState};
use crate::model::settings::Settings;
use crate::model::time::{LIFETIME_SECONDS, MAX_SPAN_SECONDS, Span, Time};
use crate::model::user::{Credential, Subscription, User};
use crate::store::{self, Tx, licenses, sessions, subscriptions, users};

use super::guesses::Guess;
use super::secret::draw;
use super::subscription::{self, ExtendError};
use super::user::{has_made, is_opened_by};
use super::{Refusal, Stop};

/// The longest key, in bytes (contract section 6).
pub const MAX_KEY: usize = 70;
/// The longest level, in bytes.
pub const MAX_LEVEL: usize = 12;
/// The longest note, in bytes.
pub const MAX_NOTE: usize = 69;
/// The longest ban reason, in bytes.
pub const MAX_REASON: usize = 99;
/// How many licenses one look at the table reads.
const PAGE: i64 = 1_000;
/// The latest end that a license may have: the last second of the year 9999.
const LAST: Time = Time(253_402_300_799);
/// The most licenses that one transaction makes.
pub const MAX_BATCH: u32 = 10_000;

/// What the wildcards of a mask become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alphabet {
    /// Digits and letters of both cases.
    #[default]
    Mixed,
    /// Digits and upper-case letters.
    Upper,
    /// Digits and lower-case letters.
    Lower,
}

impl Alphabet {
    /// Its characters. Keys are compared without regard to case, so that `Mixed` gives no more different keys than
    /// the others; it is the reference's default.
    fn characters(self) -> &'static [u8] {
        const ALL: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        match self {
            Alphabet::Mixed => ALL,
            Alphabet::Upper => &ALL[26..],
            Alphabet::Lower => &ALL[..36],
        }
    }
}

/// What new licenses are to be.
#[derive(Clone, Debug)]
pub struct Batch {
    /// How many, 1 to [`MAX_BATCH`].
    pub count: u32,
    /// Each `*` becomes a random character.
    pub mask: String,
    /// What the wildcards become.
    pub alphabet: Alphabet,
    /// Counted from redemption.
    pub duration: Span,
    /// From when on they cannot be redeemed, and when what they give ends at the latest.
    pub expires_at: Option<Time>,
    /// What they give.
    pub level: String,
    /// The operator's own words.
    pub note: Option<String>,
    /// Who makes them.
    pub created_by: Option<String>,
}

/// Why licenses were not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum LicenseError {
    /// Nothing was made: this is not acceptable.
    #[error("{0}")]
    Unfit(&'static str),
    /// The key exists.
    #[error("the app has a license with this key already (keys are compared without regard to case)")]
    Taken,
    /// The mask has fewer different keys left than are wanted.
    #[error("this mask has too few different keys left; give it more *")]
    MaskUsedUp,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Batch {
    /// What an app's licenses are when nothing else is said.
    pub fn of_settings(settings: &Settings) -> Batch {
        let total = settings.duration.saturating_mul(settings.unit);
        let lifetime = settings.unit == LIFETIME_SECONDS || total > MAX_SPAN_SECONDS;
        Batch {
            count: u32::try_from(settings.amount).unwrap_or(1),
            mask: settings.format.clone().into_owned(),
            alphabet: Alphabet::default(),
            duration: if lifetime { Span::Lifetime } else { Span::Seconds(total) },
            expires_at: None,
            level: settings.level.clone().into_owned(),
            note: Some(settings.note.clone().into_owned()).filter(|note| !note.is_empty()),
            created_by: None,
        }
    }

    /// Whether this can be made.
    pub fn check(&self) -> Result<(), LicenseError> {
        let unfit = |text| Err(LicenseError::Unfit(text));
        let wildcards = self.mask.bytes().filter(|b| *b == b'*').count();
        if self.count == 0 || self.count > MAX_BATCH {
            return unfit("one transaction makes 1 to 10,000 licenses");
        }
        if self.mask.trim() != self.mask || self.mask.is_empty() || self.mask.len() > MAX_KEY {
            return unfit("a mask has 1 to 70 bytes and no blanks around it");
        }
        if self.mask.chars().any(char::is_control) {
            return unfit("a mask has no control characters");
        }
        if self.count > 1 && wildcards == 0 {
            return unfit("more than one license needs a mask with at least one *");
        }
        if self.level.trim().is_empty() || self.level.len() > MAX_LEVEL {
            return unfit("a level has 1 to 12 bytes");
        }
        if self.note.as_ref().is_some_and(|note| note.len() > MAX_NOTE) {
            return unfit("a note has at most 69 bytes");
        }
        if matches!(self.duration, Span::Seconds(s) if s <= 0) {
            return unfit("a duration is longer than nothing; use lifetime for one without end");
        }
        if self.expires_at.is_some_and(|end| end > LAST) {
            return unfit("the end of a license lies before the year 10000 (this looks like milliseconds)");
        }
        Ok(())
    }

    /// How many of the mask's characters are random. Below a dozen, keys can be guessed.
    pub fn wildcards(&self) -> usize {
        self.mask.bytes().filter(|b| *b == b'*').count()
    }
}

/// Makes a batch of licenses; all of them, or none. Answers their keys in the order in which they were made.
pub fn create(
    tx: &mut Tx<'_>,
    app: AppId,
    batch: &Batch,
    now: Time,
    rng: &mut impl CryptoRng,
) -> Result<Vec<String>, LicenseError> {
    batch.check()?;
    if batch.expires_at.is_some_and(|end| end <= now) {
        return Err(LicenseError::Unfit("the end of a license has to be in the future"));
    }
    let mut license = License {
        id: LicenseId(0),
        key: String::new(),
        level: batch.level.clone(),
        duration: batch.duration,
        note: batch.note.clone(),
        created_by: batch.created_by.clone(),
        created_at: now,
        used_at: None,
        used_by: None,
        banned: false,
        ban_reason: None,
        paused: false,
        expires_at: batch.expires_at,
    };
    let mut keys = Vec::with_capacity(batch.count as usize);
    // A clash is drawn again. A mask that keeps clashing is used up.
    let mut clashes = 0;
    while keys.len() < batch.count as usize {
        license.key = fill(&batch.mask, batch.alphabet, rng);
        if licenses::insert(tx, app, &license)?.is_some() {
            keys.push(license.key.clone());
        } else if batch.wildcards() == 0 {
            return Err(LicenseError::Taken);
        } else {
            clashes += 1;
            if clashes > 100 + keys.len() {
                return Err(LicenseError::MaskUsedUp);
            }
        }
    }
    Ok(keys)
}

fn fill(mask: &str, alphabet: Alphabet, rng: &mut impl CryptoRng) -> String {
    let random = draw(alphabet.characters(), mask.bytes().filter(|b| *b == b'*').count(), rng);
    let mut random = random.chars();
    mask.chars().map(|c| if c == '*' { random.next().unwrap_or('*') } else { c }).collect()
}

/// The license with this key.
pub fn find(tx: &mut Tx<'_>, app: AppId, key: &str) -> Result<License, Stop> {
    licenses::by_key(tx, app, key)?.ok_or_else(|| Refusal::LicenseNotFound.into())
}

/// What formats that name everything by a UUID call a license (`"license"`) and what came of redeeming it
/// (`"adjustment"`; each license is redeemed once). Of a key no more can be told from it than whether it is that one.
/// Stable: made of the app's own UUID and the key, as version 8, because nothing else is stored for it.
pub fn uuid(app: &App, license: &License, of: &str) -> Uuid {
    let digest = Sha256::digest(format!("{of}\n{}\n{}", app.uuid, fold(&license.key)));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// Who asks for a license to redeem.
pub struct By<'a> {
    /// Counts what is guessed wrong.
    pub guess: Guess<'a>,
    /// Who is logged in; its guesses count for itself, not for the address.
    user: Option<UserId>,
}

impl<'a> By<'a> {
    /// Anybody.
    pub fn anybody(guess: Guess<'a>) -> By<'a> {
        By { guess, user: None }
    }

    /// This user, if there is one: who has proven to be it.
    pub fn user(guess: Guess<'a>, user: impl Into<Option<UserId>>) -> By<'a> {
        By { guess, user: user.into() }
    }
}

/// The license with this key, if it may be redeemed. Who asked for too many that there are not is refused, whatever the
/// key.
pub fn redeemable(tx: &mut Tx<'_>, app: AppId, key: Option<&str>, by: &By<'_>, now: Time) -> Result<License, Stop> {
    let key = key.ok_or(Refusal::LicenseNotFound)?;
    let wait = match by.user {
        Some(user) => by.guess.own_wait(user),
        None => by.guess.stranger_wait(app, key),
    };
    if let Some(wait) = wait {
        return Err(Refusal::RateLimited(wait).into());
    }
    let license = licenses::by_key(tx, app, key)?;
    if license.is_none() {
        match by.user {
            Some(user) => by.guess.own_unknown(user),
            None => by.guess.unknown(app, key),
        }
    }
    let license = license.ok_or(Refusal::LicenseNotFound)?;
    may_redeem(&license, now)?;
    Ok(license)
}

/// What is said where a license would open something, and there is none with this key.
pub fn unknown(app: AppId, key: Option<&str>, guess: &Guess<'_>) -> Refusal {
    let Some(key) = key else { return Refusal::LicenseNotFound };
    if let Some(wait) = guess.stranger_wait(app, key) {
        return Refusal::RateLimited(wait);
    }
    guess.unknown(app, key);
    Refusal::LicenseNotFound
}

fn may_redeem(license: &License, now: Time) -> Result<(), Refusal> {
    match license.state() {
        LicenseState::Unused if license.is_over(now) => Err(Refusal::LicenseExpired),
        LicenseState::Paused => Err(Refusal::LicensePaused),
        LicenseState::Unused => Ok(()),
        LicenseState::Used => Err(Refusal::LicenseInUse),
        LicenseState::Banned => Err(Refusal::LicenseBanned(license.ban_reason.clone())),
    }
}

/// Bans a license. Its license-only user is logged out; what other users got from it stays with them.
pub fn ban(tx: &mut Tx<'_>, app: &App, license: &License, reason: Option<&str>) -> Result<(), Stop> {
    licenses::ban(tx, license.id, reason)?;
    Ok(log_out_license_only(tx, app, license)?)
}

/// Pauses a license, or lets it be used again. While it is paused its license-only user is logged out; what other users
/// got from it stays with them. False: it was so already.
pub fn set_paused(tx: &mut Tx<'_>, app: &App, license: &License, paused: bool) -> Result<bool, Stop> {
    if paused {
        log_out_license_only(tx, app, license)?;
    }
    Ok(licenses::set_paused(tx, license.id, paused)?)
}

fn log_out_license_only(tx: &mut Tx<'_>, app: &App, license: &License) -> Result<(), store::Error> {
    let redeemed = match license.used_by {
        Some(user) => users::by_id(tx, app.id, user)?,
        None => None,
    };
    // One whose license was deleted comes in by its name: a license of that key, made again, is its own.
    let named_so = users::by_name(tx, app.id, &license.key)?;
    for user in redeemed.into_iter().chain(named_so) {
        if user.credential == Credential::License && is_opened_by(tx, app.id, &license.key, Some(license), &user)? {
            sessions::invalidate_user(tx, user.id)?;
        }
    }
    Ok(())
}

/// Deletes a license; what it gave stays with its user. Answers the user that is locked now, if one is: a license-only
/// user with a name of its own has nothing else to come in by, and its name is no secret. One that is named like its key
/// goes on coming in by that. A license that came as an upgrade does not take the place of the one that made it: anybody may
/// redeem one for anybody.
pub fn delete(tx: &mut Tx<'_>, app: AppId, license: &License) -> Result<Option<User>, store::Error> {
    let user = match license.used_by {
        Some(user) => users::by_id(tx, app, user)?.filter(|user| user.credential == Credential::License),
        None => None,
    };
    let Some(user) = user else {
        licenses::delete(tx, license.id)?;
        return Ok(None);
    };
    if fold(&user.name) == fold(&license.key) {
        licenses::delete(tx, license.id)?;
        // Its name opens it where no license is its own: one that is left would, in the place of the name.
        licenses::release_of_user(tx, user.id)?;
        return Ok(None);
    }
    let by_others = |held: &Subscription| held.license.is_some_and(|id| id != license.id);
    let is_last = has_made(tx, app, license, &user)? && !subscriptions::of_user(tx, user.id)?.iter().any(by_others);
    licenses::delete(tx, license.id)?;
    if !is_last {
        return Ok(None);
    }
    users::set_credential(tx, user.id, &Credential::Locked)?;
    Ok(Some(user))
}

/// At most `limit` licenses after this one that are in this state (or in any), in the order they were made. Those that
/// were paused after they had been used are both used and paused.
pub fn page(
    tx: &mut Tx<'_>,
    app: AppId,
    state: Option<LicenseState>,
    mut after: LicenseId,
    limit: usize,
) -> Result<Vec<License>, store::Error> {
    let mut found = Vec::new();
    loop {
        let some = licenses::after(tx, app, after, PAGE)?;
        let last = some.last().map(|license| license.id);
        found.extend(some.into_iter().filter(|license| state.is_none_or(|state| is_in(license, state))));
        found.truncate(limit);
        match last {
            Some(last) if found.len() < limit => after = last,
            _ => return Ok(found),
        }
    }
}

fn is_in(license: &License, state: LicenseState) -> bool {
    match state {
        LicenseState::Paused => license.paused && !license.banned,
        state => license.state() == state,
    }
}

/// What prolonging a license did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// It was unused: its own duration grew.
    Duration,
    /// It was used: so many subscriptions that its user holds were prolonged.
    Subscriptions(u64),
}

/// Gives more time with a license: an unused one gets a longer duration, a used one prolongs what it gave.
pub fn extend(tx: &mut Tx<'_>, app: &App, license: &License, by: Span, now: Time) -> Result<Extended, ExtendError> {
    if license.used_at.is_some() {
        return subscription::extend_given(tx, app, license, by, now).map(Extended::Subscriptions);
    }
    let longer = match (license.duration, by) {
        (Span::Lifetime, _) => return Err(ExtendError::Lifetime),
        (Span::Seconds(_), Span::Lifetime) => licenses::set_lifetime(tx, license.id)?,
        (Span::Seconds(_), Span::Seconds(seconds)) => licenses::extend(tx, license.id, seconds)?,
    };
    // The caller read it in this transaction, so that it cannot have been used or deleted since.
    if longer { Ok(Extended::Duration) } else { Err(ExtendError::Lifetime) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn an_apps_settings_say_what_its_licenses_are() {
        let batch = Batch::of_settings(&Settings::default());
        assert_eq!((batch.count, batch.duration), (1, Span::Seconds(2_592_000)));
        assert_eq!((batch.level.as_str(), batch.wildcards(), batch.note), ("1", 36, None));
        for (duration, unit) in [(1, LIFETIME_SECONDS), (1_000_000, 31_556_926)] {
            let settings = Settings { duration, unit, ..Settings::default() };
            assert_eq!(Batch::of_settings(&settings).duration, Span::Lifetime);
        }
    }

    #[test]
    fn masks_are_filled_from_their_alphabet() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let key = fill("KEY-****-é", Alphabet::Upper, &mut rng);
        assert!(key.starts_with("KEY-") && key.ends_with("-é"), "{key}");
        assert!(key[4..8].bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()), "{key}");
        let long = fill(&"*".repeat(70), Alphabet::Lower, &mut rng);
        assert!(long.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()), "{long}");
        assert_eq!(Alphabet::Upper.characters().len(), 36);
        assert_eq!(Alphabet::Lower.characters().len(), 36);
    }
}
