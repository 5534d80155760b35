//! What a refusal is called in this format: status, code, message (contract 1.4, 1.5 and section 2). No wildcard arm: a
//! new refusal asks for its words here. No message has a character that the clients' own JSON spells differently (`<`,
//! `>`, `&`, `'`, `=`): they verify signatures over what they spell.

use std::borrow::Cow;

use crate::domain::chat::MAX_MESSAGE;
use crate::domain::license::MAX_KEY;
use crate::domain::secret::{MAX_EMAIL, MAX_PASSWORD};
use crate::domain::user::MAX_USERNAME;
use crate::domain::{Refusal, Stop, log, variable};
use crate::model::app::App;
use crate::model::ban::MAX_HWID;
use crate::wire::failure::{self, Outcome};

use super::person::date;

/// Why a call did not go through.
#[derive(Debug)]
pub(super) enum No {
    /// A rule said no.
    Refused(Refusal),
    /// A field that must be there is not, or is no text; or the body is no JSON object.
    MissingFields,
    /// The `Content-Type` says that the body is no JSON.
    NotJson,
    /// No owner has this id.
    OwnerNotFound,
    /// The secret is not the app's.
    InvalidSecret,
    /// The app wants the program's hash, none was sent.
    HashRequired,
    /// The database cannot be reached now.
    Unavailable,
    /// A bug.
    Internal,
}

impl No {
    /// Why `init` did not go through.
    pub(super) fn of_init(stop: Stop, hash_is_missing: bool) -> No {
        match No::from(stop) {
            No::Refused(Refusal::HashMismatch) if hash_is_missing => No::HashRequired,
            no => no,
        }
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::Refused(refusal)
    }
}

impl From<Stop> for No {
    fn from(stop: Stop) -> No {
        match failure::outcome(stop) {
            Outcome::Refused(refusal) => No::Refused(refusal),
            Outcome::Unavailable => No::Unavailable,
            Outcome::Internal => No::Internal,
        }
    }
}

/// Status, code, message.
pub(super) type Words = (u16, &'static str, Cow<'static, str>);

/// What is said at a path that is asked in another way than by POST.
pub(super) const NOT_POST: (u16, &str, &str) = (405, "METHOD_NOT_ALLOWED", "Send this as a POST request");
/// What is said at a path at which there is no endpoint.
pub(super) const NO_SUCH_PATH: (u16, &str, &str) = (404, "NOT_FOUND", "There is no such call");
/// What is said after a bug.
pub(super) const INTERNAL: (u16, &str, &str) = (500, "INTERNAL", "An internal server error occurred");

/// The words for this. `app` is none only for what is refused before the app is known.
pub(super) fn words(no: &No, app: Option<&App>) -> Words {
    match no {
        No::Refused(refusal) => of_refusal(refusal, app),
        No::MissingFields => missing("Required fields are missing"),
        No::NotJson => missing("Send a JSON object, with the header Content-Type: application/json"),
        No::OwnerNotFound => fixed(404, "OWNER_NOT_FOUND", "Owner not found"),
        No::InvalidSecret => fixed(401, "INVALID_SECRET", "Invalid application secret"),
        No::HashRequired => fixed(400, "HASH_REQUIRED", "The application hash is required"),
        No::Unavailable => fixed(503, "UNAVAILABLE", "The server cannot reach its database. Try again in a moment"),
        No::Internal => fixed(INTERNAL.0, INTERNAL.1, INTERNAL.2),
    }
}

fn of_refusal(refusal: &Refusal, app: Option<&App>) -> Words {
    match refusal {
        Refusal::InvalidRequest(text) => (400, "MISSING_FIELDS", text.clone().into()),
        Refusal::RateLimited(_) => fixed(429, "RATE_LIMITED", "Too many requests"),
        Refusal::Busy => fixed(503, "BUSY", "The server is busy. Try again in a moment"),
        Refusal::OwnerIdMissing | Refusal::AppNameMissing => missing("Required fields are missing"),
        Refusal::OwnerIdLength | Refusal::AppNotFound => fixed(404, "APP_NOT_FOUND", "Application not found"),
        Refusal::AppBanned | Refusal::AppDisabled => fixed(403, "APP_DISABLED", "This application is disabled"),
        Refusal::AppPaused => fixed(403, "APP_DISABLED", "This application is paused"),
        Refusal::FormatOff | Refusal::VersionOff => {
            fixed(403, "APP_DISABLED", "This API is switched off for this application. Ask for the current program")
        }
        Refusal::UnknownCall => fixed(NO_SUCH_PATH.0, NO_SUCH_PATH.1, NO_SUCH_PATH.2),
        Refusal::SessionNotFound => fixed(401, "INVALID_SESSION", "Invalid session"),
        Refusal::SessionExpired => fixed(401, "SESSION_EXPIRED", "Session has expired"),
        Refusal::SessionNotValidated => fixed(403, "USERNAME_NOT_LINKED", "No user is logged in on this session"),
        Refusal::VpnBlocked => fixed(403, "VPN_BLOCKED", "VPNs are blocked"),
        Refusal::VersionMismatch if app.is_some_and(|app| !app.settings.download.is_empty()) => {
            fixed(426, "UPDATE_REQUIRED", "Please update your app to the latest version")
        }
        Refusal::VersionMismatch => fixed(426, "VERSION_MISMATCH", "This version of the app is not the current one"),
        Refusal::HashMismatch => fixed(401, "INVALID_HASH", "Invalid application hash"),
        Refusal::UsernameTooLong => too_long("username", MAX_USERNAME),
        Refusal::KeyTooLong => too_long("key", MAX_KEY),
        Refusal::PasswordTooLong => too_long("password", MAX_PASSWORD),
        Refusal::HwidTooLong => too_long("sid", MAX_HWID),
        Refusal::MessageTooLong => too_long("message", MAX_MESSAGE),
        Refusal::VariableNameTooLong => too_long("var_key", variable::MAX_NAME),
        Refusal::VariableDataTooLong => too_long("var_value", variable::MAX_VALUE),
        Refusal::LogMessageTooLong => too_long("message", log::MAX_MESSAGE),
        Refusal::HwidTooShort(least) => owned(400, "MISSING_FIELDS", format!("sid: at least {least} bytes are needed")),
        Refusal::HwidMissing => missing("sid: the device is needed"),
        Refusal::UsernameTooShort => missing("username: too short, try a longer one"),
        Refusal::UsernameUnfit => missing("username: control characters are not taken"),
        Refusal::PasswordTooShort(least) => {
            owned(400, "MISSING_FIELDS", format!("password: at least {least} bytes are needed"))
        }
        Refusal::PasswordLeaked => missing("password: it is known from a data breach, choose another one"),
        Refusal::EmailUnfit => {
            owned(400, "MISSING_FIELDS", format!("email: at most {MAX_EMAIL} bytes, no control characters"))
        }
        Refusal::ProfileUnfit => missing("A name or a phone number is too long"),
        Refusal::UsernameTaken | Refusal::NewUsernameTaken => fixed(409, "USERNAME_TAKEN", "Username is already taken"),
        Refusal::Taken(_) => fixed(409, "USERNAME_TAKEN", "Username, email or phone number is already taken"),
        Refusal::LicenseNotFound => fixed(404, "LICENSE_NOT_FOUND", "License key not found"),
        Refusal::LicenseInUse => fixed(403, "LICENSE_IN_USE", "This license key is already in use"),
        Refusal::LicenseBanned(_) => fixed(403, "LICENSE_BANNED", "This license key is banned"),
        Refusal::LicensePaused => fixed(403, "LICENSE_PAUSED", "This license key is paused"),
        Refusal::LicenseExpired => fixed(403, "LICENSE_EXPIRED", "This license key has expired"),
        Refusal::LicenseNotEligible => fixed(403, "LICENSE_NOT_ELIGIBLE", "This license key is not eligible"),
        Refusal::HwidBanned => fixed(403, "SID_BLOCKED", "This device is blocked"),
        Refusal::AddressBanned => fixed(403, "IP_BLOCKED", "This IP address is blocked"),
        Refusal::UserNotFound => fixed(404, "USER_NOT_FOUND", "User not found"),
        Refusal::UserBanned(_) => fixed(403, "USER_BANNED", "This user is banned"),
        Refusal::PasswordMismatch => fixed(401, "INVALID_PASSWORD", "Invalid password"),
        Refusal::HwidMismatch => fixed(403, "DEVICE_LIMIT_REACHED", "Device limit reached. Ask for a device reset"),
        Refusal::SubscriptionPaused => fixed(403, "USER_SUSPENDED", "This user is suspended"),
        Refusal::NoActiveSubscription => fixed(403, "USER_EXPIRED", "The subscription of this user has expired"),
        Refusal::ExpiryInPast | Refusal::NothingToGrant => {
            fixed(400, "INVALID_DURATION", "This license key has no duration that could be added")
        }
        Refusal::PasswordReused => fixed(400, "PASSWORD_REUSED", "The new password is the old one"),
        Refusal::PasswordUnavailable => {
            fixed(403, "PASSWORD_CHANGE_UNAVAILABLE", "This user has no password that could be changed")
        }
        Refusal::VariableNotFound => fixed(404, "VARIABLE_NOT_FOUND", "Variable not found"),
        Refusal::VariableReadOnly => fixed(403, "PERMISSION_DENIED", "Only the operator sets variables"),
        Refusal::TooManyVariables => fixed(403, "PERMISSION_DENIED", "There are as many variables as users may make"),
        Refusal::ChannelNotFound => fixed(404, "CHANNEL_NOT_FOUND", "Channel not found"),
        Refusal::ChatTooFast => fixed(429, "RATE_LIMITED", "You are writing too fast. Try again in a moment"),
        Refusal::ChatMuted(until) => owned(403, "USER_MUTED", format!("You are muted until {}", date(*until))),
        Refusal::MessageBlank | Refusal::LogMessageMissing => missing("message: a text is needed"),
        Refusal::TwoFactorRequired => {
            fixed(403, "TWO_FACTOR_REQUIRED", "Send the code of the second factor as two_factor_code")
        }
        Refusal::TwoFactorWrong | Refusal::TwoFactorSetupWrong => {
            fixed(403, "TWO_FACTOR_INVALID", "The two_factor_code is wrong or was used already")
        }
        Refusal::TwoFactorBlocked(_) => fixed(429, "RATE_LIMITED", "Too many wrong codes of the second factor"),
        Refusal::TooManySessions => fixed(403, "SESSION_LIMIT_REACHED", "Too many sessions"),
        // What only other formats ask for.
        Refusal::EnckeyTooLong
        | Refusal::EncryptionRequired
        | Refusal::SignUpClosed
        | Refusal::SignedInAlready
        | Refusal::SignInNotFound
        | Refusal::TokenMissing
        | Refusal::TokenHashMissing
        | Refusal::TokenNotFound
        | Refusal::TokenBanned(_)
        | Refusal::TokenHashMismatch
        | Refusal::TwoFactorOn
        | Refusal::TwoFactorExpired
        | Refusal::TwoFactorCodeMissing
        | Refusal::TwoFactorOff
        | Refusal::ResetUserNotFound
        | Refusal::EmailMissing
        | Refusal::EmailMismatch
        | Refusal::MailUnavailable
        | Refusal::NobodyOnline
        | Refusal::VariableNameMissing
        | Refusal::VariableDataMissing
        | Refusal::UserVariableNotFound
        | Refusal::RelayNotFound
        | Refusal::RelayFailed
        | Refusal::FileNotFound
        | Refusal::FileUnavailable
        | Refusal::BanReasonTooLong
        | Refusal::RenameFailed
        | Refusal::ResetExpired
        | Refusal::NotBanned => fixed(403, refusal.code(), "This cannot be done here"),
    }
}

fn fixed(status: u16, code: &'static str, message: &'static str) -> Words {
    (status, code, message.into())
}

fn owned(status: u16, code: &'static str, message: String) -> Words {
    (status, code, message.into())
}

fn missing(message: &'static str) -> Words {
    fixed(400, "MISSING_FIELDS", message)
}

fn too_long(field: &str, most: usize) -> Words {
    owned(400, "MISSING_FIELDS", format!("{field}: at most {most} bytes are taken"))
}
