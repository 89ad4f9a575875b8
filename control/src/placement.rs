//! Which node gets a partition. Pure: no I/O, no clock, no randomness.
//!
//! Today's rule: the live node with the fewest partitions, the lowest number among equals. What
//! it must always keep is in the property tests: everything is placed, on live nodes only, and
//! never on a node while a live one has fewer.

use std::{cmp::Reverse, collections::BinaryHeap};

use protocol::ids::NodeId;

/// A node that may get partitions, and how many it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLoad {
    /// The node.
    pub node: NodeId,
    /// Partitions assigned to it now.
    pub partitions: usize,
}

/// Chooses a node for each of `count` partitions, in order. Empty when there is no node.
pub fn place(nodes: &[NodeLoad], count: usize) -> Vec<NodeId> {
    let mut least: BinaryHeap<_> =
        nodes.iter().map(|load| Reverse((load.partitions, load.node))).collect();
    let mut chosen = Vec::with_capacity(count);
    for _ in 0..count {
        let Some(Reverse((partitions, node))) = least.pop() else { break };
        chosen.push(node);
        least.push(Reverse((partitions + 1, node)));
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
            let load = |(node, partitions)| NodeLoad { node: NodeId(node), partitions };
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
}
