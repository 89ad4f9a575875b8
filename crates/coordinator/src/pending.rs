//! Offsets that wait for the end of a transaction.

use std::collections::BTreeMap;

use crate::record::{CommittedOffset, TopicPartition};
use crate::transactions::Producer;

/// The pending offsets of one group. Those of a partition stand in the order they came in: what is
/// committed later than it came must not go behind what came after it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct PendingOffsets(BTreeMap<TopicPartition, Vec<(Producer, CommittedOffset)>>);

impl PendingOffsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the producer has left something in transactions up to its epoch.
    pub(crate) fn has(&self, producer: Producer) -> bool {
        self.0.values().flatten().any(|(of, _)| is_ended(*of, producer))
    }

    /// Nobody can say yet what the partition's offset is.
    pub(crate) fn is_unstable(&self, at: &TopicPartition) -> bool {
        self.0.contains_key(at)
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.0.keys()
    }

    /// Adds what a producer wants to commit, in place of what it wanted before. Repeating it
    /// changes nothing, so that a record may be replayed on top of its own effect.
    pub(crate) fn add(&mut self, producer: Producer, at: TopicPartition, offset: CommittedOffset) {
        let waiting = self.0.entry(at).or_default();
        let mut own = waiting.iter().filter(|(of, _)| of.id == producer.id);
        if own.next().is_some_and(|own| *own == (producer, offset.clone())) {
            return;
        }
        waiting.retain(|(of, _)| of.id != producer.id);
        waiting.push((producer, offset));
    }

    /// Forgets what waits for a partition: its offset was set by other means, or deleted.
    pub(crate) fn forget(&mut self, at: &TopicPartition) {
        self.0.remove(at);
    }

    /// Ends the transactions of a producer up to this epoch. Returns the offsets they leave, if
    /// they are committed; what others wanted before them is overtaken then.
    pub(crate) fn end(
        &mut self,
        producer: Producer,
        commit: bool,
    ) -> Vec<(TopicPartition, CommittedOffset)> {
        let mut committed = Vec::new();
        self.0.retain(|at, waiting| {
            let ended = waiting.iter().position(|(of, _)| is_ended(*of, producer));
            let Some(position) = ended else { return true };
            let (_, offset) = waiting.remove(position);
            if commit {
                waiting.drain(..position);
                committed.push((*at, offset));
            }
            !waiting.is_empty()
        });
        committed
    }

    /// Everything that waits, such that adding it in this order gives the same again.
    pub(crate) fn in_order(
        &self,
    ) -> impl Iterator<Item = (Producer, TopicPartition, CommittedOffset)> {
        let deepest = self.0.values().map(Vec::len).max().unwrap_or(0);
        (0..deepest).flat_map(move |rank| {
            self.0.iter().filter_map(move |(at, waiting)| {
                let (producer, offset) = waiting.get(rank)?;
                Some((*producer, *at, offset.clone()))
            })
        })
    }
}

/// Whether `producer` ends the transaction in which `of` wrote.
fn is_ended(of: Producer, producer: Producer) -> bool {
    of.id == producer.id && of.epoch <= producer.epoch
}

#[cfg(test)]
mod tests {
    use protocol::ids::TopicId;
    use uuid::Uuid;

    use super::*;

    fn at(index: i32) -> TopicPartition {
        TopicPartition { topic: TopicId(Uuid::from_u128(1)), index }
    }

    fn offset(offset: i64) -> CommittedOffset {
        CommittedOffset { offset, leader_epoch: -1, metadata: "".into(), committed_at_ms: 0 }
    }

    fn producer(id: i64, epoch: i16) -> Producer {
        Producer { id, epoch }
    }

    #[test]
    fn an_end_takes_only_what_its_producer_left_up_to_its_epoch() {
        let mut pending = PendingOffsets::default();
        pending.add(producer(1, 5), at(0), offset(10));
        pending.add(producer(2, 5), at(1), offset(20));
        assert!(pending.end(producer(1, 4), true).is_empty(), "its transaction is a later one");
        assert_eq!(pending.end(producer(1, 5), true), [(at(0), offset(10))]);
        assert!(pending.is_unstable(&at(1)) && !pending.is_unstable(&at(0)));
        assert!(pending.end(producer(2, 6), false).is_empty());
        assert!(pending.is_empty());
    }

    #[test]
    fn what_is_committed_late_does_not_go_behind_what_came_after_it() {
        let mut pending = PendingOffsets::default();
        pending.add(producer(1, 0), at(0), offset(100));
        pending.add(producer(2, 0), at(0), offset(200));
        assert_eq!(pending.end(producer(2, 0), true), [(at(0), offset(200))]);
        assert!(pending.end(producer(1, 0), true).is_empty());
    }

    #[test]
    fn an_abort_leaves_what_others_wait_for() {
        let mut pending = PendingOffsets::default();
        pending.add(producer(1, 0), at(0), offset(100));
        pending.add(producer(2, 0), at(0), offset(200));
        assert!(pending.end(producer(2, 0), false).is_empty());
        assert_eq!(pending.end(producer(1, 0), true), [(at(0), offset(100))]);
    }
}
