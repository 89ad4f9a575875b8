//! The leader epochs of one partition and where each began (KIP-101, KIP-320).
//!
//! ```text
//! (0, 0)      (2, 40)         (5, 90)
//!   |--- epoch 0 ---|--- epoch 2 ---|--- epoch 5 ...  log end
//! ```
//!
//! The history is never cut at the log start: a consumer that asks about an epoch from before must
//! not be told of a truncation that never happened (C8, KAFKA-19902).

/// Epochs in ascending order, each with the offset its first record has or would have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EpochHistory {
    entries: Vec<(i32, i64)>,
}

impl EpochHistory {
    /// The history a manifest carries.
    pub(crate) fn new(entries: Vec<(i32, i64)>) -> Self {
        Self { entries }
    }

    /// Begins `epoch` at `start_offset`. Epochs that got no record leave the history, as in Kafka.
    pub(crate) fn begin(&mut self, epoch: i32, start_offset: i64) {
        while self.entries.last().is_some_and(|&(_, start)| start >= start_offset) {
            self.entries.pop();
        }
        self.entries.push((epoch, start_offset));
    }

    /// The entries, for the manifest.
    pub(crate) fn entries(&self) -> &[(i32, i64)] {
        &self.entries
    }

    /// The epoch of the record at `offset`, or of the latest epoch if the log ends there.
    pub(crate) fn epoch_at(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|&(_, start)| start <= offset);
        after.checked_sub(1).map(|index| self.entries[index].0)
    }

    /// OffsetForLeaderEpoch: the largest epoch that is at most `asked`, and where it ends. An epoch
    /// before all known ones ends where the first known begins. `None` when nothing is known about
    /// it: it is newer than the latest, or there is no history.
    pub(crate) fn end_of(&self, asked: i32, log_end: i64) -> Option<(i32, i64)> {
        let &(latest, _) = self.entries.last()?;
        if asked == latest {
            return Some((latest, log_end));
        }
        let after = self.entries.partition_point(|&(epoch, _)| epoch <= asked);
        let &(_, end) = self.entries.get(after)?;
        let epoch = after.checked_sub(1).map_or(asked, |index| self.entries[index].0);
        Some((epoch, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> EpochHistory {
        EpochHistory::new(vec![(1, 0), (3, 40), (5, 90)])
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_begins() {
        assert_eq!(history().end_of(1, 100), Some((1, 40)));
        assert_eq!(history().end_of(3, 100), Some((3, 90)));
        assert_eq!(history().end_of(5, 100), Some((5, 100)));
    }

    #[test]
    fn a_skipped_epoch_is_answered_with_the_one_below() {
        assert_eq!(history().end_of(4, 100), Some((3, 90)));
    }

    #[test]
    fn epochs_outside_the_history_are_told_apart() {
        assert_eq!(history().end_of(0, 100), Some((0, 0)));
        assert_eq!(history().end_of(6, 100), None);
        assert_eq!(EpochHistory::default().end_of(0, 100), None);
    }

    #[test]
    fn an_epoch_without_records_leaves_no_trace() {
        let mut epochs = history();
        epochs.begin(6, 120);
        epochs.begin(7, 120);
        assert_eq!(epochs.entries(), &[(1, 0), (3, 40), (5, 90), (7, 120)]);
    }

    #[test]
    fn the_epoch_of_an_offset_is_the_last_that_began_at_or_before_it() {
        assert_eq!(history().epoch_at(39), Some(1));
        assert_eq!(history().epoch_at(40), Some(3));
        assert_eq!(history().epoch_at(500), Some(5));
        assert_eq!(EpochHistory::default().epoch_at(0), None);
    }
}
