//! Every per-app setting: its KeyAuth name, kind, default, limits and help, in one table. A new setting is one line
//! of it. Source: contract section 5 and the decisions of Appendix D. Reads and writes no database.

use std::borrow::Cow;

/// A text setting: nearly always its default.
pub type Text = Cow<'static, str>;

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `0` or `1`; `true`, `false`, `on`, `off`, `yes` and `no` are understood.
    Flag,
    /// A whole number within these bounds.
    Int(i64, i64),
    /// A text of at most so many bytes; may be empty.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A host name without port, kept in lower case, as it is compared; may be empty.
    Host,
    /// Origins of web pages, separated by blanks: together at most so many bytes; may be empty.
    Origins(usize),
    /// A text shown to the customer: at most so many bytes, never blank (some clients exit on an empty message).
    Message(usize),
}

/// One row of the table.
pub struct Setting {
    /// KeyAuth's name for it; the name used on the command line, in exports and in the store.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// One line for people.
    pub help: &'static str,
    read: fn(&Settings) -> String,
    write: fn(&mut Settings, &str),
}

/// Why a value was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No setting has this name.
    #[error("there is no setting {0:?}; `keystead app set --help` lists them all")]
    Unknown(String),
    /// The value does not fit the kind.
    #[error("{name} takes {expected}")]
    Unfit {
        /// The setting.
        name: &'static str,
        /// What it takes, in words.
        expected: String,
    },
}

impl Setting {
    /// Looks a setting up by its exact name.
    pub fn find(name: &str) -> Result<&'static Setting, SettingError> {
        TABLE.iter().find(|s| s.name == name).ok_or_else(|| SettingError::Unknown(name.to_owned()))
    }

    /// The value in its stored form, if the setting takes it.
    pub fn check(&self, value: &str) -> Result<String, SettingError> {
        let unfit = |expected: String| SettingError::Unfit { name: self.name, expected };
        match self.kind {
            Kind::Flag => match value.trim().to_ascii_lowercase().as_str() {
                "1" | "true" | "on" | "yes" => Ok("1".to_owned()),
                "0" | "false" | "off" | "no" => Ok("0".to_owned()),
                _ => Err(unfit("0 or 1".to_owned())),
            },
            Kind::Int(least, most) => match value.trim().parse::<i64>() {
                Ok(n) if (least..=most).contains(&n) => Ok(n.to_string()),
                _ => Err(unfit(format!("a whole number from {least} to {most}"))),
            },
            Kind::Word(words) => match words.iter().find(|word| **word == value.trim()) {
                Some(word) => Ok((*word).to_owned()),
                None => Err(unfit(format!("one of {}", words.join(", ")))),
            },
            Kind::Host => {
                let host = value.trim().to_ascii_lowercase();
                let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
                let is_v6 = host.starts_with('[') && host.ends_with(']');
                if host.len() <= 253 && (is_v6 || host.bytes().all(fits)) {
                    Ok(host)
                } else {
                    Err(unfit("a host name like login.example.com, without scheme, port or path".to_owned()))
                }
            }
            Kind::Origins(most) => {
                if value.len() <= most && value.split_whitespace().all(is_origin) {
                    Ok(value.trim().to_owned())
                } else {
                    Err(unfit("origins like https://example.com, without path, separated by blanks".to_owned()))
                }
            }
            Kind::Text(most) if value.len() > most || value.contains('\0') => {
                Err(unfit(format!("a text of at most {most} bytes")))
            }
            Kind::Message(most) if value.trim().is_empty() || value.len() > most || value.contains('\0') => {
                Err(unfit(format!("a text of 1 to {most} bytes that is not blank")))
            }
            Kind::Message(_) if value.trim() == "Initialized" => {
                Err(unfit("any text but Initialized, which clients take for the answer to init".to_owned()))
            }
            Kind::Text(_) | Kind::Message(_) => Ok(value.to_owned()),
        }
    }

    /// The value this setting has in `settings`, in its stored form.
    pub fn value(&self, settings: &Settings) -> String {
        (self.read)(settings)
    }

    /// The value of a new app.
    pub fn default(&self) -> String {
        self.value(&Settings::default())
    }
}

impl Settings {
    /// Takes over one stored row. Names and values that this version does not know are left aside: a newer
    /// version may have written them.
    pub fn load(&mut self, name: &str, stored: &str) {
        if let Ok(setting) = Setting::find(name)
            && let Ok(value) = setting.check(stored)
        {
            (setting.write)(self, &value);
        }
    }
}

/// Whether a text is a scheme, a host and perhaps a port, as browsers send it: anything else would never be matched.
fn is_origin(text: &str) -> bool {
    let is_of = |part: &str, others: &[u8]| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
    };
    let parts = text.strip_suffix('/').unwrap_or(text).split_once("://");
    parts.is_some_and(|(scheme, host)| is_of(scheme, b"+-.") && is_of(host, b".-_:[]"))
}

/// How a field's type reads and prints its stored form, which `check` has already accepted.
trait Stored {
    fn from_stored(text: &str) -> Self;
    fn to_stored(&self) -> String;
}

impl Stored for bool {
    fn from_stored(text: &str) -> bool {
        text == "1"
    }

    fn to_stored(&self) -> String {
        if *self { "1" } else { "0" }.to_owned()
    }
}

impl Stored for i64 {
    fn from_stored(text: &str) -> i64 {
        text.parse().unwrap_or_default()
    }

    fn to_stored(&self) -> String {
        self.to_string()
    }
}

impl Stored for Text {
    fn from_stored(text: &str) -> Text {
        Cow::Owned(text.to_owned())
    }

    fn to_stored(&self) -> String {
        self.clone().into_owned()
    }
}

macro_rules! settings {
    ($($field:ident: $type:ty = $default:expr, $name:literal, $kind:expr, $help:literal;)*) => {
        /// An app's settings, typed. A field's doc is the setting's help.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings { $(#[doc = $help] pub $field: $type,)* }

        impl Default for Settings {
            fn default() -> Settings { Settings { $($field: $default,)* } }
        }

        /// All settings, in the order in which they are listed.
        pub static TABLE: &[Setting] = &[$(Setting {
            name: $name,
            kind: $kind,
            help: $help,
            read: |settings| Stored::to_stored(&settings.$field),
            write: |settings, text| settings.$field = Stored::from_stored(text),
        },)*];
    };
}

const fn text(default: &'static str) -> Text {
    Cow::Borrowed(default)
}

use Kind::{Flag, Host, Int, Message, Origins, Text as Free, Word};

settings! {
    enabled: bool = true, "enabled", Flag, "0: init answers appdisabled; Authgate's and Wacht's calls are refused";
    paused: bool = false, "paused", Flag, "1: init answers pausedApp, Authgate's and Wacht's calls are refused, and running subscriptions stand still";
    banned: bool = false, "banned", Flag, "1: every call is refused (the operator shut this app)";
    version: Text = text("1.0"), "ver", Free(5), "the program version that init asks for";
    download: Text = text(""), "download", Free(120), "where the current program is; sent with invalidver";
    hash_check: bool = false, "hashcheck", Flag, "1: init asks for the hash of the program file";
    hash: Text = text(""), "hash", Free(2000), "accepted program hashes, MD5 in hex, written one after another; empty: the first one seen is kept";
    hwid_check: bool = true, "hwidcheck", Flag, "1: a user is bound to the device of the first login";
    force_hwid: bool = false, "forceHwid", Flag, "1: login and license need a hwid (PHP, React, Roblox and FiveM clients send none)";
    min_hwid: i64 = 0, "minHwid", Int(0, 2000), "the least bytes of a hwid that is sent";
    vpn_block: bool = false, "vpnblock", Flag, "1: init refuses addresses of the server's VPN list, unless the app allows them";
    session_seconds: i64 = 21_600, "session", Int(1, 604_800), "seconds that a session lives; it does not slide";
    force_encryption: bool = false, "forceEncryption", Flag, "1: a 1.2 init must send an enckey";
    token_system: bool = false, "tokensystem", Flag, "1: init of 1.2 and 1.3 asks for a token file and its hash; see `keystead token`";
    min_username_length: i64 = 1, "minUsernameLength", Int(0, 70), "the least bytes of a new username";
    block_leaked_passwords: bool = false, "blockLeakedPasswords", Flag, "1: register refuses passwords known from breaches";
    webhook: Text = text(""), "webhook", Free(2048), "Discord URL: what clients log is posted there too";
    format: Text = text("******-******-******-******-******-******"), "format", Free(70), "the license mask used when none is given";
    amount: i64 = 1, "amount", Int(1, 1_000_000), "licenses made when no count is given";
    level: Text = text("1"), "lvl", Free(12), "the license level used when none is given";
    note: Text = text(""), "note", Free(69), "the license note used when none is given";
    duration: i64 = 30, "duration", Int(0, 1_000_000), "the license duration used when none is given, in units";
    unit: i64 = 86_400, "unit", Int(1, 315_569_260), "seconds in one unit of duration; 315569260 is lifetime";
    cooldown: i64 = 604_800, "cooldown", Int(0, 315_569_260), "seconds between two device resets in the customer panel (kept for exchange)";
    cooldown_unit: i64 = 86_400, "cooldownUnit", Int(1, 315_569_260), "the unit in which cooldown is shown (kept for exchange)";
    panel_status: bool = true, "panelstatus", Flag, "1: the customer panel is open (kept for exchange)";
    custom_domain: Text = text(""), "customDomain", Free(253), "the customer panel's own domain (kept for exchange)";
    custom_domain_api: Text = text(""), "customDomainAPI", Free(253), "the API's own domain (kept for exchange; every domain is answered)";
    panel_icon: Text = text(""), "customerPanelIcon", Free(200), "the customer panel's icon (kept for exchange)";
    web_download: Text = text(""), "webdownload", Free(120), "the web loader's download link (kept for exchange)";
    kill_other_sessions: bool = false, "killOtherSessions", Flag, "1: a login ends the user's other sessions";
    seller_api_whitelist: Text = text(""), "sellerApiWhitelist", Free(49), "the one address that may use the seller key (kept for exchange)";
    seller_logs: bool = false, "sellerLogs", Flag, "1: seller calls are recorded (kept for exchange)";
    audit_log_webhook: Text = text(""), "auditLogWebhook", Free(2048), "URL for the audit log (kept for exchange)";

    keyauth: bool = true, "keyauth", Flag, "0: KeyAuth's clients are refused";
    authgate: bool = true, "authgate", Flag, "0: Authgate's clients are refused";
    authly: bool = true, "authly", Flag, "0: Authly's clients are refused";
    wacht: bool = true, "wacht", Flag, "0: Wacht's clients are refused";
    device_limit: i64 = 1, "deviceLimit", Int(1, 1000), "how many devices a user may have, where hwidcheck is 1";
    session_limit: i64 = 1, "sessionLimit", Int(1, 1000), "Authgate: how many session tokens a user may have at one time, where hwidcheck is 1";
    authgate_tokens: bool = true, "authgateTokens", Flag, "Authgate: 1: calls of a user are proven by a session token";
    authgate_legacy: bool = false, "authgateLegacy", Flag, "Authgate: 1: calls of a user may be proven by its password or license in the headers";
    authgate_anonymous: bool = false, "authgateAnonymous", Flag, "Authgate: 1: calls are answered without a user, with what is public";
    authly_hash: Text = text(""), "hashSha256", Free(6400), "Authly: accepted program hashes, SHA-256 in hex, written one after another; empty: see hash";
    authly_signed: bool = false, "authlySigned", Flag, "Authly: 1: answers are signed with the server's key (`keystead config public-key`)";
    authly_sets_variables: bool = false, "authlySetsVariables", Flag, "Authly: 1: users who are logged in may set the app's variables";
    wacht_host: Text = text(""), "wachtHost", Host, "Wacht: the host name at which this app is meant; one app for each";
    wacht_default: bool = false, "wachtDefault", Flag, "Wacht: 1: this app is meant where nothing else names one; setting it takes it from the others";
    wacht_sign_up: Text = text("open"), "wachtSignUp", Word(&["open", "invitation", "closed"]), "Wacht: who may sign up; an invitation is an unused license";
    wacht_staging: bool = false, "wachtStaging", Flag, "Wacht: 1: the session is also in a header and a query parameter, for development";
    wacht_origins: Text = text(""), "wachtOrigins", Origins(2048), "Wacht: web pages elsewhere on the same site that may call with the cookie, like `https://shop.example.com`, separated by blanks";

    logged_in: Text = text("Logged in!"), "loggedInMsg", Message(100), "login or registration done";
    username_taken: Text = text("Username Already Exists."), "usernametaken", Message(100), "the username exists";
    key_not_found: Text = text("Key Not Found."), "keynotfound", Message(100), "no such license";
    key_used: Text = text("Key Already Used."), "keyused", Message(100), "the license is used";
    key_banned: Text = text("Your license is banned."), "keybanned", Message(100), "the license is banned; {reason} is replaced";
    no_sub_level: Text = text("There is no subscription created for your key level. Contact appplicaton developer."), "nosublevel", Message(100), "no plan has the license's level";
    username_not_found: Text = text("Username not found."), "usernamenotfound", Message(100), "no such user";
    password_mismatch: Text = text("Password does not match."), "passmismatch", Message(100), "the password is wrong";
    user_banned: Text = text("The user is banned"), "userbanned", Message(100), "the user is banned; {reason} is replaced";
    no_active_subs: Text = text("No active subscriptions found."), "noactivesubs", Message(100), "nothing that the user holds is running";
    session_unauthed: Text = text("Session is not validated."), "sessionunauthed", Message(100), "nobody has logged in on this session";
    app_disabled: Text = text("This application is disabled"), "appdisabled", Message(100), "the app is not enabled";
    hwid_mismatch: Text = text("HWID doesn't match. Ask for a HWID reset"), "hwidmismatch", Message(100), "the user is bound to another device";
    hwid_blacked: Text = text("You've been blacklisted from our application"), "hwidblacked", Message(100), "the device or address is banned";
    paused_sub: Text = text("Your subscription is paused and can't be used right now"), "pausedsub", Message(100), "what the user holds is paused";
    vpn_blocked: Text = text("VPNs are blocked on this application"), "vpnblocked", Message(100), "the address is on the VPN list";
    hash_check_fail: Text = text("This program hash does not match, make sure you're using latest version"), "hashcheckfail", Message(100), "the program's hash is not accepted";
    token_invalid: Text = text("Token Invalid"), "tokeninvalid", Message(99), "the token file is unknown";
    paused_app: Text = text("Application is currently paused, please wait for the developer to say otherwise."), "pausedApp", Message(99), "the app is paused";
    username_too_short: Text = text("Username too short, try longer one."), "unTooShort", Message(99), "a new username has too few bytes";
    password_leaked: Text = text("This password has been leaked in a data breach (not from us), please use a different one."), "pwLeaked", Message(99), "the password is known from breaches";
    chat_hit_delay: Text = text("Chat slower, you've hit the delay limit"), "chatHitDelay", Message(99), "chat messages come too fast";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for (i, setting) in TABLE.iter().enumerate() {
            let default = setting.default();
            assert_eq!(setting.check(&default), Ok(default.clone()), "{}: its own default fits", setting.name);
            assert!(TABLE[..i].iter().all(|other| other.name != setting.name), "{} twice", setting.name);
            assert!(!setting.help.is_empty());
            let mut settings = Settings::default();
            settings.load(setting.name, &default);
            assert_eq!(settings, Settings::default(), "{}: loading the default changes nothing", setting.name);
        }
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        for (name, value) in [
            ("enabled", "2"),
            ("session", "604801"),
            ("session", "0"),
            ("ver", "1.0.00"),
            ("loggedInMsg", "  "),
            ("loggedInMsg", "Initialized"),
            ("minHwid", "-1"),
            ("wachtHost", "https://login.example.com"),
            ("wachtHost", "login.example.com:8080"),
            ("wachtSignUp", "Open"),
            ("wachtOrigins", "shop.example.com"),
            ("wachtOrigins", "https://shop.example.com/page"),
            ("wachtOrigins", "https://shop.example.com, https://example.com"),
            ("wachtOrigins", "https://shop.example.com *"),
        ] {
            assert!(Setting::find(name).expect(name).check(value).is_err(), "{name}={value}");
        }
        assert_eq!(
            Setting::find("wachtHost").expect("is there").check(" Login.Example.COM "),
            Ok("login.example.com".into())
        );
        assert!(Setting::find("Enabled").is_err(), "names are exact");
    }

    #[test]
    fn unknown_rows_are_left_aside() {
        let mut settings = Settings::default();
        settings.load("fromTheFuture", "1");
        settings.load("session", "soon");
        assert_eq!(settings, Settings::default());
    }
}
