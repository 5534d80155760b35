//! `quickstart`: what it prints is what a client needs, and its lines do what they say.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use keystead::wire::{authgate, authly, wacht};

use super::*;

/// What it printed, line by line. The server runs until this is dropped.
struct Started {
    child: Child,
    lines: Vec<String>,
}

impl Started {
    fn new(keystead: &Keystead, flags: &[&str]) -> Started {
        let arguments = [&["quickstart", "--listen", "127.0.0.1:0"], flags].concat();
        let mut command = keystead.command(&arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starts");
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("UTF-8");
            let is_last = line.starts_with("Stop with Ctrl-C");
            lines.push(line);
            if is_last {
                break;
            }
        }
        Started { child, lines }
    }

    /// The line to paste in which this stands.
    fn paste(&self, part: &str) -> Option<&str> {
        self.lines.iter().map(|line| line.trim()).find(|line| line.contains("curl ") && line.contains(part))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const OTHER_FORMATS: [&str; 3] = ["/api/integration/sign_up", "/api/v2/register", "/auth/signup"];

#[test]
fn it_prints_a_line_for_each_format_that_is_answered() {
    let keystead = Keystead::new();
    let started = Started::new(&keystead, &[]);
    let shown = keystead.json(&["app", "show"]);
    let authgate = started.paste(OTHER_FORMATS[0]).expect("a line");
    for (header, name) in [("x-api-key", "api_key"), ("x-api-secret", "api_secret")] {
        assert!(authgate.contains(&format!("'{header}: {}'", shown[name].as_str().expect("a text"))), "{authgate}");
    }
    assert!(started.paste(OTHER_FORMATS[1]).expect("a line").contains(r#""session_id":"'$SESSION'""#));
    assert!(started.paste(OTHER_FORMATS[2]).expect("a line").contains("/auth/signup -d email="));
    assert_eq!(shown["settings"]["wachtDefault"], "1");
    drop(started);

    // The app is there: nothing is changed, and where it is not Wacht's default any more, its path names it.
    keystead.ok(&["app", "set", "demo", "wachtDefault=0", "authly=0"]);
    let again = Started::new(&keystead, &[]);
    let path = format!("/wacht/{}/auth/signup", shown["id"].as_str().expect("a text"));
    assert!(again.paste(&path).is_some(), "{:?}", again.lines);
    assert!(again.paste(OTHER_FORMATS[1]).is_none(), "the app does not answer it");
    drop(again);

    let alone = Started::new(&keystead, &["--formats", "keyauth"]);
    assert!(OTHER_FORMATS.iter().all(|path| alone.paste(path).is_none()), "{:?}", alone.lines);
    assert!(alone.paste("type=register").is_some());
}

#[test]
fn its_lines_do_what_they_say() {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        println!("curl is missing: left out");
        return;
    }
    let keystead = Keystead::new();
    let started = Started::new(&keystead, &[]);
    let mut script = started.paste("SESSION=$(curl").expect("a line").to_owned();
    let mut expected = Vec::new();
    for (path, is_served, says) in [
        ("type=register", true, r#""success":true"#),
        ("-d type=license", true, r#""success":true"#),
        ("?name=demo&ownerid", true, r#""success":true"#),
        ("type=check", true, r#""success":true"#),
        ("type=license&", true, r#""success":true"#),
        (OTHER_FORMATS[0], !authgate::FAMILY.paths.is_empty(), r#""membership""#),
        (OTHER_FORMATS[1], !authly::FAMILY.paths.is_empty(), r#""success":true"#),
        (OTHER_FORMATS[2], !wacht::FAMILY.paths.is_empty(), r#""errors":null"#),
    ] {
        let line = started.paste(path).unwrap_or_else(|| panic!("a line with {path}: {:?}", started.lines));
        if is_served {
            script.push_str(&format!("\n{line}; echo"));
            expected.push((path, says));
        }
    }
    let ran = Command::new("sh").arg("-c").arg(&script).output().expect("runs");
    let out = String::from_utf8(ran.stdout).expect("UTF-8");
    let mut answers = out.lines().skip(1);
    for (path, says) in expected {
        let answer = answers.next().unwrap_or_default();
        assert!(answer.contains(says), "{path}: {answer}");
    }
}
