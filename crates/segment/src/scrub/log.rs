//! One log: its slots in order, from OPEN to END or the first hole (S1).
//!
//! A slot that is missing or damaged is one finding. The log goes blind there:
//! what the slot may have held is not missed a second time.

use std::collections::BTreeSet;

use futures::StreamExt as _;

use super::ScrubError;
use super::finding::Defect;
use super::ledger::{Claim, Stray};
use super::links::{Closes, Reach, check_index, check_links};
use super::parts::Parts;
use super::report::{Note, Tally};
use super::segment::Segment;
use super::slots::{Content, SlotReader, slots_to_read};
use super::source::{Fault, Source};
use crate::index::{IndexSnapshot, inspect};
use crate::keys::{self, Family, Key};
use crate::log_id::LogId;
use crate::seqlog::{EndRecord, IndexReference, SlotKind};

/// END is looked for in this many of the highest slots before the log is read,
/// so that its index can be compared on the way. Twice what a fenced writer may
/// have had in flight (R15).
const END_HINT_SLOTS: usize = 8;

/// What to look at.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) family: Family,
    pub(super) log: LogId,
    /// Slots in the store's listing, ascending.
    pub(super) listed: Vec<u64>,
    pub(super) claims: Vec<Claim>,
}

/// What came out.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    pub(super) strays: Vec<Stray>,
    /// The object that END names as its index.
    pub(super) index: Option<Key>,
}

/// Reads a log and compares it with the claims on it.
pub(super) async fn scrub_log(source: &Source<'_>, job: Job) -> Result<Outcome, ScrubError> {
    let mut tally = Tally::new(source.findings_max);
    let slots = SlotReader::new(source, job.family, job.log);
    let reference = find_index(&slots, &job.listed).await?;
    let index = match &reference {
        Some(reference) => load_index(source, &job, reference, &mut tally).await?,
        None => None,
    };
    let mut walk = Walk::new(&job, index.as_ref(), tally);
    let mut contents = futures::stream::iter(slots_to_read(&job.listed))
        .map(|slot| {
            let slots = &slots;
            async move { (slot, slots.content(slot).await) }
        })
        .buffered(source.parallel);
    while let Some((slot, content)) = contents.next().await {
        walk.step(slot, content?);
    }
    // END was there when the manifest was read, whatever the listing says (R20).
    while walk.must_go_on() {
        match slots.content(walk.next).await? {
            Content::Missing => break,
            content => walk.step(walk.next, content),
        }
    }
    let index_key = reference.map(|reference| Key::from_text(&reference.key));
    Ok(walk.finish(index_key))
}

/// The index reference of the log's END, if that is near the end of the listing.
async fn find_index(
    slots: &SlotReader<'_>,
    listed: &[u64],
) -> Result<Option<IndexReference>, ScrubError> {
    let mut found = None;
    // The lowest END is the one; a second is for the walk to report.
    for &slot in listed.iter().rev().take(END_HINT_SLOTS) {
        if let Content::End(end) = slots.end_or_kind(slot).await? {
            found = Some(end);
        }
    }
    Ok(found.and_then(|end: EndRecord| end.index))
}

/// S3: the index is there and intact. Without it owners read the footers, so a
/// broken one costs time and no record; and once no chain names the log, it may be collected.
async fn load_index(
    source: &Source<'_>,
    job: &Job,
    reference: &IndexReference,
    tally: &mut Tally,
) -> Result<Option<IndexSnapshot>, ScrubError> {
    let key = Key::from_text(&reference.key);
    let read = async {
        let object = source.reads().await.object(&key).await?;
        let index = inspect::decode_referenced(&object, job.log, reference);
        index.map_err(|what| Fault::from(Defect::Damaged(what)))
    };
    match read.await {
        Ok(index) => Ok(Some(index)),
        Err(fault) => {
            let defect = fault.defect()?;
            let named_by: BTreeSet<_> = job.claims.iter().map(|claim| claim.partition).collect();
            if defect != Defect::Missing {
                tally.finding(key, None, defect);
            } else if !named_by.is_empty() {
                tally.finding_unless_changed(key, defect, named_by);
            }
            Ok(None)
        }
    }
}

/// The state of a log between two slots.
struct Walk<'a> {
    job: &'a Job,
    index: Option<&'a IndexSnapshot>,
    parts: Parts<'a>,
    tally: Tally,
    next: u64,
    /// The slot before was missing: one finding for all of a gap.
    in_gap: bool,
    end: Option<u64>,
    /// By slot: how partitions left the log that went on.
    closes: Closes,
    /// The part of the front that is covered so far; `None` after a blind spot.
    covered: Option<u64>,
    /// Slots after END: the first, and how many.
    dead: Option<(u64, u64)>,
    /// The first slots of gaps. In a log that ended they may have been collected.
    gaps: Vec<u64>,
}

impl<'a> Walk<'a> {
    fn new(job: &'a Job, index: Option<&'a IndexSnapshot>, mut tally: Tally) -> Self {
        tally.counts().logs += 1;
        Self {
            job,
            index,
            parts: Parts::new(job.log, &job.claims, index),
            tally,
            next: 0,
            in_gap: false,
            end: None,
            closes: Closes::new(),
            covered: Some(0),
            dead: None,
            gaps: Vec::new(),
        }
    }

    /// Whether a closed link names a CLOSE, or means an END, that was not come to.
    fn must_go_on(&self) -> bool {
        let closed = self.job.claims.iter().filter(|claim| claim.link.end_offset.is_some());
        let mut ends = closed.map(|claim| claim.link.close_slot);
        self.end.is_none() && ends.any(|end| end.is_none_or(|slot| slot >= self.next))
    }

    fn step(&mut self, slot: u64, content: Content) {
        if !matches!(content, Content::Missing) {
            self.tally.counts().slots += 1;
        }
        if let Some(end) = self.end {
            self.after_end(slot, end, &content);
            return;
        }
        self.next = slot + 1;
        if let Some(kind) = content.kind().filter(|kind| slot == 0 && !begins_a_log(*kind)) {
            self.finding(slot, Defect::NoOpen(kind));
        }
        let was_gap = std::mem::replace(&mut self.in_gap, matches!(content, Content::Missing));
        match content {
            Content::Missing if was_gap => {}
            Content::Missing => {
                self.gaps.push(slot);
                self.go_blind();
            }
            Content::Damaged(defect) => self.unreadable(slot, defect),
            Content::Open if slot > 0 => self.finding(slot, Defect::LateOpen),
            Content::Open | Content::Other(_) => {}
            Content::Close(record) => drop(self.closes.insert(slot, record)),
            Content::Segment(segment) => self.segment(slot, &segment),
            Content::End(end) => self.ended(slot, &end),
        }
    }

    /// Nothing after END is part of the log, so nothing after it can break it,
    /// except another END.
    fn after_end(&mut self, slot: u64, end: u64, content: &Content) {
        match content {
            Content::Missing => {}
            Content::End(_) => self.finding(slot, Defect::SecondEnd { first: end }),
            _ => {
                let (first, count) = self.dead.unwrap_or((slot, 0));
                self.dead = Some((first, count + 1));
            }
        }
    }

    fn unreadable(&mut self, slot: u64, defect: Defect) {
        self.finding(slot, defect);
        self.go_blind();
    }

    fn go_blind(&mut self) {
        self.covered = None;
        self.parts.go_blind();
    }

    /// A slot that is gone is a finding unless the log has ended and nobody needs what was in it:
    /// no link of a data log does, and the object WAL of an ended data log is of no use. OPEN
    /// stays for ever.
    fn report_gaps(&mut self) {
        let ended = self.end.is_some();
        let needed_by = match self.job.family {
            Family::Data if ended => self.parts.unsatisfied(),
            _ => BTreeSet::new(),
        };
        let collectable = ended && self.job.family != Family::Meta && needed_by.is_empty();
        for slot in std::mem::take(&mut self.gaps) {
            if slot == 0 {
                self.finding(slot, Defect::MissingSlot);
            } else if !collectable {
                let key = keys::slot(self.job.family, &self.job.log, slot);
                self.tally.finding_unless_changed(key, Defect::MissingSlot, needed_by.clone());
            }
        }
    }

    fn segment(&mut self, slot: u64, segment: &Segment) {
        let counts = self.tally.counts();
        counts.blocks += segment.footer.entries.len() as u64;
        counts.batches += segment.batches();
        let found = segment.footer.lsn_start;
        let covered = self.covered.unwrap_or(found);
        if found > covered {
            self.finding(slot, Defect::LsnGap { covered, found });
        } else if found < covered {
            self.finding(slot, Defect::LsnOverlap { covered, found });
        }
        self.parts.add(slot, segment, found < covered, &mut self.tally);
        self.covered = Some(covered.max(segment.footer.lsn_end));
    }

    fn ended(&mut self, slot: u64, end: &EndRecord) {
        self.end = Some(slot);
        // Only data logs cover a front.
        let covered = self.covered.filter(|_| self.job.family == Family::Data);
        if let Some(covered) = covered.filter(|covered| *covered < end.lsn) {
            self.finding(slot, Defect::LsnShort { covered, sealed: end.lsn });
        }
    }

    fn finish(mut self, index_key: Option<Key>) -> Outcome {
        let (family, log) = (self.job.family, self.job.log);
        if let Some((first, count)) = self.dead {
            let first = keys::slot(family, &log, first);
            self.tally.note(Note::AfterEnd { log, first, count });
        }
        self.report_gaps();
        let (stop, ended) = (self.end.unwrap_or(self.next), self.end.is_some());
        let reach = Reach { log, stop, ended };
        check_links(reach, &self.closes, &self.job.claims, &self.parts, &mut self.tally);
        if let (Some(key), Some(index)) = (&index_key, self.index) {
            check_index(key, reach, index, &self.job.claims, &self.parts, &mut self.tally);
        }
        Outcome { strays: self.parts.strays(), tally: self.tally, index: index_key }
    }

    fn finding(&mut self, slot: u64, defect: Defect) {
        let key = keys::slot(self.job.family, &self.job.log, slot);
        self.tally.finding(key, None, defect);
    }
}

impl Content {
    /// What the slot says it is.
    fn kind(&self) -> Option<SlotKind> {
        match self {
            Self::Missing | Self::Damaged(_) => None,
            Self::Open => Some(SlotKind::Open),
            Self::End(_) => Some(SlotKind::End),
            Self::Close(_) => Some(SlotKind::Close),
            Self::Segment(_) => Some(SlotKind::Data),
            Self::Other(kind) => Some(*kind),
        }
    }
}

/// END at slot 0 fences a writer that had not begun.
fn begins_a_log(kind: SlotKind) -> bool {
    matches!(kind, SlotKind::Open | SlotKind::End)
}
