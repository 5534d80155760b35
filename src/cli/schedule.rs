//! The thread beside a server that makes a backup from time to time and deletes the oldest: only files that have the
//! name it gives, and only when the new one is verified. Not a command.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime};

use crate::clock::Clock;
use crate::config::Config;
use crate::model::time::Time;
use crate::store::backup::{self, BackupError, Last, Status, Watch};

/// How often it looks whether one is due: the clock may have been set, and files may have been taken away.
const LOOK: Duration = Duration::from_secs(10);

/// How long it rests after one that failed.
const AGAIN: Duration = Duration::from_secs(300);

/// How much nicer than the answering threads this one is.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

/// What a time looks like in the name of a file.
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// A time as a part of a file's name: UTC, to the second.
pub(super) fn stamp(time: Time) -> String {
    DateTime::from_timestamp(time.0, 0).unwrap_or_default().format(STAMP).to_string()
}

/// The backups of one database in a folder: those that have its name and a time.
pub(super) struct Folder {
    path: PathBuf,
    /// The database's name without its ending.
    stem: String,
}

impl Folder {
    /// The one that is set, if one is.
    pub(super) fn of(config: &Config) -> Option<Folder> {
        let path = config.backup_folder.clone()?;
        let stem = config.database.file_stem().map_or_else(|| "keystead".into(), |stem| stem.to_string_lossy());
        Some(Folder { path, stem: stem.into_owned() })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The backups in it with their times, the oldest first.
    pub(super) fn backups(&self) -> io::Result<Vec<(Time, PathBuf)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let time = entry.file_name().to_str().and_then(|name| self.time(name));
            if let Some(time) = time
                && entry.file_type()?.is_file()
            {
                found.push((time, entry.path()));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Removes what a server that was killed has left half made.
    fn sweep(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let part = name.to_str().and_then(|name| name.split_once(".db.")).filter(|(start, rest)| {
                let process = rest.split_once(".part").map(|(process, _)| process.parse::<u32>());
                self.time(&format!("{start}.db")).is_some() && matches!(process, Some(Ok(_)))
            });
            if part.is_some() {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn file(&self, time: Time) -> PathBuf {
        self.path.join(format!("{}-{}.db", self.stem, stamp(time)))
    }

    /// The time in such a name; none in any other, however near it comes.
    fn time(&self, name: &str) -> Option<Time> {
        let text = name.strip_prefix(&self.stem)?.strip_prefix('-')?.strip_suffix(".db")?;
        let time = Time(NaiveDateTime::parse_from_str(text, STAMP).ok()?.and_utc().timestamp());
        (stamp(time) == text).then_some(time)
    }
}

/// Runs until it is dropped.
pub(super) struct Schedule {
    running: Option<(Sender<()>, JoinHandle<()>)>,
    stop: Arc<AtomicBool>,
}

impl Schedule {
    /// Starts it, if backups are set.
    pub(super) fn start(clock: &Clock, config: &Config, status: &Arc<Status>) -> io::Result<Schedule> {
        let stop = Arc::new(AtomicBool::new(false));
        let Some(folder) = Folder::of(config) else { return Ok(Schedule { running: None, stop }) };
        let maker = Maker {
            folder,
            database: config.database.clone(),
            every: i64::try_from(config.backup_every.as_secs()).unwrap_or(i64::MAX),
            keep: config.backup_keep,
            clock: clock.clone(),
            status: Arc::clone(status),
            stop: Arc::clone(&stop),
        };
        let (sender, stopped) = channel::<()>();
        let (look, again) = (LOOK.min(config.backup_every), AGAIN.min(config.backup_every));
        let thread = std::thread::Builder::new().name("backups".to_owned()).spawn(move || {
            // On Linux niceness belongs to the thread. Where it cannot be set, backups still work.
            #[cfg(target_os = "linux")]
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
            let mut wait = Duration::ZERO;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = if maker.look() { look } else { again };
            }
        })?;
        Ok(Schedule { running: Some((sender, thread)), stop })
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some((sender, thread)) = self.running.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

struct Maker {
    folder: Folder,
    database: PathBuf,
    every: i64,
    keep: usize,
    clock: Clock,
    status: Arc<Status>,
    stop: Arc<AtomicBool>,
}

impl Maker {
    /// Makes one if it is due. Whether all is well.
    fn look(&self) -> bool {
        let now = self.clock.now();
        let backups = match self.folder.backups() {
            Ok(backups) => backups,
            Err(error) => return self.failed(&format!("{}: {error}", self.folder.path.display())),
        };
        // One from the future was made before the clock was set right; it says nothing.
        let newest = backups.iter().rev().map(|(time, _)| *time).find(|time| *time <= now);
        if newest.is_some_and(|newest| now - newest < self.every) {
            self.status.set(Last { success: newest, error: None });
            return true;
        }
        if let Err(error) = self.folder.sweep() {
            return self.failed(&format!("{}: {error}", self.folder.path.display()));
        }
        let file = self.folder.file(now);
        let began = Instant::now();
        let mut watch = Watch { stop: Arc::clone(&self.stop), copied: &mut |_| {} };
        match backup::make(&self.database, &file, false, &mut watch) {
            Ok(copied) => {
                let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                let (rows, checksum) = (copied.contents.rows(), copied.contents.checksum);
                tracing::info!(file = %file.display(), bytes = copied.bytes, rows, checksum, took_ms, "backup made");
                self.status.set(Last { success: Some(now), error: None });
            }
            Err(BackupError::Stopped) => return true,
            Err(error) => return self.failed(&error.to_string()),
        }
        self.delete_oldest(&file, now);
        true
    }

    fn failed(&self, error: &str) -> bool {
        let last = self.status.last();
        tracing::error!(
            error,
            "no backup was made: see that backup-folder is there, writable and has room, and that `keystead check` finds \
             nothing; trying again"
        );
        self.status.set(Last { error: Some(error.to_owned()), ..last });
        false
    }

    /// Leaves as many as are to be kept, and in any case the one just made. Those from the future were made while the clock
    /// was wrong: they count for nothing, so that they push out none whose time is right.
    fn delete_oldest(&self, made: &Path, now: Time) {
        let Ok(mut backups) = self.folder.backups() else { return };
        backups.retain(|(time, path)| path != made && *time <= now);
        let surplus = (backups.len() + 1).saturating_sub(self.keep);
        for (_, path) in backups.into_iter().take(surplus) {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(file = %path.display(), %error, "an old backup could not be deleted");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::store::{Options, Store};

    use super::*;

    #[test]
    fn only_its_own_names_are_its_own() {
        let folder = Folder { path: PathBuf::from("/b"), stem: "keystead".to_owned() };
        let time = Time(1_795_257_000);
        assert_eq!(folder.file(time), Path::new("/b/keystead-20261121T103000Z.db"));
        assert_eq!(folder.time("keystead-20261121T103000Z.db"), Some(time));
        for other in [
            "keystead.db",
            "keystead-.db",
            "keystead-20261121T103000Z.db.7.part",
            "keystead-20261121T103000Z.db-wal",
            "keystead-20261321T103000Z.db",
            "keystead-20261121T10300Z.db",
            "keystead-020261121T103000Z.db",
            "keystead-20261121T103000Z-mine.db",
            "my-keystead-20261121T103000Z.db",
            "other-20261121T103000Z.db",
        ] {
            assert_eq!(folder.time(other), None, "{other}");
        }
    }

    /// A maker that a test's clock drives, on a database of its own in this folder.
    fn maker(folder: &Path, clock: &Clock, keep: usize) -> Maker {
        let database = folder.join("keystead.db");
        Store::open(&Options::small(&database)).unwrap().close();
        Maker {
            folder: Folder { path: folder.join("backups"), stem: "keystead".to_owned() },
            database,
            every: 3600,
            keep,
            clock: clock.clone(),
            status: Arc::default(),
            stop: Arc::default(),
        }
    }

    #[test]
    fn one_is_made_when_the_newest_is_old_enough() {
        let dir = tempfile::tempdir().unwrap();
        let start = Time(1_795_257_000);
        let clock = Clock::test(start);
        let maker = maker(dir.path(), &clock, 3);
        let times = || maker.folder.backups().unwrap().into_iter().map(|(time, _)| time - start).collect::<Vec<_>>();

        assert!(!maker.look(), "there is no folder");
        let last = maker.status.last();
        assert!(last.success.is_none() && last.error.is_some_and(|error| error.contains("backups")), "it says so");
        std::fs::create_dir(maker.folder.path()).unwrap();
        assert!(maker.look());
        assert_eq!((maker.status.last().success, maker.status.last().error), (Some(start), None));
        clock.advance(3599);
        assert!(maker.look());
        assert_eq!(times(), [0], "not yet");
        clock.advance(1);
        assert!(maker.look());
        assert_eq!(times(), [0, 3600]);
        clock.advance(3 * 3600);
        assert!(maker.look());
        assert_eq!(times(), [0, 3600, 14_400], "what was missed is made once");
        clock.advance(3600);
        assert!(maker.look());
        assert_eq!(times(), [3600, 14_400, 18_000], "three are kept");

        // Made while the clock was wrong: they keep nobody from making one, count for nothing, and are not deleted before
        // their time.
        let future: Vec<PathBuf> = ["2033", "2034", "2035"]
            .map(|year| maker.folder.path().join(format!("keystead-{year}0101T000000Z.db")))
            .into();
        for path in &future {
            std::fs::write(path, "from the future").unwrap();
        }
        for now in [21_600, 25_200] {
            clock.advance(3600);
            assert!(maker.look());
            assert_eq!(times()[..3], [now - 7200, now - 3600, now]);
            assert_eq!(times().len(), 6);
        }
        assert!(future.iter().all(|path| path.exists()));
    }

    #[test]
    fn nothing_is_deleted_while_backups_fail() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::test(Time(1_795_257_000));
        let maker = maker(dir.path(), &clock, 1);
        std::fs::create_dir(maker.folder.path()).unwrap();
        assert!(maker.look());
        std::fs::write(&maker.database, "this is no database any more, but long enough to be one").unwrap();
        clock.advance(7200);
        assert!(!maker.look());
        assert_eq!(maker.folder.backups().unwrap().len(), 1);
        let last = maker.status.last();
        assert_eq!(last.success, Some(Time(1_795_257_000)), "the one before is known still");
        assert!(last.error.is_some_and(|error| error.contains("is not a Keystead database")));
    }
}
