//! Power cuts while a backup is made and while one is restored: what has a name is whole, and what was said to be done is.

use rand::RngExt;

use crate::Torture;
use crate::disk::{Base, Files, Notes, Syncs, write};
use crate::power::left;
use crate::room::Room;

const COPY: &str = "copy.db";

/// A backup that was cut off is whole under its name, or not there; once it is said to be made, it is there.
pub fn backup(torture: &mut Torture, cuts: usize) {
    let room = torture.room();
    room.ok(&["app", "create", "first"]);
    let (base, copy) = begin(&room);
    room.ok(&["backup", &copy]);
    each_cut(torture, &room, &base, cuts, |other, files, done, when| {
        let apps = other.ok(&["app", "list"]);
        assert!(apps.contains("first"), "the database was only read, and is another ({when}): {apps}");
        if files.contains_key(COPY) {
            other.ok(&["restore", &path(other), "--force"]);
        } else {
            assert!(!done, "the backup was made, and is gone ({when})");
        }
    });
    room.remove();
    torture.say("a backup that was cut off is whole, or none");
}

/// A restore that was cut off leaves the old database or the backup; once it is said to be done, it is the backup, and
/// the old one is kept.
pub fn restore(torture: &mut Torture, cuts: usize) {
    let room = torture.room();
    room.ok(&["app", "create", "first"]);
    let copy = path(&room);
    room.ok(&["backup", &copy]);
    // What a crash leaves: the last of it is in the log only.
    let server = room.serve(&[]);
    room.ok(&["app", "create", "second"]);
    drop(server);
    let (base, copy) = begin(&room);
    room.ok(&["restore", &copy, "--force"]);
    each_cut(torture, &room, &base, cuts, |other, files, done, when| {
        let apps = other.ok(&["app", "list"]);
        other.ok(&["check"]);
        let old = apps.contains("second");
        assert!(apps.contains("first") && !(old && done), "neither the old one nor the backup ({when}): {apps}");
        if !old {
            let kept = files.iter().find(|(name, _)| name.starts_with("keystead.db.before-restore-"));
            let (_, kept) = kept.unwrap_or_else(|| panic!("the old one is gone ({when}): {:?}", files.keys()));
            write(&Files::from([("keystead.db".to_owned(), kept.clone())]), &other.data);
            let apps = other.ok(&["app", "list"]);
            assert!(apps.contains("second"), "what was kept is not the old one ({when}): {apps}");
        }
    });
    room.remove();
    torture.say("a restore that was cut off leaves the old database or the backup, whole");
}

fn path(room: &Room) -> String {
    room.data.join(COPY).to_string_lossy().into_owned()
}

/// From now on counts what is noted.
fn begin(room: &Room) -> (Base, String) {
    let _ = std::fs::remove_file(&room.notes);
    (Base::read(&room.data), path(room))
}

/// The power is cut at some moments of what was noted, the last one, when it was done, among them.
fn each_cut(torture: &mut Torture, room: &Room, base: &Base, cuts: usize, judge: impl Fn(&Room, &Files, bool, &str)) {
    let notes = Notes::read(&room.notes);
    let (mut moments, names) = (notes.after(b"CTSFDRUL"), notes.after(b"DRUL"));
    moments.extend(notes.after(b"W").iter().step_by(10));
    for number in 0..cuts * 3 {
        let at = match number {
            0 | 1 => notes.length(),
            // What is renamed when, is the point.
            _ if number % 2 == 0 => names[torture.rng.random_range(0..names.len())],
            _ => moments[torture.rng.random_range(0..moments.len())],
        };
        let left = left(&mut torture.rng);
        let files = notes.cut(base, at, left, Syncs::Honest, &mut torture.rng);
        let other = torture.room();
        write(&files, &other.data);
        judge(&other, &files, at == notes.length(), &format!("{left:?} at {at} of {}", notes.length()));
        other.remove();
        torture.sums.cuts += 1;
    }
}
