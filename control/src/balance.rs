//! Balance: partitions move from nodes with many to nodes with few, while everybody is well.
//!
//! ```text
//! quiet for a while? ──► uneven? ──► [`plan`] ──► a few assignments, epoch + 1 ──► they serve ──┐
//!      ▲                                                                                        │
//!      └────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A move is a change of intent only: the node that a partition is assigned to asks the present one
//! for a CLOSE, and until it does, that one serves (RELIABILITY §4.6). So nothing here is unsafe; what
//! it costs is some hundred milliseconds for each partition. Therefore few move at a time, the next
//! ones when those serve, and none while any node is in trouble: a failover needs the survivors for
//! itself, and makes the numbers meaningless until it is over.

mod config;
mod plan;

use std::collections::{BTreeMap, BTreeSet};

use metadata::{
    ClusterView, MetadataError, Txn,
    keys::Key,
    model::{Assignment, NodeRecord, NodeState, Record},
};
use protocol::ids::NodeId;
use tokio::time::{Instant, sleep};

pub use self::config::BalanceConfig;

use self::plan::{Holdings, Move};
use crate::{
    assign::Assigned,
    failover::FrontReach,
    front_choice::FrontChoice,
    guard::{Guard, GuardError},
    limits::{BALANCE_INTERVAL, MOVE_PATIENCE, OWN_VIEW_WAIT},
    metrics,
    opening::Opening,
};

/// Evens out the nodes for one leader.
pub(crate) struct Balancer {
    config: BalanceConfig,
    guard: Guard,
    view: ClusterView,
    opening: Opening,
    /// Since when all nodes are well, and the same.
    quiet: Option<Quiet>,
    /// The group of nodes that is being evened out. Once begun, that goes on until nothing is left
    /// to improve: the limit that starts it is not the one that ends it, so that a cluster at the
    /// limit does not move back and forth.
    under_way: Option<Group>,
}

/// Nodes whose partitions may go to one another. A topic may ask for a kind of front, so nothing
/// moves from one kind to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Object,
    Other,
}

/// A node that is up, in one of its incarnations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Well {
    group: Group,
    node: NodeId,
    incarnation: u64,
}

/// The nodes that are up, and since when exactly these are.
#[derive(Debug)]
struct Quiet {
    nodes: Vec<Well>,
    since: Instant,
}

// === impl Balancer ===

impl Balancer {
    pub(crate) fn new(config: BalanceConfig, guard: Guard, opening: Opening) -> Self {
        let view = opening.view.clone();
        Self { config, guard, view, opening, quiet: None, under_way: None }
    }

    /// Balances for as long as this process leads; whoever runs it ends it with the leadership.
    pub(crate) async fn run(mut self) {
        if !self.config.enabled {
            return std::future::pending().await;
        }
        loop {
            sleep(BALANCE_INTERVAL).await;
            let moves = self.next_moves();
            metrics::moves_planned(moves.len());
            if moves.is_empty() {
                continue;
            }
            match self.assign(&moves).await {
                Ok(moved) => self.open(moved).await,
                Err(GuardError::Superseded) => return std::future::pending().await,
                Err(error) => tracing::warn!(%error, "partitions do not move yet"),
            }
        }
    }

    /// What to move now: nothing while a node is in trouble, or was a moment ago.
    fn next_moves(&mut self) -> Vec<Move> {
        let begun = self.under_way.take();
        for (group, holdings) in self.quiet_holdings() {
            let uneven = plan::spread(&holdings) > plan::tolerated_spread(&holdings);
            if !uneven && begun != Some(group) {
                continue;
            }
            let moves = plan::plan(&holdings, self.config.moves_at_once);
            if !moves.is_empty() {
                if begun != Some(group) {
                    tracing::info!(spread = plan::spread(&holdings), "partitions move");
                }
                self.under_way = Some(group);
                return moves;
            }
        }
        Vec::new()
    }

    /// What the nodes have that may give and take, once all of them have been well for a while; until
    /// then nothing.
    fn quiet_holdings(&mut self) -> BTreeMap<Group, Holdings> {
        let mut groups: BTreeMap<Group, Holdings> = BTreeMap::new();
        let Some(nodes) = self.well_nodes() else {
            self.quiet = None;
            return groups;
        };
        let now = Instant::now();
        let quiet = self.quiet.take().filter(|quiet| quiet.nodes == nodes);
        let quiet = self.quiet.insert(quiet.unwrap_or(Quiet { nodes, since: now }));
        if now.duration_since(quiet.since) < self.config.settle {
            return groups;
        }
        for Well { group, node, .. } in &quiet.nodes {
            let held = self.view.assigned_to(*node);
            groups.entry(*group).or_default().insert(*node, held);
        }
        groups
    }

    /// The nodes that are up; `None` while any other is on its way out, or has left partitions behind
    /// that nobody got yet.
    fn well_nodes(&self) -> Option<Vec<Well>> {
        let mut well = Vec::new();
        for record in self.view.nodes() {
            let (node, incarnation) = (record.node, record.incarnation);
            match record.state {
                NodeState::Live if self.view.node_is_up(node) => {
                    let is_object = FrontChoice::Object.suits(&record.front);
                    let group = if is_object { Group::Object } else { Group::Other };
                    well.push(Well { group, node, incarnation });
                }
                // Its partitions wait for it, and nobody fails over.
                NodeState::Live if FrontReach::of(&record.front) == FrontReach::Own => {}
                NodeState::Ended if self.view.assigned_to(node).is_empty() => {}
                NodeState::Live | NodeState::Fenced | NodeState::Ended => return None,
            }
        }
        well.sort_unstable();
        Some(well)
    }

    /// Assigns the partitions anew, unless anything that this was decided upon has changed (R10):
    /// that both nodes live, and that each partition is still where it was.
    async fn assign(&self, moves: &[Move]) -> Result<Vec<Assigned>, GuardError> {
        let mut txn = Txn::new();
        let nodes: BTreeSet<NodeId> = moves.iter().flat_map(|it| [it.from, it.to]).collect();
        for node in nodes {
            let Some((record, revision)) = self.read::<NodeRecord>(Key::Node(node)).await? else {
                return Ok(Vec::new());
            };
            if record.state != NodeState::Live {
                return Ok(Vec::new());
            }
            txn = txn.when_mod(Key::Node(node), revision);
        }
        let mut moved = Vec::new();
        for Move { partition, from, to } in moves {
            let key = Key::Partition(partition.topic, partition.index);
            let Some((Assignment { node, epoch }, revision)) = self.read(key).await? else {
                continue;
            };
            if node != *from {
                continue;
            }
            let assignment = Assignment { node: *to, epoch: epoch + 1 };
            txn = txn.when_mod(key, revision).put(key, assignment.encode());
            moved.push((*to, *partition));
            tracing::debug!(%partition, %from, %to, "partition moves");
        }
        match self.guard.commit(txn).await {
            Ok(revision) => {
                // So that the next plan counts these.
                self.view.wait_for_revision(revision, OWN_VIEW_WAIT).await;
                Ok(moved)
            }
            Err(GuardError::Conflict) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn read<R: Record>(&self, key: Key) -> Result<Option<(R, i64)>, GuardError> {
        let Some(entry) = self.guard.metadata().get(&key.to_string()).await? else {
            return Ok(None);
        };
        let unreadable = |error| MetadataError::Refused(format!("`{key}`: {error}"));
        let record = R::decode(&entry.value).map_err(unreadable)?;
        Ok(Some((record, entry.mod_revision)))
    }

    /// Waits until the partitions serve where they are now: what does not is in nobody's hands, and
    /// more of it would not help.
    async fn open(&self, moved: Vec<Assigned>) {
        let began = Instant::now();
        let count = moved.len();
        self.opening.open(moved, MOVE_PATIENCE).await;
        metrics::moved(count, began.elapsed());
    }
}
