//! OffsetCommit, TxnOffsetCommit, OffsetFetch, OffsetDelete: the offsets that groups keep.
//!
//! Coordinators know topics by id, clients by name; the translation is here. A topic that does not
//! exist is an error to commit to, and simply has no offsets to fetch.

mod codes;
mod fetch;
mod transactional;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hop::client_version;
use protocol::ErrorCode;
use protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
};

use self::codes::Codes;
pub(in crate::route) use self::fetch::fetch;
pub(in crate::route) use self::transactional::commit as txn_commit;
use super::{is_refusal, repeat};
use crate::context::Context;

/// A commit that finds its group on the way to another node is repeated, for librdkafka hands that
/// error to the application; but not behind the connection's next one, which it would undo.
pub(in crate::route) fn commit(
    context: &Context,
    mut request: OffsetCommitRequest,
) -> impl Future<Output = OffsetCommitResponse> + Send + use<> {
    // How long offsets are kept is the cluster's decision since Kafka 2.1.
    request.retention_time_ms = -1;
    // The client's own tags end here: the hop's mean something else.
    request.unknown_tagged_fields.clear();
    client_version::set(&mut request.unknown_tagged_fields, context.version);
    let mut codes = Codes::default();
    request.topics.retain_mut(|topic| {
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        let Some(known) = codes.add(context, &topic.name, indexes) else { return false };
        topic.partitions.retain(|partition| known.has(partition.partition_index));
        topic.name = known.name;
        !topic.partitions.is_empty()
    });
    let group = request.group_id.clone();
    let sends = !request.topics.is_empty();
    let client = Arc::clone(&context.client);
    let number = client.commits.fetch_add(1, Ordering::Relaxed) + 1;
    let again = move |answer: &Result<OffsetCommitResponse, ErrorCode>| {
        is_refusal(error_of(answer)) && client.commits.load(Ordering::Relaxed) == number
    };
    let answer = sends.then(|| repeat(context, &group, request, again));
    async move {
        match future_of(answer).await {
            None => {}
            Some(Err(error)) => codes.fail(error),
            Some(Ok(answer)) => codes.set(answer.topics.iter().flat_map(|topic| {
                let partitions = topic.partitions.iter();
                partitions.map(|p| (&topic.name, p.partition_index, p.error_code))
            })),
        }
        let topics = codes.into_topics().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(|(index, code)| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(code)
            });
            OffsetCommitResponseTopic::default()
                .with_name(name)
                .with_partitions(partitions.collect())
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }
}

pub(in crate::route) fn delete(
    context: &Context,
    mut request: OffsetDeleteRequest,
) -> impl Future<Output = OffsetDeleteResponse> + Send + use<> {
    let mut codes = Codes::default();
    request.topics.retain_mut(|topic| {
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        let Some(known) = codes.add(context, &topic.name, indexes) else { return false };
        topic.partitions.retain(|partition| known.has(partition.partition_index));
        topic.name = known.name;
        !topic.partitions.is_empty()
    });
    // Asked even for no topic: whether the group exists is part of the answer.
    let group = request.group_id.clone();
    let again = |answer: &Result<OffsetDeleteResponse, ErrorCode>| {
        is_refusal(answer.as_ref().map_or_else(|e| *e, |a| ErrorCode::from_code(a.error_code)))
    };
    let answer = repeat(context, &group, request, again);
    async move {
        let answer = match answer.await {
            Ok(answer) if answer.error_code == 0 => answer,
            Ok(answer) => {
                return OffsetDeleteResponse::default().with_error_code(answer.error_code);
            }
            Err(error) => return OffsetDeleteResponse::default().with_error_code(error.code()),
        };
        codes.set(answer.topics.iter().flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|p| (&topic.name, p.partition_index, p.error_code))
        }));
        let topics = codes.into_topics().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(|(index, code)| {
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(code)
            });
            OffsetDeleteResponseTopic::default()
                .with_name(name)
                .with_partitions(partitions.collect())
        });
        OffsetDeleteResponse::default().with_topics(topics.collect())
    }
}

/// The first error in an answer: those of a coordinator are the same for all partitions.
fn error_of(answer: &Result<OffsetCommitResponse, ErrorCode>) -> ErrorCode {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return *error,
    };
    let codes = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|p| p.error_code);
    codes.map(ErrorCode::from_code).find(|code| *code != ErrorCode::None).unwrap_or(ErrorCode::None)
}

/// Waits for an answer, if one was asked for.
async fn future_of<T>(answer: Option<impl Future<Output = T>>) -> Option<T> {
    match answer {
        Some(answer) => Some(answer.await),
        None => None,
    }
}
