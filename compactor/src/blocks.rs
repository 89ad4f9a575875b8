//! Reading blocks: neighbours with one request, verified, and their batches with what they cover.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use protocol::batch::batches;
use protocol::ids::PartitionId;
use segment::object::open_block;
use segment::{Extent, Key, Keyring, Location, Store, StoreError};

use crate::limits::{GAP_BYTES_MAX, READ_BYTES_MAX, READS_IN_FLIGHT};
use crate::metrics;
use crate::pacer::Pacer;
use crate::rewrite::RewriteError;

/// A batch, and the offsets it stands for: its own, and those before it that compaction by key took
/// away.
#[derive(Debug, Clone)]
pub(crate) struct Covered {
    pub(crate) from: i64,
    pub(crate) last_offset: i64,
    pub(crate) bytes: Bytes,
}

/// Which bytes to get for which blocks.
struct Read {
    key: Key,
    range: Range<u64>,
}

/// Reads all blocks, each under its object and place.
pub(crate) async fn read_blocks<'a>(
    store: &Store,
    pacer: &Pacer,
    blocks: impl IntoIterator<Item = &'a Extent>,
) -> Result<HashMap<(Key, u64), Bytes>, StoreError> {
    let mut by_object: BTreeMap<Key, Vec<Range<u64>>> = BTreeMap::new();
    for extent in blocks {
        by_object.entry(extent.location.key()).or_default().push(extent.range());
    }
    let reads: Vec<(Read, Vec<Range<u64>>)> = by_object.into_iter().flat_map(coalesce).collect();
    let reads = futures::stream::iter(reads).map(|(read, parts)| async move {
        let bytes = read.range.end - read.range.start;
        pacer.take(bytes).await;
        metrics::read(bytes);
        let object = store.get_range(&read.key, read.range.clone()).await?;
        let cut = parts.into_iter().map(|part| {
            let at = (part.start - read.range.start) as usize;
            let block = object.slice(at..at + (part.end - part.start) as usize);
            ((read.key.clone(), part.start), block)
        });
        Ok::<_, StoreError>(cut.collect::<Vec<_>>())
    });
    let parts: Vec<Vec<((Key, u64), Bytes)>> =
        reads.buffer_unordered(READS_IN_FLIGHT).try_collect().await?;
    Ok(parts.into_iter().flatten().collect())
}

/// Neighbours in one object into ranged GETs of bounded length.
fn coalesce((key, mut parts): (Key, Vec<Range<u64>>)) -> Vec<(Read, Vec<Range<u64>>)> {
    parts.sort_unstable_by_key(|part| part.start);
    let mut reads: Vec<(Read, Vec<Range<u64>>)> = Vec::new();
    for part in parts {
        match reads.last_mut() {
            Some((read, joined))
                if part.start <= read.range.end + GAP_BYTES_MAX
                    && part.end - read.range.start <= READ_BYTES_MAX =>
            {
                read.range.end = read.range.end.max(part.end);
                joined.push(part);
            }
            _ => reads.push((Read { key: key.clone(), range: part.clone() }, vec![part])),
        }
    }
    reads
}

/// The batches of a block that was read (R27). It must begin at `next`, which is moved to its end.
///
/// Logs have every offset. In a compacted object some were taken away by key, but between its blocks
/// there is no gap, and the last batch of a block ends where the block does.
pub(crate) fn covered(
    partition: PartitionId,
    extent: &Extent,
    read: &mut HashMap<(Key, u64), Bytes>,
    next: &mut i64,
    keyring: &Keyring,
) -> Result<Vec<Covered>, RewriteError> {
    let key = extent.location.key();
    let bytes = read.remove(&(key.clone(), extent.byte_offset)).unwrap_or_default();
    let block = open_block(&bytes, partition, extent, keyring)
        .map_err(|error| RewriteError::Block { partition, key, error })?;
    expect(partition, *next, extent.base_offset)?;
    let dense = matches!(extent.location, Location::Slot { .. });
    let mut out = Vec::new();
    for batch in batches(&block.batches) {
        let batch = batch.map_err(|error| RewriteError::Batch { partition, error })?;
        if dense || batch.base_offset() < *next {
            expect(partition, *next, batch.base_offset())?;
        }
        let (from, last_offset) = (*next, batch.last_offset());
        *next = last_offset + 1;
        out.push(Covered { from, last_offset, bytes: block.batches.slice_ref(batch.bytes()) });
    }
    expect(partition, block.header.last_offset + 1, *next)?;
    Ok(out)
}

/// Nothing is rewritten around a hole.
pub(crate) fn expect(
    partition: PartitionId,
    expected: i64,
    found: i64,
) -> Result<(), RewriteError> {
    if found == expected { Ok(()) } else { Err(RewriteError::Hole { partition, expected, found }) }
}
