//! A suite's list of tests that need not pass: one line each, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

use super::outcome::Outcome;

/// What a suite's tests are excused from, by test.
#[derive(Debug, Default)]
pub(super) struct AllowList {
    excuses: BTreeMap<String, Outcome>,
    omitted: BTreeSet<String>,
    unsteady: BTreeSet<String>,
}

impl AllowList {
    /// Reads `fail TEST: REASON`, `skip TEST: REASON`, `omit TEST: REASON` and `faults TEST: REASON`,
    /// one a line; `#` begins a comment. Only what would never end is to be omitted: nobody sees it
    /// pass one day. With `faults` a test may fail in a run with faults, and only there.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut list = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (kind, rest) = line.split_once(' ').with_context(|| format!("`{line}`"))?;
            let (test, reason) =
                rest.split_once(": ").with_context(|| format!("`{line}` gives no reason"))?;
            ensure!(!reason.trim().is_empty(), "`{line}` gives no reason");
            let known = list.omitted.contains(test)
                || list.excuses.contains_key(test)
                || list.unsteady.contains(test);
            ensure!(!known, "{test} is listed twice");
            match kind {
                "fail" => drop(list.excuses.insert(test.to_owned(), Outcome::Fail)),
                "skip" => drop(list.excuses.insert(test.to_owned(), Outcome::Skip)),
                "omit" => drop(list.omitted.insert(test.to_owned())),
                "faults" => drop(list.unsteady.insert(test.to_owned())),
                _ => bail!("`{line}` begins with none of `fail`, `skip`, `omit` and `faults`"),
            }
        }
        Ok(list)
    }

    /// How a test may end instead of passing.
    pub(super) fn excuse(&self, test: &str) -> Option<Outcome> {
        self.excuses.get(test).copied()
    }

    /// The tests that must not pass.
    pub(super) fn excused(&self) -> impl Iterator<Item = &str> {
        self.excuses.keys().map(String::as_str)
    }

    /// Whether it may fail while nodes are killed and partitions move.
    pub(super) fn may_fail_under_faults(&self, test: &str) -> bool {
        self.unsteady.contains(test)
    }

    /// The tests that are not to be run.
    pub(super) fn omitted(&self) -> Vec<&str> {
        self.omitted.iter().map(String::as_str).collect()
    }
}
