//! WriteTxnMarkers: a coordinator ends transactions in the partitions here (R40, T11).
//!
//! Every marker is with the front before the call returns; the answer waits until all are durable.
//! Markers for the internal topic are the coordinators' own, whose state it keeps.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use hop::internal::{TxnMarker, TxnPartition, WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use hop::{HopHeader, HopRequest, Request, Response};
use protocol::ErrorCode;
use protocol::batch::EndTransactionMarker;
use protocol::ids::{PartitionId, TenantId, TopicId};

use crate::acks::{Acks, Outcome};
use crate::metrics;
use crate::node::Node;
use crate::partition::{Marker, MarkerError, Partition};

/// What became of one marker in one partition so far.
enum Written {
    /// In the log, or known to be, once its slot says so.
    Placed(usize),
    /// Refused for good, once its slot and the proof say so.
    Refused(usize, MarkerError),
    /// Known at once.
    Code(ErrorCode),
    /// This node does not serve the partition.
    NotHere(Option<PartitionId>),
    /// The coordinators' own; this is its place among them.
    Internal(usize),
}

/// Answers when all markers are durable, or at the deadline.
pub(crate) fn write(
    node: &Arc<Node>,
    header: HopHeader,
    request: WriteTxnMarkersRequest,
) -> BoxFuture<'static, Response> {
    let count = request.markers.iter().map(|marker| marker.partitions.len()).sum();
    let acks = Acks::new(count);
    let (tenant, deadline) = (header.tenant, header.deadline);
    let mut written = Vec::with_capacity(count);
    let mut internal = Vec::new();
    let mut owner = None;
    for marker in &request.markers {
        for wanted in &marker.partitions {
            let slot = written.len();
            let is_internal = TopicId::from_slice(&wanted.topic)
                .is_some_and(|topic| node.groups().keeps_state_in(topic));
            let placed = if is_internal {
                // Its outcome comes by another way; nobody shall wait for the slot.
                drop(acks.ack(slot));
                internal.push(TxnMarker { partitions: vec![wanted.clone()], ..marker.clone() });
                Written::Internal(internal.len() - 1)
            } else {
                place(node, tenant, marker, wanted, slot, &acks, &mut owner)
            };
            written.push(placed);
        }
    }
    let own = write_internal(node, &header, internal);
    let node = Arc::clone(node);
    async move {
        let mut owned = false;
        // At the deadline the answer says of each marker what is known then; it is sent again.
        let in_time = tokio::time::timeout(deadline, async {
            let proof = async { owned = prove(owner.as_deref(), &written).await };
            tokio::join!(acks.all_told(), proof, own).2
        });
        let own = in_time.await.unwrap_or_default();
        let mut error_codes = Vec::with_capacity(written.len());
        for written in written {
            let code = match written {
                Written::Code(code) => code,
                Written::Placed(slot) => durable(acks.outcome(slot)),
                Written::Refused(slot, error) => match durable(acks.outcome(slot)) {
                    ErrorCode::None if owned => error.code(),
                    ErrorCode::None => ErrorCode::NotLeaderOrFollower,
                    code => code,
                },
                Written::NotHere(partition) => why_not_here(&node, partition).await,
                Written::Internal(place) => {
                    let code = own.get(place).and_then(|code| i16::try_from(*code).ok());
                    code.map_or(ErrorCode::RequestTimedOut, ErrorCode::from_code)
                }
            };
            metrics::marker_written(code);
            error_codes.push(i32::from(code.code()));
        }
        Response::WriteTxnMarkers(WriteTxnMarkersResponse { error_codes })
    }
    .boxed()
}

fn place(
    node: &Node,
    tenant: TenantId,
    marker: &TxnMarker,
    wanted: &TxnPartition,
    slot: usize,
    acks: &Arc<Acks>,
    owner: &mut Option<Arc<Partition>>,
) -> Written {
    // Whatever comes of it, the slot is told: dropped, it says "unknown".
    let ack = acks.ack(slot);
    let Ok(producer_epoch) = i16::try_from(marker.producer_epoch) else {
        return Written::Code(ErrorCode::InvalidRequest);
    };
    let id = wanted.partition(tenant);
    let Some(partition) = id.and_then(|id| node.partitions().find(id)) else {
        return Written::NotHere(id);
    };
    let end =
        EndTransactionMarker { commit: marker.commit, coordinator_epoch: marker.coordinator_epoch };
    let TxnMarker { producer_id, transaction_version, .. } = *marker;
    let marker = Marker { producer_id, producer_epoch, end, transaction_version };
    match partition.write_marker(&marker, node.clock().now_ms(), ack) {
        Ok(()) => Written::Placed(slot),
        Err(error) => {
            tracing::info!(partition = %partition.id(), producer_id, %error, "marker refused");
            if error.is_final() {
                owner.get_or_insert(partition);
                Written::Refused(slot, error)
            } else {
                Written::Code(error.code())
            }
        }
    }
}

/// The coordinators' own markers, all of them in one request.
fn write_internal(
    node: &Node,
    header: &HopHeader,
    markers: Vec<TxnMarker>,
) -> impl Future<Output = Vec<i32>> + Send + use<> {
    let answer = (!markers.is_empty()).then(|| {
        let body = Request::WriteTxnMarkers(WriteTxnMarkersRequest { markers });
        node.groups().call(HopRequest { header: header.clone(), body })
    });
    async move {
        match answer {
            None => Vec::new(),
            Some(answer) => match answer.await {
                Response::WriteTxnMarkers(answer) => answer.error_codes,
                _ => Vec::new(),
            },
        }
    }
}

/// A coordinator gives up a marker that is refused for good: only the owner may refuse it (R6). All
/// partitions of a node share its front, so one proof is for all of them.
async fn prove(owner: Option<&Partition>, written: &[Written]) -> bool {
    let refused = written.iter().any(|written| matches!(written, Written::Refused(..)));
    match owner.filter(|_| refused) {
        Some(owner) => owner.prove().await.is_ok(),
        None => true,
    }
}

fn durable(outcome: Outcome) -> ErrorCode {
    match outcome {
        Outcome::Durable => ErrorCode::None,
        Outcome::Open => ErrorCode::RequestTimedOut,
        // The incarnation is over; the next owner knows whether the marker is there.
        Outcome::Unknown => ErrorCode::NotLeaderOrFollower,
    }
}

/// Whether the partition is served elsewhere, or nowhere any more: then there is nothing to end (T11).
async fn why_not_here(node: &Node, partition: Option<PartitionId>) -> ErrorCode {
    let Some(id) = partition else { return ErrorCode::InvalidRequest };
    let exists = || {
        let topic = node.view().topic_by_id(id.tenant, id.topic);
        topic.is_some_and(|topic| (0..topic.partitions()).contains(&id.index))
    };
    // The view may lag behind the coordinator's.
    if exists() || node.view().refresh().await.is_err() || exists() {
        ErrorCode::NotLeaderOrFollower
    } else {
        ErrorCode::UnknownTopicOrPartition
    }
}
