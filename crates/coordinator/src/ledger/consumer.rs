//! The durable state of a consumer group (KIP-848), which is all of its state.

use std::collections::BTreeMap;

use protocol::StrBytes;

use crate::record::{
    Assignment, ConsumerChange, ConsumerEpochs, ConsumerMember, CurrentAssignment, GroupKey, Record,
};

/// A consumer group: how far it is, and its members.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerLedger {
    pub(crate) epochs: ConsumerEpochs,
    pub(crate) members: BTreeMap<StrBytes, MemberLedger>,
}

/// A member: what it says, what it should have, what it has.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct MemberLedger {
    pub(crate) info: ConsumerMember,
    pub(crate) target: Assignment,
    pub(crate) current: CurrentAssignment,
}

impl ConsumerLedger {
    /// The member that runs under a `group.instance.id`.
    pub(crate) fn instance(&self, instance_id: &StrBytes) -> Option<&MemberLedger> {
        let of = |member: &&MemberLedger| member.info.instance_id.as_ref() == Some(instance_id);
        self.members.values().find(of)
    }

    pub(super) fn apply(&mut self, change: &ConsumerChange) {
        match change {
            ConsumerChange::Epochs(epochs) => self.epochs = epochs.clone(),
            ConsumerChange::Subscribed(info) => {
                self.members.entry(info.id.clone()).or_default().info = info.clone();
            }
            ConsumerChange::Replaced { former_id, member: info } => {
                if let Some(mut member) = self.members.remove(former_id) {
                    // It joins, so it has yet to hear of any epoch.
                    member.current.epoch = 0;
                    member.current.previous_epoch = 0;
                    self.members.insert(info.id.clone(), member);
                }
                self.members.entry(info.id.clone()).or_default().info = info.clone();
            }
            ConsumerChange::Targeted { member_id, partitions } => {
                if let Some(member) = self.members.get_mut(member_id) {
                    member.target = partitions.clone();
                }
            }
            ConsumerChange::Reconciled { member_id, current } => {
                if let Some(member) = self.members.get_mut(member_id) {
                    member.current = current.clone();
                }
            }
            ConsumerChange::Left { member_id } => {
                self.members.remove(member_id);
            }
        }
    }

    /// Records that replay to this state.
    pub(super) fn snapshot(&self, group: &GroupKey, records: &mut Vec<Record>) {
        let mut push = |change| records.push(Record::Consumer { group: group.clone(), change });
        push(ConsumerChange::Epochs(self.epochs.clone()));
        for (id, member) in &self.members {
            push(ConsumerChange::Subscribed(member.info.clone()));
            let (member_id, partitions) = (id.clone(), member.target.clone());
            push(ConsumerChange::Targeted { member_id, partitions });
            let (member_id, current) = (id.clone(), member.current.clone());
            push(ConsumerChange::Reconciled { member_id, current });
        }
    }
}
