//! What became of each test: the events of `go test -json`, which every suite prints.

use std::collections::BTreeMap;

use serde_json::Value;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It passed.
    Pass,
    /// It failed, or never ended.
    Fail,
    /// It looked at what the cluster can do and did not run.
    Skip,
}

/// The outcome of every test that began. Lines that are not events are the suite's own chatter.
pub(super) fn outcomes(log: &str) -> BTreeMap<String, Outcome> {
    let mut found = BTreeMap::new();
    for event in events(log) {
        let Some(test) = event["Test"].as_str() else { continue };
        let outcome = match event["Action"].as_str() {
            // Until something else is said: a suite that ends in the middle leaves failures.
            Some("run" | "fail") => Outcome::Fail,
            Some("pass") => Outcome::Pass,
            Some("skip") => Outcome::Skip,
            _ => continue,
        };
        found.insert(test.to_owned(), outcome);
    }
    found
}

/// The last lines that a test printed.
pub(super) fn tail_of(log: &str, test: &str, lines: usize) -> String {
    let printed: Vec<String> = events(log)
        .filter(|event| event["Test"] == test && event["Action"] == "output")
        .filter_map(|event| event["Output"].as_str().map(str::to_owned))
        .collect();
    printed[printed.len().saturating_sub(lines)..].concat()
}

fn events(log: &str) -> impl Iterator<Item = Value> {
    log.lines().filter(|line| line.starts_with('{')).filter_map(|l| serde_json::from_str(l).ok())
}
