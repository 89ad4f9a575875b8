//! Balance: partitions move from nodes with much load to nodes with little, and from nodes that are
//! to be empty, while everybody is well.
//!
//! ```text
//! [`survey`] ──► [`plan`] ──► [`agenda`] ──► assignments, epoch + 1 ──► they serve ──┐
//!  view, loads,     ▲                                                   [`board`]   │
//!  operators' words └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! A move is a change of intent only: the node that a partition is assigned to asks the present one
//! for a CLOSE, and until it does, that one serves (RELIABILITY §4.6). So nothing here is unsafe, and
//! nothing is remembered: a leader that dies in the middle leaves assignments that nodes follow
//! without it, and the next leader plans from there. What a move costs is some hundred milliseconds
//! for each partition. Therefore few are under way at a time, and none begins while any node is in
//! trouble: a failover needs the survivors for itself, and makes the numbers meaningless until it is
//! over. A node that joins is no trouble: it gets its share at once.

mod agenda;
pub(crate) mod board;
mod config;
mod cost;
pub(crate) mod orders;
pub(crate) mod plan;
pub(crate) mod survey;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use futures::future::{BoxFuture, try_join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use metadata::{
    ClusterView, MetadataError, Txn,
    keys::Key,
    model::{Assignment, NodeRecord, NodeState, Record},
};
use protocol::ids::{NodeId, PartitionId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

pub use self::config::BalanceConfig;

use self::agenda::{Agenda, Busy, Limits};
use self::board::Board;
use self::orders::{Order, Refused};
use self::plan::{Move, Situation, Wish};
use self::survey::{Group, Well};
use crate::{
    desk::Asked,
    front_choice::FrontChoice,
    guard::{Guard, GuardError},
    limits::{BALANCE_INTERVAL, MOVE_PATIENCE, OWN_VIEW_WAIT, PLAN_LIFE, RECONCILE_PAUSE},
    load::Loads,
    metrics,
    opening::Opening,
};

/// What balance works with.
pub(crate) struct Parts {
    pub(crate) config: BalanceConfig,
    /// For topics that ask for none.
    pub(crate) default_front: FrontChoice,
    pub(crate) guard: Guard,
    pub(crate) opening: Opening,
    pub(crate) loads: Loads,
    pub(crate) board: Board,
    pub(crate) orders: mpsc::Receiver<Asked<Order>>,
}

/// Evens out the nodes for one leader.
pub(crate) struct Balancer {
    parts: Parts,
    view: ClusterView,
    /// Since when no node is in trouble.
    quiet_since: Option<Instant>,
    agenda: Agenda,
    /// What the agenda was made of, when, and how long that took.
    basis: Basis,
    planned_at: Option<Instant>,
    planning_took: Duration,
    under_way: HashMap<PartitionId, Move>,
}

/// What a plan stands on. When it changes there is another plan.
#[derive(Debug, Default, PartialEq, Eq)]
struct Basis {
    nodes: Vec<Well>,
    placement: u64,
    topics: u64,
}

type Opened = BoxFuture<'static, (PartitionId, bool)>;

// === impl Balancer ===

impl Balancer {
    pub(crate) fn new(parts: Parts) -> Self {
        parts.board.clear();
        Self {
            view: parts.opening.view.clone(),
            parts,
            quiet_since: None,
            agenda: Agenda::default(),
            basis: Basis::default(),
            planned_at: None,
            planning_took: Duration::ZERO,
            under_way: HashMap::new(),
        }
    }

    /// Balances for as long as this process leads; whoever runs it ends it with the leadership.
    pub(crate) async fn run(mut self) {
        let mut opening: FuturesUnordered<Opened> = FuturesUnordered::new();
        let mut changed = self.view.changed();
        let mut look_at = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(look_at) => {
                    changed.mark_unchanged();
                    look_at = Instant::now() + BALANCE_INTERVAL;
                    match self.step(&mut opening).await {
                        Ok(()) => {}
                        Err(GuardError::Superseded) => return std::future::pending().await,
                        Err(error) => tracing::warn!(%error, "partitions do not move yet"),
                    }
                }
                Some((partition, served)) = opening.next() => {
                    self.ended(partition, served);
                    look_at = look_at.min(Instant::now());
                }
                Some(order) = self.parts.orders.recv() => self.obey(order, &mut opening).await,
                Ok(()) = changed.changed() => {
                    look_at = look_at.min(Instant::now() + RECONCILE_PAUSE);
                }
            }
        }
    }

    /// Plans if it is time to, and begins what may begin.
    async fn step(&mut self, opening: &mut FuturesUnordered<Opened>) -> Result<(), GuardError> {
        let Some(nodes) = survey::well_nodes(&self.view) else {
            self.quiet_since = None;
            self.agenda.set(Vec::new());
            return Ok(());
        };
        let now = Instant::now();
        let quiet_since = *self.quiet_since.get_or_insert(now);
        if now - quiet_since < self.parts.config.settle {
            return Ok(());
        }
        self.plan_if_due(nodes);
        let BalanceConfig { moves_at_once, moves_per_node, .. } = self.parts.config;
        let limits = Limits { in_all: moves_at_once, per_node: moves_per_node };
        let next = self.agenda.next(limits, Busy::with(self.under_way.values()));
        self.parts.board.plan(self.agenda.waiting().iter());
        metrics::moves_planned(self.agenda.waiting().len() + next.len());
        if !next.is_empty() {
            let moved = self.assign(&next).await?;
            self.begin(moved, opening);
        }
        Ok(())
    }

    fn plan_if_due(&mut self, nodes: Vec<Well>) {
        let now = Instant::now();
        let placement = survey::placement(&self.view);
        let topics = self.view.topics_revision();
        let basis = Basis { nodes, placement: placement.revision, topics };
        // The largest clusters take a second to plan for: not all the time.
        let pause = match self.agenda.is_empty() {
            true => BALANCE_INTERVAL.max(10 * self.planning_took),
            false => PLAN_LIFE,
        };
        let is_due = self.planned_at.is_none_or(|at| now >= at + pause);
        if basis == self.basis && !is_due {
            return;
        }
        let moving: HashSet<PartitionId> = self.under_way.keys().copied().collect();
        let groups =
            survey::situations(&self.view, &self.parts.loads, &placement, &basis.nodes, &moving);
        self.agenda.set(self.plan(&groups));
        self.basis = basis;
        self.planned_at = Some(now);
        self.planning_took = now.elapsed();
    }

    fn plan(&self, groups: &BTreeMap<Group, Situation>) -> Vec<Move> {
        // What began to even out goes on to the end: the limit that starts it is not the one that
        // ends it.
        let wish = Wish { even: self.parts.config.enabled, begun: self.agenda.evens_out() };
        let mut moves = Vec::new();
        for (group, situation) in groups {
            let uneven = plan::max_over_mean(situation);
            metrics::imbalance(group.name(), uneven);
            let planned = plan::plan(situation, wish);
            if !planned.is_empty() && self.agenda.is_empty() {
                let group = group.name();
                tracing::info!(group, moves = planned.len(), uneven, "partitions are to move");
            }
            moves.extend(planned);
        }
        // What operators asked for first, in every group.
        moves.sort_by_key(|it| it.reason);
        moves
    }

    /// Moves one partition because somebody said so.
    async fn obey(&mut self, asked: Asked<Order>, opening: &mut FuturesUnordered<Opened>) {
        let Asked { order: Order { partition, to }, told } = asked;
        let outcome = self.try_obey(partition, to, opening).await;
        // Whoever asked may have given up.
        let _ = told.send(outcome);
    }

    async fn try_obey(
        &mut self,
        partition: PartitionId,
        to: NodeId,
        opening: &mut FuturesUnordered<Opened>,
    ) -> Result<(), Refused> {
        if self.under_way.contains_key(&partition) {
            return Err(Refused::Moving);
        }
        let what = orders::check(&self.view, self.parts.default_front, partition, to)?;
        let moved = self.assign(&[what]).await.map_err(|error| match error {
            GuardError::Superseded => Refused::NotLeading,
            GuardError::Conflict => Refused::Conflict,
            GuardError::Metadata(error) => Refused::Metadata(error.to_string()),
        })?;
        if moved.is_empty() {
            return Err(Refused::Conflict);
        }
        self.begin(moved, opening);
        Ok(())
    }

    /// Assigns the partitions anew, unless anything that this was decided upon has changed (R10):
    /// that both nodes live, and that each partition is still where it was.
    async fn assign(&self, moves: &[Move]) -> Result<Vec<Move>, GuardError> {
        let nodes: BTreeSet<NodeId> = moves.iter().flat_map(|it| [it.from, it.to]).collect();
        let mut txn = Txn::new();
        let records = nodes.iter().map(|node| self.read::<NodeRecord>(Key::Node(*node)));
        for (node, record) in nodes.iter().zip(try_join_all(records).await?) {
            match record {
                Some((record, revision)) if record.state == NodeState::Live => {
                    txn = txn.when_mod(Key::Node(*node), revision);
                }
                _ => return Ok(Vec::new()),
            }
        }
        let key = |it: &Move| Key::Partition(it.partition.topic, it.partition.index);
        let assigned = moves.iter().map(|it| self.read::<Assignment>(key(it)));
        let mut moved = Vec::new();
        for (it, assigned) in moves.iter().zip(try_join_all(assigned).await?) {
            let Some((Assignment { node, epoch }, revision)) = assigned else { continue };
            if node != it.from {
                continue;
            }
            let assignment = Assignment { node: it.to, epoch: epoch + 1 };
            txn = txn.when_mod(key(it), revision).put(key(it), assignment.encode());
            moved.push(*it);
        }
        if moved.is_empty() {
            return Ok(moved);
        }
        match self.parts.guard.commit(txn).await {
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
        let Some(entry) = self.parts.guard.metadata().get(&key.to_string()).await? else {
            return Ok(None);
        };
        let unreadable = |error| MetadataError::Refused(format!("`{key}`: {error}"));
        let record = R::decode(&entry.value).map_err(unreadable)?;
        Ok(Some((record, entry.mod_revision)))
    }

    /// Tells the next nodes, and waits beside everything else until they serve. Not for ever: what
    /// does not serve by then is tried again by its node, and its place here is free.
    fn begin(&mut self, moved: Vec<Move>, opening: &mut FuturesUnordered<Opened>) {
        for what in moved {
            let Move { partition, from, to, reason } = what;
            tracing::info!(%partition, %from, %to, ?reason, "partition moves");
            self.under_way.insert(partition, what);
            self.parts.board.begin(what);
            let opener = self.parts.opening.clone();
            let served = async move {
                let served = opener.open(vec![(to, partition)], MOVE_PATIENCE).await;
                (partition, served)
            };
            opening.push(served.boxed());
        }
        metrics::moves_under_way(self.under_way.len());
    }

    fn ended(&mut self, partition: PartitionId, served: bool) {
        self.under_way.remove(&partition);
        metrics::moves_under_way(self.under_way.len());
        if let Some(took) = self.parts.board.end(partition, served) {
            metrics::moved(took);
        }
    }
}
