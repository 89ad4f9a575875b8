//! Which partitions move so that all nodes have about as many. Pure: no I/O, no clock, no randomness.
//!
//! Today's goal is the number of partitions alone. One partition at a time goes from the node with
//! the most to the node with the fewest, of the topic that this spreads best, until their numbers
//! differ by no more than is allowed. That takes the fewest moves there can be, and no partition
//! moves twice.

use std::collections::BTreeMap;

use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};

/// A partition that should leave one node for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Move {
    /// What moves.
    pub(crate) partition: PartitionId,
    /// Whose it is.
    pub(crate) from: NodeId,
    /// Whose it should be.
    pub(crate) to: NodeId,
}

/// What each node that may take part has now; nodes without partitions are in here too.
pub(crate) type Holdings = BTreeMap<NodeId, Vec<PartitionId>>;

/// A node's partitions by topic, lowest index last.
type ByTopic = BTreeMap<(TenantId, TopicId), Vec<PartitionId>>;

/// By how many partitions nodes may differ before any of them moves: a tenth of what a node has, and
/// never so few that a topic created a moment ago sets something in motion.
pub(crate) fn tolerated_spread(holdings: &Holdings) -> usize {
    const AT_LEAST: usize = 2;
    let total: usize = holdings.values().map(Vec::len).sum();
    (total / holdings.len().max(1) / 10).max(AT_LEAST)
}

/// By how many partitions the nodes differ.
pub(crate) fn spread(holdings: &Holdings) -> usize {
    let numbers = || holdings.values().map(Vec::len);
    numbers().max().unwrap_or(0) - numbers().min().unwrap_or(0)
}

/// The first `moves_max` moves on the way to nodes that differ by one partition at most.
pub(crate) fn plan(holdings: &Holdings, moves_max: usize) -> Vec<Move> {
    let mut nodes: BTreeMap<NodeId, ByTopic> =
        holdings.iter().map(|(node, held)| (*node, by_topic(held))).collect();
    let mut numbers: BTreeMap<NodeId, usize> =
        holdings.iter().map(|(node, held)| (*node, held.len())).collect();
    let mut moves = Vec::new();
    while moves.len() < moves_max {
        // Of equals the lowest node: the same holdings make the same plan.
        let most = numbers.iter().max_by_key(|(node, count)| (**count, std::cmp::Reverse(**node)));
        let least = numbers.iter().min_by_key(|(node, count)| (**count, **node));
        let (Some((&from, &most)), Some((&to, &least))) = (most, least) else { break };
        if most - least <= 1 {
            break;
        }
        let topic = best_topic(&nodes[&from], &nodes[&to]);
        let partition = nodes.get_mut(&from).and_then(|held| held.get_mut(&topic)?.pop());
        let partition = partition.expect("the best topic is one that the node has");
        nodes.entry(to).or_default().entry(topic).or_default().push(partition);
        *numbers.entry(from).or_default() -= 1;
        *numbers.entry(to).or_default() += 1;
        moves.push(Move { partition, from, to });
    }
    moves
}

fn by_topic(held: &[PartitionId]) -> ByTopic {
    let mut topics = ByTopic::new();
    for id in held {
        topics.entry((id.tenant, id.topic)).or_default().push(*id);
    }
    topics.values_mut().for_each(|ids| ids.sort_unstable_by_key(|id| std::cmp::Reverse(id.index)));
    topics
}

/// The topic of which the one node has the most more than the other.
fn best_topic(from: &ByTopic, to: &ByTopic) -> (TenantId, TopicId) {
    let surplus = |topic: &(TenantId, TopicId), held: &[PartitionId]| {
        let there = to.get(topic).map_or(0, Vec::len);
        held.len().cast_signed() - there.cast_signed()
    };
    let some = from.iter().filter(|(_, held)| !held.is_empty());
    let best = some.max_by_key(|(topic, held)| (surplus(topic, held), std::cmp::Reverse(**topic)));
    *best.expect("a node with more partitions than another has one").0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn partition(topic: u128, index: i32) -> PartitionId {
        PartitionId::new(TenantId(1), TopicId(Uuid::from_u128(topic)), index)
    }

    /// Up to six nodes; every partition of some topics is on one of them.
    fn holdings() -> impl Strategy<Value = Holdings> {
        let owners = proptest::collection::vec((1..6u128, any::<prop::sample::Index>()), 0..120);
        (1..7i32, owners).prop_map(|(nodes, owners)| {
            let mut holdings: Holdings =
                (0..nodes).map(|node| (NodeId(node), Vec::new())).collect();
            for (index, (topic, owner)) in owners.into_iter().enumerate() {
                let node = NodeId(i32::try_from(owner.index(nodes as usize)).unwrap());
                let held = holdings.get_mut(&node).unwrap();
                held.push(partition(topic, i32::try_from(index).unwrap()));
            }
            holdings
        })
    }

    /// Carries moves out; each must start where its partition is.
    fn carry_out(holdings: &mut Holdings, moves: &[Move]) {
        for Move { partition, from, to } in moves {
            let held = holdings.get_mut(from).unwrap();
            let place = held.iter().position(|id| id == partition).expect("moves from its node");
            held.swap_remove(place);
            holdings.get_mut(to).expect("moves to a node there is").push(*partition);
        }
    }

    fn everything(holdings: &Holdings) -> BTreeSet<PartitionId> {
        holdings.values().flatten().copied().collect()
    }

    /// What no plan can do without: what is above the ceiling must go, what is below the floor come.
    fn moves_needed(holdings: &Holdings) -> usize {
        let total: usize = holdings.values().map(Vec::len).sum();
        let (floor, ceiling) = (total / holdings.len(), total.div_ceil(holdings.len()));
        let above: usize = holdings.values().map(|held| held.len().saturating_sub(ceiling)).sum();
        let below: usize = holdings.values().map(|held| floor.saturating_sub(held.len())).sum();
        above.max(below)
    }

    proptest! {
        #[test]
        fn a_plan_evens_out_with_the_fewest_moves_and_loses_nothing(before in holdings()) {
            let moves = plan(&before, usize::MAX);
            let mut after = before.clone();
            carry_out(&mut after, &moves);
            prop_assert_eq!(everything(&after), everything(&before));
            prop_assert!(spread(&after) <= 1);
            prop_assert_eq!(moves.len(), moves_needed(&before));
            let moved: BTreeSet<_> = moves.iter().map(|it| it.partition).collect();
            prop_assert_eq!(moved.len(), moves.len(), "no partition moves twice");
        }

        #[test]
        fn small_steps_arrive_with_as_many_moves_as_one_large_one(
            before in holdings(),
            step in 1..9usize,
        ) {
            let mut now = before.clone();
            let mut made = 0;
            loop {
                let moves = plan(&now, step);
                if moves.is_empty() {
                    break;
                }
                prop_assert!(moves.len() <= step);
                made += moves.len();
                prop_assert!(made <= moves_needed(&before), "it goes round in circles");
                carry_out(&mut now, &moves);
            }
            prop_assert_eq!(made, moves_needed(&before));
            prop_assert!(plan(&now, usize::MAX).is_empty());
        }

        #[test]
        fn what_is_even_stays_however_the_nodes_are_listed(before in holdings()) {
            let mut even = before.clone();
            carry_out(&mut even, &plan(&before, usize::MAX));
            even.values_mut().for_each(|held| held.reverse());
            prop_assert!(plan(&even, usize::MAX).is_empty());
            prop_assert!(spread(&even) <= tolerated_spread(&even));
        }
    }

    #[test]
    fn a_node_that_joins_gets_its_share_of_every_topic() {
        let of = |topic| (0..4).map(move |index| partition(topic, index));
        let full: Vec<_> = of(1).chain(of(2)).collect();
        let before = Holdings::from([(NodeId(1), full), (NodeId(2), Vec::new())]);
        let moves = plan(&before, usize::MAX);
        let of_topic = |topic| {
            let topic = partition(topic, 0).topic;
            moves.iter().filter(|it| it.partition.topic == topic).count()
        };
        assert_eq!((of_topic(1), of_topic(2)), (2, 2));
    }

    #[test]
    fn without_nodes_or_with_one_there_is_nothing_to_move() {
        assert!(plan(&Holdings::new(), 9).is_empty());
        let alone = Holdings::from([(NodeId(1), vec![partition(1, 0), partition(1, 1)])]);
        assert!(plan(&alone, 9).is_empty());
        assert_eq!(spread(&alone), 0);
    }
}
