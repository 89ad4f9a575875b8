//! The transactions of one partition, put together from the parts of its history.
//!
//! ```text
//!   producer snapshot        log A            log B
//!   open: 7 from 38     data 7 at 40    ABORT 7 at 50      ─►  aborted: 7, 38..=50
//! ```
//!
//! A log's footers know only what is in the log: the first transaction of a producer that they show
//! may have begun in an earlier one. So each part says where in it a transaction of the producer
//! first ended, whenever it began. That makes a history of parts that overlap, of snapshots and
//! folded footers alike, come out the same as what a live owner had in memory (T1, T4).

use std::collections::BTreeMap;
use std::ops::Range;

use prost::Message;

use crate::index::PartitionIndex;
use crate::producers::PartitionProducers;

/// An aborted transaction of a partition.
///
/// Where it ended matters: a consumer that hears of one that ended before its
/// fetch would drop the same producer's next, committed records (T3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of the marker that ended it.
    pub last_offset: i64,
}

/// A marker, as a part of the history remembers the first of each producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionEnd {
    /// Its offset.
    pub offset: i64,
    /// Commit, or abort.
    pub commit: bool,
}

/// What is known of a partition's transactions up to some offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionHistory {
    /// First offsets of open transactions, by producer.
    open: BTreeMap<i64, i64>,
    /// By last offset: two transactions never share a marker.
    aborted: BTreeMap<i64, AbortedTransaction>,
    upto: i64,
}

impl AbortedTransaction {
    /// Whether a reader of these offsets has to know of it.
    pub fn touches(&self, offsets: &Range<i64>) -> bool {
        self.first_offset < offsets.end && offsets.start <= self.last_offset
    }
}

impl TransactionHistory {
    /// Adds a snapshot, which knows everything below `upto`. Comes before the parts.
    pub fn add_snapshot(&mut self, known: &PartitionProducers, upto: i64) {
        known.aborted.iter().for_each(|aborted| self.add_aborted(*aborted));
        let states = known.producers.iter();
        self.open =
            states.filter_map(|state| Some((state.producer_id, state.txn_first_offset?))).collect();
        self.upto = upto;
    }

    /// Adds what one log has, the next after those added before; it may begin below what is known.
    pub fn add_part(&mut self, part: &PartitionIndex) {
        part.aborted.iter().for_each(|aborted| self.add_aborted(*aborted));
        if part.producers_complete {
            // Whoever it does not name has nothing open.
            if part.end_offset >= self.upto {
                let states = part.producers.iter();
                self.open = states
                    .filter_map(|state| Some((state.producer_id, state.txn_first_offset?)))
                    .collect();
            }
        } else {
            for state in &part.producers {
                let id = state.producer_id;
                self.follow(id, state.first_end, state.txn_first_offset);
            }
        }
        self.upto = self.upto.max(part.end_offset);
    }

    /// What one producer did in a log: its first marker there, and what it left open.
    fn follow(&mut self, producer_id: i64, end: Option<TransactionEnd>, open: Option<i64>) {
        let open = match (self.open.get(&producer_id).copied(), end) {
            (Some(first_offset), Some(end)) if end.offset > first_offset => {
                if !end.commit {
                    let last_offset = end.offset;
                    self.add_aborted(AbortedTransaction { producer_id, first_offset, last_offset });
                }
                open
            }
            // It goes on.
            (Some(first_offset), None) => Some(first_offset),
            // Nothing was open before, or what is known already comes after that marker.
            _ => open,
        };
        match open {
            Some(first_offset) => self.open.insert(producer_id, first_offset),
            None => self.open.remove(&producer_id),
        };
    }

    /// Of two that name the same marker, the one that begins earlier knows more.
    fn add_aborted(&mut self, aborted: AbortedTransaction) {
        let known = self.aborted.entry(aborted.last_offset).or_insert(aborted);
        known.first_offset = known.first_offset.min(aborted.first_offset);
    }

    /// Nothing that is not known happened below `offset`.
    pub fn knows_upto(&mut self, offset: i64) {
        self.upto = self.upto.max(offset);
    }

    /// The producers with open transactions, and where each began.
    pub fn open(&self) -> impl Iterator<Item = (i64, i64)> {
        self.open.iter().map(|(producer_id, first_offset)| (*producer_id, *first_offset))
    }

    /// The aborted transactions, by where they ended.
    pub fn aborted(&self) -> impl Iterator<Item = AbortedTransaction> {
        self.aborted.values().copied()
    }

    /// The aborted transactions that touch `offsets`, by first offset.
    pub fn aborted_in(&self, offsets: &Range<i64>) -> Vec<AbortedTransaction> {
        let later = self.aborted.range(offsets.start..).map(|(_, aborted)| *aborted);
        let mut touching: Vec<_> = later.filter(|aborted| aborted.touches(offsets)).collect();
        touching.sort_unstable_by_key(|aborted| aborted.first_offset);
        touching
    }

    /// The offset below which all is known and decided.
    pub fn stable_upto(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.upto).min(self.upto)
    }
}

/// The stored form of an aborted transaction, in indexes, snapshots and plans.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct AbortedMessage {
    #[prost(int64, tag = "1")]
    producer_id: i64,
    #[prost(int64, tag = "2")]
    first_offset: i64,
    #[prost(int64, tag = "3")]
    last_offset: i64,
}

impl AbortedMessage {
    pub(crate) fn of(aborted: &AbortedTransaction) -> Self {
        let AbortedTransaction { producer_id, first_offset, last_offset } = *aborted;
        Self { producer_id, first_offset, last_offset }
    }

    pub(crate) fn aborted(&self) -> AbortedTransaction {
        let Self { producer_id, first_offset, last_offset } = *self;
        AbortedTransaction { producer_id, first_offset, last_offset }
    }
}

#[cfg(test)]
mod tests;
