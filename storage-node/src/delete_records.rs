//! DeleteRecords: the log start moves up, durably before anybody can see it (RELIABILITY §4.4).
//!
//! Nothing is deleted here: what lies below the log start is garbage from then on, and the
//! compactor's to collect.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TopicId};
use protocol::messages::delete_records_request::DeleteRecordsPartition;
use protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use segment::ManifestStore;

use crate::limits::MANIFEST_COMMITS_IN_FLIGHT;
use crate::node::Node;
use crate::partition::{LogStartError, Partition};

/// Kafka's "everything there is".
const UP_TO_HIGH_WATERMARK: i64 = -1;

/// Answers a DeleteRecords request on behalf of `header`'s tenant.
pub(crate) async fn delete_records(
    node: Arc<Node>,
    header: hop::HopHeader,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let asked = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let patience = asked.min(header.deadline);
    let manifests = ManifestStore::new(node.store().clone());
    let mut topics: Vec<DeleteRecordsTopicResult> = Vec::with_capacity(request.topics.len());
    let mut wanted = Vec::new();
    for (place, topic) in request.topics.into_iter().enumerate() {
        let id = topic.name.parse::<TopicId>().ok();
        topics.push(DeleteRecordsTopicResult::default().with_name(TopicName::clone(&topic.name)));
        wanted.extend(topic.partitions.into_iter().map(|partition| (place, id, partition)));
    }
    let results = futures::stream::iter(wanted).map(|(place, topic, wanted)| {
        let found = topic.and_then(|topic| {
            let id = PartitionId::new(header.tenant, topic, wanted.partition_index);
            node.partitions().find(id)
        });
        let manifests = &manifests;
        async move {
            let moved = async {
                let partition = found.ok_or(ErrorCode::NotLeaderOrFollower)?;
                delete_below(&partition, manifests, wanted.offset).await
            };
            // The commit may still happen: the client asks again, which is harmless.
            let moved = tokio::time::timeout(patience, moved).await;
            (place, answer(&wanted, moved.unwrap_or(Err(ErrorCode::RequestTimedOut))))
        }
    });
    let mut results = results.buffered(MANIFEST_COMMITS_IN_FLIGHT);
    while let Some((place, result)) = results.next().await {
        topics[place].partitions.push(result);
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

fn answer(
    wanted: &DeleteRecordsPartition,
    moved: Result<i64, ErrorCode>,
) -> DeleteRecordsPartitionResult {
    let (code, low_watermark) = match moved {
        Ok(log_start) => (ErrorCode::None, log_start),
        Err(code) => (code, -1),
    };
    DeleteRecordsPartitionResult::default()
        .with_partition_index(wanted.partition_index)
        .with_low_watermark(low_watermark)
        .with_error_code(code.code())
}

/// The log start afterwards. As in Kafka, an offset below it changes nothing and is no error.
async fn delete_below(
    partition: &Partition,
    manifests: &ManifestStore,
    offset: i64,
) -> Result<i64, ErrorCode> {
    if partition.is_internal() {
        return Err(ErrorCode::InvalidTopicException);
    }
    if !partition.settings().deletes_records {
        return Err(ErrorCode::PolicyViolation);
    }
    let high_watermark = partition.marks()?.high_watermark;
    let offset = if offset == UP_TO_HIGH_WATERMARK { high_watermark } else { offset };
    if offset < 0 {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let error = match partition.advance_log_start(manifests, offset).await {
        Ok(log_start) => return Ok(log_start),
        Err(error) => error,
    };
    tracing::debug!(partition = %partition.id(), %error, "log start did not move");
    match error {
        LogStartError::OutOfRange { .. } => {
            // The present owner may have more (R6).
            partition.prove().await?;
            Err(ErrorCode::OffsetOutOfRange)
        }
        LogStartError::Change(error) => Err(error.code()),
    }
}
