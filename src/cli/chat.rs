//! `keystead chat`: an app's chat channels, and who may not write in them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::{Refusal, chat, user};
use crate::model::app::App;
use crate::model::time::{LIFETIME_SECONDS, Span};
use crate::store::chats::{self, Channel, Message};

use super::options::AppOption;
use super::{Db, Exit, Global, now, print_json, print_table, print_time, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  # a user waits 5 seconds between two messages
  keystead chat create lobby --delay 5s
  keystead chat list
  keystead chat show lobby         # its messages, oldest first
  keystead chat set-delay lobby 1m
  keystead chat clear lobby
  keystead chat delete lobby
  keystead chat mute mia --for 1h  # in all channels
  keystead chat unmute mia
  keystead chat mutes")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a channel
    Create {
        /// Its name: at most 50 bytes
        name: String,
        /// How long a user waits between two messages: at most a day
        #[arg(long, value_name = "SPAN", default_value = "0s")]
        delay: Span,
    },
    /// List an app's channels
    List,
    /// Show the messages of a channel: the newest 50
    Show(Name),
    /// Change how long a user waits between two messages
    SetDelay {
        #[command(flatten)]
        name: Name,
        /// How long: a number with a unit like 5s or 1m, at most a day; 0s for not at all
        #[arg(value_name = "SPAN")]
        delay: Span,
    },
    /// Delete the messages of a channel
    Clear(Name),
    /// Delete a channel with its messages
    Delete(Name),
    /// Let a user write in no channel for some time
    Mute {
        /// The username, in any case
        user: String,
        /// How long
        #[arg(long = "for", value_name = "SPAN")]
        span: Span,
    },
    /// Let a muted user write again
    Unmute {
        /// The username, in any case
        user: String,
    },
    /// List an app's muted users
    Mutes,
}

/// Which channel.
#[derive(Args)]
struct Name {
    /// The channel's name; exact
    name: String,
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    let id = app.id;
    match arguments.command {
        Command::Create { name, delay } => {
            let created = name.clone();
            db.write(move |tx| chat::create(tx, id, &created, delay))?;
            tell(global, &db, &app, &name, &format!("made channel {name} of {}", app.name))
        }
        Command::List => list(global, &db, &app),
        Command::Show(Name { name }) => show(global, &db, &app, &name),
        Command::SetDelay { name: Name { name }, delay } => {
            let changed = name.clone();
            if !db.write(move |tx| chat::set_delay(tx, id, &changed, delay))? {
                return Err(Refusal::ChannelNotFound.into());
            }
            tell(global, &db, &app, &name, &format!("a user waits {delay} between two messages in {name}"))
        }
        Command::Clear(Name { name }) => {
            let cleared = name.clone();
            let count = db.write(move |tx| {
                let channel = chats::channel(tx, id, &cleared)?.ok_or(Refusal::ChannelNotFound)?;
                Ok::<_, Exit>(chats::clear(tx, channel.id)?)
            })?;
            let words = if count == 1 { "1 message".to_owned() } else { format!("{count} messages") };
            say(global, &json!({ "cleared": name, "messages": count }), &format!("deleted {words} of {name}"))
        }
        Command::Delete(Name { name }) => {
            let (document, sentence) = (json!({ "deleted": name }), format!("deleted channel {name} of {}", app.name));
            if !db.write(move |tx| chats::delete(tx, id, &name))? {
                return Err(Refusal::ChannelNotFound.into());
            }
            say(global, &document, &sentence)
        }
        Command::Mute { user, span } => mute(global, &mut db, &app, user, span),
        Command::Unmute { user: name } => {
            let found = app.clone();
            let name = db.write(move |tx| {
                let user = user::find(tx, &found, Some(&name))?;
                let lifted = chats::unmute(tx, user.id, now())?;
                if lifted {
                    Ok(user.name)
                } else {
                    Err(Exit::failure("this user is not muted; see `keystead chat mutes`"))
                }
            })?;
            say(global, &json!({ "unmuted": name }), &format!("{name} may write again"))
        }
        Command::Mutes => {
            let all = db.read(move |tx| chats::mutes(tx, id, now()))?;
            if global.json {
                let document = |(user, until): &(String, _)| muted(user, *until);
                return print_json(&all.iter().map(document).collect::<Vec<_>>());
            }
            let rows: Vec<_> = all.into_iter().map(|(user, until)| vec![user, print_time(until)]).collect();
            print_table(&["USER", "MUTED UNTIL (UTC)"], &rows)
        }
    }
}

/// Says what was done to a channel, or shows to programs what it is then.
fn tell(global: &Global, db: &Db, app: &App, name: &str, sentence: &str) -> Result<(), Exit> {
    let (id, wanted) = (app.id, name.to_owned());
    let found = db.read(move |tx| chats::channel(tx, id, &wanted))?.ok_or(Refusal::ChannelNotFound)?;
    say(global, &json!({ "name": found.name, "delay": found.delay }), sentence)
}

fn list(global: &Global, db: &Db, app: &App) -> Result<(), Exit> {
    let id = app.id;
    let all = db.read(move |tx| chats::channels(tx, id))?;
    if global.json {
        let document = |(channel, count): &(Channel, i64)| json!({ "name": channel.name, "delay": channel.delay, "messages": count });
        return print_json(&all.iter().map(document).collect::<Vec<_>>());
    }
    let row = |(channel, count): (Channel, i64)| {
        vec![channel.name, Span::Seconds(channel.delay).to_string(), count.to_string()]
    };
    print_table(&["NAME", "DELAY", "MESSAGES"], &all.into_iter().map(row).collect::<Vec<_>>())
}

fn show(global: &Global, db: &Db, app: &App, name: &str) -> Result<(), Exit> {
    let (id, wanted) = (app.id, name.to_owned());
    let messages = db.read(move |tx| {
        let channel = chats::channel(tx, id, &wanted)?.ok_or(Refusal::ChannelNotFound)?;
        Ok::<_, Exit>(chats::messages(tx, channel.id)?)
    })?;
    if global.json {
        let document = |m: &Message| json!({ "author": m.author, "message": m.text, "sent_at": m.sent_at.0 });
        return print_json(&messages.iter().map(document).collect::<Vec<_>>());
    }
    let row = |m: Message| vec![print_time(m.sent_at), m.author, m.text];
    print_table(&["SENT (UTC)", "AUTHOR", "MESSAGE"], &messages.into_iter().map(row).collect::<Vec<_>>())
}

fn mute(global: &Global, db: &mut Db, app: &App, name: String, span: Span) -> Result<(), Exit> {
    let seconds = match span {
        // The user is told until when.
        Span::Lifetime => LIFETIME_SECONDS,
        Span::Seconds(0) => return Err(Exit::usage("a mute is longer than nothing; `keystead chat unmute` ends one")),
        Span::Seconds(seconds) => seconds,
    };
    let (found, until) = (app.clone(), now() + seconds);
    let name = db.write(move |tx| {
        let user = user::find(tx, &found, Some(&name))?;
        chats::mute(tx, user.id, until)?;
        Ok::<_, Exit>(user.name)
    })?;
    say(global, &muted(&name, until), &format!("{name} is muted until {} UTC", print_time(until)))
}

fn muted(user: &str, until: crate::model::time::Time) -> Value {
    json!({ "user": user, "muted_until": until.0 })
}
