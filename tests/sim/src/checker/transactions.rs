//! Transactions: all of one is seen or nothing, nothing of an aborted one is, and nothing is lost.
//!
//! What was committed is decided by what the last reader finds, for a producer that was not answered
//! cannot know. Its own word binds: what it was told is committed must be there, and what it never
//! asked to commit must not.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Findings};
use crate::history::transactions::{Step, Transaction, Written};
use crate::history::{Event, Reader};

pub(super) fn check(history: &[Event], found: &mut Findings) {
    let steps: Vec<&Step> = history
        .iter()
        .filter_map(|event| match event {
            Event::Transaction(step) => Some(step),
            _ => None,
        })
        .collect();
    let seen = Seen::of(&steps, found);
    let told = Told::of(&steps);
    isolation(&seen, &told, found);
    if seen.has_last_read {
        atomicity(&seen, &told, found);
        stability(&seen, found);
        order(&seen, found);
        passes(&steps, &seen, found);
        offsets(&steps, &seen, &told, found);
    }
}

type At = (i32, i64);

/// What readers got.
#[derive(Default)]
struct Seen {
    /// By anybody.
    all: BTreeMap<Written, BTreeSet<At>>,
    /// By the last one.
    last: BTreeMap<At, Written>,
    /// Whether there was a last one.
    has_last_read: bool,
}

/// What producers know.
#[derive(Default)]
struct Told {
    wrote: BTreeMap<Transaction, BTreeSet<Written>>,
    /// With whether it has an offset.
    committing: BTreeMap<Transaction, bool>,
    committed: BTreeSet<Transaction>,
}

impl Seen {
    fn of(steps: &[&Step], found: &mut Findings) -> Self {
        let mut seen = Self::default();
        let mut by_offset: BTreeMap<At, Written> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Read { reader, partition, offset, record } => {
                    let at = (*partition, *offset);
                    seen.all.entry(*record).or_default().insert(at);
                    let known = *by_offset.entry(at).or_insert(*record);
                    if known != *record {
                        let what = format!("transactions at {at:?}: {known}, then {record}");
                        found.add(Class::Reused, what);
                    }
                    if *reader == Reader::FINAL {
                        seen.last.insert(at, *record);
                    }
                }
                Step::Passed { reader: Reader::FINAL, .. } => seen.has_last_read = true,
                _ => {}
            }
        }
        for (record, places) in seen.all.iter().filter(|(_, places)| places.len() > 1) {
            found.add(Class::Duplicated, format!("record {record} at {places:?}"));
        }
        seen
    }

    /// The transactions of which the last reader found something.
    fn visible(&self) -> BTreeSet<Transaction> {
        self.last.values().map(|record| record.transaction).collect()
    }
}

impl Told {
    fn of(steps: &[&Step]) -> Self {
        let mut told = Self::default();
        for step in steps {
            match step {
                Step::Wrote { record, .. } => {
                    told.wrote.entry(record.transaction).or_default().insert(*record);
                }
                Step::Committing { transaction, with_offset } => {
                    told.committing.insert(*transaction, *with_offset);
                }
                Step::Committed { transaction } => {
                    told.committed.insert(*transaction);
                }
                _ => {}
            }
        }
        told
    }
}

/// Nobody reads a record of a transaction that cannot be committed (T3).
fn isolation(seen: &Seen, told: &Told, found: &mut Findings) {
    for (record, places) in &seen.all {
        if !told.committing.contains_key(&record.transaction) {
            found.add(Class::AbortedRead, format!("record {record} at {places:?}"));
        }
    }
}

/// Of each transaction everything is there, or nothing; and of what is committed everything (T5).
fn atomicity(seen: &Seen, told: &Told, found: &mut Findings) {
    let there: BTreeSet<Written> = seen.last.values().copied().collect();
    let visible = seen.visible();
    for (transaction, records) in &told.wrote {
        let missing: Vec<String> = records.difference(&there).map(ToString::to_string).collect();
        if missing.is_empty() {
            continue;
        }
        if told.committed.contains(transaction) {
            found.add(Class::Lost, format!("committed records {missing:?}"));
        } else if visible.contains(transaction) {
            found.add(Class::Torn, format!("transaction {transaction} without {missing:?}"));
        }
    }
}

/// What any reader got is there at the end, where it was: what is decided stays decided.
fn stability(seen: &Seen, found: &mut Findings) {
    for (record, places) in &seen.all {
        let gone = places.iter().find(|at| seen.last.get(at) != Some(record));
        if let Some(at) = gone {
            found.add(Class::Lost, format!("committed record {record} was read at {at:?}"));
        }
    }
}

/// Along the offsets of a partition a producer's records are in the order in which it wrote them.
fn order(seen: &Seen, found: &mut Findings) {
    let mut newest: BTreeMap<(i32, u32), Written> = BTreeMap::new();
    for (&(partition, offset), &record) in &seen.last {
        let before = newest.insert((partition, record.transaction.producer), record);
        if let Some(before) = before.filter(|before| *before > record) {
            let what = format!("transactions {partition} at {offset}: {record} after {before}");
            found.add(Class::Reordered, what);
        }
    }
}

/// A reader that has passed an offset has got what was committed there (C5, T4).
fn passes(steps: &[&Step], seen: &Seen, found: &mut Findings) {
    let mut got: BTreeMap<(Reader, i32), BTreeSet<i64>> = BTreeMap::new();
    let mut passed: BTreeMap<(Reader, i32), i64> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Read { reader, partition, offset, .. } => {
                got.entry((*reader, *partition)).or_default().insert(*offset);
            }
            Step::Passed { reader, partition, upto } => {
                passed.insert((*reader, *partition), *upto);
            }
            _ => {}
        }
    }
    for ((reader, partition), upto) in passed {
        let got = got.remove(&(reader, partition)).unwrap_or_default();
        let committed = seen.last.range((partition, 0)..(partition, upto));
        let skipped = committed.filter(|((_, offset), _)| !got.contains(offset));
        for ((_, offset), record) in skipped {
            let what = format!("{reader:?} of transactions {partition}: {record} at {offset}");
            found.add(Class::Skipped, what);
        }
    }
}

/// The offset of a producer's group is that of its last committed transaction that has one (T5, C1).
fn offsets(steps: &[&Step], seen: &Seen, told: &Told, found: &mut Findings) {
    let visible = seen.visible();
    for step in steps {
        let Step::Offset { producer, offset } = step else { continue };
        let of_group = told.committing.iter().filter(|(transaction, with_offset)| {
            transaction.producer == *producer && **with_offset && visible.contains(transaction)
        });
        let last = of_group.map(|(transaction, _)| transaction.number).max();
        let expected = last.map_or(-1, |number| i64::try_from(number).unwrap_or(i64::MAX));
        if *offset != expected {
            let what = format!("offset {offset} of producer {producer}'s group, not {expected}");
            found.add(Class::Torn, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: i32 = 0;
    const TAIL: Reader = Reader { id: 7, pass: 1 };

    fn transaction(number: u64) -> Transaction {
        Transaction { producer: 1, number }
    }

    fn record(number: u64, index: u32) -> Written {
        Written { transaction: transaction(number), index }
    }

    fn wrote(number: u64, index: u32) -> Step {
        Step::Wrote { record: record(number, index), partition: P }
    }

    fn committing(number: u64) -> Step {
        Step::Committing { transaction: transaction(number), with_offset: true }
    }

    fn committed(number: u64) -> Step {
        Step::Committed { transaction: transaction(number) }
    }

    fn read(reader: Reader, offset: i64, number: u64, index: u32) -> Step {
        Step::Read { reader, partition: P, offset, record: record(number, index) }
    }

    fn passed(reader: Reader, upto: i64) -> Step {
        Step::Passed { reader, partition: P, upto }
    }

    fn offset(offset: i64) -> Step {
        Step::Offset { producer: 1, offset }
    }

    /// The classes that a history has, if the last reader finds these records.
    fn classes(steps: &[Step], last: &[(i64, u64, u32)]) -> Vec<Class> {
        let last = last
            .iter()
            .map(|(offset, number, index)| read(Reader::FINAL, *offset, *number, *index));
        let steps = steps.iter().cloned().chain(last).chain([passed(Reader::FINAL, 100)]);
        let history: Vec<Event> = steps.map(Event::Transaction).collect();
        let mut found = Findings::default();
        check(&history, &mut found);
        let mut classes: Vec<Class> = found.0.into_iter().map(|anomaly| anomaly.class).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    #[test]
    fn a_run_in_which_all_went_well_has_no_anomaly() {
        let steps = [
            wrote(1, 0),
            wrote(1, 1),
            committing(1),
            committed(1),
            read(TAIL, 0, 1, 0),
            read(TAIL, 1, 1, 1),
            passed(TAIL, 3),
            // Aborted, and one of which nobody knows whether it is.
            wrote(2, 0),
            wrote(3, 0),
            committing(3),
            offset(1),
        ];
        assert_eq!(classes(&steps, &[(0, 1, 0), (1, 1, 1)]), []);
        let steps = [wrote(3, 0), committing(3), offset(3)];
        assert_eq!(classes(&steps, &[(5, 3, 0)]), [], "it was heard");
        assert_eq!(classes(&[offset(-1)], &[]), []);
    }

    #[test]
    fn a_record_of_a_transaction_that_nobody_asked_to_commit_is_an_aborted_read() {
        assert_eq!(classes(&[wrote(1, 0)], &[(0, 1, 0)]), [Class::AbortedRead]);
        let early = [wrote(1, 0), read(TAIL, 0, 1, 0)];
        assert_eq!(classes(&early, &[]), [Class::Lost, Class::AbortedRead]);
    }

    #[test]
    fn a_part_of_a_transaction_is_torn_or_lost() {
        let unknown = [wrote(1, 0), wrote(1, 1), committing(1)];
        assert_eq!(classes(&unknown, &[(0, 1, 0)]), [Class::Torn]);
        let committed = [wrote(1, 0), wrote(1, 1), committing(1), committed(1)];
        assert_eq!(classes(&committed, &[(0, 1, 0)]), [Class::Lost]);
        assert_eq!(classes(&committed, &[]), [Class::Lost]);
    }

    #[test]
    fn an_offset_that_is_not_that_of_the_last_committed_transaction_is_torn() {
        let steps = |at| [wrote(1, 0), committing(1), committed(1), offset(at)];
        assert_eq!(classes(&steps(1), &[(0, 1, 0)]), []);
        assert_eq!(classes(&steps(-1), &[(0, 1, 0)]), [Class::Torn]);
        assert_eq!(classes(&steps(2), &[(0, 1, 0)]), [Class::Torn]);
    }

    #[test]
    fn what_was_read_and_is_gone_or_elsewhere_is_found() {
        let before = [wrote(1, 0), committing(1), read(TAIL, 4, 1, 0)];
        assert_eq!(classes(&before, &[]), [Class::Lost]);
        let elsewhere = classes(&before, &[(5, 1, 0)]);
        assert!(elsewhere.contains(&Class::Duplicated), "{elsewhere:?}");
        let other = [wrote(1, 0), wrote(2, 0), committing(1), committing(2), read(TAIL, 4, 1, 0)];
        assert!(classes(&other, &[(4, 2, 0)]).contains(&Class::Reused));
    }

    #[test]
    fn a_reader_that_passes_over_a_committed_record_skips() {
        let steps = |upto| [wrote(1, 0), committing(1), passed(TAIL, upto)];
        assert_eq!(classes(&steps(5), &[(4, 1, 0)]), [Class::Skipped]);
        assert_eq!(classes(&steps(4), &[(4, 1, 0)]), []);
    }

    #[test]
    fn a_producer_s_transactions_come_in_their_order() {
        let steps = [wrote(1, 0), wrote(2, 0), committing(1), committing(2)];
        assert_eq!(classes(&steps, &[(0, 2, 0), (1, 1, 0)]), [Class::Reordered]);
    }
}
