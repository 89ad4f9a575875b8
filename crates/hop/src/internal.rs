//! The messages that Kafka does not have: plans for cold reads, and what control and the
//! nodes say to each other. Protobuf, so that a later release can add fields.

mod load;
mod quotas;
mod releases;
mod tenants;
mod transactions;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId, TopicId};

pub use self::load::{
    ChangePlacementRequest, ChangePlacementResponse, DescribeLoadRequest, DescribeLoadResponse,
    PlacementChange, TopicLoad, Traffic,
};
pub use self::quotas::{QuotaWant, ShareQuotasRequest, ShareQuotasResponse};
pub use self::releases::{FinishReleaseRequest, FinishReleaseResponse};
pub use self::tenants::{ChangeTenantRequest, ChangeTenantResponse, TenantChange};
pub use self::transactions::{
    AddTxnPartitionsRequest, AddTxnPartitionsResponse, TxnMarker, TxnPartition,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

/// Asks a partition's owner how to read from `fetch_offset` without it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PlanRequest {
    /// The topic id's 16 bytes; see [`PlanRequest::partition`].
    #[prost(bytes = "bytes", tag = "1")]
    pub topic: Bytes,
    /// The partition's index.
    #[prost(int32, tag = "2")]
    pub index: i32,
    /// The first offset wanted.
    #[prost(int64, tag = "3")]
    pub fetch_offset: i64,
    /// Whether aborted transactions must be listed and open ones held back.
    #[prost(bool, tag = "4")]
    pub read_committed: bool,
    /// About how many bytes the plan should cover.
    #[prost(int32, tag = "5")]
    pub max_bytes: i32,
}

/// A plan, or why there is none.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PlanResponse {
    /// Kafka error code; 0 if there is a plan.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// The sealed plan, for a cold reader only (R36).
    #[prost(bytes = "bytes", tag = "2")]
    pub plan: Bytes,
    /// The first offset the plan covers.
    #[prost(int64, tag = "3")]
    pub start_offset: i64,
    /// The first offset the plan no longer covers.
    #[prost(int64, tag = "4")]
    pub end_offset: i64,
    // 5 was the wall-clock time of its end.
    /// How long readers accept it, from when it was asked for.
    #[prost(uint64, tag = "10")]
    pub life_ms: u64,
    /// The lowest offset the owner serves itself.
    #[prost(int64, tag = "6")]
    pub hot_floor: i64,
    /// The partition's high watermark when the plan was made.
    #[prost(int64, tag = "7")]
    pub high_watermark: i64,
    /// The partition's last stable offset when the plan was made.
    #[prost(int64, tag = "8")]
    pub last_stable_offset: i64,
    /// The partition's first offset.
    #[prost(int64, tag = "9")]
    pub log_start_offset: i64,
}

/// Asks a cold reader for the bytes of a plan.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ColdFetchRequest {
    /// The sealed plan, as the owner gave it.
    #[prost(bytes = "bytes", tag = "1")]
    pub plan: Bytes,
    /// The first offset wanted; within the plan.
    #[prost(int64, tag = "2")]
    pub fetch_offset: i64,
    /// At most about this many bytes, but always one whole batch.
    #[prost(int32, tag = "3")]
    pub max_bytes: i32,
    /// How long ago the asker asked for the plan, on its own clock (R71).
    #[prost(uint64, tag = "4")]
    pub plan_age_ms: u64,
}

/// What a cold reader read. On the wire the records follow the protobuf part as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColdFetchResponse {
    /// Kafka error code; 0 if the records are to be used.
    pub error_code: i16,
    /// As in the plan.
    pub high_watermark: i64,
    /// As in the plan.
    pub last_stable_offset: i64,
    /// As in the plan.
    pub log_start_offset: i64,
    /// The offset after the last record.
    pub next_offset: i64,
    /// Aborted transactions that touch the records.
    pub aborted: Vec<Aborted>,
    /// Whole record batches in offset order, in as many pieces as they came in.
    pub records: Vec<Bytes>,
}

/// Asks a cold reader for the first record of a plan that is not earlier than a time.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ColdSearchRequest {
    /// The sealed plan, as the owner gave it.
    #[prost(bytes = "bytes", tag = "1")]
    pub plan: Bytes,
    /// Where to begin; within the plan.
    #[prost(int64, tag = "2")]
    pub from_offset: i64,
    /// The time, in milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
    /// How long ago the asker asked for the plan, on its own clock (R71).
    #[prost(uint64, tag = "4")]
    pub plan_age_ms: u64,
}

/// What a cold reader found, or how far it has looked.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct ColdSearchResponse {
    /// Kafka error code; 0 if the rest means something.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// The record, if it is before `next_offset`.
    #[prost(message, optional, tag = "2")]
    pub found: Option<FoundRecord>,
    /// Nothing before this offset is it, but what was found.
    #[prost(int64, tag = "3")]
    pub next_offset: i64,
}

/// A record that a search by time found.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FoundRecord {
    /// Its offset.
    #[prost(int64, tag = "1")]
    pub offset: i64,
    /// Its timestamp.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
    /// The leader epoch of its batch.
    #[prost(int32, tag = "3")]
    pub leader_epoch: i32,
}

/// An aborted transaction, as a consumer with `read_committed` needs to know it.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Aborted {
    /// Whose transaction.
    #[prost(int64, tag = "1")]
    pub producer_id: i64,
    /// Where it began in this partition.
    #[prost(int64, tag = "2")]
    pub first_offset: i64,
}

/// Control tells a node which partitions it owns now, so that they serve before a client asks.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpenPartitionsRequest {
    /// The partitions, of any tenants.
    #[prost(message, repeated, tag = "1")]
    pub partitions: Vec<OpenPartition>,
}

/// One partition to open.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpenPartition {
    /// Whose topic.
    #[prost(uint32, tag = "1")]
    pub tenant: u32,
    /// The topic id's 16 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub topic: Bytes,
    /// The partition's index.
    #[prost(int32, tag = "3")]
    pub index: i32,
}

/// The outcome of each partition of the request, in its order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpenPartitionsResponse {
    /// Kafka error codes; 0 if the partition serves.
    #[prost(int32, repeated, tag = "1")]
    pub error_codes: Vec<i32>,
}

/// Asks control for a block of producer ids that nobody else will ever get.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct AllocateProducerIdsRequest {}

/// A block of producer ids, or why there is none.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct AllocateProducerIdsResponse {
    /// Kafka error code; 0 if there is a block.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// The first id of the block.
    #[prost(int64, tag = "2")]
    pub first: i64,
    /// How many ids it has.
    #[prost(int32, tag = "3")]
    pub count: i32,
}

/// Asks a node whether it is there and well. Cheap: control asks several times a second (R12).
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct PingRequest {}

/// A node's word about itself.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PingResponse {
    /// The node.
    #[prost(int32, tag = "1")]
    pub node: i32,
    /// The data log of the incarnation that answers.
    #[prost(string, tag = "2")]
    pub log_id: String,
    /// Whether its append loop and its tasks make progress (R7).
    #[prost(bool, tag = "3")]
    pub healthy: bool,
}

/// Asks a node whether it can reach another: the second witness of an eviction (R12).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProbeRequest {
    /// Where the suspect answers, `host:port`.
    #[prost(string, tag = "1")]
    pub address: String,
    /// The data log of the incarnation that is suspected.
    #[prost(string, tag = "2")]
    pub log_id: String,
}

/// What the witness saw.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct ProbeResponse {
    /// That incarnation answered, and called itself healthy.
    #[prost(bool, tag = "1")]
    pub well: bool,
}

/// Asks a node to end another node's incarnation: to upload what its front holds and to place
/// END. Anyone may ask anyone, any number of times.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EndIncarnationRequest {
    /// The data log to end.
    #[prost(string, tag = "1")]
    pub log_id: String,
    /// Where its front is: the descriptor of the node's record.
    #[prost(string, tag = "2")]
    pub front: String,
}

/// Whether the incarnation is over.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct EndIncarnationResponse {
    /// Kafka error code; 0 if the log carries END.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
}

/// The next owner asks the present one to let go of a partition that is assigned away from it
/// (RELIABILITY §4.6).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReleasePartitionRequest {
    /// The partition.
    #[prost(message, optional, tag = "1")]
    pub partition: Option<OpenPartition>,
    /// The data log that the manifest names as the owner's.
    #[prost(string, tag = "2")]
    pub log_id: String,
    /// The epoch under which that log owns it.
    #[prost(int32, tag = "3")]
    pub epoch: i32,
    /// The node that is to have it.
    #[prost(int32, tag = "4")]
    pub node: i32,
}

/// Where the CLOSE is, or why there is none.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct ReleasePartitionResponse {
    /// Kafka error code; 0 if the partition is closed.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// The slot of the data log that holds the CLOSE: where to look, no proof.
    #[prost(uint64, tag = "2")]
    pub slot: u64,
}

/// A compactor asks a node what of its partitions is to be rewritten.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct CompactionWorkRequest {
    /// Partitions of which the logs hold at least this many bytes.
    #[prost(uint64, tag = "1")]
    pub min_bytes: u64,
    /// At most this much of one partition.
    #[prost(uint64, tag = "2")]
    pub max_bytes: u64,
    /// Or of which the logs hold something for at least this long.
    #[prost(uint64, tag = "3")]
    pub max_age_ms: u64,
    /// Or at least this many blocks.
    #[prost(uint32, tag = "4")]
    pub max_extents: u32,
    /// From this many adjacent small objects on they are joined.
    #[prost(uint32, tag = "5")]
    pub merge_objects: u32,
    /// At most this much in all.
    #[prost(uint64, tag = "6")]
    pub budget_bytes: u64,
    /// For how long nobody else shall be offered the same; the node has an upper bound.
    #[prost(uint64, tag = "7")]
    pub lease_ms: u64,
}

/// Units of work, each a sealed plan. Nobody else is offered them while the plan lives.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CompactionWorkResponse {
    /// Sealed plans of different partitions.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub plans: Vec<Bytes>,
}

/// A compactor asks a node which partition is to be compacted by key.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct CleaningWorkRequest {
    /// No partition with more than this.
    #[prost(uint64, tag = "1")]
    pub max_bytes: u64,
    /// For how long nobody else shall be offered the same; the node has an upper bound.
    #[prost(uint64, tag = "2")]
    pub lease_ms: u64,
}

/// The partition that needs it most.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CleaningWorkResponse {
    /// A sealed plan of all its compacted objects up to the last that may be looked at; empty if no
    /// partition needs it.
    #[prost(bytes = "bytes", tag = "1")]
    pub plan: Bytes,
    /// Below this offset no key has an older value than its last.
    #[prost(int64, tag = "2")]
    pub cleaned_upto: i64,
    /// `delete.retention.ms` of the topic.
    #[prost(int64, tag = "3")]
    pub delete_retention_ms: i64,
}

/// A compactor asks the owner to commit what it made of the work (R33).
#[derive(Clone, PartialEq, prost::Message)]
pub struct CommitCompactionRequest {
    /// One for each plan that was carried out.
    #[prost(message, repeated, tag = "1")]
    pub offers: Vec<CompactionOffer>,
    /// Plans that nobody works on any more: they may be offered again before their leases end.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub given_back: Vec<Bytes>,
}

/// What became of one unit of work.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CompactionOffer {
    /// The plan, as the owner gave it.
    #[prost(bytes = "bytes", tag = "1")]
    pub plan: Bytes,
    /// What holds its offsets now, in offset order.
    #[prost(message, repeated, tag = "2")]
    pub objects: Vec<CompactedRun>,
    /// Of a compaction by key: up to which offset it was one. The objects may end before the plan
    /// does. 0 for any other compaction.
    #[prost(int64, tag = "3")]
    pub cleaned_upto: i64,
}

/// A partition's part of a compacted object.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CompactedRun {
    /// The object's key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The first offset it covers.
    #[prost(int64, tag = "2")]
    pub base_offset: i64,
    /// The last offset it covers.
    #[prost(int64, tag = "3")]
    pub last_offset: i64,
    /// Length of the partition's blocks in it.
    #[prost(uint64, tag = "4")]
    pub size: u64,
    /// Largest timestamp of any record.
    #[prost(sint64, tag = "5")]
    pub max_timestamp: i64,
}

/// The outcome of each offer, in their order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CommitCompactionResponse {
    /// Kafka error codes; 0 if the manifest lists the objects.
    #[prost(int32, repeated, tag = "1")]
    pub error_codes: Vec<i32>,
}

// === impl PlanRequest ===

impl PlanRequest {
    /// A request for `partition`; its tenant travels in the hop header.
    pub fn new(partition: PartitionId, fetch_offset: i64) -> Self {
        Self {
            topic: topic_bytes(partition.topic),
            index: partition.index,
            fetch_offset,
            read_committed: false,
            max_bytes: 0,
        }
    }

    /// The partition asked about, given the tenant of the hop header. `None` if the topic
    /// field does not hold an id.
    pub fn partition(&self, tenant: TenantId) -> Option<PartitionId> {
        partition(tenant, &self.topic, self.index)
    }
}

// === impl PlanResponse ===

impl PlanResponse {
    /// No plan, and why.
    pub fn refused(code: ErrorCode) -> Self {
        Self {
            error_code: i32::from(code.code()),
            start_offset: -1,
            end_offset: -1,
            hot_floor: -1,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            ..Self::default()
        }
    }
}

// === impl OpenPartition ===

impl OpenPartition {
    /// The partition as it travels.
    pub fn new(partition: PartitionId) -> Self {
        Self {
            tenant: partition.tenant.0,
            topic: topic_bytes(partition.topic),
            index: partition.index,
        }
    }

    /// The partition; `None` if the topic field does not hold an id.
    pub fn partition(&self) -> Option<PartitionId> {
        partition(TenantId(self.tenant), &self.topic, self.index)
    }
}

fn topic_bytes(topic: TopicId) -> Bytes {
    Bytes::copy_from_slice(topic.as_bytes())
}

fn partition(tenant: TenantId, topic: &[u8], index: i32) -> Option<PartitionId> {
    Some(PartitionId::new(tenant, TopicId::from_slice(topic)?, index))
}
