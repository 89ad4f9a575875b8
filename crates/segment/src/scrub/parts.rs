//! What a log holds of each partition: its blocks in the order of slots.
//!
//! ```text
//! slot        1        2        3        4
//! partition  [0..9]  [10..12]    ?     [20..24]
//!                            missing or damaged: what follows it is
//!                            taken as it comes, and not reported again
//! ```
//!
//! A partition that left a log by CLOSE may come back to it, in another epoch and after a gap. Each
//! such time is a link of its own, and a part of its own here.

use std::collections::{BTreeSet, HashMap};

use protocol::ids::PartitionId;

use super::finding::Defect;
use super::ledger::{Claim, Stray};
use super::report::Tally;
use super::segment::{Segment, follows};
use crate::extent::{Extent, Location};
use crate::index::{IndexSnapshot, PartitionIndex};
use crate::keys::{self, Family};
use crate::log_id::LogId;
use crate::object::{BlockEntry, BlockError};

/// One partition in one log, at one time.
#[derive(Debug)]
pub(super) struct Part {
    /// First offset; `None` when something before it could not be read.
    pub(super) start: Option<i64>,
    /// The offset after the last.
    pub(super) end: i64,
    /// False when the last of it could not be read.
    pub(super) end_known: bool,
    /// The first slot with a block of it.
    pub(super) first_slot: u64,
    /// From here to the end nothing is missing.
    whole_from: i64,
    epoch: i32,
    epoch_reported: bool,
    /// Some of its blocks have a finding, so nothing else is concluded from them.
    distrusted: bool,
    /// Blocks that the index lists too.
    indexed: usize,
    /// The index lacks a block.
    unindexed: bool,
}

/// The partitions of one log.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    log: LogId,
    /// In the order of partitions, and of offsets within one.
    claims: &'a [Claim],
    index: Option<&'a IndexSnapshot>,
    /// By the position of the claim that they meet, if one does.
    parts: HashMap<(PartitionId, Option<usize>), Part>,
    /// Something could not be read, so a partition may have more than was seen.
    blind: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn new(log: LogId, claims: &'a [Claim], index: Option<&'a IndexSnapshot>) -> Self {
        Self { log, claims, index, parts: HashMap::new(), blind: false }
    }

    /// From here on, records may be missing that are no finding of their own.
    pub(super) fn go_blind(&mut self) {
        self.blind = true;
        self.parts.values_mut().for_each(|part| part.end_known = false);
    }

    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// What there is for a claim.
    pub(super) fn part(&self, claim: usize) -> Option<&Part> {
        self.parts.get(&(self.claims[claim].partition, Some(claim)))
    }

    /// Adds the blocks of a slot. `repeats` when its part of the front was there
    /// before: that is one finding already, and not one more for each block.
    pub(super) fn add(&mut self, slot: u64, segment: &Segment, repeats: bool, tally: &mut Tally) {
        let key = keys::slot(Family::Data, &self.log, slot);
        for (position, entry) in segment.footer.entries.iter().enumerate() {
            let partition = entry.header.partition;
            let checked = match segment.defects.get(&position) {
                Some(defect) => {
                    self.distrust(slot, partition, entry);
                    if let Defect::Block { error: BlockError::Partition(owner), .. } = defect {
                        self.distrust(slot, *owner, entry);
                    }
                    Err(defect.clone())
                }
                None => self.add_block(slot, entry, repeats),
            };
            if let Err(defect) = checked {
                tally.finding(key.clone(), Some(partition), defect);
            }
        }
    }

    /// The partitions whose claims do not find what they need. What is gone below the floor of a
    /// manifest may have been collected (R32).
    pub(super) fn unsatisfied(&self) -> BTreeSet<PartitionId> {
        let claims = self.claims.iter().enumerate();
        let unsatisfied = claims.filter(|(position, claim)| !self.satisfies(*position, claim));
        unsatisfied.map(|(_, claim)| claim.partition).collect()
    }

    fn satisfies(&self, position: usize, claim: &Claim) -> bool {
        let link = &claim.link;
        let from = claim.needed_from.max(link.start_offset);
        match (self.part(position), link.end_offset) {
            (Some(part), Some(end)) => from >= end || (part.whole_from <= from && part.end == end),
            (None, Some(end)) => from >= end,
            // The next owner has not claimed yet: where the link ends is in the log only.
            (Some(part), None) => part.whole_from <= from,
            (None, None) => from > link.start_offset,
        }
    }

    /// Records without a link.
    pub(super) fn strays(&self) -> Vec<Stray> {
        let trusted = self.parts.iter().filter(|(_, part)| !part.distrusted);
        let unclaimed = trusted.filter(|((_, claim), _)| claim.is_none());
        let mut strays: Vec<Stray> = unclaimed
            .map(|(&(partition, _), part)| Stray {
                partition,
                log: self.log,
                slot: part.first_slot,
                end_offset: part.end,
            })
            .collect();
        strays.sort_by_key(|stray| stray.partition);
        strays
    }

    /// True when END's index and the footers list different blocks for a claim.
    pub(super) fn index_differs(&self, claim: usize, index: &PartitionIndex) -> bool {
        // Of the times before this one the index may list blocks too.
        let start = self.claims[claim].link.start_offset;
        let listed = index.extents.iter().filter(|extent| extent.base_offset >= start).count();
        match self.part(claim) {
            Some(part) if part.distrusted => false,
            // What only the index lists may be in a slot that could not be read.
            Some(part) => part.unindexed || (!self.blind && part.indexed < listed),
            None => !self.blind && listed > 0,
        }
    }

    /// The claim that END's index is for: the partition's last in this log, unless it left that time
    /// as well.
    pub(super) fn ended_claim(&self, partition: &PartitionId) -> Option<usize> {
        let last = self.claims_of(partition).next_back()?;
        self.claims[last].link.close_slot.is_none().then_some(last)
    }

    /// Positions of a partition's claims.
    fn claims_of(&self, partition: &PartitionId) -> std::ops::Range<usize> {
        let first = self.claims.partition_point(|claim| claim.partition < *partition);
        let after = self.claims.partition_point(|claim| claim.partition <= *partition);
        first..after
    }

    /// The claim that a block is for: that of its epoch. Without one it is held against the claim
    /// that covers its offsets, unless it is all before it, from a time whose link is gone.
    fn claim_for(&self, block: &BlockEntry) -> Option<usize> {
        let header = &block.header;
        let mut claims = self.claims_of(&header.partition);
        let link = |claim: usize| &self.claims[claim].link;
        if let Some(claim) = claims.clone().find(|claim| link(*claim).epoch == header.leader_epoch)
        {
            return Some(claim);
        }
        let first = claims.clone().next()?;
        let earlier = header.leader_epoch < link(first).epoch
            && header.last_offset < link(first).start_offset;
        let covering = claims.rfind(|claim| link(*claim).start_offset <= header.base_offset);
        (!earlier).then(|| covering.unwrap_or(first))
    }

    fn add_block(&mut self, slot: u64, entry: &BlockEntry, repeats: bool) -> Result<(), Defect> {
        let header = &entry.header;
        let (base, end) = (header.base_offset, header.last_offset + 1);
        let position = self.claim_for(entry);
        let claim = position.map(|position| &self.claims[position]);
        let (log, index, start) = (self.log, self.index, (!self.blind).then_some(base));
        let part = self.parts.entry((header.partition, position));
        let part = part.or_insert_with(|| Part::new(slot, start, entry, claim));
        if repeats && end <= part.end {
            return Ok(());
        }
        // Times whose links are gone share one part: in between the partition was elsewhere.
        let came_back = claim.is_none() && header.leader_epoch > part.epoch;
        let expected = match part.end_known {
            true if came_back => part.end.max(base),
            true => part.end,
            false => base,
        };
        if base > part.end {
            part.whole_from = base;
        }
        part.end = part.end.max(end);
        part.end_known = true;
        follows(expected, base).inspect_err(|_| part.distrusted = true)?;
        let ended = claim.filter(|claim| claim.link.close_slot.is_none());
        if let (Some(index), Some(claim)) = (index, ended) {
            let extent = Extent::of(Location::Slot { log, slot }, entry);
            part.look_up(index.partitions.get(&header.partition), &extent, claim);
        }
        part.check_epoch(entry, claim)
    }

    /// A block with a finding: what it holds is not compared any further.
    fn distrust(&mut self, slot: u64, partition: PartitionId, entry: &BlockEntry) {
        // Of another partition than the footer says: which of its times it meant is not known.
        let position = if partition == entry.header.partition {
            self.claim_for(entry)
        } else {
            self.claims_of(&partition).next_back()
        };
        let claim = position.map(|position| &self.claims[position]);
        let part = self.parts.entry((partition, position));
        let part = part.or_insert_with(|| Part::new(slot, None, entry, claim));
        part.end_known = false;
        part.distrusted = true;
    }
}

impl Part {
    fn new(slot: u64, start: Option<i64>, first: &BlockEntry, claim: Option<&Claim>) -> Self {
        Self {
            start,
            end: first.header.base_offset,
            end_known: true,
            first_slot: slot,
            whole_from: first.header.base_offset,
            epoch: claim.map_or(first.header.leader_epoch, |claim| claim.link.epoch),
            epoch_reported: false,
            distrusted: false,
            indexed: 0,
            unindexed: false,
        }
    }

    /// D10: an owner has one epoch of a partition; without knowing it, epochs do not go back.
    fn check_epoch(&mut self, entry: &BlockEntry, claim: Option<&Claim>) -> Result<(), Defect> {
        let (expected, found) = (self.epoch, entry.header.leader_epoch);
        let allowed = if claim.is_some() { found == expected } else { found >= expected };
        if allowed {
            self.epoch = found;
            return Ok(());
        }
        if std::mem::replace(&mut self.epoch_reported, true) {
            return Ok(());
        }
        Err(Defect::Epoch { offset: entry.header.base_offset, expected, found })
    }

    /// The index lists every block, except that it may leave out those below the log start.
    fn look_up(&mut self, index: Option<&PartitionIndex>, block: &Extent, claim: &Claim) {
        let extents = index.map_or(&[][..], |index| &index.extents);
        let position = extents.binary_search_by_key(&block.base_offset, |known| known.base_offset);
        if position.is_ok_and(|position| extents[position] == *block) {
            self.indexed += 1;
        } else if block.last_offset >= claim.needed_from {
            self.unindexed = true;
        }
    }
}
