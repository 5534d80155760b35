//! How a browser's token travels: in a cookie, and for apps in staging mode also in a header and in the query (W40, W41).
//! Knows no database.

use crate::domain::browser::LIFE_SECONDS;
use crate::model::app::App;
use crate::model::browser::Browser;
use crate::model::exchange::Request;
use crate::wire::Ctx;

use super::{DEV_SESSION, query};

const NAME: &str = "__session";

/// The token that a request brings, if it has the shape of one. What stands in the query was put there on purpose.
pub(super) fn token(app: &App, request: &Request) -> Option<String> {
    let form = app.settings.wacht_staging.then(|| query(request));
    let in_query =
        form.as_ref().filter(|form| !form.repeats([DEV_SESSION].into_iter())).and_then(|f| f.text(DEV_SESSION));
    let token = in_query.or_else(|| request.cookie(NAME))?;
    let is_one = token.len() == 32 && token.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_one.then(|| token.to_owned())
}

/// The value of the `set-cookie` header. It lives as long as the browser is known at most.
pub(super) fn set(ctx: &Ctx, app: &App, request: &Request, browser: &Browser, token: &str) -> String {
    let path = match &*request.place {
        "" => "/".to_owned(),
        _ => format!("{}/wacht/{}", path(&ctx.public_url), app.uuid),
    };
    let left = (browser.created_at + LIFE_SECONDS) - request.now;
    let secure = if ctx.public_url.starts_with("https://") { "; Secure" } else { "" };
    format!("{NAME}={token}; Path={path}; Max-Age={left}; HttpOnly; SameSite=Lax{secure}")
}

/// The path of the server's own address, where a proxy serves it below one.
fn path(public_url: &str) -> &str {
    let host = public_url.find("://").map_or(0, |at| at + 3);
    public_url[host..].find('/').map_or("", |at| &public_url[host + at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_address() {
        for (url, found) in [
            ("http://127.0.0.1:8080", ""),
            ("https://example.com", ""),
            ("https://example.com/keys", "/keys"),
            ("https://[::1]:8080/a/b", "/a/b"),
        ] {
            assert_eq!(path(url), found, "{url}");
        }
    }
}
