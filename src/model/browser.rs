//! Browsers of Wacht's format and who is signed in on them, as data.

use std::net::IpAddr;

use super::ids::{AppId, BrowserId, SessionId, SignInId, UserId};
use super::time::Time;

/// One browser, as its cookie tells. Any number of users may be signed in on it.
#[derive(Clone, Debug)]
pub struct Browser {
    /// Random, and shown.
    pub id: BrowserId,
    /// The app it belongs to.
    pub app: AppId,
    /// The hash of the token by which it was found; it may have another one by now.
    pub token_hash: String,
    /// When it was made.
    pub created_at: Time,
    /// Its last use, roughly: it is not written anew for each request.
    pub used_at: Time,
    /// The sign-in that counts; it may be gone.
    pub active: Option<SignInId>,
}

/// One user who signed in on a browser.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Random, and shown.
    pub id: SignInId,
    /// What led to it, by an id of its own.
    pub attempt: i64,
    /// Whether by signing up.
    pub signed_up: bool,
    /// When.
    pub created_at: Time,
    /// Its session, for as long as that lives and has its user.
    pub held: Option<Held>,
}

/// What makes a sign-in count.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its session.
    pub session: SessionId,
    /// Who it is.
    pub user: UserId,
    /// The address that signed in.
    pub ip: String,
    /// When it ends.
    pub expires_at: Time,
}

/// What a new sign-in is made with.
#[derive(Clone, Copy, Debug)]
pub struct NewSignIn {
    /// Random.
    pub id: SignInId,
    /// Random.
    pub attempt: i64,
    /// Random: what its session is to be called.
    pub session: SessionId,
    /// The client's address.
    pub ip: IpAddr,
    /// Now.
    pub now: Time,
}
