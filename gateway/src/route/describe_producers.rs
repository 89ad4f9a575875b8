//! DescribeProducers: each partition's owner says what it knows of its producers (KIP-664).

use metadata::settings::acl::AclOperation;
use protocol::ErrorCode;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::describe_producers_response::{PartitionResponse, TopicResponse};
use protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, TopicName};

use super::spread::{self, PerPartition};
use crate::authoriser::Resource;
use crate::context::Context;
use crate::grants::Grants;

/// Answers DescribeProducers.
pub(super) async fn handle(
    context: Context,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| (topic.name, topic.partition_indexes));
    let answers = spread::ask_owners(&context, &Producers, topics.collect()).await;
    let topics = answers.into_iter().map(|(name, partitions)| {
        TopicResponse::default().with_name(name).with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

/// Who writes a partition.
struct Producers;

impl PerPartition for Producers {
    type Question = i32;
    type Answer = PartitionResponse;
    type Message = DescribeProducersRequest;

    fn may_ask(&self, grants: &Grants, topic: &str) -> bool {
        grants.allows(AclOperation::Read, Resource::topic(topic))
    }

    fn refuse(&self, _question: &i32) -> Option<ErrorCode> {
        None
    }

    fn index(question: &i32) -> i32 {
        *question
    }

    fn message(&self, topics: Vec<(TopicName, Vec<i32>)>) -> DescribeProducersRequest {
        let topics = topics.into_iter().map(|(name, indexes)| {
            TopicRequest::default().with_name(name).with_partition_indexes(indexes)
        });
        DescribeProducersRequest::default().with_topics(topics.collect())
    }

    fn answers(
        answer: DescribeProducersResponse,
    ) -> impl Iterator<Item = (TopicName, Vec<PartitionResponse>)> {
        answer.topics.into_iter().map(|topic| (topic.name, topic.partitions))
    }

    fn answered_index(answer: &PartitionResponse) -> i32 {
        answer.partition_index
    }

    fn error(answer: &PartitionResponse) -> ErrorCode {
        ErrorCode::from_code(answer.error_code)
    }

    fn failure(index: i32, error: ErrorCode) -> PartitionResponse {
        PartitionResponse::default().with_partition_index(index).with_error_code(error.code())
    }
}
