//! ListOffsets and OffsetForLeaderEpoch: each partition's owner is asked, the answers are joined.
//!
//! Both only read, but not from the view: what the ends of a log are, only its owner can say (R6).
//! Where a search by time leads below the hot floor, a cold reader looks (`times`).

mod times;

use metadata::settings::acl::AclOperation;
use protocol::ErrorCode;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use protocol::messages::{
    BrokerId, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, TopicName,
};

use super::spread::{self, PerPartition};
use crate::authoriser::Resource;
use crate::context::Context;
use crate::grants::Grants;

/// A client, not a replica, whatever it says it is (R58).
const CONSUMER: BrokerId = BrokerId(-1);

/// Special timestamps and the first version that knows each: latest, earliest, of the largest
/// timestamp, earliest local, latest tiered.
const SPECIAL_TIMESTAMPS: [(i64, i16); 5] = [(-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9)];

/// Answers ListOffsets.
pub(super) async fn list(context: Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let read = OffsetOfTime { version: context.version, isolation_level: request.isolation_level };
    let topics = request.topics.into_iter().map(|topic| (topic.name, topic.partitions));
    let mut answers = spread::ask_owners(&context, &read, topics.collect()).await;
    times::find(&context, request.isolation_level, &mut answers).await;
    let topics = answers.into_iter().map(|(name, partitions)| {
        ListOffsetsTopicResponse::default().with_name(name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Answers OffsetForLeaderEpoch.
pub(super) async fn epoch_ends(
    context: Context,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| (topic.topic, topic.partitions));
    let answers = spread::ask_owners(&context, &EndOfEpoch, topics.collect()).await;
    let topics = answers.into_iter().map(|(name, partitions)| {
        OffsetForLeaderTopicResult::default().with_topic(name).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// The offset of a timestamp.
struct OffsetOfTime {
    version: i16,
    isolation_level: i8,
}

/// The end of an epoch.
struct EndOfEpoch;

// === impl OffsetOfTime ===

impl PerPartition for OffsetOfTime {
    type Question = ListOffsetsPartition;
    type Answer = ListOffsetsPartitionResponse;
    type Message = ListOffsetsRequest;

    fn may_ask(&self, grants: &Grants, topic: &str) -> bool {
        grants.allows(AclOperation::Describe, Resource::topic(topic))
    }

    fn refuse(&self, question: &ListOffsetsPartition) -> Option<ErrorCode> {
        let time = question.timestamp;
        let known = SPECIAL_TIMESTAMPS
            .iter()
            .any(|(special, since)| *special == time && self.version >= *since);
        (time < 0 && !known).then_some(ErrorCode::UnsupportedVersion)
    }

    fn index(question: &ListOffsetsPartition) -> i32 {
        question.partition_index
    }

    fn leader_epoch(question: &mut ListOffsetsPartition) -> Option<&mut i32> {
        Some(&mut question.current_leader_epoch)
    }

    fn message(&self, topics: Vec<(TopicName, Vec<ListOffsetsPartition>)>) -> ListOffsetsRequest {
        let topics = topics.into_iter().map(|(name, mut partitions)| {
            // Tagged fields mean something behind the gateway: a client's go no further.
            partitions.iter_mut().for_each(|wanted| wanted.unknown_tagged_fields.clear());
            ListOffsetsTopic::default().with_name(name).with_partitions(partitions)
        });
        ListOffsetsRequest::default()
            .with_replica_id(CONSUMER)
            .with_isolation_level(self.isolation_level)
            .with_topics(topics.collect())
    }

    fn answers(
        answer: ListOffsetsResponse,
    ) -> impl Iterator<Item = (TopicName, Vec<ListOffsetsPartitionResponse>)> {
        answer.topics.into_iter().map(|topic| (topic.name, topic.partitions))
    }

    fn answered_index(answer: &ListOffsetsPartitionResponse) -> i32 {
        answer.partition_index
    }

    fn error(answer: &ListOffsetsPartitionResponse) -> ErrorCode {
        ErrorCode::from_code(answer.error_code)
    }

    fn failure(index: i32, error: ErrorCode) -> ListOffsetsPartitionResponse {
        ListOffsetsPartitionResponse::default()
            .with_partition_index(index)
            .with_error_code(error.code())
            .with_timestamp(-1)
            .with_offset(-1)
            .with_leader_epoch(-1)
    }
}

// === impl EndOfEpoch ===

impl PerPartition for EndOfEpoch {
    type Question = OffsetForLeaderPartition;
    type Answer = EpochEndOffset;
    type Message = OffsetForLeaderEpochRequest;

    /// The one before would tell where its own epoch ends, which has not ended. And a client compares
    /// the answer with where it is when it hears it: fetches under way, and epochs it learns of
    /// meanwhile, may have taken it beyond what it asked about, which it takes for a truncation. So
    /// there is no waiting either. A refusal costs nothing: clients ask again where they are then.
    const OF_THE_NEXT: bool = true;

    fn may_ask(&self, grants: &Grants, topic: &str) -> bool {
        // Followers asked first, consumers since KIP-320.
        grants.may(AclOperation::ClusterAction, Resource::CLUSTER)
            || grants.allows(AclOperation::Describe, Resource::topic(topic))
    }

    fn refuse(&self, _question: &OffsetForLeaderPartition) -> Option<ErrorCode> {
        None
    }

    fn index(question: &OffsetForLeaderPartition) -> i32 {
        question.partition
    }

    fn message(
        &self,
        topics: Vec<(TopicName, Vec<OffsetForLeaderPartition>)>,
    ) -> OffsetForLeaderEpochRequest {
        let topics = topics.into_iter().map(|(name, partitions)| {
            OffsetForLeaderTopic::default().with_topic(name).with_partitions(partitions)
        });
        OffsetForLeaderEpochRequest::default()
            .with_replica_id(CONSUMER)
            .with_topics(topics.collect())
    }

    fn answers(
        answer: OffsetForLeaderEpochResponse,
    ) -> impl Iterator<Item = (TopicName, Vec<EpochEndOffset>)> {
        answer.topics.into_iter().map(|topic| (topic.topic, topic.partitions))
    }

    fn answered_index(answer: &EpochEndOffset) -> i32 {
        answer.partition
    }

    fn error(answer: &EpochEndOffset) -> ErrorCode {
        ErrorCode::from_code(answer.error_code)
    }

    fn failure(index: i32, error: ErrorCode) -> EpochEndOffset {
        EpochEndOffset::default()
            .with_partition(index)
            .with_error_code(error.code())
            .with_leader_epoch(-1)
            .with_end_offset(-1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_are_refused_below_the_version_that_knows_them() {
        let refused = |timestamp, version| {
            let question = ListOffsetsPartition::default().with_timestamp(timestamp);
            OffsetOfTime { version, isolation_level: 0 }.refuse(&question)
        };
        assert_eq!(refused(-1, 1), None);
        assert_eq!(refused(0, 1), None);
        assert_eq!(refused(-3, 7), None);
        for (timestamp, version) in [(-3, 6), (-4, 7), (-5, 8), (-6, 10), (i64::MIN, 10)] {
            assert_eq!(refused(timestamp, version), Some(ErrorCode::UnsupportedVersion));
        }
    }
}
