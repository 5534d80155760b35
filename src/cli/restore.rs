//! `keystead restore`: puts a backup in the place of the database while no server runs. The backup is verified first and
//! stays where it is; the database that was there is kept.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::Flags;
use crate::domain::sealing::{self, SealingError};
use crate::domain::vault::Vault;
use crate::store::backup::{self, BackupError, Copied};
use crate::store::lock::{self, Lock, LockError};
use crate::store::schema::VERSION;

use super::backup::{document, exit, named, summary, with_progress};
use super::schedule::stamp;
use super::serve::locked;
use super::{Code, Exit, Global, note, now, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead restore /mnt/backups/keystead-monday.db
  # in place of a database that is there; that one is kept beside it
  keystead restore keystead-monday.db --database /var/lib/keystead/keystead.db --force
  keystead restore keystead-monday.db --database drill.db  # a drill

Stop the server first (under systemd: `systemctl stop keystead.socket keystead.service`, or the next client starts it
again), and run this as the user that the server runs as.")]
pub(super) struct Arguments {
    /// The backup; it stays as it is
    file: PathBuf,
    /// Put it in the place of a database that exists; that one is kept as NAME.before-restore-TIME
    #[arg(long)]
    force: bool,
}

pub(super) fn run(global: &Global, Arguments { file, force }: &Arguments) -> Result<(), Exit> {
    named(file)?;
    let config = global.load(Flags::default())?;
    let database = &config.database;
    let held = lock::hold(database).map_err(|error| locked(database, error))?;
    let copied = match copy(global, &held, file, database, *force) {
        Ok(copied) => copied,
        Err(error) => {
            held.undo();
            return Err(error);
        }
    };

    let mut document = document(&copied);
    document["file"] = file.to_string_lossy().into();
    document["database"] = database.to_string_lossy().into();
    document["kept"] = copied.kept.as_ref().map(|kept| kept.to_string_lossy()).into();
    let mut sentence = format!("{} holds what {} holds: {}", database.display(), file.display(), summary(&copied));
    if let Some(kept) = &copied.kept {
        sentence +=
            &format!(". What was there is in {} (a secret too: delete it when you need it no more)", kept.display());
    }
    if copied.contents.schema < VERSION {
        note(&format!(
            "the backup has schema {}: it is upgraded to {VERSION} when it is opened next",
            copied.contents.schema
        ));
    } else if let Some(hint) = key_hint(database, config.vault_key.as_deref())? {
        note(&hint);
    }
    say(global, &document, &sentence)
}

fn copy(global: &Global, held: &Lock, file: &Path, database: &Path, force: bool) -> Result<Copied, Exit> {
    let import = lock::hold_import(database).map_err(|error| importing(database, error))?;
    let copied =
        with_progress(global, "restoring", |watch| backup::restore(held, file, database, force, &stamp(now()), watch));
    copied.map_err(|error| {
        import.undo();
        refused(error, file, database)
    })
}

fn refused(error: BackupError, file: &Path, database: &Path) -> Exit {
    match error {
        BackupError::Exists(path) if database.exists() => Exit::failure(format!(
            "{} exists: put the backup in its place with --force (it is kept beside), or name another --database",
            path.display()
        )),
        BackupError::Exists(path) => Exit::failure(format!(
            "there is no {}, but {} is there and holds something: with --force it is kept under another name, and not \
             taken for a part of the backup",
            database.display(),
            path.display()
        )),
        BackupError::Missing(path) => Exit::failure(format!("there is no backup {}", path.display())),
        BackupError::Same(path) => Exit::usage(format!("{} is the database itself: name a backup", path.display())),
        BackupError::Unsound { .. } => Exit::new(
            Code::Problems,
            format!("{error}. {} is as it was: take another backup than {}", database.display(), file.display()),
        ),
        other => exit(other, database),
    }
}

fn importing(database: &Path, error: LockError) -> Exit {
    match error {
        LockError::Held(_) => Exit::new(
            Code::Locked,
            format!("an import is filling {}: wait until it is done, or end it", database.display()),
        ),
        error @ LockError::File { .. } => Exit::new(Code::Database, error.to_string()),
    }
}

/// What the server will need to open what is sealed in it, if anything is.
fn key_hint(database: &Path, key: Option<&Path>) -> Result<Option<String>, Exit> {
    // A key that cannot be read opens nothing; the restore is done all the same.
    let vault = Vault::read(key).unwrap_or_default();
    match backup::look(database, |tx| sealing::check(tx, &vault)) {
        Ok(()) => Ok(None),
        Err(SealingError::Vault(_)) => Ok(Some(
            "secrets in it are sealed: the server needs the --vault-key file that it had when the backup was made"
                .to_owned(),
        )),
        Err(SealingError::Store(error)) => Err(error.into()),
    }
}
