//! An app out of the database, as the document that [`super::import`] takes back: same app, same bytes. Reads page by
//! page in the one transaction it is given, so that a large app needs little memory and is seen at one instant.
//!
//! One list entry is one line, in the order in which the entries were made: two exports of an app differ in the lines
//! of what changed.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::domain::sealing::SealingError;
use crate::domain::two_factor;
use crate::domain::vault::Vault;
use crate::model::app::App;
use crate::model::ban::BanTarget;
use crate::model::ids::{AppId, LicenseId, TokenId, UserId};
use crate::model::time::{Span, Time};
use crate::model::user::{Credential, Profile};
use crate::store::files::Place;
use crate::store::{
    self, Tx, apps, bans, chats, devices, files, licenses, logs, plans, relays, subscriptions, tokens, user_variables,
    users, variables,
};

use super::{
    Ban, Channel, Device, Duration, FORMAT, File, License, Log, Message, OrText, Owner, Plan, Relay, Subscription,
    Token, User, UserVariable, VERSION, Variable,
};

/// Rows read at once.
const PAGE: i64 = 1_000;

/// Why an app was not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It was deleted or replaced a moment ago.
    #[error("the app is gone; see `keystead app list`")]
    Gone,
    /// What is sealed cannot be opened.
    #[error(transparent)]
    Sealed(SealingError),
    /// The document could not be written.
    #[error("cannot write the document: {0}")]
    Io(#[from] io::Error),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<SealingError> for ExportError {
    fn from(error: SealingError) -> ExportError {
        match error {
            SealingError::Store(error) => ExportError::Store(error),
            other => ExportError::Sealed(other),
        }
    }
}

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> ExportError {
        ExportError::Io(error.into())
    }
}

/// Writes the document of the app that clients name by ownerid and name.
pub fn export(
    tx: &mut Tx<'_>,
    vault: &Vault,
    ownerid: &str,
    name: &str,
    out: &mut impl Write,
) -> Result<(), ExportError> {
    let app = apps::find(tx, ownerid, name)?.ok_or(ExportError::Gone)?;
    let mut page = Page { out, first: true };
    page.begin("{")?;
    head(&mut page, &app)?;
    settings(tx, &mut page, app.id)?;
    small_lists(tx, &mut page, app.id)?;
    outside(tx, &mut page, app.id)?;
    page.list("licenses", |page| write_licenses(tx, page, app.id))?;
    page.list("users", |page| write_users(tx, vault, page, app.id))?;
    page.list("tokens", |page| write_tokens(tx, page, app.id))?;
    page.list("chats", |page| write_chats(tx, page, app.id))?;
    page.list("logs", |page| write_logs(tx, page, app.id))?;
    page.end("\n}\n")?;
    page.out.flush()?;
    Ok(())
}

/// Lines of JSON with commas between them.
struct Page<'a, W> {
    out: &'a mut W,
    first: bool,
}

impl<W: Write> Page<'_, W> {
    fn begin(&mut self, bracket: &str) -> Result<(), ExportError> {
        self.first = true;
        Ok(self.out.write_all(bracket.as_bytes())?)
    }

    fn end(&mut self, bracket: &str) -> Result<(), ExportError> {
        self.first = false;
        Ok(self.out.write_all(bracket.as_bytes())?)
    }

    fn next(&mut self, indent: &str) -> Result<(), ExportError> {
        let comma = if std::mem::take(&mut self.first) { "\n" } else { ",\n" };
        self.out.write_all(comma.as_bytes())?;
        Ok(self.out.write_all(indent.as_bytes())?)
    }

    fn key(&mut self, indent: &str, name: &str) -> Result<(), ExportError> {
        self.next(indent)?;
        serde_json::to_writer(&mut *self.out, name)?;
        Ok(self.out.write_all(b": ")?)
    }

    fn field(&mut self, name: &str, value: impl Serialize) -> Result<(), ExportError> {
        self.key("  ", name)?;
        Ok(serde_json::to_writer(&mut *self.out, &value)?)
    }

    /// A list whose entries `fill` writes with [`Page::entry`].
    fn list(&mut self, name: &str, fill: impl FnOnce(&mut Self) -> Result<(), ExportError>) -> Result<(), ExportError> {
        self.key("  ", name)?;
        self.begin("[")?;
        fill(self)?;
        let bracket = if self.first { "]" } else { "\n  ]" };
        self.end(bracket)
    }

    fn entry(&mut self, value: impl Serialize) -> Result<(), ExportError> {
        self.next("    ")?;
        Ok(serde_json::to_writer(&mut *self.out, &value)?)
    }
}

fn head<W: Write>(page: &mut Page<'_, W>, app: &App) -> Result<(), ExportError> {
    page.field("format", FORMAT)?;
    page.field("version", VERSION)?;
    page.field("owner", Owner { name: Some(app.owner.to_string()), ownerid: Some(app.ownerid.to_string()) })?;
    page.field("name", &*app.name)?;
    page.field("secret", &app.secret)?;
    page.field("sellerkey", &app.sellerkey)?;
    page.field("id", &*app.uuid)?;
    page.field("api_key", &*app.api_key)?;
    page.field("api_secret", &app.api_secret)?;
    page.field("created_at", app.created_at.0)?;
    if let Some(at) = app.paused_at {
        page.field("paused_at", at.0)?;
    }
    Ok(())
}

fn settings<W: Write>(tx: &mut Tx<'_>, page: &mut Page<'_, W>, app: AppId) -> Result<(), ExportError> {
    page.key("  ", "settings")?;
    page.begin("{")?;
    for (name, value) in apps::settings(tx, app)? {
        page.key("    ", &name)?;
        serde_json::to_writer(&mut *page.out, &value)?;
    }
    let bracket = if page.first { "}" } else { "\n  }" };
    page.end(bracket)
}

fn small_lists<W: Write>(tx: &mut Tx<'_>, page: &mut Page<'_, W>, app: AppId) -> Result<(), ExportError> {
    page.list("plans", |page| {
        let all = plans::all(tx, app)?;
        all.into_iter().try_for_each(|plan| page.entry(Plan { name: plan.name, level: Some(plan.level) }))
    })?;
    page.list("variables", |page| {
        let all = variables::all(tx, app)?;
        all.into_iter().try_for_each(|found| {
            let variables::Variable { name, value, authenticated, updated_at } = found;
            page.entry(Variable { name, value, authenticated, updated_at: seconds(updated_at) })
        })
    })?;
    page.list("bans", |page| bans::all(tx, app)?.into_iter().try_for_each(|found| page.entry(ban(found))))?;
    page.list("allowed_networks", |page| {
        apps::allowed_networks(tx, app)?.into_iter().try_for_each(|network| page.entry(network))
    })
}

fn ban(found: bans::Ban) -> Ban {
    let mut ban = Ban { note: found.note, created_at: seconds(found.created_at), ..Ban::default() };
    let printed = found.target.to_string();
    match found.target {
        BanTarget::Hwid(hwid) => ban.hwid = Some(hwid),
        BanTarget::Network(net) if net.prefix_len() == net.max_prefix_len() => ban.ip = Some(printed),
        BanTarget::Network(_) => ban.network = Some(printed),
    }
    ban
}

fn write_licenses<W: Write>(tx: &mut Tx<'_>, page: &mut Page<'_, W>, app: AppId) -> Result<(), ExportError> {
    let mut last = LicenseId(0);
    loop {
        let some = licenses::after_with_users(tx, app, last, PAGE)?;
        let Some((end, _)) = some.last() else { return Ok(()) };
        last = end.id;
        for (found, used_by) in some {
            page.entry(License {
                key: found.key,
                level: Some(found.level),
                duration: Some(Duration(found.duration)),
                note: found.note,
                created_by: found.created_by,
                created_at: seconds(found.created_at),
                status: None,
                used_at: found.used_at.map(|t| t.0),
                used_by,
                banned: found.banned.then_some(true),
                ban_reason: found.ban_reason,
                paused: found.paused.then_some(true),
                expires_at: found.expires_at.map(|t| t.0),
            })?;
        }
    }
}

fn write_users<W: Write>(
    tx: &mut Tx<'_>,
    vault: &Vault,
    page: &mut Page<'_, W>,
    app: AppId,
) -> Result<(), ExportError> {
    let mut last = UserId(0);
    loop {
        let some = users::after(tx, app, last, PAGE)?;
        let Some(end) = some.last() else { return Ok(()) };
        last = end.id;
        for found in some {
            let (password_hash, login) = match found.credential {
                Credential::Password(hash) => (Some(hash), None),
                Credential::License => (None, Some("license")),
                Credential::Claimable => (None, Some("claimable")),
                Credential::Locked => (None, Some("locked")),
            };
            let devices = devices::of_user(tx, found.id)?;
            let subscriptions = subscriptions::of_user(tx, found.id)?;
            let variables = user_variables::of_user(tx, found.id)?;
            let muted_until = chats::muted_until(tx, found.id)?.map(|t| t.0);
            let two_factor = two_factor::secret_text(tx, vault, found.id)?;
            let Profile { first_name, last_name, phone, phone_country_code } = found.profile;
            page.entry(User {
                name: found.name,
                id: Some(found.uuid.to_string()),
                password: None,
                password_hash,
                login: login.map(str::to_owned),
                email_sha1: found.email_sha1.filter(|_| found.email.is_none()),
                email: found.email,
                email_claimed: found.email_claimed.then_some(true),
                first_name,
                last_name,
                phone,
                phone_country_code,
                device_limit: found.device_limit,
                session_limit: found.session_limit,
                ip: found.ip,
                created_at: seconds(found.created_at),
                last_login_at: seconds(found.last_login_at),
                banned: found.banned.then_some(true),
                ban_reason: found.ban_reason,
                devices: devices
                    .into_iter()
                    .map(|d| OrText(Device { hwid: d.hwid, bound_at: seconds(d.bound_at) }))
                    .collect(),
                subscriptions: subscriptions
                    .into_iter()
                    .map(|s| {
                        OrText(Subscription {
                            plan: Some(s.plan),
                            level: Some(s.level),
                            key: s.key,
                            granted_at: seconds(s.granted_at),
                            expires_at: s.expires_at.map(|t| t.0),
                            expires_in: None,
                            paused_at: s.paused_at.map(|t| t.0),
                        })
                    })
                    .collect(),
                variables: variables
                    .into_iter()
                    .map(|v| UserVariable { name: v.name, value: v.value, read_only: v.read_only })
                    .collect(),
                muted_until,
                two_factor,
            })?;
        }
    }
}

fn outside<W: Write>(tx: &mut Tx<'_>, page: &mut Page<'_, W>, app: AppId) -> Result<(), ExportError> {
    page.list("relays", |page| {
        let all = relays::all(tx, app)?;
        all.into_iter().try_for_each(|found| {
            let relays::Relay { id, url, user_agent, authenticated } = found;
            page.entry(Relay { id, url, user_agent, authenticated })
        })
    })?;
    page.list("files", |page| {
        for found in files::all(tx, app)? {
            let (url, content) = match found.place {
                Place::At(url) => (Some(url), None),
                Place::Here(_) => (None, files::content(tx, app, &found.id)?),
            };
            page.entry(File {
                id: found.id,
                name: found.name,
                authenticated: found.authenticated,
                created_at: seconds(found.created_at),
                url,
                content_base64: content.map(|bytes| STANDARD.encode(bytes)),
            })?;
        }
        Ok(())
    })
}

fn write_tokens<W: Write>(tx: &mut Tx<'_>, page: &mut Page<'_, W>, app: AppId) -> Result<(), ExportError> {
    let mut last = TokenId(0);
    loop {
        let some = tokens::after(tx, app, last, PAGE)?;
        let Some(end) = some.last() else { return Ok(()) };
        last = end.id;
        for found in some {
            page.entry(Token {
                token: found.token,
                key: found.key,
                file_hash: found.file_hash,
                note: found.note,
                created_at: seconds(found.created_at),
                banned: found.banned.then_some(true),
                ban_reason: found.ban_reason,
            })?;
        }
    }
}

fn write_chats<W: Write>(tx: &mut Tx<'_>, page: &mut Page<'_, W>, app: AppId) -> Result<(), ExportError> {
    for (channel, _) in chats::channels(tx, app)? {
        let messages = chats::messages_with_users(tx, channel.id)?.into_iter().map(|(message, user)| Message {
            // Said only where it is another text than the name.
            author: (user.as_ref() != Some(&message.author)).then_some(message.author),
            user,
            text: message.text,
            sent_at: seconds(message.sent_at),
        });
        let messages = messages.collect();
        page.entry(Channel { name: channel.name, delay: Some(Duration(Span::Seconds(channel.delay))), messages })?;
    }
    Ok(())
}

fn write_logs<W: Write>(tx: &mut Tx<'_>, page: &mut Page<'_, W>, app: AppId) -> Result<(), ExportError> {
    let mut last = 0;
    loop {
        let some = logs::after(tx, app, last, PAGE)?;
        let Some((end, _)) = some.last() else { return Ok(()) };
        last = *end;
        for (_, line) in some {
            page.entry(Log {
                logged_at: seconds(line.logged_at),
                message: line.message,
                credential: line.credential,
                pc_user: line.pc_user,
                ip: Some(line.ip).filter(|ip| !ip.is_empty()),
            })?;
        }
    }
}

fn seconds(time: Time) -> Option<i64> {
    Some(time.0)
}
