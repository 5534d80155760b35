//! The closed list of ways to say no, with their stable codes. Texts for people are chosen where the answer is
//! written, because every format (and every app) has its own.

use std::time::Duration;

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
    /// No such license.
    LicenseNotFound,
    /// The license is used.
    LicenseInUse,
    /// The license is banned.
    LicenseBanned(Option<String>),
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
            Refusal::NotBanned => "NOT_BANNED",
        }
    }
}
