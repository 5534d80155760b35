//! Files for clients (contract 4.17): bytes kept in the database, or whatever a URL answers at the time. Fetches nothing.

use bytes::Bytes;
use rand::{CryptoRng, RngExt};

use crate::model::ids::AppId;
use crate::model::session::Session;
use crate::model::time::Time;
use crate::store::files::{self, File, NewFile, Source};
use crate::store::{self, Tx};

use super::target::{TargetError, Targets};
use super::{Refusal, Stop};

/// The longest id, in bytes.
pub const MAX_ID: usize = 49;
/// The longest name, in bytes.
pub const MAX_NAME: usize = 49;
/// The longest URL, in bytes.
pub const MAX_URL: usize = 2048;

/// How often an id is drawn before the app counts as having them all.
const DRAWS: usize = 1000;

/// Why a file was not added or not replaced.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The id is blank or too long.
    #[error("a file's id has 1 to {MAX_ID} bytes without blanks")]
    Id,
    /// The name is blank or too long.
    #[error("a file's name has 1 to {MAX_NAME} bytes and no blanks around it; give another with --name")]
    Name,
    /// There is nothing in it.
    #[error("the file is empty: clients take an empty file for a failure and end the program")]
    Empty,
    /// It is too large for this server.
    #[error("the file has more than {0} bytes; for larger ones raise the setting file-limit, also for the server")]
    TooLarge(usize),
    /// The URL is too long.
    #[error("a file's URL has at most {MAX_URL} bytes, without blanks")]
    Url,
    /// The URL leads where nobody is asked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// There is one.
    #[error("there is a file {0} already; change it with `keystead file replace`, or choose another id")]
    Taken(String),
    /// There is none.
    #[error("there is no file {0}; see `keystead file list`")]
    NotFound(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Adds a file of at most `limit` bytes.
pub fn create(
    tx: &mut Tx<'_>,
    targets: &Targets,
    limit: usize,
    app: AppId,
    file: &NewFile,
    now: Time,
) -> Result<(), FileError> {
    check(targets, limit, file)?;
    if files::insert(tx, app, file, now)? { Ok(()) } else { Err(FileError::Taken(file.id.clone())) }
}

/// Whether an app may have this file.
pub fn check(targets: &Targets, limit: usize, file: &NewFile) -> Result<(), FileError> {
    let NewFile { id, name, .. } = file;
    let has_blanks = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
    if id.is_empty() || id.len() > MAX_ID || has_blanks(id) {
        return Err(FileError::Id);
    }
    if name.is_empty() || name.len() > MAX_NAME || name.trim() != name || name.contains(char::is_control) {
        return Err(FileError::Name);
    }
    match &file.source {
        Source::Bytes(content) => check_content(limit, content),
        Source::Url(url) if url.len() > MAX_URL || has_blanks(url) => Err(FileError::Url),
        Source::Url(url) => Ok(targets.check_url(url).map(|_| ())?),
    }
}

/// Six digits that no file of the app has for its id.
pub fn free_id(tx: &mut Tx<'_>, app: AppId, rng: &mut impl CryptoRng) -> Result<String, FileError> {
    let mut id = String::new();
    for _ in 0..DRAWS {
        id = format!("{:06}", rng.random_range(0..1_000_000));
        if files::find(tx, app, &id)?.is_none() {
            return Ok(id);
        }
    }
    Err(FileError::Taken(id))
}

/// Gives a file other content, kept here. Its id, its name and who may read it stay.
pub fn replace(tx: &mut Tx<'_>, limit: usize, app: AppId, id: &str, content: &Bytes) -> Result<(), FileError> {
    check_content(limit, content)?;
    if files::replace(tx, app, id, content)? { Ok(()) } else { Err(FileError::NotFound(id.to_owned())) }
}

/// The file of this id, for this session.
pub fn find(tx: &mut Tx<'_>, session: &Session, id: Option<&str>) -> Result<File, Stop> {
    match id {
        Some(id) => find_for(tx, session.app, session.user.is_some(), id),
        None => Err(Refusal::FileNotFound.into()),
    }
}

/// The file of this id, for a user or for anybody.
pub fn find_for(tx: &mut Tx<'_>, app: AppId, is_user: bool, id: &str) -> Result<File, Stop> {
    let file = files::find(tx, app, id)?.ok_or(Refusal::FileNotFound)?;
    if file.authenticated && !is_user {
        return Err(Refusal::SessionNotValidated.into());
    }
    Ok(file)
}

/// All files of an app that a user, or anybody, may have; oldest first.
pub fn all_for(tx: &mut Tx<'_>, app: AppId, is_user: bool) -> Result<Vec<File>, Stop> {
    Ok(files::all(tx, app)?.into_iter().filter(|file| is_user || !file.authenticated).collect())
}

/// What a file holds that is kept here. Never nothing.
pub fn content(tx: &mut Tx<'_>, app: AppId, file: &File) -> Result<Bytes, Stop> {
    let content = files::content(tx, app, &file.id)?.filter(|content| !content.is_empty());
    content.ok_or(Refusal::FileUnavailable.into())
}

fn check_content(limit: usize, content: &[u8]) -> Result<(), FileError> {
    if content.is_empty() {
        return Err(FileError::Empty);
    }
    if content.len() > limit { Err(FileError::TooLarge(limit)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_file() {
        let ok = NewFile {
            id: "123456".to_owned(),
            name: "data.bin".to_owned(),
            authenticated: true,
            source: Source::Bytes(Bytes::from_static(b"abc")),
        };
        let targets = Targets::default();
        let is = |file: &NewFile| check(&targets, 3, file);
        assert!(is(&ok).is_ok());
        for id in ["", "1 2", "1\n", &"1".repeat(50)] {
            assert!(matches!(is(&NewFile { id: id.to_owned(), ..ok.clone() }), Err(FileError::Id)), "{id:?}");
        }
        for name in ["", " a", "a\0", &"n".repeat(50)] {
            assert!(matches!(is(&NewFile { name: name.to_owned(), ..ok.clone() }), Err(FileError::Name)), "{name:?}");
        }
        let holding = |content: &'static [u8]| NewFile { source: Source::Bytes(content.into()), ..ok.clone() };
        assert!(matches!(is(&holding(b"")), Err(FileError::Empty)));
        assert!(matches!(is(&holding(b"abcd")), Err(FileError::TooLarge(3))));
        let at = |url: String| NewFile { source: Source::Url(url), ..ok.clone() };
        assert!(is(&at(format!("https://a.example/{}", "x".repeat(2030)))).is_ok());
        assert!(matches!(is(&at(format!("https://a.example/{}", "x".repeat(2031)))), Err(FileError::Url)));
        assert!(matches!(is(&at("https://a.example/ x".to_owned())), Err(FileError::Url)));
        assert!(matches!(is(&at("http://10.0.0.1/x".to_owned())), Err(FileError::Target(_))));
    }
}
