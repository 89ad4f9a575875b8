//! What transaction coordinators and owners of partitions say to each other.

use protocol::ids::{PartitionId, TenantId};
use protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, DescribeProducersRequest,
    DescribeProducersResponse, DescribeTransactionsRequest, DescribeTransactionsResponse,
    EndTxnRequest, EndTxnResponse, ListTransactionsRequest, ListTransactionsResponse, ProducerId,
    TransactionalId, TxnOffsetCommitRequest, TxnOffsetCommitResponse, describe_producers_request,
    describe_producers_response, describe_transactions_response, list_transactions_response,
    txn_offset_commit_request, txn_offset_commit_response,
};

use super::{group, text, topic, topic_name};
use crate::api::{Request, Response};
use crate::internal::{
    AddTxnPartitionsRequest, AddTxnPartitionsResponse, TxnMarker, TxnPartition,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use crate::transaction_version;

pub(super) fn write_markers() -> (Request, Response) {
    let marker = TxnMarker {
        producer_id: 4_000,
        producer_epoch: 7,
        coordinator_epoch: 3,
        commit: true,
        partitions: partitions(),
        transaction_version: 2,
        coordinator: 17,
    };
    let request = WriteTxnMarkersRequest { markers: vec![marker] };
    let answer = WriteTxnMarkersResponse { error_codes: vec![0, 6] };
    (Request::WriteTxnMarkers(request), Response::WriteTxnMarkers(answer))
}

pub(super) fn add_partitions() -> (Request, Response) {
    let request = AddTxnPartitionsRequest {
        transactional_id: "transfers".to_owned(),
        producer_id: 4_000,
        producer_epoch: 6,
        verify_only: true,
        partitions: partitions(),
    };
    let answer = AddTxnPartitionsResponse { error_codes: vec![0, 48] };
    (Request::AddTxnPartitions(request), Response::AddTxnPartitions(answer))
}

pub(super) fn describe_producers() -> (Request, Response) {
    let asked = describe_producers_request::TopicRequest::default()
        .with_name(topic_name())
        .with_partition_indexes(vec![3]);
    let request = DescribeProducersRequest::default().with_topics(vec![asked]);
    let producer = describe_producers_response::ProducerState::default()
        .with_producer_id(ProducerId(4_000))
        .with_producer_epoch(6)
        .with_last_sequence(77)
        .with_last_timestamp(1_700_000_000_000)
        .with_coordinator_epoch(3)
        .with_current_txn_start_offset(90);
    let answered = describe_producers_response::PartitionResponse::default()
        .with_partition_index(3)
        .with_error_code(6)
        .with_error_message(Some(text("not the owner")))
        .with_active_producers(vec![producer]);
    let topic = describe_producers_response::TopicResponse::default()
        .with_name(topic_name())
        .with_partitions(vec![answered]);
    let response =
        DescribeProducersResponse::default().with_throttle_time_ms(9).with_topics(vec![topic]);
    (Request::DescribeProducers(request), Response::DescribeProducers(response))
}

fn id() -> TransactionalId {
    TransactionalId(text("transfers"))
}

pub(super) fn add_offsets() -> (Request, Response) {
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(4_000))
        .with_producer_epoch(7)
        .with_group_id(group());
    let response = AddOffsetsToTxnResponse::default().with_throttle_time_ms(9).with_error_code(51);
    (Request::AddOffsetsToTxn(request), Response::AddOffsetsToTxn(response))
}

pub(super) fn end() -> (Request, Response) {
    let mut request = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(4_000))
        .with_producer_epoch(7)
        .with_committed(true);
    transaction_version::set(&mut request.unknown_tagged_fields, 2);
    let response = EndTxnResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(51)
        .with_producer_id(ProducerId(4_000))
        .with_producer_epoch(8);
    (Request::EndTxn(request), Response::EndTxn(response))
}

pub(super) fn commit_offsets() -> (Request, Response) {
    let asked = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()
        .with_partition_index(3)
        .with_committed_offset(77)
        .with_committed_leader_epoch(12)
        .with_committed_metadata(Some(text("note")));
    let mut request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(group())
        .with_producer_id(ProducerId(4_000))
        .with_producer_epoch(7)
        .with_generation_id(5)
        .with_member_id(text("member"))
        .with_group_instance_id(Some(text("instance")))
        .with_topics(vec![
            txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
                .with_name(topic_name())
                .with_partitions(vec![asked]),
        ]);
    transaction_version::set(&mut request.unknown_tagged_fields, 2);
    let answered = txn_offset_commit_response::TxnOffsetCommitResponsePartition::default()
        .with_partition_index(3)
        .with_error_code(22);
    let response = TxnOffsetCommitResponse::default().with_throttle_time_ms(9).with_topics(vec![
        txn_offset_commit_response::TxnOffsetCommitResponseTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![answered]),
    ]);
    (Request::TxnOffsetCommit(request), Response::TxnOffsetCommit(response))
}

pub(super) fn describe() -> (Request, Response) {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    let topic = describe_transactions_response::TopicData::default()
        .with_topic(topic_name())
        .with_partitions(vec![3, 5]);
    let state = describe_transactions_response::TransactionState::default()
        .with_error_code(0)
        .with_transactional_id(id())
        .with_transaction_state(text("Ongoing"))
        .with_transaction_timeout_ms(60_000)
        .with_transaction_start_time_ms(1_700_000_000_000)
        .with_producer_id(ProducerId(4_000))
        .with_producer_epoch(7)
        .with_topics(vec![topic]);
    let response = DescribeTransactionsResponse::default()
        .with_throttle_time_ms(9)
        .with_transaction_states(vec![state]);
    (Request::DescribeTransactions(request), Response::DescribeTransactions(response))
}

pub(super) fn list() -> (Request, Response) {
    let request = ListTransactionsRequest::default()
        .with_state_filters(vec![text("Ongoing")])
        .with_producer_id_filters(vec![ProducerId(4_000)])
        .with_duration_filter(1_000)
        .with_transactional_id_pattern(Some(text("tr.*")));
    let state = list_transactions_response::TransactionState::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(4_000))
        .with_transaction_state(text("Ongoing"));
    let response = ListTransactionsResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(14)
        .with_unknown_state_filters(vec![text("Nonsense")])
        .with_transaction_states(vec![state]);
    (Request::ListTransactions(request), Response::ListTransactions(response))
}

fn partitions() -> Vec<TxnPartition> {
    let both = [3, 5].map(|index| PartitionId::new(TenantId(1), topic(), index));
    let travelling = both.map(TxnPartition::new);
    assert_eq!(travelling[1].partition(TenantId(1)), Some(both[1]));
    travelling.into()
}
