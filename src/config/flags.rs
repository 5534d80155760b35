//! The command-line flags of the server's settings, made from the table. Reads no other source and checks no value:
//! `Config::load` does both.

use std::fmt;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Setting, TABLE};

/// The settings that were given as flags. Flatten it into a command's arguments.
#[derive(Clone, Default)]
pub struct Flags(Vec<(&'static str, String)>);

/// The names only: a value may be a secret.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Taken by every command, so the command line defines it once for all of them.
const GLOBAL: &str = "database";

impl Flags {
    /// The flags given.
    pub fn of(given: &[(&'static str, &str)]) -> Flags {
        Flags(given.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    /// The text given to a setting.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, text)| text.as_str())
    }

    /// Adds one, unless it has been given already.
    pub fn or(mut self, name: &'static str, value: Option<String>) -> Flags {
        if let Some(value) = value
            && self.value(name).is_none()
        {
            self.0.push((name, value));
        }
        self
    }
}

fn flags() -> impl Iterator<Item = &'static Setting> {
    TABLE.iter().filter(|setting| setting.name != GLOBAL)
}

fn arg(setting: &'static Setting) -> Arg {
    let default = match setting.default() {
        text if text.is_empty() => String::new(),
        text => format!(" [default: {text}]"),
    };
    let more = if setting.many { "; repeat it, or separate by commas" } else { "" };
    Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.placeholder)
        .action(if setting.many { ArgAction::Append } else { ArgAction::Set })
        .allow_hyphen_values(true)
        .help(format!("{}{more}{default} [env: {}]", setting.help, setting.env()))
        .help_heading("Settings")
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        flags().fold(command, |command, setting| command.arg(arg(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags, clap::Error> {
        let given = flags().filter_map(|setting| {
            let values = matches.get_many::<String>(setting.name)?;
            Some((setting.name, values.cloned().collect::<Vec<_>>().join(",")))
        });
        Ok(Flags(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Flags::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    #[test]
    fn flags_are_made_from_the_table() {
        let command = Flags::augment_args(Command::new("test"));
        let matches = command
            .try_get_matches_from(["test", "--listen", "x", "--trusted-proxy", "a,b", "--trusted-proxy", "c"])
            .expect("parses");
        let flags = Flags::from_arg_matches(&matches).expect("reads");
        assert_eq!(flags.value("listen"), Some("x"));
        assert_eq!(flags.value("trusted-proxy"), Some("a,b,c"));
        assert_eq!(flags.value("readers"), None);
        Flags::augment_args(Command::new("test")).debug_assert();
    }
}
