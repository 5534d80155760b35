//! Which family answers at which path. Built once from the list of families; knows no hyper.

use bytes::Bytes;

use crate::model::exchange::{HeaderValue, Note, Response};
use crate::wire::{Door, Family};

/// All paths of all families, and what is said where there is none.
pub(super) struct Routes {
    /// Sorted by path.
    paths: Vec<(&'static str, &'static Family, &'static Door)>,
    /// Those with `{}` or `{*}`, split around it.
    places: Vec<Place>,
    hello: Bytes,
    nothing: Bytes,
}

/// A path with a place for any segment, or for all that is left.
struct Place {
    before: &'static str,
    after: &'static str,
    takes_all: bool,
    family: &'static Family,
    door: &'static Door,
}

/// Who answers at a path.
#[derive(Clone, Copy)]
pub(super) enum Route<'a> {
    /// A family; the text is what stands at the path's place.
    Family(&'static Family, &'static Door, &'a str),
    /// The front door: says what this is.
    Hello,
    /// Nobody.
    Nothing,
}

impl Routes {
    /// The table of paths. Two families at one path is a bug of ours: the server does not start.
    pub(super) fn new(families: &[&'static Family], public_url: &str) -> Result<Routes, String> {
        let all = || families.iter().flat_map(|family| family.paths.iter().map(|(path, door)| (*path, *family, *door)));
        let mut paths: Vec<_> = all().collect();
        paths.sort_by_key(|(path, ..)| *path);
        if let Some(pair) = paths.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("two families answer at {}", pair[0].0));
        }
        let (paths, places): (Vec<_>, Vec<_>) = paths.into_iter().partition(|(path, ..)| !path.contains('{'));
        let place = |(path, family, door): (&'static str, _, _)| {
            let takes_all = path.ends_with("/{*}");
            let (before, after) = path.split_once(if takes_all { "{*}" } else { "{}" }).unwrap_or_default();
            Place { before, after, takes_all, family, door }
        };
        let address = |family: &&Family| Some(format!("{} {public_url}{}", family.name, family.base?));
        let addresses: Vec<_> = families.iter().filter_map(address).collect();
        let addresses = addresses.join(", ");
        let message = format!("There is nothing at this path. Addresses for clients: {addresses}");
        let message = serde_json::Value::from(message);
        let nothing = format!(r#"{{"success":false,"message":{message}}}"#);
        let hello = format!("This is Keystead, a license and login server. Addresses for clients: {addresses}\n");
        let mut places: Vec<_> = places.into_iter().map(place).collect();
        // What takes everything takes what is left.
        places.sort_by_key(|place| place.takes_all);
        Ok(Routes { paths, places, hello: hello.into(), nothing: nothing.into() })
    }

    /// Who answers a request for this path; `reads` is whether its method is GET or HEAD.
    pub(super) fn find<'a>(&self, path: &'a str, reads: bool) -> Route<'a> {
        let bare = path.strip_suffix('/').unwrap_or(path);
        if let Ok(at) = self.paths.binary_search_by_key(&bare, |(known, ..)| known) {
            return Route::Family(self.paths[at].1, self.paths[at].2, "");
        }
        let placed = self.places.iter().find_map(|place| {
            let text = if place.takes_all { path } else { bare };
            let text = text.strip_prefix(place.before)?.strip_suffix(place.after)?;
            let fits = place.takes_all || (!text.is_empty() && !text.contains('/'));
            fits.then_some((place, text))
        });
        match placed {
            Some((place, text)) => Route::Family(place.family, place.door, text),
            None if path == "/" && reads => Route::Hello,
            None => Route::Nothing,
        }
    }

    /// The answer at the front door.
    pub(super) fn hello(&self) -> Response {
        fixed(200, "text/plain; charset=utf-8", self.hello.clone(), "HELLO")
    }

    /// The answer where nobody else answers.
    pub(super) fn nothing(&self) -> Response {
        fixed(404, "application/json; charset=utf-8", self.nothing.clone(), "NO_SUCH_PATH")
    }
}

/// A browser may call from anywhere (contract 1.2 and 1.5).
pub(super) fn preflight() -> Response {
    Response {
        status: 204,
        headers: vec![
            ("access-control-allow-origin", HeaderValue::Fixed("*")),
            ("access-control-allow-methods", HeaderValue::Fixed("GET, POST")),
            ("access-control-allow-headers", HeaderValue::Fixed("*")),
            ("access-control-max-age", HeaderValue::Fixed("86400")),
        ],
        body: Bytes::new(),
        note: Note { app: None, call: "", outcome: "PREFLIGHT" },
    }
}

/// The answer to a request of which two readers may see different ends.
pub(super) fn unclear_length() -> Response {
    let body = r#"{"success":false,"message":"The request does not say clearly how long it is. Send Content-Length or Transfer-Encoding: chunked, and each once."}"#;
    fixed(400, "application/json; charset=utf-8", Bytes::from_static(body.as_bytes()), "UNCLEAR_LENGTH")
}

/// For a request that names two hosts: who stands between may have taken the other one.
pub(super) fn unclear_host() -> Response {
    let body = r#"{"success":false,"message":"The request names more than one host. Send the header Host once."}"#;
    fixed(400, "application/json; charset=utf-8", Bytes::from_static(body.as_bytes()), "UNCLEAR_HOST")
}

fn fixed(status: u16, kind: &'static str, body: Bytes, outcome: &'static str) -> Response {
    Response {
        status,
        headers: vec![
            ("content-type", HeaderValue::Fixed(kind)),
            ("access-control-allow-origin", HeaderValue::Fixed("*")),
        ],
        body,
        note: Note { app: None, call: "", outcome },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Answer, FAMILIES};

    fn never(_: &std::sync::Arc<crate::wire::Ctx>, _: crate::model::exchange::Request) -> Answer {
        Answer::Now(preflight())
    }

    static NEVER: Door = Door { answer: never, headers: &[], fault: |_, _| preflight() };
    static ONE: Family =
        Family { name: "one", base: Some("/b/1"), calls: Vec::new, paths: &[("/b/1", &NEVER), ("/a", &NEVER)] };
    static PLACES: Family =
        Family { name: "places", base: None, calls: Vec::new, paths: &[("/x/{}/sign-up", &NEVER), ("/x/{}", &NEVER)] };
    static REST: Family = Family {
        name: "rest",
        base: None,
        calls: Vec::new,
        paths: &[("/x/{*}", &NEVER), ("/x/a", &NEVER), ("/x/{}/b", &NEVER)],
    };
    static TWO: Family = Family { name: "two", base: None, calls: Vec::new, paths: &[("/a", &NEVER)] };

    #[test]
    fn a_path_is_found_with_and_without_one_slash_at_its_end() {
        let routes = Routes::new(&[&ONE], "http://x").expect("no clash");
        for (path, found) in [
            ("/a", true),
            ("/a/", true),
            ("/b/1/", true),
            ("/a//", false),
            ("/A", false),
            ("/b", false),
            ("", false),
            ("*", false),
        ] {
            assert_eq!(matches!(routes.find(path, true), Route::Family(..)), found, "{path}");
        }
        assert!(matches!(routes.find("/", true), Route::Hello));
        assert!(matches!(routes.find("/", false), Route::Nothing));
        assert!(matches!(routes.find("", true), Route::Nothing));
        assert!(String::from_utf8_lossy(&routes.nothing().body).contains("clients: one http://x/b/1\""));
    }

    #[test]
    fn a_place_is_one_segment_that_is_not_empty() {
        let routes = Routes::new(&[&PLACES], "").expect("no clash");
        for (path, found) in [
            ("/x/app-1/sign-up", Some("app-1")),
            ("/x/app-1/sign-up/", Some("app-1")),
            ("/x/sign-up", Some("sign-up")),
            ("/x/app", Some("app")),
            ("/x//sign-up", None),
            ("/x/a/b/sign-up", None),
            ("/x/", None),
            ("/x", None),
        ] {
            let place = match routes.find(path, true) {
                Route::Family(_, _, place) => Some(place),
                _ => None,
            };
            assert_eq!(place, found, "{path}");
        }
    }

    #[test]
    fn what_takes_everything_takes_what_is_left() {
        let routes = Routes::new(&[&REST], "").expect("no clash");
        for (path, found) in [
            ("/x/a", Some("")),
            ("/x/a/", Some("")),
            ("/x/c/b", Some("c")),
            ("/x/c", Some("c")),
            ("/x/c/d/e/", Some("c/d/e/")),
            ("/x/", Some("")),
            ("/x//b", Some("/b")),
            ("/x", None),
            ("/xy", None),
        ] {
            let place = match routes.find(path, true) {
                Route::Family(_, _, place) => Some(place),
                _ => None,
            };
            assert_eq!(place, found, "{path}");
        }
    }

    #[test]
    fn clashing_paths_are_refused() {
        assert!(Routes::new(&[&ONE, &TWO], "").is_err());
        assert!(Routes::new(FAMILIES, "").is_ok());
    }
}
