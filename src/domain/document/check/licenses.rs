//! The licenses of a document: any state, one key once, used by users that are there.

use std::collections::HashMap;

use crate::model::ids::{LicenseId, fold};
use crate::model::license::{License, LicenseState};

use super::super::{License as Given, OrText};
use super::{Context, Findings, MAX_KEY, MAX_NOTE, MAX_TEXT, NewLicense, Time};

/// The licenses, and where each folded key is.
pub(super) fn check(
    given: Vec<OrText<Given>>,
    context: &Context<'_>,
    users: &HashMap<String, usize>,
    found: &mut Findings,
) -> (Vec<NewLicense>, HashMap<String, usize>) {
    let mut keys = HashMap::with_capacity(given.len());
    let mut licenses = Vec::with_capacity(given.len());
    for (i, OrText(given)) in given.into_iter().enumerate() {
        let path = format!("licenses[{i}]");
        let key = &given.key;
        let fits = !key.is_empty() && key.len() <= MAX_KEY && key.trim() == key && !key.chars().any(char::is_control);
        let takes = format_args!("takes 1 to {MAX_KEY} bytes, no blanks around them, no control characters");
        found.expect(fits, format_args!("{path}.key"), takes);
        if fits {
            found.unique(&mut keys, fold(key), i, "licenses", ".key");
        }
        licenses.push(license(given, &path, context, users, found));
    }
    (licenses, keys)
}

fn license(
    given: Given,
    path: &str,
    context: &Context<'_>,
    users: &HashMap<String, usize>,
    found: &mut Findings,
) -> NewLicense {
    let level = given.level.clone().unwrap_or_else(|| context.level.clone());
    found.level(&level, format_args!("{path}.level"));
    let duration = given.duration.map_or(context.duration, |duration| duration.0);
    found.span(duration, format_args!("{path}.duration"));
    found.opt_bytes(given.note.as_ref(), MAX_NOTE, format_args!("{path}.note"));
    found.opt_bytes(given.created_by.as_ref(), MAX_TEXT, format_args!("{path}.created_by"));
    let created_at = found.time(given.created_at, format_args!("{path}.created_at")).unwrap_or(context.now);
    let used_at = found.time(given.used_at, format_args!("{path}.used_at"));
    let user = given.used_by.as_ref().and_then(|name| users.get(&fold(name)).copied());
    if given.used_by.is_some() && user.is_none() {
        let text =
            "names a user that the document does not have; leave it out for a user that was deleted (and give used_at)";
        found.add(format_args!("{path}.used_by"), text);
    }
    let State { used_at, banned, paused } = state(&given, used_at, path, context, found);
    let license = License {
        paused,
        expires_at: found.time(given.expires_at, format_args!("{path}.expires_at")),
        id: LicenseId(0),
        key: given.key,
        level,
        duration,
        note: given.note,
        created_by: given.created_by,
        created_at,
        used_at,
        used_by: None,
        banned,
        ban_reason: given.ban_reason,
    };
    NewLicense { license, user }
}

struct State {
    used_at: Option<Time>,
    banned: bool,
    paused: bool,
}

/// What `status`, `used_at`, `used_by`, `banned`, `ban_reason` and `paused` say together.
fn state(given: &Given, used_at: Option<Time>, path: &str, context: &Context<'_>, found: &mut Findings) -> State {
    let status = given.status.as_deref().and_then(|word| {
        [LicenseState::Unused, LicenseState::Used, LicenseState::Paused, LicenseState::Banned]
            .into_iter()
            .find(|state| state.label().eq_ignore_ascii_case(word))
    });
    let known = given.status.is_none() || status.is_some();
    found.expect(known, format_args!("{path}.status"), "takes Not Used, Used, Paused or Banned");

    let said_banned = match (status, given.banned) {
        (Some(LicenseState::Banned), None) => Some(true),
        (_, said) => said,
    };
    let banned = found.ban(said_banned, given.ban_reason.as_ref(), path);
    let used = used_at.is_some() || given.used_by.is_some();
    let contradiction = match status {
        None => false,
        Some(LicenseState::Unused) => used || banned || given.paused == Some(true),
        Some(LicenseState::Paused) => used || banned || given.paused == Some(false),
        Some(LicenseState::Used) => banned,
        Some(LicenseState::Banned) => !banned,
    };
    let text = "contradicts used_at, used_by, banned, ban_reason or paused; leave one of them out";
    found.expect(!contradiction, format_args!("{path}.status"), text);

    let used = used || status == Some(LicenseState::Used);
    let paused = given.paused.unwrap_or(status == Some(LicenseState::Paused));
    State { used_at: used_at.or(used.then_some(context.now)), banned, paused }
}
