//! Compares what a suite's tests did with what its list says.

use std::collections::BTreeMap;

use super::list::AllowList;
use super::outcome::Outcome;

#[cfg(test)]
mod tests;

/// A difference between a run and its list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// For people.
    pub(super) text: String,
    /// The test whose output explains it.
    pub(super) failed: Option<String>,
}

/// What kind of run is judged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    /// Only some of the suite's tests were asked for.
    pub(super) part: bool,
    /// Nodes were killed, partitions moved.
    pub(super) faults: bool,
}

/// Everything that is wrong with a run.
pub(super) fn judge(list: &AllowList, found: &BTreeMap<String, Outcome>, run: Run) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (test, outcome) in found {
        if *outcome == Outcome::Fail && a_subtest_failed(found, test) {
            continue;
        }
        if *outcome == Outcome::Fail && run.faults && list.may_fail_under_faults(test) {
            continue;
        }
        let text = match (list.excuse(test), outcome) {
            (excuse, outcome) if excuse.unwrap_or(Outcome::Pass) == *outcome => continue,
            (_, Outcome::Fail) => format!("{test} failed"),
            (_, Outcome::Skip) => format!("{test} was skipped"),
            (_, Outcome::Pass) => format!("{test} passed: take it off the list"),
        };
        let failed = (*outcome == Outcome::Fail).then(|| test.clone());
        wrong.push(Wrong { text, failed });
    }
    let gone = list.excused().filter(|test| !run.part && !found.contains_key(*test));
    wrong.extend(gone.map(|test| Wrong {
        text: format!("{test} is on the list, and there is no such test"),
        failed: None,
    }));
    wrong
}

/// A test fails with its subtests: those are judged, it is not.
fn a_subtest_failed(found: &BTreeMap<String, Outcome>, test: &str) -> bool {
    let prefix = format!("{test}/");
    let mut below = found.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
    below.any(|(_, outcome)| *outcome == Outcome::Fail)
}
