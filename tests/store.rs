//! The store's promises: grouped commits in which nobody harms a neighbour, reads of one instant, caches that notice
//! other processes, bounded waiting.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use keystead::domain::{app, owner};
use keystead::model::ids::{AppId, SessionId};
use keystead::model::session::{Session, SessionUser};
use keystead::model::time::Time;
use keystead::store::variables::{self, Variable};
use keystead::store::{self, Error, Options, Store, apps, lock, owners, sessions};

const NOW: Time = Time(1_900_000_000);
const OWNERID: &str = "AbCdEfGh12";

fn options(path: &Path) -> Options {
    Options { busy_timeout: Duration::from_millis(200), ..Options::small(path) }
}

struct Fixture {
    _dir: tempfile::TempDir,
    path: std::path::PathBuf,
    store: Store,
}

fn fixture() -> Fixture {
    fixture_with(|options| options)
}

fn fixture_with(change: impl FnOnce(Options) -> Options) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystead.db");
    let store = Store::open(&change(options(&path))).unwrap();
    store
        .write(|tx| -> Result<(), Error> {
            let owner = owner::create(tx, "acme", Some(OWNERID), NOW, &mut rand::rng()).unwrap();
            app::create(tx, &owner, "demo", &app::Credentials::default(), NOW, &mut rand::rng()).unwrap();
            Ok(())
        })
        .wait()
        .unwrap();
    Fixture { _dir: dir, path, store }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn add_owner(store: &Store, name: &'static str) -> store::Asked<bool, Error> {
    store.write(move |tx| owners::insert(tx, name, &format!("{name:0>10}"), NOW))
}

fn owner_names(store: &Store) -> Vec<String> {
    store.read(owners::all).wait().unwrap().into_iter().map(|owner| owner.name.to_string()).collect()
}

fn find_app(store: &Store) -> Option<Arc<keystead::model::app::App>> {
    block_on(apps::lookup(store, OWNERID, "demo")).unwrap()
}

/// Keeps the writer busy until the sender is dropped; what is asked meanwhile becomes one group.
fn hold_writer(store: &Store) -> (mpsc::Sender<()>, store::Asked<(), Error>) {
    let (release, released) = mpsc::channel::<()>();
    let (started, starting) = mpsc::channel();
    let held = store.write(move |_| {
        let _ = started.send(());
        let _ = released.recv();
        Ok(())
    });
    starting.recv().unwrap();
    (release, held)
}

#[test]
fn a_failing_call_harms_no_neighbour() {
    let f = fixture();
    let (release, held) = hold_writer(&f.store);
    let first = add_owner(&f.store, "first");
    let refused = f.store.write(|tx| -> Result<(), Error> {
        owners::insert(tx, "undone", "undone1234", NOW)?;
        Err(Error::Bug("refused after writing".into()))
    });
    let panicking = f.store.write(|tx| -> Result<(), Error> {
        owners::insert(tx, "panicked", "panicked12", NOW)?;
        panic!("a bug in a call (this message is part of the test)");
    });
    let wrong = f.store.write(|tx| owners::insert(tx, "acme", "1234567890", NOW));
    let last = add_owner(&f.store, "last");
    drop(release);

    assert!(held.wait().is_ok());
    assert!(first.wait().unwrap());
    assert!(matches!(refused.wait(), Err(Error::Bug(text)) if text == "refused after writing"));
    assert!(matches!(panicking.wait(), Err(Error::Bug(_))));
    assert!(!wrong.wait().unwrap(), "a clash is an answer, not an error");
    assert!(last.wait().unwrap());
    assert_eq!(owner_names(&f.store), ["acme", "first", "last"]);
}

#[test]
fn a_failing_commit_fails_all_of_its_group_and_writes_nothing() {
    let f = fixture();
    let (release, held) = hold_writer(&f.store);
    let calls: Vec<_> = ["a", "b", "c"].into_iter().map(|name| add_owner(&f.store, name)).collect();
    // The held call's RELEASE and COMMIT, BEGIN, then three times SAVEPOINT, INSERT, RELEASE, then COMMIT.
    f.store.faults().fail_nth(2 + 1 + 9 + 1);
    drop(release);
    assert!(held.wait().is_ok());
    for call in calls {
        assert!(matches!(call.wait(), Err(Error::Unavailable(_))));
    }
    assert_eq!(f.store.faults().hits(), 1);
    assert_eq!(owner_names(&f.store), ["acme"]);
    assert!(add_owner(&f.store, "after").wait().unwrap(), "it recovers by itself");
}

#[test]
fn a_read_sees_one_instant() {
    let f = fixture();
    let (go, gone) = mpsc::channel();
    let (started, starting) = mpsc::channel();
    let read = f.store.read(move |tx| -> Result<(usize, usize), Error> {
        let before = owners::all(tx)?.len();
        started.send(()).unwrap();
        gone.recv().unwrap();
        Ok((before, owners::all(tx)?.len()))
    });
    starting.recv().unwrap();
    assert!(add_owner(&f.store, "meanwhile").wait().unwrap());
    go.send(()).unwrap();
    assert_eq!(read.wait().unwrap(), (1, 1));
    assert_eq!(owner_names(&f.store).len(), 2);
}

#[test]
fn a_panicking_read_costs_one_call() {
    let f = fixture();
    let panicking =
        f.store.read(|_| -> Result<(), Error> { panic!("a bug in a read (this message is part of the test)") });
    assert!(matches!(panicking.wait(), Err(Error::Unavailable(_))));
    assert_eq!(owner_names(&f.store), ["acme"]);
}

#[test]
fn our_own_change_of_an_app_is_seen_at_once() {
    let f = fixture();
    assert_eq!(find_app(&f.store).unwrap().settings.version, "1.0");
    assert!(f.store.cache().app(OWNERID, "demo").is_some());
    let id = find_app(&f.store).unwrap().id;
    f.store.write(move |tx| apps::set(tx, id, "ver", "2.0")).wait().unwrap();
    assert_eq!(find_app(&f.store).unwrap().settings.version, "2.0");
}

#[test]
fn a_change_by_another_process_is_noticed() {
    let f = fixture();
    let id = find_app(&f.store).unwrap().id;
    // Another process is another connection; that it lives in this process makes no difference to the file.
    let other = Store::open(&options(&f.path)).unwrap();
    other.write(move |tx| apps::set(tx, id, "ver", "2.0")).wait().unwrap();
    // Any write of ours looks first; an idle writer looks by itself, which no test should wait for by the clock.
    add_owner(&f.store, "look").wait().unwrap();
    assert_eq!(find_app(&f.store).unwrap().settings.version, "2.0");
}

#[test]
fn an_idle_writer_notices_by_itself() {
    let f = fixture();
    let id = find_app(&f.store).unwrap().id;
    let other = Store::open(&options(&f.path)).unwrap();
    other.write(move |tx| apps::set(tx, id, "ver", "2.0")).wait().unwrap();
    while f.store.cache().app(OWNERID, "demo").is_some() {
        std::thread::yield_now();
    }
    assert_eq!(find_app(&f.store).unwrap().settings.version, "2.0");
}

fn session(app: keystead::model::ids::AppId, bits: u128) -> Session {
    Session {
        id: SessionId::from_random(bits),
        app,
        sign_key: None,
        ip: "127.0.0.1".into(),
        created_at: NOW,
        expires_at: NOW + 60,
        ended_at: None,
        user: None,
        kind: Default::default(),
        hwid: None,
    }
}

#[test]
fn sessions_are_in_memory_from_their_commit_on() {
    let f = fixture();
    let app = find_app(&f.store).unwrap().id;
    let new = session(app, 1);
    let id = new.id;
    let insert = new.clone();
    f.store.write(move |tx| sessions::insert(tx, insert.clone())).wait().unwrap();
    assert!(f.store.cache().session(id).is_some());

    let undone = session(app, 2);
    let undone_id = undone.id;
    let refused = f.store.write(move |tx| -> Result<(), Error> {
        sessions::insert(tx, undone.clone())?;
        Err(Error::Busy)
    });
    assert!(refused.wait().is_err());
    assert!(f.store.cache().session(undone_id).is_none(), "what was undone never reached the cache");
    assert!(block_on(sessions::lookup(&f.store, undone_id)).unwrap().is_none());

    f.store.write(move |tx| sessions::end(tx, id, app, NOW + 1)).wait().unwrap();
    let ended = block_on(sessions::lookup(&f.store, id)).unwrap().unwrap();
    assert_eq!((ended.ended_at, ended.expires_at), (Some(NOW + 1), NOW + 1));
    let again = f.store.write(move |tx| sessions::end(tx, id, app, NOW + 1)).wait().unwrap();
    assert!(!again, "a session ends once");
    let user = SessionUser { id: keystead::model::ids::UserId(1), credential: "mia".into() };
    let validated = f.store.write(move |tx| sessions::validate(tx, &new, user.clone(), NOW + 2)).wait().unwrap();
    assert!(!validated, "nobody logs in on an ended session");
}

#[test]
fn what_was_loaded_before_a_change_is_not_kept() {
    let f = fixture();
    let app = find_app(&f.store).unwrap();
    // Empty the cache as a change by another process would.
    f.store
        .write({
            let id = app.id;
            move |tx| apps::set(tx, id, "ver", "1.1")
        })
        .wait()
        .unwrap();
    let place = block_on(f.store.cache().app_or_place(OWNERID, "demo")).expect_err("not in memory");
    f.store
        .write({
            let id = app.id;
            move |tx| apps::set(tx, id, "ver", "1.2")
        })
        .wait()
        .unwrap();
    place.keep(app);
    assert!(f.store.cache().app(OWNERID, "demo").is_none(), "stale: it was read before the change");
    assert_eq!(find_app(&f.store).unwrap().settings.version, "1.2");
}

#[test]
fn a_variable_is_in_memory_until_it_changes() {
    let f = fixture();
    let app = find_app(&f.store).unwrap().id;
    let find =
        |name: &str| block_on(variables::lookup(&f.store, app, name.to_owned())).unwrap().map(|v| v.value.clone());
    let set = |value: &str| {
        let variable =
            Variable { name: "motd".to_owned(), value: value.to_owned(), authenticated: false, updated_at: NOW };
        f.store.write(move |tx| variables::set(tx, app, &variable)).wait().unwrap();
    };
    let known = || f.store.cache().variable(app, "motd").is_some();
    assert_eq!(find("motd"), None);
    set("one");
    assert!(!known());
    assert_eq!(find("motd").as_deref(), Some("one"));
    assert!(known());
    assert!(f.store.cache().variable(AppId(app.0 + 1), "motd").is_none(), "another app's is another");
    set("two");
    assert!(!known());
    assert_eq!(find("motd").as_deref(), Some("two"));
    f.store.write(move |tx| variables::delete(tx, app, "motd")).wait().unwrap();
    assert_eq!(find("motd"), None);
    set("three");
    assert_eq!(find("motd").as_deref(), Some("three"));
    // The app may go and another get its number.
    while !f.store.write(move |tx| apps::delete_step(tx, app, 100)).wait().unwrap() {}
    assert!(!known());
}

#[test]
fn sessions_are_cleaned_up_in_steps() {
    let f = fixture();
    let app = find_app(&f.store).unwrap().id;
    f.store.write(move |tx| (0..25).try_for_each(|n| sessions::insert(tx, session(app, n)))).wait().unwrap();
    let clean = |before| f.store.write(move |tx| sessions::clean(tx, before, 10)).wait().unwrap();
    assert_eq!(clean(NOW + 60), 0, "they end at that second, not before it");
    assert_eq!([clean(NOW + 61), clean(NOW + 61), clean(NOW + 61), clean(NOW + 61)], [10, 10, 5, 0]);
}

#[test]
fn a_full_queue_is_answered_at_once() {
    let f = fixture_with(|options| Options { writer_queue: 2, reader_queue: 2, ..options });
    let (release, held) = hold_writer(&f.store);
    let waiting = [add_owner(&f.store, "one"), add_owner(&f.store, "two")];
    assert!(matches!(add_owner(&f.store, "three").wait(), Err(Error::Busy)));
    drop(release);
    held.wait().unwrap();
    for call in waiting {
        assert!(call.wait().unwrap());
    }
}

#[test]
fn a_foreign_write_lock_delays_and_then_refuses_but_never_breaks() {
    let f = fixture();
    let other = Store::open(&options(&f.path)).unwrap();
    let (release, held) = hold_writer(&other);
    assert!(matches!(add_owner(&f.store, "late").wait(), Err(Error::Locked)), "after busy_timeout");
    assert_eq!(owner_names(&f.store), ["acme"], "reading goes on meanwhile");
    drop(release);
    held.wait().unwrap();
    assert!(add_owner(&f.store, "after").wait().unwrap());
}

#[cfg(unix)]
#[test]
fn nothing_is_written_to_a_file_that_is_there_no_more() {
    let f = fixture();
    let away = f.path.with_extension("away");
    std::fs::rename(&f.path, &away).unwrap();
    assert!(matches!(add_owner(&f.store, "one").wait(), Err(Error::Unavailable(_))));
    std::fs::write(&f.path, "").unwrap();
    let refused = add_owner(&f.store, "two").wait();
    assert!(matches!(refused, Err(Error::Unavailable(text)) if text.contains("another file")));
    std::fs::rename(&away, &f.path).unwrap();
    assert!(add_owner(&f.store, "three").wait().unwrap(), "put back");
    assert_eq!(owner_names(&f.store), ["acme", "three"]);
}

/// `rm *-wal`, by somebody who tidies up: what was acknowledged was in there.
#[cfg(unix)]
#[test]
fn what_is_in_a_log_that_was_removed_is_kept() {
    let f = fixture();
    assert!(add_owner(&f.store, "one").wait().unwrap());
    let log = f.path.with_extension("db-wal");
    let away = f.path.with_extension("away");
    std::fs::rename(&log, &away).unwrap();
    let refused = add_owner(&f.store, "two").wait();
    assert!(matches!(refused, Err(Error::Unavailable(text)) if text.contains("-wal") && text.contains("start again")));
    assert_eq!(owner_names(&f.store), ["acme", "one"], "reading goes on");
    // Another process would write to another log than the one our readers look into.
    let other = Store::open(&options(&f.path)).unwrap();
    assert!(matches!(add_owner(&other, "three").wait(), Err(Error::Locked)));
    other.close();
    // As a crash would leave it: the log is gone, and with it whatever was only there.
    let copy = f.path.with_extension("copy");
    std::fs::copy(&f.path, &copy).unwrap();
    assert_eq!(owner_names(&Store::open(&options(&copy)).unwrap()), ["acme", "one"]);
    std::fs::rename(&away, &log).unwrap();
    assert!(add_owner(&f.store, "four").wait().unwrap(), "put back");
    assert_eq!(owner_names(&f.store), ["acme", "one", "four"]);
}

#[test]
fn a_foreign_write_lock_does_not_hold_up_the_end() {
    // Without the end, it would be waited for.
    let f = fixture_with(|options| Options { busy_timeout: Duration::from_secs(3_600), ..options });
    let other = Store::open(&options(&f.path)).unwrap();
    let (release, held) = hold_writer(&other);
    let waiting = add_owner(&f.store, "late");
    f.store.close();
    assert!(matches!(waiting.wait(), Err(Error::Locked)));
    drop(release);
    held.wait().unwrap();
    assert_eq!(owner_names(&other), ["acme"]);
}

#[test]
fn a_command_that_writes_step_after_step_lets_the_server_in() {
    let f = fixture();
    f.store.close();
    let lock = lock::hold(&f.path).unwrap();
    lock.describe("127.0.0.1:1".parse().unwrap(), None, NOW).unwrap();
    let patient = Duration::from_secs(3_600);
    let server = Store::open(&Options { lock: Some(lock), busy_timeout: patient, ..Options::small(&f.path) }).unwrap();
    let command = Store::open(&options(&f.path)).unwrap();
    let (release, held) = hold_writer(&command);
    let waiting = add_owner(&server, "late");
    // By then it waits for the lock, and looks for it every 20 ms.
    std::thread::sleep(Duration::from_millis(100));
    drop(release);
    held.wait().unwrap();
    // A step is long, and the time between two of them short: without a gap hardly anybody meets it.
    let step = |tx: &mut store::Tx<'_>| -> Result<bool, Error> {
        std::thread::sleep(Duration::from_millis(50));
        Ok(owners::all(tx)?.iter().any(|owner| &*owner.name == "late"))
    };
    assert!((0..20).any(|_| command.write(step).wait().unwrap()), "twenty steps, and the server still waits");
    assert!(waiting.wait().unwrap());
}

#[test]
fn a_closed_store_says_so() {
    let f = fixture();
    f.store.close();
    assert!(matches!(add_owner(&f.store, "late").wait(), Err(Error::Unavailable(_))));
    assert!(matches!(f.store.read(owners::all).wait(), Err(Error::Unavailable(_))));
    assert!(!f.path.with_extension("db-wal").exists(), "the log was folded into the file");
}

#[test]
fn other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letter.txt");
    std::fs::write(&path, "Dear customer, this is no database at all, but it is long enough to look like one.")
        .unwrap();
    assert!(matches!(Store::open(&options(&path)).err(), Some(Error::Unfit(_))));
    let missing = dir.path().join("no/such/folder/k.db");
    assert!(matches!(Store::open(&options(&missing)).err(), Some(Error::Unavailable(_))));
}

#[test]
fn a_foreign_database_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("songs.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Store::open(&options(&path)), Err(Error::Unfit(text)) if text.contains("not one of")));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_a_new_database() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = fixture();
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{}{ending}", fixture.path.display());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}
