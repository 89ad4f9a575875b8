//! The report of a scrub, and the tallies it is added up from.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use protocol::ids::PartitionId;

use super::finding::{Defect, Finding};
use crate::keys::Key;
use crate::log_id::LogId;

/// What a scrub saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScrubReport {
    /// How much was looked at.
    pub counts: Counts,
    /// Broken promises, by key.
    pub findings: Vec<Finding>,
    /// What an operator may want to know, and what is no damage.
    pub notes: Vec<Note>,
    /// Findings beyond [`super::ScrubOptions::findings_max`].
    pub left_out: u64,
    /// Notes beyond it.
    pub notes_left_out: u64,
}

impl ScrubReport {
    /// True when no promise is broken.
    pub fn is_clean(&self) -> bool {
        // Whatever was left out, something of its kind was kept.
        self.findings.is_empty()
    }
}

/// How much a scrub looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Logs of all families: data, WAL and metadata.
    pub logs: u64,
    /// Their slots that could be read.
    pub slots: u64,
    /// Manifests, damaged ones included.
    pub manifests: u64,
    /// Partitions followed over their whole chain: not deleted, and with a sound manifest.
    pub partitions: u64,
    /// Compacted objects.
    pub compacted_objects: u64,
    /// Blocks, as footers list them.
    pub blocks: u64,
    /// Batches, as footers list them.
    pub batches: u64,
    /// Bytes of objects read.
    pub bytes_read: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logs, slots, manifests, partitions, .. } = self;
        let Self { compacted_objects, blocks, batches, bytes_read, .. } = self;
        write!(
            f,
            "{logs} logs, {slots} slots, {manifests} manifests, {partitions} partitions, \
             {compacted_objects} compacted objects, {blocks} blocks, {batches} batches, \
             {bytes_read} bytes read"
        )
    }
}

/// Something that is no damage. Its text is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// Slots that a fenced writer made after END. Nobody reads them (R30).
    #[error("`{first}`: {count} dead slots after END of log {log}")]
    AfterEnd {
        /// The log.
        log: LogId,
        /// The first of them.
        first: Key,
        /// How many.
        count: u64,
    },
    /// No END names this index, no manifest this compacted object (R30): left
    /// behind by a crash, or its user is still at work.
    #[error("`{0}`: nothing refers to this object")]
    Unreferenced(Key),
    /// Not a name that this system gives.
    #[error("`{0}`: unknown kind of object")]
    UnknownKey(Key),
    /// The manifest was changed while its logs were read, so what was found
    /// there says nothing. Scrub again.
    #[error("`{key}`, partition {partition}: manifest changed during the scrub; scrub again")]
    Changed {
        /// The manifest.
        key: Key,
        /// Its partition.
        partition: PartitionId,
    },
}

/// A part of a report. Bounded: a bucket where everything is broken must not
/// take all memory to say so.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) report: ScrubReport,
    /// What is missing by the manifests of these partitions together: if all of them have changed by
    /// now, it may have been collected.
    pub(super) needed_by: HashMap<Key, BTreeSet<PartitionId>>,
    findings_max: usize,
}

impl Tally {
    pub(super) fn new(findings_max: usize) -> Self {
        let (report, needed_by) = Default::default();
        Self { report, needed_by, findings_max: findings_max.max(1) }
    }

    pub(super) fn finding(&mut self, key: Key, partition: Option<PartitionId>, defect: Defect) {
        self.push_finding(Finding { key, partition, defect });
    }

    /// What is gone, and who needed it when its manifest was read; nobody in particular if empty.
    pub(super) fn finding_unless_changed(
        &mut self,
        key: Key,
        defect: Defect,
        needed_by: BTreeSet<PartitionId>,
    ) {
        self.needed_by.insert(key.clone(), needed_by);
        self.finding(key, None, defect);
    }

    pub(super) fn note(&mut self, note: Note) {
        if self.report.notes.len() < self.findings_max {
            self.report.notes.push(note);
        } else {
            self.report.notes_left_out += 1;
        }
    }

    /// The partitions whose manifests a finding was made by; none if it stands for itself.
    pub(super) fn compared_with(&self, finding: &Finding) -> BTreeSet<PartitionId> {
        let own = finding.partition.filter(|_| finding.defect.compares_with_manifest());
        own.into_iter()
            .chain(self.needed_by.get(&finding.key).into_iter().flatten().copied())
            .collect()
    }

    pub(super) fn counts(&mut self) -> &mut Counts {
        &mut self.report.counts
    }

    /// Adds what a part of the work came to.
    pub(super) fn absorb(&mut self, part: Self) {
        let ScrubReport { counts, findings, notes, left_out, notes_left_out } = part.report;
        self.report.counts.add(counts);
        self.report.left_out += left_out;
        self.report.notes_left_out += notes_left_out;
        self.needed_by.extend(part.needed_by);
        findings.into_iter().for_each(|finding| self.push_finding(finding));
        notes.into_iter().for_each(|note| self.note(note));
    }

    /// The report, in an order that does not depend on which read was faster.
    pub(super) fn finish(mut self, bytes_read: u64) -> ScrubReport {
        self.report.counts.bytes_read = bytes_read;
        self.report.findings.sort_by(|a, b| (&a.key, a.partition).cmp(&(&b.key, b.partition)));
        self.report.notes.sort_by_cached_key(ToString::to_string);
        self.report
    }

    fn push_finding(&mut self, finding: Finding) {
        if self.report.findings.len() < self.findings_max {
            self.report.findings.push(finding);
        } else {
            self.report.left_out += 1;
        }
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        let Self { logs, slots, manifests, partitions, .. } = other;
        self.logs += logs;
        self.slots += slots;
        self.manifests += manifests;
        self.partitions += partitions;
        self.compacted_objects += other.compacted_objects;
        self.blocks += other.blocks;
        self.batches += other.batches;
        self.bytes_read += other.bytes_read;
    }
}
