//! `keystead file`: files that an app hands to its clients. Fetches nothing from a URL: the server does, when a client
//! asks.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::Flags;
use crate::domain::file::{self, FileError};
use crate::domain::target::Targets;
use crate::store::files::{self, File, NewFile, Place, Source};

use super::options::{AppOption, TargetOption};
use super::print::origin;
use super::{Db, Exit, Global, now, print_json, print_lines, print_raw, print_table, print_time, say};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  # kept in the database; prints the id that clients ask for
  keystead file add data.bin
  # every session gets it, by this id
  keystead file add data.bin --id 123456 --public
  keystead file add --url https://cdn.example.com/data.bin
  keystead file list
  keystead file show 123456
  keystead file get 123456 copy.bin
  keystead file replace 123456 data-2.bin  # other content, same id
  keystead file delete 123456

What a URL answers is fetched at each download, and must not redirect to another host; --allow-target opens a private \
network to it.")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a file
    Add {
        /// The file to keep in the database; not empty, at most as long as the setting file-limit says
        #[arg(required_unless_present = "url")]
        path: Option<PathBuf>,
        /// Keep it elsewhere: whatever this URL answers is the file
        #[arg(long, conflicts_with = "path")]
        url: Option<String>,
        /// What clients ask for: at most 49 bytes [default: six random digits]
        #[arg(long)]
        id: Option<String>,
        /// What people call it: at most 49 bytes [default: the last part of the path]
        #[arg(long)]
        name: Option<String>,
        /// Every session gets it, not only those on which a user has logged in
        #[arg(long)]
        public: bool,
        #[command(flatten)]
        target: TargetOption,
    },
    /// List an app's files
    List,
    /// Show a file with its whole URL, if it has one
    Show {
        /// Its id
        id: String,
    },
    /// Write what a file holds to a new file
    Get {
        /// Its id
        id: String,
        /// Where to; - is stdout
        output: PathBuf,
    },
    /// Give a file other content, kept in the database. Its id, its name and who gets it stay
    Replace {
        /// Its id
        id: String,
        /// The new content
        path: PathBuf,
    },
    /// Delete a file
    Delete {
        /// Its id
        id: String,
    },
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    let app_id = app.id;
    let limit = global.load(Flags::default())?.file_limit;
    let not_found = |id: &str| Exit::from(FileError::NotFound(id.to_owned()));
    match arguments.command {
        Command::Add { path, url, id, name, public, target } => {
            let targets = Targets::new(target.config(global)?.allow_target);
            let (source, usual_name) = match (path, url) {
                (Some(path), _) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    (Source::Bytes(read(&path, limit)?), name)
                }
                (None, url) => {
                    let url = url.unwrap_or_default();
                    let path = url.split(['?', '#']).next().unwrap_or_default();
                    let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default().to_owned();
                    (Source::Url(url), name)
                }
            };
            let id = match id {
                Some(id) => id,
                None => db.read(move |tx| file::free_id(tx, app_id, &mut rand::rng()))?,
            };
            let new = NewFile { id, name: name.unwrap_or(usual_name), authenticated: !public, source };
            let id = new.id.clone();
            let added = db.write(move |tx| -> Result<_, FileError> {
                file::create(tx, &targets, limit, app_id, &new, now())?;
                files::find(tx, app_id, &new.id)?.ok_or_else(|| FileError::NotFound(new.id.clone()))
            })?;
            let sentence = format!("added file {id} ({}) of {}: {} it", added.name, app.name, readers(&added));
            say(global, &document(&added), &sentence)
        }
        Command::List => {
            let all = db.read(move |tx| files::all(tx, app_id))?;
            if global.json {
                let brief = |file: &File| {
                    let mut document = document(file);
                    if let Place::At(url) = &file.place {
                        document["url"] = origin(url).into();
                    }
                    document
                };
                return print_json(&all.iter().map(brief).collect::<Vec<_>>());
            }
            let rows: Vec<_> = all.iter().map(row).collect();
            print_table(&["ID", "NAME", "WHO", "ADDED", "WHERE"], &rows)
        }
        Command::Show { id } => {
            let wanted = id.clone();
            let found = db.read(move |tx| files::find(tx, app_id, &wanted))?.ok_or_else(|| not_found(&id))?;
            if global.json {
                return print_json(&document(&found));
            }
            let place = match &found.place {
                Place::Here(length) => format!("content  {length} bytes, in the database"),
                Place::At(url) => format!("url      {url}"),
            };
            let lines = [
                format!("file     {}", found.id),
                format!("name     {}", found.name),
                format!("who      {} it", readers(&found)),
                format!("added    {}", print_time(found.created_at)),
                place,
            ];
            print_lines(lines.iter().map(String::as_str))
        }
        Command::Get { id, output } => {
            let wanted = id.clone();
            let (found, content) = db.read(move |tx| -> Result<_, Exit> {
                Ok((files::find(tx, app_id, &wanted)?, files::content(tx, app_id, &wanted)?))
            })?;
            found.ok_or_else(|| not_found(&id))?;
            let content = content.ok_or_else(|| {
                Exit::failure(format!("file {id} is not kept here; see its URL with `keystead file show {id}`"))
            })?;
            write(&output, &content)
        }
        Command::Replace { id, path } => {
            let content = read(&path, limit)?;
            let document = json!({ "id": id, "size": content.len() });
            let sentence = format!("replaced file {id} of {}: {} bytes", app.name, content.len());
            db.write(move |tx| file::replace(tx, limit, app_id, &id, &content))?;
            say(global, &document, &sentence)
        }
        Command::Delete { id } => {
            let (document, sentence) = (json!({ "deleted": id }), format!("deleted file {id} of {}", app.name));
            let wanted = id.clone();
            if db.write(move |tx| files::delete(tx, app_id, &wanted))? {
                say(global, &document, &sentence)
            } else {
                Err(not_found(&id))
            }
        }
    }
}

/// A file's bytes, and no more of them than show that they are too many.
fn read(path: &Path, limit: usize) -> Result<Bytes, Exit> {
    let failed = |error: io::Error| Exit::failure(format!("cannot read {}: {error}", path.display()));
    let mut content = Vec::new();
    fs::File::open(path).map_err(failed)?.take(limit as u64 + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() > limit { Err(FileError::TooLarge(limit).into()) } else { Ok(content.into()) }
}

fn write(path: &Path, content: &[u8]) -> Result<(), Exit> {
    if path == Path::new("-") {
        return print_raw(content);
    }
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(content));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Exit::failure(format!("{} exists; nothing was written. Choose another name", path.display()))
        }
        _ => Exit::failure(format!("cannot write {}: {error}", path.display())),
    })
}

fn readers(file: &File) -> &'static str {
    if file.authenticated { "users who have logged in get" } else { "every session gets" }
}

fn row(file: &File) -> Vec<String> {
    let place = match &file.place {
        Place::Here(length) => format!("{length} bytes here"),
        Place::At(url) => origin(url),
    };
    let who = if file.authenticated { "users" } else { "everyone" };
    vec![file.id.clone(), file.name.clone(), who.to_owned(), print_time(file.created_at), place]
}

fn document(file: &File) -> Value {
    let (size, url) = match &file.place {
        Place::Here(length) => (Some(length), None),
        Place::At(url) => (None, Some(url)),
    };
    json!({
        "id": file.id,
        "name": file.name,
        "authenticated": file.authenticated,
        "created_at": file.created_at.0,
        "size": size,
        "url": url,
    })
}
