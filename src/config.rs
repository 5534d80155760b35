//! Every setting of the server: its name, what it takes, its default and its help, in one table. A new setting is one
//! entry of it; the flags, the `KEYSTEAD_` variables, the keys of the configuration file and `config show` are made
//! from the table. Opens no database and no socket; the rules for single values are in `config/value.rs`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

pub use self::flags::Flags;
pub use self::mail::Smtp;
pub use self::strangers::{Stranger, strangers};
pub use self::value::{Level, LogFormat, MailTls, Rate, Secret};

mod flags;
mod mail;
mod strangers;
mod value;

/// One row of the table.
pub struct Setting {
    /// Its name: the flag without its dashes, and the key in the configuration file.
    pub name: &'static str,
    /// What stands for its value in help texts.
    pub placeholder: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Whether it may be given more than once; the values are joined by commas.
    pub many: bool,
    /// Whether its value is shown nowhere.
    pub secret: bool,
    default: fn() -> String,
    read: fn(&mut Config, &str) -> Result<(), String>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The configuration file.
    File(PathBuf),
    /// Nobody chose it.
    Default,
}

/// The text a setting was given and by whom.
#[derive(Clone, Debug)]
pub struct Given {
    /// The value as it was written; of a secret only whether there is one.
    pub text: String,
    /// Who wrote it.
    pub source: Source,
}

/// Why the server does not start with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value does not fit its setting.
    #[error("{named} (from {origin}) takes {expected}, not {text:?}")]
    Unfit {
        /// The setting as its source spells it.
        named: String,
        /// The source, in words.
        origin: String,
        /// What it takes.
        expected: String,
        /// What was given.
        text: String,
    },
    /// The file has a key that is no setting.
    #[error("{path}: there is no setting {key:?}{nearest}; `keystead config show` lists them all")]
    UnknownKey {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// The nearest names, as a clause; empty if none is near.
        nearest: String,
    },
    /// The file has a value that no setting can have.
    #[error("{path}: {key} takes a text, a number, true or false, or a list of texts")]
    BadValue {
        /// The file.
        path: String,
        /// The key.
        key: String,
    },
    /// The file cannot be read, or is no TOML.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Together(String),
    /// A variable is not readable text.
    #[error("{0} (from the environment) is not valid UTF-8")]
    NotText(String),
}

macro_rules! settings {
    ($($field:ident: $type:ty = $default:expr, $name:literal, $placeholder:literal, $read:expr, $help:literal;)*) => {
        /// The server's settings, typed. A field's doc is the setting's help.
        #[derive(Clone, Debug)]
        pub struct Config {
            $(#[doc = $help] pub $field: $type,)*
            given: Vec<Given>,
        }

        impl Config {
            /// What every setting is when nobody chooses anything.
            fn unset() -> Config {
                // Each row's own default is read over these at once: they only give the fields a type's empty value.
                Config { $($field: <$type as value::Empty>::empty(),)* given: Vec::new() }
            }
        }

        /// All settings, in the order in which they are listed.
        pub static TABLE: &[Setting] = &[$(Setting {
            name: $name,
            placeholder: $placeholder,
            help: $help,
            many: <$type as value::Empty>::MANY,
            secret: <$type as value::Empty>::SECRET,
            default: || String::from($default),
            read: |config, text| {
                let read: fn(&str) -> Result<$type, String> = $read;
                config.$field = read(text)?;
                Ok(())
            },
        },)*];
    };
}

use self::value::{
    HIDDEN, cores, count, database, flag, formats, host, level, listen, listen_maybe, log_format, mail_tls, networks,
    path, port, rate, secret, sender, size, span, text, url,
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const MIB: usize = 1 << 20;

settings! {
    database: PathBuf = "keystead.db", "database", "FILE", database, "the database file";
    listen: SocketAddr = "127.0.0.1:8080", "listen", "ADDR", listen, "the address and port to answer on; port 0 picks a free one";
    metrics_listen: Option<SocketAddr> = "", "metrics-listen", "ADDR", listen_maybe, "the address and port of /livez, /readyz and /metrics, for the operator only; empty: none";
    public_url: Option<String> = "", "public-url", "URL", url, "the server's address as clients see it, for links in answers; empty: http://LISTEN";
    body_limit: usize = "1MiB", "body-limit", "SIZE", |t| size(t, 1024, 64 * MIB), "the largest request body";
    body_memory: usize = "32MiB", "body-memory", "SIZE", |t| size(t, 64 << 10, 64 << 30), "the memory for request bodies on their way, and as much again for what else requests take that are half here; at most half of each for one address; more are answered busy";
    header_limit: usize = "16KiB", "header-limit", "SIZE", |t| size(t, 8192, MIB), "the largest request line with its headers, of which there may be 100";
    header_timeout: Duration = "10s", "header-timeout", "TIME", |t| span(t, SECOND / 20, DAY), "how long the request line and headers may take to arrive";
    body_timeout: Duration = "15s", "body-timeout", "TIME", |t| span(t, SECOND / 20, DAY), "how long a body may take to arrive, and a client may take no byte of its answer; all of it may take a second more for each 8 KiB";
    idle_timeout: Duration = "75s", "idle-timeout", "TIME", |t| span(t, SECOND / 20, DAY), "how long a connection may stay open between two requests";
    max_connections: usize = "10000", "max-connections", "COUNT", |t| count(t, 1, 1_000_000), "connections at one time; more make those end that rest, or are answered 503";
    connections_per_address: usize = "0", "connections-per-address", "COUNT", |t| count(t, 0, 1_000_000), "connections at one time from one address that is no trusted proxy; more make those end that rest, or are answered 503; 0: an eighth of max-connections, at least 64; off with rate-limit";
    drain_timeout: Duration = "8s", "drain-timeout", "TIME", |t| span(t, Duration::ZERO, DAY), "how long running requests may take to finish when the server stops";
    lock_wait: Duration = "30s", "lock-wait", "TIME", |t| span(t, Duration::ZERO, DAY), "how long to wait for the server before to let go of the database, when it hands its listening socket on";
    hash_threads: usize = cores(), "hash-threads", "COUNT", |t| count(t, 1, 1024), "threads that hash passwords (default: one per core)";
    hash_queue: usize = "256", "hash-queue", "COUNT", |t| count(t, 1, 1_000_000), "passwords that may wait for a thread, at most half of them for one address; more are answered busy";
    readers: usize = "4", "readers", "COUNT", |t| count(t, 1, 256), "threads that read the database, each with its own connection";
    reader_queue: usize = "1024", "reader-queue", "COUNT", |t| count(t, 1, 1_000_000), "reading calls that may wait; more are answered busy";
    writer_queue: usize = "4096", "writer-queue", "COUNT", |t| count(t, 1, 1_000_000), "writing calls that may wait; more are answered busy";
    busy_timeout: Duration = "5s", "busy-timeout", "TIME", |t| span(t, Duration::ZERO, DAY), "how long to wait for another process that holds the database's write lock";
    session_cache: usize = "50000", "session-cache", "COUNT", |t| count(t, 1, 100_000_000), "sessions kept in memory";
    variable_cache: usize = "10000", "variable-cache", "COUNT", |t| count(t, 1, 10_000_000), "app variables kept in memory";
    app_cache: usize = "1000", "app-cache", "COUNT", |t| count(t, 1, 10_000_000), "apps kept in memory";
    rate_limit: Option<Rate> = "200/s burst 2000", "rate-limit", "RATE", rate, "requests per client address, like \"200/s burst 2000\"; off: no limit";
    user_rate_limit: Option<Rate> = "5/s burst 50", "user-rate-limit", "RATE", rate, "requests per user who is logged in, beyond what its address may ask: a flood from a shared address throws nobody out; off: none; off with rate-limit";
    guess_limit: Option<Rate> = "12/m burst 200", "guess-limit", "RATE", rate, "what strangers at one client address may get wrong (licenses, names, passwords), each counted once; off with rate-limit";
    app_guess_limit: Option<Rate> = "600/m burst 6000", "app-guess-limit", "RATE", rate, "the same for one app from all addresses together; an address from which a customer came in is let through, for a few";
    sign_up_limit: Option<Rate> = "120/h burst 300", "sign-up-limit", "RATE", rate, "new users per client address that bring no license; off with rate-limit";
    unvalidated_per_address: usize = "20000", "unvalidated-per-address", "COUNT", |t| count(t, 1, 1_000_000), "sessions on which nobody has logged in, kept for one app and client address; more push out the oldest: as many as rate-limit lets in within 90 s, so that a flood leaves its neighbours time to log in";
    unvalidated_per_app: usize = "100000", "unvalidated-per-app", "COUNT", |t| count(t, 1, 10_000_000), "the same for one app from all addresses together, and half of what is kept for all apps";
    trusted_proxy: Vec<IpNet> = "", "trusted-proxy", "CIDR", networks, "networks whose X-Forwarded-For is believed";
    allow_target: Vec<IpNet> = "", "allow-target", "CIDR", networks, "private networks that relays, files and webhooks may be fetched from; public addresses always are";
    fetch_timeout: Duration = "6s", "fetch-timeout", "TIME", |t| span(t, SECOND / 20, SECOND * 9), "how long a relay or a file may take; clients give up after 10 s";
    relay_limit: usize = "1MiB", "relay-limit", "SIZE", |t| size(t, 1024, 64 * MIB), "the longest answer of a relay";
    file_limit: usize = "32MiB", "file-limit", "SIZE", |t| size(t, 1024, 256 * MIB), "the largest file for clients; up to twelve times as much memory may be taken by files on their way";
    smtp_host: Option<String> = "", "smtp-host", "HOST", host, "the mail server; empty: no mail is sent";
    smtp_port: u16 = "0", "smtp-port", "PORT", port, "the mail server's port; 0: 587, with smtp-tls tls 465, without encryption 25";
    smtp_tls: MailTls = "starttls", "smtp-tls", "MODE", mail_tls, "starttls, tls, none (unencrypted, to this machine only) or insecure (unencrypted, to anywhere)";
    smtp_user: Option<String> = "", "smtp-user", "NAME", text, "the name to log in to the mail server with; empty: no login";
    smtp_password: Option<Secret> = "", "smtp-password", "TEXT", secret, "the password for it; as a flag everybody on the machine can see it: better the variable, or smtp-password-file";
    smtp_password_file: Option<PathBuf> = "", "smtp-password-file", "FILE", path, "a file with the password in its first line";
    smtp_from: Option<String> = "", "smtp-from", "ADDRESS", sender, "the sender of mails, like keys@example.com or \"Example Keys <keys@example.com>\"";
    smtp_ca: Option<PathBuf> = "", "smtp-ca", "FILE", path, "a PEM file with certificates to trust beside the machine's, for a private mail server";
    log_retention: Duration = "31d", "log-retention", "TIME", |t| span(t, SECOND, DAY * 3660), "how long what clients log is kept";
    log_limit: usize = "100000", "log-limit", "COUNT", |t| count(t, 1, 100_000_000), "lines kept of what the clients of one app log; more push out the oldest";
    backup_folder: Option<PathBuf> = "", "backup-folder", "DIR", path, "the folder that the server makes backups in, of this database only; empty: it makes none";
    backup_every: Duration = "24h", "backup-every", "TIME", |t| span(t, SECOND, DAY * 366), "how long after a backup the next one is made";
    backup_keep: usize = "14", "backup-keep", "COUNT", |t| count(t, 1, 100_000), "backups kept in that folder; when one more is made and verified, the oldest goes";
    vpn_list: Option<PathBuf> = "", "vpn-list", "FILE", path, "networks of VPN providers, one CIDR per line";
    leaked_passwords: Option<PathBuf> = "", "leaked-passwords", "FILE", path, "SHA-1 of passwords known from breaches, sorted, one per line";
    formats: Vec<&'static str> = value::FORMATS.join(","), "formats", "NAME", formats, "the formats that are answered: keyauth, authgate, authly, wacht";
    api_1_0: bool = "false", "api-1-0", "BOOL", flag, "whether KeyAuth's API 1.0 is served: its messages can be changed on the way unnoticed";
    vault_key: Option<PathBuf> = "", "vault-key", "FILE", path, "a file with 64 hex characters, the key that secrets in the database are sealed with; keep it elsewhere";
    ascii_only: bool = "true", "ascii-only", "BOOL", flag, "whether answers spell non-ASCII characters as \\uXXXX";
    log_level: Level = "info", "log-level", "LEVEL", level, "off, error, warn, info, debug or trace";
    log_format: LogFormat = "auto", "log-format", "FORMAT", log_format, "auto, text or json; auto is text on a terminal, else json";
}

impl Setting {
    /// The environment variable that sets it.
    pub fn env(&self) -> String {
        format!("KEYSTEAD_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Its value when nobody chooses one.
    pub fn default(&self) -> String {
        (self.default)()
    }
}

impl Config {
    /// Reads all sources. A flag counts more than the environment, which counts more than the file.
    pub fn load(flags: &Flags, file: Option<&Path>) -> Result<Config, ConfigError> {
        Config::load_from(flags, file, |name| std::env::var_os(name))
    }

    /// As [`Config::load`], with an environment of the caller's.
    pub fn load_from(
        flags: &Flags,
        file: Option<&Path>,
        env: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Config, ConfigError> {
        let in_file = file.map_or_else(|| Ok(Vec::new()), read_file)?;
        let mut config = Config::unset();
        for setting in TABLE {
            let from_env = match env(&setting.env()).map(std::ffi::OsString::into_string) {
                Some(Err(_)) => return Err(ConfigError::NotText(setting.env())),
                Some(Ok(text)) => Some(text),
                None => None,
            };
            let from_file = || in_file.iter().find(|(name, _)| *name == setting.name).map(|(_, text)| text.clone());
            let given = if let Some(text) = flags.value(setting.name) {
                Given { text: text.to_owned(), source: Source::Flag }
            } else if let Some(text) = from_env {
                Given { text, source: Source::Environment }
            } else if let (Some(text), Some(path)) = (from_file(), file) {
                Given { text, source: Source::File(path.to_owned()) }
            } else {
                Given { text: setting.default(), source: Source::Default }
            };
            (setting.read)(&mut config, given.text.trim()).map_err(|expected| unfit(setting, &given, expected))?;
            let text = if setting.secret && !given.text.is_empty() { HIDDEN.to_owned() } else { given.text };
            config.given.push(Given { text, source: given.source });
        }
        mail::check(&config)?;
        if config.body_memory / 2 < config.body_limit {
            let text = "body-memory takes at least twice body-limit: one address gets half of it";
            return Err(ConfigError::Together(text.to_owned()));
        }
        Ok(config)
    }

    /// Every setting with what it was given, in the order of the table.
    pub fn list(&self) -> impl Iterator<Item = (&'static Setting, &Given)> {
        TABLE.iter().zip(&self.given)
    }

    /// The start of links in answers, for a server that listens on `bound`; no slash at its end.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{bound}"))
    }
}

fn unfit(setting: &Setting, given: &Given, expected: String) -> ConfigError {
    let (named, origin) = match &given.source {
        Source::Flag => (format!("--{}", setting.name), "the command line".to_owned()),
        Source::Environment => (setting.env(), "the environment".to_owned()),
        Source::File(path) => (setting.name.to_owned(), path.display().to_string()),
        Source::Default => (setting.name.to_owned(), "the default".to_owned()),
    };
    let text = if setting.secret { HIDDEN.to_owned() } else { given.text.clone() };
    ConfigError::Unfit { named, origin, expected, text }
}

/// The file's settings as texts; refuses keys that are no settings.
fn read_file(path: &Path) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let shown = path.display().to_string();
    let broken = |reason: String| ConfigError::File { path: shown.clone(), reason };
    let text = std::fs::read_to_string(path).map_err(|e| ConfigError::File {
        path: format!("the settings file of --config, {shown}"),
        reason: e.to_string(),
    })?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| broken(place(&text, &error)))?;
    let mut found = Vec::new();
    for (key, value) in table {
        let Some(setting) = TABLE.iter().find(|setting| setting.name == key) else {
            // A heading makes a table of what follows it.
            let nearest = if value.is_table() {
                " (settings have no [headings])".to_owned()
            } else {
                near(&key, |setting| setting.name.to_owned())
            };
            return Err(ConfigError::UnknownKey { path: shown, nearest, key });
        };
        let text = as_text(&value).ok_or_else(|| ConfigError::BadValue { path: shown.clone(), key })?;
        found.push((setting.name, text));
    }
    Ok(found)
}

/// What is wrong with a file, and in which line. The error's own text shows the line, and a password may stand in it.
fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(n) => Some(n.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        toml::Value::Array(items) => {
            Some(items.iter().map(|item| item.as_str()).collect::<Option<Vec<_>>>()?.join(","))
        }
        _ => None,
    }
}

/// The settings whose names are nearest to `key`, spelled so, as a clause of a message.
fn near(key: &str, spell: impl Fn(&'static Setting) -> String) -> String {
    let key = key.to_ascii_lowercase().replace('_', "-");
    let mut near: Vec<_> =
        TABLE.iter().map(|s| (value::distance(&key, s.name), s)).filter(|(far, _)| *far <= 3).collect();
    near.sort_unstable_by_key(|(far, setting)| (*far, setting.name));
    let names: Vec<_> = near.into_iter().take(3).map(|(_, setting)| spell(setting)).collect();
    if names.is_empty() { String::new() } else { format!(" (did you mean {}?)", names.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: &[(&'static str, &str)], file: Option<&Path>, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load_from(&Flags::of(flags), file, |name| {
            env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn the_table_is_sound() {
        let config = load(&[], None, &[]).expect("defaults fit");
        assert_eq!(config.list().count(), TABLE.len());
        for (i, setting) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.name != setting.name), "{} twice", setting.name);
            assert!(
                setting.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                setting.name
            );
            assert!(!setting.help.is_empty() && !setting.placeholder.is_empty());
        }
        assert_eq!(config.header_limit, 16 << 10);
        let rate = config.rate_limit.expect("a limit");
        assert_eq!(rate.burst, 2000);
        // A neighbour of a flood has so long between its init and its login.
        let pushed_out_after = rate.interval * (config.unvalidated_per_address as u32 - rate.burst);
        assert!(pushed_out_after >= SECOND * 90, "{pushed_out_after:?}");
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
        let dir = tempfile::tempdir().expect("folder");
        let file = dir.path().join("keystead.toml");
        std::fs::write(
            &file,
            "listen = \"127.0.0.1:1\"\nreaders = 9\nascii-only = false\ntrusted-proxy = [\"10.0.0.0/8\", \"::1\"]\n",
        )
        .expect("write");
        let env = [("KEYSTEAD_LISTEN", "127.0.0.1:2"), ("KEYSTEAD_BODY_LIMIT", "2KiB")];
        let config = load(&[("listen", "127.0.0.1:3")], Some(&file), &env).expect("loads");
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.body_limit, 2048);
        assert_eq!(config.readers, 9);
        assert!(!config.ascii_only);
        assert_eq!(config.trusted_proxy.len(), 2);
        let source = |name| config.list().find(|(s, _)| s.name == name).map(|(_, g)| g.source.clone());
        assert_eq!(source("listen"), Some(Source::Flag));
        assert_eq!(source("body-limit"), Some(Source::Environment));
        assert_eq!(source("readers"), Some(Source::File(file)));
        assert_eq!(source("hash-queue"), Some(Source::Default));
    }

    #[test]
    fn the_formats_are_the_families() {
        let families = crate::wire::FAMILIES.iter().map(|family| family.name).filter(|name| *name != "pages");
        assert!(families.eq(value::FORMATS));
        let config = load(&[("formats", "wacht, keyauth")], None, &[]).expect("fits");
        assert_eq!(config.formats, ["wacht", "keyauth"]);
        assert!(load(&[("formats", "keyauth,gopher")], None, &[]).is_err());
        assert!(load(&[("formats", "")], None, &[]).is_err(), "a server that answers nothing");
    }

    #[test]
    fn nonsense_is_refused_with_its_source_and_what_would_fit() {
        let text = |error: Result<Config, ConfigError>| error.expect_err("refused").to_string();
        assert_eq!(
            text(load(&[("readers", "0")], None, &[])),
            "--readers (from the command line) takes a whole number from 1 to 256, not \"0\""
        );
        let from_env = text(load(&[], None, &[("KEYSTEAD_DATABASE", "postgres://localhost/x")]));
        assert!(from_env.starts_with("KEYSTEAD_DATABASE (from the environment)"), "{from_env}");
        assert!(from_env.contains("this version"), "{from_env}");
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_names() {
        let dir = tempfile::tempdir().expect("folder");
        let file = dir.path().join("k.toml");
        for (text, want) in [
            ("body_limit = 1", "did you mean body-limit"),
            ("lissten = 1", "did you mean listen"),
            ("quite-something-else = 1", "there is no setting \"quite-something-else\";"),
            ("[server]\nreaders = 1", "have no [headings]"),
            ("listen = { a = 1 }", "listen takes a text"),
            ("listen = ", "k.toml: "),
        ] {
            std::fs::write(&file, text).expect("write");
            let error = load(&[], Some(&file), &[]).expect_err(text).to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
