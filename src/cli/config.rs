//! `keystead config show`: every setting, its value, where that comes from, and what it is for.

use serde::Serialize;

use super::{Exit, Global, print_json, print_table};
use crate::config::{Flags, Source};

/// The options of `config`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keystead config show
  KEYSTEAD_READERS=8 keystead config show --json
  keystead config show --config keystead.toml --listen 0.0.0.0:80")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List every setting with its value and its source
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    flags: Flags,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    value: &'a str,
    source: String,
    env: String,
    default: String,
    help: &'a str,
}

/// Runs `config`.
pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let Action::Show(Show { flags }) = arguments.action;
    let config = global.load(flags)?;
    let rows: Vec<Row<'_>> = config
        .list()
        .map(|(setting, given)| Row {
            name: setting.name,
            value: &given.text,
            source: match &given.source {
                Source::Flag => "flag".to_owned(),
                Source::Environment => setting.env(),
                Source::File(path) => path.display().to_string(),
                Source::Default => "default".to_owned(),
            },
            env: setting.env(),
            default: setting.default(),
            help: setting.help,
        })
        .collect();
    if global.json {
        return print_json(&rows);
    }
    let cells: Vec<_> = rows
        .into_iter()
        .map(|row| vec![row.name.to_owned(), row.value.to_owned(), row.source, row.help.to_owned()])
        .collect();
    print_table(&["SETTING", "VALUE", "SOURCE", "HELP"], &cells)
}
