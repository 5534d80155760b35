//! The doctor's checks of the database's file and the disk it is on.

use std::path::{Path, PathBuf};

use super::super::backup::size;
use super::super::schedule::Folder;
use super::{Found, Seen, ok, problem, warning};
use crate::config::Source;
use crate::store::schema::VERSION;
use crate::store::{SCARCE, backup, free};

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
    for lock in [".lock", ".import.lock"].map(|ending| beside(database, ending)) {
        if lock.exists() && access(&lock, Access::READ_OK | Access::WRITE_OK).is_err() {
            return problem(format!(
                "this user cannot read and write {0}, which another user made: `chown` it to the server's user",
                lock.display()
            ));
        }
    }
    let opens = |path: &Path, to: u32| std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & to != 0);
    let backups = Folder::of(config).and_then(|folder| folder.backups().ok()).unwrap_or_default();
    let log = beside(database, "-wal");
    let secret = [Some(database), Some(&log), config.vault_key.as_deref(), config.smtp_password_file.as_deref()];
    let secret = secret.into_iter().flatten().chain(backups.iter().map(|(_, path)| path.as_path()));
    if let Some(path) = secret.into_iter().find(|path| opens(path, 0o077)) {
        return warning(format!("others on this machine may read {0}: `chmod 600 {0}`", path.display()));
    }
    // It may be root's, and the server's user read it as one of its group.
    let settings = config.list().find_map(|(setting, given)| match &given.source {
        Source::File(path) if setting.secret && opens(path, 0o007) => Some((setting.name, path)),
        _ => None,
    });
    match settings {
        Some((name, path)) => {
            let path = path.display();
            warning(format!("others on this machine may read {path}, and {name} stands in it: `chmod o-rwx {path}`"))
        }
        None => ok("only its user reads and writes it"),
    }
}

#[cfg(not(unix))]
pub(super) fn permissions(_: &Seen) -> Found {
    ok("not looked at on this system")
}

pub(super) fn disk(seen: &Seen) -> Found {
    let folder = folder(seen.database());
    match free(folder) {
        Some(free) => room(free, seen.size, folder),
        None => ok(format!("cannot tell how much is free in {}", folder.display())),
    }
}

/// What so many free bytes mean beside a database of this size.
fn room(free: u64, database: u64, folder: &Path) -> Found {
    let there = format!("{} free in {}", size(free), folder.display());
    if free < SCARCE {
        problem(format!(
            "{there}: the log beside the database is folded in after every commit, which is slow, and soon nothing can be \
             written; make room"
        ))
    } else if free < FULL {
        problem(format!("{there}: nothing can be written soon; make room"))
    } else if free < database {
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

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn how_much_is_free_decides_what_is_said() {
        const MIB: u64 = 1 << 20;
        for (free, database, state, saying) in [
            (0, 0, State::Problem, "0 B free in /data: the log beside"),
            (16 * MIB - 1, 0, State::Problem, "after every commit"),
            (16 * MIB, 0, State::Problem, "16.0 MiB free in /data: nothing can be written soon"),
            (64 * MIB - 1, 0, State::Problem, "make room"),
            (64 * MIB, 64 * MIB, State::Ok, "64.0 MiB free in /data"),
            (64 * MIB, 64 * MIB + 1, State::Warning, "less than the database has"),
        ] {
            let Found(found, text) = room(free, database, Path::new("/data"));
            assert!(found == state && text.contains(saying), "{free}: {found:?}: {text}");
        }
    }
}
