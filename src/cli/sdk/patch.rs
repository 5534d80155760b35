//! Rewrites a client's source so that it asks our server and believes its signatures. Pure text work on bytes: whatever
//! is not found stays as it is, line endings and broken characters included. Reads and writes no file.

use std::ops::Range;

use super::key::{self, Form, PublicKey};
use super::kinds::{self, Client, Kind, Note};
use super::url::{self, Base, Role};

/// Versions of the API that the server knows.
const VERSIONS: &[&str] = &["1.0", "1.1", "1.2", "1.3"];

/// What the client is to know.
pub(super) struct Target {
    /// The server's address.
    pub(super) base: Base,
    /// The server's key.
    pub(super) key: PublicKey,
    /// The keys that it had before, which clients may still have.
    pub(super) retired: Vec<PublicKey>,
}

/// A URL in the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Its line, counted from 1.
    pub(super) line: usize,
    /// What was there.
    pub(super) old: String,
    /// What is there now; the same if it was ours already.
    pub(super) new: String,
    /// The version that its path names.
    pub(super) version: Option<String>,
}

/// The key, or a part of it, in the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Its first line, counted from 1.
    pub(super) line: usize,
    /// In which form it is there.
    pub(super) form: Form,
    /// Whether it had to be exchanged.
    pub(super) changed: bool,
}

/// A rewritten source.
#[derive(Debug)]
pub(super) struct Patched {
    /// The new source.
    pub(super) bytes: Vec<u8>,
    /// Every URL of the API.
    pub(super) urls: Vec<Url>,
    /// Every place of the key.
    pub(super) keys: Vec<Key>,
    /// Whether it asks another host, neither KeyAuth's nor ours.
    pub(super) asks_another: bool,
    /// What is left to do, each with its line if it has one.
    pub(super) notes: Vec<(Option<usize>, String)>,
}

impl Patched {
    /// Whether there was something of KeyAuth's, or there is something of ours.
    pub(super) fn is_client(&self) -> bool {
        !self.urls.is_empty() || !self.keys.is_empty()
    }
}

/// Rewrites a source.
pub(super) fn patch(source: &[u8], kind: &Kind, target: &Target) -> Patched {
    let (mut edits, mut urls, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    let lines = Lines::of(source);
    for found in url::find(source, &target.base) {
        let at = found.origin.start;
        match found.role {
            Role::Api(version) => {
                let old = String::from_utf8_lossy(&source[found.origin.clone()]).into_owned();
                let new = target.base.spelled(found.escaped);
                urls.push(Url { line: lines.at(at), old, new: new.clone(), version });
                if !found.ours {
                    edits.push((found.origin, new.into_bytes()));
                }
            }
            Role::Seller => notes.push(Note::at(at, "left as it is: this is the seller API, not the clients'")),
            Role::Older => {
                notes.push(Note::at(at, "left as it is: an API older than 1.0, which no server answers now"))
            }
            Role::Bare => notes.push(Note::at(
                at,
                "left as it is: this may be a link to the website; if your client \
                puts /api/… behind it, exchange it by hand",
            )),
            Role::Host => notes.push(Note::at(
                at,
                "left as it is: a host without https:// before it; if your client \
                connects to it, exchange it by hand",
            )),
        }
    }
    let keys = key::find(source, &target.key, &target.retired);
    let (masked, checksum) = (
        keys.found.iter().any(|found| matches!(found.form, Form::Masked(_))),
        keys.found.iter().any(|found| found.form == Form::Checksum),
    );
    if masked && !checksum {
        let text = "the masked key was exchanged, but its checksum is not in this file; patch the file that has it, or \
                    the library refuses the new key";
        notes.push(Note::whole(text));
    }
    if checksum && !masked {
        let text = "the checksum of the key is here, but the masked key is not; patch the file that has it, too";
        notes.push(Note::whole(text));
    }
    notes.extend(
        keys.unknown.into_iter().map(|at| {
            Note::at(at, "left as it is: this looks like a masked key, but no checksum in this file says so")
        }),
    );
    let speaks = |version: &str| urls.iter().any(|url| url.version.as_deref() == Some(version));
    let speaks_1_3 = speaks("1.3");
    if speaks_1_3 && keys.found.is_empty() {
        let text = "it speaks API 1.3, but KeyAuth's public key is not in this file: if the client verifies signatures, \
                    the key is in another file (patch that too) or hidden in a way that is not known here";
        notes.push(Note::whole(text));
    }
    let others = if urls.is_empty() { url::foreign(source, &target.base) } else { Vec::new() };
    for (at, origin) in &others {
        let text = format!("left as it is: the API at {origin} is neither KeyAuth's nor this server's");
        notes.push(Note { at: Some(*at), text });
    }
    if urls.is_empty() && others.is_empty() && !keys.found.is_empty() {
        notes.push(Note::whole("it has the key, but no URL of the API: patch the file that has the URL, too"));
    }
    if speaks("1.0") {
        notes.push(Note::whole("it speaks API 1.0, which the server answers only when started with --api-1-0 true"));
    }
    for url in &urls {
        if let Some(version) = url.version.as_deref().filter(|version| !VERSIONS.contains(version)) {
            notes.push(Note::whole(format!("it speaks API {version} (line {}), which is not known here", url.line)));
        }
    }
    let found = keys.found.iter();
    let places =
        found.map(|f| Key { line: lines.at(f.at.start), form: f.form, changed: !f.edits.is_empty() }).collect();
    let verifies = !keys.found.is_empty();
    edits.extend(keys.found.into_iter().flat_map(|found| found.edits));
    let mut patched = Patched {
        bytes: apply(source, edits),
        urls,
        keys: places,
        asks_another: !others.is_empty(),
        notes: Vec::new(),
    };
    if patched.is_client() {
        notes.extend(kinds::demands(kind, &Client { source, base: &target.base, speaks_1_3, verifies }));
    }
    patched.notes = notes.into_iter().map(|note| (note.at.map(|at| lines.at(at)), note.text)).collect();
    patched
}

fn apply(source: &[u8], mut edits: Vec<(Range<usize>, Vec<u8>)>) -> Vec<u8> {
    edits.sort_by_key(|(at, _)| at.start);
    let mut bytes = Vec::with_capacity(source.len() + 256);
    let mut done = 0;
    for (at, new) in edits {
        bytes.extend_from_slice(&source[done..at.start]);
        bytes.extend(new);
        done = at.end;
    }
    bytes.extend_from_slice(&source[done..]);
    bytes
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(source: &[u8]) -> Lines {
        Lines(source.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect())
    }

    /// The line of a place, counted from 1.
    fn at(&self, place: usize) -> usize {
        self.0.partition_point(|start| *start <= place) + 1
    }
}

#[cfg(test)]
mod tests;
