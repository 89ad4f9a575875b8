//! DeleteRecords: each partition's owner moves its log start, the answers are joined.
//!
//! Asking twice is harmless: a log start only moves up, and an offset below it is answered with
//! where it is.

use metadata::settings::acl::AclOperation;
use protocol::ErrorCode;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};

use super::spread::{self, PerPartition};
use crate::authoriser::Resource;
use crate::context::Context;
use crate::grants::Grants;

/// Kafka's answer where there is no low watermark.
const NO_LOW_WATERMARK: i64 = -1;

/// Answers DeleteRecords.
pub(super) async fn handle(
    context: Context,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let deletion = Deletion { timeout_ms: request.timeout_ms };
    let topics = request.topics.into_iter().map(|topic| (topic.name, topic.partitions));
    let answers = spread::ask_owners(&context, &deletion, topics.collect()).await;
    let topics = answers.into_iter().map(|(name, partitions)| {
        DeleteRecordsTopicResult::default().with_name(name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

/// Records below an offset go.
struct Deletion {
    timeout_ms: i32,
}

impl PerPartition for Deletion {
    type Question = DeleteRecordsPartition;
    type Answer = DeleteRecordsPartitionResult;
    type Message = DeleteRecordsRequest;

    fn may_ask(&self, grants: &Grants, topic: &str) -> bool {
        grants.allows(AclOperation::Delete, Resource::topic(topic))
    }

    fn refuse(&self, _question: &DeleteRecordsPartition) -> Option<ErrorCode> {
        None
    }

    fn index(question: &DeleteRecordsPartition) -> i32 {
        question.partition_index
    }

    fn message(
        &self,
        topics: Vec<(TopicName, Vec<DeleteRecordsPartition>)>,
    ) -> DeleteRecordsRequest {
        let topics = topics.into_iter().map(|(name, partitions)| {
            DeleteRecordsTopic::default().with_name(name).with_partitions(partitions)
        });
        DeleteRecordsRequest::default()
            .with_timeout_ms(self.timeout_ms)
            .with_topics(topics.collect())
    }

    fn answers(
        answer: DeleteRecordsResponse,
    ) -> impl Iterator<Item = (TopicName, Vec<DeleteRecordsPartitionResult>)> {
        answer.topics.into_iter().map(|topic| (topic.name, topic.partitions))
    }

    fn answered_index(answer: &DeleteRecordsPartitionResult) -> i32 {
        answer.partition_index
    }

    fn error(answer: &DeleteRecordsPartitionResult) -> ErrorCode {
        ErrorCode::from_code(answer.error_code)
    }

    fn failure(index: i32, error: ErrorCode) -> DeleteRecordsPartitionResult {
        DeleteRecordsPartitionResult::default()
            .with_partition_index(index)
            .with_error_code(error.code())
            .with_low_watermark(NO_LOW_WATERMARK)
    }
}
