//! A long time of mixed load, as a server that strangers can reach has it: customers of all formats from several addresses,
//! others who guess and flood, clean-up, backups and an operator's commands. Whether memory, open files, the write-ahead
//! log and latency stand at the end where they stood at the start. Load is bounded: everybody waits between rounds.
//! Who asks what is in the files below; any answer that is not expected ends the run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::client::Result;
use super::data::Data;
use super::graph::{self, Line};
use super::server::Server;
use customer::{CUSTOMERS, Customer, FORMATS};
use report::{Look, MEASURES, percentile};
use strangers::Wrong;

mod authgate;
mod authly;
mod customer;
mod keyauth;
mod report;
mod strangers;
mod wacht;

/// What is not as it is by default. API 1.0 is off otherwise; and the sessions that a flood leaves behind reach their limit
/// within a minute, not after several, so that they do not look like a leak. All other limits are the server's own.
const SETTINGS: [&str; 4] = ["--api-1-0", "true", "--unvalidated-per-address", "500"];
/// Between two looks at the server.
const LOOK: Duration = Duration::from_secs(5);
/// Licenses at the start; few enough that the file is not what grows. A run of many hours needs more: some 550 are redeemed in
/// a minute, and no program takes another one's.
const LICENSES: u64 = 200_000;
const LICENSES_A_MINUTE: u64 = 800;
/// Between two commands of the operator, and between two backups.
const COMMANDS: Duration = Duration::from_secs(5);
const BACKUPS: Duration = Duration::from_secs(60);
/// Old sessions that the clean-up finds in each second of the whole time.
const OLD_SESSIONS_A_SECOND: u64 = 500;
/// How long the clean-up keeps a session that is over, in seconds.
const KEPT: i64 = 86_400;

/// What the customers found since the last look, in milliseconds.
#[derive(Default)]
struct Found {
    check: Vec<f64>,
    write: Vec<f64>,
}

/// What all share.
struct Shared<'a> {
    data: &'a Data,
    server: &'a Server,
    over: AtomicBool,
    found: Mutex<Found>,
    /// Of each format.
    requests: [AtomicU64; FORMATS.len()],
    guesses: Wrong,
    flood: Wrong,
    /// Of each customer the last user that has a password: whom strangers would like to be.
    names: Mutex<Vec<Option<String>>>,
    commands: AtomicU64,
    backups: AtomicU64,
}

/// Loads a server for `minutes`; the report, and its graph in a file.
pub fn run(program: &Path, folder: &Path, minutes: u32, graph: &Path) -> Result<String> {
    let licenses = LICENSES.max(u64::from(minutes) * LICENSES_A_MINUTE);
    let data = Data::make(program, &folder.join("soak"), licenses)?;
    let time = Duration::from_secs(u64::from(minutes) * 60);
    old_sessions(&data.keystead.database, time)?;
    let server = data.keystead.serve_with(&SETTINGS)?;
    let shared = Shared {
        data: &data,
        server: &server,
        over: AtomicBool::new(false),
        found: Mutex::default(),
        requests: Default::default(),
        guesses: Wrong::default(),
        flood: Wrong::default(),
        names: Mutex::new(vec![None; CUSTOMERS as usize]),
        commands: AtomicU64::new(0),
        backups: AtomicU64::new(0),
    };
    let looks = thread::scope(|scope| -> Result<Vec<Look>> {
        let mut working = Vec::new();
        for n in 0..CUSTOMERS {
            let shared = &shared;
            working.push(scope.spawn(move || shared.until_over(|| Customer::visit(shared, n))));
        }
        working.push(scope.spawn(|| shared.until_over(|| strangers::guess(&shared))));
        for _ in 0..strangers::FLOODS {
            working.push(scope.spawn(|| shared.until_over(|| strangers::flood(&shared))));
        }
        working.push(scope.spawn(|| shared.until_over(|| shared.operator())));
        working.push(scope.spawn(|| shared.until_over(|| shared.back_up(folder))));
        let looks = shared.look(time);
        shared.over.store(true, Ordering::Relaxed);
        for worker in working {
            worker.join().map_err(|_| "a client broke down")??;
        }
        looks
    })?;
    shared.guesses.were_judged("guesses")?;
    shared.flood.were_judged("the flood")?;
    let lines: Vec<Line> = MEASURES
        .iter()
        .enumerate()
        .map(|(n, name)| Line { name, points: looks.iter().map(|look| (look.minute, look.values[n])).collect() })
        .collect();
    graph::draw(graph, &lines)?;
    Ok(shared.report(minutes, &looks))
}

impl Shared<'_> {
    /// What fails ends the whole run.
    fn until_over(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let done = work();
        self.over.store(true, Ordering::Relaxed);
        done
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits, unless all is over.
    fn wait(&self, time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time && !self.is_over() {
            thread::sleep(Duration::from_millis(50).min(time));
        }
    }

    /// An operator with the command line.
    fn operator(&self) -> Result<()> {
        let keystead = &self.data.keystead;
        while !self.is_over() {
            let made =
                ["license", "create", "--app", "bench", "--count", "20", "--days", "30", "--level", "1", "--json"];
            let made: Vec<String> = serde_json::from_str(&keystead.run(&made)?)?;
            keystead.run(&["license", "ban", &made[0], "--app", "bench"])?;
            keystead.run(&["license", "delete", &made[1], "--app", "bench"])?;
            keystead.run(&["var", "set", "motd", &format!("news of {}", made[2]), "--app", "bench"])?;
            keystead.run(&["app", "set", "bench", &format!("loggedInMsg=Welcome to {}", made[3])])?;
            self.commands.fetch_add(5, Ordering::Relaxed);
            self.wait(COMMANDS);
        }
        Ok(())
    }

    fn back_up(&self, folder: &Path) -> Result<()> {
        let file = folder.join("backup.db");
        while !self.is_over() {
            self.data.keystead.run(&["backup", &file.to_string_lossy(), "--force"])?;
            self.backups.fetch_add(1, Ordering::Relaxed);
            self.wait(BACKUPS);
        }
        Ok(())
    }

    /// Looks at the server until the time is over, or something failed.
    fn look(&self, time: Duration) -> Result<Vec<Look>> {
        let mut wal = self.data.keystead.database.clone().into_os_string();
        wal.push("-wal");
        let wal = PathBuf::from(wal);
        let mut looks = Vec::new();
        let since = Instant::now();
        while since.elapsed() < time && !self.is_over() {
            self.wait(LOOK);
            let Found { mut check, mut write } =
                std::mem::take(&mut *self.found.lock().map_err(|_| "a client broke down")?);
            let values = [
                self.server.resident()? as f64 / 1024.0,
                self.server.descriptors()? as f64,
                fs::metadata(&wal).map_or(0.0, |wal| wal.len() as f64 / f64::from(1 << 20)),
                percentile(&mut check, 0.5),
                percentile(&mut check, 0.99),
                percentile(&mut write, 0.99),
            ];
            let minute = since.elapsed().as_secs_f64() / 60.0;
            eprintln!(
                "  {minute:5.1} min: {}",
                MEASURES.iter().zip(values).map(|(m, v)| format!("{m} {v:.2}; ")).collect::<String>()
            );
            looks.push(Look { minute, values });
        }
        Ok(looks)
    }
}

/// Sessions whose time to be deleted comes while the load goes on, evenly.
fn old_sessions(database: &Path, time: Duration) -> Result<()> {
    let mut db = Connection::open(database)?;
    let now: i64 = db.query_row("SELECT unixepoch()", [], |row| row.get(0))?;
    let app: i64 = db.query_row("SELECT id FROM apps", [], |row| row.get(0))?;
    let tx = db.transaction()?;
    {
        let mut session = tx.prepare(
            "INSERT INTO sessions (id, app_id, ip, created_at, expires_at) VALUES (?1, ?2, '127.0.0.1', ?3, ?3)",
        )?;
        for second in 0..time.as_secs() {
            for n in 0..OLD_SESSIONS_A_SECOND {
                let id = format!("{:032x}", u128::from(second * OLD_SESSIONS_A_SECOND + n) | 1 << 127);
                session.execute(params![id, app, now - KEPT + second as i64])?;
            }
        }
    }
    tx.commit()?;
    Ok(())
}
