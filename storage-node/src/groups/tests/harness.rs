//! A host with shards on logs in memory, and the requests of the tests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coordinator::{TopicShape, Topics};
use futures::future::BoxFuture;
use hop::{HopHeader, Request, Response};
use process::{Clock, Drain};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::{TenantId, TopicId, coordinator_index};
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest, OffsetFetchRequest,
    SyncGroupRequest,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::fake_neighbours::FakeNeighbours;
use super::memory_log::MemoryLog;
use crate::groups::{GroupsConfig, Neighbours, Shards, Shared};

pub(super) const TENANT: TenantId = TenantId::DEFAULT;

/// Names no topic, except one that is a bug in the host.
struct Names;

impl Topics for Names {
    fn name(&self, _tenant: TenantId, topic: TopicId) -> Option<StrBytes> {
        assert_ne!(topic, the_topic_that_panics(), "the test says so");
        None
    }

    fn find(&self, _tenant: TenantId, _name: &str) -> Option<TopicShape> {
        None
    }

    fn all(&self, _tenant: TenantId) -> Vec<(StrBytes, TopicShape)> {
        Vec::new()
    }

    fn revision(&self) -> u64 {
        0
    }
}

pub(super) fn internal_topic() -> TopicId {
    TopicId(Uuid::from_u128(999))
}

pub(super) fn the_topic_that_panics() -> TopicId {
    TopicId(Uuid::from_u128(666))
}

pub(super) struct Host {
    pub(super) shards: Shards,
    pub(super) neighbours: Arc<FakeNeighbours>,
    pub(super) clock: Clock,
    pub(super) drain: Drain,
}

impl Host {
    /// A host of a cluster with so many shards, none of them here.
    pub(super) fn of(count: i32) -> Self {
        Self::with(count, GroupsConfig::default())
    }

    pub(super) fn with(count: i32, config: GroupsConfig) -> Self {
        let config = GroupsConfig { initial_rebalance_delay: Duration::ZERO, ..config };
        let (clock, drain) = (Clock::manual(1_000_000), Drain::new());
        let neighbours = Arc::new(FakeNeighbours::default());
        let shards = Shards::new(Shared {
            count,
            topic: internal_topic(),
            config,
            clock: clock.clone(),
            topics: Arc::new(Names),
            neighbours: Arc::clone(&neighbours) as Arc<dyn Neighbours>,
            seed: 7,
            drain: drain.clone(),
        });
        Self { shards, neighbours, clock, drain }
    }

    /// One shard, loaded.
    pub(super) async fn on(log: &MemoryLog) -> Self {
        let host = Self::of(1);
        host.start(0, log).await;
        host
    }

    /// Starts a shard and waits until it has loaded.
    pub(super) async fn start(&self, index: i32, log: &MemoryLog) {
        self.shards.start(index, Arc::new(log.clone()));
        self.idle().await;
    }

    /// Lets the shards do what they can.
    pub(super) async fn idle(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Lets time pass as a process sees it that was not paused.
    pub(super) async fn pass(&self, duration: Duration) {
        let step = Duration::from_millis(100);
        for _ in 0..duration.as_millis() / step.as_millis() {
            self.clock.advance(step);
            tokio::time::sleep(step).await;
        }
    }

    pub(super) fn call(&self, request: impl Into<Call>) -> BoxFuture<'static, Response> {
        let header = HopHeader {
            client_id: "app".into(),
            client_host: "/10.0.0.1".into(),
            ..HopHeader::internal(TENANT, Duration::from_secs(30))
        };
        self.shards.call(&header, request.into().0)
    }

    pub(super) async fn commit(&self, group: &'static str, offset: i64) -> ErrorCode {
        commit_code(&self.call(commit(group, offset)).await)
    }

    pub(super) async fn committed(&self, group: &'static str) -> (ErrorCode, i64) {
        let response = self.call(fetch(&[group])).await;
        let groups = fetched(response);
        let partition = &groups[0].topics[0].partitions[0];
        (ErrorCode::from_code(partition.error_code), partition.committed_offset)
    }

    /// Joins a group that has no other member. Returns the member.
    pub(super) async fn join_alone(&self, group: &'static str) -> JoinGroupResponse {
        let given = joined(self.call(join(group, "")).await);
        assert_eq!(given.error_code, ErrorCode::MemberIdRequired.code());
        let joined = joined(self.call(join(group, &given.member_id)).await);
        assert_eq!(joined.error_code, 0);
        joined
    }

    pub(super) async fn heartbeat(
        &self,
        group: &'static str,
        member: &JoinGroupResponse,
    ) -> ErrorCode {
        match self.call(heartbeat(group, member)).await {
            Response::Heartbeat(response) => ErrorCode::from_code(response.error_code),
            other => panic!("not an answer to a heartbeat: {other:?}"),
        }
    }
}

/// A request body. Lets the tests pass messages as they are.
pub(super) struct Call(Request);

impl<M: hop::Call> From<M> for Call {
    fn from(message: M) -> Self {
        Self(message.into_request())
    }
}

/// True if the answer does not come, however long one waits.
pub(super) async fn is_waiting(answer: &mut BoxFuture<'static, Response>) -> bool {
    timeout(Duration::from_secs(60), answer).await.is_err()
}

/// A group that lives in this shard.
pub(super) fn group_in(shard: i32, count: i32) -> &'static str {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let lives_there = |name: &&str| coordinator_index(TENANT, name, count) == shard;
    NAMES.into_iter().find(lives_there).expect("one of the names hashes there")
}

fn topic_name() -> StrBytes {
    TopicId(Uuid::from_u128(1)).simple_text().into()
}

pub(super) fn commit(group: &'static str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name().into())
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(StrBytes::from(group).into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

pub(super) fn commit_code(response: &Response) -> ErrorCode {
    let Response::OffsetCommit(response) = response else { panic!("not a commit: {response:?}") };
    ErrorCode::from_code(response.topics[0].partitions[0].error_code)
}

pub(super) fn fetch(groups: &[&'static str]) -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name().into())
        .with_partition_indexes(vec![0]);
    let groups = groups.iter().map(|group| {
        OffsetFetchRequestGroup::default()
            .with_group_id(StrBytes::from(*group).into())
            .with_topics(Some(vec![topic.clone()]))
    });
    OffsetFetchRequest::default().with_groups(groups.collect())
}

pub(super) fn fetched(response: Response) -> Vec<OffsetFetchResponseGroup> {
    let Response::OffsetFetch(response) = response else { panic!("no offsets: {response:?}") };
    response.groups
}

pub(super) fn join(group: &'static str, member_id: &str) -> JoinGroupRequest {
    // A subscription to no topic.
    let metadata = Bytes::from_static(&[0; 6]);
    let protocol =
        JoinGroupRequestProtocol::default().with_name("range".into()).with_metadata(metadata);
    JoinGroupRequest::default()
        .with_group_id(StrBytes::from(group).into())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(StrBytes::from(member_id.to_owned()))
        .with_protocol_type("consumer".into())
        .with_protocols(vec![protocol])
}

pub(super) fn joined(response: Response) -> JoinGroupResponse {
    let Response::JoinGroup(response) = response else { panic!("not a join: {response:?}") };
    response
}

pub(super) fn sync(group: &'static str, member: &JoinGroupResponse) -> SyncGroupRequest {
    SyncGroupRequest::default()
        .with_group_id(StrBytes::from(group).into())
        .with_generation_id(member.generation_id)
        .with_member_id(member.member_id.clone())
}

pub(super) fn heartbeat(group: &'static str, member: &JoinGroupResponse) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(StrBytes::from(group).into())
        .with_generation_id(member.generation_id)
        .with_member_id(member.member_id.clone())
}
