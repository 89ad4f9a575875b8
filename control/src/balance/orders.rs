//! Moves that an operator asks for, one partition at a time.

use std::sync::Arc;

use metadata::{ClusterView, model::NodeRecord, settings::placement::Duty};
use protocol::ids::{NodeId, PartitionId};

use super::{
    plan::{Move, Reason},
    survey,
};
use crate::{desk, front_choice::FrontChoice, limits::ORDERS_QUEUED_MAX};

/// A partition, and where it should go. It is answered when it is assigned to that node.
pub(crate) struct Order {
    pub(crate) partition: PartitionId,
    pub(crate) to: NodeId,
}

/// Why a partition does not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this control process does not lead")]
    NotLeading,
    #[error("there is no such partition, or it has no node yet")]
    NoPartition,
    #[error("it is on node {0} already")]
    There(NodeId),
    #[error("its last move is not over yet")]
    Moving,
    #[error("node {0} is not up")]
    NotUp(NodeId),
    #[error("node {0}, which has it, is not up")]
    OwnerNotUp(NodeId),
    #[error("node {node} is {}; make it active first", duty.name())]
    NotActive { node: NodeId, duty: Duty },
    #[error("the topic asks for a front that node {0} does not have")]
    Front(NodeId),
    #[error("the metadata changed meanwhile; try again")]
    Conflict,
    #[error("the metadata store does not answer: {0}")]
    Metadata(String),
}

impl desk::Order for Order {
    type Answer = ();
    type Refused = Refused;

    const QUEUED_MAX: usize = ORDERS_QUEUED_MAX;

    fn closed() -> Refused {
        Refused::NotLeading
    }

    fn not_leading() -> Refused {
        Refused::NotLeading
    }
}

/// The move, if it may be made as far as the view shows.
pub(super) fn check(
    view: &ClusterView,
    default_front: FrontChoice,
    partition: PartitionId,
    to: NodeId,
) -> Result<Move, Refused> {
    let topic = view.topic_by_id(partition.tenant, partition.topic).ok_or(Refused::NoPartition)?;
    let from = topic.owner(partition.index).ok_or(Refused::NoPartition)?.node;
    if from == to {
        return Err(Refused::There(to));
    }
    let target: Arc<NodeRecord> =
        view.node(to).filter(|_| view.node_is_up(to)).ok_or(Refused::NotUp(to))?;
    if !view.node_is_up(from) {
        return Err(Refused::OwnerNotUp(from));
    }
    let duty = survey::placement(view).node(to).duty;
    if duty != Duty::Active {
        return Err(Refused::NotActive { node: to, duty });
    }
    let front = FrontChoice::asked(&topic.record.configs).unwrap_or(default_front);
    if !front.suits(&target.front) {
        return Err(Refused::Front(to));
    }
    Ok(Move { partition, from, to, reason: Reason::Order })
}
