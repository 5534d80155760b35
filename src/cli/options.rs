//! Options that several commands take, and their parsing. Decides no rule.

use chrono::{NaiveDate, NaiveDateTime};
use clap::Args;

use crate::config::{Config, Flags};
use crate::model::time::{Span, Time};

use super::{Exit, Global};

/// Which app.
#[derive(Args)]
pub(super) struct AppOption {
    /// The app; needed only when there are several. OWNER/NAME when two owners have one of that name
    #[arg(long, global = true, env = "KEYSTEAD_APP", value_name = "NAME")]
    app: Option<String>,
}

impl AppOption {
    /// The name, if one was given.
    pub(super) fn name(&self) -> Option<&str> {
        self.app.as_deref()
    }
}

/// The key of the database's secrets.
#[derive(Args, Debug)]
pub(super) struct VaultOption {
    /// The file with the key that the server's secrets in the database are sealed with [env: KEYSTEAD_VAULT_KEY]
    #[arg(long, value_name = "FILE")]
    vault_key: Option<String>,
}

impl VaultOption {
    /// As a setting from the command line.
    pub(super) fn flags(&self) -> Flags {
        Flags::default().or("vault-key", self.vault_key.clone())
    }
}

/// Which private networks may be asked.
#[derive(Args)]
pub(super) struct TargetOption {
    /// A private network that the URL may lead to; the server needs the same setting to ask there [env:
    /// KEYSTEAD_ALLOW_TARGET]
    #[arg(long, value_name = "CIDR")]
    allow_target: Vec<String>,
}

impl TargetOption {
    /// The server's settings, with these networks.
    pub(super) fn config(&self, global: &Global) -> Result<Config, Exit> {
        let given = (!self.allow_target.is_empty()).then(|| self.allow_target.join(","));
        global.load(Flags::default().or("allow-target", given))
    }
}

/// How long.
#[derive(Args)]
pub(super) struct Length {
    /// How long, in days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=365_000))]
    days: Option<i64>,
    /// How long: a number with a unit (s, m, h, d, w, mo, y) like 30d or 12h, or lifetime
    #[arg(long, value_name = "SPAN", conflicts_with = "days", value_parser = span)]
    duration: Option<Span>,
}

impl Length {
    /// The length, if one was given.
    pub(super) fn span(&self) -> Option<Span> {
        self.days.map(|days| Span::Seconds(days * 86_400)).or(self.duration)
    }
}

fn span(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(Span::Seconds(0)) => Err("a duration is longer than nothing".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    }
}

/// A day or a second, in UTC.
pub(super) fn date(text: &str) -> Result<Time, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let second = || NaiveDateTime::parse_from_str(&text.replacen(' ', "T", 1), "%Y-%m-%dT%H:%M:%S").ok();
    let time = day.or_else(second).ok_or("a date is written 2026-01-31, or 2026-01-31T12:00:00; UTC")?;
    Ok(Time(time.and_utc().timestamp()))
}

/// A day, a second, or seconds since 1970, in UTC unless it says otherwise.
pub(super) fn moment(text: &str) -> Result<Time, String> {
    let seconds = text.parse::<i64>().ok().map(Time);
    let exact = || chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| Time(time.timestamp()));
    let advice = "a moment is written 2026-01-31, 2026-01-31T12:00:00Z, or in seconds since 1970";
    seconds.or_else(exact).map_or_else(|| date(text).map_err(|_| advice.to_owned()), Ok)
}

/// Which part of a long list.
#[derive(Args)]
pub(super) struct Page {
    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// List what comes after this one: the last of the page before
    #[arg(long, value_name = "NAME")]
    pub(super) after: Option<String>,
}
