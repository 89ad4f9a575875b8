//! What the log says: the durable state of all groups and transactions.
//!
//! It changes in one way only, by [`Ledger::apply`], on replay and in live operation alike. The
//! state after a replay of the emitted records is therefore the live one by construction. The
//! machinery of rebalances lives elsewhere and is lost in a failover, as clients expect.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::TenantId;

use crate::pending::PendingOffsets;
use crate::record::{
    CommittedOffset, ConsumerChange, GroupKey, Membership, Record, TopicPartition, TransactionKey,
};
use crate::transactions::{Producer, Transaction};

mod consumer;

pub(crate) use consumer::{ConsumerLedger, MemberLedger};

/// The durable state of every group and transactional id of one internal partition.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    groups: BTreeMap<GroupKey, GroupLedger>,
    /// The groups with pending offsets: what a marker looks through.
    unstable: BTreeSet<GroupKey>,
    transactions: BTreeMap<TransactionKey, Transaction>,
}

/// The durable state of one group. A group about which nothing is durable has none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct GroupLedger {
    /// The settled members of a classic group. `None` for one that only ever stored offsets.
    pub(crate) membership: Option<Membership>,
    /// What there is to know of a consumer group (KIP-848). Never together with a membership.
    pub(crate) consumer: Option<ConsumerLedger>,
    /// The highest generation or group epoch there was. It goes on when a group changes its
    /// protocol, so that nobody of before is taken for somebody of now (C2).
    pub(crate) generation_promised: i32,
    /// The committed positions.
    pub(crate) offsets: BTreeMap<TopicPartition, CommittedOffset>,
    /// Positions in transactions that are not over.
    pub(crate) pending: PendingOffsets,
}

impl GroupLedger {
    /// The settled generation or the group epoch; zero before the first.
    pub(crate) fn generation(&self) -> i32 {
        let epoch = self.consumer.as_ref().map_or(0, |consumer| consumer.epochs.group);
        self.membership.as_ref().map_or(epoch, |membership| membership.generation)
    }

    /// True if the log knows no member of the group.
    pub(crate) fn is_empty(&self) -> bool {
        self.membership.as_ref().is_none_or(|membership| membership.members.is_empty())
            && self.consumer.as_ref().is_none_or(|consumer| consumer.members.is_empty())
    }

    /// Since when a group that had members is without any, as far as the log knows.
    pub(crate) fn empty_since_ms(&self) -> Option<i64> {
        let classic = self.membership.as_ref().map(|last| last.since_ms);
        classic.or_else(|| self.consumer.as_ref().map(|consumer| consumer.epochs.since_ms))
    }

    fn apply_consumer(&mut self, change: &ConsumerChange) {
        self.membership = None;
        let consumer = self.consumer.get_or_insert_default();
        consumer.apply(change);
        self.generation_promised = self.generation_promised.max(consumer.epochs.group);
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

    pub(crate) fn transaction(&self, key: &TransactionKey) -> Option<&Transaction> {
        self.transactions.get(key)
    }

    pub(crate) fn transactions(&self) -> impl Iterator<Item = (&TransactionKey, &Transaction)> {
        self.transactions.iter()
    }

    /// The transactional ids of one tenant.
    pub(crate) fn transactions_of(
        &self,
        tenant: TenantId,
    ) -> impl Iterator<Item = (&TransactionKey, &Transaction)> {
        let first = TransactionKey { tenant, id: "".into() };
        self.transactions.range(first..).take_while(move |(key, _)| key.tenant == tenant)
    }

    /// Whether a producer left offsets in transactions up to this epoch.
    pub(crate) fn has_pending(&self, tenant: TenantId, producer: Producer) -> bool {
        let unstable = self.unstable_of(tenant).filter_map(|key| self.groups.get(key));
        unstable.into_iter().any(|ledger| ledger.pending.has(producer))
    }

    fn unstable_of(&self, tenant: TenantId) -> impl Iterator<Item = &GroupKey> {
        let first = GroupKey { tenant, group: "".into() };
        self.unstable.range(first..).take_while(move |key| key.tenant == tenant)
    }

    /// Makes one record part of the state.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Membership { group, membership } => {
                let ledger = self.groups.entry(group.clone()).or_default();
                ledger.generation_promised = ledger.generation_promised.max(membership.generation);
                ledger.membership = Some(membership.clone());
                ledger.consumer = None;
            }
            Record::Consumer { group, change } => {
                self.groups.entry(group.clone()).or_default().apply_consumer(change);
            }
            Record::GenerationPromised { group, generation } => {
                let ledger = self.groups.entry(group.clone()).or_default();
                ledger.generation_promised = ledger.generation_promised.max(*generation);
            }
            Record::GroupDeleted { group } => {
                self.groups.remove(group);
                self.unstable.remove(group);
            }
            Record::OffsetsCommitted { group, offsets } => self.change(group, |ledger| {
                for (at, committed) in offsets {
                    let before = ledger.offsets.insert(*at, committed.clone());
                    // Unless this is a snapshot, replayed on top of itself.
                    if before.as_ref() != Some(committed) {
                        ledger.pending.forget(at);
                    }
                }
            }),
            Record::OffsetsDeleted { group, partitions } => self.change(group, |ledger| {
                for at in partitions {
                    ledger.pending.forget(at);
                    ledger.offsets.remove(at);
                }
            }),
            Record::OffsetsPending { group, producer, offsets } => self.change(group, |ledger| {
                for (at, committed) in offsets {
                    ledger.pending.add(*producer, *at, committed.clone());
                }
            }),
            Record::Marker { tenant, producer, commit } => {
                let unstable: Vec<GroupKey> = self.unstable_of(*tenant).cloned().collect();
                for group in unstable {
                    self.change(&group, |ledger| {
                        ledger.offsets.extend(ledger.pending.end(*producer, *commit));
                    });
                }
            }
            Record::Transaction { key, transaction } => {
                self.transactions.insert(key.clone(), transaction.clone());
            }
            Record::TransactionExpired { key } => {
                self.transactions.remove(key);
            }
        }
    }

    /// Changes a group's offsets. One about which nothing is left does not exist.
    fn change(&mut self, group: &GroupKey, act: impl FnOnce(&mut GroupLedger)) {
        let ledger = self.groups.entry(group.clone()).or_default();
        act(ledger);
        if ledger.pending.is_empty() {
            self.unstable.remove(group);
        } else {
            self.unstable.insert(group.clone());
        }
        if *ledger == GroupLedger::default() {
            self.groups.remove(group);
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
            if let Some(consumer) = &ledger.consumer {
                consumer.snapshot(group, &mut records);
            }
            if ledger.generation_promised > ledger.generation() {
                let (group, generation) = (group.clone(), ledger.generation_promised);
                records.push(Record::GenerationPromised { group, generation });
            }
            let offsets = ledger.offsets.iter().map(|(at, committed)| (*at, committed.clone()));
            records.extend(Record::offsets_committed(group, offsets));
            records.extend(pending_records(group, &ledger.pending));
        }
        let transactions = self.transactions.iter();
        records.extend(transactions.map(|(key, transaction)| {
            let (key, transaction) = (key.clone(), transaction.clone());
            Record::Transaction { key, transaction }
        }));
        records
    }
}

/// What replays to these pending offsets: neighbours of one producer share a record.
fn pending_records(group: &GroupKey, pending: &PendingOffsets) -> Vec<Record> {
    let in_order: Vec<_> = pending.in_order().collect();
    let runs = in_order.chunk_by(|(one, ..), (next, ..)| one == next);
    let records = runs.flat_map(|run| {
        let offsets = run.iter().map(|(_, at, committed)| (*at, committed.clone()));
        Record::offsets_pending(group, run[0].0, offsets)
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any};
    use proptest::{collection, prop_assert_eq, prop_oneof, proptest};
    use protocol::ids::TopicId;
    use uuid::Uuid;

    use super::*;
    use crate::record::{
        Assignment, ConsumerEpochs, ConsumerMember, CurrentAssignment, MemberRecord,
    };

    fn key(number: u8) -> GroupKey {
        GroupKey {
            tenant: TenantId(u32::from(number % 2)),
            group: format!("{}", number / 2).into(),
        }
    }

    fn at(number: u8) -> TopicPartition {
        TopicPartition { topic: TopicId(Uuid::from_u128(1)), index: i32::from(number) }
    }

    fn membership(generation: i32, members: usize) -> Membership {
        let member = MemberRecord { id: "m".into(), ..MemberRecord::default() };
        Membership { generation, members: vec![member; members], ..Membership::default() }
    }

    fn committed(offset: i64) -> CommittedOffset {
        CommittedOffset { offset, leader_epoch: 0, metadata: "".into(), committed_at_ms: 0 }
    }

    fn consumer_change() -> impl Strategy<Value = ConsumerChange> {
        let id = || prop_oneof!["a", "b"].prop_map(protocol::StrBytes::from);
        let member = || id().prop_map(|id| ConsumerMember { id, ..ConsumerMember::default() });
        let some = || (0..3_u8).prop_map(|index| Assignment::from([at(index)]));
        prop_oneof![
            (1..9_i32, 1..9_i32).prop_map(|(group, target)| {
                ConsumerChange::Epochs(ConsumerEpochs {
                    group,
                    target,
                    topics_hash: 1,
                    since_ms: 2,
                })
            }),
            member().prop_map(ConsumerChange::Subscribed),
            (id(), member())
                .prop_map(|(former_id, member)| ConsumerChange::Replaced { former_id, member }),
            (id(), some()).prop_map(|(member_id, partitions)| {
                ConsumerChange::Targeted { member_id, partitions }
            }),
            (id(), some(), 1..9_i32).prop_map(|(member_id, assigned, epoch)| {
                let current = CurrentAssignment { epoch, assigned, ..Default::default() };
                ConsumerChange::Reconciled { member_id, current }
            }),
            id().prop_map(|member_id| ConsumerChange::Left { member_id }),
        ]
    }

    fn producer() -> impl Strategy<Value = Producer> {
        (0..3_i64, 0..2_i16).prop_map(|(id, epoch)| Producer { id, epoch })
    }

    /// Records about few enough groups and partitions that they meet.
    fn record() -> impl Strategy<Value = Record> {
        let group = || (0..4_u8).prop_map(key);
        prop_oneof![
            (group(), 1..9_i32, 0..2_usize).prop_map(|(group, generation, members)| {
                Record::Membership { group, membership: membership(generation, members) }
            }),
            (group(), 1..9_i32)
                .prop_map(|(group, generation)| Record::GenerationPromised { group, generation }),
            (group(), consumer_change())
                .prop_map(|(group, change)| Record::Consumer { group, change }),
            group().prop_map(|group| Record::GroupDeleted { group }),
            (group(), 0..3_u8, any::<i64>()).prop_map(|(group, index, offset)| {
                Record::OffsetsCommitted { group, offsets: vec![(at(index), committed(offset))] }
            }),
            (group(), 0..3_u8).prop_map(|(group, index)| {
                Record::OffsetsDeleted { group, partitions: vec![at(index)] }
            }),
            (group(), producer(), 0..3_u8, any::<i64>()).prop_map(
                |(group, producer, index, offset)| {
                    let offsets = vec![(at(index), committed(offset))];
                    Record::OffsetsPending { group, producer, offsets }
                }
            ),
            (0..2_u32, producer(), any::<bool>()).prop_map(|(tenant, producer, commit)| {
                Record::Marker { tenant: TenantId(tenant), producer, commit }
            }),
        ]
    }

    fn replayed<'a>(records: impl IntoIterator<Item = &'a Record>) -> Ledger {
        let mut ledger = Ledger::default();
        records.into_iter().for_each(|record| ledger.apply(record));
        ledger
    }

    proptest! {
        #[test]
        fn a_snapshot_replays_to_the_same_state_on_top_of_nothing_and_of_itself(
            records in collection::vec(record(), 0..40),
            cut in any::<proptest::sample::Index>(),
        ) {
            let ledger = replayed(&records);
            let snapshot = ledger.snapshot();
            prop_assert_eq!(&replayed(&snapshot), &ledger);
            // A crash may come while a snapshot is written, or before the log in front of it is cut.
            let written = &snapshot[..cut.index(snapshot.len() + 1)];
            prop_assert_eq!(&replayed(records.iter().chain(&snapshot)), &ledger);
            prop_assert_eq!(&replayed(records.iter().chain(written)), &ledger);
        }
    }

    #[test]
    fn the_groups_of_a_tenant_are_its_own() {
        let group = |tenant, group: &'static str| GroupKey {
            tenant: TenantId(tenant),
            group: group.into(),
        };
        let keys = [group(1, "z"), group(2, ""), group(2, "a"), group(3, "")];
        let ledger = replayed(
            &keys.clone().map(|group| Record::GenerationPromised { group, generation: 1 }),
        );
        let of_2: Vec<_> = ledger.groups_of(TenantId(2)).map(|(key, _)| key.clone()).collect();
        assert_eq!(of_2, keys[1..3]);
    }

    #[test]
    fn a_group_about_which_nothing_is_left_does_not_exist() {
        let commit =
            Record::OffsetsCommitted { group: key(0), offsets: vec![(at(0), committed(1))] };
        let delete = Record::OffsetsDeleted { group: key(0), partitions: vec![at(0)] };
        assert_eq!(replayed([&commit, &delete]), Ledger::default());
    }
}
