//! `docs/architecture.md` is a way into the code, so what it names must be there: every file, and in
//! each step of a produce's and a fetch's life a function of one of its files and a metric.

use std::fs;

use super::{metrics, root};

/// Sections whose steps name all three.
const LIVES: [&str; 2] = ["## Life of a produce", "## Life of a fetch"];

/// The folders that a path of ours begins with.
const FOLDERS: &[&str] = &[
    "gateway/",
    "storage-node/",
    "cold-reader/",
    "compactor/",
    "control/",
    "crates/",
    "cli/",
    "tests/",
    "bench/",
    "deploy/",
    "docs/",
];

#[test]
fn every_path_that_a_document_names_is_there() {
    let mut named = 0;
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).expect("pages are readable");
        for span in spans(&text).filter(|span| is_path(span)) {
            named += 1;
            let path = root().join(span);
            assert!(path.exists(), "{page} names `{span}`, which is not there");
        }
    }
    assert!(named > 100, "only {named} paths are named");
}

#[test]
fn every_step_names_a_file_a_function_in_it_and_a_metric() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).expect("readable");
    for life in LIVES {
        let section = text.split(life).nth(1).unwrap_or_else(|| panic!("no section `{life}`"));
        let section = section.split("\n## ").next().expect("there is a first part");
        let steps = section.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        let steps: Vec<&str> = steps.collect();
        assert!(steps.len() >= 6, "{life} has {} steps", steps.len());
        for step in steps {
            check(step);
        }
    }
}

fn check(step: &str) {
    let known = metrics::names();
    let files: Vec<&str> = spans(step).filter(|it| is_path(it) && it.ends_with(".rs")).collect();
    let functions: Vec<&str> = spans(step).filter_map(|span| span.strip_suffix("()")).collect();
    let metrics: Vec<&str> = spans(step).filter(|span| is_metric(span)).collect();
    assert!(!files.is_empty() && !functions.is_empty() && !metrics.is_empty(), "{step}");
    let sources: String = files
        .iter()
        .map(|file| fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("no {file}")))
        .collect();
    for function in functions {
        let definition = format!("fn {function}");
        let is_there = sources
            .match_indices(&definition)
            .any(|(at, _)| sources[at + definition.len()..].starts_with(['(', '<']));
        assert!(is_there, "no function `{function}` in {files:?}");
    }
    for metric in metrics {
        assert!(known.contains(metric), "nobody has the metric `{metric}`: {step}");
    }
}

/// The README and everything below `docs/`, but for records of decisions, which say what was.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/runbook"] {
        for entry in fs::read_dir(root().join(folder)).expect("readable") {
            let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
            if name.ends_with(".md") {
                pages.push(format!("{folder}/{name}"));
            }
        }
    }
    pages.sort();
    pages
}

/// What stands between backquotes on one line, outside of blocks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    let lines = text.lines().filter(move |line| {
        fenced ^= line.starts_with("```");
        !fenced
    });
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_path(span: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    // What a run leaves is not in the tree.
    let is_result = span.contains("/results");
    FOLDERS.iter().any(|folder| span.starts_with(folder))
        && span.chars().all(is_plain)
        && !is_result
}

fn is_metric(span: &str) -> bool {
    let prefixes = ["gateway_", "storage_node_", "cold_reader_", "hop_", "object_store_"];
    prefixes.iter().any(|prefix| span.starts_with(prefix))
}
