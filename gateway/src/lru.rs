//! A map that knows which entry was used longest ago. It drops nothing by itself: what may go, and
//! when, is its owner's rule.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Entries in the order of their last use.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// By the tick of the last use.
    order: BTreeMap<u64, K>,
    tick: u64,
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// The entry, which counts as used now.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        let (tick, value) = self.entries.get_mut(key)?;
        let key = self.order.remove(tick).expect("every entry has its place in the order");
        self.tick += 1;
        *tick = self.tick;
        self.order.insert(self.tick, key);
        Some(value)
    }

    /// The entry, without using it.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Adds or replaces an entry, which counts as used now.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        self.tick += 1;
        self.order.insert(self.tick, key.clone());
        self.entries.insert(key, (self.tick, value));
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (tick, value) = self.entries.remove(key)?;
        self.order.remove(&tick);
        Some(value)
    }

    /// All entries, the one used longest ago first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = (&K, &V)> {
        self.order.values().map(|key| (key, &self.entries[key].1))
    }
}

impl<K, V> Default for Lru<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), tick: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(lru: &Lru<&'static str, i32>) -> Vec<&'static str> {
        lru.oldest_first().map(|(key, _)| *key).collect()
    }

    #[test]
    fn use_decides_the_order_not_creation() {
        let mut lru = Lru::default();
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            lru.insert(key, value);
        }
        assert_eq!(lru.get(&"a"), Some(&mut 1));
        assert_eq!(lru.peek(&"b"), Some(&2), "looking is not using");
        assert_eq!(order(&lru), ["b", "c", "a"]);
        lru.insert("b", 4);
        assert_eq!(order(&lru), ["c", "a", "b"]);
        assert_eq!(lru.remove(&"a"), Some(1));
        assert_eq!(lru.get(&"a"), None);
        assert_eq!((order(&lru), lru.len()), (vec!["c", "b"], 2));
    }
}
