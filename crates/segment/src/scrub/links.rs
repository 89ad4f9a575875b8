//! A log at its end, against what others say about it: the links of manifests
//! and the index that END names.

use super::finding::Defect;
use super::ledger::Claim;
use super::parts::Parts;
use super::report::Tally;
use crate::extent::Location;
use crate::index::IndexSnapshot;
use crate::keys::{self, Key};
use crate::log_id::LogId;

/// How far a log goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub(super) log: LogId,
    /// END's slot, or the first hole.
    pub(super) stop: u64,
    /// It carries END or a CLOSE, so links to it may be closed.
    pub(super) closed: bool,
}

/// S2 and S3: each link finds its records in the log, all of them, and no others.
pub(super) fn check_links(reach: Reach, claims: &[Claim], parts: &Parts<'_>, tally: &mut Tally) {
    for claim in claims {
        if let Some(defect) = check_link(reach, claim, parts) {
            tally.finding(keys::manifest(&claim.partition), Some(claim.partition), defect);
        }
    }
}

fn check_link(reach: Reach, claim: &Claim, parts: &Parts<'_>) -> Option<Defect> {
    let Reach { log, stop, closed } = reach;
    let link = &claim.link;
    let epoch = link.epoch;
    if link.first_slot > stop && !parts.is_blind() {
        return Some(Defect::BeyondLog { log, slot: link.first_slot, stop });
    }
    // What could not be read may have been END.
    if link.end_offset.is_some() && !closed && !parts.is_blind() {
        return Some(Defect::NotEnded { epoch, log });
    }
    let Some(part) = parts.part(&claim.partition) else {
        let (link_end, found) = (link.end_offset?, link.start_offset);
        let lost = link_end != found && !parts.is_blind();
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
    parts: &Parts<'_>,
    tally: &mut Tally,
) {
    let log = reach.log;
    for (partition, indexed) in &index.partitions {
        // What left the log by other ways than END is not taken from its index.
        if parts.claim(partition).is_none() {
            continue;
        }
        let beyond = indexed.extents.iter().find_map(|extent| match extent.location {
            Location::Slot { slot, .. } => (slot >= reach.stop).then_some(slot),
            Location::Object(_) | Location::Run(_) => None,
        });
        let part = parts.part(partition);
        let found = part.map_or(indexed.start_offset, |part| part.end);
        let known = part.map_or_else(|| !parts.is_blind(), |part| part.end_known);
        let defect = if let Some(slot) = beyond {
            Defect::BeyondLog { log, slot, stop: reach.stop }
        } else if known && indexed.end_offset != found {
            Defect::IndexEnd { log, index: indexed.end_offset, found }
        } else if parts.index_differs(partition, indexed) {
            Defect::IndexBlocks { log }
        } else {
            continue;
        };
        tally.finding(key.clone(), Some(*partition), defect);
    }
    for partition in parts.partitions() {
        let listed = index.partitions.contains_key(&partition);
        if !listed && parts.claim(&partition).is_some() {
            tally.finding(key.clone(), Some(partition), Defect::IndexBlocks { log });
        }
    }
}
