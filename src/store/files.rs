//! The table `files`: what an app hands to its clients as bytes, kept here or named by a URL. The bytes are read only
//! where they are asked for. Judges nothing; `Debug` shows neither URL nor content.

use std::fmt;

use bytes::Bytes;

use crate::model::ids::AppId;
use crate::model::time::Time;

use super::{Result, Row, Tx};

const FIND: &str = "SELECT id, name, authenticated, created_at, url, length(content) FROM files \
                    WHERE app_id = $1 AND id = $2";
const ALL: &str = "SELECT id, name, authenticated, created_at, url, length(content) FROM files \
                   WHERE app_id = $1 ORDER BY row";
const CONTENT: &str = "SELECT content FROM files WHERE app_id = $1 AND id = $2 AND content IS NOT NULL";
const INSERT: &str = "INSERT INTO files (app_id, id, name, authenticated, created_at, url, content) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
const REPLACE: &str = "UPDATE files SET content = $3, url = NULL WHERE app_id = $1 AND id = $2";
const DELETE: &str = "DELETE FROM files WHERE app_id = $1 AND id = $2";

/// A file of an app, without its content.
#[derive(Clone, Debug)]
pub struct File {
    /// Exact.
    pub id: String,
    /// For people; at most 49 bytes.
    pub name: String,
    /// Only for sessions on which a user has logged in.
    pub authenticated: bool,
    /// When it was added.
    pub created_at: Time,
    /// Where its content is.
    pub place: Place,
}

/// Where a file's content is.
#[derive(Clone)]
pub enum Place {
    /// In the database; so many bytes.
    Here(usize),
    /// At this URL, a secret.
    At(String),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Here(length) => f.debug_tuple("Here").field(length).finish(),
            Place::At(_) => f.debug_tuple("At").finish_non_exhaustive(),
        }
    }
}

/// A new file.
#[derive(Clone)]
pub struct NewFile {
    /// As [`File::id`].
    pub id: String,
    /// As [`File::name`].
    pub name: String,
    /// As [`File::authenticated`].
    pub authenticated: bool,
    /// What it holds.
    pub source: Source,
}

/// What a file holds, or where that is.
#[derive(Clone)]
pub enum Source {
    /// These bytes.
    Bytes(Bytes),
    /// What this URL answers.
    Url(String),
}

/// The file of this id.
pub fn find(tx: &mut Tx<'_>, app: AppId, id: &str) -> Result<Option<File>> {
    tx.row(FIND, &[app.0.into(), id.into()], file)
}

/// All files of an app, oldest first.
pub fn all(tx: &mut Tx<'_>, app: AppId) -> Result<Vec<File>> {
    tx.rows(ALL, &[app.0.into()], file)
}

/// What the file of this id holds; none if it is not kept here.
pub fn content(tx: &mut Tx<'_>, app: AppId, id: &str) -> Result<Option<Bytes>> {
    tx.row(CONTENT, &[app.0.into(), id.into()], |row| row.blob(0).map(Bytes::from))
}

/// Adds a file. False: the app has one of this id.
pub fn insert(tx: &mut Tx<'_>, app: AppId, file: &NewFile, now: Time) -> Result<bool> {
    let (url, content) = match &file.source {
        Source::Bytes(bytes) => (None, Some(&bytes[..])),
        Source::Url(url) => (Some(url.as_str()), None),
    };
    let NewFile { id, name, authenticated, .. } = file;
    let values =
        [app.0.into(), id.into(), name.into(), (*authenticated).into(), now.0.into(), url.into(), content.into()];
    tx.exec(INSERT, &values).map(|n| n == 1)
}

/// Gives the file of this id other content, kept here. False: there is none.
pub fn replace(tx: &mut Tx<'_>, app: AppId, id: &str, content: &[u8]) -> Result<bool> {
    tx.exec(REPLACE, &[app.0.into(), id.into(), content.into()]).map(|n| n == 1)
}

/// Deletes a file. False: there is none.
pub fn delete(tx: &mut Tx<'_>, app: AppId, id: &str) -> Result<bool> {
    tx.exec(DELETE, &[app.0.into(), id.into()]).map(|n| n == 1)
}

fn file(row: &Row<'_>) -> Result<File> {
    let place = match row.opt_text(4)? {
        Some(url) => Place::At(url),
        None => Place::Here(usize::try_from(row.int(5)?).unwrap_or(usize::MAX)),
    };
    Ok(File { id: row.text(0)?, name: row.text(1)?, authenticated: row.flag(2)?, created_at: Time(row.int(3)?), place })
}
