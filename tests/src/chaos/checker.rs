//! Judges a history, offline and without knowing what was done to the cluster.
//!
//! The anomalies are those of Jepsen's Kafka workload as far as a run without transactions can
//! have them (RELIABILITY §2, §5.2). Linear in the history.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::history::{Ack, History, Reader, Value};

/// How many examples of anomalies are kept for whoever has to find the cause.
const EXAMPLES_MAX: usize = 20;

/// Errors after which a record must never be seen (R44). All others leave it open.
const DEFINITE: &[&str] = &[
    "MSG_SIZE_TOO_LARGE",
    "INVALID_RECORD",
    "INVALID_PRODUCER_EPOCH",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "TOPIC_AUTHORIZATION_FAILED",
    "THROTTLING_QUOTA_EXCEEDED",
];

/// How many anomalies of each class a history has.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Acknowledged, and nowhere to be read (D1).
    pub lost: u64,
    /// Acknowledged at one offset, read at another (D3).
    pub moved: u64,
    /// Values at more than one offset (D7).
    pub duplicated: u64,
    /// A producer's records out of the order of their sending (D5).
    pub reordered: u64,
    /// Offsets that are missing or out of turn in the last read (D6).
    pub offset_gaps: u64,
    /// Records whose bytes changed (D8).
    pub corrupt: u64,
    /// One offset, two values, for two readers (D2).
    pub inconsistent: u64,
    /// Values that nobody sent, or whose sending surely failed (D4).
    pub phantom: u64,
    /// Offsets that a following consumer was given out of turn (C5).
    pub skipped: u64,
    /// Acknowledged records that a following consumer never got (C13).
    pub unseen: u64,
    /// The first anomalies in words.
    pub examples: Vec<String>,
}

impl Findings {
    /// No anomaly of any class.
    pub fn is_clean(&self) -> bool {
        self.counts().iter().all(|(_, count)| *count == 0)
    }

    /// Every class with its count.
    pub fn counts(&self) -> [(&'static str, u64); 10] {
        [
            ("lost", self.lost),
            ("moved", self.moved),
            ("duplicated", self.duplicated),
            ("reordered", self.reordered),
            ("offset_gaps", self.offset_gaps),
            ("corrupt", self.corrupt),
            ("inconsistent", self.inconsistent),
            ("phantom", self.phantom),
            ("skipped", self.skipped),
            ("unseen", self.unseen),
        ]
    }

    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text());
        }
    }
}

/// For tests of faults that no client may notice: every record is there once and in order, and nobody
/// was told of an error that it has to handle.
///
/// # Panics
///
/// When one was noticed.
pub fn assert_unnoticed(history: &History) {
    let findings = check(history);
    assert!(findings.is_clean(), "{findings:?}");
    assert!(history.failed.is_empty() && history.unanswered == 0, "{:?}", history.failed);
    for error in history.errors.keys() {
        // Librdkafka's own, about connections that it makes again.
        assert!(error.starts_with('_'), "clients were told {error}");
    }
}

/// Judges a history.
pub fn check(history: &History) -> Findings {
    let mut findings = Findings::default();
    let places = Places::of(&history.last, &mut findings);
    find_phantoms(history, &places, &mut findings);
    for ack in &history.acks {
        check_ack(ack, &places, &mut findings);
    }
    for tail in &history.tails {
        check_tail(tail, &places, history, &mut findings);
    }
    findings
}

/// Where the last read found each value, and what it found at each offset.
struct Places {
    by_value: HashMap<Value, (u32, i64)>,
    by_offset: BTreeMap<u32, HashMap<i64, Option<Value>>>,
}

impl Places {
    fn of(last: &Reader, findings: &mut Findings) -> Self {
        let mut places = Self { by_value: HashMap::new(), by_offset: BTreeMap::new() };
        for (&partition, reads) in &last.partitions {
            let mut due = 0;
            let mut latest: HashMap<u16, u64> = HashMap::new();
            let offsets = places.by_offset.entry(partition).or_default();
            for read in reads {
                if read.offset != due {
                    findings.offset_gaps += 1;
                    findings
                        .example(|| format!("{partition}: {} where {due} was due", read.offset));
                }
                due = read.offset + 1;
                offsets.insert(read.offset, read.value);
                let Some(value) = read.value else {
                    findings.corrupt += 1;
                    findings.example(|| format!("{partition}:{}: wrong bytes", read.offset));
                    continue;
                };
                let place = (partition, read.offset);
                if let Some(first) = places.by_value.insert(value, place) {
                    findings.duplicated += 1;
                    findings.example(|| format!("{value:?} at {first:?} and {place:?}"));
                    continue;
                }
                if latest.get(&value.worker).is_some_and(|&sequence| sequence > value.sequence) {
                    findings.reordered += 1;
                    findings.example(|| format!("{value:?} at {place:?} after a later one"));
                }
                latest.insert(value.worker, value.sequence);
            }
        }
        places
    }

    fn at(&self, partition: u32, offset: i64) -> Option<Option<Value>> {
        self.by_offset.get(&partition)?.get(&offset).copied()
    }
}

fn check_ack(ack: &Ack, places: &Places, findings: &mut Findings) {
    if places.at(ack.partition, ack.offset) == Some(Some(ack.value)) {
        return;
    }
    match places.by_value.get(&ack.value) {
        Some((partition, _)) if ack.offset < 0 && *partition == ack.partition => {}
        Some(place) => {
            findings.moved += 1;
            findings.example(|| format!("{ack:?} is at {place:?}"));
        }
        None => {
            findings.lost += 1;
            findings.example(|| format!("{ack:?} is lost"));
        }
    }
}

fn find_phantoms(history: &History, places: &Places, findings: &mut Findings) {
    let failed: HashSet<Value> = history
        .failed
        .iter()
        .filter(|(_, error)| DEFINITE.contains(&error.as_str()))
        .map(|(value, _)| *value)
        .collect();
    for (value, place) in &places.by_value {
        let sent = history.sent.get(&value.worker).copied().unwrap_or_default();
        if value.sequence >= sent || failed.contains(value) {
            findings.phantom += 1;
            findings.example(|| format!("{value:?} at {place:?} was not sent, or surely failed"));
        }
    }
}

/// A consumer that followed from offset 0 got every offset in turn, with the value that everybody
/// else got, up to the last acknowledged one.
fn check_tail(tail: &Reader, places: &Places, history: &History, findings: &mut Findings) {
    let mut seen: BTreeMap<u32, i64> = BTreeMap::new();
    for (&partition, reads) in &tail.partitions {
        let due = seen.entry(partition).or_default();
        for read in reads {
            if read.offset != *due {
                findings.skipped += 1;
                findings.example(|| {
                    format!("follower, {partition}: {} where {due} was due", read.offset)
                });
            }
            *due = read.offset + 1;
            if places.at(partition, read.offset) != Some(read.value) {
                findings.inconsistent += 1;
                findings.example(|| {
                    let last = places.at(partition, read.offset);
                    format!("{partition}: follower {read:?}, last read {last:?}")
                });
            }
        }
    }
    for ack in &history.acks {
        if seen.get(&ack.partition).is_none_or(|&end| ack.offset >= end) {
            findings.unseen += 1;
            findings.example(|| format!("{ack:?} never reached a follower"));
        }
    }
}

#[cfg(test)]
mod tests;
