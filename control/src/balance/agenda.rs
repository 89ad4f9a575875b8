//! Which of the planned moves are next. Pure.
//!
//! A node writes its partitions' CLOSE slots one after the other, so what one node gives at the same
//! time is what those partitions' clients wait for. So is what one node takes: many that are drained
//! into one would close more partitions at once than it can open. Different nodes do not wait for each
//! other.

use std::collections::{HashMap, VecDeque};

use protocol::ids::NodeId;

use super::plan::{Move, Reason};
use crate::limits::{AGENDA_SCAN_MAX, MOVES_PER_TXN};

/// The plan, as far as it has not begun.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    waiting: VecDeque<Move>,
}

/// How many moves nodes are busy with.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy {
    under_way: usize,
    giving: HashMap<NodeId, usize>,
    taking: HashMap<NodeId, usize>,
}

/// What may be under way at the same time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) in_all: usize,
    /// From one node, and to one node.
    pub(super) per_node: usize,
}

impl Busy {
    pub(super) fn with<'a>(moves: impl IntoIterator<Item = &'a Move>) -> Self {
        let mut busy = Self::default();
        moves.into_iter().for_each(|it| busy.add(it));
        busy
    }

    fn add(&mut self, it: &Move) {
        self.under_way += 1;
        *self.giving.entry(it.from).or_default() += 1;
        *self.taking.entry(it.to).or_default() += 1;
    }

    fn has_room_for(&self, it: &Move, per_node: usize) -> bool {
        let of = |moves: &HashMap<NodeId, usize>, node| moves.get(node).copied().unwrap_or(0);
        of(&self.giving, &it.from) < per_node && of(&self.taking, &it.to) < per_node
    }
}

impl Agenda {
    /// Takes another plan in the place of what is left of this one.
    pub(super) fn set(&mut self, moves: Vec<Move>) {
        self.waiting = moves.into();
    }

    pub(super) fn waiting(&self) -> &VecDeque<Move> {
        &self.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether nodes are being evened out.
    pub(super) fn evens_out(&self) -> bool {
        self.waiting.iter().any(|it| it.reason == Reason::Balance)
    }

    /// Takes the next moves, given what nodes are busy with at the moment.
    pub(super) fn next(&mut self, limits: Limits, mut busy: Busy) -> Vec<Move> {
        let room = limits.in_all.saturating_sub(busy.under_way).min(MOVES_PER_TXN);
        let (mut next, mut passed) = (Vec::new(), VecDeque::new());
        while next.len() < room && passed.len() < AGENDA_SCAN_MAX {
            let Some(it) = self.waiting.pop_front() else { break };
            if busy.has_room_for(&it, limits.per_node) {
                busy.add(&it);
                next.push(it);
            } else {
                passed.push_back(it);
            }
        }
        passed.append(&mut self.waiting);
        self.waiting = passed;
        next
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::{PartitionId, TenantId, TopicId};
    use uuid::Uuid;

    use super::*;

    fn moves(from: i32, to: i32, count: i32) -> impl Iterator<Item = Move> {
        (0..count).map(move |index| Move {
            partition: PartitionId::new(TenantId(1), TopicId(Uuid::from_u128(1)), index),
            from: NodeId(from),
            to: NodeId(to),
            reason: Reason::Balance,
        })
    }

    fn busy(moves: impl Iterator<Item = Move>) -> Busy {
        Busy::with(&moves.collect::<Vec<_>>())
    }

    fn froms(moves: &[Move]) -> Vec<i32> {
        moves.iter().map(|it| it.from.0).collect()
    }

    #[test]
    fn no_node_gives_more_at_once_than_it_may_and_others_go_first_then() {
        let mut agenda = Agenda::default();
        agenda.set(moves(1, 8, 5).chain(moves(2, 9, 2)).collect());
        let limits = Limits { in_all: 5, per_node: 3 };
        assert_eq!(froms(&agenda.next(limits, Busy::default())), [1, 1, 1, 2, 2]);
        let others = busy(moves(1, 6, 2).chain(moves(2, 7, 2)));
        assert_eq!(froms(&agenda.next(limits, others)), [1]);
        assert_eq!(agenda.waiting().len(), 1, "it waits in its place");
        assert_eq!(agenda.next(limits, busy(moves(1, 6, 3))), []);
        assert_eq!(froms(&agenda.next(limits, Busy::default())), [1]);
        assert!(agenda.is_empty() && !agenda.evens_out());
    }

    #[test]
    fn no_node_takes_more_at_once_than_it_may() {
        let mut agenda = Agenda::default();
        let drained = (1..=5).flat_map(|from| moves(from, 9, 2));
        agenda.set(drained.chain(moves(6, 8, 1)).collect());
        let limits = Limits { in_all: 64, per_node: 3 };
        assert_eq!(froms(&agenda.next(limits, Busy::default())), [1, 1, 2, 6]);
        assert_eq!(agenda.next(limits, busy(moves(7, 9, 3))), []);
        assert_eq!(agenda.waiting().len(), 7);
    }

    #[test]
    fn no_more_are_under_way_than_may_be() {
        let mut agenda = Agenda::default();
        agenda.set(moves(1, 9, 5).collect());
        let limits = Limits { in_all: 4, per_node: 9 };
        assert_eq!(agenda.next(limits, busy(moves(3, 2, 3))).len(), 1);
    }
}
