//! What is said when something does not go through: status, message, and a list of errors with codes (1.5, 2.1). No
//! wildcard arm: a new refusal asks for its words here.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::user::Taken;
use crate::domain::{Refusal, Stop};
use crate::model::exchange::Method;
use crate::wire::Fault;
use crate::wire::failure::{self, Outcome};

type Text = Cow<'static, str>;

/// One failure in this format's words.
pub(super) struct Words {
    /// The HTTP status.
    pub(super) status: u16,
    /// The `message`.
    pub(super) message: Text,
    /// The `errors`: codes and messages.
    pub(super) errors: Vec<(&'static str, Text)>,
    /// The outcome in the log.
    pub(super) outcome: &'static str,
    /// After how many seconds it may be tried again, where waiting helps.
    pub(super) retry_after: Option<u64>,
}

const BAD_BODY: (&str, &str) = ("BAD_REQUEST_BODY", "Unable to process request body. Please check the format.");
const INTERNAL: (&str, &str) = ("INTERNAL", "An internal server error occurred. Please try again later.");

impl Words {
    fn new(status: u16, message: impl Into<Text>, code: &'static str, text: impl Into<Text>) -> Words {
        Words { status, message: message.into(), errors: vec![(code, text.into())], outcome: code, retry_after: None }
    }

    fn bad(status: u16, message: impl Into<Text>) -> Words {
        Words::new(status, message, BAD_BODY.0, BAD_BODY.1)
    }

    fn after(self, wait: Duration) -> Words {
        Words { retry_after: Some(wait.as_secs() + 1), ..self }
    }
}

/// The words for what stopped a call.
pub(super) fn stopped(stop: Stop, is_sign_up: bool) -> Words {
    match failure::outcome(stop) {
        Outcome::Refused(refusal) => Words { outcome: refusal.code(), ..refused(&refusal, is_sign_up) },
        Outcome::Unavailable => {
            let text = "The server cannot do this now. Nothing was changed. Please try again in a minute.";
            let words = Words::new(503, "Something went wrong", INTERNAL.0, text).after(Duration::ZERO);
            Words { outcome: "UNAVAILABLE", ..words }
        }
        Outcome::Internal => Words::new(500, "Something went wrong", INTERNAL.0, INTERNAL.1),
    }
}

/// The body is no form, or says something twice (W3).
pub(super) fn unreadable() -> Words {
    Words::bad(400, "Bad request body")
}

/// There is something at this path, for another method.
pub(super) fn wrong_method() -> Words {
    Words { outcome: "WRONG_METHOD", ..Words::bad(405, "Method not allowed") }
}

/// What may be asked instead.
pub(super) fn method(method: Method) -> &'static str {
    match method {
        Method::Get | Method::Head => "GET, HEAD",
        Method::Post | Method::Options | Method::Other => "POST",
    }
}

/// The words for what went wrong around a request.
pub(super) fn fault(fault: Fault) -> Words {
    match fault {
        Fault::BodyTooLarge(limit) => {
            let text = format!("The request is too large: at most {limit} bytes are taken.");
            Words { outcome: "BODY_TOO_LARGE", ..Words::new(413, "Request body is too large", BAD_BODY.0, text) }
        }
        Fault::BodyTimeout => Words { outcome: "BODY_TIMEOUT", ..Words::bad(408, "Bad request body") },
        Fault::BodyBroken => Words { outcome: "BODY_BROKEN", ..Words::bad(400, "Bad request body") },
        Fault::NoRoom => Words { outcome: "BUSY", ..too_many().after(Duration::ZERO) },
        Fault::Panicked => Words::new(500, "Something went wrong", INTERNAL.0, INTERNAL.1),
    }
}

fn refused(refusal: &Refusal, is_sign_up: bool) -> Words {
    match refusal {
        Refusal::InvalidRequest(message) => Words::bad(400, message.clone()),
        Refusal::EmailUnfit => Words::bad(400, "Email is invalid"),
        Refusal::PasswordTooShort(least) => Words::bad(400, format!("Password must be at least {least} characters")),
        Refusal::PasswordTooLong | Refusal::PasswordLeaked => Words::bad(400, "Password is invalid"),
        Refusal::UsernameTooLong | Refusal::UsernameTooShort | Refusal::UsernameUnfit => {
            Words::bad(400, "Username is invalid")
        }
        Refusal::ProfileUnfit => Words::bad(400, "Name or phone number is invalid"),
        Refusal::UsernameTaken => taken(Taken { username: true, ..Taken::default() }),
        Refusal::Taken(which) => taken(*which),
        Refusal::RateLimited(wait) => too_many().after(*wait),
        Refusal::Busy => too_many().after(Duration::ZERO),
        Refusal::AppNotFound | Refusal::FormatOff => Words::bad(404, "Deployment not found"),
        Refusal::AppBanned | Refusal::AppDisabled | Refusal::AppPaused | Refusal::AddressBanned => {
            restricted(is_sign_up)
        }
        Refusal::SignUpClosed
        | Refusal::KeyTooLong
        | Refusal::LicenseNotFound
        | Refusal::LicenseInUse
        | Refusal::LicenseExpired
        | Refusal::LicenseNotEligible => restricted(true),
        // An invitation; or the license of somebody who signs in by it.
        Refusal::LicenseBanned(_) | Refusal::LicensePaused => {
            if is_sign_up {
                restricted(true)
            } else {
                disabled()
            }
        }
        Refusal::UserBanned(_) => disabled(),
        Refusal::UserNotFound | Refusal::PasswordMismatch => {
            Words::new(401, "Invalid credentials", "INVALID_CREDENTIALS", "Invalid credentials. Please try again.")
        }
        Refusal::SignedInAlready => {
            Words::new(400, "Already signed in", "USER_ALREADY_SIGNED_IN", "You are already signed in.")
        }
        Refusal::SignInNotFound => Words::bad(400, "Sign in not found"),
        Refusal::TwoFactorRequired => two_factor(
            "TWO_FACTOR_REQUIRED",
            "This user has a second factor. Send its code in the field two_factor_code.",
        ),
        Refusal::TwoFactorWrong => {
            two_factor("TWO_FACTOR_INVALID", "The code of the second factor is wrong or was used already.")
        }
        Refusal::TwoFactorBlocked(wait) => {
            two_factor("TWO_FACTOR_BLOCKED", "Too many wrong codes. Please wait before the next one.").after(*wait)
        }
        // Nothing of this format leads there.
        Refusal::OwnerIdMissing
        | Refusal::AppNameMissing
        | Refusal::OwnerIdLength
        | Refusal::UnknownCall
        | Refusal::SessionNotFound
        | Refusal::SessionExpired
        | Refusal::SessionNotValidated
        | Refusal::EnckeyTooLong
        | Refusal::EncryptionRequired
        | Refusal::VpnBlocked
        | Refusal::VersionMismatch
        | Refusal::HashMismatch
        | Refusal::HwidTooLong
        | Refusal::HwidTooShort(_)
        | Refusal::HwidMissing
        | Refusal::HwidBanned
        | Refusal::HwidMismatch
        | Refusal::PasswordReused
        | Refusal::PasswordUnavailable
        | Refusal::TooManySessions
        | Refusal::SubscriptionPaused
        | Refusal::NoActiveSubscription
        | Refusal::ExpiryInPast
        | Refusal::NothingToGrant
        | Refusal::VariableNotFound
        | Refusal::VersionOff
        | Refusal::TokenMissing
        | Refusal::TokenHashMissing
        | Refusal::TokenNotFound
        | Refusal::TokenBanned(_)
        | Refusal::TokenHashMismatch
        | Refusal::TwoFactorOn
        | Refusal::TwoFactorExpired
        | Refusal::TwoFactorSetupWrong
        | Refusal::TwoFactorCodeMissing
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
        | Refusal::FileNotFound
        | Refusal::FileUnavailable
        | Refusal::LogMessageMissing
        | Refusal::LogMessageTooLong
        | Refusal::BanReasonTooLong
        | Refusal::NewUsernameTaken
        | Refusal::RenameFailed
        | Refusal::ResetExpired
        | Refusal::NotBanned => Words::bad(400, "Bad request"),
    }
}

/// All that is another user's, in the order of 1.5.
fn taken(which: Taken) -> Words {
    let all = [
        (which.email, "EMAIL_EXISTS", "This email address is already in use."),
        (which.username, "USERNAME_EXISTS", "This username is already taken."),
        (which.phone, "PHONE_NUMBER_EXISTS", "This phone number is already associated with an account."),
    ];
    let errors = all.into_iter().filter(|(is_taken, ..)| *is_taken).map(|(_, code, text)| (code, text.into()));
    let words = Words::bad(400, "Field errors");
    Words { errors: errors.collect(), ..words }
}

fn too_many() -> Words {
    Words::new(429, "Too many requests", "TOO_MANY_REQUESTS", "Too many requests. Please try again later.")
}

fn restricted(is_sign_up: bool) -> Words {
    if is_sign_up {
        let text = "Signing up is restricted. Ask the operator of this application.";
        Words::new(403, "Sign up is restricted", "SIGNUP_RESTRICTED", text)
    } else {
        let text = "This application is not available to you now. Ask its operator.";
        Words::new(403, "Access is restricted", "ACCESS_RESTRICTED", text)
    }
}

fn disabled() -> Words {
    Words::new(403, "User account is disabled", "USER_DISABLED", "User account is disabled.")
}

fn two_factor(code: &'static str, text: &'static str) -> Words {
    Words::new(403, "Second factor is required", code, text)
}
