//! The program: runs the command line, turns its outcome into an exit code. Nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    keystead::cli::main()
}
