//! What nodes tell control of their load, and what control tells itself of where partitions may be.

use bytes::Bytes;
use protocol::ids::{PartitionId, TenantId, TopicId};

/// Asks a node what it and its partitions do. Control asks every node once a second.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct DescribeLoadRequest {}

/// A node's load: rates per second, smoothed over some ten seconds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DescribeLoadResponse {
    /// The data log of the incarnation that answers.
    #[prost(string, tag = "1")]
    pub log_id: String,
    /// What all its partitions do.
    #[prost(message, optional, tag = "2")]
    pub traffic: Option<Traffic>,
    /// CPU time of the process, in thousandths of the machine's.
    #[prost(uint32, tag = "3")]
    pub cpu_permille: u32,
    /// Resident memory of the process.
    #[prost(uint64, tag = "4")]
    pub memory_bytes: u64,
    /// Partitions it serves.
    #[prost(uint32, tag = "5")]
    pub partitions: u32,
    /// Its busiest partitions, by topic. None that was opened a moment ago: nothing is known of it.
    #[prost(message, repeated, tag = "6")]
    pub topics: Vec<TopicLoad>,
    /// How many are known and not named.
    #[prost(uint32, tag = "7")]
    pub others: u32,
    /// What those do together.
    #[prost(message, optional, tag = "8")]
    pub others_traffic: Option<Traffic>,
}

/// Rates per second.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Traffic {
    /// Bytes produced.
    #[prost(uint64, tag = "1")]
    pub bytes_in: u64,
    /// Bytes fetched from memory.
    #[prost(uint64, tag = "2")]
    pub bytes_out: u64,
    /// Batches produced and fetches answered with records.
    #[prost(uint64, tag = "3")]
    pub requests: u64,
}

/// Some of a topic's partitions: index and rates are at the same place of each list.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TopicLoad {
    /// Whose topic.
    #[prost(uint32, tag = "1")]
    pub tenant: u32,
    /// The topic id's 16 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub topic: Bytes,
    /// The partitions' indexes.
    #[prost(int32, repeated, tag = "3")]
    pub indexes: Vec<i32>,
    /// [`Traffic::bytes_in`] of each.
    #[prost(uint64, repeated, tag = "4")]
    pub bytes_in: Vec<u64>,
    /// [`Traffic::bytes_out`] of each.
    #[prost(uint64, repeated, tag = "5")]
    pub bytes_out: Vec<u64>,
    /// [`Traffic::requests`] of each.
    #[prost(uint64, repeated, tag = "6")]
    pub requests: Vec<u64>,
}

/// Changes what operators have said about placement; control only. All changes or none.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ChangePlacementRequest {
    /// The changes, at most one of each entry.
    #[prost(message, repeated, tag = "1")]
    pub changes: Vec<PlacementChange>,
}

/// One entry's new value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PlacementChange {
    /// The entry's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value; none deletes it.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub value: Option<Bytes>,
}

/// Whether the change is committed.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct ChangePlacementResponse {
    /// Kafka error code; 0 if it is.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
}

// === impl TopicLoad ===

impl TopicLoad {
    /// Groups partitions by topic. Those of one topic must be neighbours.
    pub fn group(partitions: impl IntoIterator<Item = (PartitionId, Traffic)>) -> Vec<Self> {
        let mut topics: Vec<Self> = Vec::new();
        let mut last = None;
        for (id, traffic) in partitions {
            let key = (id.tenant, id.topic);
            if last.replace(key) != Some(key) {
                let topic = super::topic_bytes(id.topic);
                topics.push(Self { tenant: id.tenant.0, topic, ..Self::default() });
            }
            let topic = topics.last_mut().expect("pushed before its first partition");
            topic.indexes.push(id.index);
            topic.bytes_in.push(traffic.bytes_in);
            topic.bytes_out.push(traffic.bytes_out);
            topic.requests.push(traffic.requests);
        }
        topics
    }

    /// The partitions; nothing if the topic field does not hold an id.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionId, Traffic)> {
        let topic = TopicId::from_slice(&self.topic);
        let rates = self.bytes_in.iter().zip(&self.bytes_out).zip(&self.requests);
        topic.into_iter().flat_map(move |topic| {
            self.indexes.iter().zip(rates.clone()).map(move |(&index, rates)| {
                let ((&bytes_in, &bytes_out), &requests) = rates;
                let id = PartitionId::new(TenantId(self.tenant), topic, index);
                (id, Traffic { bytes_in, bytes_out, requests })
            })
        })
    }
}
