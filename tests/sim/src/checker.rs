//! Judges a history: what did the clients see that they must never see?
//!
//! Offline, and independent of how the history came about: it knows nothing of nodes, stores or
//! faults. Its own tests hand it one history of each class of anomaly, because a checker that
//! finds nothing may only be blind.
//!
//! The classes are those of Jepsen's Kafka workload and of `D`, `C` of the project's anomaly
//! checklist: lost, duplicated, reordered, reused and phantom records, holes in the offsets,
//! skipping and backward reads, watermarks and commits that go back, two owners in one epoch, and of
//! transactions aborted reads and torn ones.

mod commits;
mod offsets;
mod passes;
mod sequences;
mod transactions;

use std::collections::BTreeMap;
use std::fmt;

use crate::history::{Event, Reader, Value};
use crate::trace::Claim;

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Its class.
    pub class: Class,
    /// Where, and what was seen.
    pub what: String,
}

/// The classes of anomalies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// An acknowledged record that nobody can read any more (D1).
    Lost,
    /// One offset with two values, at whatever time (D2, D3).
    Reused,
    /// One value at two offsets (D7).
    Duplicated,
    /// Records of one producer in another order than it sent them (D5).
    Reordered,
    /// A record that nobody sent, or that was refused for good (D4).
    Phantom,
    /// An offset without a record below the high watermark (D6).
    Gap,
    /// A pass of a reader that leaves out an offset (C5).
    Skipped,
    /// A pass of a reader that goes back (C5).
    Backward,
    /// A high watermark or log start that one reader sees go back (C6).
    WatermarkBack,
    /// Epochs that go back along the offsets (D10).
    EpochBack,
    /// Two logs that claim a partition in one epoch (D10).
    TwoOwners,
    /// A committed offset that goes back, or that nobody committed (C1).
    CommitBack,
    /// A producer id that two producers were given (T2).
    ProducerIdReused,
    /// An offset that exists and is said not to (C7).
    FalseOutOfRange,
    /// A record of a transaction that was not committed, seen by a reader of committed ones (T3).
    AbortedRead,
    /// A part of a transaction without the rest of it (T5).
    Torn,
    /// A batch that was refused for its sequence although everything before it is acknowledged: its
    /// producer can only begin a new epoch, and send again what may be there (D7, T1).
    FalseOutOfOrder,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.class, self.what)
    }
}

/// Everything in the history that must never happen; empty if all is well.
pub fn check(history: &[Event]) -> Vec<Anomaly> {
    let mut found = Findings::default();
    offsets::check(history, &mut found);
    passes::check(history, &mut found);
    commits::check(history, &mut found);
    sequences::check(history, &mut found);
    transactions::check(history, &mut found);
    owners(history, &mut found);
    producer_ids(history, &mut found);
    ranges(history, &mut found);
    found.0
}

#[derive(Default)]
struct Findings(Vec<Anomaly>);

impl Findings {
    fn add(&mut self, class: Class, what: String) {
        self.0.push(Anomaly { class, what });
    }
}

/// Each epoch of a partition belongs to one log for ever.
fn owners(history: &[Event], found: &mut Findings) {
    let mut owners: BTreeMap<(&str, i64), &str> = BTreeMap::new();
    for event in history {
        if let Event::Claimed(Claim { partition, epoch, log }) = event {
            let owner = owners.entry((partition, *epoch)).or_insert(log);
            if owner != log {
                found.add(
                    Class::TwoOwners,
                    format!("partition {partition}, epoch {epoch}: {owner} and {log}"),
                );
            }
        }
    }
}

/// Nobody gets an id that another one has: its records would be taken for repetitions.
fn producer_ids(history: &[Event], found: &mut Findings) {
    let mut holders: BTreeMap<(i64, i16), u32> = BTreeMap::new();
    for event in history {
        if let Event::ProducerId { producer, id, epoch } = event {
            let holder = *holders.entry((*id, *epoch)).or_insert(*producer);
            if holder != *producer {
                let what = format!("id {id} epoch {epoch}: producers {holder} and {producer}");
                found.add(Class::ProducerIdReused, what);
            }
        }
    }
}

/// Each offset that a reader was led to exists, unless the log starts behind it by the end.
fn ranges(history: &[Event], found: &mut Findings) {
    let log_starts = log_starts(history);
    for event in history {
        if let Event::OutOfRange { reader, partition, offset } = event {
            if offset < log_starts.get(partition).unwrap_or(&0) {
                continue;
            }
            let what = format!("{reader:?}, partition {partition}, offset {offset}");
            found.add(Class::FalseOutOfRange, what);
        }
    }
}

/// The highest log start that anybody heard of, by partition: what lies below it may be gone.
fn log_starts(history: &[Event]) -> BTreeMap<i32, i64> {
    let mut log_starts = BTreeMap::new();
    for event in history {
        let (partition, heard) = match event {
            Event::Marks { partition, log_start, .. } => (*partition, *log_start),
            Event::Reset { partition, offset, .. } => (*partition, *offset),
            _ => continue,
        };
        let known = log_starts.entry(partition).or_insert(0);
        *known = heard.max(*known);
    }
    log_starts
}

/// What a reader at the end found, by partition and offset.
fn finally(history: &[Event]) -> BTreeMap<(i32, i64), (Value, i32)> {
    history
        .iter()
        .filter_map(|event| match event {
            Event::Read { reader: Reader::FINAL, partition, offset, value, epoch } => {
                Some(((*partition, *offset), (*value, *epoch)))
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
