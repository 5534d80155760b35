//! Subscriptions: what runs, what stands still, what a license grants.

use crate::model::app::{App, Plan};
use crate::model::ids::{LicenseId, UserId};
use crate::model::license::License;
use crate::model::time::{Span, Time};
use crate::model::user::Subscription;
use crate::store::{Tx, subscriptions};

use super::{Refusal, Stop};

/// What a subscription does at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has time left, and the time runs.
    Running,
    /// It has time left, and stands still: by itself or with its app.
    Paused,
    /// Its time is over.
    Ended,
}

/// What this subscription does at `now`.
pub fn state(app: &App, subscription: &Subscription, now: Time) -> State {
    let stopped_at = match (subscription.paused_at, app.paused_at) {
        (Some(own), _) => Some(own),
        // What was granted while the app stood still has not begun to run.
        (None, Some(all)) => Some(all.max(subscription.granted_at)),
        (None, None) => None,
    };
    let ends = |at: Time| subscription.expires_at.is_some_and(|end| end <= at);
    match stopped_at {
        Some(at) if ends(at) => State::Ended,
        Some(_) => State::Paused,
        None if ends(now) => State::Ended,
        None => State::Running,
    }
}

/// What of these runs. None runs: refused, as paused if anything is (contract 4.3, check 8).
pub fn running(app: &App, all: Vec<Subscription>, now: Time) -> Result<Vec<Subscription>, Refusal> {
    let paused = all.iter().any(|s| state(app, s, now) == State::Paused);
    let running: Vec<_> = all.into_iter().filter(|s| state(app, s, now) == State::Running).collect();
    match (running.is_empty(), paused) {
        (false, _) => Ok(running),
        (true, true) => Err(Refusal::SubscriptionPaused),
        (true, false) => Err(Refusal::NoActiveSubscription),
    }
}

/// Grants every one of these plans for the license's duration: what a registration does.
pub fn grant(tx: &mut Tx<'_>, user: UserId, plans: &[Plan], license: &License, now: Time) -> Result<(), Stop> {
    for plan in plans {
        let new = new(plan, license.duration, Some(license.id), now);
        subscriptions::insert(tx, user, &new)?;
    }
    Ok(())
}

/// Adds the license's duration to what the user holds of this plan and what has time left, else begins anew: what an
/// upgrade does (contract 4.5 and E.2, item 9).
pub fn prolong(tx: &mut Tx<'_>, app: &App, user: UserId, plan: &Plan, by: Span, now: Time) -> Result<(), Stop> {
    let held = subscriptions::of_user(tx, user)?;
    let current = held.into_iter().find(|s| s.plan == plan.name && state(app, s, now) != State::Ended);
    let Some(current) = current else {
        subscriptions::insert(tx, user, &new(plan, by, None, now))?;
        return Ok(());
    };
    let expires_at = match (current.expires_at, by) {
        (Some(end), Span::Seconds(seconds)) => Some(end + seconds),
        (None, _) | (_, Span::Lifetime) => None,
    };
    subscriptions::set_expires_at(tx, current.id, expires_at)?;
    Ok(())
}

fn new(plan: &Plan, duration: Span, license: Option<LicenseId>, now: Time) -> Subscription {
    Subscription {
        id: crate::model::ids::SubscriptionId(0),
        plan: plan.name.clone(),
        level: Some(plan.level.clone()),
        license,
        key: None,
        granted_at: now,
        expires_at: match duration {
            Span::Seconds(seconds) => Some(now + seconds),
            Span::Lifetime => None,
        },
        paused_at: None,
    }
}
