//! Sequences of idempotent producers, and what becomes of batches sent behind one that failed.
//!
//! ```text
//! client        1  2  3 ──►          it has up to five under way
//! 1             NOT_LEADER_OR_FOLLOWER
//! 2, 3          must fail as well: taken before 1 comes again, they are out of order at best, and
//!               at worst in the log of an owner that has never heard of their producer (KIP-360)
//! 1  2  3 ──►   again, in order
//! ```
//!
//! A broker that is not the leader fails all that is under way to it. Here the next owner may be
//! ready between two batches of one connection, so the order is kept by remembering what failed.
//! OUT_OF_ORDER_SEQUENCE_NUMBER would be true and do harm: librdkafka raises its epoch on it and
//! sends again what it does not know to be lost, under sequences that nobody can compare.

use std::collections::HashMap;
use std::hash::Hash;

use super::view::BatchView;

/// The producer part of a batch header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// Who produced it.
    pub producer_id: i64,
    /// In which of its epochs.
    pub epoch: i16,
    /// Sequence of the first record.
    pub first: i32,
    /// Sequence of the last record, wrapped.
    pub last: i32,
}

/// The batches that failed, of each `K` the run of one producer, until the producer is seen to begin
/// it again. Each batch is refused once at most for being behind: whoever sends it again knows.
#[derive(Debug, Clone)]
pub struct Interrupted<K> {
    runs: HashMap<K, Sequence>,
    max: usize,
}

impl Sequence {
    /// That of a batch; `None` without a producer id.
    pub fn of(batch: &BatchView<'_>) -> Option<Self> {
        batch.has_producer_id().then(|| Self {
            producer_id: batch.producer_id(),
            epoch: batch.producer_epoch(),
            first: batch.base_sequence(),
            last: batch.last_sequence(),
        })
    }

    fn same_producer(&self, other: &Self) -> bool {
        (self.producer_id, self.epoch) == (other.producer_id, other.epoch)
    }
}

/// Whether `a` comes after `b`, as far as numbers that begin again at 0 can tell.
fn is_after(a: i32, b: i32) -> bool {
    // The distance modulo 2^31: the sign bit of the difference is no part of it.
    let distance = a.wrapping_sub(b) & i32::MAX;
    distance != 0 && distance < 1 << 30
}

impl<K: Copy + Eq + Hash> Interrupted<K> {
    /// Remembers at most `max` runs. What fails beyond that is not remembered, and the batches
    /// behind it are out of order.
    pub fn new(max: usize) -> Self {
        Self { runs: HashMap::new(), max }
    }

    /// A batch was refused, or it is not known what became of it, and its producer will send it again.
    pub fn fail(&mut self, key: K, sequence: Sequence) {
        let full = self.runs.len() >= self.max;
        match self.runs.get_mut(&key) {
            Some(run) if run.same_producer(&sequence) => {
                if is_after(run.first, sequence.first) {
                    run.first = sequence.first;
                }
                if is_after(sequence.last, run.last) {
                    run.last = sequence.last;
                }
            }
            Some(run) => *run = sequence,
            None if full => {}
            None => drop(self.runs.insert(key, sequence)),
        }
    }

    /// Whether the batch was sent behind one that failed and has not come again. If so it has failed,
    /// too.
    pub fn is_behind(&mut self, key: K, sequence: Sequence) -> bool {
        let Some(run) = self.runs.get_mut(&key) else { return false };
        if run.same_producer(&sequence) && is_after(sequence.first, run.last) {
            run.last = sequence.last;
            return true;
        }
        // Before the run: an older batch comes again, and the run will.
        if !run.same_producer(&sequence) || !is_after(run.first, sequence.first) {
            self.runs.remove(&key);
        }
        false
    }

    /// Whether nothing is remembered, the usual state.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, first: i32, last: i32) -> Sequence {
        Sequence { producer_id: 7, epoch, first, last }
    }

    fn failed(first: i32, last: i32) -> Interrupted<u8> {
        let mut interrupted = Interrupted::new(10);
        interrupted.fail(0, batch(0, first, last));
        interrupted
    }

    #[test]
    fn batches_behind_one_that_failed_fail_until_it_comes_again() {
        let mut interrupted = failed(10, 14);
        assert!(interrupted.is_behind(0, batch(0, 15, 15)));
        assert!(interrupted.is_behind(0, batch(0, 16, 20)));
        assert!(!interrupted.is_behind(1, batch(0, 16, 20)), "of another partition");
        assert!(!interrupted.is_behind(0, batch(0, 10, 14)), "the first, again");
        assert!(interrupted.is_empty());
        assert!(!interrupted.is_behind(0, batch(0, 15, 15)));
    }

    #[test]
    fn a_batch_that_comes_again_is_never_behind() {
        // The producer went elsewhere with 10 to 89, and came back.
        let mut interrupted = failed(10, 14);
        assert!(interrupted.is_behind(0, batch(0, 90, 94)));
        assert!(interrupted.is_behind(0, batch(0, 95, 95)));
        assert!(!interrupted.is_behind(0, batch(0, 90, 94)));
        assert!(interrupted.is_empty());
    }

    #[test]
    fn an_older_batch_passes_and_changes_nothing() {
        let mut interrupted = failed(10, 14);
        assert!(!interrupted.is_behind(0, batch(0, 5, 9)));
        assert!(interrupted.is_behind(0, batch(0, 15, 15)));
    }

    #[test]
    fn answers_out_of_order_make_one_run() {
        let mut interrupted = failed(15, 19);
        interrupted.fail(0, batch(0, 10, 14));
        assert!(interrupted.is_behind(0, batch(0, 20, 20)));
        assert!(!interrupted.is_behind(0, batch(0, 10, 14)));
        assert!(interrupted.is_empty());
    }

    #[test]
    fn another_epoch_or_producer_begins_anew() {
        assert!(!failed(10, 14).is_behind(0, batch(1, 15, 15)));
        let other = Sequence { producer_id: 8, ..batch(0, 15, 15) };
        assert!(!failed(10, 14).is_behind(0, other));
    }

    #[test]
    fn sequences_wrap() {
        let mut interrupted = failed(i32::MAX - 1, i32::MAX);
        assert!(interrupted.is_behind(0, batch(0, 0, 4)));
        assert!(!interrupted.is_behind(0, batch(0, i32::MAX - 1, i32::MAX)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut interrupted = Interrupted::new(1);
        interrupted.fail(0, batch(0, 0, 0));
        interrupted.fail(1, batch(0, 0, 0));
        assert!(interrupted.is_behind(0, batch(0, 1, 1)));
        assert!(!interrupted.is_behind(1, batch(0, 1, 1)));
    }
}
