//! A log at its end, against what others say about it: the links of manifests
//! and the index that END names.

use std::collections::BTreeMap;

use super::finding::Defect;
use super::ledger::Claim;
use super::parts::{Part, Parts};
use super::report::Tally;
use crate::extent::Location;
use crate::index::IndexSnapshot;
use crate::keys::{self, Key};
use crate::log_id::LogId;
use crate::seqlog::CloseRecord;

/// How far a log goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub(super) log: LogId,
    /// END's slot, or the first hole.
    pub(super) stop: u64,
    /// It carries END, so links to it may be closed without a CLOSE of their own.
    pub(super) ended: bool,
}

/// The CLOSE records of a log, by slot.
pub(super) type Closes = BTreeMap<u64, CloseRecord>;

/// S2 and S3: each link finds its records in the log, all of them, and no others.
pub(super) fn check_links(
    reach: Reach,
    closes: &Closes,
    claims: &[Claim],
    parts: &Parts<'_>,
    tally: &mut Tally,
) {
    for (position, claim) in claims.iter().enumerate() {
        let blind = parts.is_blind();
        let defect = check_close(reach, closes, claim, blind)
            .or_else(|| check_link(reach, claim, parts.part(position), blind));
        if let Some(defect) = defect {
            tally.finding(keys::manifest(&claim.partition), Some(claim.partition), defect);
        }
    }
}

/// R2: what closed the link is in the log: the CLOSE that the link names, and it says the same as
/// the link, or END.
fn check_close(reach: Reach, closes: &Closes, claim: &Claim, blind: bool) -> Option<Defect> {
    let (log, epoch) = (reach.log, claim.link.epoch);
    let end = claim.link.end_offset?;
    let Some(slot) = claim.link.close_slot else {
        // What could not be read may have been END.
        return (!reach.ended && !blind).then_some(Defect::NotEnded { epoch, log });
    };
    let Some(close) = closes.get(&slot) else {
        return (!blind).then_some(Defect::NotClosed { epoch, log, slot });
    };
    let same = close.partition() == Some(claim.partition)
        && (close.epoch, close.end_offset) == (epoch, end);
    (!same).then_some(Defect::OtherClose {
        epoch,
        log,
        slot,
        close_epoch: close.epoch,
        close_end: close.end_offset,
    })
}

fn check_link(reach: Reach, claim: &Claim, part: Option<&Part>, blind: bool) -> Option<Defect> {
    let Reach { log, stop, .. } = reach;
    let link = &claim.link;
    let epoch = link.epoch;
    if link.first_slot > stop && !blind {
        return Some(Defect::BeyondLog { log, slot: link.first_slot, stop });
    }
    let Some(part) = part else {
        let (link_end, found) = (link.end_offset?, link.start_offset);
        let lost = link_end != found && !blind;
        return lost.then_some(Defect::LinkEnd { epoch, log, link: link_end, found });
    };
    if part.first_slot < link.first_slot {
        let (slot, first_slot) = (part.first_slot, link.first_slot);
        return Some(Defect::BeforeLink { epoch, log, slot, first_slot });
    }
    if let Some(found) = part.start.filter(|found| *found != link.start_offset) {
        return Some(Defect::LinkStart { epoch, log, link: link.start_offset, found });
    }
    let (link_end, found) = (link.end_offset?, part.end);
    let differs = part.end_known && found != link_end;
    differs.then_some(Defect::LinkEnd { epoch, log, link: link_end, found })
}

/// The index is what the next owner starts from: it must say what the footers do (R26).
pub(super) fn check_index(
    key: &Key,
    reach: Reach,
    index: &IndexSnapshot,
    claims: &[Claim],
    parts: &Parts<'_>,
    tally: &mut Tally,
) {
    let log = reach.log;
    for (partition, indexed) in &index.partitions {
        // What left the log by other ways than END is not taken from its index.
        let Some(claim) = parts.ended_claim(partition) else { continue };
        let beyond = indexed.extents.iter().find_map(|extent| match extent.location {
            Location::Slot { slot, .. } => (slot >= reach.stop).then_some(slot),
            Location::Object(_) | Location::Run(_) => None,
        });
        let part = parts.part(claim);
        let start = claims[claim].link.start_offset;
        let empty = indexed.start_offset.max(start);
        let found = part.map_or(empty, |part| part.end);
        let known = part.map_or_else(|| !parts.is_blind(), |part| part.end_known);
        let defect = if let Some(slot) = beyond {
            Defect::BeyondLog { log, slot, stop: reach.stop }
        } else if known && indexed.end_offset.max(start) != found {
            Defect::IndexEnd { log, index: indexed.end_offset, found }
        } else if parts.index_differs(claim, indexed) {
            Defect::IndexBlocks { log }
        } else {
            continue;
        };
        tally.finding(key.clone(), Some(*partition), defect);
    }
    for (position, claim) in claims.iter().enumerate() {
        let listed = index.partitions.contains_key(&claim.partition);
        let ended = parts.ended_claim(&claim.partition) == Some(position);
        if !listed && ended && parts.part(position).is_some() {
            tally.finding(key.clone(), Some(claim.partition), Defect::IndexBlocks { log });
        }
    }
}
