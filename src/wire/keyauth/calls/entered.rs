//! The body of a successful registration or login (contract 4.2): shared by the calls that end in one. Not a call.

use std::time::Duration;

use crate::domain::secret::new_uuid;
use crate::domain::two_factor::Factor;
use crate::domain::user::{Claim, Entered};
use crate::domain::{Refusal, Stop, session};
use crate::model::session::Session;
use crate::model::time::{LIFETIME_SECONDS, Time};
use crate::model::user::Subscription;
use crate::store::Tx;
use crate::wire::reply::Json;

use super::{Reply, Req};

/// What a login can refuse, whichever name the user is called by.
pub(super) const LOGIN_REFUSES: &[Refusal] = &[
    Refusal::HwidTooLong,
    Refusal::HwidTooShort(0),
    Refusal::HwidMissing,
    Refusal::UserNotFound,
    Refusal::UserBanned(None),
    Refusal::LicenseBanned(None),
    Refusal::LicensePaused,
    Refusal::HwidBanned,
    Refusal::AddressBanned,
    Refusal::PasswordMismatch,
    Refusal::HwidMismatch,
    Refusal::SubscriptionPaused,
    Refusal::NoActiveSubscription,
    Refusal::TwoFactorRequired,
    Refusal::TwoFactorWrong,
    Refusal::TwoFactorBlocked(Duration::ZERO),
];

/// The settings that a login follows.
pub(super) const LOGIN_SETTINGS: &[&str] = &["minHwid", "forceHwid", "hwidcheck", "killOtherSessions", "loggedInMsg"];

/// What the form says about who wants to come in.
pub(super) fn claim<'a>(req: &Req<'a>) -> Claim<'a> {
    Claim {
        username: req.form.text("username"),
        password: req.form.text("pass"),
        token: None,
        key: req.form.text("key"),
        hwid: req.form.text("hwid"),
        email: req.form.text("email"),
        ip: req.ip,
        now: req.now,
        uuid: new_uuid(&mut rand::rng()),
        factor: factor(req),
    }
}

/// The code of the second factor, with what it is judged by.
pub(super) fn factor<'a>(req: &Req<'a>) -> Factor<'a> {
    Factor { code: req.form.text("code"), ip: req.ip, now: req.now, vault: req.vault, guess: req.guess }
}

/// Notes on the session who is in, for the calls that log in.
pub(super) fn take_seat(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, entered: &Entered) -> Result<(), Stop> {
    session::validate(tx, session, entered, req.now)?;
    session::displace(tx, req.app, session.id, entered)
}

/// Who is in, with what.
pub(super) fn reply(req: &Req<'_>, entered: Entered) -> Reply {
    let subscriptions = entered.subscriptions.iter().map(|s| subscription(s, req.now)).collect();
    let info = Json::Object(vec![
        ("username", entered.username.into()),
        ("subscriptions", Json::List(subscriptions)),
        ("ip", req.ip.to_string().into()),
        ("hwid", entered.hwid.into()),
        ("createdate", entered.user.created_at.0.to_string().into()),
        ("lastlogin", req.now.0.to_string().into()),
    ]);
    Reply::with(req.app.settings.logged_in.clone(), vec![("info", info)])
}

fn subscription(subscription: &Subscription, now: Time) -> Json {
    // Clients must be given a date: lifetime is always as far away as KeyAuth's lifetime.
    let expires_at = subscription.expires_at.unwrap_or(now + LIFETIME_SECONDS);
    Json::Object(vec![
        ("subscription", subscription.plan.clone().into()),
        ("key", subscription.key.clone().into()),
        ("expiry", expires_at.0.to_string().into()),
        ("timeleft", Json::Int(expires_at - now)),
        ("level", subscription.level.clone().into()),
    ])
}
