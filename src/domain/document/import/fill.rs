//! The rows of a checked document, into an app that nobody sees yet: in chunks, so that a running server keeps answering.
//! Checks nothing; who calls this has.

use std::sync::Arc;

use crate::domain::chat;
use crate::domain::secret::new_uuid;
use crate::domain::two_factor;
use crate::domain::vault::Vault;
use crate::model::ids::{AppId, LicenseId, UserId};
use crate::model::user::User;
use crate::store::{
    self, Store, Tx, bans, chats, devices, files, licenses, logs, subscriptions, tokens, user_variables, users,
};

use super::super::check::{Checked, NewChannel};
use super::{CHUNK, ImportError, Progress};

/// Everything that may be long. Users come first, because licenses name them; what they hold comes last, because it
/// names licenses.
pub(super) fn fill(
    store: &Store,
    vault: &Arc<Vault>,
    app: AppId,
    checked: &Arc<Checked>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ImportError> {
    let small =
        checked.bans.len() + checked.files.len() + checked.tokens.len() + checked.chats.len() + checked.logs.len();
    let total = checked.users.len() * 2 + checked.licenses.len() + small;
    let mut written = 0;
    let mut wrote = |rows: usize| {
        written += rows;
        progress(Progress::Writing(written, total));
    };

    for chunk in chunks(checked.bans.len()) {
        let (rows, checked) = (chunk.len(), Arc::clone(checked));
        store
            .write(move |tx| checked.bans[chunk.clone()].iter().try_for_each(|b| bans::insert(tx, app, b).map(drop)))
            .wait()?;
        wrote(rows);
    }

    // One at a time: each may be large.
    for at in 0..checked.files.len() {
        let checked = Arc::clone(checked);
        let write = move |tx: &mut Tx<'_>| {
            let (file, created_at) = &checked.files[at];
            files::insert(tx, app, file, *created_at).map(drop)
        };
        store.write(write).wait()?;
        wrote(1);
    }

    let mut user_ids = Vec::with_capacity(checked.users.len());
    for chunk in chunks(checked.users.len()) {
        let (rows, checked, vault) = (chunk.len(), Arc::clone(checked), Arc::clone(vault));
        let ids = store.write(move |tx| write_users(tx, &vault, app, &checked, chunk.clone())).wait()?;
        user_ids.extend(ids);
        wrote(rows);
    }
    let user_ids = Arc::new(user_ids);

    let mut license_ids = Vec::with_capacity(checked.licenses.len());
    for chunk in chunks(checked.licenses.len()) {
        let (rows, checked, user_ids) = (chunk.len(), Arc::clone(checked), Arc::clone(&user_ids));
        let ids = store.write(move |tx| write_licenses(tx, app, &checked, chunk.clone(), &user_ids)).wait()?;
        license_ids.extend(ids);
        wrote(rows);
    }
    let license_ids = Arc::new(license_ids);

    for chunk in chunks(checked.users.len()) {
        let (rows, checked) = (chunk.len(), Arc::clone(checked));
        let (user_ids, license_ids) = (Arc::clone(&user_ids), Arc::clone(&license_ids));
        store.write(move |tx| write_subscriptions(tx, &checked, chunk.clone(), &user_ids, &license_ids)).wait()?;
        wrote(rows);
    }

    for chunk in chunks(checked.tokens.len()) {
        let (rows, checked, license_ids) = (chunk.len(), Arc::clone(checked), Arc::clone(&license_ids));
        store.write(move |tx| write_tokens(tx, app, &checked, chunk.clone(), &license_ids)).wait()?;
        wrote(rows);
    }
    for at in 0..checked.chats.len() {
        let (checked, user_ids) = (Arc::clone(checked), Arc::clone(&user_ids));
        store.write(move |tx| write_channel(tx, app, &checked.chats[at], &user_ids)).wait()?;
        wrote(1);
    }
    for chunk in chunks(checked.logs.len()) {
        let (rows, checked) = (chunk.len(), Arc::clone(checked));
        store
            .write(move |tx| checked.logs[chunk.clone()].iter().try_for_each(|line| logs::insert(tx, app, line)))
            .wait()?;
        wrote(rows);
    }
    Ok(())
}

type Range = std::ops::Range<usize>;

fn chunks(length: usize) -> impl Iterator<Item = Range> {
    (0..length).step_by(CHUNK).map(move |start| start..(start + CHUNK).min(length))
}

fn write_users(
    tx: &mut Tx<'_>,
    vault: &Vault,
    app: AppId,
    checked: &Checked,
    chunk: Range,
) -> Result<Vec<UserId>, ImportError> {
    let mut ids = Vec::with_capacity(chunk.len());
    for new in &checked.users[chunk] {
        let id = if new.user.uuid.is_nil() {
            let uuid = new_uuid(&mut rand::rng());
            users::insert(tx, app, &User { uuid, ..new.user.clone() })?
        } else {
            users::insert(tx, app, &new.user)?
        };
        let id = id.ok_or(ImportError::Gone)?;
        for device in &new.devices {
            devices::insert(tx, id, &device.hwid, device.bound_at)?;
        }
        for variable in &new.variables {
            user_variables::set(tx, id, variable)?;
        }
        if let Some(until) = new.muted_until {
            chats::mute(tx, id, until)?;
        }
        if let Some(secret) = &new.two_factor {
            two_factor::set_secret(tx, vault, id, secret, &mut rand::rng())?;
        }
        ids.push(id);
    }
    Ok(ids)
}

fn write_licenses(
    tx: &mut Tx<'_>,
    app: AppId,
    checked: &Checked,
    chunk: Range,
    users: &[UserId],
) -> Result<Vec<LicenseId>, ImportError> {
    let mut ids = Vec::with_capacity(chunk.len());
    for new in &checked.licenses[chunk] {
        let mut license = new.license.clone();
        license.used_by = new.user.map(|at| users[at]);
        ids.push(licenses::insert(tx, app, &license)?.ok_or(ImportError::Gone)?);
    }
    Ok(ids)
}

fn write_subscriptions(
    tx: &mut Tx<'_>,
    checked: &Checked,
    chunk: Range,
    users: &[UserId],
    licenses: &[LicenseId],
) -> Result<(), store::Error> {
    for at in chunk {
        for new in &checked.users[at].subscriptions {
            let mut subscription = new.subscription.clone();
            subscription.license = new.license.map(|at| licenses[at]);
            subscriptions::insert(tx, users[at], &subscription)?;
        }
    }
    Ok(())
}

fn write_tokens(
    tx: &mut Tx<'_>,
    app: AppId,
    checked: &Checked,
    chunk: Range,
    licenses: &[LicenseId],
) -> Result<(), ImportError> {
    for (new, license) in &checked.tokens[chunk] {
        let license = license.map(|at| licenses[at]);
        tokens::insert(tx, app, &new.token, license, new.note.as_deref(), new.created_at)?;
        let made = tokens::find(tx, app, &new.token)?.ok_or(ImportError::Gone)?;
        if let Some(hash) = &new.file_hash {
            tokens::bind(tx, made.id, hash)?;
        }
        if new.banned {
            tokens::ban(tx, made.id, new.ban_reason.as_deref())?;
        }
    }
    Ok(())
}

fn write_channel(tx: &mut Tx<'_>, app: AppId, new: &NewChannel, users: &[UserId]) -> Result<(), ImportError> {
    chat::create(tx, app, &new.name, new.delay)?;
    let channel = chats::channel(tx, app, &new.name)?.ok_or(ImportError::Gone)?;
    for (message, user) in &new.messages {
        chats::send(tx, channel.id, user.map(|at| users[at]), message)?;
    }
    Ok(())
}
