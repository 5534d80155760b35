//! Names what a figure was measured on: machine, commit, versions. Measures nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// Processors that this process may use.
pub fn cores() -> u32 {
    thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

/// Lines of Markdown: when, which commit, which machine.
pub fn description(root: &Path, data: &Path) -> String {
    let git = |arguments: &[&str]| output(Command::new("git").arg("-C").arg(root).args(arguments));
    let mut commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    if git(&["status", "--porcelain", "--untracked-files=no"]).is_some() {
        commit += " with changes";
    }
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let memory = memory.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / (1 << 20);
    let system = output(Command::new("uname").arg("-sr")).unwrap_or_default();
    let date = output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"])).unwrap_or_default();
    let filesystem = output(Command::new("stat").args(["-f", "-c", "%T"]).arg(data)).unwrap_or_default();
    let memory_only = if filesystem == "tmpfs" { "; that is memory: nothing is durable there" } else { "" };
    let (cores, cpu) = (cores(), cpu.map_or("unknown processor", |(_, name)| name));
    let (ours, bare) = (hyper(&root.join("Cargo.lock")), hyper(&root.join("bench/Cargo.lock")));
    let differ =
        if ours == bare { String::new() } else { format!("; but hyper {bare} in the bare server, {ours} in Keystead") };
    format!(
        "- {date}, commit {commit}{differ}\n\
         - {cpu}, {cores} cores, {memory} GiB, {system}, database on {filesystem}{memory_only}\n"
    )
}

/// The first line that a command prints, if it prints one.
fn output(command: &mut Command) -> Option<String> {
    let done = command.output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    text.lines().next().map(str::to_owned).filter(|line| done.status.success() && !line.is_empty())
}

/// The newest hyper in a lock file.
fn hyper(lock: &Path) -> String {
    let lock = fs::read_to_string(lock).unwrap_or_default();
    let version =
        |entry: &str| entry.strip_prefix("name = \"hyper\"\nversion = \"")?.split('"').next().map(str::to_owned);
    lock.split("[[package]]\n").filter_map(version).last().unwrap_or_else(|| "of an unknown version".to_owned())
}
