//! Producer snapshots: what idempotent producers last wrote, and which transactions are open or
//! were aborted, for partitions whose logs are compacted.
//!
//! In: the producer tables of a node, taken when everything in them was durable.
//! Out: what the next owner begins with, below what the remaining logs tell it (T1).
//! Never: a table per object. One snapshot serves all partitions of one commit, so that ten
//! thousand small partitions do not become ten thousand small objects.
//!
//! The object is an [`crate::envelope`] around protobuf. Field numbers are persisted: keep them
//! stable, never reuse one.

use std::collections::BTreeMap;

use prost::Message;
use protocol::ids::{PartitionId, TenantId, TopicId};

use crate::envelope::{self, Format};
use crate::index::ProducerState;
use crate::index::wire::ProducerMessage;
use crate::keys::{self, Key};
use crate::store::{Op, Store, StoreError};
use crate::token::WriterToken;
use crate::transactions::{AbortedMessage, AbortedTransaction};

const FORMAT: Format = Format { magic: *b"TCLP", version: 1 };

/// The producers of some partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerSnapshot {
    /// By partition.
    pub partitions: BTreeMap<PartitionId, PartitionProducers>,
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionProducers {
    /// In the order of their ids.
    pub producers: Vec<ProducerState>,
    /// The transactions whose aborted records are still there, by where they ended.
    pub aborted: Vec<AbortedTransaction>,
}

#[derive(Clone, PartialEq, Message)]
struct SnapshotMessage {
    #[prost(message, repeated, tag = "1")]
    partitions: Vec<PartitionMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct PartitionMessage {
    #[prost(uint32, tag = "1")]
    tenant: u32,
    #[prost(bytes = "vec", tag = "2")]
    topic: Vec<u8>,
    #[prost(int32, tag = "3")]
    index: i32,
    #[prost(message, repeated, tag = "4")]
    producers: Vec<ProducerMessage>,
    #[prost(message, repeated, tag = "5")]
    aborted: Vec<AbortedMessage>,
}

impl PartitionProducers {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty() && self.aborted.is_empty()
    }
}

/// Stores a snapshot under a fresh name.
pub async fn write(store: &Store, snapshot: &ProducerSnapshot) -> Result<Key, StoreError> {
    let key = keys::producers(uuid::Uuid::new_v4());
    let partitions = snapshot.partitions.iter().map(|(id, known)| PartitionMessage {
        tenant: id.tenant.0,
        topic: id.topic.as_bytes().to_vec(),
        index: id.index,
        producers: known.producers.iter().map(ProducerMessage::of).collect(),
        aborted: known.aborted.iter().map(AbortedMessage::of).collect(),
    });
    let message = SnapshotMessage { partitions: partitions.collect() };
    let object = envelope::seal(FORMAT, WriterToken::random(), &message);
    store.put_unconditional(&key, vec![object]).await?;
    Ok(key)
}

/// Reads a snapshot. One that is missing or damaged is an error: without it a retry could be
/// appended twice.
pub async fn load(store: &Store, key: &Key) -> Result<ProducerSnapshot, StoreError> {
    let object = store.get(key).await?;
    decode(&object).map_err(|what| StoreError::damaged(Op::Get, key, what))
}

pub(crate) fn decode(object: &[u8]) -> Result<ProducerSnapshot, String> {
    let message: SnapshotMessage =
        envelope::open(FORMAT, object).map_err(|error| error.to_string())?;
    let partitions = message.partitions.iter().map(|partition| {
        let topic = TopicId::from_slice(&partition.topic)?;
        let id = PartitionId::new(TenantId(partition.tenant), topic, partition.index);
        let producers = partition.producers.iter().map(ProducerMessage::state);
        let aborted = partition.aborted.iter().map(AbortedMessage::aborted).collect();
        Some((id, PartitionProducers { producers: producers.collect::<Option<_>>()?, aborted }))
    });
    let partitions = partitions.collect::<Option<_>>().ok_or("names no partition or producer")?;
    Ok(ProducerSnapshot { partitions })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::ProducerBatch;

    fn snapshot() -> ProducerSnapshot {
        let batch = ProducerBatch {
            base_sequence: 7,
            last_sequence: 9,
            base_offset: 40,
            last_offset: 42,
            timestamp: -1,
        };
        let state = ProducerState {
            batches: vec![batch; 5],
            coordinator_epoch: 2,
            txn_first_offset: Some(40),
            ..ProducerState::new(4_000, 3)
        };
        let id = |index| PartitionId::new(TenantId::DEFAULT, TopicId::NIL, index);
        let aborted =
            vec![AbortedTransaction { producer_id: 4_000, first_offset: 30, last_offset: 39 }];
        let known = PartitionProducers { producers: vec![state.clone(), state], aborted };
        let partitions = [(id(0), known), (id(1), PartitionProducers::default())];
        ProducerSnapshot { partitions: partitions.into() }
    }

    #[tokio::test]
    async fn a_snapshot_reads_as_it_was_written() {
        let store = Store::memory("test");
        let key = write(&store, &snapshot()).await.unwrap();
        assert_eq!(load(&store, &key).await.unwrap(), snapshot());
    }

    #[tokio::test]
    async fn a_damaged_snapshot_is_an_error() {
        let store = Store::memory("test");
        let key = write(&store, &snapshot()).await.unwrap();
        let mut damaged = store.get(&key).await.unwrap().to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        store.put_unconditional(&key, vec![damaged.into()]).await.unwrap();
        assert!(load(&store, &key).await.is_err());
    }
}
