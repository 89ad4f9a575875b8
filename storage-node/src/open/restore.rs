//! What a partition was when its last owner ended, from the indexes of its chain.

use segment::index::{self, PartitionIndex, ProducerState};
use segment::manifest::{Link, ProducersRef};
use segment::producers::PartitionProducers;
use segment::{Extent, Location, Manifest};

use super::{OpenError, Opener};
use crate::partition::{EpochHistory, OpenedLog};
use crate::producer_state::{ProducerEntry, ProducerTable};

impl Opener {
    /// Reads the first `links` of the chain, all of which have ended. Epoch and history are the
    /// caller's to set.
    pub(super) async fn restore(
        &self,
        manifest: &Manifest,
        links: usize,
    ) -> Result<OpenedLog, OpenError> {
        let now_ms = self.clock.now_ms();
        let mut opened = OpenedLog {
            log_start: manifest.log_start_offset,
            log_end: manifest.chain.first().map_or(0, |link| link.start_offset),
            extents: manifest.objects.iter().map(Extent::run_of).collect(),
            ..OpenedLog::default()
        };
        if let Some(ProducersRef { key: Some(key), upto }) = &manifest.producers {
            let snapshot = self.indexes.producers(&self.store, key).await?;
            let none = PartitionProducers::default();
            let known = snapshot.partitions.get(&manifest.partition).unwrap_or(&none);
            for producer in &known.producers {
                absorb(&mut opened.producers, producer, now_ms);
            }
            opened.transactions.add_snapshot(known, *upto);
        }
        let floor = manifest.floor();
        for link in &manifest.chain[..links] {
            let index;
            let closed;
            let part = match link.close_slot {
                None => {
                    index = self.indexes.load(&self.store, link.log).await?;
                    index.partitions.get(&manifest.partition)
                }
                Some(slot) => {
                    closed = self.load_closed(manifest, link, slot).await?;
                    closed.as_ref()
                }
            };
            follow(&mut opened, link, part, floor)?;
            for producer in part.into_iter().flat_map(|part| &part.producers) {
                absorb(&mut opened.producers, producer, now_ms);
            }
            if let Some(part) = part {
                opened.transactions.add_part(part);
            }
        }
        opened.producers.set_open(opened.transactions.open());
        let (log_start, compacted_upto) = (opened.log_start, manifest.compacted_upto);
        opened.extents.retain(|extent| {
            let needed = extent.last_offset >= log_start;
            let in_log = matches!(extent.location, Location::Slot { .. });
            needed && !(in_log && extent.base_offset < compacted_upto)
        });
        Ok(opened)
    }

    /// The part of a log that a partition left by CLOSE.
    async fn load_closed(
        &self,
        manifest: &Manifest,
        link: &Link,
        slot: u64,
    ) -> Result<Option<PartitionIndex>, OpenError> {
        let (log, partition) = (link.log, manifest.partition);
        let closed = index::load_closed(&self.store, log, partition, link.first_slot, slot).await?;
        let (epoch, end) = (closed.record.epoch, closed.record.end_offset);
        // Without a block of it, all of it is compacted, or there never was any.
        let none = link.start_offset.max(end.min(manifest.floor()));
        let found = closed.index.as_ref().map_or(none, |index| index.end_offset);
        if (epoch, end) != (link.epoch, found) {
            let what = format!(
                "slot {slot} closes epoch {epoch} at offset {end}, the log has epoch {} up to {found}",
                link.epoch
            );
            return Err(OpenError::Damaged { log, what });
        }
        Ok(closed.index)
    }
}

/// Adds one link's part to what the links before it gave. Below `floor` a log need not hold
/// anything: it is compacted or gone, and its slots may have been collected (R32).
fn follow(
    opened: &mut OpenedLog,
    link: &Link,
    part: Option<&PartitionIndex>,
    floor: i64,
) -> Result<(), OpenError> {
    let damaged = |what: String| Err(OpenError::Damaged { log: link.log, what });
    // A log that says nothing of the partition got no record of it, or none is left. It may know of
    // records from an earlier time: the partition left it by CLOSE and came back.
    let known = part.map_or(link.start_offset, |part| part.end_offset);
    let found_end = known.max(link.start_offset);
    // The last owner's link has no end yet. What it had above the floor is in the log, for such
    // slots are never collected; if nothing is, it ended at the floor, however little is left.
    let end = link.end_offset.unwrap_or_else(|| found_end.max(floor));
    if found_end != end && end > floor {
        return damaged(format!("the log ends at offset {found_end}, the link at {end}"));
    }
    let mut next = floor.clamp(link.start_offset, end);
    let extents = part.into_iter().flat_map(|part| &part.extents);
    // The first may begin below the floor: log starts lie anywhere in a block.
    let mut first = next > link.start_offset;
    let needed_from = floor.max(link.start_offset);
    for extent in extents.filter(|extent| extent.last_offset >= needed_from) {
        let follows = extent.base_offset == next || (first && extent.base_offset < next);
        if !follows {
            return damaged(format!("offset {next} is followed by {}", extent.base_offset));
        }
        first = false;
        next = extent.last_offset + 1;
        opened.extents.push(extent.clone());
    }
    if next != end {
        return damaged(format!("records end at offset {next} instead of {end}"));
    }
    opened.log_end = end;
    Ok(())
}

/// Expiry starts anew: an index does not say when a producer was last seen, and forgetting one too
/// early lets its retry in twice.
fn absorb(table: &mut ProducerTable, state: &ProducerState, now_ms: i64) {
    table.absorb(state.producer_id, ProducerEntry::of(state, now_ms));
}

/// Drops what a claim leaves without meaning: links that nobody needs and epochs that got no record.
/// A node that restarts often must not grow its manifests.
pub(super) fn tidy(manifest: &mut Manifest) {
    manifest.drop_dead();
    let mut epochs = EpochHistory::default();
    for &(epoch, start_offset) in &manifest.epoch_history {
        epochs.begin(epoch, start_offset);
    }
    manifest.epoch_history = epochs.entries().to_vec();
}

#[cfg(test)]
mod tests;
