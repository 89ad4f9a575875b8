//! Building a segment object without copying a record.
//!
//! Batches come in any order of partitions, each partition's in offset order;
//! the object lists them sorted. The payload is a list of the very `Bytes` that
//! were added, with small headers between them. Only the batches of a tenant that has
//! a key to seal with are copied, once, to be sealed.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use protocol::batch::{BatchError, BatchView};
use protocol::ids::PartitionId;

use super::block::{BLOCK_HEADER_LEN, BlockHeader};
use super::footer::{BatchMeta, BlockEntry, Footer};
use crate::keys::Key;
use crate::seal::{KeyMissing, Keyring, SEAL_OVERHEAD};
use crate::seqlog;

/// A block is cut before it exceeds this; a larger batch is a block by itself.
/// A cold read of a few megabytes then covers whole blocks.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;

/// A batch was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The bytes are not one whole batch.
    #[error("not a record batch: {0}")]
    Batch(#[from] BatchError),
    /// Offsets of a partition must grow.
    #[error("batch at offset {base} follows offset {last} of partition {partition}")]
    Order {
        /// Whose.
        partition: PartitionId,
        /// Last offset added before.
        last: i64,
        /// First offset of the refused batch.
        base: i64,
    },
}

/// Collects batches for one segment object.
#[derive(Debug, Default)]
pub struct ObjectBuilder {
    blocks: Vec<PendingBlock>,
    /// The block that each partition's next batch goes to.
    open: HashMap<PartitionId, usize>,
    batches: usize,
    controls: usize,
    batch_bytes: usize,
}

#[derive(Debug)]
struct PendingBlock {
    header: BlockHeader,
    bytes: usize,
    chunks: Vec<Bytes>,
    batches: Vec<BatchMeta>,
}

impl ObjectBuilder {
    /// An object without blocks.
    pub fn new() -> Self {
        Self::default()
    }

    /// True when nothing was added.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Length of the payload that [`ObjectBuilder::finish`] would return if nothing is sealed.
    pub fn payload_len(&self) -> usize {
        self.batch_bytes
            + self.blocks.len() * BLOCK_HEADER_LEN
            + Footer::encoded_len(self.blocks.len(), self.batches, self.controls)
    }

    /// Adds one batch as it is to be stored: base offset and leader epoch patched.
    pub fn add(&mut self, partition: PartitionId, batch: Bytes) -> Result<(), AddError> {
        let base = BatchView::whole(&batch)?.base_offset();
        self.add_covering(partition, base, batch)
    }

    /// Adds a batch that stands for all offsets from `from` on: compaction by key took away what
    /// was before it. Blocks cover such gaps, so that whoever looks for an offset finds the batch
    /// that comes next, and a hole is still a hole.
    pub fn add_covering(
        &mut self,
        partition: PartitionId,
        from: i64,
        batch: Bytes,
    ) -> Result<(), AddError> {
        let view = BatchView::whole(&batch)?;
        let meta = BatchMeta::of(&view);
        let leader_epoch = view.leader_epoch();
        let open = self.open.get(&partition).map(|&position| &self.blocks[position]);
        let last = open.map_or(i64::MIN, |block| block.header.last_offset);
        if from <= last || meta.base_offset < from {
            return Err(AddError::Order { partition, last, base: from.min(meta.base_offset) });
        }
        let fits = open.is_some_and(|block| block.takes(from, leader_epoch, batch.len()));
        if !fits {
            self.open.insert(partition, self.blocks.len());
            self.blocks.push(PendingBlock::starting_at(partition, from, leader_epoch, &meta));
        }
        self.batches += 1;
        self.controls += usize::from(meta.is_control());
        self.batch_bytes += batch.len();
        self.blocks[self.open[&partition]].push(meta, batch);
        Ok(())
    }

    /// The payload of the slot that will be `object`, and its footer with the places in the stored
    /// object.
    ///
    /// `lsn` is the part of the front that this object covers.
    pub fn finish(
        self,
        lsn: Range<u64>,
        object: &Key,
        keyring: &Keyring,
    ) -> Result<(Vec<Bytes>, Footer), KeyMissing> {
        self.assemble(lsn, seqlog::HEADER_LEN as u64, object, keyring)
    }

    /// The same with nothing sealed, for any object.
    #[cfg(test)]
    pub(crate) fn finish_plain(self, lsn: Range<u64>) -> (Vec<Bytes>, Footer) {
        let object = Key::from_text("d/any");
        self.finish(lsn, &object, &Keyring::default()).expect("there is no key to miss")
    }

    /// A compacted object and its footer. It is no slot, so nothing stands before its blocks, and
    /// its footer lists blocks only: producers are in snapshots by then, and a footer that grows
    /// with the batches would be the larger part of many small reads.
    pub fn finish_compacted(
        mut self,
        object: &Key,
        keyring: &Keyring,
    ) -> Result<(Vec<Bytes>, Footer), KeyMissing> {
        self.blocks.iter_mut().for_each(|block| block.batches.clear());
        self.assemble(0..0, 0, object, keyring)
    }

    fn assemble(
        mut self,
        lsn: Range<u64>,
        blocks_at: u64,
        object: &Key,
        keyring: &Keyring,
    ) -> Result<(Vec<Bytes>, Footer), KeyMissing> {
        self.blocks.sort_by_key(|block| (block.header.partition, block.header.base_offset));
        let batches: usize = self.blocks.iter().map(|block| block.chunks.len()).sum();
        let chunks = batches + self.blocks.len() + 1;
        let mut payload = Vec::with_capacity(chunks);
        let mut footer = Footer {
            lsn_start: lsn.start,
            lsn_end: lsn.end,
            entries: Vec::with_capacity(self.blocks.len()),
        };
        let mut byte_offset = blocks_at;
        for block in self.blocks {
            let mut byte_len = BLOCK_HEADER_LEN + block.bytes;
            match keyring.current(block.header.partition.tenant)? {
                None => block.header.encode(block.chunks, &mut payload),
                Some(key) => {
                    byte_len += SEAL_OVERHEAD;
                    block.header.encode_sealed(&block.chunks, &key, object, &mut payload);
                }
            }
            footer.entries.push(BlockEntry {
                header: block.header,
                byte_offset,
                byte_len: u32::try_from(byte_len).expect("an object is smaller than 4 GiB"),
                batches: block.batches,
            });
            byte_offset += byte_len as u64;
        }
        payload.push(footer.encode());
        Ok((payload, footer))
    }
}

impl PendingBlock {
    fn starting_at(
        partition: PartitionId,
        from: i64,
        leader_epoch: i32,
        first: &BatchMeta,
    ) -> Self {
        let header = BlockHeader {
            partition,
            base_offset: from,
            last_offset: from - 1,
            leader_epoch,
            max_timestamp: first.max_timestamp,
        };
        Self { header, bytes: 0, chunks: Vec::new(), batches: Vec::new() }
    }

    /// A block has one epoch and covers all its offsets, so that its header says all about it.
    fn takes(&self, from: i64, leader_epoch: i32, length: usize) -> bool {
        self.header.leader_epoch == leader_epoch
            && self.header.last_offset + 1 == from
            && self.bytes + length <= BLOCK_BYTES_MAX
    }

    fn push(&mut self, meta: BatchMeta, batch: Bytes) {
        self.header.last_offset = meta.last_offset();
        self.header.max_timestamp = self.header.max_timestamp.max(meta.max_timestamp);
        self.bytes += batch.len();
        self.batches.push(meta);
        self.chunks.push(batch);
    }
}
