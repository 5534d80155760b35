//! The rules of the house that a compiler does not know: which room may know which, where SQL and hyper live, what
//! every file begins with, that nothing is orphaned. Reads the sources; runs nothing.

use std::fs;
use std::path::{Path, PathBuf};

const ROOMS: &[(&str, &[&str])] = &[
    // A room, and what of ours it may name.
    ("model", &[]),
    ("store", &["model", "metrics", "pending"]),
    ("domain", &["store", "model", "metrics", "pending"]),
    ("outside", &["domain", "store", "model", "clock", "config", "metrics", "pending"]),
    ("wire", &["outside", "domain", "store", "model", "clock", "limit", "pending"]),
    ("http", &["wire", "model", "clock", "config", "limit", "metrics"]),
    ("cli", &["http", "wire", "outside", "domain", "store", "model", "clock", "config", "limit", "metrics", "pending"]),
    ("limit", &["config"]),
    ("config", &["model"]),
    ("metrics", &["model"]),
];

/// The longest file we put up with; aim for half of it.
const MAX_LINES: usize = 600;

struct Source {
    path: PathBuf,
    text: String,
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned();
            found.push(Source { path, text });
        }
    }
}

/// The file's code: without comments, and without its tests.
fn code(source: &Source) -> String {
    if source.path.ends_with("tests.rs") {
        return String::new();
    }
    let code = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn room(path: &Path) -> Option<&str> {
    let second = path.components().nth(1)?.as_os_str().to_str()?;
    Some(second.strip_suffix(".rs").unwrap_or(second))
}

fn assert_none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut broken = Vec::new();
    for folder in ["src", "tests", "examples", "bench", "torture", "fuzz"] {
        for source in sources(folder) {
            if !source.text.starts_with("//! ") {
                broken.push(source.path.display().to_string());
            }
        }
    }
    assert_none("these files do not begin with //! and a sentence", broken);
}

#[test]
fn imports_point_one_way() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let Some((room, allowed)) = room(&source.path).and_then(|r| ROOMS.iter().find(|(name, _)| *name == r)) else {
            continue;
        };
        // Tests, in a file of their own: they may build what they need.
        if source.path.ends_with("tests.rs") {
            continue;
        }
        for piece in code(&source).split("crate::").skip(1) {
            // `crate::{a, b::c}` names several.
            let named: Vec<&str> = match piece.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
                None => vec![piece],
            };
            for name in named {
                let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if name != *room && !name.is_empty() && !allowed.contains(&name.as_str()) {
                    broken.push(format!("{}: {room} knows {name}", source.path.display()));
                }
            }
        }
    }
    assert_none("a room may name only the rooms below it", broken);
}

#[test]
fn wire_families_do_not_know_each_other() {
    let families: Vec<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire"))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert!(families.contains(&"keyauth".to_owned()));
    let mut broken = Vec::new();
    for source in sources("src/wire") {
        for family in &families {
            let inside = source.path.starts_with(format!("src/wire/{family}"));
            let names = ["wire::", "super::super::"].iter().any(|p| code(&source).contains(&format!("{p}{family}")));
            let list = source.path == Path::new("src/wire/mod.rs");
            if !inside && !list && names {
                broken.push(format!("{} knows {family}", source.path.display()));
            }
        }
    }
    assert_none("a family is known to the list of families only", broken);
}

#[test]
fn sql_lives_in_the_store() {
    let signs = ["rusqlite", "r2d2", "SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE ", "PRAGMA ", "CREATE TABLE"];
    let mut broken = Vec::new();
    for source in sources("src") {
        if room(&source.path) == Some("store") {
            continue;
        }
        for sign in signs {
            if code(&source).contains(sign) {
                broken.push(format!("{}: {sign}", source.path.display()));
            }
        }
    }
    assert_none("SQL and its engine are known to src/store only", broken);
}

#[test]
fn the_engine_is_known_in_few_files() {
    // The seam: the API that matches the engine, the transaction that is handed out, the engine, its schema, its copies.
    let seam = [
        "src/store/mod.rs",
        "src/store/tx.rs",
        "src/store/sqlite.rs",
        "src/store/sqlite/error.rs",
        "src/store/sqlite/writer.rs",
        "src/store/schema.rs",
        "src/store/backup.rs",
        "src/store/backup/contents.rs",
        "src/store/backup/error.rs",
        "src/store/backup/files.rs",
    ];
    let mut broken = Vec::new();
    for source in sources("src/store") {
        let known = seam.iter().any(|path| source.path == Path::new(path));
        let code = code(&source).to_lowercase();
        if !known && (code.contains("sqlite") || code.contains("pragma")) {
            broken.push(source.path.display().to_string());
        }
    }
    assert_none("a table file must not know which engine it is on", broken);
}

#[test]
fn sockets_and_the_runtime_live_at_the_edges() {
    // Who may know what. Room by room, because a name in the wrong one is how a rule begins to wait for a socket.
    let known: &[(&str, &[&str])] = &[
        ("hyper::", &["http"]),
        ("hyper_util::", &["http"]),
        ("http_body_util::", &["http"]),
        ("prometheus_client::", &["http"]),
        ("tokio::", &["http", "outside"]),
        ("reqwest::", &["outside"]),
        ("lettre::", &["outside"]),
        ("rustls::", &["outside"]),
        ("rustls_native_certs::", &["outside"]),
    ];
    let mut broken = Vec::new();
    for source in sources("src") {
        let code = code(&source);
        for (sign, rooms) in known {
            // The one thing of tokio that needs no runtime: the channel on which a result is awaited.
            let channel = source.path == Path::new("src/pending.rs") && *sign == "tokio::";
            if code.contains(sign) && !channel && !room(&source.path).is_some_and(|room| rooms.contains(&room)) {
                broken.push(format!("{}: {sign}", source.path.display()));
            }
        }
    }
    assert_none("sockets, the runtime and TLS are known to src/http and src/outside only", broken);
}

#[test]
fn only_the_clock_reads_the_time() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let clock = source.path == Path::new("src/clock.rs");
        if !clock && ["SystemTime::now", "Utc::now", "Local::now"].iter().any(|sign| code(&source).contains(sign)) {
            broken.push(source.path.display().to_string());
        }
    }
    assert_none("time is an argument; src/clock.rs reads it", broken);
}

#[test]
fn no_call_file_is_orphaned() {
    let mut calls = 0;
    for source in sources("src/wire") {
        let Some(folder) = source.path.parent().filter(|folder| folder.ends_with("calls")) else { continue };
        if !source.text.contains("const CALL: Call") {
            continue;
        }
        calls += 1;
        let name = source.path.file_stem().unwrap().to_str().unwrap();
        let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("mod.rs")).unwrap();
        assert!(table.contains(&format!("    &{name}::CALL,")), "{} is not in the table", source.path.display());
    }
    assert!(calls >= 9, "the calls were not found where they were expected");
}

#[test]
fn no_source_file_is_orphaned() {
    let all = sources("src");
    let mut broken = Vec::new();
    for source in &all {
        let stem = source.path.file_stem().unwrap().to_str().unwrap();
        if matches!(stem, "main" | "lib") {
            continue;
        }
        let folder = source.path.parent().unwrap();
        let (name, parent) = match stem {
            "mod" => (folder.file_name().unwrap().to_str().unwrap(), folder.parent().unwrap()),
            _ => (stem, folder),
        };
        let declared = all.iter().any(|other| {
            let stem = other.path.file_stem().unwrap().to_str().unwrap();
            let beside = other.path.parent() == Some(parent) && matches!(stem, "mod" | "lib");
            let above = other.path.with_extension("") == parent;
            (beside || above)
                && other.text.lines().any(|line| {
                    let line = line.trim();
                    let visible = ["pub ", "pub(crate) ", "pub(super) "];
                    let line = visible.iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
                    line == format!("mod {name};")
                })
        });
        if !declared {
            broken.push(source.path.display().to_string());
        }
    }
    assert_none("no `mod` line names these files", broken);
}

#[test]
fn what_the_compatibility_page_says_is_tested_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/compatibility.md")).unwrap();
    let tests: String = ["tests", "src"].iter().flat_map(|folder| sources(folder)).map(|s| s.text).collect();
    let mut broken = Vec::new();
    let mut numbers = Vec::new();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 4);
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        if cells[0] == "#" {
            continue;
        }
        numbers.push(cells[0].to_owned());
        let mut vectors = None;
        for name in cells[4].split('`').skip(1).step_by(2) {
            // `1.2/login/hwid-banned`, and after it `address-banned` of the same folder.
            let path = name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            vectors = path.or(vectors.filter(|_| name.contains('-')));
            let there = match &vectors {
                Some(folder) => {
                    let file = name.rsplit('/').next().unwrap_or_default();
                    root.join("tests/vectors/keyauth").join(folder).join(format!("{file}.txt")).exists()
                }
                None => name == "just bench" || tests.contains(&format!("fn {name}(")),
            };
            if !there {
                broken.push(format!("{}: {name}", cells[0]));
            }
        }
    }
    assert_none("docs/compatibility.md names tests that are not there", broken);
    let all: Vec<String> = (1..=35).map(|n| n.to_string()).chain((1..=17).map(|n| format!("E{n}"))).collect();
    assert_eq!(numbers, all, "one row for each fault");
}

#[test]
fn files_stay_small() {
    let mut broken = Vec::new();
    for folder in ["src", "tests", "examples", "bench", "torture", "fuzz"] {
        for source in sources(folder) {
            let lines = source.text.lines().count();
            if lines > MAX_LINES {
                broken.push(format!("{}: {lines} lines", source.path.display()));
            }
        }
    }
    assert_none(&format!("over {MAX_LINES} lines; it is two things"), broken);
}

#[test]
fn every_dependency_says_why_it_is_here() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let mut broken = Vec::new();
    let (mut within, mut previous) = (false, "");
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]");
        } else if within && line.contains(" = ") && !previous.starts_with("# ") {
            broken.push(line.to_owned());
        }
        previous = line;
    }
    assert_none("a line above each dependency says why it is here", broken);
}
