//! The house's rules that a machine can check: crate arrows, file lengths, module docs, configuration files, reasons.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest a file may be, in lines.
const LONGEST: usize = 500;
/// Files that are longer, with their length when they were put here. This list may only shrink.
const RATCHET: &[(&str, usize)] = &[];
/// The crates of the house, by folder; the binary is the root.
const CRATES: [&str; 8] = [".", "model", "registry", "proxy", "dnsd", "control", "admin", "cli"];
/// Crates that only tests may import, each by its folder and name.
const FOR_TESTS: [(&str, &str); 2] = [("tests/fault", "fault"), ("tests/engine", "engine")];
/// Names that say nothing.
const NAMELESS: [&str; 5] = ["utils", "common", "helpers", "misc", "types"];

/// What each crate may import of ours, and what it must never import (not even for its tests).
const ARROWS: [(&str, &[&str], &[&str]); 7] = [
    ("model", &[], &["tokio", "serde", "tracing", "redis", "redb", "fastrand", "jiff", "axum", "hyper"]),
    ("registry", &["model"], &["axum", "hyper", "httparse", "hickory-proto", "bollard"]),
    ("proxy", &["model"], &["redis", "redb", "axum", "hyper", "serde", "bollard"]),
    ("dnsd", &["model"], &["redis", "redb", "axum", "hyper", "serde", "bollard"]),
    ("control", &["model"], &["redis", "redb", "axum", "hickory-proto"]),
    ("admin", &["model", "registry", "proxy", "dnsd", "control"], &["redis", "redb", "bollard"]),
    ("cli", &["admin"], &["tokio", "redis", "redb", "hyper", "axum"]),
];

/// Where sockets are touched, in the crates that must not touch them anywhere else.
const RIMS: [(&str, &[&str]); 6] = [
    ("model/src", &[]),
    ("registry/src", &["driver/"]),
    ("proxy/src", &["accept/", "upstream/", "door.rs", "thread_main.rs"]),
    ("dnsd/src", &["listen/", "forward/ask.rs"]),
    ("control/src", &["runtime/", "health/probe.rs", "observe/address.rs"]),
    ("admin/src", &["server.rs", "api/exec.rs"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(folder: &str) -> toml::Table {
    read(&root().join(folder).join("Cargo.toml")).parse().unwrap()
}

fn dependencies(manifest: &toml::Table, section: &str) -> BTreeSet<String> {
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table.into_iter().flat_map(|table| table.keys().cloned()).collect()
}

/// Every file below `folder`, hidden ones and build outputs left out.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if name.to_string_lossy().starts_with('.') || name == "target" || name == "proptest-regressions" {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<PathBuf> {
    files(&root())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn assert_none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn crates_import_only_what_their_arrows_allow() {
    let mut wrong = Vec::new();
    let alone: [&str; 0] = [];
    let for_tests = FOR_TESTS.map(|(folder, _)| (folder, &alone[..], &["redis", "httparse"][..]));
    for (crate_name, ours, never) in ARROWS.into_iter().chain(for_tests) {
        let manifest = manifest(crate_name);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in dependencies(&manifest, section) {
                let is_for_tests = FOR_TESTS.iter().any(|(_, name)| *name == dependency);
                if is_for_tests && section != "dev-dependencies" {
                    wrong.push(format!("{crate_name} imports {dependency} for more than its tests"));
                }
                let of_ours = CRATES.contains(&dependency.as_str()) || dependency == "portico";
                let not_allowed = of_ours && !ours.contains(&dependency.as_str());
                if not_allowed || never.contains(&dependency.as_str()) {
                    wrong.push(format!("{crate_name} imports {dependency} ({section})"));
                }
            }
        }
    }
    for (_, name) in FOR_TESTS {
        if dependencies(&manifest("."), "dependencies").contains(name) {
            wrong.push(format!("the binary imports {name}"));
        }
    }
    assert_none(wrong, "crates import only what their arrows allow");
}

#[test]
fn every_crate_has_the_lints_of_the_house() {
    let without = CRATES.into_iter().chain(FOR_TESTS.map(|(folder, _)| folder)).filter(|folder| {
        let lints = manifest(folder).get("lints").and_then(|lints| lints.get("workspace").cloned());
        lints != Some(toml::Value::Boolean(true))
    });
    assert_none(without.map(str::to_owned).collect(), "every crate has `[lints] workspace = true`");
}

#[test]
fn every_dependency_has_a_reason_and_a_user() {
    let text = read(&root().join("Cargo.toml"));
    let section = text.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let users: BTreeSet<String> = CRATES
        .into_iter()
        .flat_map(|folder| {
            let manifest = manifest(folder);
            let of = |section| dependencies(&manifest, section);
            of("dependencies").into_iter().chain(of("dev-dependencies")).collect::<Vec<_>>()
        })
        .collect();
    let mut wrong = Vec::new();
    for line in section.lines().filter(|line| line.contains('=') && !line.contains("path =")) {
        let dependency = line.split('=').next().unwrap().trim();
        if line.split_once("# ").is_none_or(|(_, reason)| reason.trim().len() < 10) {
            wrong.push(format!("{dependency} has no reason"));
        }
        if !users.contains(dependency) {
            wrong.push(format!("{dependency} has no user"));
        }
    }
    assert_none(wrong, "every dependency stands in the root Cargo.toml with its reason, and is used");
}

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    for path in rust_files() {
        let (name, lines) = (name(&path), read(&path).lines().count());
        let allowed = RATCHET.iter().find(|(known, _)| *known == name).map_or(LONGEST, |(_, lines)| *lines);
        if lines > allowed {
            wrong.push(format!("{name} has {lines} lines, {allowed} are allowed"));
        }
    }
    for (known, _) in RATCHET {
        let lines = fs::read_to_string(root().join(known)).map_or(0, |text| text.lines().count());
        if lines <= LONGEST {
            wrong.push(format!("{known} is short now: take it off the ratchet list"));
        }
    }
    assert_none(wrong, "one idea, one file: split what is longer");
}

#[test]
fn rooms_say_what_they_are() {
    let mut wrong = Vec::new();
    for path in rust_files() {
        let text = read(&path);
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_room = ["lib.rs", "mod.rs", "main.rs"].contains(&file.as_str());
        if is_room && !text.starts_with("//!") {
            wrong.push(format!("{} opens without `//!`", name(&path)));
        }
        let is_crate = file == "lib.rs" && path.parent().is_some_and(|parent| parent.ends_with("src"));
        if is_crate && !(text.contains("//! In:") && text.contains("Out:") && text.contains("Never here:")) {
            wrong.push(format!(
                "{} does not say what comes in, what goes out, what never happens",
                name(&path)
            ));
        }
    }
    assert_none(wrong, "every room opens with `//!`");
}

#[test]
fn nothing_has_a_name_that_says_nothing() {
    let nameless = files(&root()).into_iter().filter(|path| {
        let named = |part: &std::ffi::OsStr| NAMELESS.iter().any(|name| part == *name);
        path.strip_prefix(root()).is_ok_and(|path| path.with_extension("").iter().any(named))
    });
    assert_none(nameless.map(|path| name(&path)).collect(), "a name says what is inside");
}

#[test]
fn exceptions_have_reasons_and_todos_have_kinds() {
    let kinds = ["correctness", "limits", "performance", "cleanup"].map(|kind| format!("TODO-{kind}"));
    let mut wrong = Vec::new();
    for path in rust_files() {
        for (index, line) in read(&path).lines().enumerate() {
            let place = format!("{}:{}", name(&path), index + 1);
            let code = line.trim_start();
            if code.starts_with(concat!("#[al", "low(")) || code.starts_with(concat!("#![al", "low(")) {
                wrong.push(format!("{place}: `expect` with a reason, so that it goes when it is not needed"));
            }
            let todo = line.find(concat!("TO", "DO")).map(|at| &line[at..]);
            if todo.is_some_and(|todo| !kinds.iter().any(|kind| todo.starts_with(kind.as_str())))
                && !is_tidy(&path)
            {
                wrong.push(format!("{place}: which kind? {}", kinds.join(", ")));
            }
        }
    }
    assert_none(wrong, "exceptions have reasons, and what is left to do has a kind");
}

fn is_tidy(path: &Path) -> bool {
    path.ends_with("tests/spec/tidy.rs")
}

#[test]
fn every_file_of_the_configuration_parses() {
    let mut wrong = Vec::new();
    for path in files(&root().join("config")) {
        let text = read(&path);
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
        let outcome = match extension.as_deref() {
            Some("toml") => text.parse::<toml::Table>().map(drop).map_err(|error| error.to_string()),
            Some("json") => {
                serde_json::from_str::<serde_json::Value>(&text).map(drop).map_err(|e| e.to_string())
            }
            Some("service" | "socket") => unit(&text),
            Some("yml" | "yaml") => yaml(&text),
            Some("md") => Ok(()),
            _ => Err("nobody checks files of this kind; teach this test to".into()),
        };
        if let Err(error) = outcome {
            wrong.push(format!("{}: {error}", name(&path)));
        }
    }
    assert_none(wrong, "every file in config/ parses");
}

/// A systemd unit, as far as its shape goes: sections, assignments, comments, continued lines.
fn unit(text: &str) -> Result<(), String> {
    let mut section = None;
    let mut continued = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !continued && !line.is_empty() && !line.starts_with(['#', ';']) {
            if line.starts_with('[') && line.ends_with(']') {
                section = Some(line);
            } else if !line.contains('=') || section.is_none() {
                return Err(format!("line {} is neither a section nor an assignment in one", index + 1));
            }
        }
        continued = line.ends_with('\\');
    }
    section.map(drop).ok_or_else(|| "no section".into())
}

/// YAML, as far as its shape goes: no tabs, each line a key, an item, or part of a text.
fn yaml(text: &str) -> Result<(), String> {
    match text.lines().position(|line| line.contains('\t')) {
        Some(index) => Err(format!("line {} has a tab", index + 1)),
        None if text.trim().is_empty() => Err("empty".into()),
        None => Ok(()),
    }
}

#[test]
fn decisions_are_numbered_and_complete() {
    let mut wrong = Vec::new();
    let mut numbers = BTreeSet::new();
    for path in &files(&root().join("docs/decisions")) {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let number = file.split('-').next().unwrap().to_owned();
        if number.len() != 4 || number.parse::<u16>().is_err() || !numbers.insert(number) {
            wrong.push(format!("{}: begins with four digits that no other begins with", name(path)));
        }
        let text = read(path);
        for part in ["## Problem", "## Decision", "## Reasons for", "## Reasons against"] {
            if !text.contains(part) {
                wrong.push(format!("{} has no `{part}`", name(path)));
            }
        }
    }
    assert_none(wrong, "decisions are 0001-….md: problem, decision, reasons for, reasons against");
}

#[test]
fn every_fault_of_the_table_is_proven_by_a_test() {
    let table = read(&root().join("tests/FAULTS.md"));
    let mut wrong = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fault |")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [fault, promised, proven] = cells[..] else {
            wrong.push(format!("{row}: fault, what is promised, proven by"));
            continue;
        };
        // Each is `file.rs::name`, between backticks.
        let tests: Vec<_> = proven.split('`').skip(1).step_by(2).collect();
        if fault.is_empty() || promised.is_empty() || tests.is_empty() {
            wrong.push(format!("{row}: says too little"));
        }
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or((test, ""));
            let code = fs::read_to_string(root().join(file)).unwrap_or_default();
            let before = code.split_once(&format!("fn {name}()")).map(|(before, _)| before);
            let attributes = before.and_then(|before| before.rsplit("\n\n").next()).unwrap_or_default();
            if name.is_empty() || !attributes.contains("test") || attributes.contains("#[ignore") {
                wrong.push(format!("{fault}: there is no test {test} that is run"));
            }
        }
    }
    assert_none(wrong, "each row of tests/FAULTS.md names a fault, a promise and tests that exist");
}

#[test]
fn every_file_of_promises_is_run() {
    let main = read(&root().join("tests/spec/main.rs"));
    let folder = fs::read_dir(root().join("tests/spec")).unwrap().flatten();
    let names = folder.map(|entry| entry.path().file_stem().unwrap().to_string_lossy().into_owned());
    let missing = names.filter(|name| name != "main" && !main.contains(&format!("mod {name};")));
    assert_none(missing.collect(), "tests/spec/main.rs lists its files");
}

#[test]
fn sockets_are_touched_at_the_rims_only() {
    let mut wrong = Vec::new();
    for (sources, rims) in RIMS {
        let folder = root().join(sources);
        for path in files(&folder).iter().filter(|path| !path.ends_with("tests.rs")) {
            let inside = path.strip_prefix(&folder).unwrap_or(path).display().to_string();
            let code = read(path);
            let mut code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let touches = ["TcpListener", "TcpStream", "UdpSocket", "UnixStream", "UnixListener"];
            let touched = code.any(|line| touches.iter().any(|socket| line.contains(socket)));
            if touched && !rims.iter().any(|rim| inside.starts_with(rim)) {
                wrong.push(name(path));
            }
        }
    }
    assert_none(wrong, "sockets are touched at the rims only; what lies between works on values");
}
