//! Gives what is random or depends on the time the same name in every run: ids by their order of
//! appearance, times as such. Everything else of an answer stays as it is.

use std::collections::{HashMap, HashSet};

use regex::{Captures, Regex};

/// The names that one client's answers have been given.
pub(crate) struct Names {
    /// Topic ids and member ids; producer ids, which begin above 2^47; cluster ids; times in
    /// milliseconds since 1970.
    patterns: [Regex; 4],
    given: HashMap<String, usize>,
    foreign: HashSet<String>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let patterns = [
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"\b14[0-9]{13}\b",
            "\"[A-Za-z0-9_-]{22}\"",
            r"\b[12][0-9]{12}\b",
        ];
        let patterns = patterns.map(|pattern| Regex::new(pattern).unwrap());
        Self { patterns, given: HashMap::new(), foreign: HashSet::new() }
    }

    /// From now on this id is one that the client should know nothing of.
    pub(crate) fn foreign(&mut self, id: impl ToString) {
        self.foreign.insert(id.to_string());
    }

    /// `answer` with names for ids.
    pub(crate) fn replace(&mut self, answer: &str) -> String {
        let Self { patterns: [ids, producers, clusters, times], given, foreign } = self;
        let mut name = |found: &Captures<'_>| {
            let next = given.len();
            match foreign.contains(&found[0]) {
                true => "foreign".to_owned(),
                false => format!("id-{}", given.entry(found[0].to_owned()).or_insert(next)),
            }
        };
        let answer = ids.replace_all(answer, &mut name);
        let answer = producers.replace_all(&answer, &mut name);
        let answer = clusters.replace_all(&answer, &mut name);
        times.replace_all(&answer, "now").into_owned()
    }
}
