//! What a refusal is called in this format: its status and its text (contract 1.4 and 2). No wildcard arm: a new refusal
//! asks for its words here.

use crate::domain::Refusal;

use super::answer::Denied;

/// What a call is for. The same refusal is a wrong value where somebody signs up, and a failed proof where somebody is
/// to be known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Becoming a user.
    SignUp,
    /// Redeeming a license for a user.
    Activation,
    /// Being known as a user.
    Entry,
}

/// The no for a refusal.
pub(super) fn denied(refusal: &Refusal, asked: Asked) -> Denied {
    let (status, detail) = match refusal {
        Refusal::InvalidRequest(_) => (422, "Invalid request"),
        Refusal::RateLimited(_) => (429, "Too many requests"),
        Refusal::Busy => (503, "The server is busy. Try again in a moment."),
        Refusal::OwnerIdMissing | Refusal::AppNameMissing | Refusal::OwnerIdLength | Refusal::AppNotFound => {
            return Denied::WRONG_APP;
        }
        Refusal::AppBanned
        | Refusal::AppDisabled
        | Refusal::AppPaused
        | Refusal::FormatOff
        | Refusal::VersionOff
        | Refusal::SignUpClosed => (403, "Application is not available"),
        Refusal::SessionNotFound | Refusal::SessionExpired => (401, "Session token is invalid or expired"),
        Refusal::SessionNotValidated => return Denied::NO_USER,
        Refusal::UsernameTooLong | Refusal::UsernameTooShort | Refusal::UsernameUnfit => {
            (422, "Invalid value: username")
        }
        Refusal::PasswordTooLong | Refusal::PasswordTooShort(_) | Refusal::PasswordLeaked | Refusal::PasswordReused => {
            (422, "Invalid value: password")
        }
        Refusal::KeyTooLong => match asked {
            Asked::SignUp | Asked::Activation => (422, "Invalid value: code"),
            Asked::Entry => (401, "Invalid credentials"),
        },
        Refusal::HwidTooLong | Refusal::HwidTooShort(_) => (422, "Invalid value: hardware_id"),
        Refusal::HwidMissing => match asked {
            Asked::SignUp => (422, "Device authentication is required"),
            Asked::Activation | Asked::Entry => (401, "Device authentication is required"),
        },
        Refusal::HwidMismatch => (401, "Maximum number of devices reached"),
        Refusal::TooManySessions => (401, "Maximum number of simultaneous sessions reached"),
        Refusal::UsernameTaken | Refusal::NewUsernameTaken | Refusal::Taken(_) => (422, "Username is already taken"),
        Refusal::LicenseNotFound
        | Refusal::LicenseInUse
        | Refusal::LicenseNotEligible
        | Refusal::ExpiryInPast
        | Refusal::NothingToGrant => match asked {
            Asked::SignUp => (422, "Invalid or already used license code"),
            Asked::Activation => (401, "Invalid or already used license code"),
            Asked::Entry => (401, "Invalid credentials"),
        },
        Refusal::LicenseExpired => match asked {
            Asked::SignUp => (422, "License code has expired"),
            Asked::Activation | Asked::Entry => (401, "License code has expired"),
        },
        Refusal::LicensePaused => (403, "License is paused"),
        Refusal::LicenseBanned(_) | Refusal::UserBanned(_) | Refusal::HwidBanned | Refusal::AddressBanned => {
            (403, "Banned")
        }
        Refusal::UserNotFound | Refusal::PasswordMismatch | Refusal::PasswordUnavailable => {
            (401, "Invalid credentials")
        }
        Refusal::SubscriptionPaused | Refusal::NoActiveSubscription => (403, "Membership is not active"),
        Refusal::TwoFactorRequired | Refusal::TwoFactorCodeMissing => {
            (401, "Two-factor code is required: send it as two_factor_code")
        }
        Refusal::TwoFactorWrong | Refusal::TwoFactorSetupWrong => (401, "Two-factor code is wrong"),
        Refusal::TwoFactorBlocked(_) => (429, "Too many wrong two-factor codes"),
        Refusal::FileNotFound => (404, "File not found"),
        Refusal::FileUnavailable => (503, "File is not available now"),
        // What no call of this format can meet.
        Refusal::UnknownCall
        | Refusal::EnckeyTooLong
        | Refusal::EncryptionRequired
        | Refusal::VpnBlocked
        | Refusal::VersionMismatch
        | Refusal::HashMismatch
        | Refusal::EmailUnfit
        | Refusal::ProfileUnfit
        | Refusal::SignedInAlready
        | Refusal::SignInNotFound
        | Refusal::VariableNotFound
        | Refusal::TokenMissing
        | Refusal::TokenHashMissing
        | Refusal::TokenNotFound
        | Refusal::TokenBanned(_)
        | Refusal::TokenHashMismatch
        | Refusal::TwoFactorOn
        | Refusal::TwoFactorExpired
        | Refusal::TwoFactorOff
        | Refusal::ResetUserNotFound
        | Refusal::EmailMissing
        | Refusal::EmailMismatch
        | Refusal::MailUnavailable
        | Refusal::NobodyOnline
        | Refusal::VariableNameMissing
        | Refusal::VariableDataMissing
        | Refusal::VariableNameTooLong
        | Refusal::VariableDataTooLong
        | Refusal::VariableReadOnly
        | Refusal::TooManyVariables
        | Refusal::UserVariableNotFound
        | Refusal::ChannelNotFound
        | Refusal::ChatTooFast
        | Refusal::ChatMuted(_)
        | Refusal::MessageBlank
        | Refusal::MessageTooLong
        | Refusal::RelayNotFound
        | Refusal::RelayFailed
        | Refusal::LogMessageMissing
        | Refusal::LogMessageTooLong
        | Refusal::BanReasonTooLong
        | Refusal::RenameFailed
        | Refusal::ResetExpired
        | Refusal::NotBanned => (422, "Invalid request"),
    };
    let denied = Denied::new(status, detail, refusal.code());
    match refusal {
        Refusal::RateLimited(wait) | Refusal::TwoFactorBlocked(wait) => denied.after(wait.as_secs() + 1),
        Refusal::Busy => denied.after(1),
        _ => denied,
    }
}
