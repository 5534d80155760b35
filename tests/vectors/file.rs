//! The files of vectors: reading them, finding them, writing one. Sends nothing and compares nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone)]
pub(crate) struct Vector {
    pub(crate) path: PathBuf,
    /// The lines `word: rest` before the request.
    pub(crate) header: Vec<(String, String)>,
    pub(crate) request: String,
    pub(crate) reply: String,
}

/// Where they are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keyauth")
}

/// All of them, in the order of their paths.
pub(crate) fn all() -> Vec<Vector> {
    let mut found = Vec::new();
    let mut folders = vec![folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { found.push(Vector::read(&entry)) }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Vector {
    fn read(path: &Path) -> Vector {
        let text = fs::read_to_string(path).unwrap();
        let (header, rest) = text.split_once("\n=== request\n").unwrap_or_else(|| panic!("no request: {path:?}"));
        let (request, reply) = rest.split_once("\n=== reply\n").unwrap_or_else(|| panic!("no reply: {path:?}"));
        let words = |line: &str| {
            let (word, rest) = line.split_once(": ").unwrap_or_else(|| panic!("{path:?}: {line:?}"));
            (word.to_owned(), rest.to_owned())
        };
        Vector {
            path: path.to_owned(),
            header: header.lines().map(words).collect(),
            request: request.to_owned(),
            reply: reply.strip_suffix('\n').unwrap_or(reply).to_owned(),
        }
    }

    /// The text that is read as this vector.
    pub(crate) fn text(&self) -> String {
        let header: String = self.header.iter().map(|(word, rest)| format!("{word}: {rest}\n")).collect();
        format!("{header}=== request\n{}\n=== reply\n{}\n", self.request, self.reply)
    }

    pub(crate) fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.header.iter().filter(move |(name, _)| name == word).map(|(_, rest)| rest.as_str())
    }

    pub(crate) fn one(&self, word: &str) -> &str {
        self.header
            .iter()
            .find(|(name, _)| name == word)
            .map(|(_, rest)| rest.as_str())
            .unwrap_or_else(|| panic!("{}: no line {word:?}", self.path.display()))
    }

    fn folder(&self, up: usize) -> &str {
        self.path.iter().rev().nth(up).and_then(|name| name.to_str()).unwrap()
    }

    /// The version whose folder it is in.
    pub(crate) fn version(&self) -> &str {
        self.folder(2)
    }

    /// The call whose folder it is in.
    pub(crate) fn call(&self) -> &str {
        self.folder(1)
    }

    /// Its place among the vectors of a version.
    pub(crate) fn place(&self) -> PathBuf {
        Path::new(self.folder(1)).join(self.folder(0))
    }

    /// The stable code of its answer; none of a success.
    pub(crate) fn code(&self) -> Option<&str> {
        if self.reply.ends_with("\n\nKeyAuth_Invalid") {
            return Some("APP_NOT_FOUND");
        }
        let (_, after) = self.reply.rsplit_once(r#""error":""#)?;
        after.split('"').next()
    }
}

/// A form's parameters as they are written.
pub(crate) fn parameters(form: &str) -> impl Iterator<Item = (&str, &str)> {
    form.split('&').filter_map(|pair| pair.split_once('='))
}

/// The text of one parameter; the last counts.
pub(crate) fn parameter<'a>(form: &'a str, name: &str) -> Option<&'a str> {
    parameters(form).filter(|(n, _)| *n == name).last().map(|(_, value)| value)
}
