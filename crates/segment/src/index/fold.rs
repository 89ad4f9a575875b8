//! Folding footers into an index, slot after slot.

use protocol::batch::{EndTransactionMarker, NO_PRODUCER_ID, advance_sequence};

use super::{IndexSnapshot, PRODUCER_BATCHES_MAX, PartitionIndex, ProducerBatch, ProducerState};
use crate::extent::{Extent, Location};
use crate::log_id::LogId;
use crate::object::{BatchMeta, BlockEntry, Footer};
use crate::transactions::{AbortedTransaction, TransactionEnd};

impl IndexSnapshot {
    /// The index of a log without segments.
    pub fn empty(log: LogId) -> Self {
        Self { log, partitions: std::collections::BTreeMap::new() }
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
        if extent.base_offset > known {
            self.come_back();
        }
        for batch in batches.iter().filter(|batch| batch.base_offset >= known) {
            match batch.marker {
                Some(marker) => self.end_transaction(batch, marker),
                None if batch.is_sequenced() => self.state_of(batch).add(batch),
                None => {}
            }
        }
        self.leader_epoch = extent.leader_epoch;
        self.end_offset = extent.last_offset + 1;
        self.extents.push(extent);
    }

    /// The partition left this log and came back. What was open when it left was ended elsewhere, or
    /// goes on; either way the part of its history in between says so, and this log knows nothing.
    fn come_back(&mut self) {
        for state in &mut self.producers {
            (state.txn_first_offset, state.first_end) = (None, None);
        }
    }

    fn end_transaction(&mut self, batch: &BatchMeta, marker: EndTransactionMarker) {
        let (producer_id, last_offset) = (batch.producer_id, batch.base_offset);
        let begun = self.state_of(batch).end(batch, marker);
        if let Some(first_offset) = begun.filter(|_| !marker.commit) {
            self.aborted.push(AbortedTransaction { producer_id, first_offset, last_offset });
        }
    }

    /// What is known of the batch's producer.
    fn state_of(&mut self, batch: &BatchMeta) -> &mut ProducerState {
        let id = batch.producer_id;
        let position = match self.producers.binary_search_by_key(&id, |known| known.producer_id) {
            Ok(position) => position,
            Err(position) => {
                self.producers.insert(position, ProducerState::new(id, batch.producer_epoch));
                position
            }
        };
        &mut self.producers[position]
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
    /// A producer that has done nothing yet.
    pub fn new(producer_id: i64, producer_epoch: i16) -> Self {
        Self {
            producer_id,
            producer_epoch,
            batches: Vec::new(),
            coordinator_epoch: -1,
            txn_first_offset: None,
            first_end: None,
        }
    }

    /// A new epoch starts its sequences anew: the old ones mean nothing then.
    fn begin(&mut self, producer_epoch: i16) {
        if producer_epoch != self.producer_epoch {
            self.producer_epoch = producer_epoch;
            self.batches.clear();
        }
    }

    /// Takes in a marker. Returns where the transaction began, as far as this log knows.
    fn end(&mut self, batch: &BatchMeta, marker: EndTransactionMarker) -> Option<i64> {
        self.begin(batch.producer_epoch);
        self.coordinator_epoch = self.coordinator_epoch.max(marker.coordinator_epoch);
        let end = TransactionEnd { offset: batch.base_offset, commit: marker.commit };
        self.first_end.get_or_insert(end);
        self.txn_first_offset.take()
    }

    fn add(&mut self, batch: &BatchMeta) {
        self.begin(batch.producer_epoch);
        if batch.is_transactional() {
            self.txn_first_offset.get_or_insert(batch.base_offset);
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
        self.coordinator_epoch = self.coordinator_epoch.max(older.coordinator_epoch);
        if self.first_end.is_none() {
            self.txn_first_offset = older.txn_first_offset.or(self.txn_first_offset);
        }
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
