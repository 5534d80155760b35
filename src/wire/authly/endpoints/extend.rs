//! `extend`: redeems a license for a user that exists (contract 2.4). Logs nobody in, as KeyAuth's `upgrade`.

use crate::domain::license::By;
use crate::domain::secret::Proof;
use crate::domain::user::{self, Entered};
use crate::domain::{Refusal, Stop, ban, device, subscription};
use crate::model::app::App;
use crate::model::session::Session;
use crate::model::time::Span;
use crate::model::user::User;
use crate::store::{Tx, devices, subscriptions};
use crate::wire::authly::answer::Reply;
use crate::wire::authly::person;
use crate::wire::reply::Json;

use super::{Call, DEVICE, Endpoint, Run, SESSION, anything, required};

pub(in crate::wire::authly) static ENDPOINT: Endpoint = Endpoint {
    name: "extend",
    aliases: &[],
    help: "redeems a license for a user that exists; logs nobody in",
    fields: &[
        SESSION,
        required(&["username"], "who gets it; compared without regard to case"),
        required(&["license_key", "key"], "an unused license"),
        required(DEVICE, "the device; a banned one is refused, none is bound"),
    ],
    settings: &["minHwid"],
    first: anything,
    run: Run::Write(run),
};

fn run(call: &Call, app: &App, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    let (name, key, hwid) = (call.text("username"), call.text("license_key"), call.text("sid"));
    device::check_shape(app, hwid)?;
    if let Some(refusal) = ban::find(tx, app.id, hwid, call.ip)? {
        return Err(refusal.into());
    }
    let user = user::find_guarded(tx, app, name, &call.guess())?;
    if user.banned {
        return Err(Refusal::UserBanned(user.ban_reason).into());
    }
    let held = subscriptions::of_user(tx, user.id)?;
    if let Err(refusal @ Refusal::SubscriptionPaused) = subscription::running(app, held, call.now) {
        return Err(refusal.into());
    }
    let by = By::user(call.guess(), session.user.as_ref().map(|on| on.id));
    let upgraded = user::upgrade(tx, app, name, key, &by, call.now)?;
    let held = subscriptions::of_user(tx, user.id)?;
    let subscriptions = subscription::running(app, held, call.now).unwrap_or_default();
    // Nobody has proven to be this user: only who comes from one of its devices, or is logged in as it, is shown more than
    // what was bought.
    let device = devices::of_user(tx, user.id)?.into_iter().map(|device| device.hwid).find(|bound| hwid == Some(bound));
    let is_own = device.is_some() || session.user.as_ref().is_some_and(|on| on.id == user.id);
    let email = upgraded.user.email.filter(|_| is_own);
    let user = User { email, ..upgraded.user };
    let entered = Entered { username: user.name.clone(), subscriptions, hwid: device, user };
    let added = match upgraded.gave {
        Span::Seconds(seconds) => Json::Int(seconds),
        Span::Lifetime => Json::Null,
    };
    let fields = vec![
        ("user", Json::Object(person::new_user(&entered))),
        ("license", person::license(call, &upgraded.license.key, &entered, false)),
        ("time_added_seconds", added),
    ];
    Ok(Reply::with("Account extended successfully.", fields))
}
