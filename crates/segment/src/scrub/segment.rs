//! One segment object: its footer, and every block that the footer lists.
//!
//! A block must be what a reader accepts (R27), must be what the footer says,
//! and must hold dense batches of one epoch (D6, D10). The first defect of a
//! block is its finding; the others mostly follow from it.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use protocol::batch::batches;
use protocol::ids::PartitionId;

use super::Depth;
use super::finding::Defect;
use super::source::{Fault, Reads};
use crate::extent::{Extent, Location};
use crate::keys::{self, Key, Parsed};
use crate::object::{
    BatchMeta, Block, BlockEntry, BlockError, Footer, open_block, read_block_header,
};
use crate::seal::Keyring;
use crate::store::StoreError;

/// Blocks are read together up to this length: requests cost more than bytes.
const RUN_BYTES_MAX: u64 = 4 << 20;

/// How the offsets of an object follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offsets {
    /// As they were appended (D6).
    Dense,
    /// Compaction by key may have taken records and batches out.
    Sparse,
}

/// A segment object whose footer is sound.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) footer: Footer,
    /// By position in the footer: blocks that are not to be trusted.
    pub(super) defects: BTreeMap<usize, Defect>,
}

/// What a partition has in a compacted object, however many others have a part in it.
pub(super) async fn read_part(
    reads: &Reads<'_>,
    key: &Key,
    partition: PartitionId,
    depth: Depth,
) -> Result<Segment, Fault> {
    let (mut footer, _) = reads.footer(key).await?;
    let shared = matches!(keys::parse(key), Some(Parsed::Pack(_)));
    footer.entries.retain(|entry| !shared || entry.header.partition == partition);
    let mut segment = Segment { footer, defects: BTreeMap::new() };
    if depth == Depth::Full {
        segment.check_blocks(reads, key, Offsets::Sparse).await?;
    }
    Ok(segment)
}

/// Reads the segment at `key`, which must be `length` bytes long.
pub(super) async fn read_segment(
    reads: &Reads<'_>,
    key: &Key,
    length: u64,
    offsets: Offsets,
    depth: Depth,
) -> Result<Segment, Fault> {
    let (footer, found) = reads.footer(key).await?;
    if found != length {
        return Err(Defect::Damaged(format!("{found} bytes long instead of {length}")).into());
    }
    let mut segment = Segment { footer, defects: BTreeMap::new() };
    if offsets == Offsets::Dense {
        segment.check_summaries();
    }
    if depth == Depth::Full {
        segment.check_blocks(reads, key, offsets).await?;
    }
    Ok(segment)
}

impl Segment {
    /// Number of batches that the footer lists.
    pub(super) fn batches(&self) -> u64 {
        self.footer.entries.iter().map(|entry| entry.batches.len() as u64).sum()
    }

    /// What the footer alone contradicts.
    fn check_summaries(&mut self) {
        for (position, entry) in self.footer.entries.iter().enumerate() {
            if let Err(defect) = check_summary(entry) {
                self.defects.insert(position, defect);
            }
        }
    }

    async fn check_blocks(
        &mut self,
        reads: &Reads<'_>,
        key: &Key,
        offsets: Offsets,
    ) -> Result<(), StoreError> {
        for run in runs(&self.footer.entries) {
            let entries = &self.footer.entries[run.clone()];
            let (first, last) = (&entries[0], &entries[entries.len() - 1]);
            let bytes = reads.range(key, first.byte_offset..last.range().end).await?;
            for (position, entry) in run.zip(entries) {
                let start = (entry.byte_offset - first.byte_offset) as usize;
                let block = bytes.slice(start..start + entry.byte_len as usize);
                if let Err(defect) = check_block(key, entry, &block, offsets, reads.keyring()) {
                    self.defects.entry(position).or_insert(defect);
                }
            }
        }
        Ok(())
    }
}

/// Neighbours that are read with one request each.
fn runs(entries: &[BlockEntry]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if entry.range().end - entries[run.start].byte_offset <= RUN_BYTES_MAX => {
                run.end = position + 1;
            }
            _ => runs.push(position..position + 1),
        }
    }
    runs
}

fn check_summary(entry: &BlockEntry) -> Result<(), Defect> {
    let mut next = entry.header.base_offset;
    for batch in &entry.batches {
        follows(next, batch.base_offset)?;
        next = batch.last_offset() + 1;
    }
    let offset = entry.header.last_offset;
    if next == offset + 1 { Ok(()) } else { Err(Defect::Footer { what: "last offset", offset }) }
}

fn check_block(
    key: &Key,
    entry: &BlockEntry,
    bytes: &Bytes,
    offsets: Offsets,
    keyring: &Keyring,
) -> Result<(), Defect> {
    let listed = &entry.header;
    let (at, base, last) = (entry.byte_offset, listed.base_offset, listed.last_offset);
    let extent = Extent::of(Location::Object(key.clone()), entry);
    let opened = open_block(bytes, listed.partition, &extent, keyring);
    if let Err(error) = &opened
        && error.is_transient()
    {
        // All but what is sealed was checked: the CRC over it, and whose it says it is.
        let header = read_block_header(bytes).map_err(|error| Defect::Block { at, error })?;
        return check_timestamp(header.max_timestamp, entry);
    }
    let block = opened.map_err(|error| match error {
        BlockError::Offsets { base: block_base, last: block_last } => {
            Defect::FooterOffsets { at, base, last, block_base, block_last }
        }
        BlockError::Epoch(_) => Defect::Footer { what: "leader epoch", offset: base },
        error => Defect::Block { at, error },
    })?;
    check_timestamp(block.header.max_timestamp, entry)?;
    match offsets {
        Offsets::Dense => check_batches(&block, &entry.batches),
        Offsets::Sparse => check_order(&block),
    }
}

fn check_timestamp(found: i64, entry: &BlockEntry) -> Result<(), Defect> {
    if found == entry.header.max_timestamp {
        return Ok(());
    }
    Err(Defect::Footer { what: "max timestamp", offset: entry.header.base_offset })
}

/// The batches themselves, which are what clients get.
fn check_batches(block: &Block, listed: &[BatchMeta]) -> Result<(), Defect> {
    let expected = block.header.leader_epoch;
    let mut next = block.header.base_offset;
    let mut listed = listed.iter();
    for batch in batches(&block.batches) {
        let damaged = |error| Defect::Batch { offset: next, error };
        let batch = batch.map_err(damaged)?;
        batch.verify_stored().map_err(damaged)?;
        follows(next, batch.base_offset())?;
        let found = batch.leader_epoch();
        if found != expected {
            return Err(Defect::Epoch { offset: next, expected, found });
        }
        if listed.next() != Some(&BatchMeta::of(&batch)) {
            return Err(Defect::Footer { what: "batch", offset: next });
        }
        next = batch.last_offset() + 1;
    }
    match listed.next() {
        None => Ok(()),
        Some(batch) => Err(Defect::Footer { what: "batch", offset: batch.base_offset }),
    }
}

/// The batches of a compacted object, which may lack records that compaction by key took out. Batches
/// stay in order, of one epoch, and the last ends where its block does: readers rely on it.
fn check_order(block: &Block) -> Result<(), Defect> {
    let expected = block.header.leader_epoch;
    let mut next = block.header.base_offset;
    for batch in batches(&block.batches) {
        let batch = batch.map_err(|error| Defect::Batch { offset: next, error })?;
        follows(next, batch.base_offset().min(next))?;
        let found = batch.leader_epoch();
        if found != expected {
            return Err(Defect::Epoch { offset: next, expected, found });
        }
        next = batch.last_offset() + 1;
    }
    follows(block.header.last_offset + 1, next)
}

/// D6: the record after the last.
pub(super) fn follows(expected: i64, found: i64) -> Result<(), Defect> {
    if found > expected {
        return Err(Defect::OffsetGap { expected, found });
    }
    if found < expected {
        return Err(Defect::OffsetOverlap { expected, found });
    }
    Ok(())
}
