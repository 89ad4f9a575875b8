//! TxnOffsetCommit: to the group's coordinator, who asks the transaction's.

use hop::transaction_version;
use protocol::ErrorCode;
use protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::codes::Codes;
use super::future_of;
use crate::context::Context;
use crate::limits::CALL_TIMEOUT;
use crate::route::groups::ask;

/// First version that makes the group part of the transaction by itself (KIP-890).
const ADDS_GROUP_FROM: i16 = 5;
/// First version whose clients survive COORDINATOR_LOAD_IN_PROGRESS.
const KNOWS_LOADING_FROM: i16 = 2;

pub(in crate::route) fn commit(
    context: &Context,
    mut request: TxnOffsetCommitRequest,
) -> impl Future<Output = TxnOffsetCommitResponse> + Send + use<> {
    let version = context.version;
    let speaks = if version >= ADDS_GROUP_FROM { 2 } else { 1 };
    transaction_version::set(&mut request.unknown_tagged_fields, speaks);
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
    let answer = sends.then(|| ask(context, &group, CALL_TIMEOUT, request));
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
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(known(code, version))
            });
            TxnOffsetCommitResponseTopic::default()
                .with_name(name)
                .with_partitions(partitions.collect())
        });
        TxnOffsetCommitResponse::default().with_topics(topics.collect())
    }
}

fn known(code: i16, version: i16) -> i16 {
    if version < KNOWS_LOADING_FROM && code == ErrorCode::CoordinatorLoadInProgress.code() {
        ErrorCode::CoordinatorNotAvailable.code()
    } else {
        code
    }
}
