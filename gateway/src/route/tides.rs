//! What this gateway has learned about the offsets of partitions: the memory of [`super::tier`].

use std::collections::HashMap;

use parking_lot::RwLock;
use protocol::ids::PartitionId;

use super::tier::Tide;
use crate::limits::TIDES_MAX;

/// The last known [`Tide`] of each partition that was fetched here.
#[derive(Debug, Default)]
pub(crate) struct Tides {
    known: RwLock<HashMap<PartitionId, Tide>>,
}

impl Tides {
    pub(crate) fn of(&self, partition: PartitionId) -> Option<Tide> {
        self.known.read().get(&partition).copied()
    }

    /// Takes in what one answer said, under one lock.
    pub(crate) fn learn(&self, lessons: impl IntoIterator<Item = (PartitionId, Tide)>) {
        let mut lessons = lessons.into_iter().peekable();
        if lessons.peek().is_none() {
            return;
        }
        let mut known = self.known.write();
        for (partition, tide) in lessons {
            if known.len() >= TIDES_MAX && !known.contains_key(&partition) {
                // Only hints: one refused fetch each brings them back.
                known.clear();
            }
            known
                .entry(partition)
                .and_modify(|before| *before = before.updated_by(tide))
                .or_insert(tide);
        }
    }
}
