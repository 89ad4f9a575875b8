//! The transactions of one partition: which are undecided, and which were aborted.
//!
//! ```text
//!            first undecided = last stable offset        high watermark   next offset
//!   ── decided ──┤ data of 7 ── data of 8 ── COMMIT 8 ────────┤── ABORT 7 ──┤
//! ```
//!
//! A transaction is decided once its marker is *durable*: a consumer with `read_committed` never
//! sees what a failover could take back (T5, D9). Aborted ones are remembered for as long as their
//! records are there, some 40 bytes each.

use std::collections::BTreeMap;
use std::ops::Range;

use segment::{AbortedTransaction, TransactionHistory};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// By first offset, with the offset of the marker that ends it, if one was appended.
    undecided: BTreeMap<i64, Option<i64>>,
    /// By last offset.
    aborted: Vec<Aborted>,
}

#[derive(Debug)]
struct Aborted {
    transaction: AbortedTransaction,
    /// No transaction that ended later began below.
    later_from: i64,
}

// === impl Transactions ===

impl Transactions {
    /// As the logs before had them; what lies below `log_start` is forgotten.
    pub(crate) fn new(history: &TransactionHistory, log_start: i64, log_end: i64) -> Self {
        let undecided: BTreeMap<i64, Option<i64>> =
            history.open().map(|(_, first_offset)| (first_offset, None)).collect();
        let mut later_from = undecided.keys().next().copied().unwrap_or(log_end);
        let known: Vec<_> =
            history.aborted().filter(|aborted| aborted.last_offset >= log_start).collect();
        let newest_first = known.into_iter().rev().map(|transaction| {
            let aborted = Aborted { transaction, later_from };
            later_from = later_from.min(transaction.first_offset);
            aborted
        });
        let mut aborted: Vec<_> = newest_first.collect();
        aborted.reverse();
        Self { undecided, aborted }
    }

    /// A transaction begins with a batch at `first_offset`.
    pub(crate) fn begin(&mut self, first_offset: i64) {
        self.undecided.insert(first_offset, None);
    }

    /// A marker was appended at `ended.last_offset`.
    pub(crate) fn end(&mut self, ended: AbortedTransaction, commit: bool) {
        self.undecided.insert(ended.first_offset, Some(ended.last_offset));
        if !commit {
            let open = self.undecided.iter().find(|(_, marker)| marker.is_none());
            let later_from = open.map_or(ended.last_offset + 1, |(first_offset, _)| *first_offset);
            self.aborted.push(Aborted { transaction: ended, later_from });
        }
    }

    /// Everything below `high_watermark` is durable.
    pub(crate) fn durable(&mut self, high_watermark: i64) {
        if self.undecided.is_empty() {
            return;
        }
        self.undecided.retain(|_, marker| marker.is_none_or(|offset| offset >= high_watermark));
    }

    /// The lowest offset of a transaction that is not decided.
    pub(crate) fn first_undecided(&self) -> Option<i64> {
        self.undecided.keys().next().copied()
    }

    /// The aborted transactions that touch `offsets`, by first offset.
    pub(crate) fn aborted_in(&self, offsets: &Range<i64>) -> Vec<AbortedTransaction> {
        let from =
            self.aborted.partition_point(|known| known.transaction.last_offset < offsets.start);
        let mut touching = Vec::new();
        for known in &self.aborted[from..] {
            if known.transaction.touches(offsets) {
                touching.push(known.transaction);
            }
            if known.later_from >= offsets.end {
                break;
            }
        }
        touching.sort_unstable_by_key(|aborted| aborted.first_offset);
        touching
    }

    /// The aborted transactions whose markers are at or above `offset`, by where they ended.
    pub(crate) fn aborted_from(&self, offset: i64) -> Vec<AbortedTransaction> {
        let from = self.aborted.partition_point(|known| known.transaction.last_offset < offset);
        self.aborted[from..].iter().map(|known| known.transaction).collect()
    }

    /// Forgets aborted transactions of which no record is left.
    pub(crate) fn forget_below(&mut self, log_start: i64) {
        let gone = self.aborted.partition_point(|known| known.transaction.last_offset < log_start);
        self.aborted.drain(..gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(producer_id: i64, first_offset: i64, last_offset: i64) -> AbortedTransaction {
        AbortedTransaction { producer_id, first_offset, last_offset }
    }

    fn found(transactions: &Transactions, offsets: Range<i64>) -> Vec<i64> {
        transactions.aborted_in(&offsets).iter().map(|it| it.first_offset).collect()
    }

    #[test]
    fn a_transaction_is_undecided_until_its_marker_is_durable() {
        let mut transactions = Transactions::default();
        transactions.begin(10);
        transactions.begin(20);
        transactions.end(ended(7, 10, 30), true);
        transactions.durable(30);
        assert_eq!(transactions.first_undecided(), Some(10));
        transactions.durable(31);
        assert_eq!(transactions.first_undecided(), Some(20));
        transactions.end(ended(8, 20, 31), false);
        transactions.durable(32);
        assert_eq!(transactions.first_undecided(), None);
        assert_eq!(transactions.aborted_from(0), [ended(8, 20, 31)]);
    }

    #[test]
    fn a_range_finds_what_touches_it_and_nothing_else() {
        let mut transactions = Transactions::default();
        // One that is open for long, around short ones.
        transactions.begin(0);
        for first in [10, 20, 30] {
            transactions.begin(first);
            transactions.end(ended(first, first, first + 5), false);
        }
        transactions.end(ended(1, 0, 40), false);
        for (range, expected) in [
            (0..10, vec![0]),
            (0..11, vec![0, 10]),
            (16..20, vec![0]),
            (15..21, vec![0, 10, 20]),
            (36..41, vec![0]),
            (41..99, vec![]),
        ] {
            assert_eq!(found(&transactions, range.clone()), expected, "{range:?}");
        }
        transactions.forget_below(26);
        assert_eq!(found(&transactions, 0..99), [0, 30]);
    }

    #[test]
    fn what_the_logs_say_is_what_was_known() {
        let mut transactions = Transactions::default();
        let mut history = TransactionHistory::default();
        let aborted = vec![ended(2, 10, 15), ended(1, 0, 40), ended(3, 50, 60)];
        // Open for long, around another.
        transactions.begin(aborted[1].first_offset);
        transactions.begin(aborted[0].first_offset);
        transactions.end(aborted[0], false);
        transactions.end(aborted[1], false);
        transactions.begin(aborted[2].first_offset);
        transactions.end(aborted[2], false);
        let known = segment::producers::PartitionProducers { producers: Vec::new(), aborted };
        history.add_snapshot(&known, 70);
        let restored = Transactions::new(&history, 0, 70);
        for start in 0..70 {
            for end in start..=70 {
                let range = start..end;
                assert_eq!(found(&restored, range.clone()), found(&transactions, range));
            }
        }
        assert_eq!(Transactions::new(&history, 16, 70).aborted_from(0).len(), 2);
    }
}
