//! Index snapshot of an ended log: what each of its partitions has in it.
//!
//! In: the footers of a log's segments, or a node's memory at its end.
//! Out: per partition its offsets, extents and producers: what the next owner
//! needs before its first append (T1, R26).
//! Never: the truth. It is a cache over the footers, and is rebuilt from them
//! when it is missing or its checksum fails (RELIABILITY §4.5 step 4).

mod fold;
pub(crate) mod inspect;
mod load;
pub(crate) mod wire;

use std::collections::BTreeMap;

use protocol::ids::PartitionId;

use crate::extent::Extent;
use crate::log_id::LogId;
use crate::transactions::{AbortedTransaction, TransactionEnd};

pub(crate) use load::snapshot;
pub use load::{ClosedPart, IndexError, load, load_closed, rebuild, write};

/// Kafka keeps the last five batches of a producer: `max.in.flight` is at most five.
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// The index of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSnapshot {
    /// Which log.
    pub log: LogId,
    /// The partitions that have, or had, records in it.
    pub partitions: BTreeMap<PartitionId, PartitionIndex>,
}

/// One partition in one log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionIndex {
    /// Leader epoch of its last batch.
    pub leader_epoch: i32,
    /// Its first offset in this log.
    pub start_offset: i64,
    /// The offset after its last in this log: the next epoch starts there.
    pub end_offset: i64,
    /// Its blocks, in offset order.
    pub extents: Vec<Extent>,
    /// Its idempotent producers, by id.
    pub producers: Vec<ProducerState>,
    /// Transactions that were aborted by a marker in this log, by that marker's offset.
    pub aborted: Vec<AbortedTransaction>,
    /// True when the producers include those known from earlier logs: the node
    /// wrote this. False when it was rebuilt from this log's footers; then the
    /// producers of earlier links of the manifest's chain are merged below it
    /// ([`PartitionIndex::inherit_producers`], [`crate::transactions`]).
    pub producers_complete: bool,
}

/// What is known of one idempotent producer on one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its latest epoch.
    pub producer_epoch: i16,
    /// Its latest batches of that epoch, oldest first, at most [`PRODUCER_BATCHES_MAX`]. None if the
    /// epoch is that of a marker.
    pub batches: Vec<ProducerBatch>,
    /// Epoch of the coordinator that last ended a transaction of it; -1 if none did.
    pub coordinator_epoch: i32,
    /// Offset of the first record of its open transaction.
    pub txn_first_offset: Option<i64>,
    /// The first marker of it in this log since the partition last came to it, whenever the
    /// transaction began. Only where the footers of a log were folded.
    pub first_end: Option<TransactionEnd>,
}

/// One batch of an idempotent producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerBatch {
    /// Sequence of its first record.
    pub base_sequence: i32,
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its largest timestamp.
    pub timestamp: i64,
}

#[cfg(test)]
mod tests;
