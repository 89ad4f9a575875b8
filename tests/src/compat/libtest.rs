//! What Rust's test harness prints, as the events of `go test -json`.

use serde_json::{Value, json};

#[cfg(test)]
mod tests;

/// The same log as events, a line each; a test is named `FILE/TEST`.
///
/// A file of tests counts as a test of its own, `FILE/ends`: the harness names a test only when it
/// is over, so those of a process that dies in the middle would not be missed.
pub(super) fn as_events(log: &str) -> String {
    let mut file = "";
    let mut explained = None;
    let mut events = Vec::new();
    for line in log.lines() {
        if let Some(running) = line.trim_start().strip_prefix("Running ") {
            file = stem(running);
            explained = None;
        } else if line.starts_with("running ") {
            events.push(event("run", file, "ends", ""));
        } else if line.starts_with("test result: ") {
            events.push(event("pass", file, "ends", ""));
        } else if let Some((test, action)) = result(line) {
            events.push(event(action, file, test, ""));
        } else if let Some(test) = section(line) {
            explained = Some(test);
        } else if line == "failures:" {
            explained = None;
        } else if let Some(test) = explained {
            events.push(event("output", file, test, line));
        }
    }
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn event(action: &str, file: &str, test: &str, output: &str) -> Value {
    json!({"Action": action, "Test": format!("{file}/{test}"), "Output": format!("{output}\n")})
}

/// `tests/test_admin.rs (target/debug/deps/test_admin-0123)`: `test_admin`.
fn stem(running: &str) -> &str {
    let path = running.split(" (").next().unwrap_or(running);
    let name = path.rsplit(['/', ' ']).next().unwrap_or(path);
    name.strip_suffix(".rs").unwrap_or(name)
}

/// `test NAME ... ok`.
fn result(line: &str) -> Option<(&str, &'static str)> {
    let (test, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let action = match outcome {
        "ok" => "pass",
        "FAILED" => "fail",
        ignored if ignored.starts_with("ignored") => "skip",
        _ => return None,
    };
    // `NAME - should panic` is called NAME.
    Some((test.split(" - ").next().unwrap_or(test), action))
}

/// `---- NAME stdout ----`.
fn section(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}
