//! Cooperative moves: a partition goes from one live node to another (RELIABILITY §4.6).
//!
//! ```text
//! control          next owner B                      present owner A
//! p/* := B  ─────► sees it, A's log goes on
//!                  ReleasePartition ───────────────► assigned to B? upload, stop appends, upload
//!                                                    the rest, CLOSE
//!                  CLOSE verified in A's log ◄────── its slot
//!                  manifest CAS, serve
//! ```
//!
//! The next owner asks, so a partition is never without both: until B is there to take it, A serves.
//! The answer is where to look and no proof; what counts is the CLOSE in A's log. If A dies before
//! it is durable, A's incarnation is ended like any other and its END is what B waits for.

use std::sync::Arc;

use hop::internal::{OpenPartition, ReleasePartitionRequest, ReleasePartitionResponse};
use hop::{HopHeader, Peers};
use metadata::ClusterView;
use metadata::model::NodeState;
use protocol::ErrorCode;
use protocol::ids::{NodeId, PartitionId, TenantId};
use segment::Manifest;
use tokio::sync::oneshot;

use crate::limits::RELEASE_TIMEOUT;
use crate::node::Node;
use crate::open::OpenError;
use crate::partition::Partition;
use crate::partitions::Released;
use crate::upload::Closing;

/// Asks owners to let go.
#[derive(Clone)]
pub(crate) struct Releases {
    pub(crate) view: ClusterView,
    pub(crate) peers: Peers,
}

impl Releases {
    /// Asks the owner that the manifest names, if its incarnation seems to live. Returns the slot of
    /// its CLOSE.
    pub(crate) async fn ask(&self, to: NodeId, manifest: &Manifest) -> Result<u64, OpenError> {
        let not_ended = || OpenError::NotEnded { log: manifest.owner };
        let owner = self.view.node(manifest.owner.node).ok_or_else(not_ended)?;
        if owner.state != NodeState::Live || owner.log_id != manifest.owner.to_string() {
            return Err(not_ended());
        }
        let request = ReleasePartitionRequest {
            partition: Some(OpenPartition::new(manifest.partition)),
            log_id: owner.log_id.clone(),
            epoch: manifest.epoch,
            node: to.0,
        };
        let header = HopHeader::internal(TenantId::SYSTEM, RELEASE_TIMEOUT);
        let answer = self.peers.peer(&owner.address).ask(header, request).await;
        match answer {
            Ok(answer) if answer.error_code == 0 => Ok(answer.slot),
            Ok(_) => Err(not_ended()),
            Err(error) => {
                let (partition, owner) = (manifest.partition, owner.node);
                tracing::info!(%partition, %owner, %error, "the owner does not let go");
                Err(not_ended())
            }
        }
    }
}

/// Answers when the partition is closed, or why it is not.
pub(crate) async fn release(
    node: Arc<Node>,
    request: ReleasePartitionRequest,
) -> ReleasePartitionResponse {
    match try_release(&node, &request).await {
        Ok(released) => ReleasePartitionResponse { error_code: 0, slot: released.slot },
        Err(code) => ReleasePartitionResponse { error_code: code.code().into(), slot: 0 },
    }
}

async fn try_release(
    node: &Arc<Node>,
    request: &ReleasePartitionRequest,
) -> Result<Released, ErrorCode> {
    let id = request.partition.as_ref().and_then(OpenPartition::partition);
    let id = id.ok_or(ErrorCode::InvalidRequest)?;
    if request.log_id != node.log().to_string() {
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    if let Some(released) = node.partitions().released(id, request.epoch) {
        return Ok(released);
    }
    let partition = node.partitions().find(id).ok_or(ErrorCode::NotLeaderOrFollower)?;
    if partition.epoch() != request.epoch {
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    require_assigned(node, id, NodeId(request.node)).await?;
    close(node, partition).await
}

/// Ends the partition's epoch in this node's log. It may be claimed again, also by this node: when
/// its next owner never came for it, and it was assigned back in a later epoch, which is the one
/// that clients are told of.
pub(crate) async fn close(node: &Node, partition: Arc<Partition>) -> Result<Released, ErrorCode> {
    // A node that drains ends its log instead, and so does one whose uploads are over.
    let (told, hears) = oneshot::channel();
    let closing = Closing { partition, store: node.store().clone(), told };
    node.leaving().send(closing).await.map_err(|_| ErrorCode::NotLeaderOrFollower)?;
    hears.await.map_err(|_| ErrorCode::NotLeaderOrFollower)
}

/// Only whom the partition is assigned to may ask for it. The view may lag behind the asker's.
async fn require_assigned(node: &Node, id: PartitionId, to: NodeId) -> Result<(), ErrorCode> {
    let assigned = || {
        let topic = node.view().topic_by_id(id.tenant, id.topic);
        let owner = topic.and_then(|topic| topic.owner(id.index));
        owner.is_some_and(|owner| owner.node == to && to != node.id())
    };
    if assigned() {
        return Ok(());
    }
    node.view().refresh().await.map_err(|_| ErrorCode::NotLeaderOrFollower)?;
    if assigned() { Ok(()) } else { Err(ErrorCode::NotLeaderOrFollower) }
}
