//! From blocks to the records of an answer, without copying them. Pure.

use bytes::Bytes;
use protocol::batch::{BatchError, batches};
use segment::object::Block;

/// Whole batches in offset order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// Slices of the blocks.
    pub(crate) slices: Vec<Bytes>,
    /// Their length together.
    pub(crate) bytes: usize,
    /// The offset after the last record, where there is one.
    pub(crate) next_offset: i64,
}

/// Which part of the blocks an answer takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// First offset: the answer starts with the batch that holds it, or the next one.
    pub(crate) offset: i64,
    /// No batch that starts here or later.
    pub(crate) end_offset: i64,
    /// About this many bytes, but always the first batch (KIP-74).
    pub(crate) max_bytes: usize,
}

/// Takes batches from `blocks`, which follow each other in offsets.
pub(crate) fn assemble(blocks: &[Block], wanted: Wanted) -> Result<Records, BatchError> {
    let mut records = Records { next_offset: wanted.offset, ..Records::default() };
    for block in blocks {
        let header = &block.header;
        let whole = header.base_offset >= records.next_offset
            && header.last_offset < wanted.end_offset
            && records.bytes + block.batches.len() <= wanted.max_bytes;
        if whole {
            records.push(block.batches.clone(), header.last_offset);
        } else if !records.push_part(block, wanted)? {
            break;
        }
    }
    Ok(records)
}

impl Records {
    fn push(&mut self, slice: Bytes, last_offset: i64) {
        self.bytes += slice.len();
        self.slices.push(slice);
        self.next_offset = last_offset + 1;
    }

    /// Takes what fits of a block; false when the limit was reached in it.
    fn push_part(&mut self, block: &Block, wanted: Wanted) -> Result<bool, BatchError> {
        let (mut start, mut end) = (0, 0);
        let mut last_offset = None;
        let mut complete = true;
        for batch in batches(&block.batches) {
            let batch = batch?;
            let length = batch.bytes().len();
            if batch.last_offset() < self.next_offset {
                start = end + length;
                end = start;
                continue;
            }
            let taken = self.bytes + (end - start);
            let fits = taken == 0 || taken + length <= wanted.max_bytes;
            if !fits || batch.base_offset() >= wanted.end_offset {
                complete = false;
                break;
            }
            end += length;
            last_offset = Some(batch.last_offset());
        }
        if let Some(last_offset) = last_offset {
            self.push(block.batches.slice(start..end), last_offset);
        }
        Ok(complete)
    }
}

#[cfg(test)]
mod tests;
