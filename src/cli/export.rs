//! `keystead export`: an app as one JSON document. Knows nothing of what is in it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::domain::document::export::{ExportError, export};

use super::options::VaultOption;
use super::{Db, Exit, Global};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead export --app demo -o demo.json
  keystead export --app demo > demo.json
  keystead export --app demo | ssh other keystead import -

The document holds everything that the app holds, secrets and password hashes too: keep it like a password.")]
pub(super) struct Arguments {
    /// The app; OWNER/NAME if several owners have one of that name
    #[arg(long, env = "KEYSTEAD_APP", value_name = "NAME")]
    app: Option<String>,
    #[command(flatten)]
    key: VaultOption,
    /// Write to this file, which only you may read; it is there whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl From<ExportError> for Exit {
    fn from(error: ExportError) -> Exit {
        match error {
            ExportError::Store(error) => error.into(),
            ExportError::Io(error) => error.into(),
            ExportError::Sealed(error) => error.into(),
            other => Exit::failure(other.to_string()),
        }
    }
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Result<(), Exit> {
    let db = Db::existing(global)?;
    let app = db.app(arguments.app.as_deref())?;
    let vault = db.vault(global, &arguments.key)?;
    let (ownerid, name) = (app.ownerid.to_string(), app.name.to_string());
    let Some(path) = &arguments.output else {
        if io::stdout().is_terminal() {
            eprintln!("keystead: this prints secrets on a terminal; -o FILE writes a file that only you may read");
        }
        return db.read(move |tx| export(tx, &vault, &ownerid, &name, &mut BufWriter::new(io::stdout())));
    };

    let part = beside(path);
    let file = create(&part).map_err(|e| cannot_write(path, &e))?;
    let done = db.read(move |tx| {
        let mut out = BufWriter::new(file);
        export(tx, &vault, &ownerid, &name, &mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok::<(), ExportError>(())
    });
    let done = done.and_then(|()| std::fs::rename(&part, path).map_err(|e| cannot_write(path, &e)));
    if done.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    done
}

/// The name of the file until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    PathBuf::from(name)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn cannot_write(path: &Path, error: &io::Error) -> Exit {
    Exit::failure(format!("cannot write {}: {error}", path.display()))
}
