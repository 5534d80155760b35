//! Tests of the writer that need its inside. What anybody sees of it is tested in `tests/store.rs`.

use super::super::tx::WriteCall;
use super::writer::MAX_GROUP;
use super::*;
use crate::pending::pending;

fn settings(path: &Path, busy_timeout: Duration) -> ConnectionSettings {
    ConnectionSettings {
        path: path.to_owned(),
        busy_timeout,
        #[cfg(feature = "faults")]
        faults: Arc::default(),
    }
}

fn writer(
    connection: Connection,
    queue: Receiver<Message<Box<dyn WriteJob>>>,
    path: &Path,
    busy_timeout: Duration,
    bound: u64,
) -> Writer {
    Writer {
        connection,
        queue,
        cache: Arc::new(Cache::new(&Options::small("unused"))),
        data_version: 0,
        busy_timeout,
        files: file::Opened::of(path, None).unwrap(),
        held: false,
        cutting: Cutting::beyond(bound),
        missing: None,
        lost: Arc::default(),
        committed: None,
        transactions: 0,
        closing: Arc::default(),
        figures: Arc::default(),
    }
}

#[test]
fn nobody_waits_twice_for_a_foreign_write_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.db");
    let busy_timeout = Duration::from_millis(20);
    let settings = settings(&path, busy_timeout);
    let mut connection = settings.open_writer().unwrap();
    schema::prepare(&mut connection.db, &path).unwrap();
    // More than one commit carries, and the stop, all there before the writer begins.
    let (calls, queue) = crossbeam_channel::bounded(MAX_GROUP * 3);
    let answers: Vec<_> = (0..MAX_GROUP * 2)
        .map(|_| {
            let (deliver, answer) = pending();
            let job: Box<dyn WriteJob> = Box::new(WriteCall { work: |_: &mut Tx<'_>| Ok(()), outcome: None, deliver });
            calls.send(Message::Job(job)).unwrap();
            answer
        })
        .collect();
    calls.send(Message::Stop).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writer = writer(connection, queue, &path, busy_timeout, LOG_BOUND);
    let writer = std::thread::spawn(|| writer.run());
    for (n, answer) in answers.into_iter().enumerate() {
        assert!(matches!(answer.wait().unwrap(), Err(Error::Locked)), "call {n}");
        if n == 0 {
            other.execute_batch("ROLLBACK").unwrap();
        }
    }
    writer.join().unwrap();
}

/// Overlapping reads: there is never a moment without one, so SQLite alone would let the log grow for ever.
#[test]
fn the_log_is_cut_although_somebody_always_reads() {
    const BOUND: u64 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.db");
    let settings = settings(&path, Duration::from_secs(5));
    let mut connection = settings.open_writer().unwrap();
    schema::prepare(&mut connection.db, &path).unwrap();
    // Without a limit SQLite never makes the file shorter by itself.
    connection
        .db
        .execute_batch("CREATE TABLE filling (n INTEGER PRIMARY KEY, bytes BLOB); PRAGMA main.journal_size_limit = -1;")
        .unwrap();
    let (calls, queue) = crossbeam_channel::bounded(1);
    let writer = writer(connection, queue, &path, Duration::from_secs(5), BOUND);
    let writer = std::thread::spawn(|| writer.run());
    let write = || {
        let (deliver, answer) = pending();
        let work = |tx: &mut Tx<'_>| {
            tx.exec("INSERT INTO filling (bytes) VALUES (zeroblob(10000))", &[])?;
            // Always the same pages: the log grows, the file does not.
            tx.exec("DELETE FROM filling", &[])
        };
        let job: Box<dyn WriteJob> = Box::new(WriteCall { work, outcome: None, deliver });
        calls.send(Message::Job(job)).unwrap();
        assert!(answer.wait().unwrap().is_ok());
    };
    let read = || {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch("BEGIN; SELECT count(*) FROM apps;").unwrap();
        db
    };
    let length = || std::fs::metadata(file::beside(&path, "-wal")).unwrap().len();

    // One that stays, as a backup does: nothing can be done, and nobody is held up for long.
    let first = read();
    let mut writes = 0;
    while length() < 3 * BOUND {
        write();
        writes += 1;
        assert!(writes < 1_000, "the log does not grow");
    }
    let over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&over);
    let mut other = read();
    let readers = std::thread::spawn(move || {
        let mut reader = first;
        while !until.load(Ordering::Relaxed) {
            // The one begins before the other ends.
            std::mem::swap(&mut reader, &mut other);
            other.execute_batch("ROLLBACK; BEGIN; SELECT count(*) FROM apps;").unwrap();
        }
    });
    let end = std::time::Instant::now() + Duration::from_secs(30);
    let mut longest = length();
    while length() >= longest {
        longest = longest.max(length());
        write();
        assert!(longest < 512 * BOUND && std::time::Instant::now() < end, "{longest} bytes, and nobody cuts it");
    }
    over.store(true, Ordering::Relaxed);
    readers.join().unwrap();
    calls.send(Message::Stop).unwrap();
    writer.join().unwrap();
}

#[test]
fn a_statement_is_prepared_once_whatever_is_bound() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.db");
    let settings = settings(&path, Duration::from_millis(20));
    let mut connection = settings.open_writer().unwrap();
    schema::prepare(&mut connection.db, &path).unwrap();
    const ASKED: &str = "SELECT hwid FROM devices WHERE user_id = $1 ORDER BY bound_at, hwid";
    for user in [0, 1, 7, 1] {
        connection.each(ASKED, &[Value::Int(user)], |_| Ok(true)).unwrap();
    }
    let statement = connection.db.prepare_cached(&ASKED.replace('$', "?")).unwrap();
    assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
}

/// `.cargo/config.toml` says how SQLite is built.
#[test]
fn sqlite_does_not_count_its_memory() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    let mut statement = db.prepare("PRAGMA compile_options").unwrap();
    let options: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect();
    for wanted in ["DEFAULT_MEMSTATUS=0", "OMIT_SHARED_CACHE"] {
        assert!(options.iter().any(|option| option == wanted), "{wanted} is not among {options:?}");
    }
}
