//! AddPartitionsToTxn: all of a transaction's partitions, or none if there is one that we do not
//! know.

use futures::future::join_all;
use hop::internal::{AddTxnPartitionsRequest, TxnPartition};
use protocol::ErrorCode;
use protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::{KNOWS_FENCED_FROM, known};
use crate::context::Context;
use crate::limits::CALL_TIMEOUT;
use crate::route::groups::ask;

/// First version with several transactions (KIP-890). Kafka's brokers speak it to each other.
const BATCHED_FROM: i16 = 4;

pub(in crate::route) fn add_partitions(
    context: &Context,
    request: AddPartitionsToTxnRequest,
) -> impl Future<Output = AddPartitionsToTxnResponse> + Send + use<> {
    let batched = context.version >= BATCHED_FROM;
    let transactions = if batched {
        request.transactions
    } else {
        vec![
            AddPartitionsToTxnTransaction::default()
                .with_transactional_id(request.v3_and_below_transactional_id)
                .with_producer_id(request.v3_and_below_producer_id)
                .with_producer_epoch(request.v3_and_below_producer_epoch)
                .with_topics(request.v3_and_below_topics),
        ]
    };
    let results: Vec<_> =
        transactions.into_iter().map(|transaction| add(context, transaction)).collect();
    async move {
        let mut results = join_all(results).await;
        let response = AddPartitionsToTxnResponse::default();
        if batched {
            return response.with_results_by_transaction(results);
        }
        let only = results.pop().map(|result| result.topic_results).unwrap_or_default();
        response.with_results_by_topic_v3_and_below(only)
    }
}

/// Adds the partitions of one transaction.
fn add(
    context: &Context,
    transaction: AddPartitionsToTxnTransaction,
) -> impl Future<Output = AddPartitionsToTxnResult> + Send + use<> {
    let AddPartitionsToTxnTransaction { transactional_id: id, topics, .. } = &transaction;
    let found: Vec<Vec<Option<TxnPartition>>> =
        topics.iter().map(|topic| look_up(context, topic)).collect();
    let all: Option<Vec<TxnPartition>> = found.iter().flatten().cloned().collect();
    let answer = all.map(|partitions| {
        let question = AddTxnPartitionsRequest {
            transactional_id: id.to_string(),
            producer_id: transaction.producer_id.0,
            producer_epoch: transaction.producer_epoch.into(),
            verify_only: transaction.verify_only,
            partitions,
        };
        ask(context, id, CALL_TIMEOUT, question)
    });
    let version = context.version;
    async move {
        let mut codes: Box<dyn Iterator<Item = i16> + Send> = match answer {
            None => Box::new(found.into_iter().flatten().map(|partition| match partition {
                Some(_) => ErrorCode::OperationNotAttempted.code(),
                None => ErrorCode::UnknownTopicOrPartition.code(),
            })),
            Some(answer) => match answer.await {
                Ok(answer) => Box::new(answer.error_codes.into_iter().map(|code| {
                    let code = i16::try_from(code).unwrap_or(-1);
                    known(code, version, KNOWS_FENCED_FROM)
                })),
                Err(error) => Box::new(std::iter::repeat(error.code())),
            },
        };
        let open = ErrorCode::CoordinatorNotAvailable.code();
        let topics = transaction.topics.into_iter().map(|topic| {
            let results = topic.partitions.into_iter().map(|index| {
                AddPartitionsToTxnPartitionResult::default()
                    .with_partition_index(index)
                    .with_partition_error_code(codes.next().unwrap_or(open))
            });
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name)
                .with_results_by_partition(results.collect())
        });
        AddPartitionsToTxnResult::default()
            .with_topic_results(topics.collect())
            .with_transactional_id(transaction.transactional_id)
    }
}

fn look_up(context: &Context, topic: &AddPartitionsToTxnTopic) -> Vec<Option<TxnPartition>> {
    let known = context.catalogue.by_name(&topic.name);
    let partitions = topic.partitions.iter().map(|index| {
        let partition = context.catalogue.partition(known.as_deref()?, *index)?;
        Some(TxnPartition::new(partition))
    });
    partitions.collect()
}
