//! A long time of mixed load, with clean-up, backups and an operator's commands going on: whether memory, open files,
//! the write-ahead log and latency stand at the end where they stood at the start. Load is bounded: each client waits
//! between its rounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::client::{Client, Result};
use super::data::Data;
use super::graph::{self, Line};
use super::server::Server;
use report::{Look, MEASURES, percentile};

mod report;

/// Programs of customers at work at the same time.
const CLIENTS: u64 = 24;
/// One round of a client takes at least so long: about a thousand requests a second together.
const ROUND: Duration = Duration::from_millis(300);
/// Between two looks at the server.
const LOOK: Duration = Duration::from_secs(5);
/// Licenses at the start; few enough that the file is not what grows.
const LICENSES: u64 = 200_000;
/// Between two commands of the operator, and between two backups.
const COMMANDS: Duration = Duration::from_secs(5);
const BACKUPS: Duration = Duration::from_secs(60);
/// Old sessions that the clean-up finds in each second of the whole time.
const OLD_SESSIONS_A_SECOND: u64 = 500;
/// How long the clean-up keeps a session that is over, in seconds.
const KEPT: i64 = 86_400;

/// What the clients found since the last look.
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
    requests: AtomicU64,
    commands: AtomicU64,
    backups: AtomicU64,
}

/// Loads a server for `minutes`; the report, and its graph in a file.
pub fn run(program: &Path, folder: &Path, minutes: u32, graph: &Path) -> Result<String> {
    let data = Data::make(program, &folder.join("soak"), LICENSES)?;
    let time = Duration::from_secs(u64::from(minutes) * 60);
    old_sessions(&data.keystead.database, time)?;
    let server = data.keystead.serve(&[])?;
    let shared = Shared {
        data: &data,
        server: &server,
        over: AtomicBool::new(false),
        found: Mutex::default(),
        requests: AtomicU64::new(0),
        commands: AtomicU64::new(0),
        backups: AtomicU64::new(0),
    };
    let looks = thread::scope(|scope| -> Result<Vec<Look>> {
        let mut working = Vec::new();
        for n in 0..CLIENTS {
            let shared = &shared;
            working.push(scope.spawn(move || shared.until_over(|| shared.client(n))));
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

    /// A customer's program, started again and again: mostly with a key of old, sometimes with a new one; sometimes
    /// somebody registers and logs in with a password.
    fn client(&self, n: u64) -> Result<()> {
        let mut client = Client::to(self.server.address)?;
        let mut unused = (n..).step_by(CLIENTS as usize).filter(|n| !super::fill::is_redeemed(*n));
        for round in 0.. {
            let since = Instant::now();
            if self.is_over() {
                break;
            }
            let opened = self.timed(&mut client, &self.data.init(round), |found| &mut found.write)?;
            let session = opened["sessionid"].as_str().ok_or("no sessionid")?.to_owned();
            let call = |what: &str| format!("type={what}&{}&sessionid={session}", self.data.app());
            // A key that somebody has redeemed on his own device stays his: each client has its own.
            let old = (round as u64 % 50 * CLIENTS + n) * super::fill::LICENSES_OF_A_USER;
            let login = match round % 40 {
                7 => {
                    let key = super::fill::key(unused.next().ok_or("no keys left: run for a shorter time")?);
                    format!("{}&username=soak-{key}&pass=correct-horse&key={key}&hwid=soak-{n}", call("register"))
                }
                3 | 13 | 23 | 33 => {
                    let key = super::fill::key(unused.next().ok_or("no keys left: run for a shorter time")?);
                    format!("{}&key={key}&hwid=soak-{n}", call("license"))
                }
                _ => format!("{}&key={}&hwid={}", call("license"), super::fill::key(old), super::fill::hwid(old)),
            };
            if round % 40 == 7 {
                client.success(&login)?;
                self.requests.fetch_add(1, Ordering::Relaxed);
                // And again by password: both hash, which is not what the other latencies are about.
                client.success(&login.replacen("type=register", "type=login", 1))?;
                self.requests.fetch_add(1, Ordering::Relaxed);
            } else {
                self.timed(&mut client, &login, |found| &mut found.write)?;
            }
            for _ in 0..5 {
                self.timed(&mut client, &call("check"), |found| &mut found.check)?;
            }
            client.success(&format!("{}&varid=motd", call("var")))?;
            self.timed(&mut client, &format!("{}&var=seen&data={round}", call("setvar")), |found| &mut found.write)?;
            client.success(&format!("{}&var=seen", call("getvar")))?;
            self.timed(&mut client, &call("logout"), |found| &mut found.write)?;
            self.requests.fetch_add(2, Ordering::Relaxed);
            thread::sleep(ROUND.saturating_sub(since.elapsed()));
        }
        Ok(())
    }

    fn timed(
        &self,
        client: &mut Client,
        form: &str,
        kind: impl FnOnce(&mut Found) -> &mut Vec<f64>,
    ) -> Result<serde_json::Value> {
        let since = Instant::now();
        let answer = client.success(form)?;
        let took = since.elapsed().as_secs_f64() * 1000.0;
        let mut found = self.found.lock().map_err(|_| "a client broke down")?;
        kind(&mut found).push(took);
        drop(found);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
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
