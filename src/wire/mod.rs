//! Foreign formats: bytes to domain and back. Decides no rule, knows no SQL, no socket and no runtime. One folder per
//! family; families do not know each other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::guesses::Guesses;
use crate::domain::hashing::Hashing;
use crate::domain::lists::Lists;
use crate::domain::vault::Vault;
use crate::model::exchange::{Request, Response};
use crate::outside::fetch::Fetcher;
use crate::store::Store;

pub mod authgate;
pub mod authly;
mod discord;
mod failure;
mod files;
pub mod form;
pub mod json;
pub mod keyauth;
pub mod limits;
mod own_share;
pub mod pages;
pub mod reply;
pub mod server_key;
mod turns;
pub mod wacht;

pub use own_share::OwnShares;

/// What answering needs. One for the whole server.
pub struct Ctx {
    /// The database.
    pub store: Store,
    /// The threads that hash passwords.
    pub hashing: Hashing,
    /// What was guessed wrong: codes of second factors, passwords, licenses.
    pub guesses: Guesses,
    /// What who is logged in may ask beyond the share of its address.
    pub own_shares: OwnShares,
    /// Where "now" comes from.
    pub clock: Clock,
    /// The operator's lists: VPN networks, leaked passwords.
    pub lists: Lists,
    /// The server's own address as clients see it, without a slash at its end: the start of links in answers.
    pub public_url: String,
    /// Opens and seals what is secret in the database.
    pub vault: Arc<Vault>,
    /// The key pair that signs the answers of KeyAuth's 1.3.
    pub server_key: server_key::Held,
    /// Asks other machines. Not inside a transaction, and not before its commit.
    pub fetcher: Fetcher,
    /// What answers may take that are large or come from elsewhere.
    pub limits: limits::Limits,
    /// Whether mail can be sent.
    pub mail: bool,
    /// Whether KeyAuth's 1.0 is served.
    pub serves_1_0: bool,
    /// Whether answers spell non-ASCII as `\uXXXX` (contract 1.7).
    pub ascii_only: bool,
}

/// An answer: at once, or after waiting for another thread.
pub enum Answer {
    /// Made without waiting.
    Now(Response),
    /// Made by this future.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

/// Answers one request at one path.
pub type Answerer = fn(&Arc<Ctx>, Request) -> Answer;

/// What can go wrong around a request before or while the family answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body is larger than this many bytes.
    BodyTooLarge(usize),
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body ended early or was badly framed.
    BodyBroken,
    /// Too many bytes of bodies are being read already.
    NoRoom,
    /// A bug: the answering code panicked.
    Panicked,
}

/// One foreign format.
pub struct Family {
    /// Its name in the log, in the documentation and in the server's list of formats.
    pub name: &'static str,
    /// The address that its clients are given, below the server's own; none for what is no client's.
    pub base: Option<&'static str>,
    /// The names under which its calls stand in the log and in what is counted: all that there are.
    pub calls: fn() -> Vec<&'static str>,
    /// Its paths, without the slash at the end (it is served with and without), and who answers there. `{}` stands for
    /// one segment of any text, which the request carries along, and `{*}` at the end for whatever no other path is.
    pub paths: &'static [(&'static str, &'static Door)],
}

/// Who answers at a path.
pub struct Door {
    /// Answers a request.
    pub answer: Answerer,
    /// The headers that it looks at, in lower case; no others reach it.
    pub headers: &'static [&'static str],
    /// What is said when there is no request to answer.
    pub fault: fn(&Ctx, Fault) -> Response,
}

/// All families.
pub static FAMILIES: &[&Family] =
    &[&keyauth::FAMILY, &authgate::FAMILY, &authly::FAMILY, &wacht::FAMILY, &pages::FAMILY];
