//! Relays: addresses that clients reach through the server without seeing them (contract 4.15). What a client adds to
//! one leads no further than below it.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::model::ids::AppId;
use crate::model::session::Session;
use crate::store::relays::{self, Relay};
use crate::store::{self, Tx};

use super::target::{TargetError, Targets};
use super::{Refusal, Stop};

/// The longest id, in bytes.
pub const MAX_ID: usize = 10;
/// The longest URL, in bytes.
pub const MAX_URL: usize = 200;
/// The longest user agent, in bytes.
pub const MAX_USER_AGENT: usize = 49;
/// Who asks unless the relay says otherwise.
pub const USER_AGENT: &str = "KeyAuth";
/// The most that a client adds to an address, in bytes.
const MAX_PARAMS: usize = 4096;

/// What may stand in no URL as it is. A URL's reader would drop some of it instead of encoding it.
const BLANKS: &AsciiSet = &CONTROLS.add(b' ');

/// Why a relay was not added.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The id is blank or too long.
    #[error("a relay's id has 1 to {MAX_ID} bytes without blanks")]
    Id,
    /// The URL has the wrong form for what clients add to it.
    #[error("a relay's URL has at most {MAX_URL} bytes, without blanks and without #")]
    Url,
    /// The URL leads where nobody is asked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The user agent is no header's value.
    #[error("a relay's user agent has 1 to {MAX_USER_AGENT} visible ASCII characters")]
    UserAgent,
    /// There is one.
    #[error("there is a relay {0} already; delete it first, or choose another id")]
    Taken(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Adds a relay.
pub fn create(tx: &mut Tx<'_>, targets: &Targets, app: AppId, relay: &Relay) -> Result<(), RelayError> {
    check(targets, relay)?;
    if relays::insert(tx, app, relay)? { Ok(()) } else { Err(RelayError::Taken(relay.id.clone())) }
}

/// Whether an app may have this relay.
pub fn check(targets: &Targets, relay: &Relay) -> Result<(), RelayError> {
    let Relay { id, url, user_agent, .. } = relay;
    let has_blanks = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
    if id.is_empty() || id.len() > MAX_ID || has_blanks(id) {
        return Err(RelayError::Id);
    }
    if url.len() > MAX_URL || url.contains('#') || has_blanks(url) {
        return Err(RelayError::Url);
    }
    targets.check_url(url)?;
    let is_visible = user_agent.bytes().all(|byte| matches!(byte, b' '..=b'~')) && user_agent.trim() == user_agent;
    if user_agent.is_empty() || user_agent.len() > MAX_USER_AGENT || !is_visible {
        return Err(RelayError::UserAgent);
    }
    Ok(())
}

/// The relay of this id, for this session.
pub fn find(tx: &mut Tx<'_>, session: &Session, id: Option<&str>) -> Result<Relay, Stop> {
    let relay = match id {
        Some(id) => relays::find(tx, session.app, id)?,
        None => None,
    };
    let relay = relay.ok_or(Refusal::RelayNotFound)?;
    if relay.authenticated && session.user.is_none() {
        return Err(Refusal::SessionNotValidated.into());
    }
    Ok(relay)
}

/// The address to ask: the relay's, with what the client adds, which is encoded once more than the form that it came
/// in. Refused if that leads anywhere but below the relay's own: to another protocol, machine or port, or up to where
/// its path does not.
pub fn address(relay: &Relay, params: Option<&str>) -> Result<String, Refusal> {
    let params = params.unwrap_or_default();
    if params.len() > MAX_PARAMS {
        return Err(Refusal::RelayFailed);
    }
    let params = params.replace('+', " ");
    let params = percent_decode_str(&params).decode_utf8_lossy();
    let (Ok(own), Ok(joined)) =
        (Url::parse(&relay.url), Url::parse(&format!("{}{}", relay.url, utf8_percent_encode(&params, BLANKS))))
    else {
        return Err(Refusal::RelayFailed);
    };
    // Both are in their normal form, in which a URL begins with its scheme, its host and its port.
    if joined.as_str().starts_with(own.as_str()) { Ok(joined.into()) } else { Err(Refusal::RelayFailed) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relay(url: &str) -> Relay {
        Relay { id: "hook".to_owned(), url: url.to_owned(), user_agent: USER_AGENT.to_owned(), authenticated: false }
    }

    fn joined(url: &str, params: &str) -> Option<String> {
        address(&relay(url), Some(params)).ok()
    }

    #[test]
    fn what_a_client_adds_is_decoded_once_more_and_appended() {
        for (url, params, want) in [
            ("https://a.example/hook?key=1", "", "https://a.example/hook?key=1"),
            ("https://a.example/hook?key=1", "&user=mia", "https://a.example/hook?key=1&user=mia"),
            ("https://a.example/hook?key=1", "%26user%3Dmia", "https://a.example/hook?key=1&user=mia"),
            (
                "https://a.example/hook?key=1",
                "&a=b+c d%20e%2520f%2Bg",
                "https://a.example/hook?key=1&a=b%20c%20d%20e%20f+g",
            ),
            ("https://a.example/hook?key=1", "&a=\t\r\n ", "https://a.example/hook?key=1&a=%09%0D%0A%20"),
            ("https://a.example/hook?key=1", "&a=100%", "https://a.example/hook?key=1&a=100%"),
            ("https://a.example/hook?key=1", "&a=%zz\u{fc}%ff", "https://a.example/hook?key=1&a=%zz%C3%BC%EF%BF%BD"),
            ("https://a.example", "/x", "https://a.example/x"),
            ("https://a.example", "?x", "https://a.example/?x"),
            ("https://a.example", ":443/", "https://a.example/"),
            ("https://a.example", "\\@evil.test", "https://a.example/@evil.test"),
            ("https://A.example:443/x/", "y/./z", "https://a.example/x/y/z"),
        ] {
            assert_eq!(joined(url, params).as_deref(), Some(want), "{url} {params}");
        }
        assert_eq!(address(&relay("https://a.example/x"), None).as_deref(), Ok("https://a.example/x"));
        assert_eq!(address(&relay("https://a.example/"), Some(&"x".repeat(4096))).map(|url| url.len()), Ok(18 + 4096));
    }

    #[test]
    fn it_leads_nowhere_else() {
        for params in [
            ".evil.test/",
            "%2Eevil.test/",
            "@evil.test",
            "@evil.test/",
            "%40evil.test",
            ":81/",
            ":80@evil.test/",
            ":x@a.example/",
            ".",
            "x",
            "%00",
            "\u{ff0e}evil.test",
            "-",
            "%5B::1%5D",
            " .evil.test",
        ] {
            assert_eq!(joined("https://a.example", params), None, "{params}");
            assert_eq!(joined("http://127.0.0.1:80", params), None, "{params}");
        }
        for params in ["../x", "%2E%2E/x", "%252E%252E/x", "..\\x", "y/../../x", "y/%2e%2e/%2E%2e/"] {
            assert_eq!(joined("https://a.example/hook/", params), None, "{params}");
        }
        assert_eq!(joined("https://a.example/", &"x".repeat(4097)), None);
    }

    #[test]
    fn what_may_be_a_relay() {
        let targets = Targets::default();
        let is = |change: fn(&mut Relay)| {
            let mut relay = relay("https://a.example/hook?key=1");
            change(&mut relay);
            check(&targets, &relay)
        };
        assert!(is(|_| {}).is_ok());
        assert!(is(|relay| relay.id = "x".repeat(10)).is_ok());
        assert!(is(|relay| relay.user_agent = format!("{} x", "~".repeat(47))).is_ok());
        for id in ["", "a b", "a\n", "12345678901"] {
            assert!(matches!(
                check(&targets, &Relay { id: id.to_owned(), ..relay("https://a.example") }),
                Err(RelayError::Id)
            ));
        }
        for user_agent in ["", " x", "a\r\nb: c", "ü", &"x".repeat(50)] {
            let relay = Relay { user_agent: user_agent.to_owned(), ..relay("https://a.example") };
            assert!(matches!(check(&targets, &relay), Err(RelayError::UserAgent)), "{user_agent:?}");
        }
        for url in ["https://a.example/#x", "https://a.example/ x", &format!("https://a.example/{}", "x".repeat(183))] {
            assert!(matches!(check(&targets, &relay(url)), Err(RelayError::Url)), "{url}");
        }
        for url in ["", "a.example", "ftp://a.example", "http://127.0.0.1/", "http://mia:x@a.example/"] {
            assert!(matches!(check(&targets, &relay(url)), Err(RelayError::Target(_))), "{url}");
        }
        assert!(check(&targets, &relay(&format!("https://a.example/{}", "x".repeat(182)))).is_ok());
    }

    proptest! {
        #[test]
        fn no_params_change_the_origin(params in any::<String>(), tail in "[.@:/\\\\?#%a-z0-9\\[\\]]{0,12}") {
            for own in ["https://a.example", "http://127.0.0.1:81", "https://a.example/x/y", "https://a.example/x?k="] {
                for params in [&params, &tail, &format!("{tail}{params}")] {
                    if let Some(url) = joined(own, params) {
                        let (own, url) = (Url::parse(own).unwrap(), Url::parse(&url).unwrap());
                        prop_assert_eq!(own.origin(), url.origin());
                        prop_assert!(url.username().is_empty() && url.password().is_none());
                        prop_assert!(url.path().starts_with(own.path()));
                    }
                }
            }
        }
    }
}
