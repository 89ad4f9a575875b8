//! Producer snapshots: what idempotent producers last wrote, for partitions whose logs are compacted.
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

const FORMAT: Format = Format { magic: *b"TCLP", version: 1 };

/// The producers of some partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerSnapshot {
    /// By partition, in the order of producer ids.
    pub partitions: BTreeMap<PartitionId, Vec<ProducerState>>,
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
}

/// Stores a snapshot under a fresh name.
pub async fn write(store: &Store, snapshot: &ProducerSnapshot) -> Result<Key, StoreError> {
    let key = keys::producers(uuid::Uuid::new_v4());
    let partitions = snapshot.partitions.iter().map(|(id, producers)| PartitionMessage {
        tenant: id.tenant.0,
        topic: id.topic.as_bytes().to_vec(),
        index: id.index,
        producers: producers.iter().map(ProducerMessage::of).collect(),
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
        Some((id, producers.collect::<Option<_>>()?))
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
        let state =
            ProducerState { producer_id: 4_000, producer_epoch: 3, batches: vec![batch; 5] };
        let id = |index| PartitionId::new(TenantId::DEFAULT, TopicId::NIL, index);
        let partitions = [(id(0), vec![state.clone(), state]), (id(1), Vec::new())];
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
