//! What nodes tell of their load, and what operators say about placement.

use bytes::Bytes;
use protocol::ids::{PartitionId, TenantId};

use super::topic;
use crate::api::{Request, Response};
use crate::internal::{
    ChangePlacementRequest, ChangePlacementResponse, DescribeLoadRequest, DescribeLoadResponse,
    PlacementChange, TopicLoad, Traffic,
};

pub(super) fn describe() -> (Request, Response) {
    let traffic = |n| Traffic { bytes_in: n, bytes_out: 2 * n, requests: 3 * n };
    let id = |tenant, index| PartitionId::new(TenantId(tenant), topic(), index);
    let partitions = [(id(1, 3), traffic(1)), (id(1, 4), traffic(1 << 40)), (id(2, 3), traffic(0))];
    let topics = TopicLoad::group(partitions);
    assert_eq!(topics.len(), 2);
    assert!(topics.iter().flat_map(TopicLoad::partitions).eq(partitions));
    let answer = DescribeLoadResponse {
        log_id: "3-1-7-00000000000000ff".to_owned(),
        traffic: Some(traffic(9)),
        cpu_permille: 250,
        memory_bytes: 1 << 33,
        partitions: 12,
        topics,
        others: 9,
        others_traffic: Some(traffic(7)),
    };
    (Request::DescribeLoad(DescribeLoadRequest {}), Response::DescribeLoad(answer))
}

pub(super) fn change_placement() -> (Request, Response) {
    let change = |name: &str, value| PlacementChange { name: name.to_owned(), value };
    let changes = vec![change("node/1", Some(Bytes::from_static(b"\x01"))), change("node/2", None)];
    let request = ChangePlacementRequest { changes };
    (
        Request::ChangePlacement(request),
        Response::ChangePlacement(ChangePlacementResponse { error_code: 41 }),
    )
}
