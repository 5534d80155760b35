//! The rules. Plain functions over an open transaction: no JSON (but for the document of [`document`], which is JSON by
//! definition, and what waits in the [`outbox`]), no HTTP, no clock, no async. A rule says no with a [`Refusal`]; what that is called on the wire is not
//! decided here.

use crate::store;

pub mod app;
pub mod ban;
pub mod browser;
pub mod chat;
pub mod device;
pub mod document;
pub mod file;
pub mod guesses;
pub mod hashing;
pub mod license;
pub mod lists;
pub mod log;
pub mod login_token;
pub mod online;
pub mod outbox;
pub mod owner;
pub mod plan;
pub mod refusal;
pub mod relay;
pub mod reset;

pub mod sealing;
pub mod secret;
pub mod server_key;
pub mod session;
pub mod subscription;
pub mod target;
pub mod token;
pub mod two_factor;
pub mod user;
pub mod user_variable;
pub mod variable;
pub mod vault;

pub use refusal::Refusal;

/// Why a call did not go through.
#[derive(Debug)]
pub enum Stop {
    /// A rule says no: expected, answered, nothing written.
    Refused(Refusal),
    /// The store could not do it: ours, logged.
    Failed(store::Error),
    /// The call needs a password hashed first, outside of any transaction. Then it runs again with the proof.
    Prove(secret::Work),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Stop {
        Stop::Failed(error)
    }
}
