//! `range`: the partitions of each topic in one range per subscriber.
//!
//! Members with the same subscription get the same range of topics of the same size, so that
//! records with the same key meet in one member: what joins need. Static members come first, in the
//! order of their instance ids: they keep their ranges over restarts.

use std::collections::BTreeMap;

use protocol::ids::TopicId;

use super::Subscriber;
use crate::record::{Assignment, TopicPartition};

/// What is left of a topic while its subscribers are walked.
struct Rest {
    next: i32,
    subscribers: i32,
    partitions: i32,
}

pub(super) fn assign(members: &[Subscriber<'_>]) -> Vec<Assignment> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|&at| {
        let member = &members[at];
        (member.instance_id.is_none(), member.instance_id, member.id)
    });
    let mut topics: BTreeMap<TopicId, Rest> = BTreeMap::new();
    for (topic, &partitions) in members.iter().flat_map(|member| member.topics.iter()) {
        let rest = topics.entry(*topic).or_insert(Rest { next: 0, subscribers: 0, partitions });
        rest.subscribers += 1;
    }
    let mut targets = vec![Assignment::new(); members.len()];
    for at in order {
        for topic in members[at].topics.keys() {
            let rest = topics.get_mut(topic).expect("counted above");
            targets[at].extend(rest.take().map(|index| TopicPartition { topic: *topic, index }));
        }
    }
    targets
}

impl Rest {
    /// The next subscriber's range: an even share of what is left, the larger ones first.
    fn take(&mut self) -> std::ops::Range<i32> {
        let left = self.partitions - self.next;
        let share = left / self.subscribers + i32::from(left % self.subscribers > 0);
        let start = self.next;
        self.next += share;
        self.subscribers -= 1;
        start..self.next
    }
}
