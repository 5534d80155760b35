//! Chat channels of an app (contract 4.13, 4.14): who may write, and what is kept.

use crate::model::ids::AppId;
use crate::model::session::Session;
use crate::model::time::{Span, Time};
use crate::model::user::Credential;
use crate::store::chats::{self, Channel, Message};
use crate::store::{self, Tx, users};

use super::online::masked;
use super::session::user_on;
use super::{Refusal, Stop};

/// The longest name of a channel, in bytes (contract section 5).
pub const MAX_NAME: usize = 50;
/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 2_000;
/// How many messages a channel keeps.
pub const KEPT: i64 = 50;
/// The longest delay, in seconds: a day.
pub const MAX_DELAY: i64 = 86_400;

/// Why a channel was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The name is blank or too long.
    #[error("a channel's name has 1 to {MAX_NAME} bytes and no blanks around it")]
    Name,
    /// The delay is too long.
    #[error("a channel's delay is at most a day")]
    Delay,
    /// The name is taken.
    #[error("the app has a channel of this name already; see `keystead chat list`")]
    Taken,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The messages of a channel, oldest first; none if there is no such channel.
pub fn read(tx: &mut Tx<'_>, session: &Session, channel: Option<&str>) -> Result<Vec<Message>, Stop> {
    user_on(session)?;
    match find(tx, session.app, channel)? {
        Some(channel) => Ok(chats::messages(tx, channel.id)?),
        None => Ok(Vec::new()),
    }
}

/// At most `limit` messages of a channel, newest first: those older than `before`, if it is given. Each with its number.
pub fn page(
    tx: &mut Tx<'_>,
    session: &Session,
    channel: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<(i64, Message)>, Stop> {
    user_on(session)?;
    let channel = find(tx, session.app, channel)?.ok_or(Refusal::ChannelNotFound)?;
    Ok(chats::page(tx, channel.id, before.unwrap_or(i64::MAX), limit)?)
}

/// Adds a message of the user on this session, and lets go of what is older than the newest fifty. Answers the message
/// as others see it, with its number.
pub fn send(
    tx: &mut Tx<'_>,
    session: &Session,
    channel: Option<&str>,
    text: Option<&str>,
    now: Time,
) -> Result<(i64, Message), Stop> {
    let on = user_on(session)?;
    let channel = find(tx, session.app, channel)?.ok_or(Refusal::ChannelNotFound)?;
    let last = chats::last_of_user(tx, channel.id, on.id)?;
    if last.is_some_and(|last| now - last < channel.delay) {
        return Err(Refusal::ChatTooFast.into());
    }
    if let Some(until) = chats::muted_until(tx, on.id)?
        && now < until
    {
        return Err(Refusal::ChatMuted(until).into());
    }
    let text = text.ok_or(Refusal::MessageBlank)?;
    if text.len() > MAX_MESSAGE {
        return Err(Refusal::MessageTooLong.into());
    }
    let user = users::by_id(tx, session.app, on.id)?.ok_or(Refusal::SessionNotValidated)?;
    // What opens a license-only user is its key, and others read this.
    let author =
        if user.credential == Credential::License { masked(&on.credential) } else { on.credential.to_string() };
    let message = Message { author, text: text.to_owned(), sent_at: now };
    let number = chats::send(tx, channel.id, Some(on.id), &message)?;
    chats::cut(tx, channel.id, KEPT)?;
    Ok((number, message))
}

/// The channel of this name.
pub fn find(tx: &mut Tx<'_>, app: AppId, name: Option<&str>) -> Result<Option<Channel>, store::Error> {
    match name {
        Some(name) => chats::channel(tx, app, name),
        None => Ok(None),
    }
}

/// Makes a channel.
pub fn create(tx: &mut Tx<'_>, app: AppId, name: &str, delay: Span) -> Result<(), ChatError> {
    let delay = check(name, delay)?;
    if chats::create(tx, app, name, delay)? { Ok(()) } else { Err(ChatError::Taken) }
}

/// Whether an app may have this channel; its delay in seconds.
pub fn check(name: &str, delay: Span) -> Result<i64, ChatError> {
    if name.is_empty() || name.trim() != name || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(ChatError::Name);
    }
    seconds(delay)
}

/// Changes how long a user waits between two messages. False: there is no such channel.
pub fn set_delay(tx: &mut Tx<'_>, app: AppId, name: &str, delay: Span) -> Result<bool, ChatError> {
    Ok(chats::set_delay(tx, app, name, seconds(delay)?)?)
}

fn seconds(delay: Span) -> Result<i64, ChatError> {
    match delay {
        Span::Seconds(seconds) if (0..=MAX_DELAY).contains(&seconds) => Ok(seconds),
        _ => Err(ChatError::Delay),
    }
}
