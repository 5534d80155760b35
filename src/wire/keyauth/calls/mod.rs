//! The table of calls. A call is one file with its `CALL` and one line here; what it needs is said by its `run`.

use std::net::IpAddr;
use std::time::Duration;

use crate::domain::guesses::Guess;
use crate::domain::lists::Lists;
use crate::domain::secret::Proof;
use crate::domain::session::Enckey;
use crate::domain::token::TokenFile;
use crate::domain::vault::Vault;
use crate::domain::{Refusal, Stop};
use crate::model::app::App;
use crate::model::session::Session;
use crate::model::time::Time;
use crate::outside::fetch::{Ask, FetchError, Fetched};
use crate::store::Tx;
use crate::store::variables::Variable;
use crate::wire::form::Form;
use crate::wire::limits::Limits;

use super::answer::Reply;
use super::versions::Version;

mod app_info;
mod ban;
mod change_username;
mod chatget;
mod chatsend;
mod check;
mod checkblacklist;
mod entered;
mod fetch_online;
mod fetch_stats;
mod file;
mod forgot;
mod getvar;
mod init;
mod license;
mod log;
mod login;
mod login_email;
mod logout;
mod register;
mod relay;
mod setvar;
mod two_factor_disable;
mod two_factor_enable;
mod upgrade;
mod var;

/// One value of the form field `type`.
pub struct Call {
    /// The value; exact, case included.
    pub name: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Other values that mean the same.
    pub aliases: &'static [&'static str],
    /// What it reads beside `type`, `name`, `ownerid` and (unless it opens one) `sessionid`.
    pub fields: &'static [Field],
    /// What can be refused beside what every call can refuse, roughly in the order of the checks.
    pub refuses: &'static [Refusal],
    /// The app's settings that it follows; the texts of refusals are settings too.
    pub settings: &'static [&'static str],
    /// The first version that has it.
    pub since: &'static Version,
    /// Looked at before the session is.
    pub(super) first: fn(&Form) -> Result<(), Refusal>,
    /// What it needs, and what it does.
    pub(super) run: Run,
}

/// One parameter of a call.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub help: &'static str,
}

/// What a call needs before it can run.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// No session yet; the writer.
    Open(fn(&Req<'_>, &mut Tx<'_>) -> Result<Reply, Stop>),
    /// A live session, nothing else: answered without the database.
    Session(fn(&Req<'_>, &Session) -> Result<Reply, Refusal>),
    /// A live session and a variable of the app, by the name that the form gives: a reader only where the variable is not
    /// in memory.
    Variable(fn(&Form) -> Option<&str>, fn(&Session, Option<&Variable>) -> Result<Reply, Refusal>),
    /// A live session and a reader.
    Read(fn(&Req<'_>, &Session, &mut Tx<'_>) -> Result<Reply, Stop>),
    /// A live session and the writer.
    Write(fn(&Req<'_>, &Session, &mut Tx<'_>, Option<&Proof>) -> Result<Reply, Stop>),
    /// As `Write`, but nearly always in need of a password's hash: without a proof it runs on a reader, which refuses
    /// what can be refused without hashing.
    Password(fn(&Req<'_>, &Session, &mut Tx<'_>, Option<&Proof>) -> Result<Reply, Stop>),
    /// As `Read`, but the answer may have to be fetched from elsewhere, when nothing of the database is held any more.
    Outside(fn(&Req<'_>, &Session, &mut Tx<'_>) -> Result<Errand, Stop>),
}

/// What is left to do for an answer.
pub(super) enum Errand {
    /// Nothing.
    Done(Reply),
    /// To ask somebody, and to make the answer of what comes back.
    Fetch(Ask, fn(Result<Fetched, FetchError>) -> Result<Reply, Refusal>),
}

/// What a call gets.
pub(super) struct Req<'a> {
    pub(super) app: &'a App,
    pub(super) form: &'a Form,
    pub(super) ip: IpAddr,
    pub(super) now: Time,
    pub(super) lists: &'a Lists,
    pub(super) public_url: &'a str,
    pub(super) vault: &'a Vault,
    pub(super) limits: &'a Limits,
    pub(super) mail: bool,
    pub(super) enckey: Enckey<'a>,
    /// What `init` says about its token file; none where the version has no token system.
    pub(super) token_file: Option<TokenFile<'a>>,
    /// What `login` gives in place of the password, where the version knows it.
    pub(super) login_token: Option<&'a str>,
    pub(super) guess: Guess<'a>,
}

/// What every call can refuse.
pub static COMMON: &[Refusal] = &[
    Refusal::OwnerIdMissing,
    Refusal::AppNameMissing,
    Refusal::OwnerIdLength,
    Refusal::AppNotFound,
    Refusal::RateLimited(Duration::from_secs(0)),
    Refusal::FormatOff,
    Refusal::AppBanned,
    Refusal::InvalidRequest(String::new()),
    Refusal::UnknownCall,
    Refusal::SessionNotFound,
    Refusal::SessionExpired,
    Refusal::Busy,
    Refusal::VersionOff,
];

/// A call that has nothing to say before its session is looked at.
pub(super) fn anything(_: &Form) -> Result<(), Refusal> {
    Ok(())
}

/// All calls, in the order of the contract.
pub static TABLE: &[&Call] = &[
    &init::CALL,
    &register::CALL,
    &login::CALL,
    &license::CALL,
    &upgrade::CALL,
    &forgot::CALL,
    &fetch_online::CALL,
    &fetch_stats::CALL,
    &setvar::CALL,
    &getvar::CALL,
    &var::CALL,
    &checkblacklist::CALL,
    &chatget::CALL,
    &chatsend::CALL,
    &relay::CALL,
    &log::CALL,
    &file::CALL,
    &ban::CALL,
    &check::CALL,
    &change_username::CALL,
    &logout::CALL,
    &two_factor_enable::CALL,
    &two_factor_disable::CALL,
    &login_email::CALL,
];

/// The call of this name, if this version has it.
pub(super) fn find(name: &str, version: &Version) -> Option<&'static Call> {
    TABLE
        .iter()
        .find(|call| call.name == name || call.aliases.contains(&name))
        .filter(|call| version.has(call.since))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::Setting;

    #[test]
    fn the_table_is_sound() {
        for (i, call) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.name != call.name), "{} twice", call.name);
            assert!(call.settings.iter().all(|name| Setting::find(name).is_ok()), "{}", call.name);
            assert!(call.name.bytes().all(|b| b.is_ascii_alphanumeric()), "{}", call.name);
            assert!(!call.help.is_empty() && call.fields.iter().all(|field| !field.help.is_empty()), "{}", call.name);
        }
    }

    #[test]
    fn names_are_exact() {
        use crate::wire::keyauth::versions::{V1_1, V1_2};
        assert!(find("init", &V1_2).is_some());
        assert!(find("Init", &V1_2).is_none());
        assert!(find("logout", &V1_1).is_none(), "logout came with 1.2");
    }
}
