//! What transaction coordinators and owners of partitions say to each other.

use protocol::ids::{PartitionId, TenantId};

use super::topic;
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

fn partitions() -> Vec<TxnPartition> {
    let both = [3, 5].map(|index| PartitionId::new(TenantId(1), topic(), index));
    let travelling = both.map(TxnPartition::new);
    assert_eq!(travelling[1].partition(TenantId(1)), Some(both[1]));
    travelling.into()
}
