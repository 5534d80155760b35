//! What `init` and `fetchStats` say about the app (contract 4.1, 4.8): five texts. Not a call.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::wire::reply::Json;

use super::Req;

/// What a path segment may hold unescaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The object; the numbers are those of users, of names that are logged in, and of licenses.
pub(super) fn object(req: &Req<'_>, [users, online, licenses]: [Cow<'static, str>; 3]) -> Json {
    let panel = format!(
        "{}/panel/{}/{}/",
        req.public_url,
        utf8_percent_encode(&req.app.owner, SEGMENT),
        utf8_percent_encode(&req.app.name, SEGMENT)
    );
    Json::Object(vec![
        ("numUsers", users.into()),
        ("numOnlineUsers", online.into()),
        ("numKeys", licenses.into()),
        ("version", Json::Text(req.app.settings.version.clone())),
        ("customerPanelLink", panel.into()),
    ])
}
