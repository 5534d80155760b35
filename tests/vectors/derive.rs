//! Writes the vectors of the other versions from those of 1.2, where the versions differ only as every call's do: the
//! seal, `code` and `ownerid`, `nonce` and `newSession`, the envelope. Where they differ in more, `not in` says so in
//! the vector of 1.2, and the other one is written by hand. Plays nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use keystead::wire::keyauth::calls::TABLE;
use keystead::wire::keyauth::versions::{self, Version};

use crate::file::{self, Vector, parameter};

/// Whose vectors the others are made from.
const SOURCE: &str = "1.2";

/// The first line of a file that was made here.
const MARK: &str = "derived from";

/// Any will do: both sides make the same of it.
const INIT_IV: &str = "init_iv=iv-1";

/// What is sent in place of a signature to who supplied no key.
const LITERAL: &str = "the literal";

/// That every derived file is what its source gives now. With `KEYSTEAD_DERIVE_VECTORS` set, makes it so.
pub(crate) fn check() {
    let here = file::all();
    let derived = derived(&here);
    let is_derived = |vector: &Vector| vector.header.first().is_some_and(|(word, _)| word == MARK);
    let write = std::env::var_os("KEYSTEAD_DERIVE_VECTORS").is_some();
    let mut stale = Vec::new();
    for vector in here.iter().filter(|vector| is_derived(vector) && !derived.contains_key(&vector.path)) {
        if write {
            fs::remove_file(&vector.path).unwrap();
        } else {
            stale.push(format!("{}: its source is gone", vector.path.display()));
        }
    }
    for (path, text) in derived {
        let existing = here.iter().find(|vector| vector.path == path);
        if existing.is_some_and(|vector| !is_derived(vector) || fs::read_to_string(&path).unwrap() == text) {
            continue;
        }
        if write {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        } else {
            stale.push(format!("{}: is not what its source gives", path.display()));
        }
    }
    let hint = "renew them with `KEYSTEAD_DERIVE_VECTORS=1 cargo test --test vectors derived`, and look at the change";
    assert!(stale.is_empty(), "{}\n{hint}", stale.join("\n"));
}

/// The files of the other versions, with their texts.
fn derived(here: &[Vector]) -> BTreeMap<PathBuf, String> {
    let mut derived = BTreeMap::new();
    for source in here.iter().filter(|vector| vector.version() == SOURCE) {
        let call = TABLE.iter().find(|call| call.name == source.call()).expect("a call");
        let not_in: Vec<&str> = source.all("not in").flat_map(|list| list.split(' ')).collect();
        if let Some(unknown) = not_in.iter().find(|name| versions::ALL.iter().all(|v| v.name != **name)) {
            panic!("{}: there is no version {unknown}", source.path.display());
        }
        for version in versions::ALL.iter().filter(|version| version.name != SOURCE) {
            if version.has(call.since) && !not_in.contains(&version.name) {
                let path = file::folder().join(version.name).join(source.place());
                derived.insert(path, derive(source, version).text());
            }
        }
    }
    derived
}

fn derive(source: &Vector, version: &Version) -> Vector {
    let mut vector = source.clone();
    vector.header.retain(|(word, _)| word != "not in");
    for (word, rest) in &mut vector.header {
        match word.as_str() {
            "first" | "refused" => *rest = form(rest, version),
            "sealed by" if version.name == "1.3" => *rest = "the server".to_owned(),
            "sealed by" if version.name == "1.1" => *rest = "nothing".to_owned(),
            "sealed by" => {
                assert!(rest != LITERAL, "{}: add `not in: 1.0`", source.path.display());
                *word = "envelope".to_owned();
                *rest = if rest == "nothing" { "none".to_owned() } else { rest.replace("-<secret>", "") };
            }
            _ => {}
        }
    }
    vector.header.insert(0, (MARK.to_owned(), SOURCE.to_owned()));
    let (head, body) = source.request.split_once("\n\n").unwrap_or((&source.request, ""));
    let head = head.replacen(&format!("/api/{SOURCE}/"), &format!("/api/{}/", version.name), 1);
    assert_ne!(head, source.request, "{}: no path of {SOURCE}", source.path.display());
    let urlencoded = head.contains("content-type: application/x-www-form-urlencoded");
    let (head, query) = match head.split_once('?') {
        Some((path, rest)) => {
            let (query, rest) = rest.split_once(' ').unwrap();
            (format!("{path}?{} {rest}", form(query, version)), query)
        }
        None => (head, ""),
    };
    let plain = version.name != "1.0" || urlencoded && query.is_empty();
    assert!(plain, "{}: 1.0 reads only urlencoded bodies; add `not in: 1.0`", source.path.display());
    let ownerid = parameter(body, "ownerid").or_else(|| parameter(query, "ownerid")).unwrap_or_default();
    let body = if body.is_empty() { String::new() } else { form(body, version) };
    vector.request = format!("{head}\n\n{body}");
    let (head, body) = source.reply.split_once("\n\n").expect("a head and a body");
    vector.reply = format!("{}\n\n{}", reply_head(head, version), reply_body(body, version, ownerid));
    vector
}

/// A form as this version's client sends it: only 1.2 and 1.0 have an enckey, only 1.0 has an `init_iv` and demands a
/// version.
fn form(form: &str, version: &Version) -> String {
    if version.name == "1.0" {
        let opens = parameter(form, "type") == Some("init") && parameter(form, "ver").is_none();
        return format!("{form}{}&{INIT_IV}", if opens { "&ver=1.0" } else { "" });
    }
    form.split('&').filter(|pair| !pair.starts_with("enckey=")).collect::<Vec<_>>().join("&")
}

fn reply_head(head: &str, version: &Version) -> String {
    let mut lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("signature: ")).collect();
    if version.name == "1.3" {
        let after = lines.iter().position(|line| line.starts_with("access-control-expose-headers")).unwrap();
        let both = ["x-signature-timestamp: {now}", "x-signature-ed25519: {ed25519}"];
        lines.splice(after + 1..after + 1, both);
    }
    lines.join("\n")
}

fn reply_body(body: &str, version: &Version, ownerid: &str) -> String {
    if !body.starts_with('{') {
        return body.to_owned();
    }
    if version.name != "1.3" {
        return body.replace(r#","nonce":"{nonce}""#, "").replace(r#","newSession":true"#, "");
    }
    let (code, rest) = match body.strip_prefix(r#"{"success":true"#) {
        Some(rest) => (r#"{"success":true,"code":68"#, rest),
        None => (r#"{"success":false,"code":0"#, body.strip_prefix(r#"{"success":false"#).expect("success first")),
    };
    format!(r#"{code}{},"ownerid":"{ownerid}"}}"#, rest.strip_suffix('}').unwrap())
}
