//! Idempotence scenarios, each a sentence of Kafka's rules.

use proptest::prelude::*;

use super::*;

const PRODUCER: i64 = 4000;

fn sequence(epoch: i16, first: i32, last: i32) -> Sequence {
    Sequence { producer_id: PRODUCER, epoch, first, last }
}

fn batch(first: i32, last: i32, base_offset: i64) -> SequencedBatch {
    let count = i64::from(last) - i64::from(first);
    SequencedBatch {
        base_sequence: first,
        last_sequence: last,
        base_offset,
        last_offset: base_offset + if count < 0 { count + (1 << 31) } else { count },
        max_timestamp: 0,
    }
}

macro_rules! assert_refused {
    ($verdict:expr, $why:ident) => {
        assert!(matches!($verdict, Err(SequenceError::$why { .. })), "{:?}", $verdict);
    };
}

fn table(batches: &[(i32, i32, i64)]) -> ProducerTable {
    let mut table = ProducerTable::default();
    for &(first, last, offset) in batches {
        table.record(PRODUCER, 0, batch(first, last, offset), 0);
    }
    table
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    assert_eq!(ProducerTable::default().check(sequence(3, 77, 80)), Ok(Verdict::Append));
}

#[test]
fn each_of_the_last_five_batches_is_a_duplicate_with_its_own_offset() {
    let table = table(&[(0, 0, 10), (1, 1, 20), (2, 2, 30), (3, 3, 40), (4, 4, 50), (5, 6, 60)]);
    for (first, last, offset) in [(1, 1, 20), (2, 2, 30), (3, 3, 40), (4, 4, 50), (5, 6, 60)] {
        let expected = Verdict::Duplicate(batch(first, last, offset));
        assert_eq!(table.check(sequence(0, first, last)), Ok(expected));
    }
    assert_refused!(table.check(sequence(0, 0, 0)), OutOfOrder);
}

#[test]
fn a_range_that_only_overlaps_a_known_batch_is_out_of_order() {
    let table = table(&[(0, 4, 0)]);
    assert_refused!(table.check(sequence(0, 0, 3)), OutOfOrder);
    assert_refused!(table.check(sequence(0, 4, 6)), OutOfOrder);
}

#[test]
fn a_gap_is_out_of_order_and_the_next_sequence_is_not() {
    let table = table(&[(0, 4, 0)]);
    assert_refused!(table.check(sequence(0, 6, 6)), OutOfOrder);
    assert_eq!(table.check(sequence(0, 5, 9)), Ok(Verdict::Append));
}

#[test]
fn sequences_wrap_to_zero() {
    let table = table(&[(i32::MAX - 1, i32::MAX, 0)]);
    assert_eq!(table.check(sequence(0, 0, 1)), Ok(Verdict::Append));
    assert_refused!(table.check(sequence(0, 1, 1)), OutOfOrder);
}

#[test]
fn a_batch_that_wraps_inside_is_remembered_by_its_ends() {
    let table = table(&[(i32::MAX, 1, 7)]);
    let expected = Verdict::Duplicate(batch(i32::MAX, 1, 7));
    assert_eq!(table.check(sequence(0, i32::MAX, 1)), Ok(expected));
    assert_eq!(table.check(sequence(0, 2, 2)), Ok(Verdict::Append));
}

#[test]
fn an_older_epoch_is_fenced_even_if_it_repeats_a_batch() {
    let mut table = table(&[(0, 4, 0)]);
    table.record(PRODUCER, 1, batch(0, 0, 5), 0);
    assert_refused!(table.check(sequence(0, 0, 4)), StaleEpoch);
}

#[test]
fn a_new_epoch_starts_at_zero_and_forgets_the_old_batches() {
    let mut table = table(&[(0, 4, 0)]);
    assert_refused!(table.check(sequence(1, 5, 5)), OutOfOrder);
    assert_eq!(table.check(sequence(1, 0, 4)), Ok(Verdict::Append));
    table.record(PRODUCER, 1, batch(0, 0, 5), 0);
    assert_refused!(table.check(sequence(1, 0, 4)), OutOfOrder);
}

#[test]
fn silent_producers_expire_and_may_continue_at_any_sequence() {
    let mut table = ProducerTable::default();
    table.record(PRODUCER, 0, batch(0, 0, 0), 1_000);
    table.expire(2_000, 1_000);
    assert_eq!(table.iter().count(), 1);
    table.expire(2_001, 1_000);
    assert_eq!(table.iter().count(), 0);
    assert_eq!(table.check(sequence(0, 9, 9)), Ok(Verdict::Append));
}

#[test]
fn the_cap_forgets_the_longest_silent_producer() {
    let mut table = ProducerTable::default();
    for id in 0..=PRODUCERS_PER_PARTITION_MAX as i64 {
        table.record(id, 0, batch(0, 0, id), id);
    }
    assert_eq!(table.iter().count(), PRODUCERS_PER_PARTITION_MAX);
    assert!(table.iter().all(|(id, _)| id != 0));
}

proptest! {
    /// A log cut anywhere gives the same table from its two snapshots as from one history, whether
    /// the second snapshot starts empty (rebuilt from footers) or knows everything (a clean end).
    #[test]
    fn tables_of_two_logs_join_to_the_table_of_one(
        writes in prop::collection::vec((0_i64..3, 0_i16..3, 1_i32..4), 1..40),
        cut in 0_usize..40,
    ) {
        let (mut whole, mut tail) = (ProducerTable::default(), ProducerTable::default());
        let mut head = ProducerTable::default();
        let mut next_sequence: HashMap<(i64, i16), i32> = HashMap::new();
        let mut epochs: HashMap<i64, i16> = HashMap::new();
        for (offset, (id, epoch, count)) in writes.iter().enumerate() {
            let epoch = (*epoch).max(epochs.get(id).copied().unwrap_or(0));
            epochs.insert(*id, epoch);
            let next = next_sequence.entry((*id, epoch)).or_insert(0);
            let written = batch(*next, *next + count - 1, offset as i64 * 10);
            *next += count;
            whole.record(*id, epoch, written, 5);
            let part = if offset < cut { &mut head } else { &mut tail };
            part.record(*id, epoch, written, 5);
        }
        let mut joined = head.clone();
        for (id, entry) in tail.iter() {
            joined.absorb(id, entry.clone());
        }
        prop_assert_eq!(&joined, &whole);
        for (id, entry) in whole.iter() {
            head.absorb(id, entry.clone());
        }
        prop_assert_eq!(&head, &whole);
    }
}
