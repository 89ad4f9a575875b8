//! What transaction coordinators and the owners of partitions say to each other (KIP-98, KIP-890).
//!
//! ```text
//! owner of a partition ── AddTxnPartitions ──► coordinator     before a transaction's first batch
//! coordinator ─────────── WriteTxnMarkers ───► owner           once its outcome is decided
//! ```
//!
//! The tenant travels in the hop header, as with every call.

use bytes::Bytes;
use protocol::ids::{PartitionId, TenantId};

use super::{partition, topic_bytes};

/// A coordinator ends transactions in the partitions of one node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteTxnMarkersRequest {
    /// The transactions, each with its partitions.
    #[prost(message, repeated, tag = "1")]
    pub markers: Vec<TxnMarker>,
}

/// How one transaction ended, and where that is to be written.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TxnMarker {
    /// Whose transaction.
    #[prost(int64, tag = "1")]
    pub producer_id: i64,
    /// The epoch of the marker: the transaction's own, or the next one where ending a transaction
    /// bumps the epoch (KIP-890).
    #[prost(int32, tag = "2")]
    pub producer_epoch: i32,
    /// Owners refuse a coordinator that was replaced (R40).
    #[prost(int32, tag = "3")]
    pub coordinator_epoch: i32,
    /// Commit, or abort.
    #[prost(bool, tag = "4")]
    pub commit: bool,
    /// Where.
    #[prost(message, repeated, tag = "5")]
    pub partitions: Vec<TxnPartition>,
    /// The version of transactions that this one was carried out with. From 2 on the marker's epoch
    /// is above that of the transaction, so that one which comes late cannot end the next (T8).
    #[prost(int32, tag = "6")]
    pub transaction_version: i32,
    /// The internal partition whose coordinator has decided: `coordinator_epoch` is its epoch.
    #[prost(int32, tag = "7")]
    pub coordinator: i32,
}

/// A partition of the header's tenant, or of the internal topic.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct TxnPartition {
    /// The topic id's 16 bytes; see [`TxnPartition::partition`].
    #[prost(bytes = "bytes", tag = "1")]
    pub topic: Bytes,
    /// The partition's index.
    #[prost(int32, tag = "2")]
    pub index: i32,
}

/// The outcome in each partition of each marker, in the order of the request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteTxnMarkersResponse {
    /// Kafka error codes; 0 if the marker is durable, written now or before.
    #[prost(int32, repeated, tag = "1")]
    pub error_codes: Vec<i32>,
}

/// The owner of partitions asks whether they are part of the producer's open transaction, or makes
/// them part of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AddTxnPartitionsRequest {
    /// The transactional id: its coordinator is asked.
    #[prost(string, tag = "1")]
    pub transactional_id: String,
    /// The id that the batch carries.
    #[prost(int64, tag = "2")]
    pub producer_id: i64,
    /// The epoch that the batch carries.
    #[prost(int32, tag = "3")]
    pub producer_epoch: i32,
    /// Only ask: the client adds partitions itself (Produce up to version 11).
    #[prost(bool, tag = "4")]
    pub verify_only: bool,
    /// The partitions that the batches are for.
    #[prost(message, repeated, tag = "5")]
    pub partitions: Vec<TxnPartition>,
}

/// The outcome of each partition of the request, in its order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AddTxnPartitionsResponse {
    /// Kafka error codes, as of AddPartitionsToTxn; 0 if batches may be appended.
    #[prost(int32, repeated, tag = "1")]
    pub error_codes: Vec<i32>,
}

// === impl TxnPartition ===

impl TxnPartition {
    /// The partition as it travels.
    pub fn new(partition: PartitionId) -> Self {
        Self { topic: topic_bytes(partition.topic), index: partition.index }
    }

    /// The partition, given whose it is. `None` if the topic field does not hold an id.
    pub fn partition(&self, tenant: TenantId) -> Option<PartitionId> {
        partition(tenant, &self.topic, self.index)
    }
}
