//! The fuzz targets as ordinary tests: every finding stays found, and what the seeds say holds. The fuzzing itself is
//! `just fuzz`; what the targets assert stands in fuzz/src/.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
mod targets;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

#[test]
fn what_was_found_stays_found() {
    for (target, _) in targets::TARGETS {
        for file in files(&root().join("fuzz/regressions").join(target)) {
            eprintln!("{}", file.display());
            targets::run(target, &fs::read(&file).unwrap());
        }
    }
}

fn vectors(folder: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            vectors(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path)
            && let Some((_, rest)) = text.split_once("=== request\n")
            && let Some((request, _)) = rest.split_once("\n=== reply")
        {
            found.push(request.replace("{sessionid}", "{session}"));
        }
    }
}

/// Not as the vectors expect it: there are other users and keys. Only as every target does of any input.
#[test]
fn what_the_vectors_ask_holds_what_every_input_must() {
    let mut requests = Vec::new();
    vectors(&root().join("tests/vectors"), &mut requests);
    assert!(requests.len() > 500, "{} vectors", requests.len());
    // Every tenth: the fuzzer begins with all of them.
    for request in requests.iter().step_by(10) {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        targets::run("head", request.as_bytes());
        targets::run("request", request.as_bytes());
        let head = head.replace("{length}", &body.len().to_string()).replace('\n', "\r\n");
        targets::run("connection", format!("{head}\r\n\r\n{body}").as_bytes());
        for target in ["form", "query", "json", "envelope", "cookie"] {
            targets::run(target, body.as_bytes());
        }
    }
    let page = fs::read_to_string(root().join("docs/app-json.md")).unwrap();
    for block in page.split("```json").skip(1) {
        let text = block.split_once('\n').and_then(|(_, text)| text.split_once("```")).unwrap().0;
        targets::run("document", text.as_bytes());
    }
    let imported = targets::document::IMPORTED.load(std::sync::atomic::Ordering::Relaxed);
    assert!(imported > 0, "no document went in");
    targets::run(
        "multipart",
        b"multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--b--\r\n",
    );
}

#[test]
fn every_target_is_built_and_has_words_to_begin_with() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let known = |name: &str| targets::TARGETS.iter().any(|(target, _)| *target == name);
    for (target, _) in targets::TARGETS {
        let built = fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{target}.rs"))).unwrap();
        assert!(built.contains(&format!("run(\"{target}\", data)")), "{target}");
        assert!(manifest.contains(&format!("\nname = \"{target}\"\n")), "{target} is not in the manifest");
        assert!(root().join(format!("fuzz/dict/{target}.dict")).exists(), "{target} has no dictionary");
    }
    for folder in ["fuzz/regressions", "fuzz/fuzz_targets"] {
        // There may be no finding yet, and so no folder for them.
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        for entry in entries.map(|entry| entry.unwrap().path()) {
            let name = entry.file_stem().unwrap().to_str().unwrap();
            assert!(known(name), "{folder}/{name} belongs to no target");
        }
    }
}
