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
use crate::model::time::Time;

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
        Refusal::LicensePaused => "Your license is paused.".into(),
        Refusal::LicenseExpired => "Your license has expired.".into(),
        Refusal::Taken(_) => own(|s| &s.username_taken),
        Refusal::UsernameUnfit => "Username has characters that it may not have".into(),
        Refusal::PasswordTooShort(least) => format!("Password must be {least} or more characters").into(),
        Refusal::PasswordReused => "Choose a password that is not the old one".into(),
        Refusal::PasswordUnavailable => "This user has no password".into(),
        Refusal::EmailUnfit => "This is no email address".into(),
        Refusal::ProfileUnfit => "Name or phone number is too long".into(),
        Refusal::SignUpClosed => "Nobody can register this way".into(),
        Refusal::SignedInAlready => "You are already signed in.".into(),
        Refusal::SignInNotFound => "Nobody is signed in by this id".into(),
        Refusal::TooManySessions => "Maximum number of simultaneous sessions reached".into(),
        Refusal::FormatOff => {
            "This API is switched off for this application. Ask the developer for the current program.".into()
        }
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
        Refusal::VersionOff => {
            "API 1.0 is switched off on this server. Use 1.2 or 1.3, or ask the operator to switch it on.".into()
        }
        Refusal::TokenMissing => "Token Must Be Provided".into(),
        Refusal::TokenHashMissing => "Hash Must Be Provided".into(),
        Refusal::TokenNotFound => own(|s| &s.token_invalid),
        Refusal::TokenBanned(reason) => format!(
            "The Token Has Been Blacklisted For The Following Reason: {} Contact Application Developer If This Is A \
             Mistake",
            reason.as_deref().unwrap_or("None")
        )
        .into(),
        Refusal::TokenHashMismatch => "Token File Hashes Must Be The Same".into(),
        Refusal::TwoFactorRequired => "2FA code required.".into(),
        Refusal::TwoFactorWrong => "Invalid 2FA code.".into(),
        Refusal::TwoFactorBlocked(wait) => {
            format!("Invalid 2FA code. Too many tries: wait {} seconds.", wait.as_secs() + 1).into()
        }
        Refusal::TwoFactorOn => "2fa is already enabled on this account".into(),
        Refusal::TwoFactorExpired => "2fa session has expired".into(),
        Refusal::TwoFactorSetupWrong => "Invalid code please try again".into(),
        Refusal::TwoFactorCodeMissing => "Please provide the 2fa code to disable 2fa".into(),
        Refusal::TwoFactorOff => "2fa is not enabled on this account".into(),
        Refusal::ResetUserNotFound => "No user found with that username!".into(),
        Refusal::EmailMissing => {
            "Email address not provided during register, ask developer to edit your account and change email.".into()
        }
        Refusal::EmailMismatch => "Email address doesn't match!".into(),
        Refusal::MailUnavailable => "This server sends no mail. Ask the developer to reset your password.".into(),
        Refusal::NobodyOnline => "No online users found!".into(),
        Refusal::VariableNameMissing => "No variable name provided".into(),
        Refusal::VariableDataMissing => "No variable data provided".into(),
        Refusal::VariableNameTooLong => "Failed to set variable".into(),
        Refusal::VariableDataTooLong => "Variable data must be 500 characters or less".into(),
        Refusal::VariableReadOnly => "Variable is read only".into(),
        Refusal::TooManyVariables => "Failed to set variable".into(),
        Refusal::UserVariableNotFound => "Variable not found for user".into(),
        Refusal::ChannelNotFound => "Chat channel not found".into(),
        Refusal::ChatTooFast => own(|s| &s.chat_hit_delay),
        Refusal::ChatMuted(until) => format!("You're muted from chat until {}", date(*until)).into(),
        Refusal::MessageBlank => "Message can't be blank".into(),
        Refusal::MessageTooLong => "Message too long!".into(),
        Refusal::RelayNotFound => "Webhook Not Found.".into(),
        Refusal::RelayFailed => "Webhook request failed, please notify the application developer.".into(),
        Refusal::FileNotFound => "File not Found".into(),
        Refusal::FileUnavailable => "File no longer works, please notify the application developer.".into(),
        Refusal::LogMessageMissing => "No log message provided".into(),
        Refusal::LogMessageTooLong => "Log message must be 275 characters or less".into(),
        Refusal::BanReasonTooLong => "Reason must be 99 characters or less".into(),
        Refusal::NewUsernameTaken => "Username already used!".into(),
        Refusal::RenameFailed => "Failed to change username!".into(),
        Refusal::ResetExpired => "This link has expired. Ask for a new one.".into(),
        Refusal::NotBanned => "Client is not blacklisted".into(),
    }
}

/// As `January 5, 2030, 3:07 pm`, in UTC (contract 4.14).
fn date(time: Time) -> String {
    let date = chrono::DateTime::from_timestamp(time.0, 0).unwrap_or_default();
    date.format("%B %-d, %Y, %-I:%M %P").to_string()
}

fn with_reason(text: Cow<'static, str>, reason: Option<&str>) -> Cow<'static, str> {
    if text.contains("{reason}") { text.replace("{reason}", reason.unwrap_or_default()).into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_spelled_as_the_contract_shows() {
        assert_eq!(date(Time(1_893_855_999)), "January 5, 2030, 3:06 pm");
        assert_eq!(date(Time(1_893_801_600)), "January 5, 2030, 12:00 am");
    }
}
