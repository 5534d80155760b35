//! `keystead import`: an app from one JSON document. Reads the file, shows how far it is; what the document means is
//! decided in the domain.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::domain::document::check::{Overrides, Rules, check};
use crate::domain::document::import::{ImportError, Progress, hash_passwords, may_import, run as write};
use crate::domain::document::parse;
use crate::domain::target::Targets;
use crate::store::lock::{self, LockError};

use super::options::{TargetOption, VaultOption};
use super::{Code, Db, Exit, Global, note, now, print_json, print_line};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead import demo.json
  # the app that is there goes when the new one is completely in
  keystead import demo.json --replace
  # a copy; take sellerkey, id and api_key out of it first (and the secrets)
  keystead import demo.json --name demo2
  ssh other keystead export --app demo | keystead import -

docs/app-json.md lists every field. Nearly all may be left out:
  {\"owner\": {\"name\": \"acme\"}, \"name\": \"demo\", \"licenses\": [\"KEY-1\", {\"key\": \"KEY-2\", \"duration\": \"lifetime\"}]}")]
pub(super) struct Arguments {
    /// The document; - is standard input
    file: PathBuf,
    /// Put it in the place of the app of that name, with all that it had: what the document leaves out (settings,
    /// relays, files, chats) is gone or at its default. Its users have to log in again
    #[arg(long)]
    replace: bool,
    /// Put it under this owner, made if there is none; not under the document's
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    #[command(flatten)]
    key: VaultOption,
    #[command(flatten)]
    target: TargetOption,
    /// Call the app this, not what the document says
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl From<ImportError> for Exit {
    fn from(error: ImportError) -> Exit {
        match error {
            ImportError::Store(error) => error.into(),
            other => Exit::failure(other.to_string()),
        }
    }
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    // Everything that the document alone can tell comes first: a bad one makes no database.
    let text = read(&arguments.file)?;
    let document = parse(&text)
        .map_err(|problem| Exit::failure(format!("the document does not fit; nothing was written: {problem}")))?;
    drop(text);
    let overrides = Overrides { owner: arguments.owner, name: arguments.name };
    let config = arguments.target.config(global)?;
    let rules = Rules { targets: Targets::new(config.allow_target), file_limit: config.file_limit };
    let mut checked =
        check(document, &overrides, &rules, now()).map_err(|problems| Exit::failure(problems.to_string()))?;

    let replace = arguments.replace;
    let mut db = Db::open(global)?;
    let vault = db.vault(global, &arguments.key)?;
    let alone = lock::hold_import(db.path()).map_err(|error| match error {
        LockError::Held(_) => Exit::new(Code::Locked, "another import into this database is running; wait for its end"),
        LockError::File { .. } => Exit::new(Code::Database, error.to_string()),
    })?;
    // Under the lock, so that what is refused here is not what an import beside us is about to change.
    let place = checked.place();
    db.read(move |tx| may_import(tx, &place, replace))?;

    let mut report = Report::new(lock::holder(db.path()).is_some());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    hash_passwords(&mut checked, threads, &mut |progress| report.tell(progress))?;
    let done = write(db.writing(), &vault, &alone, checked, replace, now(), &mut |progress| report.tell(progress))?;

    if let Some(old) = &done.old_ownerid {
        let (owner, new) = (&done.app.owner, &done.app.ownerid);
        eprintln!("keystead: clients of this app sent ownerid {old}; under owner {owner} they have to send {new}");
    }
    if let Some(old) = done.replaced {
        let (licenses, users) = (counted(old.licenses, "license"), counted(old.users, "user"));
        let (licenses_now, users_now) = (counted(done.licenses, "license"), counted(done.users, "user"));
        note(&format!("replaces: {licenses}, {users} → {licenses_now}, {users_now}"));
    }
    if let Some(other) = &done.default_stays {
        let name = &done.app.name;
        note(&format!(
            "{other} stays the app that Wacht's clients mean where nothing names another; `keystead app set {name} \
             wachtDefault=1` makes it this one"
        ));
    }
    if done.locked > 0 {
        let (users, are) = (counted(done.locked, "user"), if done.locked == 1 { "is" } else { "are" });
        note(&format!("{users} {are} locked: give them passwords with `keystead user set-password`"));
    }
    if global.json {
        return print_json(&json!({
            "name": &*done.app.name,
            "owner": &*done.app.owner,
            "ownerid": &*done.app.ownerid,
            "secret": done.app.secret,
            "sellerkey": done.app.sellerkey,
            "id": &*done.app.uuid,
            "api_key": &*done.app.api_key,
            "api_secret": done.app.api_secret,
            "licenses": done.licenses,
            "users": done.users,
            "locked": done.locked,
            "replaced": done.replaced.map(|old| json!({ "licenses": old.licenses, "users": old.users })),
        }));
    }
    print_line(&format!(
        "imported app {} of owner {} (ownerid {}): {}, {}",
        done.app.name,
        done.app.owner,
        done.app.ownerid,
        counted(done.licenses, "license"),
        counted(done.users, "user")
    ))
}

fn counted(count: impl Display, what: &str) -> String {
    let count = count.to_string();
    let end = if count == "1" { "" } else { "s" };
    format!("{count} {what}{end}")
}

fn read(file: &Path) -> Result<Vec<u8>, Exit> {
    let mut text = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().read_to_end(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut text))
    };
    read.map(|_| text).map_err(|e| Exit::failure(format!("cannot read {}: {e}", file.display())))
}

/// How often people are told how far it is.
const TELL: Duration = Duration::from_secs(1);

/// Tells people how far it is, and leaves a running server its turn at the database.
struct Report {
    served: bool,
    told: Instant,
    stepped: Instant,
}

impl Report {
    fn new(served: bool) -> Report {
        Report { served, told: Instant::now(), stepped: Instant::now() }
    }

    fn tell(&mut self, progress: Progress) {
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            // Nobody may be listening.
            let _ = match progress {
                Progress::Hashing(done, all) => writeln!(io::stderr(), "hashed {done} of {all} passwords"),
                Progress::Writing(done, all) => writeln!(io::stderr(), "wrote {done} of {all} rows"),
                Progress::Removing => writeln!(io::stderr(), "removing an app that nobody sees any more"),
            };
        }
        // A server waits for the write lock by asking now and then: as long as we held it, it finds it free.
        if self.served && !matches!(progress, Progress::Hashing(..)) {
            std::thread::sleep(self.stepped.elapsed().min(Duration::from_millis(100)));
        }
        self.stepped = Instant::now();
    }
}
