//! The stored form of an index snapshot: an [`crate::envelope`] around protobuf.
//!
//! Field numbers are persisted: keep them stable, never reuse one. All extents
//! of a snapshot lie in its own log, so they name only their slot.

use bytes::Bytes;
use prost::Message;
use protocol::ids::{PartitionId, TenantId, TopicId};

use super::{IndexSnapshot, PartitionIndex, ProducerBatch, ProducerState};
use crate::envelope::{self, Format};
use crate::extent::{Extent, Location};
use crate::log_id::LogId;
use crate::token::WriterToken;
use crate::transactions::{AbortedMessage, TransactionEnd};

const FORMAT: Format = Format { magic: *b"TCLX", version: 1 };

#[derive(Clone, PartialEq, Message)]
struct IndexMessage {
    #[prost(string, tag = "1")]
    log: String,
    #[prost(message, repeated, tag = "2")]
    partitions: Vec<PartitionMessage>,
    /// Of all partitions, as snapshots had it before there were transactions. Read, never written.
    #[prost(bool, tag = "3")]
    producers_complete: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PartitionMessage {
    #[prost(uint32, tag = "1")]
    tenant: u32,
    #[prost(bytes = "vec", tag = "2")]
    topic: Vec<u8>,
    #[prost(int32, tag = "3")]
    index: i32,
    #[prost(int32, tag = "4")]
    leader_epoch: i32,
    #[prost(int64, tag = "5")]
    start_offset: i64,
    #[prost(int64, tag = "6")]
    end_offset: i64,
    #[prost(message, repeated, tag = "7")]
    extents: Vec<ExtentMessage>,
    #[prost(message, repeated, tag = "8")]
    producers: Vec<ProducerMessage>,
    #[prost(message, repeated, tag = "9")]
    aborted: Vec<AbortedMessage>,
    #[prost(bool, tag = "10")]
    producers_complete: bool,
}

#[derive(Clone, PartialEq, Message)]
struct ExtentMessage {
    #[prost(uint64, tag = "1")]
    slot: u64,
    #[prost(uint64, tag = "2")]
    byte_offset: u64,
    #[prost(uint32, tag = "3")]
    byte_len: u32,
    #[prost(int64, tag = "4")]
    base_offset: i64,
    #[prost(int64, tag = "5")]
    last_offset: i64,
    #[prost(int32, tag = "6")]
    leader_epoch: i32,
    #[prost(sint64, tag = "7")]
    max_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProducerMessage {
    #[prost(int64, tag = "1")]
    producer_id: i64,
    #[prost(int32, tag = "2")]
    producer_epoch: i32,
    #[prost(message, repeated, tag = "3")]
    batches: Vec<BatchMessage>,
    #[prost(int32, optional, tag = "4")]
    coordinator_epoch: Option<i32>,
    #[prost(int64, optional, tag = "5")]
    txn_first_offset: Option<i64>,
    #[prost(message, optional, tag = "6")]
    first_end: Option<EndMessage>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct EndMessage {
    #[prost(int64, tag = "1")]
    offset: i64,
    #[prost(bool, tag = "2")]
    commit: bool,
}

#[derive(Clone, PartialEq, Message)]
struct BatchMessage {
    #[prost(int32, tag = "1")]
    base_sequence: i32,
    #[prost(int32, tag = "2")]
    last_sequence: i32,
    #[prost(int64, tag = "3")]
    base_offset: i64,
    #[prost(int64, tag = "4")]
    last_offset: i64,
    #[prost(sint64, tag = "5")]
    timestamp: i64,
}

pub(super) fn encode(index: &IndexSnapshot, token: WriterToken) -> Bytes {
    let partitions = index.partitions.iter().map(|(id, partition)| to_message(id, partition));
    let message = IndexMessage {
        log: index.log.to_string(),
        partitions: partitions.collect(),
        producers_complete: false,
    };
    envelope::seal(FORMAT, token, &message)
}

pub(super) fn decode(object: &[u8]) -> Result<IndexSnapshot, String> {
    let message: IndexMessage =
        envelope::open(FORMAT, object).map_err(|error| error.to_string())?;
    let log: LogId = message.log.parse().map_err(|_| "names no log".to_owned())?;
    let all_complete = message.producers_complete;
    let partitions = message.partitions.into_iter().map(|mut partition| {
        partition.producers_complete |= all_complete;
        from_message(log, partition)
    });
    Ok(IndexSnapshot {
        log,
        partitions: partitions.collect::<Option<_>>().ok_or("names no partition")?,
    })
}

fn to_message(id: &PartitionId, partition: &PartitionIndex) -> PartitionMessage {
    PartitionMessage {
        tenant: id.tenant.0,
        topic: id.topic.as_bytes().to_vec(),
        index: id.index,
        leader_epoch: partition.leader_epoch,
        start_offset: partition.start_offset,
        end_offset: partition.end_offset,
        extents: partition.extents.iter().map(ExtentMessage::of).collect(),
        producers: partition.producers.iter().map(ProducerMessage::of).collect(),
        aborted: partition.aborted.iter().map(AbortedMessage::of).collect(),
        producers_complete: partition.producers_complete,
    }
}

fn from_message(log: LogId, message: PartitionMessage) -> Option<(PartitionId, PartitionIndex)> {
    let topic = TopicId::from_slice(&message.topic)?;
    let id = PartitionId::new(TenantId(message.tenant), topic, message.index);
    let producers = message.producers.iter().map(ProducerMessage::state);
    let index = PartitionIndex {
        leader_epoch: message.leader_epoch,
        start_offset: message.start_offset,
        end_offset: message.end_offset,
        extents: message.extents.iter().map(|extent| extent.in_log(log)).collect(),
        producers: producers.collect::<Option<_>>()?,
        aborted: message.aborted.iter().map(AbortedMessage::aborted).collect(),
        producers_complete: message.producers_complete,
    };
    Some((id, index))
}

impl ExtentMessage {
    fn of(extent: &Extent) -> Self {
        let Location::Slot { slot, .. } = extent.location else {
            unreachable!("a log's index lists only its own slots");
        };
        Self {
            slot,
            byte_offset: extent.byte_offset,
            byte_len: extent.byte_len,
            base_offset: extent.base_offset,
            last_offset: extent.last_offset,
            leader_epoch: extent.leader_epoch,
            max_timestamp: extent.max_timestamp,
        }
    }

    fn in_log(&self, log: LogId) -> Extent {
        Extent {
            location: Location::Slot { log, slot: self.slot },
            byte_offset: self.byte_offset,
            byte_len: self.byte_len,
            base_offset: self.base_offset,
            last_offset: self.last_offset,
            leader_epoch: self.leader_epoch,
            max_timestamp: self.max_timestamp,
        }
    }
}

impl ProducerMessage {
    pub(crate) fn of(state: &ProducerState) -> Self {
        Self {
            producer_id: state.producer_id,
            producer_epoch: i32::from(state.producer_epoch),
            batches: state.batches.iter().map(BatchMessage::of).collect(),
            coordinator_epoch: (state.coordinator_epoch >= 0).then_some(state.coordinator_epoch),
            txn_first_offset: state.txn_first_offset,
            first_end: state.first_end.map(|end| EndMessage::of(&end)),
        }
    }

    pub(crate) fn state(&self) -> Option<ProducerState> {
        Some(ProducerState {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch.try_into().ok()?,
            batches: self.batches.iter().map(BatchMessage::batch).collect(),
            coordinator_epoch: self.coordinator_epoch.unwrap_or(-1),
            txn_first_offset: self.txn_first_offset,
            first_end: self.first_end.map(|end| end.end()),
        })
    }
}

impl EndMessage {
    fn of(end: &TransactionEnd) -> Self {
        Self { offset: end.offset, commit: end.commit }
    }

    fn end(&self) -> TransactionEnd {
        TransactionEnd { offset: self.offset, commit: self.commit }
    }
}

impl BatchMessage {
    fn of(batch: &ProducerBatch) -> Self {
        let ProducerBatch { base_sequence, last_sequence, base_offset, last_offset, timestamp } =
            *batch;
        Self { base_sequence, last_sequence, base_offset, last_offset, timestamp }
    }

    fn batch(&self) -> ProducerBatch {
        let Self { base_sequence, last_sequence, base_offset, last_offset, timestamp } = *self;
        ProducerBatch { base_sequence, last_sequence, base_offset, last_offset, timestamp }
    }
}
