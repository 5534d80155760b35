//! The mail settings taken together: which of them need each other, and the mail server they name. Reads the files they
//! name; sends nothing and resolves no name.

use std::net::IpAddr;
use std::path::Path;

use super::{Config, ConfigError, MailTls, Secret};

/// A mail server and how to use it.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How mail travels there.
    pub tls: MailTls,
    /// Name and password; none if it asks for no login.
    pub login: Option<(String, Secret)>,
    /// The sender of all mails: an address, or a name and an address in angle brackets.
    pub from: String,
    /// PEM text with certificates to trust beside the machine's.
    pub ca: Option<String>,
}

impl Config {
    /// The mail server, if there is one. Reads the files that the settings name.
    pub fn smtp(&self) -> Result<Option<Smtp>, ConfigError> {
        let (Some(host), Some(from)) = (&self.smtp_host, &self.smtp_from) else { return Ok(None) };
        let password = match &self.smtp_password_file {
            Some(path) => Some(first_line("smtp-password-file", path)?),
            None => self.smtp_password.clone(),
        };
        let usual = match self.smtp_tls {
            MailTls::StartTls => 587,
            MailTls::Tls => 465,
            MailTls::None | MailTls::Insecure => 25,
        };
        Ok(Some(Smtp {
            host: host.clone(),
            port: if self.smtp_port == 0 { usual } else { self.smtp_port },
            tls: self.smtp_tls,
            login: self.smtp_user.clone().zip(password),
            from: from.clone(),
            ca: self.smtp_ca.as_deref().map(|path| read("smtp-ca", path)).transpose()?,
        }))
    }
}

/// Refuses mail settings that do not go together.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let refused = |text: &str| Err(ConfigError::Together(text.to_owned()));
    let password = config.smtp_password.is_some() || config.smtp_password_file.is_some();
    let Some(host) = &config.smtp_host else {
        let lonely = [
            ("smtp-from", config.smtp_from.is_some()),
            ("smtp-user", config.smtp_user.is_some()),
            ("smtp-password", config.smtp_password.is_some()),
            ("smtp-password-file", config.smtp_password_file.is_some()),
            ("smtp-ca", config.smtp_ca.is_some()),
        ];
        return match lonely.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => refused(&format!("{name} is set, but smtp-host is not: name the mail server too")),
            None => Ok(()),
        };
    };
    if config.smtp_from.is_none() {
        return refused("smtp-host is set, but smtp-from is not: name the sender of the mails too");
    }
    if config.smtp_password.is_some() && config.smtp_password_file.is_some() {
        return refused("smtp-password and smtp-password-file are both set: keep one of them");
    }
    match (&config.smtp_user, password) {
        (None, true) => return refused("there is a password for the mail server, but no smtp-user: set it too"),
        (Some(_), false) => {
            return refused("smtp-user is set, but neither smtp-password nor smtp-password-file is: set one of them");
        }
        _ => {}
    }
    if config.smtp_tls == MailTls::None && !is_this_machine(host) {
        return refused(
            "smtp-tls none sends mails and the password unencrypted, so it is for a mail server on this machine only: \
             use starttls or tls, or insecure if the network to the mail server is yours alone",
        );
    }
    Ok(())
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn first_line(setting: &str, path: &Path) -> Result<Secret, ConfigError> {
    let text = read(setting, path)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(unreadable(setting, path, "its first line should be the password, but is empty")),
    }
}

fn read(setting: &str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| unreadable(setting, path, &error.to_string()))
}

fn unreadable(setting: &str, path: &Path, reason: &str) -> ConfigError {
    ConfigError::File { path: format!("{setting}: {}", path.display()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::Flags;
    use super::*;

    fn load(given: &[(&'static str, &str)]) -> Result<Config, ConfigError> {
        Config::load_from(&Flags::of(given), None, |_| None)
    }

    const HOST: (&str, &str) = ("smtp-host", "mail.example.com");
    const FROM: (&str, &str) = ("smtp-from", "keys@example.com");

    #[test]
    fn settings_that_need_each_other() {
        for (given, want) in [
            (&[HOST][..], "smtp-from is not"),
            (&[FROM], "smtp-host is not"),
            (&[("smtp-password", "x")], "smtp-password is set, but smtp-host"),
            (&[HOST, FROM, ("smtp-password", "x")], "no smtp-user"),
            (&[HOST, FROM, ("smtp-password-file", "x")], "no smtp-user"),
            (&[HOST, FROM, ("smtp-user", "mia")], "neither smtp-password nor"),
            (&[HOST, FROM, ("smtp-password", "x"), ("smtp-password-file", "x")], "keep one"),
            (&[HOST, FROM, ("smtp-tls", "none")], "on this machine only"),
            (&[("smtp-host", "10.0.0.1"), FROM, ("smtp-tls", "none")], "on this machine only"),
        ] {
            let error = load(given).expect_err(want).to_string();
            assert!(error.contains(want), "{given:?}: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_its_setting() {
        for setting in ["smtp-password-file", "smtp-ca"] {
            let user = [("smtp-user", "mia"), ("smtp-password", "x")];
            let user = if setting == "smtp-ca" { &user[..] } else { &user[..1] };
            let config = load(&[&[HOST, FROM, (setting, "/nowhere/file")], user].concat()).expect("loads");
            let error = config.smtp().expect_err("no file").to_string();
            assert!(error.starts_with(&format!("{setting}: /nowhere/file: ")), "{error}");
        }
        let error = Config::load_from(&Flags::default(), Some(Path::new("/nowhere/k.toml")), |_| None);
        let error = error.expect_err("no file").to_string();
        assert!(error.starts_with("the settings file of --config, /nowhere/k.toml: "), "{error}");
    }

    #[test]
    fn the_port_goes_by_the_mode() {
        assert!(load(&[]).expect("fits").smtp().expect("reads").is_none());
        for (host, mode, port, want) in [
            ("mail.example.com", "starttls", "0", 587),
            ("mail.example.com", "tls", "0", 465),
            ("mail.example.com", "insecure", "0", 25),
            ("localhost", "none", "0", 25),
            ("127.0.0.1", "none", "0", 25),
            ("::1", "none", "0", 25),
            ("mail.example.com", "tls", "2465", 2465),
        ] {
            let given = [("smtp-host", host), FROM, ("smtp-tls", mode), ("smtp-port", port)];
            let smtp = load(&given).expect("fits").smtp().expect("reads").expect("a mail server");
            assert_eq!((smtp.port, smtp.login), (want, None), "{given:?}");
        }
    }

    #[test]
    fn a_password_comes_from_a_file_and_is_shown_nowhere() {
        let dir = tempfile::tempdir().expect("folder");
        let file = dir.path().join("password");
        let path = file.to_str().expect("UTF-8").to_owned();
        let login = |given: &[(&'static str, &str)]| {
            let config = load(given).expect("fits");
            assert!(!format!("{config:?}").contains("hunter2"), "Debug of all settings");
            assert!(config.list().all(|(_, given)| !given.text.contains("hunter2")), "config show");
            let smtp = config.smtp()?.expect("a mail server");
            assert!(!format!("{smtp:?}").contains("hunter2"), "Debug of the mail server");
            Ok::<_, ConfigError>(smtp.login.expect("a login").1.reveal().to_owned())
        };
        let by_file = [HOST, FROM, ("smtp-user", "mia"), ("smtp-password-file", path.as_str())];
        assert!(login(&by_file).expect_err("no file").to_string().contains("password"));
        for (text, want) in [("hunter2\n", Some("hunter2")), (" hunter2 \r\nx", Some(" hunter2 ")), ("\nx", None)] {
            std::fs::write(&file, text).expect("writes");
            assert_eq!(login(&by_file).ok().as_deref(), want, "{text:?}");
        }
        let given = [HOST, FROM, ("smtp-user", "mia"), ("smtp-password", "hunter2")];
        assert_eq!(login(&given).expect("reads"), "hunter2");
        assert!(!format!("{:?}", Flags::of(&given)).contains("hunter2"), "Debug of the flags");
    }

    #[test]
    fn a_broken_file_does_not_show_a_password() {
        let dir = tempfile::tempdir().expect("folder");
        let file = dir.path().join("keystead.toml");
        for text in ["smtp-password = \"hunter2", "smtp-password = hunter2", "smtp-password = { a = \"hunter2\" }"] {
            std::fs::write(&file, format!("readers = 3\n{text}\n")).expect("writes");
            let error = Config::load_from(&Flags::of(&[]), Some(&file), |_| None).expect_err("broken").to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains("line 2") || error.contains("smtp-password takes"), "{error}");
        }
    }
}
