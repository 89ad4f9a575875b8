//! What the log says: the durable state of all groups.
//!
//! It changes in one way only, by [`Ledger::apply`], on replay and in live operation alike. The
//! state after a replay of the emitted records is therefore the live one by construction. The
//! machinery of rebalances lives elsewhere and is lost in a failover, as clients expect.

use std::collections::BTreeMap;

use protocol::ids::TenantId;

use crate::record::{CommittedOffset, GroupKey, Membership, Record, TopicPartition};

/// The durable state of every group of one internal partition.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    groups: BTreeMap<GroupKey, GroupLedger>,
}

/// The durable state of one group. A group about which nothing is durable has none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct GroupLedger {
    /// The settled members. `None` for a group that only ever stored offsets.
    pub(crate) membership: Option<Membership>,
    /// The highest generation that any member was told.
    pub(crate) generation_promised: i32,
    /// The committed positions.
    pub(crate) offsets: BTreeMap<TopicPartition, CommittedOffset>,
}

impl GroupLedger {
    /// The settled generation; zero before the first.
    pub(crate) fn generation(&self) -> i32 {
        self.membership.as_ref().map_or(0, |membership| membership.generation)
    }

    /// True if the log knows no member of the group.
    pub(crate) fn is_empty(&self) -> bool {
        self.membership.as_ref().is_none_or(|membership| membership.members.is_empty())
    }
}

impl Ledger {
    pub(crate) fn get(&self, key: &GroupKey) -> Option<&GroupLedger> {
        self.groups.get(key)
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&GroupKey, &GroupLedger)> {
        self.groups.iter()
    }

    /// The groups of one tenant.
    pub(crate) fn groups_of(
        &self,
        tenant: TenantId,
    ) -> impl Iterator<Item = (&GroupKey, &GroupLedger)> {
        let first = GroupKey { tenant, group: "".into() };
        self.groups.range(first..).take_while(move |(key, _)| key.tenant == tenant)
    }

    /// Makes one record part of the state.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Membership { group, membership } => {
                let ledger = self.groups.entry(group.clone()).or_default();
                ledger.generation_promised = ledger.generation_promised.max(membership.generation);
                ledger.membership = Some(membership.clone());
            }
            Record::GenerationPromised { group, generation } => {
                let ledger = self.groups.entry(group.clone()).or_default();
                ledger.generation_promised = ledger.generation_promised.max(*generation);
            }
            Record::GroupDeleted { group } => {
                self.groups.remove(group);
            }
            Record::OffsetsCommitted { group, offsets } => {
                let ledger = self.groups.entry(group.clone()).or_default();
                ledger.offsets.extend(offsets.iter().cloned());
            }
            Record::OffsetsDeleted { group, partitions } => {
                if let Some(ledger) = self.groups.get_mut(group) {
                    for at in partitions {
                        ledger.offsets.remove(at);
                    }
                    if *ledger == GroupLedger::default() {
                        self.groups.remove(group);
                    }
                }
            }
        }
    }

    /// Records that replay to this state.
    pub(crate) fn snapshot(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (group, ledger) in &self.groups {
            if let Some(membership) = &ledger.membership {
                let (group, membership) = (group.clone(), membership.clone());
                records.push(Record::Membership { group, membership });
            }
            if ledger.generation_promised > ledger.generation() {
                let (group, generation) = (group.clone(), ledger.generation_promised);
                records.push(Record::GenerationPromised { group, generation });
            }
            let offsets = ledger.offsets.iter().map(|(at, committed)| (*at, committed.clone()));
            records.extend(Record::offsets_committed(group, offsets));
        }
        records
    }
}
