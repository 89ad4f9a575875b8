//! What a node says whose incarnation was ended elsewhere and that does not know it (R6): data that
//! it has, for that never changes, and nothing that a client would act upon for good.

use std::sync::Arc;
use std::time::Duration;

use hop::HopHeader;
use hop::internal::PlanRequest;
use protocol::ErrorCode;
use protocol::fetch::FetchPartition;
use protocol::messages::fetch_request::{FetchPartition as Wanted, FetchTopic};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::{
    FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName,
};

use crate::fetch::fetch;
use crate::fixture::{Fixture, batch};
use crate::list_offsets::{list_offsets, offset_for_leader_epoch};
use crate::partitions::Partitions;
use crate::plan::Planner;

/// A node with one partition that holds three records.
struct Node {
    fixture: Fixture,
    partitions: Arc<Partitions>,
    header: HopHeader,
}

impl Node {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let (appended, _acks) = fixture.append(&batch(3));
        assert!(appended.is_ok());
        fixture.front.commit();
        let partitions = Arc::new(Partitions::default());
        partitions.insert(Arc::clone(&fixture.partition));
        let tenant = fixture.partition.id().tenant;
        Self { fixture, partitions, header: HopHeader::internal(tenant, Duration::from_secs(5)) }
    }

    fn end_elsewhere(&self) {
        *self.fixture.front.ended_elsewhere.lock() = true;
    }

    fn name(&self) -> TopicName {
        TopicName(self.fixture.partition.id().topic.simple_text().into())
    }

    async fn fetch(&self, offset: i64, last_epoch: i32) -> FetchPartition {
        let wanted = Wanted::default()
            .with_fetch_offset(offset)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(last_epoch)
            .with_partition_max_bytes(i32::MAX);
        let topic = FetchTopic::default()
            .with_topic_id(self.fixture.partition.id().topic.0)
            .with_partitions(vec![wanted]);
        let request = FetchRequest::default().with_max_bytes(i32::MAX).with_topics(vec![topic]);
        let answer = fetch(Arc::clone(&self.partitions), self.header.clone(), request).await;
        answer.topics[0].partitions[0].clone()
    }

    async fn list(&self, timestamp: i64) -> (ErrorCode, i64) {
        let wanted =
            ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(timestamp);
        let topic =
            ListOffsetsTopic::default().with_name(self.name()).with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let partitions = Arc::clone(&self.partitions);
        let answer = list_offsets(partitions, self.header.clone(), request).await;
        let answer = &answer.topics[0].partitions[0];
        (ErrorCode::from_code(answer.error_code), answer.offset)
    }

    async fn end_of_epoch(&self, epoch: i32) -> (ErrorCode, i64) {
        let wanted = OffsetForLeaderPartition::default()
            .with_current_leader_epoch(-1)
            .with_leader_epoch(epoch);
        let topic =
            OffsetForLeaderTopic::default().with_topic(self.name()).with_partitions(vec![wanted]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let answer = offset_for_leader_epoch(&self.partitions, &self.header, request).await;
        let answer = &answer.topics[0].partitions[0];
        (ErrorCode::from_code(answer.error_code), answer.end_offset)
    }

    async fn plan(&self, offset: i64) -> ErrorCode {
        let planner = Planner { secret: [7; 32], bytes: 1 << 20, life: Duration::from_secs(60) };
        let request = PlanRequest::new(self.fixture.partition.id(), offset);
        let answer = planner.plan(&self.partitions, &self.header, &request, Duration::ZERO).await;
        ErrorCode::from_code(i16::try_from(answer.error_code).expect("a Kafka code"))
    }
}

#[tokio::test]
async fn an_owner_gives_final_answers() {
    let node = Node::new().await;
    assert_eq!(node.fetch(9, -1).await.error_code, ErrorCode::OffsetOutOfRange.code());
    assert_eq!(node.fetch(3, 1).await.diverging_epoch, Some((1, 0)));
    assert_eq!(node.list(-1).await, (ErrorCode::None, 3));
    assert_eq!(node.list(-2).await, (ErrorCode::None, 0));
    assert_eq!(node.end_of_epoch(3).await, (ErrorCode::None, 3));
    assert_eq!(node.plan(9).await, ErrorCode::OffsetOutOfRange);
}

#[tokio::test]
async fn a_zombie_gives_none_of_them() {
    let node = Node::new().await;
    node.end_elsewhere();
    let not_leader = ErrorCode::NotLeaderOrFollower;
    assert_eq!(node.fetch(9, -1).await.error_code, not_leader.code(), "C7");
    let parted = node.fetch(3, 1).await;
    assert_eq!((parted.error_code, parted.diverging_epoch), (not_leader.code(), None), "C8");
    assert_eq!(node.list(-1).await, (not_leader, -1), "C9");
    assert_eq!(node.list(-2).await, (not_leader, -1));
    assert_eq!(node.list(1_000).await, (not_leader, -1));
    assert_eq!(node.end_of_epoch(3).await, (not_leader, -1));
    assert_eq!(node.plan(9).await, not_leader);
}

#[tokio::test]
async fn a_zombie_may_serve_what_is_durable() {
    let node = Node::new().await;
    node.end_elsewhere();
    let read = node.fetch(0, -1).await;
    assert_eq!(read.error_code, ErrorCode::None.code());
    assert!(read.records_len() > 0);
}
