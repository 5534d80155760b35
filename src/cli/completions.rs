//! `keystead completions`: a script that completes commands and flags in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit, Global, print_raw};

/// The options of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keystead completions bash > ~/.local/share/bash-completion/completions/keystead
  keystead completions fish > ~/.config/fish/completions/keystead.fish")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Runs `completions`.
pub(super) fn run(_: &Global, arguments: Arguments) -> Result<(), Exit> {
    // Into memory first: the generator panics when its output does not take a write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "keystead", &mut script);
    print_raw(&script)
}
