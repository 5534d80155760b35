//! What the people of a document wrote: chat channels with their messages, and what their programs logged.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::domain::chat::{self, KEPT, MAX_MESSAGE};
use crate::domain::log;
use crate::domain::user::MAX_USERNAME;
use crate::model::ids::fold;
use crate::model::log::LogLine;
use crate::model::time::Span;
use crate::store::chats::Message;

use super::super::{Channel as GivenChannel, Log, Message as GivenMessage, OrText};
use super::{Context, Findings};

/// A channel with its messages, each with the place of its user in [`super::Checked::users`].
pub(in super::super) struct NewChannel {
    pub(in super::super) name: String,
    pub(in super::super) delay: Span,
    pub(in super::super) messages: Vec<(Message, Option<usize>)>,
}

pub(super) fn channels(
    given: Vec<OrText<GivenChannel>>,
    context: &Context<'_>,
    users: &HashMap<String, usize>,
    found: &mut Findings,
) -> Vec<NewChannel> {
    let mut seen = HashMap::new();
    let mut channels = Vec::with_capacity(given.len());
    for (i, OrText(given)) in given.into_iter().enumerate() {
        let delay = given.delay.map_or(Span::Seconds(0), |delay| delay.0);
        match chat::check(&given.name, delay) {
            Ok(_) => found.unique(&mut seen, given.name.clone(), i, "chats", ".name"),
            Err(error @ chat::ChatError::Delay) => found.add(format_args!("chats[{i}].delay"), error),
            Err(error) => found.add(format_args!("chats[{i}].name"), error),
        }
        let most = KEPT as usize;
        let fits = given.messages.len() <= most;
        found.expect(fits, format_args!("chats[{i}].messages"), format_args!("takes at most {most} messages"));
        let messages = given.messages.into_iter().take(most).enumerate();
        let messages = messages
            .map(|(k, message)| self::message(message, &format!("chats[{i}].messages[{k}]"), context, users, found));
        let messages = messages.collect();
        channels.push(NewChannel { name: given.name, delay, messages });
    }
    channels
}

fn message(
    given: GivenMessage,
    path: &str,
    context: &Context<'_>,
    users: &HashMap<String, usize>,
    found: &mut Findings,
) -> (Message, Option<usize>) {
    found.bytes(&given.text, 1, MAX_MESSAGE, format_args!("{path}.text"));
    let sent_at = found.time(given.sent_at, format_args!("{path}.sent_at")).unwrap_or(context.now);
    let user = given.user.as_ref().and_then(|name| users.get(&fold(name)).copied());
    if given.user.is_some() && user.is_none() {
        let text = "names a user that the document does not have; give author instead for a user that was deleted";
        found.add(format_args!("{path}.user"), text);
    }
    let author = given.author.or(given.user).unwrap_or_default();
    found.bytes(&author, 1, MAX_USERNAME, format_args!("{path}.author"));
    (Message { author, text: given.text, sent_at }, user)
}

pub(super) fn logs(given: Vec<Log>, context: &Context<'_>, found: &mut Findings) -> Vec<LogLine> {
    let mut lines = Vec::with_capacity(given.len());
    for (i, given) in given.into_iter().enumerate() {
        let path = format!("logs[{i}]");
        found.bytes(&given.message, 1, log::MAX_MESSAGE, format_args!("{path}.message"));
        found.opt_bytes(given.credential.as_ref(), MAX_USERNAME, format_args!("{path}.credential"));
        found.opt_bytes(given.pc_user.as_ref(), log::MAX_PC_USER, format_args!("{path}.pc_user"));
        let fits = given.ip.as_ref().is_none_or(|ip| ip.is_empty() || ip.parse::<IpAddr>().is_ok());
        found.expect(fits, format_args!("{path}.ip"), "takes an IPv4 or IPv6 address");
        lines.push(LogLine {
            logged_at: found.time(given.logged_at, format_args!("{path}.logged_at")).unwrap_or(context.now),
            message: given.message,
            credential: given.credential,
            pc_user: given.pc_user,
            ip: given.ip.unwrap_or_default(),
        });
    }
    lines
}
