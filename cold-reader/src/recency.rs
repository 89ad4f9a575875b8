//! Keys in the order of their last use: who goes first when memory is short.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Keys, the one used longest ago first.
#[derive(Debug)]
pub(crate) struct Recency<K> {
    ticks: HashMap<K, u64>,
    order: BTreeMap<u64, K>,
    last: u64,
}

impl<K: Copy + Eq + Hash> Recency<K> {
    /// Adds a key, or moves it to the end.
    pub(crate) fn used(&mut self, key: K) {
        self.last += 1;
        if let Some(before) = self.ticks.insert(key, self.last) {
            self.order.remove(&before);
        }
        self.order.insert(self.last, key);
    }

    /// The key used longest ago.
    pub(crate) fn oldest(&self) -> Option<K> {
        self.oldest_first().next()
    }

    /// All keys.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = K> {
        self.order.values().copied()
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(tick) = self.ticks.remove(key) {
            self.order.remove(&tick);
        }
    }
}

impl<K> Default for Recency<K> {
    fn default() -> Self {
        Self { ticks: HashMap::new(), order: BTreeMap::new(), last: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::Recency;

    #[test]
    fn the_last_use_counts() {
        let mut recency = Recency::default();
        [1, 2, 3, 1].into_iter().for_each(|key| recency.used(key));
        for expected in [2, 3, 1] {
            assert_eq!(recency.oldest(), Some(expected));
            recency.remove(&expected);
        }
        assert_eq!(recency.oldest(), None);
    }
}
