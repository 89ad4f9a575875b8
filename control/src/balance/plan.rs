//! Which partitions move, and where. Pure: no I/O, no clock, no randomness.
//!
//! ```text
//! pins ──► draining nodes are emptied ──► the fullest node gives to the emptiest, again and again
//! ```
//!
//! Each step of the last phase makes two nodes more alike (the sum of all squares goes down), so it
//! ends; it begins at one tolerance ([`START`]) and goes on to a smaller one ([`FINISH`]), so that a
//! cluster at the limit does not move back and forth. A node whose
//! partitions are all too large to give is left out, and the others are made even without it.

mod nodes;

use std::collections::{BTreeSet, HashMap};

use metadata::settings::placement::Duty;
use protocol::ids::{NodeId, PartitionId};

use self::nodes::{Nodes, Target};

/// When evening out begins: the fullest has at most 1.15 times the mean before that. And the first
/// move must be one that loads which waver a little do not undo: with few partitions nodes may differ
/// by far more than this for ever.
const START: Tolerance = Tolerance { spread: 0.15, gift: 2.0 / 3.0 };

/// When it ends: then nodes are as even as their partitions allow.
const FINISH: Tolerance = Tolerance { spread: 0.05, gift: 1.0 };

/// What is left as it is.
#[derive(Clone, Copy)]
struct Tolerance {
    /// A load that the fullest and the emptiest node may differ by, as a share of the mean.
    spread: f64,
    /// The largest partition that moves, as a share of the one by which giver and taker would only
    /// change places.
    gift: f64,
}

/// Targets that are looked at for a partition of a draining node: enough to spread its topic.
const TARGETS_MAX: usize = 8;

/// Steps after which a plan is long enough: some minutes of moves. The next one goes on from there.
const STEPS_MAX: usize = 10_000;

/// Nodes whose partitions may go to one another, and those partitions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Situation {
    /// Every node that is up.
    pub(crate) nodes: Vec<PlanNode>,
    /// What they have. Of other nodes' partitions nothing is planned.
    pub(crate) partitions: Vec<Held>,
}

/// A node that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlanNode {
    pub(crate) node: NodeId,
    pub(crate) zone: String,
    pub(crate) duty: Duty,
    /// Its share of the load, beside those of the others. Not 0.
    pub(crate) weight: u32,
    /// Whether it may get anything now; an overloaded one may not.
    pub(crate) takes: bool,
}

/// A partition and the node that it is assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) partition: PartitionId,
    pub(crate) node: NodeId,
    pub(crate) cost: u64,
    /// Where an operator wants it.
    pub(crate) pin: Option<NodeId>,
    /// Its last move is under way: it stays for now.
    pub(crate) moving: bool,
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Also even nodes out, beyond what operators asked for.
    pub(crate) even: bool,
    /// An earlier plan began to; this one ends it.
    pub(crate) begun: bool,
}

/// Why a partition moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// An operator moved it.
    Order,
    /// An operator wants it there.
    Pin,
    /// Its node is to be empty.
    Drain,
    /// Its node has more than others.
    Balance,
}

/// A partition that should leave one node for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) partition: PartitionId,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) reason: Reason,
}

/// The moves to what the situation should be, the most urgent first.
pub(crate) fn plan(situation: &Situation, wish: Wish) -> Vec<Move> {
    let mut plan = Plan::new(situation);
    plan.follow_pins();
    plan.empty_draining();
    if wish.even {
        plan.even_out(wish.begun);
    }
    plan.moves()
}

/// By how much nodes differ that are to be even: the fullest's load over the mean.
pub(crate) fn max_over_mean(situation: &Situation) -> f64 {
    let nodes = Nodes::new(situation);
    let active = || (0..nodes.len()).filter(|at| nodes.duty(*at) == Duty::Active);
    let (load, weight) = nodes.total(active());
    let most = active().map(|at| nodes.ratio(at)).fold(0.0, f64::max);
    if load == 0 { 1.0 } else { most * weight / load as f64 }
}

/// A plan in the making.
struct Plan<'a> {
    partitions: &'a [Held],
    nodes: Nodes,
    /// Where each partition is by now; `None` if its node is not up.
    place: Vec<Option<usize>>,
    /// Partitions in the order of their first moves.
    touched: Vec<usize>,
    reasons: HashMap<usize, Reason>,
}

impl<'a> Plan<'a> {
    fn new(situation: &'a Situation) -> Self {
        let nodes = Nodes::new(situation);
        let place = situation.partitions.iter().map(|held| nodes.find(held.node)).collect();
        let partitions = &situation.partitions;
        Self { partitions, nodes, place, touched: Vec::new(), reasons: HashMap::new() }
    }

    /// A pin to a node that is not active waits; until then its partition is like any other.
    fn pin_of(&self, held: &Held) -> Option<usize> {
        let pin = self.nodes.find(held.pin?)?;
        (self.nodes.duty(pin) == Duty::Active).then_some(pin)
    }

    fn follow_pins(&mut self) {
        for (at, held) in self.partitions.iter().enumerate() {
            if let Some(pin) = self.pin_of(held).filter(|_| !held.moving)
                && self.place[at].is_some_and(|place| place != pin)
            {
                self.relocate(at, pin, Reason::Pin);
            }
        }
    }

    fn empty_draining(&mut self) {
        let is_draining =
            |at: Option<usize>| at.is_some_and(|at| self.nodes.duty(at) == Duty::Draining);
        let leaving = (0..self.partitions.len())
            .filter(|at| is_draining(self.place[*at]) && !self.partitions[*at].moving);
        let mut leaving: Vec<usize> = leaving.collect();
        // The largest first: what is left then fits into what is left.
        leaving.sort_by_key(|at| {
            let held = &self.partitions[*at];
            (std::cmp::Reverse(held.cost), held.partition)
        });
        let mut targets = self.nodes.targets();
        for at in leaving.into_iter().take(STEPS_MAX) {
            let Some(to) = self.target_of(at, &targets) else { return };
            targets.remove(&self.nodes.as_target(to));
            self.relocate(at, to, Reason::Drain);
            targets.insert(self.nodes.as_target(to));
        }
    }

    /// The emptiest node, or one nearly as empty that has less of the topic, in a zone with less.
    fn target_of(&self, at: usize, targets: &BTreeSet<Target>) -> Option<usize> {
        let Held { partition, cost, .. } = self.partitions[at];
        let emptiest = targets.first()?.node();
        let (load, weight) = self.nodes.total(targets.iter().map(Target::node));
        let ceiling = load as f64 / weight * (1.0 + FINISH.spread / 2.0);
        let nearly = targets.iter().take(TARGETS_MAX).map(Target::node);
        let nearly = nearly.filter(|to| self.nodes.ratio_with(*to, cost) <= ceiling);
        let best = nearly.min_by_key(|to| self.nodes.crowding(*to, partition.topic));
        Some(best.unwrap_or(emptiest))
    }

    fn even_out(&mut self, begun: bool) {
        let free = |at: &usize| {
            let held = &self.partitions[*at];
            !held.moving && self.pin_of(held).is_none()
        };
        let free: Vec<usize> = (0..self.partitions.len()).filter(free).collect();
        for at in free {
            if let Some(place) = self.place[at] {
                self.nodes.offer(place, at, &self.partitions[at]);
            }
        }
        let mut tolerance = if begun { FINISH } else { START };
        let mut steps = STEPS_MAX;
        // Who was left out may have something to give after all, once the others are even.
        while self.even_out_once(tolerance, &mut steps) {
            tolerance = FINISH;
        }
    }

    /// Whether anything moved.
    fn even_out_once(&mut self, mut tolerance: Tolerance, steps: &mut usize) -> bool {
        let mut pool = self.nodes.pool();
        let mut moved = false;
        while *steps > 0 {
            let Some((most, spread)) = pool.fullest(&self.nodes) else { break };
            if spread <= tolerance.spread {
                break;
            }
            let Some((least, cost)) = pool.best_gift(most, tolerance.gift, &self.nodes) else {
                pool.leave_out(most, &self.nodes);
                continue;
            };
            let at = self.nodes.take_offer(most, least, cost);
            pool.forget([most, least], &self.nodes);
            self.relocate(at, least, Reason::Balance);
            self.nodes.offer(least, at, &self.partitions[at]);
            pool.remember([most, least], &self.nodes);
            tolerance = FINISH;
            moved = true;
            *steps -= 1;
        }
        moved
    }

    fn relocate(&mut self, at: usize, to: usize, reason: Reason) {
        let Some(from) = self.place[at].replace(to) else { return };
        let held = &self.partitions[at];
        self.nodes.carry(held.partition.topic, held.cost, from, to);
        if !self.reasons.contains_key(&at) {
            self.touched.push(at);
            self.reasons.insert(at, reason);
        }
    }

    /// Each partition at most once, however it went back and forth in the plan.
    fn moves(self) -> Vec<Move> {
        let moved = self.touched.iter().filter_map(|at| {
            let Held { partition, node: from, .. } = self.partitions[*at];
            let to = self.nodes.id(self.place[*at]?);
            (from != to).then_some(Move { partition, from, to, reason: self.reasons[at] })
        });
        moved.collect()
    }
}

#[cfg(test)]
mod tests;
