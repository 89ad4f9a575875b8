//! Idempotence, exactly as Kafka does it: what each producer id last wrote to one partition.
//!
//! ```text
//! batch (producer id, epoch, first sequence .. last sequence)
//!   same epoch and range as one of the last five  -> duplicate, acknowledged with its offset
//!   older epoch                                   -> INVALID_PRODUCER_EPOCH
//!   newer epoch, sequence 0                       -> append, forgets the older epoch
//!   newer epoch, sequence other than 0            -> OUT_OF_ORDER_SEQUENCE_NUMBER
//!   same epoch, sequence follows the last one     -> append (2^31-1 is followed by 0)
//!   same epoch, any other sequence                -> OUT_OF_ORDER_SEQUENCE_NUMBER
//!   producer we know nothing about                -> append at any sequence (KIP-360)
//!   epoch known from a marker only                -> append at sequence 0
//! ```
//!
//! The table is complete before a partition takes its first append (T1): it comes from the index
//! or the footers of the logs before, and each batch updates it in the lock that gives its offset.

use std::collections::{HashMap, VecDeque};

use protocol::batch::Sequence;
use segment::index::{ProducerBatch, ProducerState};
use thiserror::Error;

use crate::limits::{PRODUCER_BATCHES, PRODUCERS_PER_PARTITION_MAX};

/// No coordinator has ended a transaction of the producer.
pub(crate) const NO_COORDINATOR: i32 = -1;

/// One remembered batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SequencedBatch {
    /// Sequence of its first record.
    pub base_sequence: i32,
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Largest timestamp in it: the append time of a LogAppendTime topic.
    pub max_timestamp: i64,
}

/// What one producer id did to one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    /// The epoch of all remembered batches, or of a marker that came after them.
    pub epoch: i16,
    /// The last batches, oldest first; never more than five. None since a marker bumped the epoch.
    pub batches: VecDeque<SequencedBatch>,
    /// When it last appended, for expiry.
    pub touched_ms: i64,
    /// Epoch of the coordinator that last ended a transaction of it; -1 if none did.
    pub coordinator_epoch: i32,
    /// Where its open transaction began.
    pub txn_first_offset: Option<i64>,
}

impl ProducerEntry {
    fn new(epoch: i16, now_ms: i64) -> Self {
        Self {
            epoch,
            batches: VecDeque::with_capacity(1),
            touched_ms: now_ms,
            coordinator_epoch: NO_COORDINATOR,
            txn_first_offset: None,
        }
    }

    /// What a snapshot or an index says, as of now.
    pub(crate) fn of(state: &ProducerState, now_ms: i64) -> Self {
        let batches = state.batches.iter().map(|batch| SequencedBatch {
            base_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence,
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
            max_timestamp: batch.timestamp,
        });
        Self {
            batches: batches.collect(),
            coordinator_epoch: state.coordinator_epoch,
            ..Self::new(state.producer_epoch, now_ms)
        }
    }

    fn state(&self, producer_id: i64) -> ProducerState {
        let batches = self.batches.iter().map(|batch| ProducerBatch {
            base_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence,
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
            timestamp: batch.max_timestamp,
        });
        ProducerState {
            batches: batches.collect(),
            coordinator_epoch: self.coordinator_epoch,
            txn_first_offset: self.txn_first_offset,
            ..ProducerState::new(producer_id, self.epoch)
        }
    }

    /// A new epoch starts its sequences anew.
    fn begin(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    fn out_of_order(&self, Sequence { epoch, first, .. }: Sequence) -> SequenceError {
        let last = self.last_sequence().unwrap_or(-1);
        SequenceError::OutOfOrder { epoch, first, known: self.epoch, last }
    }

    /// The last sequence of its epoch.
    pub(crate) fn last_sequence(&self) -> Option<i32> {
        self.batches.back().map(|batch| batch.last_sequence)
    }

    fn remember(&mut self, batch: SequencedBatch) {
        if self.batches.len() == PRODUCER_BATCHES {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }
}

/// What to do with a batch whose sequence is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// New: append it.
    Append,
    /// Already there: acknowledge what was appended then.
    Duplicate(SequencedBatch),
}

/// Why a batch must not be appended. Both are definite (R44).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum SequenceError {
    /// A newer instance of the producer has written since.
    #[error("producer epoch {epoch} is older than {known}, which the partition has seen")]
    StaleEpoch {
        /// Of the batch.
        epoch: i16,
        /// The latest.
        known: i16,
    },
    /// A batch before this one is missing, or it is older than all that are remembered.
    #[error("sequence {first} in epoch {epoch} does not follow {last} in epoch {known}")]
    OutOfOrder {
        /// Of the batch.
        epoch: i16,
        /// Its first sequence.
        first: i32,
        /// The epoch that the partition knows.
        known: i16,
        /// The last sequence in it.
        last: i32,
    },
}

/// All producers one partition remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProducerTable {
    entries: HashMap<i64, ProducerEntry>,
}

impl ProducerTable {
    /// Decides about a batch without changing anything.
    pub(crate) fn check(&self, sequence: Sequence) -> Result<Verdict, SequenceError> {
        let Some(entry) = self.entries.get(&sequence.producer_id) else {
            return Ok(Verdict::Append);
        };
        if sequence.epoch < entry.epoch {
            return Err(SequenceError::StaleEpoch { epoch: sequence.epoch, known: entry.epoch });
        }
        if sequence.epoch > entry.epoch {
            return match sequence.first {
                0 => Ok(Verdict::Append),
                _ => Err(entry.out_of_order(sequence)),
            };
        }
        let duplicate = entry.batches.iter().find(|batch| {
            batch.base_sequence == sequence.first && batch.last_sequence == sequence.last
        });
        if let Some(batch) = duplicate {
            return Ok(Verdict::Duplicate(*batch));
        }
        let in_order = match entry.last_sequence() {
            Some(last) => follows(last, sequence.first),
            None => sequence.first == 0,
        };
        if in_order { Ok(Verdict::Append) } else { Err(entry.out_of_order(sequence)) }
    }

    /// What is known of a producer.
    pub(crate) fn find(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.entries.get(&producer_id)
    }

    /// Remembers an appended batch. The caller has checked it.
    pub(crate) fn record(
        &mut self,
        producer_id: i64,
        epoch: i16,
        batch: SequencedBatch,
        now_ms: i64,
    ) {
        let entry = self.touch(producer_id, epoch, now_ms);
        entry.begin(epoch);
        entry.remember(batch);
    }

    /// Begins a transaction with the batch recorded last, unless one is open. True if it did.
    pub(crate) fn begin_transaction(&mut self, producer_id: i64, first_offset: i64) -> bool {
        let entry = self.entries.get_mut(&producer_id).expect("a recorded batch has a producer");
        let begins = entry.txn_first_offset.is_none();
        entry.txn_first_offset.get_or_insert(first_offset);
        begins
    }

    /// Remembers a marker, which may be the first that is heard of the producer. Returns where the
    /// transaction began that it ended.
    pub(crate) fn end_transaction(
        &mut self,
        producer_id: i64,
        epoch: i16,
        coordinator_epoch: i32,
        now_ms: i64,
    ) -> Option<i64> {
        let entry = self.touch(producer_id, epoch, now_ms);
        entry.begin(epoch);
        entry.coordinator_epoch = coordinator_epoch;
        entry.txn_first_offset.take()
    }

    fn touch(&mut self, producer_id: i64, epoch: i16, now_ms: i64) -> &mut ProducerEntry {
        let full = self.entries.len() >= PRODUCERS_PER_PARTITION_MAX;
        if full && !self.entries.contains_key(&producer_id) {
            self.forget_oldest();
        }
        let entry = self.entries.entry(producer_id);
        let entry = entry.or_insert_with(|| ProducerEntry::new(epoch, now_ms));
        entry.touched_ms = now_ms;
        entry
    }

    /// Says which transactions are open, of all of them.
    pub(crate) fn set_open(&mut self, open: impl Iterator<Item = (i64, i64)>) {
        self.entries.values_mut().for_each(|entry| entry.txn_first_offset = None);
        for (producer_id, first_offset) in open {
            if let Some(entry) = self.entries.get_mut(&producer_id) {
                entry.txn_first_offset = Some(first_offset);
            }
        }
    }

    /// Forgets producers silent for longer than `producer.id.expiration.ms`. Not those whose
    /// transaction is open: it must be known whom its marker is for.
    pub(crate) fn expire(&mut self, now_ms: i64, after_ms: i64) {
        self.entries.retain(|_, entry| {
            let is_open = entry.txn_first_offset.is_some();
            is_open || now_ms.saturating_sub(entry.touched_ms) <= after_ms
        });
    }

    /// Every producer, for an index snapshot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &ProducerEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// The same as snapshots store it, in the order of ids.
    pub(crate) fn states(&self) -> Vec<ProducerState> {
        let mut states: Vec<_> = self.iter().map(|(id, entry)| entry.state(id)).collect();
        states.sort_unstable_by_key(|state| state.producer_id);
        states
    }

    /// Adds what a later log says about a producer. Applied in the order of the logs, snapshots
    /// that overlap (a full snapshot after a partial one) and ones that only continue both give the
    /// table a live partition would have.
    pub(crate) fn absorb(&mut self, producer_id: i64, later: ProducerEntry) {
        let Some(entry) = self.entries.get_mut(&producer_id) else {
            self.entries.insert(producer_id, later);
            return;
        };
        let coordinator_epoch = entry.coordinator_epoch.max(later.coordinator_epoch);
        entry.coordinator_epoch = coordinator_epoch;
        if later.epoch < entry.epoch {
            return;
        }
        if later.epoch > entry.epoch {
            *entry = ProducerEntry { coordinator_epoch, ..later };
            return;
        }
        let known_upto = entry.batches.back().map_or(-1, |batch| batch.last_offset);
        for batch in later.batches.into_iter().filter(|batch| batch.base_offset > known_upto) {
            entry.remember(batch);
        }
        entry.touched_ms = entry.touched_ms.max(later.touched_ms);
    }

    /// At the cap the longest silent producer goes, as if it had expired: it may continue at any
    /// sequence, so at worst a retry of its last batch is appended twice. Never one whose transaction
    /// is open: coordinators bound how many and how long.
    fn forget_oldest(&mut self) {
        let idle = self.entries.iter().filter(|(_, entry)| entry.txn_first_offset.is_none());
        let oldest = idle.min_by_key(|(_, entry)| entry.touched_ms);
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.entries.remove(&id);
        }
    }
}

/// Sequences count to 2^31-1 and start again at 0.
fn follows(last: i32, next: i32) -> bool {
    if last == i32::MAX { next == 0 } else { next == last + 1 }
}

#[cfg(test)]
mod tests;
