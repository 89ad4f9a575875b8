//! Rewriting: blocks of many partitions in, objects of one partition or of many out.
//!
//! ```text
//! plans ─ footers of runs ─► blocks ─ ranged GETs, neighbours together ─► verified batches
//!                                                                            │
//!            own object  ◄── a partition with much ──────────────────────────┤
//!            packs       ◄── partitions with little, together ───────────────┘
//! ```
//!
//! A batch is not touched: bytes, offsets and epochs are what they were (D8). Memory is bounded by
//! the work that was asked for. Objects are written under names of their own, without a condition
//! (R21), and mean nothing until an owner lists them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use hop::internal::{CompactedRun, CompactionOffer};
use protocol::batch::{BatchError, batches};
use protocol::ids::PartitionId;
use segment::object::{AddError, BlockError, Footer, ObjectBuilder, read_footer, verify_block};
use segment::store::StoreErrorKind;
use segment::{Extent, Key, Location, Plan, Store, StoreError, keys};
use uuid::Uuid;

use crate::config::Config;
use crate::limits::{GAP_BYTES_MAX, PACK_BLOCKS_MAX, READ_BYTES_MAX, READS_IN_FLIGHT};
use crate::metrics;
use crate::pacer::Pacer;

/// A unit of work: the sealed plan, which goes back to its owner, and what it says.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) token: Bytes,
    pub(crate) plan: Plan,
}

/// Why nothing was written, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RewriteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("block of partition {partition} at {key}: {error}")]
    Block { partition: PartitionId, key: Key, error: BlockError },
    #[error("block of partition {partition}: {error}")]
    Batch { partition: PartitionId, error: BatchError },
    /// Not what the owner said is there. Nothing is rewritten around a hole.
    #[error("partition {partition}: offset {expected} is due, {found} is there")]
    Hole { partition: PartitionId, expected: i64, found: i64 },
    #[error("partition {partition}: {error}")]
    Add { partition: PartitionId, error: AddError },
}

impl RewriteError {
    /// Whether a unit of work is why: tried again it would fail again, and whatever is tried with it.
    pub(crate) fn is_of(&self, plan: &Plan) -> bool {
        match self {
            Self::Store(error) => {
                let lasting =
                    matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Damaged);
                lasting && plan.extents.iter().any(|it| it.location.key().as_str() == error.key)
            }
            Self::Block { partition, .. }
            | Self::Batch { partition, .. }
            | Self::Hole { partition, .. }
            | Self::Add { partition, .. } => *partition == plan.partition,
        }
    }
}

/// One partition's batches, in offset order.
struct Part {
    partition: PartitionId,
    offsets: Range<i64>,
    bytes: u64,
    batches: Vec<Bytes>,
}

/// Writes the objects for all units and says where each one's records are.
pub(crate) async fn rewrite(
    store: &Store,
    config: &Config,
    pacer: &Pacer,
    units: &[Unit],
) -> Result<Vec<CompactionOffer>, RewriteError> {
    let blocks = blocks_of(store, units).await?;
    let mut read = read_blocks(store, pacer, &blocks).await?;
    let mut written: HashMap<PartitionId, Vec<CompactedRun>> = HashMap::new();
    let mut packed = Vec::new();
    let part_bytes = usize::try_from(config.part_size.as_u64()).unwrap_or(usize::MAX);
    for (unit, extents) in units.iter().zip(&blocks) {
        let part = Part::collect(&unit.plan, extents, &mut read)?;
        if part.batches.is_empty() {
            continue;
        }
        if part.bytes >= config.own_object_from.as_u64() {
            let key = keys::compacted(&part.partition, part.offsets.start, Uuid::new_v4());
            written.extend(write(store, pacer, part_bytes, "own", key, vec![part]).await?);
        } else {
            packed.push(part);
        }
    }
    for pack in packs(packed, config.object_max.as_u64()) {
        let key = keys::pack(Uuid::new_v4());
        written.extend(write(store, pacer, part_bytes, "pack", key, pack).await?);
    }
    let offers = units.iter().map(|unit| CompactionOffer {
        objects: written.remove(&unit.plan.partition).unwrap_or_default(),
        plan: unit.token.clone(),
    });
    Ok(offers.collect())
}

/// The blocks of each unit: what the plan names, and what the footers of its runs list.
async fn blocks_of(store: &Store, units: &[Unit]) -> Result<Vec<Vec<Extent>>, RewriteError> {
    let mut footers: HashMap<Key, Footer> = HashMap::new();
    let mut all = Vec::with_capacity(units.len());
    for unit in units {
        let mut blocks = Vec::new();
        for extent in &unit.plan.extents {
            let Location::Run(key) = &extent.location else {
                blocks.push(extent.clone());
                continue;
            };
            if !footers.contains_key(key) {
                footers.insert(key.clone(), read_footer(store, key).await?);
            }
            blocks.extend(footers[key].blocks_of(unit.plan.partition, key));
        }
        all.push(blocks);
    }
    Ok(all)
}

/// Which bytes to get for which blocks.
struct Read {
    key: Key,
    range: Range<u64>,
}

/// Reads all blocks, each under its object and place.
async fn read_blocks(
    store: &Store,
    pacer: &Pacer,
    blocks: &[Vec<Extent>],
) -> Result<HashMap<(Key, u64), Bytes>, RewriteError> {
    let mut by_object: BTreeMap<Key, Vec<Range<u64>>> = BTreeMap::new();
    for extent in blocks.iter().flatten() {
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

impl Part {
    /// Verifies the blocks (R27) and that their batches are dense from the plan's start to its end.
    fn collect(
        plan: &Plan,
        extents: &[Extent],
        read: &mut HashMap<(Key, u64), Bytes>,
    ) -> Result<Self, RewriteError> {
        let partition = plan.partition;
        let mut part = Self {
            partition,
            offsets: plan.start_offset..plan.start_offset,
            bytes: 0,
            batches: Vec::new(),
        };
        for extent in extents {
            let key = extent.location.key();
            let bytes = read.remove(&(key.clone(), extent.byte_offset)).unwrap_or_default();
            let block = verify_block(&bytes, partition, extent.base_offset)
                .map_err(|error| RewriteError::Block { partition, key, error })?;
            for batch in batches(&block.batches) {
                let batch = batch.map_err(|error| RewriteError::Batch { partition, error })?;
                part.expect(batch.base_offset())?;
                part.offsets.end = batch.last_offset() + 1;
                let bytes = block.batches.slice_ref(batch.bytes());
                part.bytes += bytes.len() as u64;
                part.batches.push(bytes);
            }
        }
        part.expect(plan.end_offset)?;
        Ok(part)
    }

    fn expect(&self, found: i64) -> Result<(), RewriteError> {
        let (partition, expected) = (self.partition, self.offsets.end);
        if found == expected {
            Ok(())
        } else {
            Err(RewriteError::Hole { partition, expected, found })
        }
    }
}

/// Small parts in groups that become one object each.
fn packs(parts: Vec<Part>, bytes_max: u64) -> Vec<Vec<Part>> {
    let mut packs: Vec<Vec<Part>> = Vec::new();
    let mut bytes = 0;
    for part in parts {
        let full = packs
            .last()
            .is_none_or(|pack| pack.len() >= PACK_BLOCKS_MAX || bytes + part.bytes > bytes_max);
        if full {
            packs.push(Vec::new());
            bytes = 0;
        }
        bytes += part.bytes;
        packs.last_mut().expect("pushed above").push(part);
    }
    packs
}

/// Writes one object; what each partition has in it.
async fn write(
    store: &Store,
    pacer: &Pacer,
    part_bytes: usize,
    kind: &'static str,
    key: Key,
    parts: Vec<Part>,
) -> Result<Vec<(PartitionId, Vec<CompactedRun>)>, RewriteError> {
    let mut object = ObjectBuilder::new();
    let mut offsets = Vec::with_capacity(parts.len());
    for part in parts {
        let partition = part.partition;
        offsets.push((partition, part.offsets));
        for batch in part.batches {
            object.add(partition, batch).map_err(|error| RewriteError::Add { partition, error })?;
        }
    }
    let (payload, footer) = object.finish_compacted();
    let bytes = payload.iter().map(|chunk| chunk.len() as u64).sum();
    pacer.take(bytes).await;
    store.put_in_parts(&key, payload, part_bytes).await?;
    metrics::wrote(kind, bytes);
    let runs = offsets.into_iter().map(|(partition, offsets)| {
        let (mut size, mut max_timestamp) = (0, i64::MIN);
        for block in footer.blocks_of(partition, &key) {
            size += u64::from(block.byte_len);
            max_timestamp = max_timestamp.max(block.max_timestamp);
        }
        let run = CompactedRun {
            key: key.to_string(),
            base_offset: offsets.start,
            last_offset: offsets.end - 1,
            size,
            max_timestamp,
        };
        (partition, vec![run])
    });
    Ok(runs.collect())
}
