//! What every assignment must be, and what each assignor promises besides.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::Strategy;
use proptest::{collection, prop_assert, prop_assert_eq, proptest};
use uuid::Uuid;

use super::*;

fn topic(number: u128) -> TopicId {
    TopicId(Uuid::from_u128(number))
}

/// A group under test: who subscribes to what and has what.
#[derive(Debug, Clone, Default)]
struct Group {
    ids: Vec<StrBytes>,
    instances: Vec<Option<StrBytes>>,
    topics: Vec<SubscribedTopics>,
    targets: Vec<Assignment>,
}

impl Group {
    fn add(&mut self, id: &str, topics: &[(u128, i32)]) -> &mut Self {
        let topics = topics.iter().map(|(number, count)| (topic(*number), *count)).collect();
        self.ids.push(id.to_owned().into());
        self.instances.push(None);
        self.topics.push(Rc::new(topics));
        self.targets.push(Assignment::new());
        self
    }

    fn assign(&mut self, assignor: Assignor) -> &mut Self {
        let subscribers: Vec<Subscriber<'_>> = (0..self.ids.len())
            .map(|at| Subscriber {
                id: &self.ids[at],
                instance_id: self.instances[at].as_ref(),
                topics: Rc::clone(&self.topics[at]),
                target: &self.targets[at],
            })
            .collect();
        self.targets = assignor.assign(&subscribers);
        self
    }

    fn remove(&mut self, at: usize) {
        self.ids.remove(at);
        self.instances.remove(at);
        self.topics.remove(at);
        self.targets.remove(at);
    }

    fn sizes(&self) -> Vec<usize> {
        self.targets.iter().map(BTreeSet::len).collect()
    }

    fn indexes(&self, at: usize, number: u128) -> Vec<i32> {
        let of_topic = self.targets[at].iter().filter(|one| one.topic == topic(number));
        of_topic.map(|one| one.index).collect()
    }
}

#[test]
fn uniform_gives_equal_numbers_and_moves_as_little_as_that_takes() {
    let mut group = Group::default();
    group.add("a", &[(1, 6)]).assign(Assignor::Uniform);
    assert_eq!(group.sizes(), [6]);
    group.add("b", &[(1, 6)]).assign(Assignor::Uniform);
    assert_eq!((group.indexes(0, 1), group.indexes(1, 1)), (vec![0, 1, 2], vec![3, 4, 5]));
    group.add("c", &[(1, 6)]).assign(Assignor::Uniform);
    assert_eq!(group.indexes(0, 1), [0, 1]);
    assert_eq!(group.indexes(1, 1), [3, 4]);
    assert_eq!(group.indexes(2, 1), [2, 5]);
    group.remove(0);
    group.assign(Assignor::Uniform);
    assert_eq!(group.indexes(0, 1), [0, 3, 4]);
    assert_eq!(group.indexes(1, 1), [1, 2, 5]);
}

#[test]
fn uniform_leaves_the_extra_partitions_where_they_are() {
    let mut group = Group::default();
    group.add("a", &[(1, 2)]).add("b", &[(1, 2)]).assign(Assignor::Uniform);
    // The topic grows: "b" got its partition second and keeps it all the same.
    let grown = Rc::new(BTreeMap::from([(topic(1), 3)]));
    group.topics = vec![Rc::clone(&grown), grown];
    group.targets.swap(0, 1);
    group.assign(Assignor::Uniform);
    assert_eq!((group.indexes(0, 1), group.indexes(1, 1)), (vec![1, 2], vec![0]));
    group.targets.swap(0, 1);
    let before = group.targets.clone();
    group.assign(Assignor::Uniform);
    assert_eq!(group.targets, before, "who has one more keeps it");
}

#[test]
fn uniform_balances_what_different_subscriptions_allow() {
    let mut group = Group::default();
    group.add("a", &[(1, 4)]).add("b", &[(1, 4), (2, 2)]).add("c", &[(2, 2), (3, 3)]);
    group.assign(Assignor::Uniform);
    assert_eq!(group.sizes().iter().sum::<usize>(), 9);
    assert_eq!(group.indexes(2, 3), [0, 1, 2], "nobody else may have them");
    assert_eq!(group.sizes(), [3, 3, 3]);
}

#[test]
fn range_gives_the_same_ranges_of_topics_of_the_same_size() {
    let mut group = Group::default();
    for id in ["b", "a"] {
        group.add(id, &[(1, 3), (2, 3)]);
    }
    group.assign(Assignor::Range);
    assert_eq!((group.indexes(1, 1), group.indexes(1, 2)), (vec![0, 1], vec![0, 1]));
    assert_eq!((group.indexes(0, 1), group.indexes(0, 2)), (vec![2], vec![2]));
}

#[test]
fn range_keeps_static_members_in_front_in_the_order_of_their_instances() {
    let mut group = Group::default();
    for id in ["a", "z", "y"] {
        group.add(id, &[(1, 3)]);
    }
    group.instances = vec![None, Some("i1".into()), Some("i2".into())];
    group.assign(Assignor::Range);
    assert_eq!(
        group.targets.iter().map(|t| t.first().unwrap().index).collect::<Vec<_>>(),
        [2, 0, 1]
    );
}

#[test]
fn more_members_than_partitions_leave_some_without() {
    for assignor in Assignor::ALL {
        let mut group = Group::default();
        for id in ["a", "b", "c"] {
            group.add(id, &[(1, 2)]);
        }
        group.assign(assignor);
        assert_eq!(group.sizes(), [1, 1, 0], "{assignor:?}");
    }
}

/// Some members, each with some of four topics, after some history.
fn group() -> impl Strategy<Value = Group> {
    let subscription = collection::btree_set(1..5_u128, 0..4);
    (collection::vec(subscription, 1..7), collection::vec(1..9_i32, 4)).prop_map(
        |(subscriptions, sizes)| {
            let mut group = Group::default();
            for (number, topics) in subscriptions.iter().enumerate() {
                let topics: Vec<_> =
                    topics.iter().map(|topic| (*topic, sizes[*topic as usize - 1])).collect();
                group.add(&format!("m{number}"), &topics);
            }
            group
        },
    )
}

fn check(group: &Group) -> Result<(), proptest::test_runner::TestCaseError> {
    let mut seen = BTreeSet::new();
    for (target, topics) in group.targets.iter().zip(&group.topics) {
        for at in target {
            prop_assert!(seen.insert(*at), "{:?} is assigned twice", at);
            prop_assert!(topics.contains_key(&at.topic), "{:?} is not subscribed to", at);
        }
    }
    let all: BTreeSet<_> = group.topics.iter().flat_map(|topics| partitions_of(topics)).collect();
    prop_assert_eq!(seen, all, "every partition has an owner");
    Ok(())
}

proptest! {
    #[test]
    fn every_partition_goes_to_one_of_its_subscribers(group in group(), gone in 0..7_usize) {
        for assignor in Assignor::ALL {
            let mut group = group.clone();
            group.assign(assignor);
            check(&group)?;
            if group.ids.len() > 1 {
                group.remove(gone % group.ids.len());
                group.assign(assignor);
                check(&group)?;
            }
        }
    }

    #[test]
    fn uniform_is_balanced_and_at_rest(group in group()) {
        let mut group = group.clone();
        group.assign(Assignor::Uniform);
        for (target, _) in group.targets.iter().zip(&group.topics) {
            for (other, topics) in group.targets.iter().zip(&group.topics) {
                let could_move = target.iter().any(|at| topics.contains_key(&at.topic));
                prop_assert!(!could_move || target.len() < other.len() + 2);
            }
        }
        let before = group.targets.clone();
        group.assign(Assignor::Uniform);
        prop_assert_eq!(&group.targets, &before, "a second look changes nothing");
    }
}
