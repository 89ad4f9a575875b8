//! Folding footers into an index, slot after slot.

use protocol::batch::{NO_PRODUCER_ID, advance_sequence};

use super::{IndexSnapshot, PRODUCER_BATCHES_MAX, PartitionIndex, ProducerBatch, ProducerState};
use crate::extent::{Extent, Location};
use crate::log_id::LogId;
use crate::object::{BatchMeta, BlockEntry, Footer};

impl IndexSnapshot {
    /// The index of a log without segments.
    pub fn empty(log: LogId) -> Self {
        Self { log, partitions: std::collections::BTreeMap::new(), producers_complete: false }
    }

    /// Adds the segment at `slot`, the next after those added before.
    ///
    /// What is there already is skipped: two drainers may both have uploaded the
    /// same records, and the first copy counts (R24). A block that is new only in
    /// part is kept whole, for readers look for an offset, not for a block.
    pub fn add_segment(&mut self, slot: u64, footer: &Footer) {
        let log = self.log;
        for entry in &footer.entries {
            let index = self.partitions.entry(entry.header.partition);
            let index = index.or_insert_with(|| PartitionIndex::starting_at(entry));
            if entry.header.last_offset >= index.end_offset {
                index.add_block(Extent::of(Location::Slot { log, slot }, entry), &entry.batches);
            }
        }
    }
}

impl PartitionIndex {
    fn starting_at(entry: &BlockEntry) -> Self {
        let start = entry.header.base_offset;
        Self { start_offset: start, end_offset: start, ..Self::default() }
    }

    fn add_block(&mut self, extent: Extent, batches: &[BatchMeta]) {
        let known = self.end_offset;
        let new = batches.iter().filter(|batch| batch.base_offset >= known);
        for batch in new.filter(|batch| batch.is_sequenced()) {
            self.add_producer_batch(batch);
        }
        self.leader_epoch = extent.leader_epoch;
        self.end_offset = extent.last_offset + 1;
        self.extents.push(extent);
    }

    fn add_producer_batch(&mut self, batch: &BatchMeta) {
        let id = batch.producer_id;
        let position = match self.producers.binary_search_by_key(&id, |known| known.producer_id) {
            Ok(position) => position,
            Err(position) => {
                let epoch = batch.producer_epoch;
                let state =
                    ProducerState { producer_id: id, producer_epoch: epoch, batches: vec![] };
                self.producers.insert(position, state);
                position
            }
        };
        self.producers[position].add(batch);
    }

    /// Adds what an earlier log knows of producers that this one says nothing
    /// about, and their older batches where it does.
    pub fn inherit_producers(&mut self, earlier: &Self) {
        for old in &earlier.producers {
            let id = old.producer_id;
            match self.producers.binary_search_by_key(&id, |known| known.producer_id) {
                Err(position) => self.producers.insert(position, old.clone()),
                Ok(position) => self.producers[position].inherit(old),
            }
        }
    }
}

impl ProducerState {
    fn add(&mut self, batch: &BatchMeta) {
        if batch.producer_epoch != self.producer_epoch {
            // A new epoch starts its sequences anew: the old ones mean nothing now.
            self.producer_epoch = batch.producer_epoch;
            self.batches.clear();
        }
        if self.batches.len() == PRODUCER_BATCHES_MAX {
            self.batches.remove(0);
        }
        self.batches.push(ProducerBatch {
            base_sequence: batch.base_sequence,
            last_sequence: advance_sequence(batch.base_sequence, batch.last_offset_delta),
            base_offset: batch.base_offset,
            last_offset: batch.last_offset(),
            timestamp: batch.max_timestamp,
        });
    }

    fn inherit(&mut self, older: &Self) {
        if older.producer_epoch != self.producer_epoch {
            return;
        }
        let missing = PRODUCER_BATCHES_MAX - self.batches.len();
        let skip = older.batches.len().saturating_sub(missing);
        self.batches.splice(0..0, older.batches[skip..].iter().copied());
    }
}

impl BatchMeta {
    /// Control batches carry a producer id and no sequence.
    fn is_sequenced(&self) -> bool {
        self.producer_id != NO_PRODUCER_ID && self.base_sequence >= 0
    }
}
