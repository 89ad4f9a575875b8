//! What a partition knows of its producers, for whoever asks (DescribeProducers, KIP-664).

use protocol::ErrorCode;

use super::Partition;

/// One producer, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActiveProducer {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// Of its last batch; -1 if a marker came after it.
    pub(crate) last_sequence: i32,
    pub(crate) last_timestamp: i64,
    /// -1 if no coordinator has ended a transaction of it here.
    pub(crate) coordinator_epoch: i32,
    pub(crate) txn_first_offset: Option<i64>,
}

impl Partition {
    /// Every producer it remembers, by id.
    pub(crate) fn active_producers(&self) -> Result<Vec<ActiveProducer>, ErrorCode> {
        let state = self.state.lock();
        if let Some(code) = state.closed {
            return Err(code);
        }
        let producers = state.producers.iter().map(|(producer_id, entry)| ActiveProducer {
            producer_id,
            producer_epoch: entry.epoch,
            last_sequence: entry.last_sequence().unwrap_or(-1),
            last_timestamp: entry.batches.back().map_or(entry.touched_ms, |it| it.max_timestamp),
            coordinator_epoch: entry.coordinator_epoch,
            txn_first_offset: entry.txn_first_offset,
        });
        let mut producers: Vec<_> = producers.collect();
        drop(state);
        producers.sort_unstable_by_key(|producer| producer.producer_id);
        Ok(producers)
    }
}
