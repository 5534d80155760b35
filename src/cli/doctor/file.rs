//! The doctor's checks of the database's file and the disk it is on.

use std::path::{Path, PathBuf};

use super::super::backup::size;
use super::{Found, Seen, ok, problem, warning};
use crate::store::backup;
use crate::store::schema::VERSION;

/// Less than this is as good as full.
const FULL: u64 = 64 << 20;

/// A log larger than this was not cut back when it should have been: it is, to half of that, after each long job.
const LONG_LOG: u64 = 128 << 20;

/// What a check says when the file it would look into cannot be read.
pub(super) const UNREADABLE: &str = "nothing to look into: see the line of the database";

pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn database(seen: &Seen) -> Found {
    let file = seen.database().display();
    match &seen.schema {
        Err(text) => problem(text),
        Ok(VERSION) => ok(format!("{file}: {}, schema {VERSION}", size(seen.size))),
        Ok(found) if *found < VERSION => warning(format!(
            "{file} has schema {found}: the next command that opens it, or the next start, upgrades it to {VERSION} and \
             keeps a copy"
        )),
        Ok(found) => problem(format!(
            "{file} was written by a newer Keystead (schema {found}, this program knows {VERSION}): use that version, or a \
             backup from before the upgrade"
        )),
    }
}

pub(super) fn soundness(seen: &Seen) -> Found {
    if seen.schema.is_err() {
        return ok(UNREADABLE);
    }
    let advice = "stop the server (`systemctl stop keystead.socket keystead.service` where systemd runs it), keep a copy of \
                  the file, and put back a backup with `keystead restore`";
    match backup::quick_check(seen.database()) {
        Ok(problems) if problems.is_empty() => ok("a quick look finds nothing; `keystead check` looks at everything"),
        Ok(problems) => problem(format!("the file is damaged ({}): {advice}", problems.join("; "))),
        Err(error) => problem(format!("{error}: {advice}")),
    }
}

#[cfg(unix)]
pub(super) fn permissions(seen: &Seen) -> Found {
    use rustix::fs::{Access, access};
    use std::os::unix::fs::PermissionsExt;

    let (database, config) = (seen.database(), &seen.config);
    if database.exists() && access(database, Access::READ_OK | Access::WRITE_OK).is_err() {
        let owner = "run this, and the server, as the user that owns it";
        return problem(format!("this user cannot read and write {}: {owner}", database.display()));
    }
    let folder = folder(database);
    if folder.exists() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return problem(format!(
            "this user cannot make files in {}, and the database's log is one: let the folder belong to the server's user",
            folder.display()
        ));
    }
    let secret = [Some(database), config.vault_key.as_deref(), config.smtp_password_file.as_deref()];
    let log = beside(database, "-wal");
    let open = secret
        .into_iter()
        .flatten()
        .chain([log.as_path()])
        .find(|path| std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0));
    match open {
        Some(path) => warning(format!("others on this machine may read {0}: `chmod 600 {0}`", path.display())),
        None => ok("only its user reads and writes it"),
    }
}

#[cfg(not(unix))]
pub(super) fn permissions(_: &Seen) -> Found {
    ok("not looked at on this system")
}

/// Bytes that are free where a folder is; none where nobody can tell.
#[cfg(unix)]
pub(super) fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
pub(super) fn free(_: &Path) -> Option<u64> {
    None
}

pub(super) fn disk(seen: &Seen) -> Found {
    let folder = folder(seen.database());
    let Some(free) = free(folder) else {
        return ok(format!("cannot tell how much is free in {}", folder.display()));
    };
    let there = format!("{} free in {}", size(free), folder.display());
    if free < FULL {
        problem(format!("{there}: nothing can be written soon; make room"))
    } else if free < seen.size {
        warning(format!("{there}, less than the database has: no room for a copy, before an upgrade or in a restore"))
    } else {
        ok(there)
    }
}

pub(super) fn log(seen: &Seen) -> Found {
    let log = seen.log;
    if log > LONG_LOG {
        warning(format!(
            "the log beside the database has {}: something has read from the database for very long (a program that holds \
             it open, a backup that hangs); end that, or start the server again",
            size(log)
        ))
    } else {
        ok(format!("the log beside the database has {}", size(log)))
    }
}
