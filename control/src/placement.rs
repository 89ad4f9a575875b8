//! Which node gets a partition. Pure: no I/O, no clock, no randomness.
//!
//! The rule: the live node with the fewest partitions for its weight, the lowest number among equals;
//! what loads they turn out to have is for balance to even out. What
//! it must always keep is in the property tests: everything is placed, on live nodes only, and
//! never on a node while a live one has fewer.

use std::{cmp::Reverse, collections::BinaryHeap};

use protocol::ids::NodeId;

/// A node that may get partitions, and how many it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeLoad {
    /// The node.
    pub node: NodeId,
    /// Partitions assigned to it now.
    pub partitions: usize,
    /// Its share, beside those of the others. Not 0.
    pub weight: u32,
}

impl NodeLoad {
    /// Partitions for its weight, one more counted: of two empty nodes the larger comes first.
    fn rank(&self) -> u64 {
        (self.partitions as u64 + 1) * RANK_SCALE / u64::from(self.weight.max(1))
    }
}

/// Keeps what a division by the largest weight would drop.
const RANK_SCALE: u64 = 1 << 24;

/// Chooses a node for each of `count` partitions, in order. Empty when there is no node.
pub fn place(nodes: &[NodeLoad], count: usize) -> Vec<NodeId> {
    let mut least: BinaryHeap<_> = nodes.iter().map(|load| Reverse((load.rank(), *load))).collect();
    let mut chosen = Vec::with_capacity(count);
    for _ in 0..count {
        let Some(Reverse((_, mut load))) = least.pop() else { break };
        chosen.push(load.node);
        load.partitions += 1;
        least.push(Reverse((load.rank(), load)));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn loads() -> impl Strategy<Value = Vec<NodeLoad>> {
        proptest::collection::btree_map(0..20i32, 0..50usize, 0..8).prop_map(|nodes| {
            let load =
                |(node, partitions)| NodeLoad { node: NodeId(node), partitions, weight: 100 };
            nodes.into_iter().map(load).collect()
        })
    }

    proptest! {
        #[test]
        fn everything_is_placed_on_the_nodes_there_are(nodes in loads(), count in 0..200usize) {
            let chosen = place(&nodes, count);
            let known: BTreeSet<_> = nodes.iter().map(|load| load.node).collect();
            prop_assert_eq!(chosen.len(), if nodes.is_empty() { 0 } else { count });
            prop_assert!(chosen.iter().all(|node| known.contains(node)));
        }

        #[test]
        fn no_node_gets_one_while_another_has_fewer(nodes in loads(), count in 0..200usize) {
            let mut now: BTreeMap<_, _> =
                nodes.iter().map(|load| (load.node, load.partitions)).collect();
            for node in place(&nodes, count) {
                let least = now.values().min().copied();
                prop_assert_eq!(now.get(&node).copied(), least);
                *now.entry(node).or_default() += 1;
            }
        }

        #[test]
        fn the_order_of_the_nodes_does_not_matter(nodes in loads(), count in 0..50usize) {
            let mut reversed = nodes.clone();
            reversed.reverse();
            prop_assert_eq!(place(&nodes, count), place(&reversed, count));
        }

        #[test]
        fn placing_in_two_steps_is_placing_in_one(
            nodes in loads(),
            first in 0..50usize,
            second in 0..50usize,
        ) {
            let mut steps = place(&nodes, first);
            let mut between = nodes.clone();
            for load in &mut between {
                load.partitions += steps.iter().filter(|node| **node == load.node).count();
            }
            steps.extend(place(&between, second));
            prop_assert_eq!(steps, place(&nodes, first + second));
        }
    }

    #[test]
    fn weights_are_shares() {
        let node = |node, weight| NodeLoad { node: NodeId(node), partitions: 0, weight };
        let chosen = place(&[node(1, 100), node(2, 300)], 40);
        assert_eq!(chosen.iter().filter(|node| **node == NodeId(2)).count(), 30);
    }
}
