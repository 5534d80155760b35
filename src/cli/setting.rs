//! `keystead app set`: an app's settings, by their KeyAuth names. What there is to set is said by the table in
//! `model/settings.rs`; nothing is decided here.

use std::fmt::Write;

use clap::Args;
use serde_json::{Map, Value};

use crate::config::Flags;
use crate::domain::app;
use crate::domain::target::{TargetError, Targets};
use crate::model::settings::{Kind, Setting, Settings, TABLE};

use super::app::fresh;
use super::{Db, Exit, Global, note, now, print_json, print_line};

/// Options.
#[derive(Args)]
pub(super) struct Arguments {
    /// `[NAME] KEY=VALUE …`, or `KEY VALUE`; an empty VALUE empties a text. The app's NAME is needed only when there are
    /// several
    #[arg(value_name = "NAME|KEY=VALUE")]
    words: Vec<String>,
    /// The app, as an option
    #[arg(long, value_name = "NAME", env = "KEYSTEAD_APP")]
    app: Option<String>,
    /// Put this setting back to its default; may be given several times
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
}

/// What the words mean.
#[derive(Debug, PartialEq, Eq)]
struct Meant<'a> {
    app: Option<&'a str>,
    pairs: Vec<(&'a str, &'a str)>,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Result<(), Exit> {
    let Meant { app, pairs } = understand(&arguments.words, arguments.app.as_deref())?;
    if pairs.is_empty() && arguments.unset.is_empty() {
        let text = "nothing to set: say KEY=VALUE or --unset KEY; `keystead app set --help` lists the settings";
        return Err(Exit::usage(text));
    }
    // A name or a value that is no good is the command line's fault, and known before the database is asked.
    for (key, value) in &pairs {
        Setting::find(key).and_then(|s| s.check(value)).map_err(|e| Exit::usage(e.to_string()))?;
        if *key == "webhook" && !value.trim().is_empty() {
            check_target(global, value.trim())?;
        }
    }
    for key in &arguments.unset {
        Setting::find(key).map_err(|e| Exit::usage(e.to_string()))?;
    }

    let mut db = Db::existing(global)?;
    let found = db.app(app)?;
    let sets: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let unsets = arguments.unset.clone();
    let after = db.write(move |tx| {
        for (key, value) in &sets {
            let app = fresh(tx, &found)?;
            app::set(tx, &app, key, value, now())?;
        }
        for key in &unsets {
            let app = fresh(tx, &found)?;
            app::unset(tx, &app, key, now())?;
        }
        fresh(tx, &found)
    })?;
    let names = pairs.iter().map(|(key, _)| *key).chain(arguments.unset.iter().map(String::as_str));
    report(global, names, &after.settings)
}

/// Refuses what the server would not post to, as far as can be seen without resolving a name.
fn check_target(global: &Global, url: &str) -> Result<(), Exit> {
    let targets = Targets::new(global.load(Flags::default())?.allow_target);
    targets.check_url(url).map(|_| ()).map_err(|error| match error {
        // The server's flags are not ours: what it may do, this command has to be told too.
        TargetError::NotPublic { .. } => {
            Exit::failure(format!("webhook: {error}, and say so here by KEYSTEAD_ALLOW_TARGET or in the --config file"))
        }
        error => Exit::usage(format!("webhook: {error}")),
    })
}

fn report<'a>(global: &Global, names: impl Iterator<Item = &'a str>, now: &Settings) -> Result<(), Exit> {
    let mut document = Map::new();
    for setting in names.filter_map(|name| Setting::find(name).ok()) {
        let value = setting.value(now);
        if !global.json {
            print_line(&format!("{} = {value}", setting.name))?;
        }
        if setting.help.contains("kept for exchange") {
            note(&format!("{}: kept for exchange with KeyAuth; this version does nothing with it", setting.name));
        }
        if let Some(option) = needed_list(setting.name).filter(|_| value == "1") {
            note(&format!("{}: has no effect unless the server was started with {option} FILE", setting.name));
        }
        document.insert(setting.name.to_owned(), value.into());
    }
    if global.json { print_json(&Value::Object(document)) } else { Ok(()) }
}

/// The server's option without whose list a setting does nothing.
fn needed_list(name: &str) -> Option<&'static str> {
    match name {
        "vpnblock" => Some("--vpn-list"),
        "blockLeakedPasswords" => Some("--leaked-passwords"),
        _ => None,
    }
}

/// Reads `[NAME] KEY=VALUE …` and `[NAME] KEY VALUE`. A first word is the app's name unless it is an assignment or the
/// name of a setting; if it could be both, what follows tells.
fn understand<'a>(words: &'a [String], app: Option<&'a str>) -> Result<Meant<'a>, Exit> {
    let is_setting = |word: &str| Setting::find(word).is_ok();
    let is_assignment = |word: &str| word.split_once('=').is_some_and(|(key, _)| is_setting(key));
    let mut rest: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut named = app;
    if let Some(first) = rest.first().copied()
        && app.is_none_or(|app| app == first)
        && !first.contains('=')
        && (!is_setting(first) || rest.iter().any(|word| is_assignment(word)) || rest.len() != 2)
    {
        named = Some(first);
        rest.remove(0);
    }
    if let [key, value] = rest.as_slice()
        && !key.contains('=')
    {
        return Ok(Meant { app: named, pairs: vec![(key, value)] });
    }
    let pairs = rest.iter().map(|word| {
        let advice = || Exit::usage(format!("expected KEY=VALUE, found {word:?}; `keystead app set --help` shows how"));
        word.split_once('=').ok_or_else(advice)
    });
    Ok(Meant { app: named, pairs: pairs.collect::<Result<_, _>>()? })
}

/// Examples, and every setting with its default.
pub(super) fn help() -> String {
    let mut text = "Examples:
  keystead app set demo ver=2.0 'download=https://example.com/new.exe'
  keystead app set demo hwidcheck=0 'loggedInMsg=Welcome back!'
  keystead app set --app demo usernametaken 'Somebody has that name.'
  keystead app set demo download= --unset ver

Settings (KeyAuth's names where it has them), their defaults and what they do:
"
    .to_owned();
    for setting in TABLE {
        let takes = match setting.kind {
            Kind::Flag => "0 or 1".to_owned(),
            Kind::Int(least, most) => format!("{least} to {most}"),
            Kind::Text(most) => format!("text, at most {most} bytes"),
            Kind::Word(words) => words.join(", "),
            Kind::Host => "a host name".to_owned(),
            Kind::Origins(most) => format!("origins, at most {most} bytes"),
            Kind::Message(most) => format!("message, 1 to {most} bytes"),
        };
        let default = setting.default();
        let default = if default.is_empty() { "empty" } else { &default };
        let _ = writeln!(text, "  {} ({takes}) [default: {default}]\n      {}", setting.name, setting.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood() {
        type Case = (&'static str, Option<&'static str>, Option<&'static str>, &'static [(&'static str, &'static str)]);
        let cases: &[Case] = &[
            ("demo ver=2.0", None, Some("demo"), &[("ver", "2.0")]),
            ("ver=2.0 download=", None, None, &[("ver", "2.0"), ("download", "")]),
            ("ver=2.0", Some("demo"), Some("demo"), &[("ver", "2.0")]),
            ("ver 2.0", Some("demo"), Some("demo"), &[("ver", "2.0")]),
            ("ver 2.0", None, None, &[("ver", "2.0")]),
            ("demo ver 2.0", None, Some("demo"), &[("ver", "2.0")]),
            ("download https://x/?a=b", None, None, &[("download", "https://x/?a=b")]),
            ("download=https://x/?a=b", None, None, &[("download", "https://x/?a=b")]),
            ("session ver=2.0", None, Some("session"), &[("ver", "2.0")]),
            ("demo", None, Some("demo"), &[]),
            ("demo ver=2.0", Some("demo"), Some("demo"), &[("ver", "2.0")]),
        ];
        for (line, option, app, pairs) in cases {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let meant = understand(&words, *option).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!((meant.app, meant.pairs.as_slice()), (*app, *pairs), "{line}");
        }
        assert!(understand(&["demo".into(), "ver".into(), "2".into(), "3".into()], None).is_err());
    }
}
