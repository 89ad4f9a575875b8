//! Label values that clients choose: the first so many have series of their own, and all later ones
//! share one (R66). A series once made stays, so the number of names must be bounded, whatever
//! clients call themselves.

use std::collections::HashSet;
use std::hash::Hash;

use parking_lot::RwLock;

/// The label of all that have no series of their own.
pub const OTHERS: &str = "others";

/// Who has a series.
#[derive(Debug)]
pub struct Names<K> {
    max: usize,
    known: RwLock<HashSet<K>>,
}

impl<K: Eq + Hash + Clone> Names<K> {
    /// For at most `max` names.
    pub fn new(max: usize) -> Self {
        Self { max, known: RwLock::default() }
    }

    /// Whether `name` has a series of its own. Whoever is asked about first gets one.
    pub fn has(&self, name: &K) -> bool {
        let (is_known, is_full) = {
            let known = self.known.read();
            (known.contains(name), known.len() >= self.max)
        };
        if is_known || is_full {
            return is_known;
        }
        let mut known = self.known.write();
        known.contains(name) || known.len() < self.max && known.insert(name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_have_series_of_their_own() {
        let names = Names::new(2);
        for (name, has) in [("a", true), ("b", true), ("c", false), ("a", true), ("c", false)] {
            assert_eq!(names.has(&name), has, "{name}");
        }
    }
}
