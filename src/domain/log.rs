//! What clients log (contract 4.16): a line in the database, and a post to where the app wants to read it. Posts
//! nothing itself, and does not know what a post looks like.

use std::net::IpAddr;

use rand::CryptoRng;

use crate::model::ids::AppId;
use crate::model::log::LogLine;
use crate::model::session::Session;
use crate::model::time::Time;
use crate::store::{self, Tx, logs};

use super::Refusal;
use super::outbox::{self, Post};
use super::vault::Vault;

/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 275;

/// How much is kept of the name of a machine's user, in bytes.
pub const MAX_PC_USER: usize = 32;

/// The line that a client asks for.
pub fn line(
    session: &Session,
    message: Option<&str>,
    pc_user: Option<&str>,
    ip: IpAddr,
    now: Time,
) -> Result<LogLine, Refusal> {
    let message = message.ok_or(Refusal::LogMessageMissing)?;
    if message.len() > MAX_MESSAGE {
        return Err(Refusal::LogMessageTooLong);
    }
    Ok(LogLine {
        logged_at: now,
        message: message.to_owned(),
        credential: session.user.as_ref().map(|user| user.credential.to_string()),
        pc_user: pc_user.map(|name| name[..name.floor_char_boundary(MAX_PC_USER)].to_owned()),
        ip: ip.to_string(),
    })
}

/// Keeps the line, and queues its post if there is one; where too many wait already, the line alone is kept.
pub fn add(
    tx: &mut Tx<'_>,
    app: AppId,
    line: &LogLine,
    post: Option<&Post>,
    vault: &Vault,
    rng: &mut impl CryptoRng,
) -> Result<(), store::Error> {
    logs::insert(tx, app, line)?;
    match post {
        Some(post) if !outbox::is_full::<Post>(tx, app)? => {
            outbox::queue(tx, vault, rng, Some(app), post, line.logged_at)
        }
        _ => Ok(()),
    }
}
