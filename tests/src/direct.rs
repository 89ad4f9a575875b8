//! Asks nodes over the hop, as a gateway does whose map is old: whoever is asked has to know whether
//! it may answer.
//!
//! In: an address and a question. Out: the node's word on one partition or group, code and number.
//! A question is on its way when the call returns, also to a node that reads it only later.

use std::time::Duration;

use anyhow::Result;
use hop::{Call, ClusterSecret, HopError, HopHeader, Peers, Role};
use process::Drain;
use protocol::batch::BatchBuilder;
use protocol::ids::{TenantId, TopicId};
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{
    FetchRequest, ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest,
    OffsetForLeaderEpochRequest, ProduceRequest,
};
use protocol::{ErrorCode, StrBytes};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::registry::Registry;

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(8);
const LATEST: i64 = -1;

/// One who knows the cluster's secret.
pub struct Direct {
    runtime: Runtime,
    peers: Peers,
}

/// A partition, as the hop names it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The topic.
    pub topic: TopicId,
    /// Which of its partitions.
    pub index: i32,
}

/// What a node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// With or without an error.
    pub code: ErrorCode,
    /// An offset, or a number of bytes, as the question has it.
    pub number: i64,
}

/// `Err` when there is none: the connection broke, or time ran out.
pub type Answer = Result<Told, HopError>;

/// A question that is on its way.
#[derive(Debug)]
pub struct Asked(JoinHandle<Answer>);

impl Direct {
    /// One with the secret that the registry knows.
    pub fn new(registry: &Registry) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let secret = ClusterSecret::new(&registry.cluster()?.secret);
        Ok(Self { runtime, peers: Peers::new(Role::Gateway, secret, Drain::new()) })
    }

    /// Waits for the answer.
    pub fn answer(&self, asked: Asked) -> Answer {
        self.runtime.block_on(asked.0).expect("a question does not panic")
    }

    /// Appends one record, for a client that was told this epoch; the number is its offset.
    pub fn produce(&self, node: &str, at: Place, epoch: i32, value: &str) -> Asked {
        let mut batch = BatchBuilder::new();
        batch.push(process::Clock::system().now_ms(), None, Some(value.as_bytes()));
        let mut data = PartitionProduceData::default().with_index(at.index);
        data.records = Some(batch.build());
        hop::expected_epoch::set(&mut data, epoch);
        let topic =
            TopicProduceData::default().with_topic_id(at.topic.0).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(i32::try_from(PATIENCE.as_millis()).expect("seconds"))
            .with_topic_data(vec![topic]);
        self.ask(node, request, |answer| {
            let partition = &answer.responses[0].partition_responses[0];
            told(partition.error_code, partition.base_offset)
        })
    }

    /// Reads at an offset without waiting; the number is that of bytes.
    pub fn fetch(&self, node: &str, at: Place, offset: i64) -> Asked {
        let wanted = FetchPartition::default()
            .with_partition(at.index)
            .with_fetch_offset(offset)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(-1)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic_id(at.topic.0).with_partitions(vec![wanted]);
        let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic]);
        self.ask(node, request, |answer| {
            let partition = &answer.topics[0].partitions[0];
            let bytes: usize = partition.records.iter().map(bytes::Bytes::len).sum();
            told(partition.error_code, i64::try_from(bytes).expect("a MiB"))
        })
    }

    /// Where the log ends.
    pub fn end_offset(&self, node: &str, at: Place) -> Asked {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(at.index)
            .with_current_leader_epoch(-1)
            .with_timestamp(LATEST);
        let topic = ListOffsetsTopic::default().with_name(name(at)).with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        self.ask(node, request, |answer| {
            let partition = &answer.topics[0].partitions[0];
            told(partition.error_code, partition.offset)
        })
    }

    /// Where an epoch ends.
    pub fn end_of_epoch(&self, node: &str, at: Place, epoch: i32) -> Asked {
        let wanted = OffsetForLeaderPartition::default()
            .with_partition(at.index)
            .with_current_leader_epoch(-1)
            .with_leader_epoch(epoch);
        let topic =
            OffsetForLeaderTopic::default().with_topic(name(at)).with_partitions(vec![wanted]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        self.ask(node, request, |answer| {
            let partition = &answer.topics[0].partitions[0];
            told(partition.error_code, partition.end_offset)
        })
    }

    /// Commits an offset of a group without members.
    pub fn commit(&self, node: &str, group: &str, at: Place, offset: i64) -> Asked {
        let wanted = OffsetCommitRequestPartition::default()
            .with_partition_index(at.index)
            .with_committed_offset(offset);
        let topic =
            OffsetCommitRequestTopic::default().with_name(name(at)).with_partitions(vec![wanted]);
        let request = OffsetCommitRequest::default()
            .with_group_id(StrBytes::from(group.to_owned()).into())
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        self.ask(node, request, move |answer| {
            told(answer.topics[0].partitions[0].error_code, offset)
        })
    }

    /// A group's offset.
    pub fn committed(&self, node: &str, group: &str, at: Place) -> Asked {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(name(at))
            .with_partition_indexes(vec![at.index]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(StrBytes::from(group.to_owned()).into())
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        self.ask(node, request, |answer| {
            let partition = &answer.groups[0].topics[0].partitions[0];
            told(partition.error_code, partition.committed_offset)
        })
    }

    /// Asks anybody anything on behalf of a tenant, and waits for the answer.
    pub fn call<M: Call>(
        &self,
        address: &str,
        tenant: TenantId,
        message: M,
    ) -> Result<M::Answer, HopError> {
        let header = HopHeader::internal(tenant, PATIENCE);
        self.runtime.block_on(async { self.peers.peer(address).ask(header, message).await })
    }

    fn ask<M: Call + 'static>(
        &self,
        node: &str,
        message: M,
        read: impl FnOnce(M::Answer) -> Told + Send + 'static,
    ) -> Asked
    where
        M::Answer: Send,
    {
        // A lane connects in the runtime that it is called in.
        let _inside = self.runtime.enter();
        let header = HopHeader::internal(TenantId::DEFAULT, PATIENCE);
        let answer = self.peers.peer(node).ask(header, message);
        Asked(self.runtime.spawn(async move { answer.await.map(read) }))
    }
}

fn told(code: i16, number: i64) -> Told {
    Told { code: ErrorCode::from_code(code), number }
}

fn name(at: Place) -> protocol::messages::TopicName {
    StrBytes::from_string(at.topic.simple_text()).into()
}
