//! The house rules as tests: which crate may use which, how long files may be, what documents must
//! say. Each failure names the place and the way out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines a source file may have before its first inline test module.
const FILE_LINES_MAX: usize = 500;
/// Nine of ten source files stay below this.
const FILE_LINES_P90: usize = 400;

/// What each crate of the workspace may use of it. Arrows point down only; a missing arrow is a
/// decision (`gateway` never sees `segment`: a gateway holds no data; `storage-node` and
/// `cold-reader` never see each other: catch-up reads share nothing with produce).
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("process", &[]),
    ("quota", &[]),
    ("coordinator", &["protocol"]),
    ("hop", &["protocol", "process"]),
    ("segment", &["protocol", "process"]),
    ("metadata", &["protocol", "process"]),
    ("gateway", &["protocol", "process", "hop", "metadata", "quota"]),
    ("storage-node", &["protocol", "process", "hop", "metadata", "segment", "coordinator"]),
    ("cold-reader", &["protocol", "process", "hop", "metadata", "segment"]),
    ("compactor", &["protocol", "process", "hop", "metadata", "segment"]),
    ("tenant-keys", &["protocol", "process", "metadata", "segment"]),
    ("control", &["protocol", "process", "hop", "metadata", "segment", "quota", "tenant-keys"]),
    (
        "thermocline",
        &[
            "gateway",
            "storage-node",
            "cold-reader",
            "compactor",
            "control",
            "protocol",
            "process",
            "hop",
            "metadata",
            "segment",
            "tenant-keys",
        ],
    ),
    // Black-box tests: the metadata store is only asked who owns what, and the hop is spoken as a
    // gateway with an old map would.
    ("thermocline-tests", &["hop", "metadata", "process", "protocol"]),
    ("thermocline-model", &[]),
    (
        "thermocline-sim",
        &[
            "gateway",
            "storage-node",
            "cold-reader",
            "compactor",
            "control",
            "protocol",
            "process",
            "hop",
            "metadata",
            "segment",
            "tenant-keys",
        ],
    ),
    ("thermocline-bench", &["thermocline-tests"]),
];

/// Libraries with exactly one home: one place to change when they change.
const HOMES: &[(&str, &[&str])] = &[
    ("kafka-protocol", &["protocol"]),
    // The simulation implements its trait: a bucket whose every answer may be a lie.
    ("object_store", &["segment", "thermocline-sim"]),
    ("etcd-client", &["metadata"]),
    ("redb", &["metadata"]),
];

#[test]
fn crates_depend_on_each_other_only_along_the_arrows() {
    let packages = workspace_packages();
    let names: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut findings = Vec::new();
    for (name, dependencies) in &packages {
        let Some(allowed) = arrows.get(name.as_str()) else {
            findings.push(format!("crate `{name}` has no row in ARROWS"));
            continue;
        };
        for dependency in dependencies.iter().filter(|d| names.contains(d.as_str())) {
            if !allowed.contains(&dependency.as_str()) {
                findings.push(format!("`{name}` must not use `{dependency}` (see ARROWS)"));
            }
        }
    }
    assert_clean(&findings);
}

#[test]
fn libraries_behind_a_seam_are_used_only_in_their_home() {
    let mut findings = Vec::new();
    for (name, dependencies) in workspace_packages() {
        for (library, homes) in HOMES {
            if dependencies.contains(*library) && !homes.contains(&name.as_str()) {
                findings.push(format!("`{name}` must not use `{library}`; its home is {homes:?}"));
            }
        }
    }
    assert_clean(&findings);
}

#[test]
fn source_files_stay_within_their_budget() {
    let mut lengths = Vec::new();
    let mut findings = Vec::new();
    for path in rust_sources() {
        let text = fs::read_to_string(&path).expect("source file reads");
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        if lines > FILE_LINES_MAX && !is_test(&path) {
            findings.push(format!(
                "{}: {lines} lines (max {FILE_LINES_MAX}); split it by responsibility",
                path.display()
            ));
        }
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let p90 = lengths[lengths.len() * 9 / 10];
    if p90 >= FILE_LINES_P90 {
        findings.push(format!("the 90th percentile of file lengths is {p90}"));
    }
    assert_clean(&findings);
}

#[test]
fn every_source_file_opens_by_saying_what_it_is() {
    let silent: Vec<String> = rust_sources()
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("source file reads").starts_with("//!"))
        .map(|path| format!("{}: must start with a `//!` line", path.display()))
        .collect();
    assert_clean(&silent);
}

#[test]
fn nothing_is_left_open_in_the_code() {
    let marks = ["TODO", "FIXME", "XXX", "HACK"];
    let mut findings = Vec::new();
    for path in rust_sources().into_iter().filter(|path| !path.ends_with("tidy.rs")) {
        let text = fs::read_to_string(&path).expect("source file reads");
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                findings.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert_clean(&findings);
}

#[test]
fn the_adr_index_lists_every_record() {
    let dir = root().join("docs/adr");
    let index = fs::read_to_string(dir.join("README.md")).expect("docs/adr/README.md exists");
    let missing: Vec<String> = fs::read_dir(dir)
        .expect("docs/adr reads")
        .map(|entry| entry.expect("directory entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "README.md" && !index.contains(name.as_str()))
        .map(|name| format!("docs/adr/README.md does not list {name}"))
        .collect();
    assert_clean(&missing);
}

#[test]
fn every_document_has_one_title_and_no_dead_link() {
    let mut findings = Vec::new();
    for path in files_below(&root(), &|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&path).expect("document reads");
        let mut fenced = false;
        let mut titles = 0;
        for line in text.lines() {
            fenced ^= line.starts_with("```");
            titles += usize::from(!fenced && line.starts_with("# "));
        }
        if titles != 1 {
            findings.push(format!("{}: {titles} titles, wanted one", path.display()));
        }
        findings.extend(dead_links(&path, &text));
    }
    assert_clean(&findings);
}

/// Relative link targets of a document that do not exist.
fn dead_links(path: &Path, text: &str) -> Vec<String> {
    let folder = path.parent().expect("a document lies in a folder");
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter(|target| !folder.join(target).exists())
        .map(|target| format!("{}: dead link: {target}", path.display()))
        .collect()
}

fn assert_clean(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_path_buf()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

fn rust_sources() -> Vec<PathBuf> {
    files_below(&root(), &|path| path.extension().is_some_and(|e| e == "rs"))
}

/// Files git tracks or would track below a folder, without build output and installed tools.
fn files_below(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let skipped = ["target", ".git", ".tools", "data", "results", "node_modules", "fuzz"];
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("folder reads") {
        let path = entry.expect("directory entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !skipped.contains(&name.as_str()) {
            found.extend(files_below(&path, wanted));
        } else if path.is_file() && wanted(&path) {
            found.push(path);
        }
    }
    found
}

/// Workspace packages with the names of what they use outside of tests.
fn workspace_packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages.iter().map(package_dependencies).collect()
}

fn package_dependencies(package: &serde_json::Value) -> (String, BTreeSet<String>) {
    let text = |value: &serde_json::Value| value.as_str().expect("a name").to_owned();
    let dependencies = package["dependencies"]
        .as_array()
        .expect("a list of dependencies")
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| text(&dependency["name"]))
        .collect();
    (text(&package["name"]), dependencies)
}
