//! The doctor's checks of what a server needs beside its file: the clock, the key of the secrets, the mail server, the
//! backups.

use std::path::Path;

use super::super::backup::size;
use super::super::print_time;
use super::super::schedule::Folder;
use super::file::UNREADABLE;
use super::{Found, Seen, ok, problem, warning};
use crate::domain::sealing;
use crate::domain::vault::Vault;
use crate::model::time::Span;
use crate::outside::mail::Mailer;
use crate::store::schema::VERSION;
use crate::store::{backup, free, sessions};

/// No clock that is right shows less: 2026-01-01.
const FIRST_SECOND: i64 = 1_767_225_600;

/// How far a clock may be set back by whoever keeps it right.
const DRIFT: i64 = 60;

/// Where systemd says that it keeps the clock right, and that it is.
const KEEPER: &str = "/run/systemd/timesync";

/// How late a backup may be beyond the time of two, in seconds.
const LATE: i64 = 600;

pub(super) fn clock(seen: &Seen) -> Found {
    let shown = print_time(seen.now);
    if seen.now.0 < FIRST_SECOND {
        return problem(format!("it is not {shown} (UTC): set the clock, and keep it right with NTP"));
    }
    if seen.schema == Ok(VERSION) {
        match backup::look(seen.database(), sessions::newest) {
            Ok(Some(newest)) if newest - seen.now > DRIFT => {
                return problem(format!(
                    "it is {shown} (UTC), but the newest session was opened at {}: the clock was ahead then, or is behind \
                     now; set it, and keep it right with NTP",
                    print_time(newest)
                ));
            }
            Ok(_) => {}
            Err(error) => return warning(format!("{error}")),
        }
    }
    let keeper = Path::new(KEEPER);
    if keeper.exists() && !keeper.join("synchronized").exists() {
        return warning(format!("{shown} (UTC), not synchronised yet: see `timedatectl status`"));
    }
    ok(format!("{shown} (UTC)"))
}

pub(super) fn vault(seen: &Seen) -> Found {
    let vault = match Vault::read(seen.config.vault_key.as_deref()) {
        Ok(vault) => vault,
        Err(error) => return problem(error.to_string()),
    };
    if seen.schema != Ok(VERSION) {
        return ok(UNREADABLE);
    }
    let has_key = vault.has_key();
    match backup::look(seen.database(), |tx| sealing::check(tx, &vault)) {
        Err(error) => problem(error.to_string()),
        Ok(()) if has_key => ok("the vault-key opens what is sealed"),
        Ok(()) => ok("no vault-key is set, and nothing is sealed: secrets in the database are kept as they are"),
    }
}

pub(super) fn mail(seen: &Seen) -> Found {
    let smtp = match seen.config.smtp() {
        Ok(Some(smtp)) => smtp,
        Ok(None) => return ok("no mail server is set: forgotten passwords are refused"),
        Err(error) => return problem(error.to_string()),
    };
    let probed = Mailer::new(&smtp).map_err(|error| error.to_string());
    match probed.and_then(|mailer| mailer.probe().map_err(|error| error.to_string())) {
        Ok(()) => {
            let login = if smtp.login.is_some() { "takes the login" } else { "answers" };
            ok(format!("{}:{} {login}; `keystead config send-test-mail ADDRESS` sends a mail", smtp.host, smtp.port))
        }
        Err(text) => problem(text),
    }
}

pub(super) fn backups(seen: &Seen) -> Found {
    let Some(folder) = Folder::of(&seen.config) else {
        return warning(
            "the server makes no backups: set backup-folder, or let `keystead backup FILE` run every night",
        );
    };
    let shown = folder.path().display();
    let every = i64::try_from(seen.config.backup_every.as_secs()).unwrap_or(i64::MAX / 4);
    let backups = match folder.backups() {
        Ok(backups) => backups,
        Err(error) => {
            return problem(format!("backup-folder {shown}: {error}; make it, mount it, or name another"));
        }
    };
    if !writable(folder.path()) {
        return problem(format!(
            "backup-folder {shown}: this user cannot make files in it; let it belong to the server's"
        ));
    }
    if let Some(free) = free(folder.path())
        && free < seen.size
    {
        return problem(format!(
            "backup-folder {shown}: {} free, and the next backup takes {}; make room, or lower backup-keep",
            size(free),
            size(seen.size)
        ));
    }
    // Made while the clock was ahead, whenever that was: they say nothing about how old the newest is.
    let (backups, future): (Vec<_>, Vec<_>) = backups.into_iter().partition(|(time, _)| *time - seen.now <= DRIFT);
    let wrong = future.first().map(|(_, first)| {
        format!(
            "{} in {shown} of a time that is still to come, from {}: the clock was ahead then, or is behind now; they are not \
             deleted by themselves",
            future.len(),
            first.display()
        )
    });
    let Some((time, newest)) = backups.last() else {
        return warning(wrong.unwrap_or_else(|| {
            format!("no backup in {shown} yet: a server makes the first when it starts; its log says why not")
        }));
    };
    let (age, count) = (seen.now - *time, backups.len());
    let from = format!("{count} in {shown}, the newest from {} (UTC)", print_time(*time));
    if age > every.saturating_mul(2).saturating_add(LATE) {
        return problem(format!(
            "{from}, although one is due every {}: the server's log says why; `keystead backup FILE` makes one now",
            Span::Seconds(every)
        ));
    }
    if let Err(error) = backup::version(newest) {
        return problem(format!("{}: {error}; make another with `keystead backup FILE`", newest.display()));
    }
    match wrong {
        Some(wrong) => warning(wrong),
        None if same_disk(seen.database(), folder.path()) => {
            ok(format!("{from}; they are on the disk of the database, so copy them to another machine"))
        }
        None => ok(from),
    }
}

#[cfg(unix)]
fn writable(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn writable(_: &Path) -> bool {
    true
}

#[cfg(unix)]
fn same_disk(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    matches!((std::fs::metadata(one), std::fs::metadata(other)), (Ok(one), Ok(other)) if one.dev() == other.dev())
}

#[cfg(not(unix))]
fn same_disk(_: &Path, _: &Path) -> bool {
    false
}
