//! The same full disk without the shim's help: a small file system of its own, in a mount namespace that goes with the
//! process. Only in the long form, and only where the system lets this process mount.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

use crate::Torture;
use crate::full;
use crate::room::Room;

/// Set for the process that runs inside its own mount namespace.
pub const INSIDE: &str = "TORTURE_SMALL_DISK";

pub fn run(torture: &mut Torture) {
    if std::env::var_os(INSIDE).is_some() {
        inside(torture);
    } else if torture.long {
        outside(torture);
    } else {
        torture.say("a small disk of its own: only with --long");
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
        .args(["--long", "--seed", &seed, "real"])
        .env(INSIDE, "1")
        .env("TORTURE_FOLDER", torture.folder())
        .status();
    assert!(again.is_ok_and(|status| status.success()), "on a small disk of its own");
}

fn inside(torture: &mut Torture) {
    let room = torture.room();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "none"]).arg(&room.data).status();
    assert!(mounted.is_ok_and(|status| status.success()), "cannot mount");
    full::while_it_runs(torture, room, fill, |room| fs::remove_file(room.data.join("ballast")).expect("was there"));
}

/// A file that takes what is left.
fn fill(room: &Room) {
    let mut ballast = File::create(room.data.join("ballast")).expect("makes a file");
    while ballast.write_all(&[0; 4096]).is_ok() {}
}
