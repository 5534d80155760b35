//! What docs/formats.md and the README show of the formats is run: every line for a shell, in order, against a real
//! server. Each call must go well, and every endpoint must be shown. Left out where `bash` or `curl` is missing.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::doors::Doors;
use crate::hostile::ENDPOINTS;
use crate::support::Fixture;

/// Where the pages say that the server is.
const SHOWN_ADDRESS: &str = "http://127.0.0.1:8080";

#[test]
fn every_line_of_the_page_of_formats_goes_well() {
    let Some(asked) = run(&blocks("docs/formats.md", None)) else { return };
    let missing: Vec<&str> = ENDPOINTS
        .iter()
        .map(|endpoint| endpoint.path)
        .filter(|path| {
            // What stands at its place is for the page to choose.
            let (before, after) = path.split_once("{}").unwrap_or((path, ""));
            let shows = |url: &str| {
                let path = url.split('?').next().unwrap_or_default();
                path.find(before).is_some_and(|at| path[at + before.len()..].ends_with(after))
            };
            !asked.iter().any(|line| line.split(' ').any(shows))
        })
        .collect();
    assert!(missing.is_empty(), "docs/formats.md shows no call of {missing:?}");
}

#[test]
fn every_line_of_the_readme_about_formats_goes_well() {
    if let Some(asked) = run(&blocks("README.md", Some("## Clients of other formats"))) {
        assert!(asked.len() >= 4, "a sign-up in each format: {asked:?}");
    }
}

/// The lines for a shell of a page, or of the section with this heading.
fn blocks(page: &str, heading: Option<&str>) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("UTF-8");
    let (mut script, mut inside, mut in_section) = (String::new(), false, heading.is_none());
    for line in text.lines() {
        if let Some(heading) = heading
            && line.starts_with("## ")
        {
            in_section = line == heading;
        }
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside && in_section => script += &format!("{line}\n"),
            _ => {}
        }
    }
    assert!(!script.is_empty(), "{page} has lines for a shell");
    script
}

/// Runs these lines beside a server with an empty app "demo" and three keys; what `curl` was asked for. None: a tool is
/// missing.
fn run(script: &str) -> Option<Vec<String>> {
    for tool in ["bash", "curl"] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            println!("{tool} is missing: the lines are not run");
            return None;
        }
    }
    let doors = Doors::open(Fixture::new());
    let folder = doors.db().folder();
    let tools = folder.join("bin");
    fs::create_dir(&tools).expect("a folder");
    symlink(env!("CARGO_BIN_EXE_keystead"), tools.join("keystead")).expect("links");
    let real = Command::new("bash").args(["-c", "command -v curl"]).output().expect("bash runs").stdout;
    let real = String::from_utf8(real).expect("UTF-8");
    // The same program, which tells what it was asked, and what did not go well.
    let wrapper = format!(
        "#!/bin/sh\necho \"$*\" >> {folder}/asked\n\
         {real} --silent --show-error --fail-with-body \"$@\" || echo \"$*\" >> {folder}/failed\n",
        folder = folder.display(),
        real = real.trim(),
    );
    fs::write(tools.join("curl"), wrapper).expect("writes");
    fs::set_permissions(tools.join("curl"), fs::Permissions::from_mode(0o755)).expect("may be run");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let script = script.replace(SHOWN_ADDRESS, &format!("http://{}", doors.server.address));
    let mut bash = Command::new("bash");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYSTEAD_")) {
        bash.env_remove(name);
    }
    let output = bash
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .expect("bash runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let failed = fs::read_to_string(folder.join("failed")).unwrap_or_default();
    assert!(output.status.success() && failed.is_empty(), "{}\nfailed: {failed}\n{out}\n{err}", output.status);
    let asked = fs::read_to_string(folder.join("asked")).expect("something was asked");
    Some(asked.lines().map(str::to_owned).collect())
}
