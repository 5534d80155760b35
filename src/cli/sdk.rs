//! `keystead sdk`: changes a KeyAuth client's source so that it asks this server. What to look for is in `url.rs` and
//! `key.rs`, what each kind of client demands in `kinds.rs`; this file reads, tells and writes.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::config::Flags;
use crate::store::server_keys::{self, StoredKey};

use self::key::{Form, PublicKey};
use self::patch::{Patched, Target};
use self::url::Base;
use super::{Code, Db, Exit, Global, print_json, print_line, print_raw};

mod diff;
mod file;
mod key;
mod kinds;
mod number;
mod patch;
mod url;

/// Options.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keystead sdk patch keyauth.py --url https://auth.example.com --dry-run
  keystead sdk patch main.cpp lib/auth.cpp --url https://auth.example.com
  # where the database is not
  keystead sdk patch KeyAuth.cs --url https://auth.example.com --public-key 8a88e3…
  KEYSTEAD_PUBLIC_URL=https://auth.example.com keystead sdk patch KeyAuth.cs Program.cs --json")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Exchange KeyAuth's server and public key for ours in a client's source files
    #[command(long_about = "\
Exchange KeyAuth's server and public key for ours in a client's source files: C#, C++, Python, PHP, Go, Rust, \
JavaScript, TypeScript, Java, Ruby, Perl, Lua, Visual Basic.

Every URL of KeyAuth's client API is exchanged, in comments too; the path with its version stays. Links to KeyAuth's \
website and documentation stay. The 1.3 public key is exchanged where it is a hex text and where the C++ library of \
2026 hides it, with its checksum. The difference is shown, and the old file is kept as FILE.orig. What must be seen to \
by hand is said at the end. Running it again changes nothing.")]
    Patch(Patch),
}

#[derive(clap::Args)]
struct Patch {
    /// The client's source files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The server's address as clients see it, without /api/… [default: the setting public-url]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The server's public key: 64 hex characters [default: the database's]
    #[arg(long, value_name = "HEX")]
    public_key: Option<String>,
    /// Show what would change and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs `sdk`.
pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let Action::Patch(options) = arguments.action;
    let base = match &options.url {
        Some(url) => Base::parse(url).map_err(|e| Exit::usage(format!("--url: {e}")))?,
        None => configured(global)?,
    };
    let (key, retired) = public_keys(global, options.public_key.as_deref())?;
    let target = Target { base, key, retired };
    let mut documents = Vec::new();
    let (mut bad, mut clients) = (0, 0);
    for path in &options.files {
        let done = one(path, &target, options.dry_run);
        // A file with nothing of KeyAuth's is none of the client's business; one that asks another host, or cannot be
        // read, is not done.
        bad += usize::from(!done.as_ref().is_ok_and(|done| !done.patched.asks_another));
        clients += usize::from(done.as_ref().is_ok_and(|done| done.patched.is_client()));
        if global.json {
            documents.push(document(path, &done));
        } else {
            tell(path, &done, options.dry_run)?;
        }
    }
    if global.json {
        print_json(&documents)?;
    }
    let all = options.files.len();
    match (if clients == 0 { all } else { bad }, all) {
        (0, _) => Ok(()),
        (_, 1) => Err(Exit::failure("the file is not patched; why is said above")),
        (bad, all) => Err(Exit::failure(format!("{bad} of {all} files are not patched; why is said above"))),
    }
}

fn configured(global: &Global) -> Result<Base, Exit> {
    let Some(url) = global.load(Flags::default())?.public_url else {
        return Err(Exit::usage(
            "which server? Say its address with --url https://auth.example.com, or set public-url (KEYSTEAD_PUBLIC_URL)",
        ));
    };
    Base::parse(&url).map_err(|e| Exit::usage(format!("the setting public-url: {e}")))
}

/// The public key that was given, or else the database's and those that it retired.
fn public_keys(global: &Global, given: Option<&str>) -> Result<(PublicKey, Vec<PublicKey>), Exit> {
    if let Some(given) = given {
        let key = PublicKey::parse(given).map_err(|e| Exit::usage(format!("--public-key: {e}")))?;
        return Ok((key, Vec::new()));
    }
    let database = global.load(Flags::default())?.database;
    if !database.exists() {
        let text = format!(
            "there is no database {} to take the public key from: say the key with --public-key HEX (`keystead config \
             public-key` prints it where the server's database is), or name that database with --database",
            database.display()
        );
        return Err(Exit::new(Code::Database, text));
    }
    let stored = Db::existing(global)?.read(server_keys::all)?;
    let (retired, signing): (Vec<_>, Vec<_>) = stored.into_iter().partition(|key| key.retired_at.is_some());
    let Some(signing) = signing.first() else {
        let text = "the database has no key pair yet: `keystead config public-key` makes one; or say a public key with \
                    --public-key";
        return Err(Exit::failure(text));
    };
    let read = |key: &StoredKey| PublicKey::parse(&key.public_key);
    let key = read(signing).map_err(|e| Exit::failure(format!("the key in the database: {e}")))?;
    Ok((key, retired.iter().filter_map(|key| read(key).ok()).collect()))
}

/// What was done to a file.
struct Done {
    kind: &'static str,
    old: Vec<u8>,
    patched: Patched,
    copy: Option<PathBuf>,
}

impl Done {
    fn changed(&self) -> bool {
        self.old != self.patched.bytes
    }
}

fn one(path: &Path, target: &Target, dry_run: bool) -> Result<Done, String> {
    let old = file::read(path)?;
    let kind = kinds::of(path);
    let mut patched = patch::patch(&old, kind, target);
    if let Some(copy) = file::first_copy(path).filter(|_| patched.asks_another || !patched.is_client()) {
        let text = format!(
            "it was patched before: to patch the file as it was then, `cp {} {}` and run this again",
            copy.display(),
            path.display()
        );
        patched.notes.push((None, text));
    }
    let write = patched.bytes != old && !dry_run;
    let copy = write.then(|| file::replace(path, &old, &patched.bytes)).transpose();
    let copy = copy.map_err(|e| format!("cannot write it: {e}; it is as it was"))?;
    Ok(Done { kind: kind.name, old, patched, copy })
}

const NOTHING: &str = "nothing of KeyAuth's is in it: no URL of the API and no public key. If your client uses a domain \
                       of your own, point that domain to this server. If it hides the URL, exchange it by hand";

fn tell(path: &Path, done: &Result<Done, String>, dry_run: bool) -> Result<(), Exit> {
    let name = path.display().to_string();
    let done = match done {
        Ok(done) => done,
        Err(why) => return print_line(&format!("{name}: {why}")),
    };
    let patched = &done.patched;
    if !patched.is_client() {
        print_line(&format!("{name} ({}): {NOTHING}", done.kind))?;
    } else if !done.changed() {
        print_line(&format!("{name} ({}): nothing to change, it is patched already", done.kind))?;
    } else {
        print_line(&format!("{name} ({}):", done.kind))?;
        for url in patched.urls.iter().filter(|url| url.old != url.new) {
            print_line(&format!("  line {}: {} becomes {}", url.line, url.old, url.new))?;
        }
        for key in patched.keys.iter().filter(|key| key.changed) {
            print_line(&format!("  line {}: {}", key.line, form(key.form)))?;
        }
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        print_raw(diff::diff(&name, &done.old, &patched.bytes, colours).as_bytes())?;
    }
    for (line, text) in &patched.notes {
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        print_line(&format!("  note: {line}{text}"))?;
    }
    match &done.copy {
        Some(copy) => print_line(&format!("  written; the old file is {}", copy.display())),
        None if dry_run && done.changed() => print_line("  not written: --dry-run"),
        None => Ok(()),
    }
}

fn form(form: Form) -> String {
    match form {
        Form::Text => "the public key".to_owned(),
        Form::Masked(mask) => format!("the public key, masked with {mask:#04x}"),
        Form::Checksum => "the checksum of the public key".to_owned(),
    }
}

fn document(path: &Path, done: &Result<Done, String>) -> Value {
    let name = path.display().to_string();
    let done = match done {
        Ok(done) => done,
        Err(why) => return json!({ "file": name, "changed": false, "error": why }),
    };
    let patched = &done.patched;
    let urls = patched.urls.iter().map(|url| {
        json!({ "line": url.line, "old": url.old, "new": url.new, "api": url.version, "changed": url.old != url.new })
    });
    let keys = patched.keys.iter().map(|key| {
        let (form, mask) = match key.form {
            Form::Text => ("text", None),
            Form::Masked(mask) => ("masked", Some(mask)),
            Form::Checksum => ("checksum", None),
        };
        json!({ "line": key.line, "form": form, "mask": mask, "changed": key.changed })
    });
    let notes = patched.notes.iter().map(|(line, text)| json!({ "line": line, "text": text }));
    json!({
        "file": name, "kind": done.kind, "changed": done.changed(),
        "urls": urls.collect::<Vec<_>>(), "keys": keys.collect::<Vec<_>>(), "notes": notes.collect::<Vec<_>>(),
        "copy": done.copy.as_ref().map(|copy| copy.display().to_string()),
        "error": (!patched.is_client()).then_some(NOTHING),
    })
}
