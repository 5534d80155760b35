//! The same full disk without the shim's help: a small file system of its own, in a mount namespace that goes with the
//! process. Only where the system lets this process mount; most of it only in the long form.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

use crate::Torture;
use crate::http::Client;
use crate::room::Room;
use crate::visit::furnish;
use crate::{doors, full};

/// Set for the process that runs inside its own mount namespace.
pub const INSIDE: &str = "TORTURE_SMALL_DISK";

/// Enough that what they write to the log is more than the disk has; what stays of each is little.
const WRITES: usize = 1_000;

pub fn run(torture: &mut Torture) {
    if std::env::var_os(INSIDE).is_some() {
        inside(torture);
    } else {
        outside(torture);
    }
}

/// Starts this program again where it may mount without anybody else seeing it.
fn outside(torture: &mut Torture) {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    if !command.arg("true").output().is_ok_and(|output| output.status.success()) {
        return torture.say("a small disk of its own: this process may not mount");
    }
    let seed = rand::RngExt::random::<u64>(&mut torture.rng).to_string();
    let again = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--seed", &seed, "real"])
        .args(torture.long.then_some("--long"))
        .env(INSIDE, "1")
        .env("TORTURE_FOLDER", torture.folder())
        .status();
    assert!(again.is_ok_and(|status| status.success()), "on a small disk of its own");
}

fn inside(torture: &mut Torture) {
    the_log_alone(torture);
    for size in if torture.long { &["6m", "4m"][..] } else { &[] } {
        let room = small_disk(torture, size);
        full::while_it_runs(torture, room, fill, |room| fs::remove_file(room.data.join("ballast")).expect("was there"));
    }
}

/// An empty disk of this size.
fn small_disk(torture: &mut Torture, size: &str) -> Room {
    let room = torture.room();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(&room.data);
    assert!(mount.status().is_ok_and(|status| status.success()), "cannot mount");
    room
}

/// Less room than SQLite lets its log take before it folds it: the database fits, so nobody is refused for the log's sake.
fn the_log_alone(torture: &mut Torture) {
    let room = small_disk(torture, "4m");
    furnish(&room, 10);
    let server = room.serve(&[]);
    let mut client = Client::new(&server.address, "192.0.2.1");
    for n in 0..WRITES {
        doors::init(&mut client, "1.2").unwrap_or_else(|outcome| panic!("{n} writes, then {outcome:?}"));
    }
    drop(server);
    room.ok(&["check"]);
    room.remove();
    torture.say("a disk that the log could fill by itself: it did not");
}

/// A file that takes what is left.
fn fill(room: &Room) {
    let mut ballast = File::create(room.data.join("ballast")).expect("makes a file");
    while ballast.write_all(&[0; 4096]).is_ok() {}
}
