//! One history per class of anomaly, and one without any: a checker must be able to find each.

use super::*;

const P: i32 = 0;

fn values(numbers: &[u64]) -> Vec<Value> {
    numbers.iter().map(|number| Value { producer: 1, number: *number }).collect()
}

fn sent(numbers: &[u64]) -> Event {
    Event::Sent { values: values(numbers), partition: P }
}

fn acked(numbers: &[u64], base_offset: i64) -> Event {
    Event::Acked { values: values(numbers), partition: P, base_offset: Some(base_offset) }
}

fn read_by(reader: Reader, offset: i64, number: u64, epoch: i32) -> Event {
    Event::Read { reader, partition: P, offset, value: Value { producer: 1, number }, epoch }
}

fn last(offset: i64, number: u64) -> Event {
    read_by(Reader::FINAL, offset, number, 1)
}

fn marks(reader: Reader, high_watermark: i64, log_start: i64) -> Event {
    Event::Marks { reader, partition: P, high_watermark, log_start }
}

fn claim(epoch: i64, log: &str) -> Event {
    Event::Claimed(Claim { partition: "t/0".into(), epoch, log: log.into() })
}

fn classes(history: &[Event]) -> Vec<Class> {
    let mut classes: Vec<Class> = check(history).into_iter().map(|it| it.class).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

const TAIL: Reader = Reader { id: 7, pass: 1 };

#[test]
fn a_run_in_which_all_went_well_has_no_anomaly() {
    let history = [
        sent(&[1, 2]),
        acked(&[1, 2], 0),
        read_by(TAIL, 0, 1, 1),
        read_by(TAIL, 1, 2, 1),
        marks(TAIL, 2, 0),
        // Nobody knows of this one: it may be there or not.
        sent(&[3]),
        Event::Committed { group: 1, partition: P, offset: 2, acked: true },
        Event::Fetched { group: 1, partition: P, offset: 2 },
        claim(1, "a"),
        claim(2, "b"),
        marks(Reader::FINAL, 3, 0),
        last(0, 1),
        last(1, 2),
        read_by(Reader::FINAL, 2, 3, 2),
    ];
    assert_eq!(check(&history), []);
}

#[test]
fn an_acknowledged_record_that_is_gone_is_lost() {
    let history = [sent(&[1, 2]), acked(&[1, 2], 0), marks(Reader::FINAL, 1, 0), last(0, 1)];
    assert_eq!(classes(&history), [Class::Lost]);
}

#[test]
fn a_record_that_was_read_and_is_gone_is_lost() {
    let history = [sent(&[1]), read_by(TAIL, 0, 1, 1)];
    assert_eq!(classes(&history), [Class::Lost]);
}

#[test]
fn an_offset_with_two_values_is_reused() {
    let history = [sent(&[1]), sent(&[2]), acked(&[1], 0), last(0, 2), last(1, 1)];
    assert!(classes(&history).contains(&Class::Reused));
}

#[test]
fn a_value_at_two_offsets_is_duplicated() {
    let history = [sent(&[1]), last(0, 1), last(1, 1)];
    assert_eq!(classes(&history), [Class::Duplicated]);
}

#[test]
fn records_of_one_producer_out_of_order_are_reordered() {
    let history = |more: Event| [sent(&[1]), sent(&[2]), more, last(0, 2), last(1, 1)];
    let id = Event::ProducerId { producer: 1, id: 7, epoch: 0 };
    assert_eq!(classes(&history(id)), [Class::Reordered], "whatever it was told");
    let mut both = history(acked(&[1], 1)).to_vec();
    both.insert(3, acked(&[2], 0));
    assert_eq!(classes(&both), [Class::Reordered]);
    assert_eq!(classes(&history(acked(&[2], 0))), [], "a plain producer gave the first one up");
}

#[test]
fn a_refused_record_that_is_seen_is_a_phantom() {
    let refused = Event::Refused { values: values(&[1]), partition: P, code: 6 };
    assert_eq!(classes(&[sent(&[1]), refused, last(0, 1)]), [Class::Phantom]);
}

#[test]
fn a_record_that_nobody_sent_is_a_phantom() {
    assert_eq!(classes(&[last(0, 1)]), [Class::Phantom]);
}

#[test]
fn an_offset_without_record_is_a_gap() {
    let history = [sent(&[1]), sent(&[2]), marks(Reader::FINAL, 3, 0), last(0, 1), last(2, 2)];
    assert_eq!(classes(&history), [Class::Gap, Class::Skipped]);
}

#[test]
fn a_pass_that_leaves_out_an_offset_skips() {
    let history = [
        sent(&[1, 2, 3]),
        read_by(TAIL, 0, 1, 1),
        read_by(TAIL, 2, 3, 1),
        last(0, 1),
        last(1, 2),
        last(2, 3),
    ];
    assert_eq!(classes(&history), [Class::Skipped]);
}

#[test]
fn a_pass_that_goes_back_is_backward_and_a_new_pass_is_not() {
    let again = Reader { id: 7, pass: 2 };
    let history = [sent(&[1]), read_by(TAIL, 0, 1, 1), read_by(again, 0, 1, 1), last(0, 1)];
    assert_eq!(classes(&history), []);
    let history = [sent(&[1]), read_by(TAIL, 0, 1, 1), read_by(TAIL, 0, 1, 1), last(0, 1)];
    assert_eq!(classes(&history), [Class::Backward]);
}

#[test]
fn a_batch_is_out_of_order_only_behind_one_that_is_not_acknowledged() {
    let refused = |number| Event::OutOfOrder { values: values(&[number]), partition: P };
    let behind_unknown = [sent(&[1]), sent(&[2]), refused(2), acked(&[1], 0), last(0, 1)];
    assert_eq!(classes(&behind_unknown), []);
    let behind_acked = [sent(&[1]), acked(&[1], 0), sent(&[2]), refused(2), last(0, 1)];
    assert_eq!(classes(&behind_acked), [Class::FalseOutOfOrder]);
    assert_eq!(classes(&[sent(&[1]), refused(1)]), [Class::FalseOutOfOrder], "the first of all");
}

#[test]
fn a_watermark_that_one_reader_sees_go_back_is_found() {
    assert_eq!(classes(&[marks(TAIL, 5, 0), marks(TAIL, 4, 0)]), [Class::WatermarkBack]);
    assert_eq!(classes(&[marks(TAIL, 5, 2), marks(TAIL, 5, 1)]), [Class::WatermarkBack]);
}

#[test]
fn epochs_that_go_back_along_the_offsets_are_found() {
    let history = [sent(&[1, 2]), read_by(Reader::FINAL, 0, 1, 2), read_by(Reader::FINAL, 1, 2, 1)];
    assert_eq!(classes(&history), [Class::EpochBack]);
}

#[test]
fn two_logs_in_one_epoch_are_two_owners() {
    assert_eq!(classes(&[claim(3, "a"), claim(3, "a")]), []);
    assert_eq!(classes(&[claim(3, "a"), claim(3, "b")]), [Class::TwoOwners]);
}

#[test]
fn a_producer_id_given_twice_is_found() {
    let given = |producer, epoch| Event::ProducerId { producer, id: 9, epoch };
    assert_eq!(classes(&[given(1, 0), given(1, 0), given(2, 1)]), []);
    assert_eq!(classes(&[given(1, 0), given(2, 0)]), [Class::ProducerIdReused]);
}

#[test]
fn an_offset_said_not_to_exist_is_found() {
    let out = Event::OutOfRange { reader: TAIL, partition: P, offset: 3 };
    assert_eq!(classes(&[out]), [Class::FalseOutOfRange]);
}

#[test]
fn a_commit_that_goes_back_is_found() {
    let commit = |offset, acked| Event::Committed { group: 1, partition: P, offset, acked };
    let fetch = |offset| Event::Fetched { group: 1, partition: P, offset };
    assert_eq!(classes(&[commit(5, true), fetch(-1)]), [Class::CommitBack]);
    assert_eq!(
        classes(&[commit(5, true), commit(6, false), fetch(6), fetch(5)]),
        [Class::CommitBack]
    );
    // One that nobody answered may be carried out late.
    assert_eq!(classes(&[commit(4, false), commit(5, true), fetch(5), fetch(4)]), []);
    assert_eq!(classes(&[commit(5, true), commit(6, false), fetch(5)]), []);
    assert_eq!(classes(&[fetch(3)]), [Class::CommitBack]);
}

#[test]
fn what_retention_took_is_not_lost_and_what_it_left_is() {
    let deleted = [
        sent(&[1, 2, 3]),
        acked(&[1], 0),
        acked(&[2], 1),
        acked(&[3], 2),
        read_by(TAIL, 0, 1, 1),
        Event::OutOfRange { reader: TAIL, partition: P, offset: 1 },
        Event::Reset { reader: TAIL, partition: P, offset: 2 },
        read_by(TAIL, 2, 3, 1),
        marks(Reader::FINAL, 3, 2),
        last(2, 3),
    ];
    assert_eq!(check(&deleted), []);
    let mut lost = deleted.to_vec();
    lost.pop();
    assert_eq!(classes(&lost), [Class::Lost, Class::Gap]);
}

/// An acknowledged repetition has no offset, but its producer's order says where it is.
#[test]
fn a_record_without_an_offset_is_lost_when_one_before_it_is_kept() {
    let repeated =
        |number| Event::Acked { values: values(&[number]), partition: P, base_offset: None };
    let start = [sent(&[1, 2, 3]), acked(&[2], 5), marks(Reader::FINAL, 6, 5), last(5, 2)];
    let with = |event| start.iter().cloned().chain([event]).collect::<Vec<_>>();
    assert_eq!(check(&with(repeated(1))), []);
    assert_eq!(classes(&with(repeated(3))), [Class::Lost]);
}

#[test]
fn an_offset_behind_the_log_start_is_not_out_of_range() {
    let history = [marks(TAIL, 9, 2), Event::OutOfRange { reader: TAIL, partition: P, offset: 2 }];
    assert_eq!(classes(&history), [Class::FalseOutOfRange]);
}
