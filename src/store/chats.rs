//! The tables `chat_channels`, `chat_messages` and `chat_mutes`.

use crate::model::ids::{AppId, ChannelId, UserId};
use crate::model::time::Time;

use super::{Error, Result, Row, Tx};

const CHANNEL: &str = "SELECT id, name, delay FROM chat_channels WHERE app_id = $1 AND name = $2";
const CHANNELS: &str = "SELECT c.id, c.name, c.delay, (SELECT count(*) FROM chat_messages m WHERE m.channel_id = c.id) \
                        FROM chat_channels c WHERE c.app_id = $1 ORDER BY c.name";
const CREATE: &str = "INSERT INTO chat_channels (app_id, name, delay) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const SET_DELAY: &str = "UPDATE chat_channels SET delay = $3 WHERE app_id = $1 AND name = $2";
const DELETE: &str = "DELETE FROM chat_channels WHERE app_id = $1 AND name = $2";
const MESSAGES: &str = "SELECT author, text, sent_at FROM chat_messages WHERE channel_id = $1 ORDER BY id";
const MESSAGES_WITH_USERS: &str = "SELECT m.author, m.text, m.sent_at, u.name FROM chat_messages m \
                                   LEFT JOIN users u ON u.id = m.user_id WHERE m.channel_id = $1 ORDER BY m.id";
const LAST_OF_USER: &str = "SELECT sent_at FROM chat_messages WHERE channel_id = $1 AND user_id = $2 \
                            ORDER BY id DESC LIMIT 1";
const SEND: &str = "INSERT INTO chat_messages (channel_id, user_id, author, text, sent_at) VALUES ($1, $2, $3, $4, $5) \
                    RETURNING id";
const PAGE: &str = "SELECT author, text, sent_at, id FROM chat_messages WHERE channel_id = $1 AND id < $2 \
                    ORDER BY id DESC LIMIT $3";
const CUT: &str = "DELETE FROM chat_messages WHERE channel_id = $1 AND id <= \
                   (SELECT id FROM chat_messages WHERE channel_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
const CLEAR: &str = "DELETE FROM chat_messages WHERE channel_id = $1";
const MUTED_UNTIL: &str = "SELECT muted_until FROM chat_mutes WHERE user_id = $1";
const MUTE: &str = "INSERT INTO chat_mutes (user_id, muted_until) VALUES ($1, $2) \
                    ON CONFLICT (user_id) DO UPDATE SET muted_until = excluded.muted_until";
const UNMUTE: &str = "DELETE FROM chat_mutes WHERE user_id = $1 AND muted_until > $2";
const MUTES: &str = "SELECT u.name, m.muted_until FROM chat_mutes m JOIN users u ON u.id = m.user_id \
                     WHERE u.app_id = $1 AND m.muted_until > $2 ORDER BY m.muted_until, u.name";

/// A chat channel of an app.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Row.
    pub id: ChannelId,
    /// Exact; at most 50 bytes.
    pub name: String,
    /// Seconds between two messages of one user.
    pub delay: i64,
}

/// A message in a channel.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who wrote it, as it is shown.
    pub author: String,
    /// At most 2,000 bytes.
    pub text: String,
    /// When it was sent.
    pub sent_at: Time,
}

/// The channel of this name.
pub fn channel(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<Option<Channel>> {
    tx.row(CHANNEL, &[app.0.into(), name.into()], read_channel)
}

/// All channels of an app by name, each with how many messages it has.
pub fn channels(tx: &mut Tx<'_>, app: AppId) -> Result<Vec<(Channel, i64)>> {
    tx.rows(CHANNELS, &[app.0.into()], |row| Ok((read_channel(row)?, row.int(3)?)))
}

/// Adds a channel. False: the name is taken.
pub fn create(tx: &mut Tx<'_>, app: AppId, name: &str, delay: i64) -> Result<bool> {
    tx.exec(CREATE, &[app.0.into(), name.into(), delay.into()]).map(|n| n == 1)
}

/// Changes a channel's delay. False: there is none.
pub fn set_delay(tx: &mut Tx<'_>, app: AppId, name: &str, delay: i64) -> Result<bool> {
    tx.exec(SET_DELAY, &[app.0.into(), name.into(), delay.into()]).map(|n| n == 1)
}

/// Deletes a channel with its messages. False: there is none.
pub fn delete(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<bool> {
    tx.exec(DELETE, &[app.0.into(), name.into()]).map(|n| n == 1)
}

/// A channel's messages, oldest first.
pub fn messages(tx: &mut Tx<'_>, channel: ChannelId) -> Result<Vec<Message>> {
    tx.rows(MESSAGES, &[channel.0.into()], |row| {
        Ok(Message { author: row.text(0)?, text: row.text(1)?, sent_at: Time(row.int(2)?) })
    })
}

/// The same, each with the name of its user if that is still there.
pub fn messages_with_users(tx: &mut Tx<'_>, channel: ChannelId) -> Result<Vec<(Message, Option<String>)>> {
    tx.rows(MESSAGES_WITH_USERS, &[channel.0.into()], |row| {
        let message = Message { author: row.text(0)?, text: row.text(1)?, sent_at: Time(row.int(2)?) };
        Ok((message, row.opt_text(3)?))
    })
}

/// When this user last wrote in the channel, if that message is still there.
pub fn last_of_user(tx: &mut Tx<'_>, channel: ChannelId, user: UserId) -> Result<Option<Time>> {
    tx.row(LAST_OF_USER, &[channel.0.into(), user.0.into()], |row| row.int(0).map(Time))
}

/// At most `limit` messages that are older than this one, newest first, each with its row.
pub fn page(tx: &mut Tx<'_>, channel: ChannelId, before: i64, limit: i64) -> Result<Vec<(i64, Message)>> {
    tx.rows(PAGE, &[channel.0.into(), before.into(), limit.into()], |row| {
        let message = Message { author: row.text(0)?, text: row.text(1)?, sent_at: Time(row.int(2)?) };
        Ok((row.int(3)?, message))
    })
}

/// Adds a message of this user; none: it is gone. Answers its row.
pub fn send(tx: &mut Tx<'_>, channel: ChannelId, user: Option<UserId>, message: &Message) -> Result<i64> {
    let Message { author, text, sent_at } = message;
    let values = [channel.0.into(), user.map(|user| user.0).into(), author.into(), text.into(), sent_at.0.into()];
    tx.row(SEND, &values, |row| row.int(0))?.ok_or_else(|| Error::Bug("a message without a row".to_owned()))
}

/// Deletes all but the newest `keep` messages of a channel.
pub fn cut(tx: &mut Tx<'_>, channel: ChannelId, keep: i64) -> Result<()> {
    tx.exec(CUT, &[channel.0.into(), keep.into()]).map(|_| ())
}

/// Deletes all messages of a channel. Answers how many.
pub fn clear(tx: &mut Tx<'_>, channel: ChannelId) -> Result<u64> {
    tx.exec(CLEAR, &[channel.0.into()])
}

/// Until when a user was muted last; that may be over.
pub fn muted_until(tx: &mut Tx<'_>, user: UserId) -> Result<Option<Time>> {
    tx.row(MUTED_UNTIL, &[user.0.into()], |row| row.int(0).map(Time))
}

/// Mutes a user until then.
pub fn mute(tx: &mut Tx<'_>, user: UserId, until: Time) -> Result<()> {
    tx.exec(MUTE, &[user.0.into(), until.0.into()]).map(|_| ())
}

/// Ends a user's mute. False: it was not muted.
pub fn unmute(tx: &mut Tx<'_>, user: UserId, now: Time) -> Result<bool> {
    tx.exec(UNMUTE, &[user.0.into(), now.0.into()]).map(|n| n == 1)
}

/// The names of an app's users that are muted, and until when; the first to be free first.
pub fn mutes(tx: &mut Tx<'_>, app: AppId, now: Time) -> Result<Vec<(String, Time)>> {
    tx.rows(MUTES, &[app.0.into(), now.0.into()], |row| Ok((row.text(0)?, Time(row.int(1)?))))
}

fn read_channel(row: &Row<'_>) -> Result<Channel> {
    Ok(Channel { id: ChannelId(row.int(0)?), name: row.text(1)?, delay: row.int(2)? })
}
