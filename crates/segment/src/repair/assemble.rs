//! From what was found to a manifest. Pure.
//!
//! ```text
//! objects   0 ── 40 ── 100            the longest that begins where the one before ends
//!           0 ─ 20 ─ 40               what was replaced by them, and not collected yet
//! parts               60 ─ 120 ─ 150  links, backwards from the last as far as they join
//! ```

use std::collections::BTreeMap;

use protocol::ids::PartitionId;

use super::RepairError;
use super::sources::{FoundObject, LogPart, Sources};
use crate::manifest::{Link, Manifest};

/// The manifest that says where everything is.
pub(super) fn assemble(
    partition: PartitionId,
    sources: &Sources,
    log_start: Option<i64>,
) -> Result<Manifest, RepairError> {
    let mut objects = covering(&sources.objects);
    let history = history(&objects, &sources.parts);
    let chain = chain_of(&sources.parts, &history);
    let head = chain.last().ok_or(RepairError::NoRecords)?;
    if !head.ended {
        return Err(RepairError::NotEnded { log: head.log });
    }
    if let Some(start) = log_start {
        objects.retain(|found| found.object.last_offset >= start);
    }
    let chain_start = chain[0].start;
    let compacted_upto = objects.last().map_or(0, |found| found.object.last_offset + 1);
    let first = objects.first().map_or(chain_start, |found| found.object.base_offset);
    let start = log_start.unwrap_or(0).max(first);
    if !objects.is_empty() && compacted_upto < chain_start && start < chain_start {
        return Err(RepairError::Gap { from: compacted_upto, to: chain_start });
    }
    let mut manifest = Manifest::create(partition, head.epoch, head.log, head.first_slot);
    manifest.chain = links(&chain);
    manifest.epoch_history = history.into_iter().collect();
    manifest.log_start_offset = start;
    manifest.compacted_upto = compacted_upto;
    manifest.objects = objects.iter().map(|found| found.object.clone()).collect();
    Ok(manifest)
}

/// The last parts, as far as each begins where the one before it ends. What lies before a part that
/// was collected is in objects, or gone. An epoch is in one log only, so a part whose first slots
/// were collected began where its epoch did.
fn chain_of(parts: &[LogPart], starts: &BTreeMap<i32, i64>) -> Vec<LogPart> {
    let mut chain: Vec<LogPart> = Vec::new();
    for part in parts.iter().rev() {
        let start = starts.get(&part.epoch).map_or(part.start, |start| part.start.min(*start));
        let joins =
            chain.last().is_none_or(|next| part.end == next.start && part.epoch < next.epoch);
        if !joins {
            break;
        }
        chain.push(LogPart { start, ..part.clone() });
    }
    chain.reverse();
    chain
}

fn links(chain: &[LogPart]) -> Vec<Link> {
    let last = chain.len() - 1;
    let link = |(position, part): (usize, &LogPart)| Link {
        epoch: part.epoch,
        log: part.log,
        first_slot: part.first_slot,
        start_offset: part.start,
        // The owner's end is in its log: END is there.
        end_offset: (position < last).then_some(part.end),
        close_slot: part.close_slot.filter(|_| position < last),
    };
    chain.iter().enumerate().map(link).collect()
}

/// Objects that join each other up to the last offset that any has, the longest where several begin
/// at one offset.
fn covering(found: &[FoundObject]) -> Vec<&FoundObject> {
    let mut chosen: Vec<&FoundObject> = Vec::new();
    for candidate in found {
        let Some(last) = chosen.last() else {
            chosen.push(candidate);
            continue;
        };
        let next = last.object.last_offset + 1;
        if candidate.object.base_offset > next {
            // What is below a gap is garbage that was not collected yet.
            chosen.clear();
        }
        if chosen.is_empty() || candidate.object.base_offset == next {
            chosen.push(candidate);
        }
    }
    chosen
}

/// Where each epoch began, as far as a record tells.
fn history(objects: &[&FoundObject], parts: &[LogPart]) -> BTreeMap<i32, i64> {
    let blocks = objects.iter().flat_map(|found| &found.entries);
    let blocks = blocks.map(|entry| (entry.header.leader_epoch, entry.header.base_offset));
    let parts = parts.iter().map(|part| (part.epoch, part.start));
    let mut starts: BTreeMap<i32, i64> = BTreeMap::new();
    for (epoch, start) in blocks.chain(parts) {
        starts.entry(epoch).and_modify(|known| *known = start.min(*known)).or_insert(start);
    }
    starts
}
