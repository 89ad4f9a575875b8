//! Server-side assignors: which member should have which partition (KIP-848).
//!
//! Pure and repeatable: the same group in the same state is always given the same targets.

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::StrBytes;
use protocol::ids::TopicId;

use crate::record::{Assignment, TopicPartition};

mod range;
mod uniform;

/// The topics that a member subscribes to and that exist, with their numbers of partitions. Shared
/// by members with the same subscription.
pub(super) type SubscribedTopics = Rc<BTreeMap<TopicId, i32>>;

/// A member as an assignor sees it.
#[derive(Debug, Clone)]
pub(super) struct Subscriber<'a> {
    pub(super) id: &'a StrBytes,
    pub(super) instance_id: Option<&'a StrBytes>,
    pub(super) topics: SubscribedTopics,
    /// What it should have so far.
    pub(super) target: &'a Assignment,
}

/// The assignors that members can vote for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignor {
    /// Every member gets as many partitions as every other, and keeps those it has.
    Uniform,
    /// Every member gets a range of each topic, the same one of topics of the same size.
    Range,
}

impl Assignor {
    /// All of them, the one first that a group gets if no member has voted (Kafka's default of
    /// `group.consumer.assignors`).
    pub(super) const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// What each member should have, in the order of `members`.
    pub(super) fn assign(self, members: &[Subscriber<'_>]) -> Vec<Assignment> {
        match self {
            Self::Uniform => uniform::assign(members),
            Self::Range => range::assign(members),
        }
    }
}

/// All partitions of all topics that somebody subscribes to.
fn partitions_of(topics: &BTreeMap<TopicId, i32>) -> impl Iterator<Item = TopicPartition> {
    let of = |(topic, count): (&TopicId, &i32)| {
        let topic = *topic;
        (0..*count).map(move |index| TopicPartition { topic, index })
    };
    topics.iter().flat_map(of)
}

/// True if all members subscribe to the same topics.
fn is_homogeneous(members: &[Subscriber<'_>]) -> bool {
    members.windows(2).all(|pair| {
        Rc::ptr_eq(&pair[0].topics, &pair[1].topics) || pair[0].topics == pair[1].topics
    })
}

#[cfg(test)]
mod tests;
