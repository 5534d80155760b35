//! The text of `docs/api.md`, made from the tables of calls, versions, refusals and settings. Decides no fact: what is
//! written here by hand is how the versions seal, which a `match` without a wildcard keeps complete.

use std::collections::BTreeMap;
use std::fmt::Write;

use keystead::domain::Refusal;
use keystead::model::settings::{self, Kind, Setting};
use keystead::wire::keyauth::calls::{COMMON, Call, TABLE};
use keystead::wire::keyauth::versions::{self, Sealing, V1_2, Version};
use keystead::wire::keyauth::words_of;

use crate::page;

/// The page.
pub(crate) fn text() -> String {
    let mut out = String::from(HEAD);
    out.push_str("\n## Versions\n\n| Version | Adds | Its answers |\n|---|---|---|\n");
    for version in versions::ALL.iter().rev() {
        let _ = writeln!(out, "| {} | {} | {} |", version.name, added(version), sealed(version));
    }
    out.push_str(SEALS);
    out.push_str("\n## Calls\n\n");
    for call in TABLE {
        let _ = writeln!(out, "* [`{0}`](#{1}): {2}", call.name, call.name.to_lowercase(), call.help);
    }
    for call in TABLE {
        section(&mut out, call);
    }
    out.push_str(CODES);
    for (code, row) in codes() {
        let _ = writeln!(out, "| `{code}` | {} | {} |", row.texts.join(" · "), row.calls.join(", "));
    }
    out.push_str(FAULTS);
    out
}

const HEAD: &str = "# The client API

*Made from the tables of the code; `KEYSTEAD_RENEW_DOCS=1 cargo test --test docs` renews it.* What holds for every call
(where parameters may be, the order of checks, headers) is in
[the protocol as served](../src/wire/keyauth/README.md); every answer byte for byte is in
[the vectors](../tests/vectors/README.md).

A call is a form posted to `/api/VERSION/`, or (not in 1.0) a GET with the same in its query. Every call takes `type`,
`name` and `ownerid`, every call but `init` also `sessionid`. A refusal is HTTP 200 with `\"success\":false`, a `message`
for the customer and a stable `error` for programs:

    {\"success\":false,\"message\":\"Key Not Found.\",\"error\":\"LICENSE_NOT_FOUND\"}
";

const SEALS: &str = "
1.3: `x-signature-timestamp` is the second of sending, `x-signature-ed25519` the Ed25519 signature over these digits and
the body, 128 hex characters. The key pair is the server's own; `keystead config public-key` shows the public half, which
clients are built with. Every answer is signed, refusals and bare texts too, and says `code` (68: success, 0: refused)
after `success` and the `ownerid` it was asked with at its end.

1.2: `signature` is HMAC-SHA256 over the body, 64 hex characters. The key is the app's secret at `init`, then
`ENCKEY-SECRET`, where ENCKEY is what the client sent at `init`; who sends none gets the text `No encryption key supplied`
instead. Without an app or a session there is no key, and no header.

1.1: nothing is signed. There is no `nonce` and no `newSession`.

1.0: as 1.1, in an envelope of AES-256-CBC without integrity, so it is off unless the server runs with
`--api-1-0 true`. The README of the vectors says which values are enciphered with what.
";

const CODES: &str = "
## Codes

Texts are the defaults; where a setting is named, it replaces the text. *All* means every call of every app.

| `error` | `message` | Refused by |
|---|---|---|
";

const FAULTS: &str = "
Beside these, when the server itself is in trouble or the request is none: `BODY_TOO_LARGE` (HTTP 413), `BODY_TIMEOUT`
(408), `BODY_BROKEN` (400), `UNAVAILABLE` (503, with `retry-after`), `INTERNAL` (500).
";

fn added(version: &Version) -> String {
    let calls = TABLE.iter().filter(|call| call.since.name == version.name);
    let names: Vec<_> = calls.map(|call| format!("`{}`", call.name)).collect();
    if names.is_empty() { "no call".to_owned() } else { names.join(", ") }
}

fn sealed(version: &Version) -> &'static str {
    match version.sealing {
        Sealing::Nothing => "in the clear, not signed",
        Sealing::Hmac => "signed by a key that client and server share",
        Sealing::Ed25519 => "signed by the server's key",
        Sealing::Envelope => "enciphered by a key that client and server share",
    }
}

fn section(out: &mut String, call: &Call) {
    let _ = write!(out, "\n### `{}`\n\n{}. Since {}.", call.name, capital(call.help), call.since.name);
    if !call.aliases.is_empty() {
        let names: Vec<_> = call.aliases.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(out, " Also called {}.", names.join(", "));
    }
    let version = if V1_2.has(call.since) { V1_2.name } else { call.since.name };
    let folder = format!("tests/vectors/keyauth/{version}/{}", call.name);
    if page::root().join(&folder).is_dir() {
        let _ = write!(out, " [Its answers](../{folder}).");
    }
    out.push_str("\n\n```sh\n");
    out.push_str(&curl(call, version));
    out.push_str("\n```\n");
    if !call.fields.is_empty() {
        out.push_str("\n| Parameter | |\n|---|---|\n");
        for field in call.fields {
            let _ = writeln!(out, "| `{}` | {} |", field.name, cell(field.help));
        }
    }
    if !call.refuses.is_empty() {
        out.push_str("\n| Refused with | Because |\n|---|---|\n");
        for refusal in call.refuses {
            let _ = writeln!(out, "| `{}` | {} |", refusal.code(), message(refusal));
        }
    }
    if !call.settings.is_empty() {
        out.push_str("\n| Follows the setting | Default | |\n|---|---|---|\n");
        for name in call.settings {
            let setting = Setting::find(name).expect("a setting of the table");
            let _ = writeln!(out, "| `{name}` | {} | {} |", value(&setting.default()), cell(setting.help));
        }
    }
}

/// A line to paste, once its capital words are replaced.
fn curl(call: &Call, version: &str) -> String {
    let mut line = format!("curl http://127.0.0.1:8080/api/{version}/ -d type={}", call.name);
    if call.name != "init" {
        line.push_str(" -d sessionid=SESSION");
    }
    line.push_str(" -d name=demo -d ownerid=OWNERID");
    for field in call.fields {
        let _ = write!(line, " -d {}={}", field.name, field.name.to_uppercase());
    }
    line
}

#[derive(Default)]
struct Row {
    texts: Vec<String>,
    calls: Vec<String>,
}

fn codes() -> BTreeMap<&'static str, Row> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let of_calls =
        TABLE.iter().flat_map(|call| call.refuses.iter().map(|refusal| (format!("`{}`", call.name), refusal)));
    for (by, refusal) in COMMON.iter().map(|refusal| ("*all*".to_owned(), refusal)).chain(of_calls) {
        let row = rows.entry(refusal.code()).or_default();
        let text = message(refusal);
        if !row.texts.contains(&text) {
            row.texts.push(text);
        }
        if !row.calls.contains(&by) && !row.calls.contains(&"*all*".to_owned()) {
            row.calls.push(by);
        }
    }
    rows
}

/// What the customer reads, and the setting that replaces it.
fn message(refusal: &Refusal) -> String {
    let text = words_of(refusal);
    // What an answer fills in.
    let text = match refusal {
        Refusal::HwidTooShort(least) => text.replace(&least.to_string(), "N"),
        Refusal::TwoFactorBlocked(_) => text.replace("1 seconds", "N seconds"),
        Refusal::TokenBanned(_) => text.replace("None", "REASON"),
        Refusal::ChatMuted(_) => {
            text.split_once("until ").map_or(text.clone(), |(start, _)| format!("{start}until DATE"))
        }
        _ => text,
    };
    if text.is_empty() {
        return "*what is wrong with the request, in words*".to_owned();
    }
    let is_its = |setting: &&Setting| matches!(setting.kind, Kind::Message(_)) && setting.default() == text;
    match settings::TABLE.iter().find(is_its) {
        Some(setting) => format!("{} (`{}`)", cell(&text), setting.name),
        None => cell(&text),
    }
}

fn value(text: &str) -> String {
    if text.is_empty() { "*none*".to_owned() } else { format!("`{}`", cell(text)) }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
