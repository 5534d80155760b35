//! The figures of the design: each call against a bare hyper server or against argon2, latencies, memory, the start; each
//! the median of several rounds in which everything is measured once. Prints Markdown. Decides nothing by a figure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Result};
use super::data::Data;
use super::machine;
use super::server::Server;
use super::wrk::{Lines, Load, Outcome, drive};

/// What to measure, and how long.
pub struct Plan {
    pub seconds: u32,
    pub rounds: u32,
    pub connections: u32,
    /// Measured beside the usual number.
    pub other_connections: Vec<u32>,
    /// Threads of wrk.
    pub threads: u32,
    /// Where the programs of this package are.
    pub programs: PathBuf,
    /// Where the script for wrk is.
    pub script: PathBuf,
}

/// All values of each figure, by its name.
#[derive(Default)]
struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    fn add(&mut self, name: &str, value: f64) {
        eprintln!("  {name}: {value:.2}");
        self.0.entry(name.to_owned()).or_default().push(value);
    }

    fn add_outcome(&mut self, name: &str, outcome: Outcome) {
        let Outcome { rate, p50, p99 } = outcome;
        eprintln!("  {name}: {rate:.1}/s, p50 {p50:.2} ms, p99 {p99:.2} ms");
        for (what, value) in [("rate", rate), ("p50", p50), ("p99", p99)] {
            self.0.entry(format!("{name} {what}")).or_default().push(value);
        }
    }

    /// The median; NaN for what was not measured.
    fn median(&self, name: &str) -> f64 {
        let Some(mut values) = self.0.get(name).cloned() else { return f64::NAN };
        values.sort_by(f64::total_cmp);
        let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        f64::midpoint(below, above)
    }

    fn most(&self, name: &str) -> f64 {
        self.0.get(name).into_iter().flatten().copied().fold(f64::NAN, f64::max)
    }
}

/// Measures on `small`, and on `large` what many rows could change; the report.
pub fn measure(plan: &Plan, small: &mut Data, mut large: Option<&mut Data>) -> Result<String> {
    let mut figures = Figures::default();
    let cores = machine::cores();
    for round in 1..=plan.rounds {
        eprintln!("round {round} of {}", plan.rounds);
        for threads in [1, cores] {
            let name = format!("argon2x{threads}");
            if threads == 1 || cores > 1 {
                figures.add(&name, plan.argon2(threads)?);
            }
        }
        let bare = Bare::start(plan)?;
        for connections in &plan.other_connections {
            plan.bare(&bare, *connections, &mut figures)?;
        }
        plan.usual(&bare, small, &mut figures, cores)?;
        drop(bare);
        plan.rows("few", small, &mut figures)?;
        if let Some(large) = large.as_deref_mut() {
            plan.rows("many", large, &mut figures)?;
        }
    }
    Ok(plan.report(&figures, small, large.as_deref(), cores))
}

impl Plan {
    fn load(&self, connections: u32) -> Load {
        Load { threads: self.threads, connections, seconds: self.seconds }
    }

    fn argon2(&self, threads: u32) -> Result<f64> {
        let arguments = [threads.to_string(), self.seconds.to_string()];
        let done = Command::new(self.programs.join("argon2")).args(arguments).output()?;
        Ok(String::from_utf8(done.stdout)?.trim().parse()?)
    }

    /// The bare server's requests a second now.
    fn bare(&self, bare: &Bare, connections: u32, figures: &mut Figures) -> Result<f64> {
        let outcome = drive(&self.script, bare.server.address, self.load(connections), Lines::Again, &bare.body)?;
        let rate = outcome.rate;
        figures.add_outcome(&format!("bare c{connections}"), outcome);
        Ok(rate)
    }

    /// A call against the bare server, which is driven just before it: a machine's speed changes within a minute where
    /// others share it.
    fn compared(&self, bare: &Bare, server: &Server, data: &Data, call: &str, figures: &mut Figures) -> Result<()> {
        let against = self.bare(bare, self.connections, figures)?;
        let outcome = self.watched(server, data, call, self.load(self.connections))?;
        figures.add(&format!("{call} ratio"), outcome.rate / against);
        figures.add_outcome(&format!("{call} c{}", self.connections), outcome);
        Ok(())
    }

    fn all_connections(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.connections).chain(self.other_connections.iter().copied())
    }

    /// Everything that is compared with the bare server or with argon2.
    fn usual(&self, bare: &Bare, data: &mut Data, figures: &mut Figures, cores: u32) -> Result<()> {
        let registrations = self.registrations(data, figures, cores)?;
        let server = data.keystead.serve()?;
        // What a server at rest takes is looked at when its threads have started and nobody has asked anything.
        Client::to(server.address)?.success(&data.init(0))?;
        figures.add("idle MiB", mib(server.resident()?));
        // `init` last: the sessions it makes by the ten thousand are nothing that the other rows should carry.
        for call in ["check", "var", "license"] {
            self.compared(bare, &server, data, call, figures)?;
        }
        for connections in &self.other_connections {
            for call in ["check", "license"] {
                let outcome = self.watched(&server, data, call, self.load(*connections))?;
                figures.add_outcome(&format!("{call} c{connections}"), outcome);
            }
        }
        let load = self.load(self.connections);
        let login = data.bodies("login");
        for (call, bodies, lines) in [("login", login, Lines::Counted), ("register", registrations, Lines::Once)] {
            // Just before, as with the bare server.
            let hashes = self.argon2(1)?;
            figures.add("argon2x1", hashes);
            let outcome = drive(&self.script, server.address, load, lines, &bodies)?;
            figures.add(&format!("{call} ratio"), outcome.rate / (f64::from(cores) * hashes));
            figures.add_outcome(call, outcome);
            self.settle(&server, data)?;
        }
        self.storm(&server, data, figures)?;
        self.settle(&server, data)?;
        self.compared(bare, &server, data, "init", figures)?;
        for connections in &self.other_connections {
            let outcome = self.watched(&server, data, "init", self.load(*connections))?;
            figures.add_outcome(&format!("init c{connections}"), outcome);
        }
        figures.add("load MiB", mib(server.most_resident()?));
        Ok(())
    }

    /// Waits until the passwords are hashed that nobody waits for any more: a login comes after them.
    fn settle(&self, server: &Server, data: &Data) -> Result<()> {
        let bodies = std::fs::read_to_string(data.bodies("login"))?;
        Client::to(server.address)?.success(bodies.lines().next().ok_or("no logins")?)?;
        Ok(())
    }

    /// As many bodies as could be answered, and some more.
    fn registrations(&self, data: &mut Data, figures: &Figures, cores: u32) -> Result<PathBuf> {
        let most = figures.most("argon2x1") * f64::from(cores * self.seconds) * 1.3;
        data.registrations(most as usize + 2 * self.connections as usize)
    }

    /// `check` alone, and while logins keep the hashing threads busy: half of wrk's threads for each.
    fn storm(&self, server: &Server, data: &Data, figures: &mut Figures) -> Result<()> {
        let load = Load { threads: 1, ..self.load(self.connections) };
        let check = data.bodies("check");
        figures.add_outcome("check without storm", drive(&self.script, server.address, load, Lines::Again, &check)?);
        let login = data.bodies("login");
        let outcome = thread::scope(|scope| -> Result<Outcome> {
            // It begins before and ends after.
            let storm = Load { seconds: load.seconds + 2, ..load };
            let storm = scope.spawn(move || drive(&self.script, server.address, storm, Lines::Counted, &login));
            thread::sleep(Duration::from_secs(1));
            let outcome = drive(&self.script, server.address, load, Lines::Again, &check)?;
            storm.join().map_err(|_| "the storm broke down")??;
            Ok(outcome)
        })?;
        figures.add_outcome("check in storm", outcome);
        Ok(())
    }

    /// What the number of rows could change.
    fn rows(&self, name: &str, data: &mut Data, figures: &mut Figures) -> Result<()> {
        let registrations = self.registrations(data, figures, machine::cores())?;
        let start = Instant::now();
        let server = data.keystead.serve()?;
        Client::to(server.address)?.success(&data.init(0))?;
        figures.add(&format!("{name} start ms"), start.elapsed().as_secs_f64() * 1000.0);
        let load = self.load(self.connections);
        for call in ["check", "license"] {
            figures.add_outcome(&format!("{name} {call}"), self.watched(&server, data, call, load)?);
        }
        let register = drive(&self.script, server.address, load, Lines::Once, &registrations)?;
        figures.add_outcome(&format!("{name} register"), register);
        figures.add(&format!("{name} MiB"), mib(server.most_resident()?));
        Ok(())
    }

    /// Drives a call while another client looks after the answers: ten times a second one must be a success.
    fn watched(&self, server: &Server, data: &Data, call: &str, load: Load) -> Result<Outcome> {
        let file = data.bodies(call);
        let bodies = std::fs::read_to_string(&file)?;
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let watch = scope.spawn(|| -> Result<()> {
                let mut client = Client::to(server.address)?;
                for body in bodies.lines().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                    client.success(body)?;
                    thread::sleep(Duration::from_millis(100));
                }
                Ok(())
            });
            let outcome = drive(&self.script, server.address, load, Lines::Again, &file);
            over.store(true, Ordering::Relaxed);
            watch.join().map_err(|_| "the watch broke down")??;
            outcome
        })
    }

    fn report(&self, figures: &Figures, small: &Data, large: Option<&Data>, cores: u32) -> String {
        let mut report = Report::default();
        let Plan { seconds, rounds, connections, threads, .. } = self;
        report.line(&format!(
            "- wrk -t{threads} on the same machine, {connections} connections where nothing else is said, {seconds} s each, \
             median of {rounds} rounds, everything once in each round; a ratio is the median of those to what was measured \
             just before; request log to a file, rate limit off\n"
        ));
        report.line(
            "| Call | requests/s | p50 ms | p99 ms | ratio | goal | against |\n|---|---:|---:|---:|---:|---:|---|",
        );
        let rows = [
            ("bare hyper", "bare", ""),
            ("`check`", "check", "≥ 0.75"),
            ("`var`", "var", "≥ 0.60"),
            ("`init`", "init", "≥ 0.25"),
            ("`license`, second use", "license", "≥ 0.15"),
            ("`login`", "login", "≥ 0.95"),
            ("`register`", "register", "≥ 0.95"),
        ];
        for (title, call, goal) in rows {
            let hashes = matches!(call, "login" | "register");
            let name = if hashes { call.to_owned() } else { format!("{call} c{connections}") };
            let [rate, p50, p99] = ["rate", "p50", "p99"].map(|what| figures.median(&format!("{name} {what}")));
            let ratio = if call == "bare" { 1.0 } else { figures.median(&format!("{call} ratio")) };
            let what = if hashes { format!("{cores} × argon2 on one thread") } else { "bare hyper".to_owned() };
            report.line(&format!("| {title} | {rate:.1} | {p50:.2} | {p99:.2} | {ratio:.3} | {goal} | {what} |"));
        }
        report.line(&format!(
            "\nargon2 alone: {:.1}/s on one thread, {:.1}/s on {cores}.\n",
            figures.median("argon2x1"),
            figures.median(&format!("argon2x{cores}"))
        ));

        report.line("| Connections | call | requests/s | p50 ms | p99 ms |\n|---:|---|---:|---:|---:|");
        let mut all: Vec<_> = self.all_connections().collect();
        all.sort_unstable();
        for connections in all {
            for call in ["bare", "check", "license", "init"] {
                let [rate, p50, p99] =
                    ["rate", "p50", "p99"].map(|what| figures.median(&format!("{call} c{connections} {what}")));
                report.line(&format!("| {connections} | {call} | {rate:.1} | {p50:.3} | {p99:.3} |"));
            }
        }

        let [calm, storm] = ["without", "in"].map(|when| figures.median(&format!("check {when} storm p99")));
        report.line("\n| | measured | goal |\n|---|---:|---:|");
        report.line(&format!(
            "| `check` p99 while logins saturate the hashing pool, {storm:.2} ms, against {calm:.2} ms without | {:.2} × | ≤ 5 × |",
            storm / calm
        ));
        report.line(&format!("| memory at rest, resident | {:.1} MiB | ≤ 32 MiB |", figures.median("idle MiB")));
        report.line(&format!(
            "| memory after all of the above, at most | {:.1} MiB | ≤ 150 MiB |",
            figures.most("load MiB")
        ));
        if let Some(large) = large {
            let (few, many) = (small.rows, large.rows);
            for call in ["check", "license", "register"] {
                let [a, b] = ["few", "many"].map(|name| figures.median(&format!("{name} {call} p99")));
                report.line(&format!(
                    "| `{call}` p99 with {many} licenses, {b:.2} ms, against {a:.2} ms with {few} | {:.2} × | ≤ 1.5 × |",
                    b / a
                ));
            }
            report.line(&format!(
                "| memory under load with {many} licenses, at most | {:.1} MiB | ≤ 150 MiB |",
                figures.most("many MiB")
            ));
        }
        for (name, data) in [("few", Some(small)), ("many", large)] {
            if let Some(data) = data {
                report.line(&format!(
                    "| start to first answer with {} licenses | {:.0} ms | ≤ 200 ms |",
                    data.rows,
                    figures.median(&format!("{name} start ms"))
                ));
            }
        }
        report.0
    }
}

/// The bare server of a round, and what it is sent.
struct Bare {
    server: Server,
    log: PathBuf,
    body: PathBuf,
}

impl Bare {
    fn start(plan: &Plan) -> Result<Bare> {
        let log = std::env::temp_dir().join(format!("bare-{}.log", std::process::id()));
        let server = Server::start(&mut Command::new(plan.programs.join("bare")), &log)?;
        let body = log.with_extension("body");
        std::fs::write(&body, "type=check&name=bench&ownerid=0123456789&sessionid=00112233445566778899aabbccddeeff\n")?;
        Ok(Bare { server, log, body })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = (std::fs::remove_file(&self.log), std::fs::remove_file(&self.body));
    }
}

#[derive(Default)]
struct Report(String);

impl Report {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Where wrk's script is, below the project's folder.
pub fn script(root: &Path) -> PathBuf {
    root.join("bench/post.lua")
}
