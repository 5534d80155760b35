//! Measures Keystead on this machine: against a bare hyper server and argon2 (`figures`), and over a long time (`soak`).
//! `run.sh` beside the sources builds everything and calls this. Talks to 127.0.0.1 only.

mod client;
mod data;
#[path = "../../../../tests/support/envelope.rs"]
mod envelope;
mod figures;
mod fill;
mod graph;
mod machine;
mod server;
mod soak;
mod wrk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser;

use client::Result;
use data::Data;

/// The licenses of the usual rows, and of what many rows are compared with.
const FEW: u64 = 1_000;

#[derive(Parser)]
#[command(name = "bench/run.sh", about = "Measures Keystead on this machine")]
struct Arguments {
    /// The Keystead to measure
    #[arg(long, hide = true)]
    keystead: PathBuf,
    /// The project's folder
    #[arg(long, hide = true)]
    root: PathBuf,
    /// Where data is made; not in memory, where a durable commit costs nothing
    #[arg(long, hide = true)]
    data: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Requests a second, latencies, memory and the start, as Markdown on stdout
    Figures {
        /// Licenses in the second database, which is compared with one of 1,000; 10 million take some minutes to make
        #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
        rows: Option<u64>,
        /// How long each measurement takes
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=999))]
        seconds: u32,
        /// Rounds, of which the median counts
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
        rounds: u32,
        /// Connections
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=5000))]
        connections: u32,
        /// Threads of wrk
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
        threads: u32,
        /// Keep the database with many rows for the next time
        #[arg(long)]
        keep: bool,
    },
    /// Mixed load of all formats for a long time, with strangers, backups, clean-up and commands; Markdown on stdout, a
    /// graph in bench/soak.svg
    Soak {
        /// How long
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: u32,
        /// Where the graph goes
        #[arg(long)]
        graph: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { keystead, root, data, what } = arguments;
    let this = Folder::new(data.join(format!("run-{}", std::process::id())))?;
    let mut report = machine::description(root, &this.0);
    match what {
        What::Figures { rows, seconds, rounds, connections, threads, keep } => {
            let mut small = Data::make(keystead, &this.0.join("few"), FEW)?;
            let kept = data.join(format!("rows-{}", rows.unwrap_or_default()));
            let mut large = rows.map(|rows| Data::make(keystead, &kept, rows)).transpose()?;
            let plan = figures::Plan {
                seconds: *seconds,
                rounds: *rounds,
                connections: *connections,
                other_connections: [1, 1_000].into_iter().filter(|other| other != connections).collect(),
                threads: *threads,
                programs: std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
                script: figures::script(root),
            };
            report += &figures::measure(&plan, &mut small, large.as_mut())?;
            if large.is_some() && !keep {
                fs::remove_dir_all(&kept)?;
            }
        }
        What::Soak { minutes, graph } => {
            let graph = graph.clone().unwrap_or_else(|| root.join("bench/soak.svg"));
            report += &soak::run(keystead, &this.0, *minutes, &graph)?;
        }
    }
    io::Write::write_all(&mut io::stdout(), report.as_bytes())?;
    Ok(())
}

/// A folder that goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> Result<Folder> {
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
