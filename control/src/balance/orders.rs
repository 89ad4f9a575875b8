//! Moves that an operator asks for, one partition at a time.

use std::sync::Arc;

use metadata::{ClusterView, model::NodeRecord, settings::placement::Duty};
use parking_lot::RwLock;
use protocol::ids::{NodeId, PartitionId};
use tokio::sync::{mpsc, oneshot};

use super::{
    plan::{Move, Reason},
    survey,
};
use crate::{front_choice::FrontChoice, limits::ORDERS_QUEUED_MAX};

/// A partition, where it should go, and whoever waits to hear that it is on its way.
pub(crate) struct Order {
    pub(crate) partition: PartitionId,
    pub(crate) to: NodeId,
    pub(crate) told: oneshot::Sender<Result<(), Refused>>,
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

/// The way to the leader's balance, while it leads. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<RwLock<Option<mpsc::Sender<Order>>>>);

impl Desk {
    /// Lets orders through.
    pub(crate) fn open(&self) -> mpsc::Receiver<Order> {
        let (sender, orders) = mpsc::channel(ORDERS_QUEUED_MAX);
        *self.0.write() = Some(sender);
        orders
    }

    /// Refuses orders from now on.
    pub(crate) fn close(&self) {
        *self.0.write() = None;
    }

    /// Moves a partition: answers when it is assigned to its next node.
    pub(crate) async fn order(&self, partition: PartitionId, to: NodeId) -> Result<(), Refused> {
        let (told, hears) = oneshot::channel();
        let desk = self.0.read().clone().ok_or(Refused::NotLeading)?;
        let order = Order { partition, to, told };
        desk.send(order).await.map_err(|_| Refused::NotLeading)?;
        hears.await.unwrap_or(Err(Refused::NotLeading))
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
