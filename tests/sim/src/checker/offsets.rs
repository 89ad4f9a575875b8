//! Offsets and values: each belongs to the other, once and for all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Findings, finally, log_starts};
use crate::history::{Event, Reader, Value};

pub(super) fn check(history: &[Event], found: &mut Findings) {
    let ledger = Ledger::of(history, found);
    ledger.duplicates(found);
    ledger.phantoms(found);
    let last = finally(history);
    losses(history, &ledger, &last, found);
    holes(history, &last, found);
    order(history, &last, found);
}

/// What anybody was ever told about offsets and values.
#[derive(Default)]
struct Ledger {
    by_value: BTreeMap<Value, BTreeSet<(i32, i64)>>,
    sent: BTreeSet<Value>,
    refused: BTreeSet<Value>,
}

impl Ledger {
    fn of(history: &[Event], found: &mut Findings) -> Self {
        let mut ledger = Self::default();
        let mut by_offset: BTreeMap<(i32, i64), Value> = BTreeMap::new();
        let mut reported = BTreeSet::new();
        let mut tell = |ledger: &mut Self, at: (i32, i64), value: Value, how: &str| {
            ledger.by_value.entry(value).or_default().insert(at);
            let known = *by_offset.entry(at).or_insert(value);
            if known != value && reported.insert((at, value)) {
                let (partition, offset) = at;
                let what =
                    format!("partition {partition} offset {offset}: {known}, then {value} {how}");
                found.add(Class::Reused, what);
            }
        };
        for event in history {
            match event {
                Event::Sent { values, .. } => ledger.sent.extend(values),
                Event::Refused { values, .. } => ledger.refused.extend(values),
                Event::Acked { values, partition, base_offset: Some(base) } => {
                    for (offset, value) in (*base..).zip(values) {
                        tell(&mut ledger, (*partition, offset), *value, "acknowledged");
                    }
                }
                Event::Read { partition, offset, value, .. } => {
                    tell(&mut ledger, (*partition, *offset), *value, "read");
                }
                _ => {}
            }
        }
        ledger
    }

    fn duplicates(&self, found: &mut Findings) {
        for (value, places) in self.by_value.iter().filter(|(_, places)| places.len() > 1) {
            found.add(Class::Duplicated, format!("value {value} at {places:?}"));
        }
    }

    fn phantoms(&self, found: &mut Findings) {
        for (value, places) in &self.by_value {
            if self.refused.contains(value) {
                found.add(Class::Phantom, format!("refused value {value} at {places:?}"));
            } else if !self.sent.contains(value) {
                found.add(Class::Phantom, format!("value {value} at {places:?} was never sent"));
            }
        }
    }
}

type Last = BTreeMap<(i32, i64), (Value, i32)>;

/// Whatever was acknowledged, or seen by anybody, is there at the end, unless it was deleted.
fn losses(history: &[Event], ledger: &Ledger, last: &Last, found: &mut Findings) {
    let there: BTreeSet<Value> = last.values().map(|(value, _)| *value).collect();
    let kept = Kept::of(ledger, log_starts(history));
    let mut missing = BTreeMap::new();
    for event in history {
        let (values, partition, how) = match event {
            Event::Acked { values, partition, base_offset } => {
                let at = base_offset.unwrap_or(-1);
                (values.as_slice(), partition, format!("acknowledged in {partition} near {at}"))
            }
            Event::Read { partition, offset, value, .. } => {
                (std::slice::from_ref(value), partition, format!("read in {partition} at {offset}"))
            }
            _ => continue,
        };
        let gone = values.iter().filter(|value| !there.contains(value));
        missing.extend(
            gone.filter(|value| kept.expects(**value, *partition)).map(|gone| (*gone, how.clone())),
        );
    }
    for (value, how) in missing {
        found.add(Class::Lost, format!("value {value}, {how}"));
    }
}

/// What retention left: everything from the log starts on.
struct Kept<'a> {
    ledger: &'a Ledger,
    log_starts: BTreeMap<i32, i64>,
    /// By producer, the lowest number that is known to lie at or above the log start.
    from: BTreeMap<u32, u64>,
}

impl<'a> Kept<'a> {
    fn of(ledger: &'a Ledger, log_starts: BTreeMap<i32, i64>) -> Self {
        let mut from = BTreeMap::new();
        for (value, places) in &ledger.by_value {
            if places.iter().any(|(partition, offset)| *offset >= start_of(&log_starts, *partition))
            {
                let lowest = from.entry(value.producer).or_insert(value.number);
                *lowest = value.number.min(*lowest);
            }
        }
        Self { ledger, log_starts, from }
    }

    /// Whether a record must still be there. Of one whose offset nobody was told, the order in which
    /// its producer sent tells where it is.
    fn expects(&self, value: Value, partition: i32) -> bool {
        let log_start = start_of(&self.log_starts, partition);
        match self.ledger.by_value.get(&value) {
            Some(places) => places.iter().any(|(_, offset)| *offset >= log_start),
            None => {
                log_start == 0
                    || self.from.get(&value.producer).is_some_and(|from| *from < value.number)
            }
        }
    }
}

fn start_of(log_starts: &BTreeMap<i32, i64>, partition: i32) -> i64 {
    log_starts.get(&partition).copied().unwrap_or(0)
}

/// From the log start to the high watermark no offset is left out (D6).
fn holes(history: &[Event], last: &Last, found: &mut Findings) {
    let log_starts = log_starts(history);
    for event in history {
        if let Event::Marks { reader: Reader::FINAL, partition, high_watermark, .. } = event {
            let missing: Vec<i64> = (start_of(&log_starts, *partition)..*high_watermark)
                .filter(|offset| !last.contains_key(&(*partition, *offset)))
                .collect();
            if let (Some(first), Some(end)) = (missing.first(), missing.last()) {
                let count = missing.len();
                let what = format!("partition {partition}: {count} offsets from {first} to {end}");
                found.add(Class::Gap, what);
            }
        }
    }
}

/// Along the offsets a producer's numbers and the epochs go up. Not the numbers of what a plain producer
/// was never told of: it gave up a connection with them under way, they have nothing that tells the
/// next owner how old they are, and order is one of connections then (as Kafka's).
fn order(history: &[Event], last: &Last, found: &mut Findings) {
    let mut idempotent: BTreeSet<u32> = BTreeSet::new();
    let mut acked: BTreeSet<Value> = BTreeSet::new();
    for event in history {
        match event {
            Event::ProducerId { producer, .. } => drop(idempotent.insert(*producer)),
            Event::Acked { values, .. } => acked.extend(values),
            _ => {}
        }
    }
    let mut newest: BTreeMap<(i32, u32), Value> = BTreeMap::new();
    let mut epochs: BTreeMap<i32, i32> = BTreeMap::new();
    for (&(partition, offset), &(value, epoch)) in last {
        let given_up = !idempotent.contains(&value.producer) && !acked.contains(&value);
        let before = epochs.insert(partition, epoch);
        if let Some(before) = before.filter(|before| *before > epoch) {
            let what = format!("partition {partition} offset {offset}: {epoch} after {before}");
            found.add(Class::EpochBack, what);
        }
        if given_up {
            continue;
        }
        let before = newest.insert((partition, value.producer), value);
        if let Some(before) = before.filter(|before| before.number > value.number) {
            let what = format!("partition {partition} offset {offset}: {value} after {before}");
            found.add(Class::Reordered, what);
        }
    }
}
