//! `keystead man`: the manual, one page for each command, made from the same definitions as `--help`.

use std::path::PathBuf;

use clap::CommandFactory;

use super::{Cli, Exit, Global, print_line};

/// The options of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keystead man ~/.local/share/man/man1")]
pub(super) struct Arguments {
    /// The folder to write to; made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs `man`.
pub(super) fn run(_: &Global, arguments: &Arguments) -> Result<(), Exit> {
    let folder = &arguments.folder;
    let failed = |error: std::io::Error| Exit::failure(format!("cannot write to {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    print_line(&format!(
        "wrote the manual to {}; `man keystead` shows it where that folder is searched",
        folder.display()
    ))
}
