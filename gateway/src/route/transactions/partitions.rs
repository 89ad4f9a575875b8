//! AddPartitionsToTxn: all of a transaction's partitions, or none if there is one that we do not
//! know.

use futures::future::join_all;
use hop::internal::{AddTxnPartitionsRequest, TxnPartition};
use metadata::settings::acl::AclOperation;
use protocol::ErrorCode;
use protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::{KNOWS_FENCED_FROM, known};
use crate::authoriser::Resource;
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
    // As in Kafka only brokers speak these versions, and may do so for anybody.
    let broker =
        batched.then(|| context.grants.require(AclOperation::ClusterAction, Resource::CLUSTER));
    let refused = broker.and_then(Result::err);
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
    let results: Vec<_> = match refused {
        Some(_) => Vec::new(),
        None => transactions.into_iter().map(|transaction| add(context, transaction)).collect(),
    };
    async move {
        if let Some(refused) = refused {
            return AddPartitionsToTxnResponse::default().with_error_code(refused.code());
        }
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
    let allowed = match context.version {
        ..BATCHED_FROM => {
            context.grants.require(AclOperation::Write, Resource::transactional_id(id))
        }
        _ => Ok(()),
    };
    let found: Vec<Vec<Result<TxnPartition, ErrorCode>>> = match allowed {
        Ok(()) => topics.iter().map(|topic| look_up(context, topic)).collect(),
        Err(refused) => {
            let none = |topic: &AddPartitionsToTxnTopic| vec![Err(refused); topic.partitions.len()];
            topics.iter().map(none).collect()
        }
    };
    let all: Option<Vec<TxnPartition>> = found.iter().flatten().cloned().map(Result::ok).collect();
    let all = all.filter(|_| allowed.is_ok());
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
                Ok(_) => ErrorCode::OperationNotAttempted.code(),
                Err(error) => error.code(),
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

fn look_up(
    context: &Context,
    topic: &AddPartitionsToTxnTopic,
) -> Vec<Result<TxnPartition, ErrorCode>> {
    let writable = match context.version {
        ..BATCHED_FROM => context.grants.require(AclOperation::Write, Resource::topic(&topic.name)),
        _ => Ok(()),
    };
    let known = context.catalogue.by_name(&topic.name);
    let partitions = topic.partitions.iter().map(|index| {
        writable?;
        let partition = known.as_deref().and_then(|t| context.catalogue.partition(t, *index));
        partition.map(TxnPartition::new).ok_or(ErrorCode::UnknownTopicOrPartition)
    });
    partitions.collect()
}
