//! The closed list of ways to say no, with their stable codes. Texts for people are chosen where the answer is
//! written, because every format (and every app) has its own.

use std::time::Duration;

use crate::model::time::Time;

use super::user::Taken;

/// A rule said no. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request cannot be read: too many fields, a NUL byte, a broken multipart body. The text says what to do.
    InvalidRequest(String),
    /// This address has asked too often; it may ask again after this time.
    RateLimited(Duration),
    /// The server has more to do than it can queue.
    Busy,
    /// No ownerid was sent.
    OwnerIdMissing,
    /// No app name was sent.
    AppNameMissing,
    /// An ownerid has ten bytes, this one has not.
    OwnerIdLength,
    /// No app has this ownerid and name.
    AppNotFound,
    /// The operator shut this app.
    AppBanned,
    /// No call has this name.
    UnknownCall,
    /// No such session, or it was ended.
    SessionNotFound,
    /// The session's time is over.
    SessionExpired,
    /// Nobody has logged in on this session.
    SessionNotValidated,
    /// The enckey is longer than 36 bytes.
    EnckeyTooLong,
    /// The app asks for an enckey, none was sent.
    EncryptionRequired,
    /// The address is on the VPN list.
    VpnBlocked,
    /// The app is not enabled.
    AppDisabled,
    /// The app is paused.
    AppPaused,
    /// The program's version is not the app's.
    VersionMismatch,
    /// The program's hash is missing or not accepted.
    HashMismatch,
    /// A username has more than 70 bytes.
    UsernameTooLong,
    /// A key has more than 70 bytes.
    KeyTooLong,
    /// A new password has more than 1,024 bytes.
    PasswordTooLong,
    /// A hwid has more than 2,000 bytes.
    HwidTooLong,
    /// A hwid has fewer bytes than the app asks for.
    HwidTooShort(i64),
    /// The app asks for a hwid, none was sent.
    HwidMissing,
    /// A new username is missing or has fewer bytes than the app asks for.
    UsernameTooShort,
    /// The new password is known from breaches.
    PasswordLeaked,
    /// The username exists.
    UsernameTaken,
    /// More than the username, or something else, is another user's.
    Taken(Taken),
    /// A new username has a control character in it.
    UsernameUnfit,
    /// A new password has fewer bytes than the format asks for.
    PasswordTooShort(usize),
    /// The new password is the old one.
    PasswordReused,
    /// The user has no password that could be changed.
    PasswordUnavailable,
    /// An e-mail address that is none, or is too long.
    EmailUnfit,
    /// A name or a phone number is too long, or has a control character in it.
    ProfileUnfit,
    /// The app lets nobody sign up this way.
    SignUpClosed,
    /// The user is signed in on this browser already.
    SignedInAlready,
    /// The browser has no such sign-in.
    SignInNotFound,
    /// The user has as many session tokens as it may have.
    TooManySessions,
    /// The app does not answer in this format.
    FormatOff,
    /// No such license.
    LicenseNotFound,
    /// The license is used.
    LicenseInUse,
    /// The license is banned.
    LicenseBanned(Option<String>),
    /// The license is paused.
    LicensePaused,
    /// The absolute end of the license has come.
    LicenseExpired,
    /// No plan has the license's level.
    LicenseNotEligible,
    /// The device is banned.
    HwidBanned,
    /// The address is banned.
    AddressBanned,
    /// No such user.
    UserNotFound,
    /// The user is banned.
    UserBanned(Option<String>),
    /// The password is wrong, missing, or cannot be right.
    PasswordMismatch,
    /// The user is bound to another device, or sent none.
    HwidMismatch,
    /// All that the user holds and that has time left is paused.
    SubscriptionPaused,
    /// Nothing that the user holds is running.
    NoActiveSubscription,
    /// A license of negative duration cannot prolong anything.
    ExpiryInPast,
    /// A license of no duration cannot prolong anything.
    NothingToGrant,
    /// No such variable.
    VariableNotFound,
    /// The operator has this protocol version switched off.
    VersionOff,
    /// The app asks for a token file, no token was sent.
    TokenMissing,
    /// The app asks for a token file, its hash was not sent.
    TokenHashMissing,
    /// No such token.
    TokenNotFound,
    /// The token is banned.
    TokenBanned(Option<String>),
    /// The token is bound to a file with another hash.
    TokenHashMismatch,
    /// The user has a second factor, no code was sent.
    TwoFactorRequired,
    /// The code of the second factor is wrong, or was used already.
    TwoFactorWrong,
    /// Too many wrong codes for this user; the next one may come after this time.
    TwoFactorBlocked(Duration),
    /// A second factor is on already.
    TwoFactorOn,
    /// No new secret waits for its first code, or it has waited too long.
    TwoFactorExpired,
    /// The code that is to switch the second factor on or off is wrong.
    TwoFactorSetupWrong,
    /// A second factor is switched off with a code only.
    TwoFactorCodeMissing,
    /// The user has no second factor.
    TwoFactorOff,
    /// No such user; nobody is sent a mail.
    ResetUserNotFound,
    /// The user has no e-mail address, or none that could open it.
    EmailMissing,
    /// The e-mail address is not the user's.
    EmailMismatch,
    /// This server has no mail server to send with.
    MailUnavailable,
    /// Nobody is logged in.
    NobodyOnline,
    /// A user variable without a name.
    VariableNameMissing,
    /// A user variable without a value.
    VariableDataMissing,
    /// A user variable's name has more than 99 bytes.
    VariableNameTooLong,
    /// A user variable's value has more than 500 bytes.
    VariableDataTooLong,
    /// Only the operator changes this user variable.
    VariableReadOnly,
    /// The user has as many variables as one may have, or the app as many as its users may make.
    TooManyVariables,
    /// The user has no such variable.
    UserVariableNotFound,
    /// No such chat channel.
    ChannelNotFound,
    /// The user's last message in the channel is younger than its delay.
    ChatTooFast,
    /// The user may not write until then.
    ChatMuted(Time),
    /// A chat message without text.
    MessageBlank,
    /// A chat message has more than 2,000 bytes.
    MessageTooLong,
    /// No such relay.
    RelayNotFound,
    /// The relay's target could not be reached, was too slow, or answered too much.
    RelayFailed,
    /// No such file.
    FileNotFound,
    /// The file's source is gone, cannot be reached, or holds too much.
    FileUnavailable,
    /// A log line without text.
    LogMessageMissing,
    /// A log line has more than 275 bytes.
    LogMessageTooLong,
    /// A ban's reason has more than 99 bytes.
    BanReasonTooLong,
    /// The username that was wished for exists.
    NewUsernameTaken,
    /// A license-only user whose license is gone: its name is all it has to come in by.
    RenameFailed,
    /// The link of a mail was used, replaced, or is too old.
    ResetExpired,
    /// Neither the device nor the address is banned (the answer to that question is a failure on the wire).
    NotBanned,
}

impl Refusal {
    /// The code that programs may rely on: the contract's Appendix D; where Authly has a word for the same, its word.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::InvalidRequest(_) => "INVALID_REQUEST",
            Refusal::RateLimited(_) => "RATE_LIMITED",
            Refusal::Busy => "BUSY",
            Refusal::OwnerIdMissing => "OWNERID_MISSING",
            Refusal::AppNameMissing => "APP_NAME_MISSING",
            Refusal::OwnerIdLength => "OWNERID_LENGTH",
            Refusal::AppNotFound => "APP_NOT_FOUND",
            Refusal::AppBanned => "APP_BANNED",
            Refusal::UnknownCall => "UNKNOWN_TYPE",
            Refusal::SessionNotFound => "SESSION_NOT_FOUND",
            Refusal::SessionExpired => "SESSION_EXPIRED",
            Refusal::SessionNotValidated => "SESSION_NOT_VALIDATED",
            Refusal::EnckeyTooLong => "ENCKEY_TOO_LONG",
            Refusal::EncryptionRequired => "ENCRYPTION_REQUIRED",
            Refusal::VpnBlocked => "VPN_BLOCKED",
            Refusal::AppDisabled => "APP_DISABLED",
            Refusal::AppPaused => "APP_PAUSED",
            Refusal::VersionMismatch => "VERSION_MISMATCH",
            Refusal::HashMismatch => "INVALID_HASH",
            Refusal::UsernameTooLong => "USERNAME_TOO_LONG",
            Refusal::KeyTooLong => "KEY_TOO_LONG",
            Refusal::PasswordTooLong => "PASSWORD_TOO_LONG",
            Refusal::HwidTooLong => "HWID_TOO_LONG",
            Refusal::HwidTooShort(_) => "HWID_TOO_SHORT",
            Refusal::HwidMissing => "HWID_MISSING",
            Refusal::UsernameTooShort => "USERNAME_TOO_SHORT",
            Refusal::PasswordLeaked => "PASSWORD_LEAKED",
            Refusal::UsernameTaken => "USERNAME_TAKEN",
            Refusal::LicenseNotFound => "LICENSE_NOT_FOUND",
            Refusal::LicenseInUse => "LICENSE_IN_USE",
            Refusal::LicenseBanned(_) => "LICENSE_BANNED",
            Refusal::LicensePaused => "LICENSE_PAUSED",
            Refusal::LicenseExpired => "LICENSE_EXPIRED",
            Refusal::Taken(_) => "IDENTIFIER_TAKEN",
            Refusal::UsernameUnfit => "USERNAME_UNFIT",
            Refusal::PasswordTooShort(_) => "PASSWORD_TOO_SHORT",
            Refusal::PasswordReused => "PASSWORD_REUSED",
            Refusal::PasswordUnavailable => "PASSWORD_CHANGE_UNAVAILABLE",
            Refusal::EmailUnfit => "EMAIL_UNFIT",
            Refusal::ProfileUnfit => "PROFILE_UNFIT",
            Refusal::SignUpClosed => "SIGNUP_RESTRICTED",
            Refusal::SignedInAlready => "USER_ALREADY_SIGNED_IN",
            Refusal::SignInNotFound => "SIGN_IN_NOT_FOUND",
            Refusal::TooManySessions => "SESSION_LIMIT_REACHED",
            Refusal::FormatOff => "FORMAT_OFF",
            Refusal::LicenseNotEligible => "LICENSE_NOT_ELIGIBLE",
            Refusal::HwidBanned => "SID_BLOCKED",
            Refusal::AddressBanned => "IP_BLOCKED",
            Refusal::UserNotFound => "USER_NOT_FOUND",
            Refusal::UserBanned(_) => "USER_BANNED",
            Refusal::PasswordMismatch => "INVALID_PASSWORD",
            Refusal::HwidMismatch => "HWID_MISMATCH",
            Refusal::SubscriptionPaused => "USER_SUSPENDED",
            Refusal::NoActiveSubscription => "USER_EXPIRED",
            Refusal::ExpiryInPast => "EXPIRY_IN_PAST",
            Refusal::NothingToGrant => "UPGRADE_FAILED",
            Refusal::VariableNotFound => "VARIABLE_NOT_FOUND",
            Refusal::VersionOff => "VERSION_OFF",
            Refusal::TokenMissing => "TOKEN_MISSING",
            Refusal::TokenHashMissing => "TOKEN_HASH_MISSING",
            Refusal::TokenNotFound => "INVALID_TOKEN",
            Refusal::TokenBanned(_) => "TOKEN_BANNED",
            Refusal::TokenHashMismatch => "TOKEN_HASH_MISMATCH",
            Refusal::TwoFactorRequired => "2FA_REQUIRED",
            Refusal::TwoFactorWrong => "2FA_INVALID",
            Refusal::TwoFactorBlocked(_) => "2FA_BLOCKED",
            Refusal::TwoFactorOn => "2FA_ALREADY_ENABLED",
            Refusal::TwoFactorExpired => "2FA_SESSION_EXPIRED",
            Refusal::TwoFactorSetupWrong => "2FA_INVALID",
            Refusal::TwoFactorCodeMissing => "2FA_CODE_MISSING",
            Refusal::TwoFactorOff => "2FA_NOT_ENABLED",
            Refusal::ResetUserNotFound => "USER_NOT_FOUND",
            Refusal::EmailMissing => "EMAIL_MISSING",
            Refusal::EmailMismatch => "EMAIL_MISMATCH",
            Refusal::MailUnavailable => "MAIL_UNAVAILABLE",
            Refusal::NobodyOnline => "NOBODY_ONLINE",
            Refusal::VariableNameMissing => "VARIABLE_NAME_MISSING",
            Refusal::VariableDataMissing => "VARIABLE_DATA_MISSING",
            Refusal::VariableNameTooLong => "VARIABLE_NAME_TOO_LONG",
            Refusal::VariableDataTooLong => "VARIABLE_DATA_TOO_LONG",
            Refusal::VariableReadOnly => "VARIABLE_READ_ONLY",
            Refusal::TooManyVariables => "TOO_MANY_VARIABLES",
            Refusal::UserVariableNotFound => "VARIABLE_NOT_FOUND",
            Refusal::ChannelNotFound => "CHANNEL_NOT_FOUND",
            Refusal::ChatTooFast => "CHAT_TOO_FAST",
            Refusal::ChatMuted(_) => "CHAT_MUTED",
            Refusal::MessageBlank => "MESSAGE_BLANK",
            Refusal::MessageTooLong => "MESSAGE_TOO_LONG",
            Refusal::RelayNotFound => "WEBHOOK_NOT_FOUND",
            Refusal::RelayFailed => "WEBHOOK_FAILED",
            Refusal::FileNotFound => "FILE_NOT_FOUND",
            Refusal::FileUnavailable => "FILE_UNAVAILABLE",
            Refusal::LogMessageMissing => "LOG_MESSAGE_MISSING",
            Refusal::LogMessageTooLong => "LOG_MESSAGE_TOO_LONG",
            Refusal::BanReasonTooLong => "BAN_REASON_TOO_LONG",
            Refusal::NewUsernameTaken => "USERNAME_TAKEN",
            Refusal::RenameFailed => "RENAME_FAILED",
            Refusal::ResetExpired => "RESET_EXPIRED",
            Refusal::NotBanned => "NOT_BANNED",
        }
    }
}
