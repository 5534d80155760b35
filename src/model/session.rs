//! Sessions as data.

use std::fmt;
use std::sync::Arc;

use super::ids::{AppId, SessionId, UserId};
use super::sign_key::SignKey;
use super::time::Time;

/// What a client got from `init`: the frame of all its later calls.
#[derive(Clone)]
pub struct Session {
    /// Names it to the client.
    pub id: SessionId,
    /// The app it belongs to.
    pub app: AppId,
    /// What signs its answers: `<enckey>-<secret>`; none if the client sent no enckey.
    pub sign_key: Option<Arc<SignKey>>,
    /// The address that made it.
    pub ip: String,
    /// When it was made.
    pub created_at: Time,
    /// When it ends; fixed.
    pub expires_at: Time,
    /// When it was ended before its time (logout, kill), if it was. The row stays a day, so that the refusal can
    /// be signed.
    pub ended_at: Option<Time>,
    /// Who logged in on it. With this it is "validated".
    pub user: Option<SessionUser>,
    /// What it is for.
    pub kind: SessionKind,
    /// The device that logged in, of [`SessionKind::Token`].
    pub hwid: Option<Arc<str>>,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionKind {
    /// A program's frame for its calls.
    #[default]
    Init,
    /// A short-lived token of a user: Authgate's.
    Token,
    /// One user signed in on a browser: Wacht's. Its id never leaves the server.
    SignIn,
}

/// The user on a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUser {
    /// Row.
    pub id: UserId,
    /// The name as typed at login.
    pub credential: Arc<str>,
}

impl Session {
    /// Whether it may be used at `now`.
    pub fn is_live(&self, now: Time) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("app", &self.app).finish_non_exhaustive()
    }
}
