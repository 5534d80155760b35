//! Browsers, sign-ins and users as this format's JSON (1.3 and 2.2). Asks the database only for what is shown.

use crate::domain::{Stop, browser};
use crate::model::browser::{Browser, Held, SignIn};
use crate::model::time::Time;
use crate::model::user::User;
use crate::store::{Tx, users};
use crate::wire::reply::{Fields, Json};

use super::Req;

/// How much of a sign-in is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What sign-up shows: that it is there.
    Bare,
    /// Also who it is.
    Full,
}

/// The session as every answer shows it.
pub(super) fn session(browser: &Browser) -> Json {
    Json::Object(stamped(browser.id.0, browser.created_at, browser.used_at))
}

/// The session with all who are signed in: the `data` of most answers.
pub(super) fn whole(req: &Req, tx: &mut Tx<'_>, browser: &Browser, detail: Detail) -> Result<Json, Stop> {
    let (browser, all) = browser::state(tx, browser, req.request.now)?;
    let mut signed_in = Vec::new();
    let (mut active_id, mut active) = (Json::Null, Json::Null);
    for sign_in in &all {
        let Some(held) = &sign_in.held else { continue };
        let user = match detail {
            Detail::Bare => None,
            Detail::Full => users::by_id(tx, browser.app, held.user)?,
        };
        let shown = Json::Object(shown(&browser, sign_in, held, user.as_ref()));
        if browser.active == Some(sign_in.id) {
            (active_id, active) = (sign_in.id.0.to_string().into(), shown.clone());
        }
        signed_in.push(shown);
    }
    let attempts = |signed_up: bool| {
        let those = all.iter().filter(|sign_in| sign_in.signed_up == signed_up);
        let attempt = |s: &SignIn| Json::Object(stamped(s.attempt, s.created_at, s.created_at));
        Json::List(those.map(attempt).collect())
    };
    let mut fields = stamped(browser.id.0, browser.created_at, browser.used_at);
    fields.extend([
        ("signin_attempts", attempts(false)),
        ("signins", Json::List(signed_in)),
        ("signup_attempts", attempts(true)),
        ("active_signin_id", active_id),
        ("active_signin", active),
    ]);
    Ok(Json::Object(fields))
}

fn shown(browser: &Browser, sign_in: &SignIn, held: &Held, user: Option<&User>) -> Fields {
    let mut fields = stamped(sign_in.id.0, sign_in.created_at, sign_in.created_at);
    if let Some(user) = user {
        fields.extend([
            ("session_id", browser.id.0.to_string().into()),
            ("user_id", user.number().to_string().into()),
            ("user", user_shown(user)),
            ("expires_at", time(held.expires_at)),
            ("last_active_at", time(browser.used_at.max(sign_in.created_at))),
            ("ip_address", held.ip.clone().into()),
        ]);
    }
    fields
}

fn user_shown(user: &User) -> Json {
    let profile = &user.profile;
    let text = |text: &Option<String>| Json::from(text.clone().unwrap_or_default());
    let email = user.email.clone().map(|email| Json::Object(vec![("email", email.into())]));
    let phone = profile.phone.clone().map(|phone| {
        Json::Object(vec![("phone_number", phone.into()), ("country_code", text(&profile.phone_country_code))])
    });
    Json::Object(vec![
        ("id", user.number().to_string().into()),
        ("created_at", time(user.created_at)),
        ("first_name", text(&profile.first_name)),
        ("last_name", text(&profile.last_name)),
        ("username", user.name.clone().into()),
        ("primary_email_address", email.into()),
        ("primary_phone_number", phone.into()),
    ])
}

/// What every object begins with.
fn stamped(id: i64, created_at: Time, updated_at: Time) -> Fields {
    vec![("id", id.to_string().into()), ("created_at", time(created_at)), ("updated_at", time(updated_at))]
}

fn time(time: Time) -> Json {
    let date = chrono::DateTime::from_timestamp(time.0, 0).unwrap_or_default();
    date.format("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}
