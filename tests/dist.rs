//! What is in `dist/` names real commands, flags, variables and settings, and its figures fit the server's own. Reads
//! files and runs `keystead config show`; no service manager and no container engine is needed.

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use keystead::config::{Config, Flags, Setting, TABLE};
use support::Keystead;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join("dist").join(name)).unwrap_or_else(|e| panic!("dist/{name}: {e}"))
}

/// The values of a unit's key.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let found = values(unit, key);
    assert_eq!(found.len(), 1, "{key}: {found:?}");
    found[0]
}

fn by_env(name: &str) -> &'static Setting {
    TABLE.iter().find(|setting| setting.env() == name).unwrap_or_else(|| panic!("no setting is set by {name}"))
}

/// The server's settings with these variables.
fn config(env: &[(String, String)]) -> Config {
    Config::load_from(&Flags::default(), None, |name| {
        env.iter().find(|(key, _)| key == name).map(|(_, value)| value.into())
    })
    .expect("fits")
}

fn understood(words: &[&str]) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(words[0], "/usr/local/bin/keystead");
    keystead::cli::understand(&words).unwrap_or_else(|e| panic!("{words:?}: {e}"));
}

/// `["a", "b"]`
fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text.trim()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn the_example_settings_are_settings() {
    let text = read("keystead.toml");
    // What is commented out has to fit, too, once it is not.
    let whole: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line)).collect();
    let keystead = Keystead::new();
    for (name, text) in [("as-it-is.toml", text.clone()), ("whole.toml", whole.join("\n"))] {
        std::fs::write(keystead.path(name), &text).expect("writes");
        let shown = keystead.json(&["config", "show", "--config", name]);
        let from_file = shown.as_array().expect("a list").iter().filter(|row| row["source"] == name).count();
        let lines = text.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
        assert_eq!(from_file, lines, "{name}");
        assert!(lines >= 4, "{name}");
    }
}

#[test]
fn the_service_runs_what_there_is_and_has_time_and_files_enough() {
    let unit = read("keystead.service");
    understood(&value(&unit, "ExecStart").split(' ').collect::<Vec<_>>());
    assert!(value(&unit, "ExecStart").ends_with(" --config /etc/keystead/keystead.toml"));
    let defaults = config(&[]);
    let seconds = |text: &str| text.strip_suffix('s').and_then(|n| n.parse::<u64>().ok()).expect("seconds");
    assert!(seconds(value(&unit, "TimeoutStopSec")) > defaults.drain_timeout.as_secs() + 10);
    let files: usize = value(&unit, "LimitNOFILE").parse().expect("a number");
    assert!(files >= defaults.max_connections + 256);
    assert_eq!(value(&unit, "Type"), "notify");
    let folder = format!("/var/lib/{}/", value(&unit, "StateDirectory"));
    assert!(read("keystead.toml").contains(&format!("database = \"{folder}keystead.db\"")));
    let user = format!("u {} - ", value(&unit, "User"));
    assert!(read("keystead.sysusers").contains(&user));
    // The service is started with the socket, and takes no other.
    assert_eq!(value(&unit, "Requires"), "keystead.socket");
    let socket = read("keystead.socket");
    assert_eq!(value(&socket, "ListenStream"), TABLE.iter().find(|s| s.name == "listen").expect("listen").default());
}

#[test]
fn a_service_whose_disk_is_mounted_late_starts_in_the_end() {
    let unit = read("keystead.service");
    let (start, service) = unit.split_once("[Service]").expect("a section");
    assert_eq!(value(start, "StartLimitIntervalSec"), "0", "systemd would give up after five tries");
    assert_eq!(value(service, "Restart"), "on-failure");
    let seconds = |text: &str| text.strip_suffix('s').and_then(|n| n.parse::<u32>().ok()).expect("seconds");
    let rest = seconds(value(service, "RestartSec"));
    // Each try lets the socket look again whether somebody waits: three times at most, by systemd's states of a service.
    let socket = read("keystead.socket");
    let within = seconds(value(&socket, "TriggerLimitIntervalSec"));
    let tries: u32 = value(&socket, "TriggerLimitBurst").parse().expect("a number");
    assert!(rest > 0 && tries > 3 * within.div_ceil(rest), "the socket would close while the service tries");

    let keystead = Keystead::new();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--database", "disk/keystead.db"];
    let ran = keystead.run(&serve);
    assert!(ran.err.contains("disk/keystead.db") && ran.err.contains("must exist"), "{}", ran.err);
    let never_again: Vec<&str> = value(service, "RestartPreventExitStatus").split(' ').collect();
    assert!(ran.code != 0 && !never_again.contains(&ran.code.to_string().as_str()), "{}", ran.code);
    std::fs::create_dir(keystead.path("disk")).expect("mounts");
    let mut command = keystead.command(&serve);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("starts");
    let lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let listens = lines.map_while(Result::ok).any(|line| line.starts_with("listening on "));
    let _ = child.kill();
    let _ = child.wait();
    assert!(listens, "it did not start");
}

/// As long as the socket listens, the next client starts the service again: under the hands of who puts a backup back.
#[test]
fn who_is_told_to_stop_the_service_stops_its_socket_too() {
    let mut said = 0;
    for name in ["docs/operating.md", "src/cli/doctor/file.rs", "src/cli/restore.rs"] {
        let text = std::fs::read_to_string(root().join(name)).expect(name);
        for word in ["systemctl stop", "systemctl start"] {
            for (at, _) in text.match_indices(word) {
                let units = &text[at + word.len()..];
                assert!(units.starts_with(" keystead.socket keystead.service"), "{name}: {}", &text[at..][..60]);
                said += 1;
            }
        }
    }
    assert!(said >= 4, "{said}");
}

#[test]
fn secrets_are_named_as_the_server_asks_for_them() {
    let unit = read("secrets.conf");
    let given: Vec<&str> =
        values(&unit, "LoadCredential").iter().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let used = values(&unit, "Environment");
    assert_eq!((given.len(), used.len()), (2, 2));
    for line in used {
        let (name, path) = line.split_once('=').expect("a variable");
        by_env(name);
        assert!(given.contains(&path.strip_prefix("%d/").expect("a credential")), "{line}");
    }
}

#[test]
fn the_image_holds_all_that_is_built_and_runs_what_there_is() {
    let text = read("Dockerfile");
    let lines = |word: &str| -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
    };
    let run = [list(lines("ENTRYPOINT")[0]), list(lines("CMD")[0])].concat();
    understood(&run.iter().map(String::as_str).collect::<Vec<_>>());
    let check = list(lines("HEALTHCHECK")[0].split_once(" CMD ").expect("a command").1);
    understood(&check.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(check, ["/usr/local/bin/keystead", "health"]);

    let env: Vec<(String, String)> = lines("ENV")
        .iter()
        .map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).expect("a value"))
        .collect();
    for (name, _) in &env {
        by_env(name);
    }
    let config = config(&env);
    assert!(config.listen.ip().is_unspecified(), "clients come from outside of the container");
    assert!(config.metrics_listen.is_some_and(|address| address.ip().is_loopback()), "health needs it, nobody else");
    assert_eq!(lines("VOLUME"), ["/data"]);
    assert!(config.database.starts_with("/data"));
    let (user, group) = lines("USER")[0].split_once(':').expect("a group");
    assert!(user.parse::<u32>().is_ok_and(|id| id > 0) && user == group, "a number says that it is not root");
    assert_eq!(lines("STOPSIGNAL"), ["SIGTERM"]);

    // Docker's own address may be a trusted proxy: then only this machine may reach the port.
    let page = std::fs::read_to_string(root().join("docs/operating.md")).expect("docs/operating.md");
    let run: Vec<&str> = page.lines().filter(|line| line.starts_with("docker run ")).collect();
    assert!(!run.is_empty() && run.iter().all(|line| line.contains(" -p 127.0.0.1:8080:8080 ")), "{run:?}");

    // All that goes in is there and let through.
    let ignore = read("Dockerfile.dockerignore");
    let mut taken: Vec<&str> =
        lines("COPY").into_iter().filter(|line| !line.starts_with("--")).flat_map(sources).collect();
    taken.sort_unstable();
    for path in &taken {
        assert!(root().join(path).exists(), "{path}");
        assert!(ignore.lines().any(|line| line.strip_prefix('!') == Some(path)), "{path} is not let through");
    }
    for path in included() {
        let known = taken.iter().any(|taken| path.starts_with(taken));
        assert!(known, "{} is built in, but not copied", path.display());
    }
    let stated =
        format!("rust-version = \"{}\"", lines("FROM")[0].trim_start_matches("rust:").split('-').next().unwrap());
    assert!(std::fs::read_to_string(root().join("Cargo.toml")).unwrap().contains(&stated), "{stated}");
}

/// What a `COPY` takes, without where it goes.
fn sources(line: &str) -> Vec<&str> {
    let mut words: Vec<&str> = line.split(' ').collect();
    words.pop();
    words
}

/// The files that the sources take in by their path, from the project's folder.
fn included() -> Vec<PathBuf> {
    let mut folders = vec![root().join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for piece in code.split("include_").skip(1) {
                let Some((_, rest)) = piece.split_once("!(\"") else { continue };
                let file = folder.join(rest.split('"').next().unwrap_or_default()).canonicalize().expect("is there");
                found.push(file.strip_prefix(root()).expect("in the project").to_owned());
            }
        }
    }
    assert!(found.iter().any(|path| path == Path::new("schema.sql")), "includes were not found: {found:?}");
    found
}
