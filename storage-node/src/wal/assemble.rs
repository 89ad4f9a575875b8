//! Turns a group of entries into the bytes of a block: the one copy on the produce path.
//!
//! In: a [`Group`] with its place in the log. Out: a [`Block`] ready to be written.
//! Each batch is copied into the block, gets its base offset and leader epoch there, and goes into
//! the payload CRC while it is still in the CPU's cache.

use std::ops::Range;
use std::sync::Arc;

use super::block::{BlockHeader, ENTRY_HEADER_BYTES, EntryHeader, HEADER_BYTES};
use super::buffer::{BlockBuffer, Pool};
use super::layout::{Position, padded};
use super::log::{Group, Queued};
use super::space::Mark;
use super::{CommitTarget, LsnRange};

/// Makes the blocks of one incarnation, one after the other.
pub(super) struct Assembler {
    nonce: u64,
    previous_crc: u32,
    pool: Pool,
}

/// A block, and whom to tell when it is durable.
pub(super) struct Block {
    pub(super) position: Position,
    pub(super) payload_bytes: u64,
    /// Where the log ends when this block and all before it are durable.
    pub(super) mark: Mark,
    pub(super) buffer: BlockBuffer,
    pub(super) entries: Vec<Placed>,
}

/// An entry of a block.
pub(super) struct Placed {
    pub(super) lsn: LsnRange,
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    /// Where the batch is in the block.
    pub(super) batch: Range<usize>,
    pub(super) target: Arc<dyn CommitTarget>,
}

impl Assembler {
    /// The assembler of the first block of incarnation `nonce`.
    pub(super) fn new(nonce: u64) -> Self {
        Self { nonce, previous_crc: 0, pool: Pool::default() }
    }

    /// Assembles the next block of the chain. Groups must come in order.
    pub(super) fn assemble(&mut self, group: Group) -> Block {
        let first = group.entries.first().expect("a group has an entry").lsn.start;
        let last = group.entries.last().expect("a group has an entry").lsn.end;
        let count = group.entries.len();
        let block_bytes = HEADER_BYTES + length(group.payload_bytes);
        let mut buffer = self.pool.take(length(padded(block_bytes as u64)));
        let (block, padding) = buffer.as_mut().split_at_mut(block_bytes);
        padding.fill(0);
        let (header, payload) =
            block.split_first_chunk_mut::<HEADER_BYTES>().expect("the block begins with it");
        let (entries, payload_crc) = fill(payload, group.entries);

        let header_crc = BlockHeader {
            position: group.position,
            durable: group.durable,
            lsn: first,
            payload_bytes: u32::try_from(group.payload_bytes).expect("blocks are at most 16 MiB"),
            entries: u32::try_from(count).expect("an entry has more than one byte"),
            skipped: u32::try_from(group.skipped).expect("less than a block is skipped"),
            previous_crc: self.previous_crc,
            payload_crc,
        }
        .encode(self.nonce, header);
        self.previous_crc = header_crc;
        let end = group.position.plus(padded(block_bytes as u64));
        Block {
            position: group.position,
            payload_bytes: group.payload_bytes,
            mark: Mark { end, lsn: last, crc: header_crc },
            buffer,
            entries,
        }
    }
}

/// Writes the entries into `payload`, which they fill; returns their places and its CRC.
fn fill(payload: &mut [u8], queued: Vec<Queued>) -> (Vec<Placed>, u32) {
    let mut rest = payload;
    let mut batch_at = HEADER_BYTES;
    let mut crc = 0;
    let mut placed = Vec::with_capacity(queued.len());
    for Queued { lsn, entry } in queued {
        let (framed, after) = rest.split_at_mut(ENTRY_HEADER_BYTES + entry.batch.len());
        let (header, batch) = framed.split_at_mut(ENTRY_HEADER_BYTES);
        EntryHeader {
            batch_bytes: u32::try_from(entry.batch.len()).expect("blocks are at most 16 MiB"),
            partition: entry.partition,
            leader_epoch: entry.leader_epoch,
            base_offset: entry.base_offset,
            last_offset: entry.last_offset,
        }
        .encode(header);
        batch.copy_from_slice(&entry.batch);
        protocol::batch::set_offsets(batch, entry.base_offset, entry.leader_epoch);
        crc = crc32c::crc32c_append(crc, framed);

        batch_at += ENTRY_HEADER_BYTES;
        let range = batch_at..batch_at + entry.batch.len();
        batch_at = range.end;
        placed.push(Placed {
            lsn,
            base_offset: entry.base_offset,
            last_offset: entry.last_offset,
            batch: range,
            target: entry.target,
        });
        rest = after;
    }
    assert!(rest.is_empty(), "the entries fill the payload");
    (placed, crc)
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("blocks are at most 16 MiB")
}
