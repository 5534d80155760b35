//! `keystead backup`: a copy of the database, verified, also while a server uses it. How it is made, the store knows.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::config::Flags;
use crate::store::backup::{self, BackupError, Copied, Watch};

use super::{Code, Exit, Global, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead backup /mnt/backups/keystead-monday.db
  # also while a server runs; what it holds then, as one instant
  keystead backup copy.db --database /var/lib/keystead/keystead.db
  keystead backup copy.db --force --json  # in place of an older one

The copy is there whole and verified, or not at all. It holds every secret that the database holds: keep it as you keep
that. `keystead restore FILE` puts it back; `keystead serve --backup-folder DIR` makes backups by itself.")]
pub(super) struct Arguments {
    /// The file to make
    file: PathBuf,
    /// Overwrite it if it exists
    #[arg(long)]
    force: bool,
}

pub(super) fn run(global: &Global, Arguments { file, force }: &Arguments) -> Result<(), Exit> {
    named(file)?;
    let database = global.load(Flags::default())?.database;
    let began = Instant::now();
    let copied = with_progress(global, "copying", |watch| backup::make(&database, file, *force, watch))
        .map_err(|error| exit(error, &database))?;
    let took = began.elapsed();
    let mut document = document(&copied);
    document["file"] = file.to_string_lossy().into();
    document["database"] = database.to_string_lossy().into();
    document["took_ms"] = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into();
    let sentence = format!(
        "{} holds what {} held: {}, verified in {:.1} s",
        file.display(),
        database.display(),
        summary(&copied),
        took.as_secs_f64()
    );
    say(global, &document, &sentence)
}

/// A pipe cannot be verified.
pub(super) fn named(file: &Path) -> Result<(), Exit> {
    if file == Path::new("-") {
        return Err(Exit::usage("this takes the name of a file: a pipe cannot be verified"));
    }
    Ok(())
}

/// Copies, and shows people at a terminal how far it is.
pub(super) fn with_progress<T>(global: &Global, doing: &str, work: impl FnOnce(&mut Watch<'_>) -> T) -> T {
    let shown = !global.json && io::stderr().is_terminal();
    let mut last = None;
    let mut copied = |percent| {
        if shown && last != Some(percent) {
            last = Some(percent);
            let then = if percent == 100 { ", verifying" } else { "" };
            let _ = write!(io::stderr(), "\r{doing}: {percent} %{then}");
        }
    };
    let done = work(&mut Watch { stop: Arc::new(AtomicBool::new(false)), copied: &mut copied });
    if last.is_some() {
        // The line is blanked: what is said next begins at its start.
        let _ = write!(io::stderr(), "\r{:60}\r", "");
    }
    done
}

/// What a copy is, for programs.
pub(super) fn document(copied: &Copied) -> Value {
    let contents = &copied.contents;
    let tables: Map<String, Value> = contents.tables.iter().map(|(name, rows)| (name.clone(), json!(rows))).collect();
    json!({
        "bytes": copied.bytes, "schema": contents.schema, "rows": contents.rows(), "tables": tables,
        "checksum": contents.checksum,
    })
}

/// What a copy is, for people.
pub(super) fn summary(copied: &Copied) -> String {
    let contents = &copied.contents;
    format!(
        "{}, {} rows, schema {}, checksum {}",
        size(copied.bytes),
        contents.rows(),
        contents.schema,
        contents.checksum
    )
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| bytes >= 1 << shift) {
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1 << shift)),
        None => format!("{bytes} B"),
    }
}

/// Why there is no copy, and what to do about it.
pub(super) fn exit(error: BackupError, database: &Path) -> Exit {
    let text = error.to_string();
    match error {
        BackupError::Exists(_) => Exit::failure(format!("{text}: name another file, or overwrite it with --force")),
        BackupError::Same(_) | BackupError::Own(_) => Exit::usage(format!("{text}: name another file")),
        BackupError::InUse(_) => Exit::new(Code::Locked, text),
        BackupError::Missing(path) if path == database => {
            Exit::new(Code::Database, format!("there is no database {}; name another with --database", path.display()))
        }
        BackupError::Unsound { .. } => Exit::new(
            Code::Problems,
            format!(
                "{text}. Nothing was kept. `keystead check` says more; go back to a backup that is sound, with \
                 `keystead restore`"
            ),
        ),
        BackupError::Differs { .. } => Exit::new(Code::Problems, format!("{text}. Nothing was kept")),
        BackupError::Full { .. } => Exit::failure(format!("{text}; make room there, or name a file on another disk")),
        BackupError::Store(error) => error.into(),
        BackupError::File { .. } => {
            Exit::failure(format!("{text}; see that its folder is there and that this user may write to it"))
        }
        BackupError::Missing(_) | BackupError::Stopped => Exit::failure(text),
    }
}
