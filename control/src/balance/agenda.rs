//! Which of the planned moves are next. Pure.
//!
//! A node writes its partitions' CLOSE slots one after the other, so what one node gives at the same
//! time is what those partitions' clients wait for. Different nodes do not wait for each other.

use std::collections::{HashMap, VecDeque};

use protocol::ids::NodeId;

use super::plan::{Move, Reason};
use crate::limits::{AGENDA_SCAN_MAX, MOVES_PER_TXN};

/// The plan, as far as it has not begun.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    waiting: VecDeque<Move>,
}

/// What may be under way at the same time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) in_all: usize,
    pub(super) per_node: usize,
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

    /// Takes the next moves, given what each node is giving at the moment.
    pub(super) fn next(&mut self, limits: Limits, giving: &HashMap<NodeId, usize>) -> Vec<Move> {
        let under_way: usize = giving.values().sum();
        let room = limits.in_all.saturating_sub(under_way).min(MOVES_PER_TXN);
        let mut giving = giving.clone();
        let (mut next, mut passed) = (Vec::new(), VecDeque::new());
        while next.len() < room && passed.len() < AGENDA_SCAN_MAX {
            let Some(it) = self.waiting.pop_front() else { break };
            let of_node = giving.entry(it.from).or_default();
            if *of_node < limits.per_node {
                *of_node += 1;
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

    fn moves(from: i32, count: i32) -> impl Iterator<Item = Move> {
        (0..count).map(move |index| Move {
            partition: PartitionId::new(TenantId(1), TopicId(Uuid::from_u128(1)), index),
            from: NodeId(from),
            to: NodeId(9),
            reason: Reason::Balance,
        })
    }

    fn froms(moves: &[Move]) -> Vec<i32> {
        moves.iter().map(|it| it.from.0).collect()
    }

    #[test]
    fn no_node_gives_more_at_once_than_it_may_and_others_go_first_then() {
        let mut agenda = Agenda::default();
        agenda.set(moves(1, 5).chain(moves(2, 2)).collect());
        let limits = Limits { in_all: 5, per_node: 3 };
        assert_eq!(froms(&agenda.next(limits, &HashMap::new())), [1, 1, 1, 2, 2]);
        let giving = HashMap::from([(NodeId(1), 2), (NodeId(2), 2)]);
        assert_eq!(froms(&agenda.next(limits, &giving)), [1]);
        assert_eq!(agenda.waiting().len(), 1, "it waits in its place");
        let giving = HashMap::from([(NodeId(1), 3)]);
        assert_eq!(agenda.next(limits, &giving), []);
        assert_eq!(froms(&agenda.next(limits, &HashMap::new())), [1]);
        assert!(agenda.is_empty() && !agenda.evens_out());
    }

    #[test]
    fn no_more_are_under_way_than_may_be() {
        let mut agenda = Agenda::default();
        agenda.set(moves(1, 5).collect());
        let limits = Limits { in_all: 4, per_node: 9 };
        let giving = HashMap::from([(NodeId(3), 3)]);
        assert_eq!(agenda.next(limits, &giving).len(), 1);
    }
}
