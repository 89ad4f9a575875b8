//! What an owner changes in its manifest besides claiming it: compaction and the log start.
//!
//! ```text
//!             log start        compacted upto
//!  offsets  ──────┼──────┬───────────┼───────────┬──────────▶
//!   object 0      │ object 1  object 2 │ chain[0]  │ chain[1]
//!   dropped       └── kept: not all below the log start
//! ```
//!
//! What a change drops is unlinked, not deleted: objects and slots stay readable for the grace
//! time of the garbage collector (R31), which goes by the manifest as it is stored (R32).

use std::ops::Range;

use super::{CompactedObject, Manifest, ProducersRef};
use crate::keys::Key;

/// What a compactor offers in place of a part of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compaction {
    /// The offsets that the new objects cover, all of them.
    pub offsets: Range<i64>,
    /// Compacted objects whose records are in the new ones.
    pub replaced: Vec<Key>,
    /// The new objects, in offset order.
    pub objects: Vec<CompactedObject>,
    /// Where compaction by key has been with them; 0 if it has not.
    pub cleaned_upto: i64,
}

/// A compaction does not fit the manifest: it was made for another version of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompactionError {
    /// The topic is gone.
    #[error("partition is deleted")]
    Deleted,
    /// The new objects do not hold the offsets they were made for.
    #[error("objects do not hold offsets {0:?} without a gap")]
    Gap(Range<i64>),
    /// Offsets between the compacted part and the new objects would be in no object.
    #[error("compaction from {start} leaves a gap behind offset {floor}")]
    Detached {
        /// Where the objects begin.
        start: i64,
        /// Where they had to.
        floor: i64,
    },
    /// Another compaction came first.
    #[error("object {0} was made by another compaction")]
    Overtaken(Key),
}

impl Manifest {
    /// Nobody reads lower offsets from a log: they are compacted, or gone. What a log holds below
    /// it may be collected once this is durable (R32).
    pub fn floor(&self) -> i64 {
        self.log_start_offset.max(self.compacted_upto)
    }

    /// This manifest with a part of the log in compacted objects, and the producers as `producers`
    /// knows them, which lets go of the logs that were the only ones to know (T1).
    pub fn compacted(
        &self,
        compaction: &Compaction,
        producers: ProducersRef,
    ) -> Result<Self, CompactionError> {
        let Range { start, end } = compaction.offsets.clone();
        if self.deleted {
            return Err(CompactionError::Deleted);
        }
        compaction.check_objects()?;
        if end > self.compacted_upto && start > self.floor() {
            return Err(CompactionError::Detached { start, floor: self.floor() });
        }
        let mut next = self.clone();
        let inside =
            |object: &CompactedObject| start <= object.last_offset && object.base_offset < end;
        for object in self.objects.iter().filter(|object| inside(object)) {
            let whole = start <= object.base_offset && object.last_offset < end;
            if !whole || !compaction.replaced.contains(&object.key) {
                return Err(CompactionError::Overtaken(object.key.clone()));
            }
        }
        next.objects.retain(|object| !inside(object));
        next.objects.extend(compaction.objects.iter().cloned());
        next.objects.sort_by_key(|object| object.base_offset);
        next.compacted_upto = next.compacted_upto.max(end);
        next.cleaned_upto = next.cleaned_upto.max(compaction.cleaned_upto.min(end));
        // A commit that took long may come behind one that let go of links by a newer snapshot.
        if self.producers.as_ref().is_none_or(|known| known.upto <= producers.upto) {
            next.producers = Some(producers);
        }
        next.drop_dead();
        Ok(next)
    }

    /// This manifest with its log start at `offset`, or where it was if that is higher (C10).
    pub fn with_log_start(&self, offset: i64) -> Self {
        let mut next = self.clone();
        next.log_start_offset = next.log_start_offset.max(offset);
        next.drop_dead();
        next
    }

    /// Drops objects that nobody may read and links that nobody needs.
    ///
    /// A link is more than its records: until a snapshot knows its producers, it is how the next
    /// owner learns of them (T1).
    pub fn drop_dead(&mut self) {
        let (log_start, floor) = (self.log_start_offset, self.floor());
        self.objects.retain(|object| object.last_offset >= log_start);
        let producers_upto = self.producers.as_ref().map_or(0, |producers| producers.upto);
        let head = self.chain.len().saturating_sub(1);
        let mut position = 0;
        self.chain.retain(|link| {
            position += 1;
            let dead = link
                .end_offset
                .is_some_and(|end| end == link.start_offset || end <= floor.min(producers_upto));
            position > head || !dead
        });
    }
}

impl Compaction {
    fn check_objects(&self) -> Result<(), CompactionError> {
        let mut next = self.offsets.start;
        for object in &self.objects {
            if object.base_offset != next || object.last_offset < object.base_offset {
                return Err(CompactionError::Gap(self.offsets.clone()));
            }
            next = object.last_offset + 1;
        }
        if next == self.offsets.end {
            Ok(())
        } else {
            Err(CompactionError::Gap(self.offsets.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
    use uuid::Uuid;

    use super::*;
    use crate::keys;
    use crate::log_id::LogId;

    fn log(incarnation: u64) -> LogId {
        LogId { node: NodeId(1), generation: 1, incarnation, nonce: incarnation }
    }

    fn partition() -> PartitionId {
        PartitionId::new(TenantId::DEFAULT, TopicId::NIL, 0)
    }

    /// Epoch 0 in log 1 up to offset 40, epoch 1 in log 2 from there.
    fn manifest() -> Manifest {
        Manifest::create(partition(), 0, log(1), 1).claimed(1, log(2), 1, 40).unwrap()
    }

    fn object(base_offset: i64, last_offset: i64) -> CompactedObject {
        let key = keys::compacted(&partition(), base_offset, Uuid::new_v4());
        CompactedObject { key, base_offset, last_offset, size: 100, max_timestamp: 0 }
    }

    fn compaction(objects: &[CompactedObject], replaced: &[CompactedObject]) -> Compaction {
        let start = objects.first().map_or(0, |object| object.base_offset);
        let end = objects.last().map_or(start, |object| object.last_offset + 1);
        Compaction {
            offsets: start..end,
            replaced: replaced.iter().map(|object| object.key.clone()).collect(),
            objects: objects.to_vec(),
            cleaned_upto: 0,
        }
    }

    fn upto(upto: i64) -> ProducersRef {
        ProducersRef { key: None, upto }
    }

    #[test]
    fn a_compacted_link_is_dropped_once_a_snapshot_knows_its_producers() {
        let offered = compaction(&[object(0, 44)], &[]);
        let unknown = manifest().compacted(&offered, upto(39)).unwrap();
        assert_eq!((unknown.compacted_upto, unknown.chain.len()), (45, 2));
        let known = manifest().compacted(&offered, upto(45)).unwrap();
        assert_eq!(known.chain.len(), 1, "the owner's own link stays");
        assert!(known.check().is_ok() && unknown.check().is_ok());
    }

    #[test]
    fn a_late_commit_does_not_forget_producers_that_only_a_newer_snapshot_knows() {
        let newer = manifest().compacted(&compaction(&[object(0, 44)], &[]), upto(45)).unwrap();
        assert_eq!(newer.chain.len(), 1);
        let nothing = compaction(&[], &[]);
        let nothing = Compaction { offsets: 45..45, ..nothing };
        let late = newer.compacted(&nothing, upto(39)).unwrap();
        assert_eq!(late.producers, Some(upto(45)));
    }

    #[test]
    fn small_objects_are_replaced_by_one() {
        let small = [object(0, 9), object(10, 19)];
        let first = manifest().compacted(&compaction(&small, &[]), upto(20)).unwrap();
        let merged = [object(0, 29)];
        let next = first.compacted(&compaction(&merged, &small), upto(30)).unwrap();
        assert_eq!(next.objects, merged);
        assert_eq!(next.compacted_upto, 30);
    }

    #[test]
    fn where_compaction_by_key_has_been_is_remembered_and_never_goes_back() {
        let dirty = [object(0, 9), object(10, 19)];
        let first = manifest().compacted(&compaction(&dirty, &[]), upto(20)).unwrap();
        assert_eq!(first.cleaned_upto, 0);
        let (clean, rest) = (object(0, 14), object(15, 19));
        let cleaned = compaction(&[clean.clone(), rest.clone()], &dirty);
        let cleaned = Compaction { cleaned_upto: 15, ..cleaned };
        let next = first.compacted(&cleaned, upto(20)).unwrap();
        assert_eq!((next.cleaned_upto, next.compacted_upto), (15, 20));
        assert_eq!(next.objects, [clean, rest.clone()]);
        let merged = compaction(&[object(15, 29)], &[rest]);
        let merged = next.compacted(&merged, upto(30)).unwrap();
        assert_eq!((merged.cleaned_upto, merged.compacted_upto), (15, 30));
    }

    #[test]
    fn what_another_compaction_made_is_not_lost() {
        let first = [object(0, 9), object(10, 19)];
        let current = manifest().compacted(&compaction(&first, &[]), upto(20)).unwrap();
        for late in [object(0, 19), object(5, 24)] {
            let refused = current.compacted(&compaction(&[late], &first[..1]), upto(20));
            assert!(matches!(refused, Err(CompactionError::Overtaken(_))), "{refused:?}");
        }
        let same = compaction(&[object(0, 9)], &first[..1]);
        assert!(current.compacted(&same, upto(20)).is_ok(), "only its own part is replaced");
    }

    #[test]
    fn no_offset_is_left_in_between() {
        let detached = manifest().compacted(&compaction(&[object(5, 9)], &[]), upto(9));
        assert_eq!(detached, Err(CompactionError::Detached { start: 5, floor: 0 }));
        let gap = compaction(&[object(0, 3), object(5, 9)], &[]);
        assert!(matches!(manifest().compacted(&gap, upto(9)), Err(CompactionError::Gap(_))));
        let mut short = compaction(&[object(0, 9)], &[]);
        short.offsets.end = 12;
        assert!(matches!(manifest().compacted(&short, upto(9)), Err(CompactionError::Gap(_))));
        // Behind a log start nothing is missing.
        let trimmed = manifest().with_log_start(5);
        assert!(trimmed.compacted(&compaction(&[object(5, 9)], &[]), upto(9)).is_ok());
    }

    #[test]
    fn a_log_start_drops_the_objects_below_it_and_never_goes_back() {
        let objects = [object(0, 9), object(10, 19)];
        let full = manifest().compacted(&compaction(&objects, &[]), upto(20)).unwrap();
        let trimmed = full.with_log_start(10);
        assert_eq!(trimmed.objects, objects[1..]);
        assert_eq!(trimmed.with_log_start(3).log_start_offset, 10);
        assert!(trimmed.check().is_ok());
    }
}
