//! The table of endpoints. An endpoint is one file with its `ENDPOINT`, its line here, and its line with its paths in the
//! family's list (`super::FAMILY`). What it needs is said by its `run`.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::domain::guesses::Guess;
use crate::domain::secret::Proof;
use crate::domain::{Refusal, Stop};
use crate::model::app::App;
use crate::model::session::Session;
use crate::model::time::Time;
use crate::store::Tx;
use crate::wire::Ctx;
use crate::wire::json::Object;

use super::answer::Reply;
use super::words::No;

pub(super) mod blacklist_check;
pub(super) mod change_password;
pub(super) mod chats_get;
pub(super) mod chats_send;
pub(super) mod extend;
pub(super) mod init;
pub(super) mod licenses;
pub(super) mod login;
pub(super) mod logs;
pub(super) mod register;
pub(super) mod validate_session;
pub(super) mod variables;
pub(super) mod variables_set;

/// One path below `/api/v2/`, which is also one below `/api/v1/`.
pub struct Endpoint {
    /// The path; exact.
    pub name: &'static str,
    /// Other paths that mean the same.
    pub aliases: &'static [&'static str],
    /// What it does, in one line.
    pub help: &'static str,
    /// What it reads; all else in a body is left aside.
    pub fields: &'static [Field],
    /// The app's settings that it follows, beside those that decide whether the app is open.
    pub settings: &'static [&'static str],
    /// Looked at before the session is.
    pub(super) first: fn(&Call) -> Result<(), Refusal>,
    /// What it needs, and what it does.
    pub(super) run: Run,
}

impl Endpoint {
    /// Whether it opens a session; all others need one.
    pub fn opens(&self) -> bool {
        matches!(self.run, Run::Open(_))
    }
}

/// One field of a body.
pub struct Field {
    /// Its name, and others for the same; of several that are sent the first one counts.
    pub names: &'static [&'static str],
    /// What its value must be.
    pub kind: Kind,
    /// What it is, in one line.
    pub help: &'static str,
}

/// What the value of a field must be. Empty and `null` are as good as nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text that must be there.
    Required,
    /// A text.
    Text,
    /// A whole number, also as text.
    Number,
}

/// What an endpoint needs before it can run.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// The app and its secret; the writer.
    Open(fn(&Call, &App, &mut Tx<'_>) -> Result<Reply, Stop>),
    /// A live session, nothing else.
    Session(fn(&Session) -> Reply),
    /// A live session and a reader.
    Read(fn(&Call, &App, &Session, &mut Tx<'_>) -> Result<Reply, Stop>),
    /// A live session and the writer.
    Write(Writing),
    /// As `Write`, but nearly always in need of a password's hash: first it runs on a reader, which refuses what can be
    /// refused without hashing.
    Password(Writing),
}

/// What a call does on the writer.
type Writing = fn(&Call, &App, &Session, &mut Tx<'_>, Option<&Proof>) -> Result<Reply, Stop>;

/// One request at an endpoint.
pub(super) struct Call {
    pub(super) ctx: Arc<Ctx>,
    pub(super) endpoint: &'static Endpoint,
    pub(super) body: Object,
    pub(super) ip: IpAddr,
    pub(super) now: Time,
    /// The same as a time since the server's start.
    pub(super) since_start: Duration,
    /// Whether something that it guessed was counted as wrong.
    pub(super) guessed: AtomicBool,
}

impl Call {
    /// Counts what this request guesses wrong.
    pub(super) fn guess(&self) -> Guess<'_> {
        self.ctx.guesses.guess(&self.guessed, self.ip, self.since_start)
    }

    /// The text of one of the endpoint's fields, by the first of its names.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.names.iter().find_map(|name| self.body.text(name))
    }

    /// The number of one of the endpoint's fields.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let read = |name: &&str| self.body.int(name).or_else(|| self.body.text(name)?.parse().ok());
        self.field(name)?.names.iter().find_map(read)
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        self.endpoint.fields.iter().find(|field| field.names.first() == Some(&name))
    }

    /// Whether every field is what it must be (L11, L12).
    pub(super) fn check(&self) -> Result<(), No> {
        let fields = self.endpoint.fields;
        let is_missing = |field: &Field| !field.names.iter().any(|name| self.body.text(name).is_some());
        if fields.iter().any(|field| field.kind == Kind::Required && is_missing(field)) {
            return Err(No::MissingFields);
        }
        for field in fields {
            let names = field.names;
            let unfit = match field.kind {
                Kind::Number => names.iter().find(|name| self.is_no_number(name)).map(|name| (*name, "a whole number")),
                Kind::Required | Kind::Text => self.body.not_text(names).map(|name| (name, "a text")),
            };
            let nul = || self.body.nul(names).map(|name| (name, "a text without NUL"));
            if let Some((name, wanted)) = unfit.or_else(nul) {
                return Err(Refusal::InvalidRequest(format!("{name}: {wanted} is needed")).into());
            }
        }
        Ok(())
    }

    fn is_no_number(&self, name: &str) -> bool {
        let is_there = self.body.text(name).is_some() || self.body.not_text(&[name]).is_some();
        is_there
            && self.body.int(name).is_none()
            && self.body.text(name).is_none_or(|text| text.parse::<i64>().is_err())
    }
}

/// An endpoint that has nothing to say before its session is looked at.
pub(super) fn anything(_: &Call) -> Result<(), Refusal> {
    Ok(())
}

const SESSION: Field = required(&["session_id"], "from init, register or a login");
const DEVICE: &[&str] = &["sid", "hwid"];
const CODE: Field = text(&["two_factor_code"], "the code of the second factor, where the user has one");

const fn required(names: &'static [&'static str], help: &'static str) -> Field {
    Field { names, kind: Kind::Required, help }
}

const fn text(names: &'static [&'static str], help: &'static str) -> Field {
    Field { names, kind: Kind::Text, help }
}

/// All endpoints, in the order of the contract.
pub static TABLE: &[&Endpoint] = &[
    &init::ENDPOINT,
    &register::ENDPOINT,
    &login::ENDPOINT,
    &licenses::ENDPOINT,
    &extend::ENDPOINT,
    &change_password::ENDPOINT,
    &variables::ENDPOINT,
    &variables_set::ENDPOINT,
    &chats_send::ENDPOINT,
    &chats_get::ENDPOINT,
    &logs::ENDPOINT,
    &validate_session::ENDPOINT,
    &blacklist_check::ENDPOINT,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::Setting;

    #[test]
    fn the_table_is_sound() {
        for (i, endpoint) in TABLE.iter().enumerate() {
            let name = endpoint.name;
            assert!(TABLE[..i].iter().all(|other| other.name != name), "{name} twice");
            assert!(endpoint.settings.iter().all(|name| Setting::find(name).is_ok()), "{name}");
            assert!(!endpoint.help.is_empty() && endpoint.fields.iter().all(|field| !field.help.is_empty()), "{name}");
            let names: Vec<_> = endpoint.fields.iter().flat_map(|field| field.names).collect();
            assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name)), "{name}: a field twice");
            assert_eq!(endpoint.opens(), !names.contains(&&"session_id"), "{name}");
        }
    }
}
