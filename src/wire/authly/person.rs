//! What clients are shown of who is in: `user` and `license` (contract 1.3, 2.1, 2.2), and the session that they go on
//! with. Decides no rule.

use crate::domain::secret::{new_long_session_id, new_uuid};
use crate::domain::two_factor::Factor;
use crate::domain::user::{Claim, Entered};
use crate::domain::{Stop, device, session};
use crate::model::app::App;
use crate::model::ids::SessionId;
use crate::model::session::Session;
use crate::model::time::Time;
use crate::model::user::Subscription;
use crate::store::{self, Tx, devices, licenses};
use crate::wire::reply::{Fields, Json};

use super::endpoints::Call;

/// What a login says about who wants to come in.
pub(super) fn claim(call: &Call) -> Claim<'_> {
    Claim {
        username: None,
        password: None,
        token: None,
        key: None,
        hwid: call.text("sid"),
        email: None,
        ip: call.ip,
        now: call.now,
        uuid: new_uuid(&mut rand::rng()),
        factor: Factor {
            code: call.text("two_factor_code"),
            ip: call.ip,
            now: call.now,
            vault: &call.ctx.vault,
            guess: call.guess(),
        },
    }
}

/// Lets somebody who is in go on: on the session of the request and on a new one, whose id this is (L21, L22).
pub(super) fn take_seat(
    call: &Call,
    app: &App,
    session: &Session,
    tx: &mut Tx<'_>,
    entered: &Entered,
) -> Result<SessionId, Stop> {
    session::validate(tx, session, entered, call.now)?;
    session::displace(tx, app, session.id, entered)?;
    let id = new_long_session_id(&mut rand::rng());
    session::open_for(tx, app, entered, id, call.ip, call.now)?;
    Ok(id)
}

/// The `user` of a registration: seven fields, no more (L27).
pub(super) fn new_user(entered: &Entered) -> Fields {
    let shown = shown(&entered.subscriptions);
    vec![
        ("username", entered.user.name.clone().into()),
        ("email", entered.user.email.clone().into()),
        ("subscription", shown.map(|held| held.plan.clone()).into()),
        ("subscription_level", shown.map(level).into()),
        ("expiry_date", expiry(shown)),
        ("sid", entered.hwid.clone().into()),
        ("hwid", entered.hwid.clone().into()),
    ]
}

/// The `user` of a login: the same and five fields more.
pub(super) fn user(call: &Call, app: &App, tx: &mut Tx<'_>, entered: &Entered) -> Result<Json, store::Error> {
    let license = licenses::first_of_user(tx, entered.user.id)?;
    let mut fields = new_user(entered);
    fields.extend([
        ("device_limit", Json::Int(device::limit(app, &entered.user))),
        ("current_devices", Json::Int(devices::of_user(tx, entered.user.id)?.len() as i64)),
        ("last_login", date(call.now).into()),
        ("registered_at", date(entered.user.created_at).into()),
        ("linked_license_key", license.map(|license| license.key).into()),
    ]);
    Ok(Json::Object(fields))
}

/// The `license` by which somebody came in; or that was redeemed, which is no login.
pub(super) fn license(call: &Call, key: &str, entered: &Entered, is_in: bool) -> Json {
    let shown = shown(&entered.subscriptions);
    let days_left = shown.and_then(|held| held.expires_at).map(|end| (end - call.now).max(0) / 86_400);
    Json::Object(vec![
        ("license_key", key.to_owned().into()),
        ("subscription", shown.map(|held| held.plan.clone()).into()),
        ("subscription_level", shown.map(level).into()),
        ("expiry_date", expiry(shown)),
        ("email", entered.user.email.clone().into()),
        ("last_login", is_in.then(|| date(call.now)).into()),
        ("registered_at", is_in.then(|| date(entered.user.created_at)).into()),
        ("sid", entered.hwid.clone().into()),
        ("hwid", entered.hwid.clone().into()),
        ("ip_address", call.ip.to_string().into()),
        ("days_left", days_left.into()),
    ])
}

/// Clients know one subscription: the one that ends last, of several the one whose name comes first.
fn shown(all: &[Subscription]) -> Option<&Subscription> {
    let end = |held: &Subscription| held.expires_at.map_or(i64::MAX, |end| end.0);
    all.iter().max_by(|a, b| end(a).cmp(&end(b)).then_with(|| b.plan.cmp(&a.plan)))
}

/// Levels are numbers here; one that is none is 0.
fn level(held: &Subscription) -> i64 {
    held.level.as_deref().and_then(|level| level.parse().ok()).unwrap_or_default()
}

/// Null for a lifetime (L24).
fn expiry(held: Option<&Subscription>) -> Json {
    held.and_then(|held| held.expires_at).map(date).into()
}

/// In UTC, whole seconds (L24).
pub(super) fn date(time: Time) -> String {
    chrono::DateTime::from_timestamp(time.0, 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same with milliseconds (contract 2.6), which are not kept.
pub(super) fn date_ms(time: Time) -> String {
    date(time).replace('Z', ".000Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::SubscriptionId;

    fn held(plan: &str, level: &str, expires_at: Option<i64>) -> Subscription {
        Subscription {
            id: SubscriptionId(0),
            plan: plan.to_owned(),
            level: Some(level.to_owned()),
            license: None,
            key: None,
            granted_at: Time(0),
            expires_at: expires_at.map(Time),
            paused_at: None,
        }
    }

    #[test]
    fn the_subscription_that_is_shown_ends_last() {
        let name = |all: &[Subscription]| shown(all).map(|held| held.plan.clone());
        assert_eq!(name(&[]), None);
        assert_eq!(
            name(&[held("b", "1", Some(5)), held("a", "1", Some(9)), held("c", "1", Some(7))]),
            Some("a".into())
        );
        assert_eq!(name(&[held("a", "1", Some(9)), held("b", "1", None)]), Some("b".into()), "lifetime is latest");
        assert_eq!(name(&[held("b", "1", None), held("a", "1", None), held("c", "1", None)]), Some("a".into()));
    }

    #[test]
    fn levels_and_dates_as_clients_read_them() {
        assert_eq!((level(&held("a", "7", None)), level(&held("a", "gold", None))), (7, 0));
        assert_eq!(date(Time(1_927_411_199)), "2031-01-28T23:59:59Z");
        assert_eq!(date_ms(Time(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(expiry(Some(&held("a", "1", None))), Json::Null);
    }
}
