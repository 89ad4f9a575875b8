//! The checker is worth what it finds: one broken history per anomaly.

use super::super::history::Read;
use super::*;

fn value(sequence: u64) -> Value {
    Value { worker: 1, sequence }
}

fn read(offset: i64, sequence: u64) -> Read {
    Read { offset, value: Some(value(sequence)) }
}

fn reader(reads: Vec<Read>) -> Reader {
    Reader { partitions: BTreeMap::from([(0, reads)]), complete: true }
}

fn ack(offset: i64, sequence: u64) -> Ack {
    Ack { partition: 0, offset, value: value(sequence), sent_ms: 0, acked_ms: 0 }
}

/// Four records, acknowledged, followed and read: nothing is wrong with it.
fn sound() -> History {
    let reads = vec![read(0, 0), read(1, 1), read(2, 2), read(3, 3)];
    History {
        acks: (0..4).map(|n| ack(n, n.unsigned_abs())).collect(),
        sent: BTreeMap::from([(1, 4)]),
        tails: vec![reader(reads.clone())],
        last: reader(reads),
        ..History::default()
    }
}

/// What remains of the findings without their words.
fn counted(history: &History) -> Vec<(&'static str, u64)> {
    check(history).counts().into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Both readers read this.
fn reading(mut history: History, reads: Vec<Read>) -> History {
    history.tails = vec![reader(reads.clone())];
    history.last = reader(reads);
    history
}

#[test]
fn a_sound_history_is_clean() {
    assert!(check(&sound()).is_clean());
}

#[test]
fn a_lost_record_is_found() {
    let mut history = sound();
    history.acks.push(ack(4, 4));
    history.sent.insert(1, 5);
    assert_eq!(counted(&history), [("lost", 1), ("unseen", 1)]);
}

#[test]
fn a_record_overwritten_by_another_is_lost_and_seen_twice_differently() {
    let mut history = sound();
    history.last = reader(vec![read(0, 0), read(1, 1), read(2, 2), read(3, 4)]);
    history.sent.insert(1, 5);
    assert_eq!(counted(&history), [("lost", 1), ("inconsistent", 1)]);
}

#[test]
fn an_acknowledgement_with_a_wrong_offset_is_found() {
    let mut history = sound();
    history.acks[3].offset = 0;
    assert_eq!(counted(&history), [("moved", 1)]);
}

#[test]
fn an_acknowledgement_without_an_offset_still_promises_the_record() {
    let mut history = sound();
    history.acks[3].offset = -1;
    assert!(check(&history).is_clean());
    history.acks[3].value = value(9);
    history.sent.insert(1, 10);
    assert_eq!(counted(&history), [("lost", 1)]);
    history.acks[3] = Ack { partition: 1, ..ack(-1, 3) };
    assert_eq!(check(&history).moved, 1);
}

#[test]
fn a_duplicate_is_found() {
    let history =
        reading(sound(), vec![read(0, 0), read(1, 1), read(2, 2), read(3, 3), read(4, 1)]);
    // The acknowledgement names the first place, the last read keeps the second.
    assert_eq!(counted(&history), [("duplicated", 1)]);
}

#[test]
fn two_records_in_the_wrong_order_are_found() {
    let mut history = reading(sound(), vec![read(0, 0), read(1, 2), read(2, 1), read(3, 3)]);
    (history.acks[1].offset, history.acks[2].offset) = (2, 1);
    assert_eq!(counted(&history), [("reordered", 1)]);
}

#[test]
fn a_hole_in_the_offsets_is_found() {
    let mut history = reading(sound(), vec![read(0, 0), read(1, 1), read(2, 2), read(5, 3)]);
    history.acks[3].offset = 5;
    assert_eq!(counted(&history), [("offset_gaps", 1), ("skipped", 1)]);
}

#[test]
fn a_log_that_does_not_begin_at_its_start_is_found() {
    let mut history = sound();
    history.acks.remove(0);
    let history = reading(history, vec![read(1, 1), read(2, 2), read(3, 3)]);
    assert_eq!(counted(&history), [("offset_gaps", 1), ("skipped", 1)]);
}

#[test]
fn changed_bytes_are_found_even_where_nothing_was_acknowledged() {
    let mut history = sound();
    history.acks.remove(3);
    let mut reads = history.last.partitions[&0].clone();
    reads[3].value = None;
    assert_eq!(counted(&reading(history, reads)), [("corrupt", 1)]);
}

#[test]
fn changed_bytes_of_an_acknowledged_record_are_a_loss_too() {
    let history = sound();
    let mut reads = history.last.partitions[&0].clone();
    reads[3].value = None;
    assert_eq!(counted(&reading(history, reads)), [("lost", 1), ("corrupt", 1)]);
}

#[test]
fn a_record_nobody_sent_is_found() {
    let mut history = sound();
    history.sent.insert(1, 3);
    assert_eq!(counted(&history), [("phantom", 1)]);
}

#[test]
fn a_record_is_not_seen_after_a_definite_error_but_may_be_after_an_open_one() {
    let mut history = sound();
    history.acks.remove(3);
    history.failed.push((value(3), "_MSG_TIMED_OUT".to_owned()));
    assert!(check(&history).is_clean());
    history.failed[0].1 = "OUT_OF_ORDER_SEQUENCE_NUMBER".to_owned();
    assert_eq!(counted(&history), [("phantom", 1)]);
}

#[test]
fn a_follower_that_went_back_or_stopped_early_is_found() {
    let mut history = sound();
    let reads = vec![read(0, 0), read(1, 1), read(1, 1), read(2, 2), read(3, 3)];
    history.tails = vec![reader(reads)];
    assert_eq!(counted(&history), [("skipped", 1)]);
    history.tails = vec![reader(vec![read(0, 0), read(1, 1)])];
    assert_eq!(counted(&history), [("unseen", 2)]);
    history.tails = vec![Reader::default()];
    assert_eq!(counted(&history), [("unseen", 4)]);
}

#[test]
fn a_value_in_two_partitions_is_a_duplicate() {
    let mut history = sound();
    history.last.partitions.insert(1, vec![read(0, 2)]);
    let found = check(&history);
    assert_eq!(found.duplicated, 1, "{found:?}");
}

#[test]
fn the_first_anomalies_are_told_in_words_and_the_rest_counted() {
    let mut history = sound();
    history.acks = (100..200).map(|n| ack(n, n.unsigned_abs())).collect();
    history.tails.clear();
    let found = check(&history);
    assert_eq!((found.lost, found.examples.len()), (100, EXAMPLES_MAX));
    assert!(found.examples[0].contains("is lost"), "{found:?}");
}
