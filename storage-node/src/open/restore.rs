//! What a partition was when its last owner ended, from the indexes of its chain.

use segment::index::{PartitionIndex, ProducerState};
use segment::manifest::Link;
use segment::object::read_footer;
use segment::{Extent, Location, Manifest};

use super::{OpenError, Opener};
use crate::partition::{EpochHistory, OpenedLog};
use crate::producer_state::{ProducerEntry, ProducerTable, SequencedBatch};

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
            extents: self.compacted(manifest).await?,
            ..OpenedLog::default()
        };
        for link in &manifest.chain[..links] {
            let index = self.indexes.load(&self.store, link.log).await?;
            let part = index.partitions.get(&manifest.partition);
            follow(&mut opened, link, part)?;
            for producer in part.into_iter().flat_map(|part| &part.producers) {
                absorb(&mut opened.producers, producer, now_ms);
            }
        }
        let (log_start, compacted_upto) = (opened.log_start, manifest.compacted_upto);
        opened.extents.retain(|extent| {
            let needed = extent.last_offset >= log_start;
            let in_log = matches!(extent.location, Location::Slot { .. });
            needed && !(in_log && extent.base_offset < compacted_upto)
        });
        Ok(opened)
    }

    /// The blocks of the compacted objects.
    async fn compacted(&self, manifest: &Manifest) -> Result<Vec<Extent>, OpenError> {
        let mut extents = Vec::new();
        for object in &manifest.objects {
            let footer = read_footer(&self.store, &object.key).await?;
            let location = Location::Object(object.key.clone());
            let own = footer.entries.iter();
            let own = own.filter(|entry| entry.header.partition == manifest.partition);
            extents.extend(own.map(|entry| Extent::of(location.clone(), entry)));
        }
        Ok(extents)
    }
}

/// Adds one link's part to what the links before it gave.
fn follow(
    opened: &mut OpenedLog,
    link: &Link,
    part: Option<&PartitionIndex>,
) -> Result<(), OpenError> {
    let damaged = |what: String| Err(OpenError::Damaged { log: link.log, what });
    // A log that says nothing of the partition got no record of it.
    let found_end = part.map_or(link.start_offset, |part| part.end_offset);
    let end = link.end_offset.unwrap_or(found_end);
    if found_end != end {
        return damaged(format!("the log ends at offset {found_end}, the link at {end}"));
    }
    let mut next = link.start_offset;
    for extent in part.into_iter().flat_map(|part| &part.extents) {
        if extent.base_offset != next {
            return damaged(format!("offset {next} is followed by {}", extent.base_offset));
        }
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
    let batches = state.batches.iter().map(|batch| SequencedBatch {
        base_sequence: batch.base_sequence,
        last_sequence: batch.last_sequence,
        base_offset: batch.base_offset,
        last_offset: batch.last_offset,
        max_timestamp: batch.timestamp,
    });
    let entry = ProducerEntry {
        epoch: state.producer_epoch,
        batches: batches.collect(),
        touched_ms: now_ms,
    };
    table.absorb(state.producer_id, entry);
}

/// Drops what a claim leaves without meaning: links that got no record or lie below the log start,
/// and epochs that got none. A node that restarts often must not grow its manifests.
pub(super) fn tidy(manifest: &mut Manifest) {
    let log_start = manifest.log_start_offset;
    let head = manifest.chain.len() - 1;
    let mut position = 0;
    manifest.chain.retain(|link| {
        let is_head = position == head;
        position += 1;
        is_head || link.end_offset.is_some_and(|end| end > link.start_offset && end > log_start)
    });
    let mut epochs = EpochHistory::default();
    for &(epoch, start_offset) in &manifest.epoch_history {
        epochs.begin(epoch, start_offset);
    }
    manifest.epoch_history = epochs.entries().to_vec();
}

#[cfg(test)]
mod tests;
