//! FetchResponse of our own: a partition's records are several slices that nobody joins.
//!
//! The generated message holds one `Bytes` per partition and copies it when encoding. A fetch from
//! the hot cache is a list of batches, each a slice of the block it was written in; they go from
//! there to the socket by reference. [`FetchResponse::encode`] yields the bytes that the generated
//! encoder would, which a property test checks for every version.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::ids::TopicId;
use crate::messages::TopicName;
pub use kafka_protocol::messages::fetch_response::NodeEndpoint;

mod decode;
mod encode;

#[cfg(test)]
mod tests;

/// Versions that can be encoded and decoded.
const VERSIONS: std::ops::RangeInclusive<i16> = 4..=18;
/// First version with compact lengths and tagged fields.
const FLEXIBLE_FROM: i16 = 12;
/// First version that names topics by id.
const TOPIC_ID_FROM: i16 = 13;
/// Kafka's tag of the diverging epoch in a partition (KIP-595).
const TAG_DIVERGING_EPOCH: u32 = 0;
/// Kafka's tag of the current leader in a partition, and of the endpoints in the response (KIP-951).
const TAG_CURRENT_LEADER: u32 = 1;
const TAG_NODE_ENDPOINTS: u32 = 0;
/// First version of both. The schema would allow leaders from 12 on; Kafka sends none before 16.
const LEADERS_FROM: i16 = 16;
/// Our tag of the hot floor in a partition; far above the tags that Kafka hands out.
const TAG_HOT_FLOOR: u32 = 10_000;

/// What a FetchResponse says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchResponse {
    /// How long the client should wait before its next request.
    pub throttle_time_ms: i32,
    /// An error of the request or its session.
    pub error_code: i16,
    /// The fetch session, 0 if there is none (KIP-227).
    pub session_id: i32,
    /// The topics that have something to say.
    pub topics: Vec<FetchTopic>,
    /// Where the leaders are that partitions name. Sent to clients only, from version 16 on.
    pub node_endpoints: Vec<NodeEndpoint>,
    /// Whether some of the records come from below the memory: such an answer may be written behind
    /// all others. Not sent.
    pub cold: bool,
}

/// A topic in a FetchResponse.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchTopic {
    /// Sent from version 13 on.
    pub id: TopicId,
    /// Sent up to version 12. Empty on the internal hop, which knows no names.
    pub name: TopicName,
    /// The partitions that have something to say.
    pub partitions: Vec<FetchPartition>,
}

/// A partition in a FetchResponse.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchPartition {
    /// Which partition.
    pub index: i32,
    /// What went wrong, if anything.
    pub error_code: i16,
    /// The end of what is durable.
    pub high_watermark: i64,
    /// The end of what is decided: where a read_committed fetch stops.
    pub last_stable_offset: i64,
    /// The first offset there is. Sent from version 5 on.
    pub log_start_offset: i64,
    /// Aborted transactions in the returned range; `None` unless read_committed.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// Where the client should rather fetch; -1 for here. Sent from version 11 on.
    pub preferred_read_replica: i32,
    /// Where the client's log and ours part: epoch and its end offset (KIP-595, from version 12).
    pub diverging_epoch: Option<(i32, i64)>,
    /// Who leads the partition now, and in which epoch, if the client believes otherwise. Sent to
    /// clients only, from version 16 on (KIP-951).
    pub current_leader: Option<(i32, i32)>,
    /// The record batches, in order. A slice may hold several batches, or part of one.
    pub records: Vec<Bytes>,
    /// From where on the owner serves fetches itself; -1 unless known. Never sent to clients.
    pub hot_floor: i64,
}

/// An aborted transaction in the returned range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: i64,
    /// Where it began.
    pub first_offset: i64,
}

impl FetchResponse {
    /// Bytes of records in the whole response.
    pub fn records_len(&self) -> usize {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(FetchPartition::records_len).sum()
    }
}

impl FetchPartition {
    /// A partition that has nothing to say yet.
    pub fn new(index: i32) -> Self {
        Self {
            index,
            error_code: ErrorCode::None.code(),
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted_transactions: None,
            preferred_read_replica: -1,
            diverging_epoch: None,
            current_leader: None,
            records: Vec::new(),
            hot_floor: -1,
        }
    }

    /// A partition that failed: no records, all offsets unknown.
    pub fn error(index: i32, code: ErrorCode) -> Self {
        Self { error_code: code.code(), ..Self::new(index) }
    }

    /// Bytes of records.
    pub fn records_len(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }
}
