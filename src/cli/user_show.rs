//! What `keystead user list` and `show` print. Never a password's hash.

use serde_json::{Value, json};

use crate::domain::subscription::{self, State};
use crate::domain::{two_factor, user};
use crate::model::app::App;
use crate::model::ids::UserId;
use crate::model::time::Time;
use crate::model::user::{Credential, Device, Profile, Subscription, User};
use crate::store::{Tx, devices, subscriptions, users};

use super::options::Page;
use super::{Db, Exit, Global, note, now, print_json, print_line, print_table, print_time};

pub(super) fn list(global: &Global, db: &Db, app: &App, page: Page) -> Result<(), Exit> {
    let (found, limit) = (app.clone(), page.limit as usize);
    let after = page.after;
    let mut all = db.read(move |tx| {
        let after = match &after {
            Some(name) => user::find(tx, &found, Some(name))?.id,
            None => UserId(0),
        };
        // One more than is shown tells whether there are more.
        Ok::<_, Exit>(users::after(tx, found.id, after, limit as i64 + 1)?)
    })?;
    if all.len() > limit {
        all.truncate(limit);
        if let Some(last) = all.last() {
            note(&format!("there are more: --after {}", last.name));
        }
    }
    if global.json {
        return print_json(&all.iter().map(summary).collect::<Vec<_>>());
    }
    let row = |u: &User| {
        vec![
            u.name.clone(),
            if u.banned { "banned".to_owned() } else { login(&u.credential).to_owned() },
            print_time(u.created_at),
            print_time(u.last_login_at),
            u.ip.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    print_table(&["NAME", "LOGIN", "CREATED (UTC)", "LAST LOGIN (UTC)", "ADDRESS"], &rows)
}

/// A user with all that is shown of it.
pub(super) struct Shown {
    user: User,
    two_factor: bool,
    devices: Vec<Device>,
    subscriptions: Vec<(Subscription, State)>,
}

impl Shown {
    pub(super) fn load(tx: &mut Tx<'_>, app: &App, name: &str) -> Result<Shown, Exit> {
        let user = user::find(tx, app, Some(name))?;
        let two_factor = two_factor::is_on(tx, &user)?;
        let devices = devices::of_user(tx, user.id)?;
        let held = subscriptions::of_user(tx, user.id)?;
        let subscriptions = held.into_iter().map(|s| (s.clone(), subscription::state(app, &s, now()))).collect();
        Ok(Shown { user, two_factor, devices, subscriptions })
    }

    pub(super) fn document(&self) -> Value {
        let device = |d: &Device| json!({ "hwid": d.hwid, "bound_at": d.bound_at.0 });
        let held = |(s, state): &(Subscription, State)| {
            json!({
                "plan": s.plan, "level": s.level, "state": word(*state), "license": s.key,
                "granted_at": s.granted_at.0, "expires_at": s.expires_at.map(|t| t.0),
                "paused_at": s.paused_at.map(|t| t.0),
            })
        };
        let mut document = summary(&self.user);
        document["two_factor"] = self.two_factor.into();
        document["has_email"] = self.user.email_sha1.is_some().into();
        document["email_claimed"] = self.user.email_claimed.into();
        let Profile { first_name, last_name, phone, phone_country_code } = &self.user.profile;
        document["first_name"] = first_name.as_deref().into();
        document["last_name"] = last_name.as_deref().into();
        document["phone"] = phone.as_deref().into();
        document["phone_country_code"] = phone_country_code.as_deref().into();
        document["device_limit"] = self.user.device_limit.into();
        document["session_limit"] = self.user.session_limit.into();
        document["devices"] = self.devices.iter().map(device).collect();
        document["subscriptions"] = self.subscriptions.iter().map(held).collect();
        document
    }
}

pub(super) fn show(global: &Global, db: &Db, app: &App, name: String) -> Result<(), Exit> {
    let found = app.clone();
    let shown = db.read(move |tx| Shown::load(tx, &found, &name))?;
    if global.json {
        return print_json(&shown.document());
    }
    let user = &shown.user;
    let banned = match (user.banned, &user.ban_reason) {
        (false, _) => None,
        (true, None) => Some("yes".to_owned()),
        (true, Some(reason)) => Some(format!("yes: {reason}")),
    };
    let fields = [
        ("user", Some(user.name.clone())),
        ("login", Some(login_in_words(&user.credential).to_owned())),
        ("2fa", shown.two_factor.then(|| "on: a code is asked for".to_owned())),
        ("id", Some(user.uuid.to_string())),
        ("name", full_name(&user.profile)),
        ("e-mail", email(user)),
        ("phone", phone(&user.profile)),
        ("devices", user.device_limit.map(|limit| format!("at most {limit}"))),
        ("tokens", user.session_limit.map(|limit| format!("at most {limit} session tokens"))),
        ("banned", banned),
        ("created", Some(print_time(user.created_at))),
        ("last login", Some(print_time(user.last_login_at))),
        ("address", user.ip.clone()),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            print_line(&format!("{name:<12}{value}"))?;
        }
    }
    for device in &shown.devices {
        print_line(&format!("{:<12}{}, bound {}", "device", device.hwid, print_time(device.bound_at)))?;
    }
    if shown.subscriptions.is_empty() {
        return print_line("holds nothing");
    }
    let row = |(s, state): &(Subscription, State)| {
        vec![
            s.plan.clone(),
            word(*state).to_owned(),
            s.expires_at.map_or_else(|| "lifetime".to_owned(), |end| until(app, s, end)),
            s.key.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let rows: Vec<_> = shown.subscriptions.iter().map(row).collect();
    print_table(&["PLAN", "STATE", "ENDS (UTC)", "LICENSE"], &rows)
}

fn full_name(profile: &Profile) -> Option<String> {
    let parts: Vec<&str> =
        [&profile.first_name, &profile.last_name].into_iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn phone(profile: &Profile) -> Option<String> {
    let phone = profile.phone.as_ref()?;
    Some(profile.phone_country_code.as_ref().map_or_else(|| phone.clone(), |code| format!("{phone} ({code})")))
}

fn email(user: &User) -> Option<String> {
    let address = match (&user.email, &user.email_sha1) {
        (Some(email), _) => email.clone(),
        (None, Some(_)) => "set; only its SHA-1 is known".to_owned(),
        (None, None) => return None,
    };
    Some(if user.email_claimed { format!("{address}, this user's alone") } else { address })
}

/// When it ends; while it stands still, only how much is left is known.
fn until(app: &App, held: &Subscription, end: Time) -> String {
    match subscription::stopped_at(app, held) {
        Some(stopped) if end > stopped => format!("{} left", crate::model::time::Span::Seconds(end - stopped)),
        _ => print_time(end),
    }
}

fn summary(user: &User) -> Value {
    json!({
        "name": user.name, "id": user.uuid.to_string(), "email": user.email, "login": login(&user.credential), "created_at": user.created_at.0,
        "last_login_at": user.last_login_at.0, "ip": user.ip, "banned": user.banned, "ban_reason": user.ban_reason,
    })
}

fn login(credential: &Credential) -> &'static str {
    match credential {
        Credential::Password(_) => "password",
        Credential::License => "license",
        Credential::Claimable => "claimable",
        Credential::Locked => "locked",
    }
}

fn login_in_words(credential: &Credential) -> &'static str {
    match credential {
        Credential::Password(_) => "by name and password",
        Credential::License => "by the license that made it",
        Credential::Claimable => "claimable: the next login sets its password",
        Credential::Locked => "locked: nothing opens it until `keystead user set-password`",
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Paused => "paused",
        State::Ended => "ended",
    }
}
