//! What the planner has to know, put together from the view, the load reports and what operators
//! have said.

use std::collections::{BTreeMap, HashSet};

use metadata::{
    ClusterView,
    model::{NodeRecord, NodeState},
    settings::{SettingKind, placement::Placement},
};
use protocol::ids::{NodeId, PartitionId, TenantId};

use super::{
    cost,
    plan::{Held, PlanNode, Situation},
};
use crate::{
    failover::FrontReach, front_choice::FrontChoice, limits::TARGET_CPU_PERMILLE_MAX, load::Loads,
};

/// Nodes whose partitions may go to one another. A topic may ask for a kind of front, so nothing
/// moves from one kind to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Object,
    Other,
}

/// A node that is up, in one of its incarnations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Well {
    pub(super) group: Group,
    pub(super) node: NodeId,
    pub(super) incarnation: u64,
}

// === impl Group ===

impl Group {
    pub(crate) fn of(node: &NodeRecord) -> Self {
        if FrontChoice::Object.suits(&node.front) { Self::Object } else { Self::Other }
    }

    /// For metrics and people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Other => "disk",
        }
    }
}

/// What operators have said.
pub(crate) fn placement(view: &ClusterView) -> Placement {
    Placement::read(&view.settings(TenantId::SYSTEM, SettingKind::Placement))
}

/// The nodes that are up; `None` while any other is on its way out, or has left partitions behind
/// that nobody got yet.
pub(super) fn well_nodes(view: &ClusterView) -> Option<Vec<Well>> {
    let mut well = Vec::new();
    for record in view.nodes() {
        let (node, incarnation) = (record.node, record.incarnation);
        match record.state {
            NodeState::Live if view.node_is_up(node) => {
                well.push(Well { group: Group::of(&record), node, incarnation });
            }
            // Its partitions wait for it, and nobody fails over.
            NodeState::Live if FrontReach::of(&record.front) == FrontReach::Own => {}
            NodeState::Ended if view.assigned_to(node).is_empty() => {}
            NodeState::Live | NodeState::Fenced | NodeState::Ended => return None,
        }
    }
    well.sort_unstable();
    Some(well)
}

/// Each group's nodes and partitions. Those of `moving` stay where they are.
pub(super) fn situations(
    view: &ClusterView,
    loads: &Loads,
    placement: &Placement,
    nodes: &[Well],
    moving: &HashSet<PartitionId>,
) -> BTreeMap<Group, Situation> {
    let mut groups: BTreeMap<Group, Situation> = BTreeMap::new();
    for Well { group, node, .. } in nodes {
        let situation = groups.entry(*group).or_default();
        situation.nodes.push(plan_node(view, loads, placement, *node));
        let mut ids = view.assigned_to(*node);
        ids.sort_unstable();
        situation.partitions.extend(ids.into_iter().map(|partition| Held {
            partition,
            node: *node,
            cost: 0,
            pin: placement.pin(partition.topic, partition.index),
            moving: moving.contains(&partition),
        }));
    }
    for situation in groups.values_mut() {
        let held = situation.partitions.iter().map(|held| (held.partition, held.node));
        let costs = cost::costs(&loads.traffic(held));
        for (held, cost) in situation.partitions.iter_mut().zip(costs) {
            held.cost = cost;
        }
    }
    groups
}

fn plan_node(view: &ClusterView, loads: &Loads, placement: &Placement, node: NodeId) -> PlanNode {
    let said = placement.node(node);
    let zone = view.node(node).map(|record| record.zone.clone()).unwrap_or_default();
    let overloaded =
        loads.node(node).is_some_and(|load| load.cpu_permille > TARGET_CPU_PERMILLE_MAX);
    // R71: a node whose clock is wrong keeps what it has.
    let takes = !overloaded && !view.node_clock_is_wrong(node);
    PlanNode { node, zone, duty: said.duty, weight: said.weight, takes }
}
