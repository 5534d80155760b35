//! Torture: the real server and its commands under kills, power cuts, full, broken and slow disks, files that go away and
//! clocks that jump. A model knows what was answered; afterwards everything is compared. Ends with 1 if anything was lost.
//!
//!     keystead-torture [--long] [--seed N] [--keep] [PART…]       parts: kills power making full real trouble files clock
//!
//! KEYSTEAD_BIN names the program; TORTURE_FOLDER a folder on a real disk for the databases. A failed run keeps its files
//! and says its seed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

mod clock;
mod copies;
mod customer;
mod disk;
mod doors;
mod files;
mod full;
mod history;
mod http;
mod kills;
mod load;
mod observe;
mod operator;
mod power;
mod real;
mod room;
mod trouble;
mod visit;

/// What every part is given, and adds to.
pub struct Torture {
    folder: PathBuf,
    shim: PathBuf,
    program: PathBuf,
    /// The long form.
    pub long: bool,
    pub rng: StdRng,
    pub sums: Sums,
    rooms: usize,
}

/// What the summary says.
#[derive(Debug, Default)]
pub struct Sums {
    pub kills: usize,
    pub cuts: usize,
    pub acknowledged: usize,
    pub unknown: usize,
    pub unknown_done: usize,
    pub not_now: usize,
    pub commands_killed: usize,
}

impl Sums {
    /// One more comparison.
    pub fn add(&mut self, verdict: &history::Verdict) {
        self.acknowledged += verdict.acknowledged;
        self.unknown += verdict.unknown;
        self.unknown_done += verdict.unknown_done;
    }
}

impl Torture {
    /// A new room.
    pub fn room(&mut self) -> room::Room {
        self.rooms += 1;
        room::Room::new(self.folder.join(format!("room{}", self.rooms)), &self.shim, &self.program)
    }

    /// Where the rooms are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Progress, for people.
    pub fn say(&self, text: &str) {
        println!("  {text}");
    }
}

type Part = (&'static str, fn(&mut Torture));

const PARTS: [Part; 8] = [
    ("kills", kills::run),
    ("power", power::run),
    ("making", power::making),
    ("full", full::run),
    ("real", real::run),
    ("trouble", trouble::run),
    ("files", files::run),
    ("clock", clock::run),
];

fn main() -> ExitCode {
    let (mut long, mut keep, mut seed, mut wanted) = (false, false, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--long" => long = true,
            "--keep" => keep = true,
            "--seed" => seed = arguments.next().and_then(|text| text.parse().ok()),
            part if PARTS.iter().any(|(name, _)| *name == part) => wanted.push(argument),
            _ => {
                eprintln!(
                    "keystead-torture [--long] [--seed N] [--keep] [kills|power|making|full|real|trouble|files|clock]…"
                );
                return ExitCode::from(2);
            }
        }
    }
    let Some(program) = std::env::var_os("KEYSTEAD_BIN").map(PathBuf::from) else {
        eprintln!("KEYSTEAD_BIN must name the keystead program");
        return ExitCode::from(2);
    };
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    // Not /tmp, which may be memory: a disk is what this is about.
    let beside = || std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned)).expect("a folder");
    let folder = std::env::var_os("TORTURE_FOLDER").map_or_else(|| beside().join("torture-data"), PathBuf::from);
    let folder = folder.join(format!("{seed}"));
    std::fs::create_dir_all(&folder).expect("a folder");
    println!("seed {seed}; files in {}", folder.display());
    let shim = room::build_shim(&folder);
    let program = program.canonicalize().expect("KEYSTEAD_BIN names a file");
    let rng = StdRng::seed_from_u64(seed);
    let mut torture = Torture { folder, shim, program, long, rng, sums: Sums::default(), rooms: 0 };
    let began = Instant::now();
    for (name, run) in PARTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name)) {
        let began = Instant::now();
        println!("{name}");
        // Each part's chances depend on the seed only, not on which parts ran before it.
        torture.rng = StdRng::seed_from_u64(seed ^ name.bytes().fold(0, |sum: u64, byte| sum << 8 | u64::from(byte)));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&mut torture)));
        if caught.is_err() {
            println!(
                "FAILED in {name}; once more: --seed {seed} {name}; the files are in {}",
                torture.folder.display()
            );
            return ExitCode::FAILURE;
        }
        println!("  {name}: {} s", began.elapsed().as_secs());
    }
    let Sums { kills, cuts, acknowledged, unknown, unknown_done, not_now, commands_killed } = torture.sums;
    println!(
        "{kills} kills, {commands_killed} of commands; {cuts} power cuts; {acknowledged} acknowledged answers compared; \
         {unknown} unanswered calls, of which {unknown_done} were done; {not_now} times \"not now\"; losses: 0; {} s",
        began.elapsed().as_secs()
    );
    if !keep {
        let _ = std::fs::remove_dir_all(&torture.folder);
    }
    ExitCode::SUCCESS
}
