//! How an answer is signed where the app asks for it (contract 1.6): Ed25519 by the server's key over the time, what the
//! client calls its request, and the canonical body, in the headers of Authly's version 2. Nothing else of this family
//! signs.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::server_key::ServerKey;
use crate::model::app::App;
use crate::model::exchange::{HeaderValue, Request};
use crate::model::time::Time;
use crate::wire::Ctx;
use crate::wire::json::Object;
use crate::wire::reply::{Fields, Json};

/// The request headers that are looked at.
pub(super) const HEADERS: &[&str] =
    &["x-v2-request-id", "x-v2-nonce", "x-auth-request-id", "x-auth-nonce", "x-request-id"];

/// The response headers that a browser's program may read.
pub(super) const EXPOSED: &str =
    "x-v2-request-id, x-v2-nonce, x-v2-signature, x-v2-signature-ts, x-v2-signature-kid, retry-after";

/// The longest text that is repeated, in bytes. Clients send 32 or 36.
const MAX_REPEATED: usize = 128;

/// How much of the public key names it.
const KID: usize = 16;

/// What one answer is signed with.
pub(super) struct Seal {
    key: Arc<ServerKey>,
    request_id: Option<String>,
    nonce: Option<String>,
}

impl Seal {
    /// The seal of an answer to this request; none if the app is unknown, or wants none.
    pub(super) async fn new(ctx: &Ctx, app: Option<&App>, request: &Request, fields: Option<&Object>) -> Option<Seal> {
        app.filter(|app| app.settings.authly_signed)?;
        let Ctx { store, vault, clock, server_key, .. } = ctx;
        let key = match server_key.fresh(store) {
            Some(key) => key,
            // While the database cannot be asked, and for an address that asks too often, the key at hand will do.
            None if request.limited.is_some() => server_key.last()?,
            None => server_key.lookup(store, vault, clock).await.ok().or_else(|| server_key.last())?,
        };
        // `x-request-id` last: proxies put their own in its place, and clients send the same text in the body.
        let header = |name| request.header(name);
        let field = |name| fields.and_then(|fields| fields.text(name));
        let request_id = header("x-v2-request-id").or_else(|| header("x-auth-request-id"));
        let request_id = request_id.or_else(|| field("request_id")).or_else(|| header("x-request-id"));
        let nonce = header("x-v2-nonce").or_else(|| header("x-auth-nonce")).or_else(|| field("nonce"));
        Some(Seal { key, request_id: repeated(request_id), nonce: repeated(nonce) })
    }

    /// The headers that protect a body of exactly these bytes, sent at `now`.
    pub(super) fn close(self, body: &[u8], now: Time) -> Vec<(&'static str, HeaderValue)> {
        let time = now.0.saturating_mul(1_000).to_string();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let head = format!("{time}\n{}\n{}\n", text(&self.request_id), text(&self.nonce));
        let signature = STANDARD.encode(self.key.signature(&[head.as_bytes(), body]));
        let kid = self.key.public_key().get(..KID).unwrap_or_default().to_owned();
        let repeated = [("x-v2-request-id", self.request_id), ("x-v2-nonce", self.nonce)];
        let made = [("x-v2-signature", signature), ("x-v2-signature-ts", time), ("x-v2-signature-kid", kid)];
        let repeated = repeated.into_iter().filter_map(|(name, text)| Some((name, text?)));
        repeated.chain(made).map(|(name, text)| (name, HeaderValue::Made(text))).collect()
    }
}

/// A client's text, if it may stand in a header: not too long, visible ASCII. Otherwise the answer is signed as if there
/// were none.
fn repeated(text: Option<&str>) -> Option<String> {
    let fits = |text: &&str| text.len() <= MAX_REPEATED && text.bytes().all(|b| b.is_ascii_graphic());
    text.filter(fits).map(str::to_owned)
}

/// Puts the fields into the order of their names, all the way down: what clients verify is what they read, written again
/// in that order, without blanks, as UTF-8. Written so by us, it is also exactly what is sent.
pub(super) fn sort(fields: &mut Fields) {
    fields.sort_by_key(|(name, _)| *name);
    fields.iter_mut().for_each(|(_, value)| sort_value(value));
}

fn sort_value(value: &mut Json) {
    match value {
        Json::Object(fields) => sort(fields),
        Json::List(values) => values.iter_mut().for_each(sort_value),
        Json::Null | Json::Bool(_) | Json::Int(_) | Json::Text(_) | Json::Hex(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::reply::encode;

    #[test]
    fn names_are_sorted_all_the_way_down() {
        let mut fields: Fields = vec![
            ("success", true.into()),
            ("data", Json::Object(vec![("b", vec![Json::Object(vec![("z", 1.into()), ("y", 2.into())])].into())])),
            ("message", "x".into()),
        ];
        sort(&mut fields);
        let text = String::from_utf8(encode(&fields, false)).expect("UTF-8");
        assert_eq!(text, r#"{"data":{"b":[{"y":2,"z":1}]},"message":"x","success":true}"#);
    }

    #[test]
    fn what_is_repeated_may_stand_in_a_header() {
        assert_eq!(repeated(Some("abc-1")), Some("abc-1".to_owned()));
        for unfit in ["a b", "a\nb", "é", &"x".repeat(MAX_REPEATED + 1)] {
            assert_eq!(repeated(Some(unfit)), None, "{unfit}");
        }
    }
}
