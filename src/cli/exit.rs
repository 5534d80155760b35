//! How a command ends when it does not go well: an exit code for programs, a sentence for people. Decides no rule.

use std::fmt;
use std::process::ExitCode;

use crate::domain::file::FileError;
use crate::domain::relay::RelayError;
use crate::domain::sealing::SealingError;
use crate::domain::target::TargetError;
use crate::domain::vault::VaultError;
use crate::domain::{Refusal, Stop};
use crate::store;

use super::print::note;

/// The exit codes (design: they are a contract).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Done = 0,
    /// It did not work.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// The database cannot be used.
    Database = 4,
    /// Another server holds the database.
    Locked = 5,
    /// The server is not healthy.
    Unhealthy = 6,
    /// `check` found problems.
    Problems = 7,
}

/// Why a command ended early: a code for programs, a sentence for people that says what to do next.
#[derive(Debug)]
pub struct Exit {
    code: Code,
    text: String,
}

impl Exit {
    /// Ends with this code and this sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Exit {
        Exit { code, text: text.into() }
    }

    /// It did not work.
    pub fn failure(text: impl Into<String>) -> Exit {
        Exit::new(Code::Failure, text)
    }

    /// The command line is wrong.
    pub fn usage(text: impl Into<String>) -> Exit {
        Exit::new(Code::Usage, text)
    }

    /// Tells people why, and programs the code.
    pub(super) fn tell(&self) -> ExitCode {
        if !self.text.is_empty() {
            note(&format!("keystead: {self}"));
        }
        ExitCode::from(self.code as u8)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<store::Error> for Exit {
    fn from(error: store::Error) -> Exit {
        Exit::new(Code::Database, error.to_string())
    }
}

/// Errors that a command made with `thiserror`: its store errors are the database's, all others are plain failures.
macro_rules! failures {
    ($($error:path),* $(,)?) => {$(
        impl From<$error> for Exit {
            fn from(error: $error) -> Exit {
                use $error as Kind;
                match error {
                    Kind::Store(error) => error.into(),
                    other => Exit::failure(other.to_string()),
                }
            }
        }
    )*};
}

failures!(
    crate::domain::owner::OwnerError,
    crate::domain::app::AppError,
    crate::domain::plan::PlanError,
    crate::domain::license::LicenseError,
    crate::domain::variable::VariableError,
    crate::domain::chat::ChatError,
    crate::domain::token::TokenError,
    crate::domain::user_variable::UserVariableError,
    crate::domain::ban::BanError,
    crate::domain::subscription::ExtendError,
    crate::domain::user::UserError,
);

impl From<RelayError> for Exit {
    fn from(error: RelayError) -> Exit {
        match error {
            RelayError::Store(error) => error.into(),
            RelayError::Target(error) => target(&error),
            other => Exit::failure(other.to_string()),
        }
    }
}

impl From<FileError> for Exit {
    fn from(error: FileError) -> Exit {
        match error {
            FileError::Store(error) => error.into(),
            FileError::Target(error) => target(&error),
            other => Exit::failure(other.to_string()),
        }
    }
}

/// The server's flags are not the command's: what the server may ask, the command has to be told too.
fn target(error: &TargetError) -> Exit {
    match error {
        TargetError::NotPublic { .. } => Exit::failure(format!("{error}, and give this command the same")),
        other => Exit::failure(other.to_string()),
    }
}

impl From<Stop> for Exit {
    fn from(stop: Stop) -> Exit {
        match stop {
            Stop::Failed(error) => error.into(),
            Stop::Refused(refusal) => refusal.into(),
            Stop::Prove(_) => Exit::failure("internal error: a command stopped for a password"),
        }
    }
}

impl From<VaultError> for Exit {
    fn from(error: VaultError) -> Exit {
        Exit::new(Code::Configuration, error.to_string())
    }
}

impl From<SealingError> for Exit {
    fn from(error: SealingError) -> Exit {
        match error {
            SealingError::Vault(error) => error.into(),
            SealingError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Exit {
    fn from(refusal: Refusal) -> Exit {
        Exit::failure(match refusal {
            Refusal::LicenseNotFound => "there is no such license; see `keystead license list`".to_owned(),
            Refusal::UserNotFound => "there is no such user; see `keystead user list`".to_owned(),
            Refusal::VariableNotFound => "there is no such variable; see `keystead var list`".to_owned(),
            Refusal::ChannelNotFound => "there is no such channel; see `keystead chat list`".to_owned(),
            Refusal::TokenNotFound => "there is no such token; see `keystead token list`".to_owned(),
            Refusal::RelayNotFound => "there is no such relay; see `keystead relay list`".to_owned(),
            Refusal::SessionNotFound => "there is no such live session; see `keystead session list`".to_owned(),
            other => format!("refused: {}", other.code()),
        })
    }
}

impl From<std::io::Error> for Exit {
    fn from(error: std::io::Error) -> Exit {
        // Whoever reads our output has seen enough: no reason to complain.
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Exit::new(Code::Done, ""),
            _ => Exit::failure(error.to_string()),
        }
    }
}
