//! The examples do what they say, each against a real server of its own. Those in shell and Python are left out where
//! their tool is missing; the one in Rust always runs.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};

fn is_there(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        println!("{tool} is missing: its example is left out");
    }
    there
}

fn run(example: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("examples/run"))
        .arg(example)
        .env("KEYSTEAD_BIN", env!("CARGO_BIN_EXE_keystead"))
        .output()
        .expect("examples/run starts (it needs bash)");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{example}: {}\n{out}\n{err}", output.status);
}

#[test]
fn the_rust_client_runs() {
    run("rust");
}

#[test]
fn the_rust_client_of_1_3_runs() {
    run("rust_1_3");
}

#[test]
fn the_curl_script_runs() {
    if is_there("curl") {
        run("curl");
    }
}

#[test]
fn the_python_client_runs() {
    if is_there("python3") {
        run("python");
    }
}

#[test]
fn the_python_client_of_1_3_runs() {
    if is_there("python3") {
        run("python_1_3");
    }
}
