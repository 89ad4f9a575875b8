//! Each transition, then every interleaving that chance finds.

use std::collections::BTreeMap;

use proptest::prelude::any;
use proptest::{collection, prop_assert, prop_assert_eq, proptest};
use protocol::ids::TopicId;
use uuid::Uuid;

use super::*;

fn at(index: i32) -> TopicPartition {
    TopicPartition { topic: TopicId(Uuid::from_u128(1)), index }
}

fn set(indexes: &[i32]) -> Assignment {
    indexes.iter().copied().map(at).collect()
}

fn current(
    state: MemberState,
    epoch: i32,
    assigned: &[i32],
    revoking: &[i32],
) -> CurrentAssignment {
    CurrentAssignment {
        epoch,
        previous_epoch: epoch - 1,
        state,
        assigned: set(assigned),
        revoking: set(revoking),
        awaits_sync: false,
    }
}

use MemberState::{Stable, UnreleasedPartitions, UnrevokedPartitions};

/// One row: what the member has, its target, what its client says, what others hold; and after.
struct Row {
    name: &'static str,
    before: CurrentAssignment,
    target: (i32, &'static [i32]),
    owned: Option<&'static [i32]>,
    taken: &'static [i32],
    after: (MemberState, i32, &'static [i32], &'static [i32]),
}

/// Members that get something, sooner or later.
fn getting() -> Vec<Row> {
    vec![
        Row {
            name: "at its target's epoch nothing happens",
            before: current(Stable, 5, &[1], &[]),
            target: (5, &[1, 2]),
            owned: Some(&[1]),
            taken: &[],
            after: (Stable, 5, &[1], &[]),
        },
        Row {
            name: "what is free comes at once",
            before: current(Stable, 5, &[1], &[]),
            target: (6, &[1, 2]),
            owned: None,
            taken: &[],
            after: (Stable, 6, &[1, 2], &[]),
        },
        Row {
            name: "what another member has comes later",
            before: current(Stable, 5, &[1], &[]),
            target: (6, &[1, 2, 3]),
            owned: None,
            taken: &[3],
            after: (UnreleasedPartitions, 6, &[1, 2], &[]),
        },
        Row {
            name: "released by the other member",
            before: current(UnreleasedPartitions, 6, &[1], &[]),
            target: (6, &[1, 3]),
            owned: None,
            taken: &[],
            after: (Stable, 6, &[1, 3], &[]),
        },
        Row {
            name: "a target that takes something comes before what is not released",
            before: current(UnreleasedPartitions, 6, &[1, 2], &[]),
            target: (7, &[2, 3]),
            owned: None,
            taken: &[3],
            after: (UnrevokedPartitions, 6, &[2], &[1]),
        },
    ]
}

/// Members that are to give something back.
fn giving() -> Vec<Row> {
    vec![
        Row {
            name: "what goes to others is asked for first, and the epoch stays",
            before: current(Stable, 5, &[1, 2], &[]),
            target: (6, &[2, 3]),
            owned: Some(&[1, 2]),
            taken: &[],
            after: (UnrevokedPartitions, 5, &[2], &[1]),
        },
        Row {
            name: "a client that does not have it any more need not be asked",
            before: current(Stable, 5, &[1, 2], &[]),
            target: (6, &[2]),
            owned: Some(&[2]),
            taken: &[],
            after: (Stable, 6, &[2], &[]),
        },
        Row {
            name: "silence gives nothing back",
            before: current(UnrevokedPartitions, 5, &[2], &[1]),
            target: (6, &[2]),
            owned: None,
            taken: &[],
            after: (UnrevokedPartitions, 5, &[2], &[1]),
        },
        Row {
            name: "nor does a client that has it still",
            before: current(UnrevokedPartitions, 5, &[2], &[1]),
            target: (6, &[2]),
            owned: Some(&[1, 2]),
            taken: &[],
            after: (UnrevokedPartitions, 5, &[2], &[1]),
        },
        Row {
            name: "given back: on to the target",
            before: current(UnrevokedPartitions, 5, &[2], &[1]),
            target: (8, &[2, 3]),
            owned: Some(&[2]),
            taken: &[],
            after: (Stable, 8, &[2, 3], &[]),
        },
        Row {
            name: "given back, and the target of meanwhile takes more: one epoch on",
            before: current(UnrevokedPartitions, 5, &[2, 3], &[1]),
            target: (8, &[3]),
            owned: Some(&[2, 3]),
            taken: &[],
            after: (UnrevokedPartitions, 6, &[3], &[2]),
        },
        Row {
            name: "given back, and the target wants it again: it was not another's",
            before: current(UnrevokedPartitions, 5, &[2], &[1]),
            target: (8, &[1, 2]),
            owned: Some(&[2]),
            taken: &[],
            after: (Stable, 8, &[1, 2], &[]),
        },
    ]
}

#[test]
fn each_step_is_the_one_of_the_table() {
    for row in getting().into_iter().chain(giving()) {
        let (epoch, partitions) = row.target;
        let (partitions, owned, taken) = (set(partitions), row.owned.map(set), set(row.taken));
        let target = Target { epoch, partitions: &partitions };
        let after = reconcile(&row.before, target, owned.as_ref(), |at| !taken.contains(at));
        let (state, epoch, assigned, revoking) = row.after;
        assert_eq!(
            (after.state, after.epoch, &after.assigned, &after.revoking),
            (state, epoch, &set(assigned), &set(revoking)),
            "{}",
            row.name
        );
    }
}

#[test]
fn the_epoch_before_is_remembered_until_there_is_another() {
    let before = current(Stable, 5, &[1, 2], &[]);
    let target = set(&[2]);
    let target = Target { epoch: 6, partitions: &target };
    let asked = reconcile(&before, target, Some(&set(&[1, 2])), |_| true);
    assert_eq!((asked.epoch, asked.previous_epoch), (5, 4));
    let done = reconcile(&asked, target, Some(&set(&[2])), |_| true);
    assert_eq!((done.epoch, done.previous_epoch), (6, 5));
}

/// One heartbeat of a member. A client that does not obey keeps what it was told to give back.
fn turn(
    members: &mut BTreeMap<usize, CurrentAssignment>,
    id: usize,
    obeys: bool,
    (epoch, owners): (i32, &[usize]),
) {
    let own = owners.iter().enumerate().filter(|(_, owner)| **owner == id);
    let partitions: Assignment = own.map(|(index, _)| at(index as i32)).collect();
    let before = members[&id].clone();
    let mut owned = before.assigned.clone();
    if !obeys {
        owned.extend(before.revoking.iter().copied());
    }
    let others = members.clone();
    let is_free =
        |at: &TopicPartition| others.iter().all(|(other, has)| *other == id || !has.holds(at));
    let target = Target { epoch, partitions: &partitions };
    members.insert(id, reconcile(&before, target, Some(&owned), is_free));
}

proptest! {
    /// Three members, targets that change at any time, clients that obey late: no partition is ever
    /// with two of them, and everybody gets there in the end.
    #[test]
    fn no_partition_is_with_two_members_and_all_reach_their_target(
        targets in collection::vec(collection::vec(0..3_usize, 6), 1..6),
        turns in collection::vec((0..3_usize, any::<bool>()), 0..60),
        turns_per_target in collection::vec(0..12_usize, 6),
    ) {
        let mut members: BTreeMap<usize, CurrentAssignment> =
            (0..3).map(|id| (id, CurrentAssignment::default())).collect();
        let mut epoch = 0;
        let mut owners: Vec<usize> = Vec::new();
        let mut turns = turns.into_iter();
        for (number, next) in targets.iter().enumerate() {
            epoch = number as i32 + 1;
            owners = next.clone();
            for (id, obeys) in turns.by_ref().take(turns_per_target[number]) {
                turn(&mut members, id, obeys, (epoch, &owners));
                for index in 0..6 {
                    let holders = members.values().filter(|has| has.holds(&at(index))).count();
                    prop_assert!(holders <= 1, "{} members hold {}", holders, index);
                }
            }
        }
        for _ in 0..4 {
            for id in 0..3 {
                turn(&mut members, id, true, (epoch, &owners));
            }
        }
        for (index, owner) in owners.iter().enumerate() {
            prop_assert!(members[owner].assigned.contains(&at(index as i32)));
        }
        for has in members.values() {
            prop_assert_eq!((has.state, has.epoch), (Stable, epoch));
        }
    }
}
