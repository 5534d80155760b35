//! What clients log, as data.

use super::time::Time;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was logged.
    pub logged_at: Time,
    /// The client's text.
    pub message: String,
    /// Who was logged in: the name as typed at login.
    pub credential: Option<String>,
    /// What the client calls its machine's user.
    pub pc_user: Option<String>,
    /// The client's address.
    pub ip: String,
}
