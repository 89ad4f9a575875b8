//! Requests about transactions, with every field set that the version has.

use protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, DescribeTransactionsRequest,
    EndTxnRequest, GroupId, ListTransactionsRequest, ProducerId, TransactionalId,
    TxnOffsetCommitRequest, add_partitions_to_txn_request as add,
    txn_offset_commit_request as commit,
};
use protocol::request::ClientRequest;

use super::{text, topic};

fn id() -> TransactionalId {
    TransactionalId(text("tx"))
}

/// The request of `api` in `version`.
pub(super) fn populated(api: ApiKey, version: i16) -> ClientRequest {
    match api {
        ApiKey::AddPartitionsToTxn => add_partitions(version).into(),
        ApiKey::AddOffsetsToTxn => AddOffsetsToTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(ProducerId(4_000))
            .with_producer_epoch(7)
            .with_group_id(GroupId(text("readers")))
            .into(),
        ApiKey::EndTxn => EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(ProducerId(4_000))
            .with_producer_epoch(7)
            .with_committed(true)
            .into(),
        ApiKey::TxnOffsetCommit => commit_offsets(version).into(),
        ApiKey::DescribeTransactions => {
            DescribeTransactionsRequest::default().with_transactional_ids(vec![id(), id()]).into()
        }
        ApiKey::ListTransactions => ListTransactionsRequest::default()
            .with_state_filters(vec![text("Ongoing")])
            .with_producer_id_filters(vec![ProducerId(4_000)])
            .with_duration_filter(if version >= 1 { 1_000 } else { -1 })
            .with_transactional_id_pattern((version >= 2).then(|| text("tx.*")))
            .into(),
        other => panic!("{other:?} is served and has no populated request"),
    }
}

fn add_partitions(version: i16) -> AddPartitionsToTxnRequest {
    let topics = || {
        vec![add::AddPartitionsToTxnTopic::default().with_name(topic()).with_partitions(vec![0, 1])]
    };
    if version < 4 {
        return AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id())
            .with_v3_and_below_producer_id(ProducerId(4_000))
            .with_v3_and_below_producer_epoch(7)
            .with_v3_and_below_topics(topics());
    }
    let transaction = add::AddPartitionsToTxnTransaction::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(4_000))
        .with_producer_epoch(7)
        .with_verify_only(true)
        .with_topics(topics());
    AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])
}

fn commit_offsets(version: i16) -> TxnOffsetCommitRequest {
    let partition = commit::TxnOffsetCommitRequestPartition::default()
        .with_partition_index(3)
        .with_committed_offset(77)
        .with_committed_leader_epoch(if version >= 2 { 12 } else { -1 })
        .with_committed_metadata(Some(text("note")));
    let topics = commit::TxnOffsetCommitRequestTopic::default()
        .with_name(topic())
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(GroupId(text("readers")))
        .with_producer_id(ProducerId(4_000))
        .with_producer_epoch(7)
        .with_topics(vec![topics]);
    if version < 3 {
        return request;
    }
    request
        .with_generation_id(5)
        .with_member_id(text("member"))
        .with_group_instance_id(Some(text("instance")))
}
