//! How single values of the server's settings are read. Each reader answers what it takes when a text does not fit.
//! Knows no setting by name.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

/// How much may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// And what an operator should look at.
    Warn,
    /// And one line per request.
    Info,
    /// And connections.
    Debug,
    /// And everything else.
    Trace,
}

/// What log lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// How often one address may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time in which one request's share grows back.
    pub interval: Duration,
    /// How many requests may come at once.
    pub burst: u32,
}

/// How mail travels to the mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// It begins in the clear and must be encrypted before anything is sent.
    StartTls,
    /// Encrypted from the first byte.
    Tls,
    /// In the clear, to this machine only.
    None,
    /// In the clear, to wherever the mail server is.
    Insecure,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps this.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// What a field holds before its default has been read.
pub(super) trait Empty {
    /// Whether the setting may be given more than once.
    const MANY: bool = false;
    /// Whether its text is shown nowhere.
    const SECRET: bool = false;
    fn empty() -> Self;
}

macro_rules! empty {
    ($($type:ty = $value:expr;)*) => { $(impl Empty for $type { fn empty() -> $type { $value } })* };
}

empty! {
    PathBuf = PathBuf::new();
    SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0));
    Duration = Duration::ZERO;
    usize = 0;
    bool = false;
    Level = Level::Info;
    LogFormat = LogFormat::Auto;
    u16 = 0;
    MailTls = MailTls::StartTls;
    Option<String> = None;
    Option<PathBuf> = None;
    Option<SocketAddr> = None;
    Option<Rate> = None;
}

impl Empty for Option<Secret> {
    const SECRET: bool = true;

    fn empty() -> Option<Secret> {
        None
    }
}

impl<T> Empty for Vec<T> {
    const MANY: bool = true;

    fn empty() -> Vec<T> {
        Vec::new()
    }
}

pub(super) fn cores() -> String {
    std::thread::available_parallelism().map_or(1, usize::from).min(1024).to_string()
}

pub(super) fn database(text: &str) -> Result<PathBuf, String> {
    if text.contains("://") {
        Err("the path of a SQLite file; database URLs are not in this version".to_owned())
    } else if text.is_empty() || text.contains('\0') {
        Err("the path of a SQLite file".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address and a port, like 127.0.0.1:8080 or [::]:8080".to_owned())
}

pub(super) fn listen_maybe(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "an address and a port, like 127.0.0.1:9090, or nothing".to_owned())
}

pub(super) fn url(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>' | b'?' | b'#'));
    match host {
        Some(host) if plain && !host.is_empty() && !host.starts_with('/') => {
            Ok(Some(text.trim_end_matches('/').to_owned()))
        }
        _ => Err("a URL without query, like https://keys.example.com".to_owned()),
    }
}

pub(super) fn path(text: &str) -> Result<Option<PathBuf>, String> {
    if text.contains('\0') {
        return Err("the path of a file".to_owned());
    }
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

pub(super) fn host(text: &str) -> Result<Option<String>, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if text.is_empty() {
        Ok(None)
    } else if plain || text.parse::<IpAddr>().is_ok() {
        Ok(Some(text.to_owned()))
    } else {
        Err("the name or the address of a machine, without port or protocol, like mail.example.com".to_owned())
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a port from 1 to 65535, or 0 for the usual one".to_owned())
}

pub(super) fn mail_tls(text: &str) -> Result<MailTls, String> {
    match text.to_ascii_lowercase().as_str() {
        "starttls" => Ok(MailTls::StartTls),
        "tls" => Ok(MailTls::Tls),
        "none" => Ok(MailTls::None),
        "insecure" => Ok(MailTls::Insecure),
        _ => Err("starttls, tls, none or insecure".to_owned()),
    }
}

/// What stands before a `From:` is checked by who sends it; this only catches what can be no sender at all.
pub(super) fn sender(text: &str) -> Result<Option<String>, String> {
    let address = text.rsplit_once('<').map_or(text, |(_, rest)| rest.strip_suffix('>').unwrap_or(""));
    let whole = address.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty());
    if text.is_empty() {
        Ok(None)
    } else if whole && !text.chars().any(char::is_control) {
        Ok(Some(text.to_owned()))
    } else {
        Err("an address like keys@example.com, or \"Example Keys <keys@example.com>\"".to_owned())
    }
}

pub(super) fn text(text: &str) -> Result<Option<String>, String> {
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

pub(super) fn secret(text: &str) -> Result<Option<Secret>, String> {
    Ok((!text.is_empty()).then(|| Secret::new(text)))
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" => Ok(true),
        "0" | "false" | "off" | "no" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn level(text: &str) -> Result<Level, String> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Ok(Level::Off),
        "error" => Ok(Level::Error),
        "warn" => Ok(Level::Warn),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        "trace" => Ok(Level::Trace),
        _ => Err("off, error, warn, info, debug or trace".to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("auto, text or json".to_owned()),
    }
}

pub(super) fn count(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (least..=most).contains(&n) => Ok(n),
        _ => Err(format!("a whole number from {least} to {most}")),
    }
}

pub(super) fn size(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let (digits, unit) = split(text);
    let factor = match unit {
        "" | "B" => Some(1),
        "KiB" | "K" => Some(1 << 10),
        "MiB" | "M" => Some(1 << 20),
        "GiB" | "G" => Some(1 << 30),
        _ => None,
    };
    let bytes = factor.and_then(|factor| digits.parse::<usize>().ok()?.checked_mul(factor));
    bytes
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("a size from {least} to {most} bytes, like 512, 16KiB or 1MiB"))
}

pub(super) fn span(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let (digits, unit) = split(text);
    let thousandths: Option<u64> = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let span = thousandths.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit)).map(Duration::from_millis);
    span.filter(|span| (least..=most).contains(span)).ok_or_else(|| {
        let most = match most.as_secs() {
            seconds if seconds < 3600 => format!("{seconds} s"),
            seconds if seconds < 172_800 => format!("{} h", seconds / 3600),
            seconds => format!("{} d", seconds / 86_400),
        };
        format!("a time from {} ms to {most}, like 500ms, 10s or 1m", least.as_millis())
    })
}

pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |text: &str| {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.map(canonical)
    };
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items
        .map(|item| network(item).ok_or_else(|| "networks like 10.0.0.0/8 or fd00::/8, separated by commas".to_owned()))
        .collect()
}

/// An IPv4 network that is spelled as IPv6: clients come with IPv4 addresses.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}

/// The formats that a server can answer, by the names of their families.
pub(super) const FORMATS: [&str; 4] = ["keyauth", "authgate", "authly", "wacht"];

pub(super) fn formats(text: &str) -> Result<Vec<&'static str>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let known = |item: &str| FORMATS.into_iter().find(|known| *known == item);
    let found: Option<Vec<_>> = items.map(known).collect();
    found.filter(|found| !found.is_empty()).ok_or_else(|| format!("one or more of {}", FORMATS.join(", ")))
}

pub(super) fn rate(text: &str) -> Result<Option<Rate>, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let expected = || "off, or a rate like 200/s burst 2000 (per s, m or h)".to_owned();
    let mut words = text.split_ascii_whitespace();
    let (number, per) = words.next().and_then(|word| word.split_once('/')).ok_or_else(expected)?;
    let number = number.parse::<u32>().ok().filter(|n| (1..=1_000_000).contains(n)).ok_or_else(expected)?;
    let per = match per {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(expected()),
    };
    let burst = match (words.next(), words.next(), words.next()) {
        (None, _, _) => number,
        (Some("burst"), Some(burst), None) => burst.parse().map_err(|_| expected())?,
        _ => return Err(expected()),
    };
    if burst == 0 || burst > 10_000_000 {
        return Err(expected());
    }
    Ok(Some(Rate { interval: per / number, burst }))
}

/// The leading digits and what follows them.
fn split(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (digits, unit.trim_start())
}

/// How many single-letter edits lie between two names.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(size("16KiB", 1, 1 << 30), Ok(16384));
        assert_eq!(size("512", 1, 1 << 30), Ok(512));
        assert_eq!(span("500ms", Duration::ZERO, Duration::from_secs(9)), Ok(Duration::from_millis(500)));
        assert_eq!(span("31d", Duration::ZERO, Duration::MAX), Ok(Duration::from_secs(31 * 86_400)));
        assert_eq!(span("1m", Duration::ZERO, Duration::from_secs(90)), Ok(Duration::from_secs(60)));
        for bad in ["", "x", "-1", "1XB", "1.5MiB", "99999999999999999999", "18446744073709551615KiB"] {
            assert!(size(bad, 1, 1 << 30).is_err(), "{bad}");
        }
        for bad in ["", "10", "s", "-1s", "10 parsecs", "99999999999999999999s"] {
            assert!(span(bad, Duration::ZERO, Duration::MAX).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates() {
        let second = Duration::from_secs(1);
        assert_eq!(rate("off"), Ok(None));
        assert_eq!(rate("200/s burst 2000"), Ok(Some(Rate { interval: second / 200, burst: 2000 })));
        assert_eq!(rate("30/m"), Ok(Some(Rate { interval: second * 2, burst: 30 })));
        for bad in ["", "0/s", "200", "200/d", "200/s burst", "200/s burst 0", "200/s burst 5 6", "-1/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_lose_their_last_slash() {
        assert_eq!(url("https://k.example/"), Ok(Some("https://k.example".to_owned())));
        assert_eq!(url(""), Ok(None));
        for bad in ["k.example", "ftp://k", "http://", "http:///x", "http://a b", "http://a\"", "https://a?b"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mail_servers_and_senders() {
        for good in ["mail.example.com", "localhost", "10.0.0.1", "::1", "xn--bcher-kva.example"] {
            assert_eq!(host(good), Ok(Some(good.to_owned())));
        }
        for bad in ["smtp://mail.example.com", "mail.example.com:25", "a b", "[::1]", "a/b", "ü.example"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        for good in ["keys@example.com", "Example Keys <keys@example.com>", "\"Keys, Inc.\" <keys@example.com>"] {
            assert_eq!(sender(good), Ok(Some(good.to_owned())));
        }
        for bad in ["keys", "@example.com", "keys@", "Keys <>", "Keys <a@b", "a@b\r\nBcc: c@d"] {
            assert!(sender(bad).is_err(), "{bad}");
        }
        assert_eq!((host(""), sender(""), port("0")), (Ok(None), Ok(None), Ok(0)));
        assert!(port("65536").is_err() && port("x").is_err());
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("listen", "lissten"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
