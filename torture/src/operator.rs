//! The operator beside the running server: commands that make keys, ban, delete and import, each noted in the history as
//! what customers ask is. A command that is killed has said nothing.

use std::process::{Child, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::history::Change;
use crate::load::Scene;
use crate::observe::license_state;

/// Licenses of an imported app: enough for several chunks.
const IMPORTED: usize = 1500;

/// One command after the other, until the load is over. One in four is killed while it runs.
pub fn work(scene: &Scene<'_>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x0b5e);
    let mut number = 0;
    while !scene.is_over() {
        number += 1;
        let name = format!("l{}n{number}", scene.load);
        match rng.random_range(0..6) {
            0 => {
                // Without a place for chance: what it makes must be known beforehand.
                let key = format!("MADE-{}", name.to_uppercase());
                let change = vec![(format!("license {key}"), Some(license_state(None, false)))];
                run(scene, &mut rng, &["license", "create", "--count", "1", "--mask", &key], change);
            }
            1 => {
                let Some(key) = scene.keys.lock().expect("no panic").pop_front() else { continue };
                let change = vec![(format!("license {key}"), Some(license_state(None, true)))];
                run(scene, &mut rng, &["license", "ban", &key, "--reason", "resold"], change);
            }
            2 => {
                let change = vec![(format!("app variable {name}"), Some("a text".to_owned()))];
                run(scene, &mut rng, &["var", "set", &name, "a text"], change);
            }
            3 => {
                let Some(user) = scene.leave_taken() else { continue };
                run_ending(
                    scene,
                    &mut rng,
                    &user.name,
                    &["user", "ban", &user.name, "--reason", "x"],
                    vec![user.banned()],
                );
            }
            4 => {
                let Some(user) = scene.leave_taken() else { continue };
                let mut change: Change =
                    vec![(format!("user {}", user.name), None), (format!("variable of {}", user.name), None)];
                for key in &user.keys {
                    change.push((format!("license {key}"), Some(license_state(Some(None), false))));
                }
                run_ending(scene, &mut rng, &user.name, &["user", "delete", &user.name], change);
            }
            _ => {
                let file = scene.room.data.with_file_name("import.json");
                let keys: Vec<_> = (0..IMPORTED).map(|i| format!("{name}-{i}")).collect();
                let document = json!({"name": name, "licenses": keys}).to_string();
                std::fs::write(&file, document).expect("writes");
                let change = vec![(format!("app {name}"), Some(IMPORTED.to_string()))];
                run(scene, &mut rng, &["import", &file.to_string_lossy()], change);
            }
        }
        thread::sleep(Duration::from_millis(rng.random_range(0..60)));
    }
}

fn run(scene: &Scene<'_>, rng: &mut StdRng, arguments: &[&str], change: Change) {
    run_ending(scene, rng, "", arguments, change);
}

/// The same where it puts a user out of everywhere.
fn run_ending(scene: &Scene<'_>, rng: &mut StdRng, user: &str, arguments: &[&str], change: Change) {
    let number = scene.history.ask(scene.room.noted(), vec![change]);
    scene.history.put_out(number, |stay| stay.user == user);
    if to_the_end(scene, rng, arguments) {
        scene.history.done(number, scene.room.noted(), 0);
    }
}

/// Whether it went well; not if it was killed.
fn to_the_end(scene: &Scene<'_>, rng: &mut StdRng, arguments: &[&str]) -> bool {
    let arguments = [arguments, if arguments[0] == "import" { &[] } else { &["--app", crate::doors::APP] }].concat();
    let mut command = scene.room.command(&arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let killed = rng.random_bool(0.25).then(|| Duration::from_micros(rng.random_range(0..80_000)));
    let Some(output) = wait(scene, child, killed) else { return false };
    if output.status.success() {
        scene.answered.fetch_add(1, Ordering::SeqCst);
        return true;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // A signal has no code; the database that cannot be used now has 4.
    match output.status.code() {
        None => drop(scene.killed.fetch_add(1, Ordering::SeqCst)),
        Some(4) => drop(scene.not_now.fetch_add(1, Ordering::SeqCst)),
        Some(code) => scene.complain(format!("{arguments:?} ends with {code}: {said}")),
    }
    false
}

fn wait(scene: &Scene<'_>, mut child: Child, killed: Option<Duration>) -> Option<std::process::Output> {
    if let Some(after) = killed {
        thread::sleep(after);
        let _ = child.kill();
    }
    // When the server is killed, so is whatever runs beside it: the power goes for all.
    while child.try_wait().ok()?.is_none() {
        if scene.is_over() {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().ok()
}
