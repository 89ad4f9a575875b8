//! `uniform`: partitions in equal numbers, moved only where the numbers ask for it.
//!
//! With equal subscriptions every member has a quota, and what it has within its quota stays. With
//! different ones the least loaded subscriber takes what nobody has; then partitions move from the
//! most to the least loaded subscriber of their topic for as long as that makes the two more equal.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::TopicId;

use super::{Subscriber, is_homogeneous, partitions_of};
use crate::record::{Assignment, TopicPartition};

/// Walks over all topics that look for a better balance. Each makes the loads more equal, and two
/// or three suffice for any subscriptions that people write; the bound is for the others.
const BALANCING_ROUNDS_MAX: usize = 16;

pub(super) fn assign(members: &[Subscriber<'_>]) -> Vec<Assignment> {
    if members.is_empty() {
        return Vec::new();
    }
    if is_homogeneous(members) { assign_quotas(members) } else { balance(members) }
}

/// What each member has and still may have. A partition that two targets name, which happens when a
/// group was converted, goes to the first.
fn kept(members: &[Subscriber<'_>]) -> Vec<Assignment> {
    let mut taken = BTreeSet::new();
    let exists = |member: &Subscriber<'_>, at: &TopicPartition| {
        member.topics.get(&at.topic).is_some_and(|count| (0..*count).contains(&at.index))
    };
    let keep = |member: &Subscriber<'_>| {
        let target = member.target.iter().copied();
        target.filter(|at| exists(member, at) && taken.insert(*at)).collect()
    };
    members.iter().map(keep).collect()
}

// === equal subscriptions ===

fn assign_quotas(members: &[Subscriber<'_>]) -> Vec<Assignment> {
    let mut targets = kept(members);
    let all: Vec<TopicPartition> = partitions_of(&members[0].topics).collect();
    let quotas = quotas(all.len(), &targets);
    for (target, quota) in targets.iter_mut().zip(&quotas) {
        while target.len() > *quota {
            target.pop_last();
        }
    }
    let assigned: BTreeSet<TopicPartition> = targets.iter().flatten().copied().collect();
    let mut unassigned = all.into_iter().filter(|at| !assigned.contains(at));
    for (target, quota) in targets.iter_mut().zip(quotas) {
        let room = quota - target.len();
        target.extend(unassigned.by_ref().take(room));
    }
    targets
}

/// How many partitions each member may have: all the same, and one more for as many as the
/// division leaves. Those who have more already are the first to keep it.
fn quotas(partitions: usize, targets: &[Assignment]) -> Vec<usize> {
    let (share, mut extra) = (partitions / targets.len(), partitions % targets.len());
    let mut quotas = vec![share; targets.len()];
    for has_more in [true, false] {
        for (quota, target) in quotas.iter_mut().zip(targets) {
            if extra > 0 && (target.len() > share) == has_more {
                *quota += 1;
                extra -= 1;
            }
        }
    }
    quotas
}

// === different subscriptions ===

fn balance(members: &[Subscriber<'_>]) -> Vec<Assignment> {
    let mut targets = kept(members);
    let topics = topics(members);
    let assigned: BTreeSet<TopicPartition> = targets.iter().flatten().copied().collect();
    for (topic, count, subscribers) in &topics {
        let all = (0..*count).map(|index| TopicPartition { topic: *topic, index });
        for at in all.filter(|at| !assigned.contains(at)) {
            let least = subscribers.iter().min_by_key(|member| targets[**member].len());
            targets[*least.expect("a topic here has subscribers")].insert(at);
        }
    }
    for _ in 0..BALANCING_ROUNDS_MAX {
        let moves = topics
            .iter()
            .map(|(topic, _, subscribers)| balance_topic(*topic, subscribers, &mut targets));
        if moves.sum::<usize>() == 0 {
            break;
        }
    }
    targets
}

/// Each topic with its partitions and the positions of its subscribers. Those that few can take
/// come first: the others can then make up for it.
fn topics(members: &[Subscriber<'_>]) -> Vec<(TopicId, i32, Vec<usize>)> {
    let mut topics: BTreeMap<TopicId, (i32, Vec<usize>)> = BTreeMap::new();
    for (position, member) in members.iter().enumerate() {
        for (topic, count) in member.topics.iter() {
            topics.entry(*topic).or_insert_with(|| (*count, Vec::new())).1.push(position);
        }
    }
    let flat = topics.into_iter().map(|(topic, (count, subscribers))| (topic, count, subscribers));
    let mut topics: Vec<_> = flat.collect();
    topics.sort_by_key(|(topic, _, subscribers)| (subscribers.len(), *topic));
    topics
}

/// Moves partitions of one topic between its subscribers. Returns how many.
fn balance_topic(topic: TopicId, subscribers: &[usize], targets: &mut [Assignment]) -> usize {
    let mut moves = 0;
    loop {
        let partition_of = |target: &Assignment| {
            let of_topic =
                TopicPartition { topic, index: 0 }..=TopicPartition { topic, index: i32::MAX };
            target.range(of_topic).next_back().copied()
        };
        let owners = subscribers.iter().filter(|member| partition_of(&targets[**member]).is_some());
        let most = owners.max_by_key(|member| targets[**member].len()).copied();
        let least = subscribers.iter().min_by_key(|member| targets[**member].len()).copied();
        let (Some(most), Some(least)) = (most, least) else { return moves };
        if targets[most].len() < targets[least].len() + 2 {
            return moves;
        }
        let at = partition_of(&targets[most]).expect("it has one, or it would not be an owner");
        targets[most].remove(&at);
        targets[least].insert(at);
        moves += 1;
    }
}
