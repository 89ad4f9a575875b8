//! Offsets that nobody has used for the retention time go away, and with them empty groups (KIP-211).
//!
//! | the group                                | its offsets expire                                  |
//! |------------------------------------------|-----------------------------------------------------|
//! | had members, is empty now                | retention after it became empty                     |
//! | has consumers with known subscriptions   | retention after the commit, topics not read any more |
//! | never had members                        | retention after the commit                          |
//! | anything else                            | not at all                                          |
//!
//! Kafka counts from the commit for an empty group of the consumer protocol; it is a group like any
//! other here.

use std::collections::BTreeSet;

use protocol::StrBytes;

use crate::classic::ClassicGroup;
use crate::command::Outputs;
use crate::coordinator::Coordinator;
use crate::ledger::ConsumerLedger;
use crate::record::{GroupKey, Record, TopicPartition};

/// Which topics the members of a group read.
pub(super) enum Readers {
    /// No members.
    Nobody,
    /// These topics.
    Of(BTreeSet<StrBytes>),
    /// Nobody can tell: all of them, to be safe.
    Anything,
}

impl Readers {
    pub(super) fn of(group: &ClassicGroup) -> Self {
        if group.is_empty() {
            return Self::Nobody;
        }
        group.subscribed_topics().map_or(Self::Anything, Self::Of)
    }
}

impl Coordinator {
    pub(crate) fn expire_offsets(&mut self, now_ms: i64, out: &mut Outputs) {
        let keys: Vec<GroupKey> = self.ledger.groups().map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.expire_group(now_ms, key, out);
        }
    }

    fn expire_group(&mut self, now_ms: i64, key: GroupKey, out: &mut Outputs) {
        let Some(ledger) = self.ledger.get(&key) else { return };
        let expired = self.expired(now_ms, &key);
        let nothing_left = expired.len() == ledger.offsets.len() && ledger.pending.is_empty();
        if nothing_left && ledger.is_empty() && !self.groups.contains_key(&key) {
            self.emit(Record::GroupDeleted { group: key }, out);
            return;
        }
        for record in Record::offsets_deleted(&key, &expired) {
            self.emit(record, out);
        }
    }

    /// Whether the group is empty, whether it is known what it reads, and that.
    fn readers(&self, key: &GroupKey) -> (bool, bool, Readers) {
        if let Some(group) = self.consumer(key) {
            return (group.members.is_empty(), true, self.consumer_readers(key, group));
        }
        let readers = self.view(key, |group| {
            let settled = group.is_stable() && group.speaks_consumer_protocol();
            (group.is_empty(), settled, Readers::of(group))
        });
        readers.unwrap_or((true, false, Readers::Nobody))
    }

    /// Who reads from a group whose subscriptions are always known.
    pub(super) fn consumer_readers(&self, key: &GroupKey, group: &ConsumerLedger) -> Readers {
        if group.members.is_empty() {
            return Readers::Nobody;
        }
        Readers::Of(group.subscribed_topics(key.tenant, self.topics.as_ref()))
    }

    fn expired(&self, now_ms: i64, key: &GroupKey) -> Vec<TopicPartition> {
        let Some(ledger) = self.ledger.get(key) else { return Vec::new() };
        let deadline_ms = now_ms.saturating_sub(self.config.offsets_retention_ms);
        let (empty, settled, readers) = self.readers(key);
        if !empty && !settled {
            return Vec::new();
        }
        let empty_since_ms = ledger.empty_since_ms().filter(|_| empty);
        let expired = ledger.offsets.iter().filter(|(at, committed)| {
            let unused_since_ms = empty_since_ms.unwrap_or(committed.committed_at_ms);
            unused_since_ms <= deadline_ms
                && !ledger.pending.is_unstable(at)
                && !self.may_read(key, &readers, at.topic)
        });
        expired.map(|(at, _)| *at).collect()
    }
}
