//! What transaction coordinators and owners of partitions say to each other.

use protocol::ids::{PartitionId, TenantId};
use protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerId, describe_producers_request,
    describe_producers_response,
};

use super::{text, topic, topic_name};
use crate::api::{Request, Response};
use crate::internal::{
    AddTxnPartitionsRequest, AddTxnPartitionsResponse, TxnMarker, TxnPartition,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

pub(super) fn write_markers() -> (Request, Response) {
    let marker = TxnMarker {
        producer_id: 4_000,
        producer_epoch: 7,
        coordinator_epoch: 3,
        commit: true,
        partitions: partitions(),
        transaction_version: 2,
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

fn partitions() -> Vec<TxnPartition> {
    let both = [3, 5].map(|index| PartitionId::new(TenantId(1), topic(), index));
    let travelling = both.map(TxnPartition::new);
    assert_eq!(travelling[1].partition(TenantId(1)), Some(both[1]));
    travelling.into()
}
