//! The tokens of a document: each once, given out with licenses that are there.

use std::collections::HashMap;

use crate::domain::license::MAX_NOTE;
use crate::domain::token::MAX_HASH;
use crate::model::ids::{TokenId, fold};
use crate::store::tokens::Token;

use super::super::{OrText, Token as Given};
use super::{Context, Findings};

/// The longest token, in bytes. Ours have 32.
const MAX_TOKEN: usize = 64;

/// The tokens, each with the place of its license in [`super::Checked::licenses`].
pub(super) fn check(
    given: Vec<OrText<Given>>,
    context: &Context<'_>,
    licenses: &HashMap<String, usize>,
    found: &mut Findings,
) -> Vec<(Token, Option<usize>)> {
    let mut seen = HashMap::new();
    let mut tokens = Vec::with_capacity(given.len());
    for (i, OrText(given)) in given.into_iter().enumerate() {
        let path = format!("tokens[{i}]");
        let text = &given.token;
        let fits = !text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(|b| b.is_ascii_graphic());
        found.expect(
            fits,
            format_args!("{path}.token"),
            format_args!("takes 1 to {MAX_TOKEN} visible ASCII characters"),
        );
        if fits {
            found.unique(&mut seen, text.clone(), i, "tokens", ".token");
        }
        let license = given.key.as_ref().and_then(|key| licenses.get(&fold(key)).copied());
        if given.key.is_some() && license.is_none() {
            let text = "names a license that the document does not have; leave it out if the license was deleted";
            found.add(format_args!("{path}.key"), text);
        }
        found.opt_bytes(given.file_hash.as_ref(), MAX_HASH, format_args!("{path}.file_hash"));
        found.opt_bytes(given.note.as_ref(), MAX_NOTE, format_args!("{path}.note"));
        let banned = found.ban(given.banned, given.ban_reason.as_ref(), &path);
        let token = Token {
            id: TokenId(0),
            token: given.token,
            license: None,
            key: None,
            file_hash: given.file_hash.map(|hash| fold(&hash)),
            note: given.note,
            banned,
            ban_reason: given.ban_reason,
            created_at: found.time(given.created_at, format_args!("{path}.created_at")).unwrap_or(context.now),
        };
        tokens.push((token, license));
    }
    tokens
}
