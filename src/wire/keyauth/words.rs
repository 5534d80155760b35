//! What a refusal is called in this format: the app's own text where it has one, else the protocol's (contract
//! sections 2, 4 and 5). No wildcard arm: a new refusal asks for its words here.

use std::borrow::Cow;

use crate::domain::Refusal;
use crate::domain::license::MAX_KEY;
use crate::domain::secret::MAX_PASSWORD;
use crate::domain::user::MAX_USERNAME;
use crate::model::app::App;
use crate::model::ban::MAX_HWID;
use crate::model::settings::Settings;

/// The message of a refusal. `app` is none only for what is refused before the app is known.
pub(super) fn text(refusal: &Refusal, app: Option<&App>) -> Cow<'static, str> {
    let own = |choose: fn(&Settings) -> &Cow<'static, str>| match app {
        Some(app) => choose(&app.settings).clone(),
        None => choose(&Settings::default()).clone(),
    };
    match refusal {
        Refusal::InvalidRequest(text) => text.clone().into(),
        Refusal::RateLimited(_) => "This application has sent too many requests. Try again in a minute.".into(),
        Refusal::Busy => "The server is busy. Try again in a moment.".into(),
        Refusal::OwnerIdMissing => "No OwnerID specified. Select app & copy code snippet".into(),
        Refusal::AppNameMissing => "No app name specified. Select app & copy code snippet".into(),
        Refusal::OwnerIdLength => "OwnerID should be 10 characters long. Select app & copy code snippet".into(),
        Refusal::AppNotFound => "KeyAuth_Invalid".into(),
        Refusal::AppBanned => "This application has been banned from KeyAuth.cc for violating terms.".into(),
        Refusal::UnknownCall => "The value inputted for type paramater was not found".into(),
        Refusal::SessionNotFound | Refusal::SessionExpired => {
            "Session not found. If you get this frequently, ask the developer to use the latest example code".into()
        }
        Refusal::SessionNotValidated => own(|s| &s.session_unauthed),
        Refusal::EnckeyTooLong => "The paramater \"enckey\" is too long. Must be 35 characters or less.".into(),
        Refusal::EncryptionRequired => "No encryption key supplied, encryption is forced.".into(),
        Refusal::VpnBlocked => own(|s| &s.vpn_blocked),
        Refusal::AppDisabled => own(|s| &s.app_disabled),
        Refusal::AppPaused => own(|s| &s.paused_app),
        Refusal::VersionMismatch => "invalidver".into(),
        Refusal::HashMismatch => own(|s| &s.hash_check_fail),
        Refusal::UsernameTooLong => format!("Username must be shorter than {MAX_USERNAME} characters").into(),
        Refusal::KeyTooLong => format!("Key must be shorter than {MAX_KEY} characters").into(),
        Refusal::PasswordTooLong => format!("Password must be {MAX_PASSWORD} characters or less").into(),
        Refusal::HwidTooLong => format!("HWID must be {MAX_HWID} characters or less").into(),
        Refusal::HwidTooShort(least) => {
            format!("HWID must be {least} or more characters, change this in app settings.").into()
        }
        Refusal::HwidMissing => "Force HWID is enabled, disable in app settings if you want to use blank HWIDs".into(),
        Refusal::UsernameTooShort => own(|s| &s.username_too_short),
        Refusal::PasswordLeaked => own(|s| &s.password_leaked),
        Refusal::UsernameTaken => own(|s| &s.username_taken),
        Refusal::LicenseNotFound => own(|s| &s.key_not_found),
        Refusal::LicenseInUse => own(|s| &s.key_used),
        Refusal::LicenseBanned(reason) => with_reason(own(|s| &s.key_banned), reason.as_deref()),
        Refusal::LicenseNotEligible => own(|s| &s.no_sub_level),
        Refusal::HwidBanned | Refusal::AddressBanned => own(|s| &s.hwid_blacked),
        Refusal::UserNotFound => own(|s| &s.username_not_found),
        Refusal::UserBanned(reason) => with_reason(own(|s| &s.user_banned), reason.as_deref()),
        Refusal::PasswordMismatch => own(|s| &s.password_mismatch),
        Refusal::HwidMismatch => own(|s| &s.hwid_mismatch),
        Refusal::SubscriptionPaused => own(|s| &s.paused_sub),
        Refusal::NoActiveSubscription => own(|s| &s.no_active_subs),
        Refusal::ExpiryInPast => "Unhandled Error! Contact us if you need help".into(),
        Refusal::NothingToGrant => "Failed to upgrade for some reason.".into(),
        Refusal::VariableNotFound => "Variable not found.".into(),
        Refusal::NotBanned => "Client is not blacklisted".into(),
    }
}

fn with_reason(text: Cow<'static, str>, reason: Option<&str>) -> Cow<'static, str> {
    if text.contains("{reason}") { text.replace("{reason}", reason.unwrap_or_default()).into() } else { text }
}
