//! What control and nodes say to each other about nodes that are gone, and partitions that go.

use protocol::ids::{PartitionId, TenantId};

use super::topic;
use crate::api::{Request, Response};
use crate::internal::{
    EndIncarnationRequest, EndIncarnationResponse, OpenPartition, PingRequest, PingResponse,
    ProbeRequest, ProbeResponse, ReleasePartitionRequest, ReleasePartitionResponse,
};

const LOG: &str = "3-1-7-00000000000000ff";

pub(super) fn ping() -> (Request, Response) {
    let answer = PingResponse { node: 3, log_id: LOG.to_owned(), healthy: true };
    (Request::Ping(PingRequest {}), Response::Ping(answer))
}

pub(super) fn probe() -> (Request, Response) {
    let request = ProbeRequest { address: "10.0.0.3:9701".to_owned(), log_id: LOG.to_owned() };
    (Request::Probe(request), Response::Probe(ProbeResponse { well: true }))
}

pub(super) fn end_incarnation() -> (Request, Response) {
    let front = "shared-disk:/var/lib/wal".to_owned();
    let request = EndIncarnationRequest { log_id: LOG.to_owned(), front };
    let answer = EndIncarnationResponse { error_code: 6 };
    (Request::EndIncarnation(request), Response::EndIncarnation(answer))
}

pub(super) fn release_partition() -> (Request, Response) {
    let request = ReleasePartitionRequest {
        partition: Some(OpenPartition::new(PartitionId::new(TenantId(2), topic(), 5))),
        log_id: LOG.to_owned(),
        epoch: 4,
        node: 1,
    };
    let answer = ReleasePartitionResponse { error_code: 6, slot: 9 };
    (Request::ReleasePartition(request), Response::ReleasePartition(answer))
}
