//! Finds the URLs of KeyAuth's client API in a source text, and ours. Pure text work: replaces nothing, reads no file.

use std::ops::Range;

/// KeyAuth's domains, and those that stand in front of its API under a name of their own.
const DOMAINS: &[&str] = &["keyauth.win", "keyauth.cc", "keyauth.com", "keyauth.uk"];

/// Hosts that are the API when a text holds nothing but them. keyauth.cc is left out: alone it is the website.
const API_HOSTS: &[&str] = &["keyauth.win", "prod.keyauth.com", "keyauth.com", "api-worker.keyauth.win", "keyauth.uk"];

/// The address of a server as a client's source needs it: scheme, host, perhaps a port and a path, no slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base(String);

impl Base {
    /// Reads one. It must be harmless inside a text literal of any language.
    pub(super) fn parse(text: &str) -> Result<Base, String> {
        let text = text.trim().trim_end_matches('/');
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]".contains(&b));
        let Some(rest) = rest.filter(|rest| plain && rest.starts_with(|c: char| c.is_alphanumeric() || c == '['))
        else {
            return Err(format!("{text:?} is no address of a server; give one like https://auth.example.com"));
        };
        if rest.contains("/api/") || rest.ends_with("/api") {
            return Err(format!(
                "{text} has the API's path; leave out /api and what follows, the client has that itself"
            ));
        }
        let base = Base(text.to_owned());
        if is_keyauth(base.host()) {
            return Err(format!("{text} is KeyAuth's own server; give the address of yours"));
        }
        Ok(base)
    }

    /// As a source spells it, which may escape its slashes.
    pub(super) fn spelled(&self, escaped: bool) -> String {
        if escaped { self.0.replace('/', "\\/") } else { self.0.clone() }
    }

    /// Whether clients reach it by TLS.
    pub(super) fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    fn authority(&self) -> &str {
        self.0.split('/').nth(2).unwrap_or_default()
    }

    /// Its host, without port and brackets.
    pub(super) fn host(&self) -> &str {
        match self.authority().strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => self.authority().split(':').next().unwrap_or_default(),
        }
    }

    /// The port it names.
    pub(super) fn port(&self) -> Option<&str> {
        let authority = self.authority();
        authority.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()))
    }

    /// Whether only this machine can reach it.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

/// What a found address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The client API, with the version its path names.
    Api(Option<String>),
    /// The seller API.
    Seller,
    /// An API older than 1.0.
    Older,
    /// A text with KeyAuth's website and nothing else: it may be a link, and it may be put before `/api/…`.
    Bare,
    /// A host on its own, without a scheme: it is put together with the rest somewhere else.
    Host,
}

/// An address in a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where its scheme, host and port are: what is exchanged.
    pub(super) origin: Range<usize>,
    /// Whether its slashes are escaped: `https:\/\/`.
    pub(super) escaped: bool,
    /// Whether it is the new one already.
    pub(super) ours: bool,
    /// What it is.
    pub(super) role: Role,
}

/// All addresses of the API in the text. Links to documentation, downloads or the dashboard are none.
pub(super) fn find(source: &[u8], base: &Base) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let here = url_at(source, at, base).or_else(|| host_at(source, at));
        at = here.as_ref().map_or(at + 1, |url| url.origin.end);
        found.extend(here);
    }
    found
}

/// Where a URL has the client API's path, but neither KeyAuth's host nor ours, and its scheme and host.
pub(super) fn foreign(source: &[u8], base: &Base) -> Vec<(usize, String)> {
    let other = |start| {
        let (_, host) = host_of(source, start)?;
        let end = past_port(source, host_end(source, host));
        let path = end + slash(source, end)?;
        let version = path + 3 + slash(source, path + 3)?;
        let api = end > host && starts(source, path, "api") && version_at(source, version).is_some();
        let known = url_at(source, start, base).is_some();
        (api && !known).then(|| (start, String::from_utf8_lossy(&source[start..end]).into_owned()))
    };
    (0..source.len()).filter_map(other).collect()
}

/// Whether the slashes of the URL that begins here are escaped, and where its host begins.
fn host_of(source: &[u8], start: usize) -> Option<(bool, usize)> {
    let scheme = ["https:", "http:"].into_iter().find(|scheme| starts(source, start, scheme))?;
    if start > 0 && source[start - 1].is_ascii_alphanumeric() {
        return None;
    }
    let slashes = start + scheme.len();
    match slash(source, slashes)? {
        1 if source.get(slashes + 1) == Some(&b'/') => Some((false, slashes + 2)),
        2 if slash(source, slashes + 2) == Some(2) => Some((true, slashes + 4)),
        _ => None,
    }
}

fn host_end(source: &[u8], host: usize) -> usize {
    host + source[host..].iter().take_while(|b| b.is_ascii_alphanumeric() || b"-.".contains(b)).count()
}

fn url_at(source: &[u8], start: usize, base: &Base) -> Option<Found> {
    let (escaped, host) = host_of(source, start)?;
    let own = base.spelled(escaped);
    let after = source.get(start + own.len()).copied();
    let ours = source[start..].starts_with(own.as_bytes())
        && after.is_none_or(|b| !b.is_ascii_alphanumeric() && !b"-.:".contains(&b));
    let (name, end) = if ours {
        (base.host().to_owned(), start + own.len())
    } else {
        let end = host_end(source, host);
        (String::from_utf8_lossy(&source[host..end]).to_ascii_lowercase(), past_port(source, end))
    };
    if !ours && !is_keyauth(&name) {
        return None;
    }
    let opened = start.checked_sub(1).map(|before| source[before]).filter(|b| is_quote(*b));
    let role = role(source, end, opened, ours || API_HOSTS.contains(&name.as_str()))?;
    Some(Found { origin: start..end, escaped, ours, role })
}

/// What follows the host decides.
fn role(source: &[u8], host_end: usize, opened: Option<u8>, api_host: bool) -> Option<Role> {
    let ends = |at: usize| opened.is_some() && source.get(at).copied() == opened;
    let after_slash = host_end + slash(source, host_end).unwrap_or(0);
    if ends(after_slash) {
        return Some(if api_host { Role::Api(None) } else { Role::Bare });
    }
    if !starts(source, after_slash, "api") || after_slash == host_end {
        return None;
    }
    let path = after_slash + 3;
    if ends(path) {
        return Some(Role::Api(None));
    }
    let path = path + slash(source, path)?;
    if let Some(version) = version_at(source, path) {
        return Some(Role::Api(Some(version)));
    }
    match source.get(path)? {
        // A place holder, or the end of the literal: the version is put there when it runs.
        b'{' | b'$' | b'%' | b'#' | b'"' | b'\'' | b'`' => Some(Role::Api(None)),
        _ if starts(source, path, "seller") => Some(Role::Seller),
        b'v' | b'V' if source.get(path + 1).is_some_and(u8::is_ascii_digit) => Some(Role::Older),
        _ => None,
    }
}

/// `"keyauth.win"` or `keyauth.win/api/1.2/` without a scheme.
fn host_at(source: &[u8], start: usize) -> Option<Found> {
    let name = API_HOSTS.iter().find(|name| starts(source, start, name))?;
    let before = *source.get(start.checked_sub(1)?)?;
    let end = start + name.len();
    let quoted = is_quote(before) && source.get(end) == Some(&before);
    let path = slash(source, end).is_some_and(|width| starts(source, end + width, "api"));
    let alone = quoted || (path && !before.is_ascii_alphanumeric() && !b"-./\\".contains(&before));
    alone.then_some(Found { origin: start..end, escaped: false, ours: false, role: Role::Host })
}

fn version_at(source: &[u8], at: usize) -> Option<String> {
    if !starts(source, at, "1.") {
        return None;
    }
    let digits: String = source[at + 2..].iter().take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
    (!digits.is_empty()).then(|| format!("1.{digits}"))
}

/// How long the slash here is: one byte, or two when it is escaped.
fn slash(source: &[u8], at: usize) -> Option<usize> {
    match source.get(at)? {
        b'/' => Some(1),
        b'\\' if source.get(at + 1) == Some(&b'/') => Some(2),
        _ => None,
    }
}

fn past_port(source: &[u8], at: usize) -> usize {
    let digits = source.get(at + 1..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    if source.get(at) == Some(&b':') && digits > 0 { at + 1 + digits } else { at }
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

fn is_keyauth(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    DOMAINS.iter().any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

fn starts(source: &[u8], at: usize, with: &str) -> bool {
    source.get(at..at + with.len()).is_some_and(|piece| piece.eq_ignore_ascii_case(with.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base::parse("https://auth.example.com").expect("a base")
    }

    fn roles(source: &str) -> Vec<(String, Role)> {
        let found = find(source.as_bytes(), &base());
        found.into_iter().map(|f| (source[f.origin].to_owned(), f.role)).collect()
    }

    fn api(origin: &str, version: &str) -> Vec<(String, Role)> {
        let version = (!version.is_empty()).then(|| version.to_owned());
        vec![(origin.to_owned(), Role::Api(version))]
    }

    #[test]
    fn every_host_and_spelling_of_the_api() {
        for (source, origin, version) in [
            ("url = \"https://keyauth.win/api/1.3/\"", "https://keyauth.win", "1.3"),
            ("x('https://keyauth.cc/api/1.2/?type=init')", "https://keyauth.cc", "1.2"),
            ("`https://prod.keyauth.com/api/1.0/`", "https://prod.keyauth.com", "1.0"),
            ("https://api-worker.keyauth.win/api/1.1", "https://api-worker.keyauth.win", "1.1"),
            ("HTTP://KeyAuth.WIN:443/API/1.12/", "HTTP://KeyAuth.WIN:443", "1.12"),
            (r#""https:\/\/keyauth.win\/api\/1.2\/""#, r"https:\/\/keyauth.win", "1.2"),
            ("# see https://keyauth.uk/api/1.3/", "https://keyauth.uk", "1.3"),
            ("base = \"https://keyauth.win\"", "https://keyauth.win", ""),
            ("base = 'https://keyauth.com/'", "https://keyauth.com", ""),
            ("base = \"https://keyauth.win/api\"", "https://keyauth.win", ""),
            ("base = \"https://keyauth.win/api/\" + version", "https://keyauth.win", ""),
            ("$\"https://keyauth.cc/api/{version}/\"", "https://keyauth.cc", ""),
        ] {
            assert_eq!(roles(source), api(origin, version), "{source}");
        }
    }

    #[test]
    fn what_is_no_client_api_is_not_taken_for_one() {
        for source in [
            "// https://keyauth.cc/app/",
            "https://docs.keyauth.cc/api/init",
            "https://github.com/KeyAuth/KeyAuth-CPP-Example",
            "https://keyauth.win.example.com/api/1.2/",
            "https://mykeyauth.win/api/1.2/",
            "xhttps://keyauth.win/api/1.2/",
            "https://keyauth.win/files/api/1.2/",
            "https://keyauth.winter/api/1.2/",
            "https:/keyauth.win/api/1.2/",
            "https://keyauth.win",
            "\"https://keyauth.win'",
            "https://keyauth.win/api",
        ] {
            assert_eq!(roles(source), [], "{source}");
        }
        assert_eq!(roles("https://keyauth.win/api/seller/?x")[0].1, Role::Seller);
        assert_eq!(roles("https://keyauth.com/api/v7/")[0].1, Role::Older);
        assert_eq!(roles("open(\"https://keyauth.cc\")")[0].1, Role::Bare);
        assert_eq!(roles("connect(\"keyauth.win\", 443)")[0].1, Role::Host);
        assert_eq!(roles("url = \"keyauth.win/api/1.2/\"")[0].1, Role::Host);
        assert_eq!(roles("see keyauth.win for more"), []);
    }

    #[test]
    fn ours_is_known_again_in_both_spellings() {
        for source in ["\"https://auth.example.com/api/1.3/\"", r#""https:\/\/auth.example.com\/api\/1.3\/""#] {
            let found = find(source.as_bytes(), &base());
            assert_eq!((found.len(), found[0].ours, &found[0].role), (1, true, &Role::Api(Some("1.3".to_owned()))));
        }
        assert_eq!(find(b"'https://auth.example.community/api/1.3/'", &base()), []);
    }

    #[test]
    fn the_api_of_another_host_is_named() {
        let other = |source: &str| foreign(source.as_bytes(), &base());
        assert_eq!(other("x = 'https://a.example:8/api/1.3/'"), [(5, "https://a.example:8".to_owned())]);
        assert_eq!(other(r#""http:\/\/a.example\/api\/1.2\/""#), [(1, r"http:\/\/a.example".to_owned())]);
        for source in [
            "'https://keyauth.win/api/1.3/'",
            "'https://auth.example.com/api/1.3/'",
            "'https://a.example/api/v2/'",
            "'https:///api/1.2/'",
            "'https://a.example/1.3/'",
        ] {
            assert_eq!(other(source), [], "{source}");
        }
    }

    #[test]
    fn bases_are_plain() {
        for good in ["https://a.example", "http://127.0.0.1:8080/", "https://[::1]:8443", "https://a.example/keys"] {
            assert!(Base::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "a.example",
            "ftp://a",
            "https://",
            "https:///x",
            "https://a'b",
            "https://a\"",
            "https://{x}",
            "https://a?b",
        ] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
        assert!(Base::parse("https://a.example/api/1.2/").expect_err("a path").contains("leave out"));
        assert!(Base::parse("https://keyauth.win").expect_err("theirs").contains("KeyAuth's own"));
        let v6 = Base::parse("https://[::1]:8443").expect("a base");
        assert_eq!((v6.host(), v6.port(), v6.is_loopback()), ("::1", Some("8443"), true));
        assert_eq!((base().host(), base().port(), base().is_loopback()), ("auth.example.com", None, false));
    }
}
