//! The last offset of each key, in bounded memory.
//!
//! Keys are kept as hashes, as in Kafka's offset map: a key may be as large as a batch. Two keys with
//! one hash would be taken for one and the older lost, so the hash is one that nobody can find a
//! collision of: SHA-256, cut to 128 bits.

use std::collections::HashMap;

use aws_lc_rs::digest;

/// Stands for a key.
pub(crate) type KeyHash = [u8; 16];

/// A hash, an offset and the table's own byte.
const ENTRY_BYTES: usize = 16 + 8 + 1;

/// The hash of a key.
pub(crate) fn hash(key: &[u8]) -> KeyHash {
    let digest = digest::digest(&digest::SHA256, key);
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

/// Hashes with offsets, as many as were planned for.
#[derive(Debug)]
pub(crate) struct LatestOffsets {
    offsets: HashMap<KeyHash, i64>,
    max: usize,
}

impl LatestOffsets {
    /// Room for at most `max` keys, taken at once: a table that grows needs twice its size.
    pub(crate) fn new(max: usize) -> Self {
        Self { offsets: HashMap::with_capacity(max), max }
    }

    /// How many keys fit into this much memory. Tables have a power of two of places, and an eighth
    /// of them is left free.
    pub(crate) fn max_in(bytes: u64) -> usize {
        let places = usize::try_from(bytes).unwrap_or(usize::MAX) / ENTRY_BYTES;
        let places = if places == 0 { 0 } else { 1 << places.ilog2() };
        places / 8 * 7
    }

    /// Whether there is room for so many keys more.
    pub(crate) fn has_room_for(&self, more: usize) -> bool {
        self.offsets.len().saturating_add(more) <= self.max
    }

    /// A record of the key at this offset.
    pub(crate) fn put(&mut self, key: KeyHash, offset: i64) {
        let latest = self.offsets.entry(key).or_insert(offset);
        *latest = offset.max(*latest);
    }

    /// Whether there is a later record of the key.
    pub(crate) fn is_obsolete(&self, key: &KeyHash, offset: i64) -> bool {
        self.offsets.get(key).is_some_and(|latest| offset < *latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stays_within_its_memory() {
        let max = LatestOffsets::max_in(128 << 20);
        assert_eq!(max, 3_670_016);
        let latest = LatestOffsets::new(max);
        assert!(latest.offsets.capacity() * 8 / 7 * ENTRY_BYTES <= 128 << 20);
        assert!(latest.has_room_for(max) && !latest.has_room_for(max + 1));
        assert_eq!(LatestOffsets::max_in(0), 0);
    }

    #[test]
    fn only_the_last_offset_of_a_key_counts() {
        let mut latest = LatestOffsets::new(8);
        let (a, b) = (hash(b"a"), hash(b"b"));
        latest.put(a, 5);
        latest.put(a, 3);
        assert!(latest.is_obsolete(&a, 4) && !latest.is_obsolete(&a, 5));
        assert!(!latest.is_obsolete(&b, 0), "no later record is known");
    }
}
