//! From subscriptions and topics to group epochs and targets.
//!
//! The group epoch is written before what it stands for, the target epoch after all targets. A log
//! that ends in between has a target epoch that is behind, and the next heartbeat computes anew.

use std::collections::BTreeMap;

use protocol::StrBytes;
use protocol::ids::TopicId;

use super::ConsumerGroup;
use super::assignor::{Assignor, Subscriber};
use super::topics::{Resolver, hash};
use crate::record::{Assignment, ConsumerChange, ConsumerEpochs, ConsumerMember};

impl ConsumerGroup<'_> {
    /// Raises the group epoch if a member's subscription is about to change to `next`, or if the
    /// topics that members subscribe to are others than the group knows.
    pub(super) fn look_at_topics(&mut self, next: Option<&ConsumerMember>) {
        let revision = self.topics.revision();
        let looked = self.looked_at.insert(self.key.clone(), revision) == Some(revision);
        if looked && next.is_none() {
            return;
        }
        let others = self.infos().filter(|info| next.is_none_or(|next| !is_same(info, next)));
        let topics_hash = self.hash_of(others.chain(next));
        let known = self.state().map(|state| state.epochs.topics_hash);
        if next.is_some() || known != Some(topics_hash) {
            self.raise_epoch(topics_hash);
        }
    }

    /// Raises the group epoch because a member goes.
    pub(super) fn raise_epoch_without(&mut self, member_id: &StrBytes) {
        let topics_hash = self.hash_of(self.infos().filter(|info| info.id != *member_id));
        self.looked_at.insert(self.key.clone(), self.topics.revision());
        self.raise_epoch(topics_hash);
    }

    fn raise_epoch(&mut self, topics_hash: u64) {
        let target = self.state().map_or(0, |state| state.epochs.target);
        let group = self.fx.next_generation(&self.key);
        let since_ms = self.fx.now_ms;
        self.emit(ConsumerChange::Epochs(ConsumerEpochs { group, target, topics_hash, since_ms }));
    }

    fn hash_of<'m>(&self, members: impl Iterator<Item = &'m ConsumerMember>) -> u64 {
        let mut resolver = Resolver::new(self.key.tenant, self.topics);
        let mut all: BTreeMap<TopicId, i32> = BTreeMap::new();
        for member in members {
            all.extend(resolver.topics(member).iter());
        }
        hash(&all)
    }

    /// Computes the targets if the group epoch has moved on.
    pub(super) fn update_targets(&mut self) {
        let Some(state) = self.state() else { return };
        if state.epochs.target == state.epochs.group {
            return;
        }
        let epochs = ConsumerEpochs { target: state.epochs.group, ..state.epochs.clone() };
        for (member_id, partitions) in self.changed_targets() {
            self.emit(ConsumerChange::Targeted { member_id, partitions });
        }
        self.emit(ConsumerChange::Epochs(epochs));
    }

    fn changed_targets(&self) -> Vec<(StrBytes, Assignment)> {
        let Some(state) = self.state() else { return Vec::new() };
        let mut resolver = Resolver::new(self.key.tenant, self.topics);
        let members = state.members.iter().map(|(id, member)| Subscriber {
            id,
            instance_id: member.info.instance_id.as_ref(),
            topics: resolver.topics(&member.info),
            target: &member.target,
        });
        let members: Vec<Subscriber<'_>> = members.collect();
        let assignor = preferred_assignor(state.members.values().map(|member| &member.info));
        let targets = assignor.assign(&members).into_iter().zip(&members);
        let changed = targets.filter(|(target, member)| target != member.target);
        changed.map(|(target, member)| (member.id.clone(), target)).collect()
    }
}

/// The assignor that most members want; of two with as many votes the first of ours.
pub(super) fn preferred_assignor<'a>(
    members: impl Iterator<Item = &'a ConsumerMember>,
) -> Assignor {
    let mut votes = [0_usize; Assignor::ALL.len()];
    for member in members {
        let wanted = member.assignor.as_ref().and_then(|name| Assignor::named(name));
        if let Some(at) = Assignor::ALL.iter().position(|one| Some(*one) == wanted) {
            votes[at] += 1;
        }
    }
    let most = votes.iter().max();
    let preferred = votes.iter().position(|count| Some(count) == most);
    Assignor::ALL[preferred.expect("one of the counts is the largest")]
}

/// True if one takes the place of the other: by its id, or as a static member that came back.
fn is_same(one: &ConsumerMember, other: &ConsumerMember) -> bool {
    one.id == other.id || (one.instance_id.is_some() && one.instance_id == other.instance_id)
}
