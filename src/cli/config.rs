//! `keystead config`: every setting, its value, where that comes from, and what it is for; a mail to try the mail
//! settings with. The server's key pair is in `public_key.rs`. Knows no setting by name but those of mail.

use serde::Serialize;
use serde_json::json;

use super::{Code, Exit, Global, print_json, print_table, public_key, say};
use crate::config::{Flags, Source};
use crate::domain::outbox::Mail;
use crate::outside::mail::Mailer;

/// The options of `config`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keystead config show
  KEYSTEAD_READERS=8 keystead config show --json
  keystead config show --config keystead.toml --listen 0.0.0.0:80
  keystead config public-key  # what clients of API 1.3 verify answers with
  # a new key pair; every 1.3 client needs the new public key
  keystead config rotate-key --yes
  keystead config send-test-mail mia@example.com --config keystead.toml")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List every setting with its value and its source
    Show(Show),
    /// Send a mail through the mail server, to see whether the smtp settings are right
    SendTestMail(SendTestMail),
    /// Print the public key that signs the answers of API 1.3; clients are given it
    PublicKey(public_key::Show),
    /// Make a new key pair for API 1.3; every 1.3 client then needs the new public key
    RotateKey(public_key::Rotate),
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, clap::Args)]
struct SendTestMail {
    /// Who gets it
    #[arg(value_name = "ADDRESS")]
    to: String,
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
    match arguments.action {
        Action::Show(Show { flags }) => show(global, flags),
        Action::SendTestMail(SendTestMail { to, flags }) => send_test_mail(global, to, flags),
        Action::PublicKey(options) => public_key::show(global, &options),
        Action::RotateKey(options) => public_key::rotate(global, &options),
    }
}

fn show(global: &Global, flags: Flags) -> Result<(), Exit> {
    let config = global.load_and_tell(flags)?;
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

fn send_test_mail(global: &Global, to: String, flags: Flags) -> Result<(), Exit> {
    let wrong = |text: String| Exit::new(Code::Configuration, text);
    let Some(smtp) = global.load(flags)?.smtp().map_err(|error| wrong(error.to_string()))? else {
        return Err(wrong(
            "no mail server is set: name the server's settings with --config, or give --smtp-host and --smtp-from"
                .to_owned(),
        ));
    };
    let mailer = Mailer::new(&smtp).map_err(|error| wrong(error.to_string()))?;
    let mail = Mail {
        to,
        subject: "Keystead can send mail".to_owned(),
        text: "This mail shows that the mail settings of your Keystead server are right. There is nothing to do.\n"
            .to_owned(),
    };
    mailer.send(&mail).map_err(|error| Exit::failure(error.to_string()))?;
    let server = format!("{}:{}", smtp.host, smtp.port);
    let sentence = format!("{server} has taken a mail to {}; if it does not arrive, its log says why", mail.to);
    say(global, &json!({ "sent": true, "to": mail.to, "server": server }), &sentence)
}
