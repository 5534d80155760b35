//! Subscriptions: what runs, what stands still, what a license grants, what an operator adds.

use crate::model::app::{App, Plan};
use crate::model::ids::{LicenseId, UserId};
use crate::model::license::License;
use crate::model::time::{Span, Time};
use crate::model::user::Subscription;
use crate::store::{self, Tx, plans, subscriptions};

use super::{Refusal, Stop};

/// Why nothing was prolonged.
#[derive(Debug, thiserror::Error)]
pub enum ExtendError {
    /// The user holds nothing, and no plan was named.
    #[error("this user holds nothing; name a plan to give one (see `keystead plan list`)")]
    HoldsNothing,
    /// The user does not hold this plan, and the app has none of that name.
    #[error("there is no plan {0:?}; see `keystead plan list`")]
    NoPlan(String),
    /// All that is meant is lifetime already.
    #[error("there is nothing to prolong: it is lifetime already")]
    Lifetime,
    /// The user that a license went to was deleted, or the license that had made it.
    #[error(
        "the user of this license was deleted, or the license that had made that user: `keystead user extend` prolongs what a user holds"
    )]
    UserGone,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

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
    let ends = |at: Time| subscription.expires_at.is_some_and(|end| end <= at);
    match stopped_at(app, subscription) {
        Some(at) if ends(at) => State::Ended,
        Some(_) => State::Paused,
        None if ends(now) => State::Ended,
        None => State::Running,
    }
}

/// When its clock stopped, if it stands still.
pub fn stopped_at(app: &App, subscription: &Subscription) -> Option<Time> {
    match (subscription.paused_at, app.paused_at) {
        (Some(own), _) => Some(own),
        // What was granted while the app stood still has not begun to run.
        (None, Some(all)) => Some(all.max(subscription.granted_at)),
        (None, None) => None,
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

/// What a user holds, as one thing (authgate section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether anything runs.
    pub is_active: bool,
    /// Whether something that runs has no end.
    pub is_lifetime: bool,
    /// When the last of what runs ends; none if something has no end, or nothing runs.
    pub active_until: Option<Time>,
}

/// All of these as one.
pub fn membership(app: &App, all: &[Subscription], now: Time) -> Membership {
    let ends: Vec<Option<Time>> =
        all.iter().filter(|s| state(app, s, now) == State::Running).map(|s| s.expires_at).collect();
    let is_lifetime = ends.contains(&None);
    let active_until = if is_lifetime { None } else { ends.iter().flatten().max().copied() };
    Membership { is_active: !ends.is_empty(), is_lifetime, active_until }
}

/// Grants every one of these plans for the license's duration: what a registration does.
pub fn grant(tx: &mut Tx<'_>, user: UserId, plans: &[Plan], license: &License, now: Time) -> Result<(), Stop> {
    for plan in plans {
        let new = new(plan, license.gives(now), Some(license.id), now);
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

/// Grants a plan as an operator does: without a license.
pub fn give(tx: &mut Tx<'_>, user: UserId, plan: &Plan, duration: Span, now: Time) -> Result<(), store::Error> {
    subscriptions::insert(tx, user, &new(plan, duration, None, now))
}

/// Prolongs what a user holds (of one plan, or of all): all that has time left; if nothing has, what ended last, which
/// runs again from now. A plan that the user does not hold is given. Answers how many were prolonged or given.
pub fn extend(
    tx: &mut Tx<'_>,
    app: &App,
    user: UserId,
    plan: Option<&str>,
    by: Span,
    now: Time,
) -> Result<u64, ExtendError> {
    let mut held = subscriptions::of_user(tx, user)?;
    held.retain(|s| plan.is_none_or(|plan| plan == s.plan));
    if held.is_empty() {
        let name = plan.ok_or(ExtendError::HoldsNothing)?;
        let plan = plans::all(tx, app.id)?.into_iter().find(|p| p.name == name);
        give(tx, user, &plan.ok_or_else(|| ExtendError::NoPlan(name.to_owned()))?, by, now)?;
        return Ok(1);
    }
    if held.iter().any(|s| state(app, s, now) != State::Ended) {
        held.retain(|s| state(app, s, now) != State::Ended);
    } else {
        held.sort_by_key(|s| std::cmp::Reverse(s.expires_at));
        held.truncate(1);
    }
    lengthen_all(tx, app, &held, by, now)
}

/// Prolongs what a used license gave. One that came as an upgrade prolonged a plan, which is prolonged again.
pub(super) fn extend_given(
    tx: &mut Tx<'_>,
    app: &App,
    license: &License,
    by: Span,
    now: Time,
) -> Result<u64, ExtendError> {
    let user = license.used_by.ok_or(ExtendError::UserGone)?;
    let mut given = subscriptions::of_user(tx, user)?;
    given.retain(|s| s.license == Some(license.id));
    if given.is_empty() {
        let plan = plans::of_level(tx, app.id, &license.level)?.into_iter().next();
        let plan = plan.ok_or_else(|| ExtendError::NoPlan(format!("of level {}", license.level)))?;
        return extend(tx, app, user, Some(&plan.name), by, now);
    }
    lengthen_all(tx, app, &given, by, now)
}

fn lengthen_all(tx: &mut Tx<'_>, app: &App, all: &[Subscription], by: Span, now: Time) -> Result<u64, ExtendError> {
    let mut done = 0;
    for subscription in all {
        if let Some(end) = subscription.expires_at {
            subscriptions::set_expires_at(tx, subscription.id, lengthened(app, subscription, end, by, now))?;
            done += 1;
        }
    }
    if done == 0 { Err(ExtendError::Lifetime) } else { Ok(done) }
}

/// The new end. What ended gets its time from now on: from its own now, if its clock stands still.
fn lengthened(app: &App, subscription: &Subscription, end: Time, by: Span, now: Time) -> Option<Time> {
    let clock = stopped_at(app, subscription).unwrap_or(now);
    match by {
        Span::Seconds(seconds) => Some(end.max(clock) + seconds),
        Span::Lifetime => None,
    }
}

/// Stops the clock of what a user holds and what runs (of one plan, or of all). Answers how many.
pub fn pause(tx: &mut Tx<'_>, app: &App, user: UserId, plan: Option<&str>, now: Time) -> Result<u64, store::Error> {
    subscriptions::pause(tx, user, plan, app.paused_at.unwrap_or(now))
}

/// Lets it run again; what was left is left. Answers how many.
pub fn resume(tx: &mut Tx<'_>, app: &App, user: UserId, plan: Option<&str>, now: Time) -> Result<u64, store::Error> {
    subscriptions::resume(tx, user, plan, app.paused_at.unwrap_or(now))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{AppId, SubscriptionId};

    fn app(paused_at: Option<Time>) -> App {
        App {
            id: AppId(1),
            name: "demo".into(),
            ownerid: "AbCdEfGh12".into(),
            owner: "owner".into(),
            secret: String::new(),
            sign_key: std::sync::Arc::new(crate::model::sign_key::SignKey::new("")),
            sellerkey: String::new(),
            uuid: "".into(),
            api_key: "".into(),
            api_secret: String::new(),
            created_at: Time(0),
            paused_at,
            settings: crate::model::settings::Settings::default(),
        }
    }

    fn held(end: i64, paused_at: Option<i64>) -> Subscription {
        Subscription {
            id: SubscriptionId(1),
            plan: "default".into(),
            level: None,
            license: None,
            key: None,
            granted_at: Time(100),
            expires_at: Some(Time(end)),
            paused_at: paused_at.map(Time),
        }
    }

    #[test]
    fn a_membership_is_all_that_runs() {
        let all = |held: &[Subscription]| {
            let it = membership(&app(None), held, Time(1_000));
            (it.is_active, it.is_lifetime, it.active_until)
        };
        let without_end = Subscription { expires_at: None, ..held(0, None) };
        assert_eq!(all(&[]), (false, false, None));
        assert_eq!(all(&[held(900, None), held(1_500, Some(800))]), (false, false, None));
        assert_eq!(all(&[held(1_500, None), held(1_700, None), held(900, None)]), (true, false, Some(Time(1_700))));
        assert_eq!(all(&[held(1_500, None), without_end]), (true, true, None));
    }

    #[test]
    fn more_time_is_added_to_the_end_or_to_now() {
        let week = Span::Seconds(7);
        for (app_paused, end, paused, expected, why) in [
            (None, 1_500, None, 1_507, "it runs: added to its end"),
            (None, 900, None, 1_007, "it ended: from now"),
            (None, 900, Some(800), 907, "it stands still with time left: added to its end"),
            (None, 700, Some(800), 807, "it ended before it stood still: from when it stood still"),
            (Some(Time(600)), 900, None, 907, "the app stands still: added to its end"),
            (Some(Time(600)), 500, None, 607, "it ended before the app stood still: from then"),
        ] {
            let (app, held) = (app(app_paused), held(end, paused));
            assert_eq!(lengthened(&app, &held, Time(end), week, Time(1_000)), Some(Time(expected)), "{why}");
            let longer = Subscription { expires_at: Some(Time(expected)), ..held.clone() };
            assert_ne!(state(&app, &longer, Time(1_000)), State::Ended, "{why}: it has time left");
            assert_eq!(lengthened(&app, &held, Time(end), Span::Lifetime, Time(1_000)), None);
        }
    }
}
