//! What `deploy/` names exists: metrics of dashboards and alerts, keys of configuration files, and a
//! runbook page for every alert.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{configuration, metrics, root};

/// Prefixes under which only our own metrics are found.
const PREFIXES: &[&str] = &[
    "gateway_",
    "storage_node_",
    "cold_reader_",
    "compactor_",
    "control_",
    "hop_",
    "object_store_",
    "tenant_keys",
];

#[test]
fn dashboards_and_alerts_name_metrics_that_exist() {
    let known = metrics::names();
    let mut named = 0;
    for path in files("deploy", &["json", "yaml", "yml", "tpl"]) {
        let text = fs::read_to_string(&path).expect("readable");
        let is_query = |line: &&str| line.contains("expr") || line.contains("query");
        // Queries may go over several lines in YAML: look at whole files of rules.
        let of_rules = path.to_string_lossy().contains("prometheus");
        let lines: Vec<&str> = text.lines().filter(|line| of_rules || is_query(line)).collect();
        for word in words(&lines.join("\n")) {
            if PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
                named += 1;
                let base = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| word.strip_suffix(suffix))
                    .unwrap_or(&word);
                assert!(
                    known.contains(&word) || known.contains(base),
                    "{} names the metric {word}, which nobody has",
                    path.display()
                );
            }
        }
    }
    assert!(named > 50, "only {named} metrics named: are the dashboards still there?");
}

#[test]
fn every_alert_has_a_page_in_the_runbook() {
    let mut alerts = BTreeSet::new();
    for path in files("deploy/prometheus", &["yaml"]) {
        let text = fs::read_to_string(&path).expect("readable");
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        alerts.extend(names.map(|name| name.trim().to_owned()));
    }
    assert!(!alerts.is_empty(), "no alerts found");
    let page = |alert: &str| root().join("docs/runbook").join(format!("{alert}.md"));
    for alert in &alerts {
        let text = fs::read_to_string(page(alert)).unwrap_or_default();
        for part in ["## What users see", "## What it means", "## What to do"] {
            assert!(text.contains(part), "{} lacks `{part}`", page(alert).display());
        }
    }
    for path in files("docs/runbook", &["md"]) {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("names are text");
        assert!(name == "README" || alerts.contains(name), "no alert for {}", path.display());
    }
}

#[test]
fn configuration_files_use_keys_that_exist() {
    let known: BTreeSet<String> = configuration::keys().into_iter().collect();
    let files = files("deploy", &["toml"]);
    assert!(!files.is_empty(), "no configuration files found");
    for path in files {
        let text = fs::read_to_string(&path).expect("readable");
        let mut table = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix("[[").and_then(|line| line.strip_suffix("]]")) {
                table = format!("[{name}].");
            } else if let Some(name) =
                line.strip_prefix('[').and_then(|line| line.strip_suffix(']'))
            {
                table = format!("{name}.");
            } else if let Some((key, _)) = line.split_once('=') {
                let key = format!("{table}{}", key.trim());
                assert!(known.contains(&key), "{}: no key `{key}`", path.display());
            }
        }
    }
}

fn words(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The files below a folder with one of these extensions.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    fn collect(folder: &Path, extensions: &[&str], into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, extensions, into);
            } else if path.extension().is_some_and(|is| extensions.iter().any(|ext| is == *ext)) {
                into.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(folder), extensions, &mut found);
    found.sort();
    found
}
